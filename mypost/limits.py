"""How often somebody may ask: exact sliding windows, shared through Redis by every process.

What arrives within one turn of the event loop is asked in one command. Redis' clock is the only
one. While Redis is away each process counts for itself, within its share.
"""

import asyncio
import hashlib
import secrets
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import structlog
from hiredis import HiredisError
from redis.exceptions import RedisError

from mypost import clock
from mypost.windows import WINDOW_S, Alone, Rates, Verdict, Window
from mypost.wire import Wire, dial

log = structlog.get_logger()
MICROSECOND = timedelta(microseconds=1)
WINDOW_US = WINDOW_S * 1_000_000
PATIENCE_S = 0.5
SECOND_LOOK_S = 0.02
BEAT_S = 0.5
MANY = 10_000
SCRIPT = Path(__file__).with_suffix(".lua").read_text()
PROCESSES = "mypost:rate:processes"
# How many processes have been heard of within the last three seconds.
BEAT = """
local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 3)
redis.call('EXPIRE', KEYS[1], 10)
return redis.call('ZCARD', KEYS[1])"""


def _now() -> float:
    return time.monotonic() + clock.offset().total_seconds()


class _Waiting(NamedTuple):
    future: asyncio.Future[Verdict]
    weight: int
    at: int
    windows: tuple[Window, ...]


class Limiter:
    """Answers whether requests may pass; never raises, and waits for no Redis that is away."""

    script = SCRIPT

    def __init__(self, url: str, rates: Rates) -> None:
        self.rates = rates
        self._url = url
        self._name = secrets.token_hex(8)
        self._sha = hashlib.sha1(self.script.encode(), usedforsecurity=False).hexdigest()
        self._processes = 1
        self._wire: Wire | None = None
        self._alone = Alone()
        self._waiting: list[_Waiting] = []
        self._watch: asyncio.TimerHandle | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop
        self._full: dict[str, float] = {}  # windows without room, and until when
        self.by_itself = 0  # requests decided while Redis was away
        self.refused: Counter[str] = Counter()

    @property
    def shared(self) -> bool:
        """Whether Redis decides."""
        return self._wire is not None

    async def start(self) -> None:
        """Joins the other processes, and keeps trying to."""
        self._loop = asyncio.get_running_loop()
        await self._join()
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Leaves."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def charge(self, weight: int, *windows: Window) -> asyncio.Future[Verdict]:
        """Charges every window of a request, or none; a weight of 0 only looks."""
        if weight and self.full(windows[0].key):
            future: asyncio.Future[Verdict] = self._loop.create_future()
            future.set_result(Verdict(1, [0, *(limit for _, limit in windows[1:])]))
            return future
        return self._put(weight, 0, windows)

    def full(self, key: str) -> bool:
        """Whether a window is known to be full: that costs neither Redis nor us anything."""
        until = self._full.get(key)
        if until is None or until > _now():
            return until is not None
        del self._full[key]
        return False

    def give_back(self, weight: int, at: int, *windows: Window) -> None:
        """Returns what Redis charged at a time; what a process decided by itself stays."""
        if at and self._wire is not None:
            self._put(-weight, at, windows)

    def _put(self, weight: int, at: int, windows: tuple[Window, ...]) -> asyncio.Future[Verdict]:
        future: asyncio.Future[Verdict] = self._loop.create_future()
        each = _Waiting(future, weight, at, windows)
        if self._wire is None:
            self._decide(each)
        else:
            if not self._waiting:
                self._loop.call_soon(self._flush)
            self._waiting.append(each)
        return future

    def _flush(self) -> None:
        """Asks for everybody who waits, in one command."""
        batch, self._waiting = self._waiting, []
        if self._wire is None:
            for each in batch:
                self._decide(each)
            return
        numbers: dict[str, int] = {}
        limits: list[int] = []
        requests: list[list[int]] = []
        for _, weight, at, windows in batch:
            request = [weight, at]
            for key, limit in windows:
                number = numbers.get(key)
                if number is None:
                    numbers[key] = number = len(numbers) + 1
                    limits.append(limit)
                request.append(number)
            requests.append(request)
        moved = clock.offset() // MICROSECOND
        words = (len(numbers), *numbers, WINDOW_US, moved, orjson.dumps([limits, requests]))
        self._ask(("EVALSHA", self._sha, *words), partial(self._told, batch, words))

    def _ask(self, words: tuple[Any, ...], answered: Any) -> None:
        assert self._wire is not None  # noqa: S101 - callers look
        self._wire.ask(words, answered)
        if self._watch is None:
            self._watch = self._loop.call_later(PATIENCE_S, self._look)

    def _told(self, batch: list[_Waiting], words: tuple[Any, ...], reply: Any) -> None:
        """Hands a reply out to those it decides for."""
        if isinstance(reply, Exception):
            if str(reply).startswith("NOSCRIPT") and self._wire is not None:
                self._ask(("EVAL", self.script, *words), partial(self._told, batch, words))
                return
            if not isinstance(reply, ConnectionError):
                self._leave(str(reply).partition(" ")[0])
            for each in batch:
                self._decide(each)
            return
        seconds, micros, *told = orjson.loads(reply)
        at, place = seconds * 1_000_000 + micros, 0
        for future, _, _, windows in batch:
            begin, place = place + 2, place + 2 + len(windows)
            refused, wait = told[begin - 2 : begin]
            if wait:
                self._fill(windows[refused - 1].key, wait / 1_000_000)
            if not future.done():
                future.set_result(Verdict(refused, told[begin:place], at))

    def _fill(self, key: str, seconds: float) -> None:
        now = _now()
        if len(self._full) >= MANY:
            self._full = {k: until for k, until in self._full.items() if until > now}
        self._full[key] = now + seconds

    def _decide(self, each: _Waiting) -> None:
        """Decides without Redis, within this process' share."""
        if not each.future.done():
            self.by_itself += 1
            share = tuple(Window(k, max(1, n // self._processes)) for k, n in each.windows)
            each.future.set_result(self._alone.charge(each.weight, share, _now()))

    def _look(self, *, again: bool = False) -> None:
        """Leaves a Redis that has not answered for too long."""
        self._watch = None
        wait = self._wire.wait if self._wire is not None else 0.0
        if wait >= PATIENCE_S and again:
            self._leave("slow")
        elif wait >= PATIENCE_S:
            # Perhaps this process has slept: what has arrived meanwhile is read before that.
            self._watch = self._loop.call_later(SECOND_LOOK_S, partial(self._look, again=True))
        elif wait:
            self._watch = self._loop.call_later(PATIENCE_S - wait, self._look)

    async def _keep(self) -> None:
        """Tells the others that this process lives, or tries to join them."""
        while True:
            await asyncio.sleep(BEAT_S)
            if self._wire is None:
                await self._join()
            else:
                self._ask(("EVAL", BEAT, 1, PROCESSES, self._name), self._counted)

    async def _join(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                wire = await dial(self._url, self._gone)
                self._counted(await wire.call("EVAL", BEAT, 1, PROCESSES, self._name))
        except (OSError, TimeoutError, RedisError, HiredisError) as error:
            log.warning("limits.redis_away", error=type(error).__name__)
            return
        self._wire, self._alone, self._full = wire, Alone(), {}
        log.info("limits.shared", count=self._processes)

    def _counted(self, reply: Any) -> None:
        if isinstance(reply, int):
            self._processes = max(1, reply)

    def _gone(self, wire: Wire) -> None:
        if wire is self._wire:
            self._leave("lost")

    def _leave(self, reason: str) -> None:
        """Goes on alone until Redis is back."""
        wire, self._wire = self._wire, None
        if wire is not None:
            log.warning("limits.redis_away", reason=reason)
            wire.close()
