"""Whether any second holds more requests than the limits say, from four processes at five times.

Each process has the limiter and the meter that an API process has. What it admits it writes down
with the time at which Redis decided; a counter that knows nothing of the limiter reads the log.
"""

import asyncio
import multiprocessing
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import structlog
import uvloop
from redis import Redis

from bench.lateness import services
from bench.result import Asked, Result
from mypost import embedded
from mypost.errors import RateLimited
from mypost.limits import Limiter
from mypost.meter import GLOBAL, Meter
from mypost.windows import Rates, Verdict, Window, of_user, of_workspace

RATES = Rates(10, 100, 1000)
PROCESSES, TIMES, SECONDS = 4, 5, 60.0
SECOND = 1_000_000
P99_MS = 2.0
STARVED = 0.0002  # s
USER = ":user:"
SLACK = 1000  # µs between the clocks of a process and of Redis, which are one on this machine
# The control: a counter that begins anew with each second.
FIXED = """
local given = cjson.decode(ARGV[3])
local time = redis.call('TIME')
local told = {tonumber(time[1]), tonumber(time[2])}
for _, request in ipairs(given[2]) do
  local refused, weight, found = 0, request[1], {}
  for place = #request, 3, -1 do
    local window = request[place]
    local key = KEYS[window] .. ':' .. time[1]
    found[place] = {key, given[1][window] - tonumber(redis.call('GET', key) or 0)}
    if found[place][2] < weight then refused = place - 2 end
  end
  table.insert(told, refused)
  table.insert(told, 0)
  for place = 3, #request do
    if refused == 0 then redis.call('INCRBY', found[place][1], weight) end
    redis.call('EXPIRE', found[place][1], 2)
    table.insert(told, math.max(found[place][2] - weight, 0))
  end
end
return cjson.encode(told)"""


def most(times: list[int], length: int = SECOND) -> int:
    """The most entries of a log that lie within one window of that length, wherever it begins."""
    times, worst, begin = sorted(times), 0, 0
    for end, at in enumerate(times):
        while at - times[begin] > length:
            begin += 1
        worst = max(worst, end - begin + 1)
    return worst


@dataclass
class Log:
    """What one process has admitted, by window, and how long each request was held up."""

    admitted: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    held_up: list[float] = field(default_factory=list)
    starved: int = 0  # requests during which we or Redis waited for a core
    untrue: int = 0  # times that lie outside of the request they belong to
    by_itself: int = 0


class Logged(Limiter):
    """A limiter that writes down what it admits."""

    def __init__(self, url: str, redis: int) -> None:
        super().__init__(url, RATES)
        self.log = Log()
        self._waits = [Path(f"/proc/{pid}/schedstat") for pid in ("self", redis)]

    def waited(self) -> float:
        """How long this process and Redis have waited for a core, in seconds."""
        return sum(int(path.read_text().split()[1]) for path in self._waits) / 1e9

    def charge(self, weight: int, *windows: Window) -> asyncio.Future[Verdict]:
        """Charges, and notes when."""
        future = super().charge(weight, *windows)
        future.add_done_callback(partial(self._note, time.time_ns() // 1000, windows))
        return future

    def _note(
        self, sent: int, windows: tuple[Window, ...], answered: asyncio.Future[Verdict]
    ) -> None:
        verdict = answered.result()
        if not verdict.refused:
            self.log.untrue += not sent - SLACK <= verdict.at <= time.time_ns() // 1000 + SLACK
            for key, _ in windows:
                self.log.admitted[key].append(verdict.at)

    def give_back(self, weight: int, at: int, *windows: Window) -> None:
        """Gives back, and strikes it out."""
        super().give_back(weight, at, *windows)
        for key, _ in windows:
            self.log.admitted[key].remove(at)


class Fixed(Logged):
    """The negative control."""

    script = FIXED


async def request(limiter: Logged, user: str, workspace: UUID | None = None) -> None:
    """What a request does with its meter."""
    meter = Meter(limiter, user)
    try:
        await meter.charge(1)
        if workspace is not None:
            await meter.enter(workspace)
    except RateLimited:
        meter.give_back()


async def timed(limiter: Logged, user: str, workspace: UUID | None = None) -> None:
    """The same, with a watch; what a busy machine takes from everybody is not the limiter's."""
    before, began = limiter.waited(), time.perf_counter()
    await request(limiter, user, workspace)
    took = time.perf_counter() - began
    if limiter.waited() - before > STARVED:
        limiter.log.starved += 1
    else:
        limiter.log.held_up.append(took)


async def client(limiter: Logged, rate: float, until: float, ask: Callable[[], Any]) -> None:
    """Asks so often a second, at random."""
    waiting: set[asyncio.Task[None]] = set()
    while time.monotonic() < until:
        await asyncio.sleep(random.expovariate(rate))
        task = asyncio.create_task(ask())
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    await asyncio.gather(*waiting)


async def hammer(limiter: Logged, seconds: float, load: "Load") -> Log:
    """Runs one process' share of a load."""
    await limiter.start()
    until = time.monotonic() + seconds
    await asyncio.gather(*load(limiter, until))
    limiter.log.by_itself = limiter.by_itself
    await limiter.close()
    return limiter.log


Load = Callable[[Logged, float], list[Coroutine[Any, Any, None]]]


def tenants(shared: tuple[UUID, UUID], limiter: Logged, until: float) -> list[Any]:
    """One person at five times his limit, and one workspace by people who keep theirs."""
    user, workspace = shared
    rate = RATES.user * TIMES / PROCESSES
    clients = [client(limiter, rate, until, partial(timed, limiter, of_user(user)))]
    share = RATES.workspace * TIMES / PROCESSES
    for _ in range(25):
        ask = partial(timed, limiter, of_user(uuid4()), workspace)
        clients.append(client(limiter, share / 25, until, ask))
    return clients


def everybody(_: tuple[UUID, UUID], limiter: Logged, until: float) -> list[Any]:
    """So many people that all of them together are five times too many."""
    share = RATES.everybody * TIMES / PROCESSES
    people = [of_user(uuid4()) for _ in range(500)]

    def ask() -> Any:
        return request(limiter, random.choice(people))  # noqa: S311 - load, not a secret

    return [client(limiter, share / 50, until, ask) for _ in range(50)]


def process(
    url: str, redis: int, load: Any, shared: tuple[UUID, UUID], seconds: float, *, broken: bool
) -> Log:
    """One of the processes, from its start to its end."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    made = (Fixed if broken else Logged)(url, redis)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        log = runner.run(hammer(made, seconds, partial(load, shared)))
    log.admitted = dict(log.admitted)
    return log


def run(url: str, load: Any, seconds: float, *, broken: bool) -> tuple[Log, tuple[UUID, UUID]]:
    """Lets every process hammer at once and puts their logs together."""
    shared, whole = (uuid4(), uuid4()), Log()
    with Redis.from_url(url) as asked_of:
        redis = int(asked_of.info("server")["process_id"])
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        asked = [
            pool.submit(process, url, redis, load, shared, seconds, broken=broken)
            for _ in range(PROCESSES)
        ]
        for log in [each.result() for each in asked]:
            for key, times in log.admitted.items():
                whole.admitted[key] += times
            whole.held_up += log.held_up
            whole.starved += log.starved
            whole.untrue += log.untrue
            whole.by_itself += log.by_itself
    return whole, shared


def figure(asked: Asked) -> Result:
    """L1: the fullest second of each window; and L3: how long a request is held up."""
    seconds = SECONDS if asked.seconds is None else asked.seconds
    with tempfile.TemporaryDirectory(prefix="mypost-bench-") as folder:
        try:
            url = services(Path(folder)).redis_url
            few, (_, workspace) = run(url, tenants, seconds, broken=asked.broken)
            many, _ = run(url, everybody, seconds, broken=asked.broken)
        finally:
            embedded.stop(Path(folder))
    people = [times for log in (few, many) for key, times in log.admitted.items() if USER in key]
    found = {
        "user": max(map(most, people)),
        "workspace": most(few.admitted[of_workspace(workspace)]),
        "global": max(most(log.admitted[GLOBAL]) for log in (few, many)),
        "untrue": few.untrue + many.untrue,
        "alone": few.by_itself + many.by_itself,
    }
    return judge(found, few)


def judge(found: dict[str, int], few: Log) -> Result:
    """Compares with the limits; less than a limit would only say that nobody hammered."""
    most_ = {"user": RATES.user, "workspace": RATES.workspace, "global": RATES.everybody}
    allowed = {**most_, "untrue": 0, "alone": 0}
    p99 = statistics.quantiles(few.held_up, n=100)[98] * 1000
    share = few.starved / (few.starved + len(few.held_up))
    spelled = [",".join(f"{name}={n}" for name, n in each.items()) for each in (found, allowed)]
    return Result(
        f"{spelled[0]},p99={p99:.2f}ms,starved={share:.0%}",
        f"{spelled[1]},p99<={P99_MS:.0f}ms",
        found == allowed and p99 <= P99_MS,
    )
