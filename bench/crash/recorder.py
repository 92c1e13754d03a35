"""The network of the crash proof: four classes that fail in every way, and a file that counts.

It speaks docs/sandbox-protocol.md and shares no line with MyPost. What it accepts is on the disk
before anybody is told: its file, not our database, says what the world has seen.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

from bench.crash import faults
from bench.crash.faults import Fault
from bench.crash.held import LONGEST_LAG, Account, Container, Held, Post
from bench.crash.wire import Reply, Request, listen

CLASSES = ("two_step", "lookup", "blind")
HANG = 12.0  # MyPost waits for ten seconds
LATE = (10.5, 14.0)
SLOW = (0.2, 3.0)
WORKING = (0.5, 6.0)
SHORT_LIFE, LONG_LIFE = 60.0, 86_400.0
MOST_LOST = 2  # later tries of one post are answered, so that every run comes to an end
RETRY_AFTER = {"rate_limited": {"Retry-After": "1"}, "busy": {"X-Accepted": "no"}}


class Met(NamedTuple):
    """What a call meets: a fault or none, and the chance that sets its times."""

    fault: Fault | None
    chance: Random


class Refusal(Exception):
    """An answer that says no."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        content = {"code": code, "message": f"the recorder says {code}"}
        self.reply = Reply(status, content, RETRY_AFTER.get(code, {}))


class Recorder:
    """The network itself; `pace` shortens whatever takes time in it."""

    def __init__(
        self,
        file: Path,
        seed: int,
        rate: float,
        *,
        most: int = MOST_LOST,
        pace: float = 1.0,
        answers_in: float = 0.0,
    ) -> None:
        self.held, self._most, self._answers_in = Held(file), most, answers_in
        self._seed, self._rate, self._pace = seed, rate, pace
        self._tries: Counter[tuple[str, ...]] = Counter()
        self._running: set[asyncio.Task[None]] = set()

    async def handle(self, request: Request) -> Reply | None:
        """Answers one request; None cuts the connection."""
        try:
            return await self._route(request)
        except Refusal as refusal:
            return refusal.reply

    async def _route(self, request: Request) -> Reply | None:
        steps = request.path.strip("/").split("/")
        if request.method == "POST" and steps == ["accounts"]:
            return self._connect(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        account = self.held.accounts.get(token)
        if account is None:
            raise Refusal(401, "expired")
        match request.method, steps:
            case "POST", ["posts"]:
                return await self._post(account, request)
            case "GET", ["posts"]:
                return await self._read(account, lambda: self._found(account, request))
            case "POST", ["containers"]:
                return await self._contain(account, request)
            case "POST", ["containers", id_, "publish"]:
                return await self._publish(account, self._container(account, id_))
            case "GET", ["containers", id_]:
                container = self._container(account, id_)
                return await self._read(account, lambda: _told(container))
        raise Refusal(404, "not_found")

    def _connect(self, request: Request) -> Reply:
        given = request.json()
        handle, mode = str(given["handle"]), str(given["mode"])
        kind = next((each for each in CLASSES if mode.startswith(each)), "key")
        lag = faults.dice(self._seed, handle, "lag").uniform(0, LONGEST_LAG)
        token = self.held.connect(handle, kind, lag)
        named = {"id": handle, "handle": handle, "name": handle.title(), "token": token}
        return Reply(201, {**named, "kind": kind, "expiresAt": None, "refreshToken": None})

    def _meets(
        self, account: Account, call: str, text: str, table: tuple[Fault, ...], key: str | None
    ) -> Met:
        """Notes that a call has arrived, and answers the fault that the seed has for it."""
        self._tries[account.handle, call, text] += 1
        attempt = self._tries[account.handle, call, text]
        chance = faults.dice(self._seed, account.handle, call, text, attempt)
        fault = faults.choose(chance, table, self._rate, lose=attempt <= self._most)
        name, told = (fault.name, fault.told) if fault else (None, True)
        facts = {"call": call, "text": text, "attempt": attempt, "key": key}
        self.held.note("request", account, **facts, fault=name, told=told)
        return Met(fault, chance)

    async def _post(self, account: Account, request: Request) -> Reply | None:
        given, key = request.json(), request.headers.get("idempotency-key")
        text, rest = given.get("text"), (given.get("mediaCount"), given.get("createdAt"))
        if not isinstance(text, str) or account.kind == "two_step":
            raise Refusal(422, "validation")
        if (account.kind == "key") != (key is not None):
            raise Refusal(400, "key_misused")

        def accept() -> Post:
            if key is None:
                return self.held.accept(account, text, *rest)
            post = self.held.accept_once(account, key, text, *rest)
            if post is None:
                raise Refusal(409, "key_reused")
            return post

        return await self._play(self._meets(account, "posts", text, faults.LAST_CALL, key), accept)

    async def _play(self, met: Met, accept: Callable[[], Post]) -> Reply | None:
        """Accepts or not, answers or not, as the fault has it."""
        fault, chance = met
        if fault is None:
            post = accept()
            await self._wait(self._answers_in)
            return Reply(201, post)
        if fault.name == "slow":
            await self._wait(chance.uniform(*SLOW))
        post = accept() if fault.accepts == faults.NOW else None
        if fault.accepts == faults.LATE:
            self._later(chance.uniform(*LATE), accept)
        match fault.answer:
            case faults.GOOD:
                return Reply(201, post)
            case faults.CUT:
                return None
            case faults.TORN:
                return Reply(201, {"id": "torn", "url": "https://recorder.invalid"}, torn=True)
            case faults.HANG:
                await self._wait(HANG)
                return None
            case faults.GARBAGE:
                return Reply(201, "<html>Bad gateway</html>")
        raise Refusal(fault.status, fault.code)

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._pace)

    def _later(self, seconds: float, work: Callable[[], object]) -> None:
        async def wait() -> None:
            await self._wait(seconds)
            with contextlib.suppress(Refusal):
                work()

        task = asyncio.create_task(wait())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _contain(self, account: Account, request: Request) -> Reply | None:
        given = request.json()
        text = given.get("text")
        if not isinstance(text, str) or account.kind != "two_step":
            raise Refusal(422, "validation")
        met = self._meets(account, "containers", text, faults.FIRST_STEP, None)
        life = SHORT_LIFE if met.chance.random() < self._rate else LONG_LIFE
        ends = time.time() + life
        made = Container(text, given.get("mediaCount"), given.get("createdAt"), ends)

        def make() -> Post:
            self.held.containers[account.handle, made.id] = made
            ends_at = datetime.fromtimestamp(ends, UTC).isoformat()
            return {"id": made.id, "status": "ready", "expiresAt": ends_at}

        return await self._play(met, make)

    def _container(self, account: Account, id_: str) -> Container:
        container = self.held.containers.get((account.handle, id_))
        if container is None:
            raise Refusal(404, "not_found")
        if container.status == "ready" and time.time() > container.ends:
            container.status = "expired"
        return container

    async def _publish(self, account: Account, container: Container) -> Reply | None:
        met = self._meets(account, "publish", container.text, faults.TWO_STEP, None)
        if container.status in ("failed", "expired"):
            raise Refusal(410, container.status)
        if container.status == "in_progress":
            return Reply(202, {"status": "in_progress"})

        def accept() -> Post:
            return self.held.publish(account, container)

        if met.fault is None or met.fault.answer != "202":
            return await self._play(met, accept)
        if container.post is not None:
            return Reply(200, accept())
        container.status = "in_progress"
        failed = met.fault.accepts == faults.NEVER
        end = (lambda: setattr(container, "status", "failed")) if failed else accept
        self._later(met.chance.uniform(*WORKING), end)
        return Reply(202, {"status": "in_progress"})

    async def _read(self, account: Account, answer: Callable[[], Reply]) -> Reply | None:
        """Answers a reading, sometimes badly."""
        self._tries[account.handle, "read"] += 1
        number = self._tries[account.handle, "read"]
        chance = faults.dice(self._seed, account.handle, "read", number)
        fault = faults.choose(chance, faults.READING, self._rate / 2)
        self.held.note("read", account, fault=fault.name if fault else None)
        if fault is None:
            return answer()
        if fault.name == "slow":
            await self._wait(chance.uniform(*SLOW))
            return answer()
        return await self._play(Met(fault, chance), dict)

    def _found(self, account: Account, request: Request) -> Reply:
        if account.kind == "key":
            return Reply(200, {"posts": self.held.of_key(account, request.query.get("key", ""))})
        if account.kind != "lookup":
            raise Refusal(403, "no_read_scope")
        begin = int(request.query.get("cursor", "0"))
        posts, end = self.held.since(account, request.query["since"], begin)
        return Reply(200, {"posts": posts, "next": None if end is None else str(end)})


def _told(container: Container) -> Reply:
    message = "the recorder refused it" if container.status == "failed" else None
    said = {"id": container.id, "status": container.status, "message": message}
    return Reply(200, {**said, "post": container.post})


async def main() -> None:
    """Serves until SIGTERM; prints the port it listens on."""
    parser = argparse.ArgumentParser(prog="python -m bench.crash.recorder")
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=float, default=0.1)
    parser.add_argument("--most-lost", type=int, default=MOST_LOST)
    parser.add_argument("--answers-in", type=float, default=0.0)
    asked = parser.parse_args()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ways = {"most": asked.most_lost, "answers_in": asked.answers_in}
    recorder = Recorder(asked.file, asked.seed, asked.faults, **ways)
    server = await listen(recorder.handle, asked.port)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()
    recorder.held.close()


if __name__ == "__main__":
    asyncio.run(main())
