"""The worker: a supervisor and its three children, dispatcher, deliverer and arq."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog
from redis.asyncio import Redis

from mypost import networks
from mypost.crypto import Keys
from mypost.egress import Egress
from mypost.jobs import arq_worker, points
from mypost.jobs.deliver import Deliverer
from mypost.jobs.dispatcher import Dispatcher
from mypost.jobs.marks import Marks
from mypost.jobs.sequencer import Sequencer
from mypost.jobs.wake import Wake
from mypost.models import database
from mypost.models.lanes import TROUBLE, Lanes
from mypost.networks import Network
from mypost.settings import Settings

CHILDREN = ("dispatcher", "deliverer", "arq")
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
STEADY = 10.0  # a child that lived so long is restarted without delay
PATIENCE = 15.0  # more than a dispatcher takes to finish its sends
FAREWELL = 10.0
LANES_POOL = 8
DELIVERIES_POOL = 4

# The loop alone would let a waiting task be collected.
_WATCHERS: set[asyncio.Task[None]] = set()

log = structlog.get_logger()


def stopped_by_signal() -> asyncio.Event:
    """Answers an event that SIGTERM or SIGINT sets."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


async def supervise(
    argv: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    *,
    watch_parent: bool = False,
    stop: asyncio.Event | None = None,
    command: Sequence[str] = (sys.executable, "-m", "mypost", "worker"),
) -> None:
    """Keeps the children running until `stop`, or a signal when none is given.

    `argv` and `environment` are handed to the children; None lets them inherit ours.
    """
    stop = stop or _told(watch_parent=watch_parent)
    async with asyncio.TaskGroup() as group:
        for name in CHILDREN:
            words = [*command, "--only", name, *argv]
            group.create_task(_keep(name, words, environment, stop))


async def _keep(
    name: str, words: Sequence[str], environment: Mapping[str, str] | None, stop: asyncio.Event
) -> None:
    pause, loop = FIRST_PAUSE, asyncio.get_running_loop()
    while not stop.is_set():
        begun = loop.time()
        # The child ends when its stdin does, so that a killed supervisor leaves no orphan.
        child = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.PIPE, env=environment
        )
        try:
            log.info("child_started", child=name, pid=child.pid)
            await _first(child.wait(), stop.wait())
        finally:
            await _terminate(child)
        if stop.is_set():
            return
        pause = FIRST_PAUSE if loop.time() - begun > STEADY else min(LONGEST_PAUSE, pause * 2)
        log.warning("child_exited", child=name, pid=child.pid, code=child.returncode)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


async def _terminate(child: asyncio.subprocess.Process) -> None:
    """Ends a child politely, then not; returns when it is gone."""
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), PATIENCE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _first(*works: Coroutine[Any, Any, object]) -> None:
    """Waits for whichever ends first and cancels the others; raises what it raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _orphaned() -> None:
    """Returns when the parent is gone: our stdin is a pipe of which it holds the other end."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass


def _told(*, watch_parent: bool) -> asyncio.Event:
    """Answers an event set by a signal, or by the end of the parent when it is watched."""
    stop = stopped_by_signal()
    if watch_parent:
        watcher = asyncio.create_task(_orphaned())
        watcher.add_done_callback(lambda _: stop.set())
        _WATCHERS.add(watcher)
    return stop


async def run_dispatcher(
    settings: Settings, keys: Keys, *, watch_parent: bool = False, stop: asyncio.Event | None = None
) -> None:
    """Runs dispatcher and sequencer until told to stop; outlives a loss of PostgreSQL."""
    stop = stop or _told(watch_parent=watch_parent)
    on_offer = networks.enabled(settings.environment, embedded=settings.embedded)
    offered = {
        key: networks.configure(key, settings.environment, settings.origin) for key in on_offer
    }
    client = Redis.from_url(settings.redis_url) if settings.redis_url else None
    _arm(settings, offered.values())
    try:
        pool = await _patient_pool(settings, stop, LANES_POOL)
        if pool is not None:
            async with pool:
                wake, marks = Wake(client), Marks(settings.data_dir, client)
                dispatcher = Dispatcher(Lanes(pool), keys, offered, wake, marks=marks)
                async with _beside(wake.listen(), Sequencer(pool, client, wake).run()):
                    await _until(dispatcher, stop)
    finally:
        for network in offered.values():
            await network.close()
        if client is not None:
            await client.aclose()


def _arm(settings: Settings, offered: Iterable[Network]) -> None:
    """Arms the point at which a crash is tried, and has the networks tell one of them."""
    points.arm(settings.crash_at)
    if settings.crash_at is not None:
        for network in offered:
            network.written = lambda: points.reach("after_first_byte")


async def run_deliverer(
    settings: Settings, keys: Keys, *, watch_parent: bool = False, stop: asyncio.Event | None = None
) -> None:
    """Tells webhooks until told to stop; needs no Redis, and outlives a loss of PostgreSQL."""
    stop = stop or _told(watch_parent=watch_parent)
    client = Redis.from_url(settings.redis_url) if settings.redis_url else None
    out, wake = Egress(dev=settings.dev_egress), Wake(client)
    try:
        pool = await _patient_pool(settings, stop, DELIVERIES_POOL)
        if pool is not None:
            async with pool:
                deliverer = Deliverer(pool, keys, out, wake)
                async with _beside(wake.listen(), _then(stop, deliverer)):
                    await deliverer.run()
    finally:
        await out.close()
        if client is not None:
            await client.aclose()


async def _until(dispatcher: Dispatcher, stop: asyncio.Event) -> None:
    async with _beside(_then(stop, dispatcher)):
        await dispatcher.run()


async def _then(stop: asyncio.Event, worker: Dispatcher | Deliverer) -> None:
    await stop.wait()
    worker.stop()


@asynccontextmanager
async def _beside(*works: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Runs other work beside the body and ends it with the body."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _patient_pool(settings: Settings, stop: asyncio.Event, size: int) -> asyncpg.Pool | None:
    """Opens the pool, waiting for a PostgreSQL that is away; None when told to stop first."""
    pause = FIRST_PAUSE
    while not stop.is_set():
        try:
            return await database.migrated(settings.dispatch_url or "", size)
        except TROUBLE as fault:
            log.warning("database_away", reason=type(fault).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            pause = min(0.5, pause * 1.5)
    return None


async def run_arq(
    settings: Settings, *, watch_parent: bool = False, stop: asyncio.Event | None = None
) -> None:
    """Runs the arq worker until told to stop; ends with an error when Redis stays away."""
    stop = stop or _told(watch_parent=watch_parent)
    worker = arq_worker.worker(settings)
    try:
        await _first(worker.async_run(), stop.wait())
    finally:
        # With Redis gone the farewell would wait for it.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(FAREWELL):
                await worker.close()
