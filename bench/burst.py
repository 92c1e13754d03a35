"""Ten thousand targets due in one second: how late they are begun, and what each costs PostgreSQL.

The workers are processes of their own. Their network answers at once and is nowhere, or it is the
recorder of the crash proof, which writes each post to the disk and answers after 50 ms.
"""

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx2
import orjson
import psutil
import structlog
from redis.asyncio import Redis

from bench.crash import history
from bench.crash.lateness import Late, summary
from bench.crash.processes import Kept, python
from bench.crash.stage import free_ports
from bench.result import Asked, Result
from mypost import embedded, ids
from mypost.crypto import Keys
from mypost.ids import Tag
from mypost.jobs import dispatcher as module
from mypost.jobs.dispatcher import Dispatcher
from mypost.jobs.sequencer import Sequencer
from mypost.jobs.wake import Wake
from mypost.jobs.worker import stopped_by_signal
from mypost.models import database
from mypost.models.lanes import Lanes
from mypost.networks import Answer, Draft, Grant, Published
from mypost.networks.sandbox import Sandbox
from mypost.settings import inherited

TARGETS, ACCOUNTS = 10_000, 2_000
P99, STARTED, RISES = 1.0, 20.0, 1.1
LEAD = 25.0  # to write it all down, and to start the workers
PATIENCE = 120.0  # after the last is due
ANSWERS_IN = 0.05
CROWD = 20
KEYS = Keys(b"b" * 32)


class Nowhere(Sandbox):
    """A network that accepts everything at once."""

    async def publish(self, grant: Grant, draft: Draft) -> Answer:  # noqa: ARG002 - nobody asks
        """Names the post by its key."""
        return Published(draft.key, "")


async def work(in_flight: str, database_url: str, redis_url: str, url: str = "") -> None:
    """Dispatches and numbers until SIGTERM, as one process of `mypost worker` does."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    module.IN_FLIGHT, stop = int(in_flight), stopped_by_signal()
    network = Sandbox({"MYPOST_SANDBOX_URL": url}, "") if url else Nowhere({}, "")
    async with (
        await database.pool(database_url, "mypost_dispatch", 8) as pool,
        Redis.from_url(redis_url) as client,
    ):
        wake = Wake(client)
        dispatcher = Dispatcher(Lanes(pool), KEYS, {network.key: network}, wake)
        beside = [
            asyncio.create_task(each)
            for each in (wake.listen(), Sequencer(pool, client, wake).run())
        ]
        running = asyncio.create_task(dispatcher.run())
        await stop.wait()
        dispatcher.stop()
        await running
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await network.close()


@dataclass(frozen=True, slots=True)
class Burst:
    """What a run has shown; times are seconds."""

    begun: Late  # from due until `sending` is committed
    started: float  # from the first due until the last request arrived
    cpu: float  # of PostgreSQL, milliseconds for each target
    left: int


@dataclass(frozen=True, slots=True)
class Asks:
    """How a run is made."""

    workers: int = 1
    targets: int = TARGETS
    heard: bool = False  # whether there is a network at all
    in_flight: int = module.IN_FLIGHT


async def burst(asks: Asks) -> Burst:
    """Runs one burst on a fresh installation of its own."""
    with tempfile.TemporaryDirectory(prefix="mypost-burst-") as place:
        folder = Path(place)
        try:
            services = await asyncio.to_thread(embedded.start, folder)
            await database.migrate(services.owner_url)
            async with _network(folder) if asks.heard else nullcontext() as url:
                return await _run(asks, services, folder, url)
        finally:
            await asyncio.to_thread(embedded.stop, folder)


@asynccontextmanager
async def _network(folder: Path) -> AsyncIterator[str]:
    [port] = free_ports(1)
    words = [str(folder / "recorder.jsonl"), "--port", str(port), "--faults", "0"]
    words += ["--answers-in", str(ANSWERS_IN)]
    recorder = Kept("recorder", python("bench.crash.recorder", *words), inherited({}), folder)
    await recorder.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await recorder.end()


async def _run(asks: Asks, services: embedded.Services, folder: Path, url: str | None) -> Burst:
    words = [str(asks.in_flight), services.dispatch_url, services.redis_url, *filter(None, [url])]
    command, environment = python("bench.burst", "work", *words), inherited({})
    workers = [Kept(f"w{n}", command, environment, folder) for n in range(asks.workers)]
    async with await database.pool(services.owner_url, "mypost_owner") as owner:
        tokens = await _tokens(url)
        due = await written(owner, asks.targets, tokens)
        try:
            await asyncio.gather(*(each.start() for each in workers))
            await asyncio.sleep((due - datetime.now(due.tzinfo)).total_seconds() - 1)
            before = _cpu(folder)
            left = await _over(owner, due)
            spent = _cpu(folder) - before
            for each in workers:
                each.send(signal.SIGTERM)
        finally:
            await asyncio.gather(*(each.end() for each in workers))
        late = await owner.fetch("SELECT extract(epoch FROM sent_at - due_at)::float8 FROM targets")
    calls = [line["at"] for line in history.read(folder / "recorder.jsonl") if "call" in line]
    started = max(calls, default=due.timestamp()) - due.timestamp()
    found = [row[0] for row in late if row[0] is not None] or [PATIENCE]
    done = asks.targets - left
    return Burst(summary(found), started, spent * 1000 / max(1, done), left)


async def _tokens(url: str | None) -> list[str]:
    """Connects the accounts, where there is somebody to connect them."""
    if url is None:
        return ["none"] * ACCOUNTS
    gate = asyncio.Semaphore(CROWD)
    async with httpx2.AsyncClient(trust_env=False) as http:

        async def connect(number: int) -> str:
            async with gate:
                given = {"handle": f"a{number}", "mode": "ok"}
                return str((await http.post(f"{url}/accounts", json=given)).json()["token"])

        return await asyncio.gather(*(connect(number) for number in range(ACCOUNTS)))


async def place(owner: asyncpg.Pool) -> tuple[UUID, UUID, UUID]:
    """Makes a workspace with a brand, and a person; answers their ids."""
    workspace, brand, user = ids.new(Tag.WORKSPACE), ids.new(Tag.BRAND), ids.new(Tag.USER)
    await owner.execute(
        "INSERT INTO users (id, email, name, password_hash) VALUES ($1, 'b@example.org', 'B', '')",
        user,
    )
    await owner.execute("INSERT INTO workspaces (id, name, slug) VALUES ($1, 'B', 'b')", workspace)
    await owner.execute(
        "INSERT INTO brands (id, workspace_id, name) VALUES ($1, $2, 'B')", brand, workspace
    )
    return workspace, brand, user


async def written(
    owner: asyncpg.Pool, targets: int, tokens: list[str], lead: float = LEAD
) -> datetime:
    """Writes down accounts, posts and targets; answers when the first is due."""
    workspace, brand, user = await place(owner)
    accounts = [ids.new(Tag.ACCOUNT) for _ in tokens]
    await owner.executemany(
        "INSERT INTO accounts (id, workspace_id, brand_id, network, external_id, handle, name,"
        " grant_cipher) VALUES ($1, $2, $3, 'sandbox', $4, $4, $4, $5)",
        [
            (account, workspace, brand, f"a{number}", _grant(workspace, account, token))
            for number, (account, token) in enumerate(zip(accounts, tokens, strict=True))
        ],
    )
    posts = [ids.new(Tag.POST) for _ in range(targets)]
    await owner.executemany(
        "INSERT INTO posts (id, workspace_id, brand_id, content, stage, created_by)"
        " VALUES ($1, $2, $3, $4, 'scheduled', $5)",
        [(post, workspace, brand, f"bread #m{n:06d}", user) for n, post in enumerate(posts)],
    )
    await owner.executemany(
        "INSERT INTO targets (id, workspace_id, post_id, account_id, position, dispatch_key)"
        " VALUES ($1, $2, $3, $4, $5, $1)",
        [
            (ids.new(Tag.TARGET), workspace, post, accounts[n % ACCOUNTS], n)
            for n, post in enumerate(posts)
        ],
    )
    await owner.execute("ANALYZE")
    due: datetime = await owner.fetchval("SELECT mypost_now()") + timedelta(seconds=lead)
    await owner.execute(
        "UPDATE targets SET state = 'scheduled', due_at = $1::timestamptz"
        " + position * interval '1 s' / $2::int",
        due,
        targets,
    )
    return due


def _grant(workspace: UUID, account: UUID, token: str) -> bytes:
    plain = orjson.dumps({"secrets": {"token": token}, "expiresAt": None})
    return KEYS.encrypt(plain, workspace, account, "grant")


async def _over(owner: asyncpg.Pool, due: datetime) -> int:
    """Waits until all are published, or for so long; answers how many are not."""
    waiting = "SELECT count(*) FROM targets WHERE state <> 'published'"
    while left := await owner.fetchval(waiting):
        if (datetime.now(due.tzinfo) - due).total_seconds() > PATIENCE:
            break
        await asyncio.sleep(0.5)
    return int(left)


def _cpu(folder: Path) -> float:
    """The processor time that this PostgreSQL has taken, sessions that have ended included."""
    pid = int((folder / "postgres" / "postmaster.pid").read_text().split(maxsplit=1)[0])
    parent = psutil.Process(pid)
    spent = sum(parent.cpu_times()[:4])
    for child in parent.children():
        try:
            spent += sum(child.cpu_times()[:2])
        except psutil.Error:
            continue
    return float(spent)


def begun_figure(asked: Asked) -> Result:
    """BURST: how late they are begun; the control has one in flight."""
    found = asyncio.run(burst(_asks(asked, heard=False)))
    measured = f"p50={found.begun.p50:.2f}s,p99={found.begun.p99:.2f}s,left={found.left}"
    held = found.begun.p99 <= P99 and found.left == 0
    return Result(f"{measured},postgres={found.cpu:.2f}ms", f"p99<={P99:.0f}s,left=0", held)


def started_figure(asked: Asked) -> Result:
    """FLOOD: when the last request has arrived; the control has one in flight."""
    found = asyncio.run(burst(_asks(asked, heard=True)))
    measured = f"last={found.started:.1f}s,left={found.left},postgres={found.cpu:.2f}ms"
    held = found.started <= STARTED and found.left == 0
    return Result(measured, f"last<={STARTED:.0f}s,left=0", held)


def _asks(asked: Asked, *, heard: bool) -> Asks:
    in_flight = 1 if asked.broken else module.IN_FLIGHT
    return Asks(targets=asked.cases or TARGETS, heard=heard, in_flight=in_flight)


def shared_figure(asked: Asked) -> Result:
    """PAIR: what two workers cost PostgreSQL; in the control they take one target at a time."""
    targets = asked.cases or TARGETS
    alone = asyncio.run(burst(Asks(targets=targets)))
    in_flight = 1 if asked.broken else module.IN_FLIGHT
    pair = asyncio.run(burst(Asks(targets=targets, workers=2, in_flight=in_flight)))
    times = pair.cpu / alone.cpu
    measured = f"one={alone.cpu:.2f}ms,two={pair.cpu:.2f}ms,ratio={times:.2f}"
    return Result(measured, f"ratio<={RISES}", times <= RISES)


if __name__ == "__main__" and sys.argv[1:2] == ["work"]:
    asyncio.run(work(*sys.argv[2:]))
