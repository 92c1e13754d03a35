"""The recorder: each class keeps its rules, each fault does what it says, the file tells it all."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bench.crash import faults
from bench.crash.recorder import Recorder
from bench.crash.wire import listen
from tests.client import plain

SEED = 5
QUICK = 0.002  # of the time that things take
CLASSES = ("key", "two_step", "lookup", "blind")
TABLES = {"posts": faults.LAST_CALL, "publish": faults.TWO_STEP, "containers": faults.FIRST_STEP}


@dataclass
class Net:
    """A recorder on a socket, and a client with one account of each class."""

    http: httpx2.AsyncClient
    file: Path
    tokens: dict[str, str]

    def lines(self, event: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [line for line in found if line["event"] == event]

    async def call(self, kind: str, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.tokens[kind]}", **more.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **more)

    async def post(self, kind: str, text: str, key: str = "k") -> httpx2.Response:
        """Makes the last call of a class; the first of two steps is made before."""
        given = {"text": text, "mediaCount": 0, "createdAt": "2026-01-01T00:00:00+00:00"}
        if kind == "two_step":
            made = await self.call(kind, "POST", "/containers", json=given)
            return await self.call(kind, "POST", f"/containers/{made.json()['id']}/publish")
        headers = {"idempotency-key": key} if kind == "key" else {}
        return await self.call(kind, "POST", "/posts", json=given, headers=headers)


@asynccontextmanager
async def network(folder: Path, rate: float) -> AsyncIterator[Net]:
    file = folder / "recorder.jsonl"
    recorder = Recorder(file, SEED, rate, pace=QUICK)
    server = await listen(recorder.handle, 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with plain(base_url=url, timeout=5) as http:
        tokens = {}
        for kind in CLASSES:
            given = {"handle": kind, "mode": "ok" if kind == "key" else kind}
            answer = await http.post("/accounts", json=given)
            assert answer.json()["kind"] == kind
            tokens[kind] = answer.json()["token"]
        yield Net(http, file, tokens)
    server.close()
    await server.wait_closed()
    recorder.held.close()


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Net]:
    async with network(tmp_path, 0.0) as made:
        yield made


@pytest.fixture
async def bad(tmp_path: Path) -> AsyncIterator[Net]:
    """A network on which everything goes wrong."""
    async with network(tmp_path, 1.0) as made:
        yield made


def meeting(name: str, kind: str, call: str, *, free: str | None = None) -> str:
    """Finds words whose first try meets a fault; `free`, a call that must come through before."""
    for number in range(100_000):
        text = f"words {number}"
        met = faults.choose(faults.dice(SEED, kind, call, text, 1), TABLES[call], 1.0)
        first = faults.dice(SEED, kind, "containers", text, 1)
        before = faults.choose(first, faults.FIRST_STEP, 1.0) if free else None
        if met is not None and met.name == name and (before is None or before.name == "slow"):
            return text
    raise AssertionError(name)


def answer_of(fault: faults.Fault) -> set[int]:
    """The status that a client sees; none where the connection breaks off."""
    if fault.answer in (faults.CUT, faults.TORN, faults.HANG):
        return set()
    return {201} if fault.answer in (faults.GOOD, faults.GARBAGE) else {fault.status}


@pytest.mark.parametrize("kind", CLASSES)
async def test_a_post_is_in_the_file_when_it_is_answered(net: Net, kind: str) -> None:
    answer = await net.post(kind, "Hello")

    [line] = net.lines("accepted")
    assert answer.status_code == 201
    assert (line["id"], line["account"], line["text"]) == (answer.json()["id"], kind, "Hello")


@pytest.mark.parametrize("kind", ["lookup", "blind"])
async def test_these_classes_accept_a_repeat_again(net: Net, kind: str) -> None:
    first, second = await net.post(kind, "Hello"), await net.post(kind, "Hello")

    assert first.json()["id"] != second.json()["id"]
    assert len(net.lines("accepted")) == 2


async def test_a_key_makes_one_post(net: Net) -> None:
    first, second = await net.post("key", "Hello"), await net.post("key", "Hello")
    other = await net.post("key", "Other words")

    assert first.json()["id"] == second.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    assert (len(net.lines("accepted")), len(net.lines("repeat"))) == (1, 1)


async def test_only_the_class_key_takes_keys(net: Net) -> None:
    given = {"text": "Hello"}

    with_key = {"idempotency-key": "k"}
    lookup = await net.call("lookup", "POST", "/posts", json=given, headers=with_key)
    key = await net.call("key", "POST", "/posts", json=given)

    assert (lookup.status_code, key.status_code) == (400, 400)
    assert net.lines("accepted") == []


async def test_a_container_is_invisible_until_it_is_published_once(net: Net) -> None:
    made = await net.call("two_step", "POST", "/containers", json={"text": "Hello"})
    path = f"/containers/{made.json()['id']}"
    assert net.lines("accepted") == []
    assert (await net.call("two_step", "GET", path)).json()["status"] == "ready"

    posts = [await net.call("two_step", "POST", f"{path}/publish") for _ in range(2)]

    assert len({post.json()["id"] for post in posts}) == 1
    assert len(net.lines("accepted")) == 1
    told = (await net.call("two_step", "GET", path)).json()
    assert (told["status"], told["post"]["id"]) == ("published", posts[0].json()["id"])


async def test_each_class_is_read_in_its_way(net: Net) -> None:
    posts = {kind: (await net.post(kind, f"Hello  {kind}")).json()["id"] for kind in CLASSES}
    since = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()

    key = await net.call("key", "GET", "/posts", params={"key": "k"})
    other = await net.call("key", "GET", "/posts", params={"key": "another"})
    blind = await net.call("blind", "GET", "/posts", params={"since": since})
    listed = await net.call("lookup", "GET", "/posts", params={"since": since})

    assert [post["id"] for post in key.json()["posts"]] == [posts["key"]]
    assert other.json() == {"posts": []}
    assert (blind.status_code, blind.json()["code"]) == (403, "no_read_scope")
    # This account's list is seconds behind.
    assert listed.json() == {"posts": [], "next": None}


async def test_a_list_is_behind_by_its_lag_and_in_pages(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "file", SEED, 0.0)
    token = recorder.held.connect("lookup", "lookup", 0.0)
    account = recorder.held.accounts[token]
    posts = [recorder.held.accept(account, f"e\u0301  {n}", 0, None) for n in range(101)]

    newest, end = recorder.held.since(account, "2020-01-01T00:00:00+00:00", 0)
    oldest, none = recorder.held.since(account, "2020-01-01T00:00:00+00:00", 100)
    account.lag = 60.0
    behind = recorder.held.since(account, "2020-01-01T00:00:00+00:00", 0)

    assert [post["id"] for post in [*newest, *oldest]] == [p["id"] for p in reversed(posts)]
    assert (end, none, behind) == (100, None, ([], None))
    assert newest[0]["text"] == "\u00e9 100"
    recorder.held.close()


@pytest.mark.parametrize("fault", faults.LAST_CALL, ids=lambda each: each.name)
@pytest.mark.parametrize("kind", ["key", "lookup", "blind"])
async def test_a_fault_of_the_last_call(bad: Net, kind: str, fault: faults.Fault) -> None:
    text = meeting(fault.name, kind, "posts")

    seen = await status(bad.post(kind, text))

    assert seen == answer_of(fault)
    if fault.accepts == faults.LATE:
        await until(lambda: bad.lines("accepted"))
    assert len(bad.lines("accepted")) == (fault.accepts != faults.NEVER)
    assert [line["fault"] for line in bad.lines("request")] == [fault.name]


@pytest.mark.parametrize("fault", faults.TWO_STEP, ids=lambda each: each.name)
async def test_a_fault_of_the_second_step(bad: Net, fault: faults.Fault) -> None:
    text = meeting(fault.name, "two_step", "publish", free="containers")

    seen = await status(bad.post("two_step", text))

    assert seen == answer_of(fault)
    if fault.accepts == faults.LATE or fault.name == "in_progress":
        await until(lambda: bad.lines("accepted"))
    assert len(bad.lines("accepted")) == (fault.accepts != faults.NEVER)


@pytest.mark.parametrize("fault", faults.FIRST_STEP, ids=lambda each: each.name)
async def test_a_fault_of_the_first_step_makes_nothing_visible(
    bad: Net, fault: faults.Fault
) -> None:
    given = {"text": meeting(fault.name, "two_step", "containers")}

    seen = await status(bad.call("two_step", "POST", "/containers", json=given))

    assert seen == answer_of(fault)
    assert bad.lines("accepted") == []


async def test_a_truthful_refusal_says_what_to_do(bad: Net) -> None:
    limited = await bad.post("blind", meeting("429", "blind", "posts"))
    busy = await bad.post("blind", meeting("503", "blind", "posts"))

    assert limited.headers["retry-after"] == "1"
    assert busy.headers["x-accepted"] == "no"


async def test_readings_fail_too(bad: Net) -> None:
    seen = [await status(bad.call("key", "GET", "/posts", params={"key": "k"})) for _ in range(60)]

    assert seen.count(set()) > 5
    assert seen.count({500}) > 2
    assert seen.count({200}) > 5


def test_nobody_meets_lost_answers_for_ever() -> None:
    chances = (faults.dice(SEED, "a", "posts", f"w{n}", 3) for n in range(500))

    met = [faults.choose(chance, faults.LAST_CALL, 1.0, lose=False) for chance in chances]

    assert all(fault is not None and fault.told for fault in met)


def test_the_seed_alone_decides() -> None:
    def drawn(seed: int) -> list[faults.Fault | None]:
        dice = (faults.dice(seed, "a", "posts", n) for n in range(200))
        return [faults.choose(each, faults.LAST_CALL, 0.3) for each in dice]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


async def test_a_stranger_is_refused(net: Net) -> None:
    answer = await net.http.post("/posts", json={"text": "Hello"})

    assert (answer.status_code, answer.json()["code"]) == (401, "expired")
    assert net.lines("accepted") == []


def test_recorder_and_judge_share_nothing_with_mypost() -> None:
    """Everything they import comes with Python, or stands beside them."""
    script = (
        "import sys, bench.crash.recorder, bench.crash.recount, bench.crash.check\n"
        "ours = {name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(sorted(name for name in ours if not name.startswith(('__', '_'))))"
    )
    isolated = [sys.executable, "-S", "-c", script]
    done = subprocess.run(isolated, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['bench']"


async def status(asked: Any) -> set[int]:
    """The status of an answer; none when there is no answer."""
    try:
        return {(await asked).status_code}
    except httpx2.TransportError:
        return set()


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)
