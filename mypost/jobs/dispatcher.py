"""Sending what is due, once: the only code that makes a post appear in the world.

docs/guarantee.md tells why each step stands where it stands.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import structlog

from mypost.crypto import Keys
from mypost.jobs import outcome, points, prepare, reconcile, refresh
from mypost.jobs.marks import Marks
from mypost.jobs.outcome import Transition
from mypost.jobs.prepare import Ready
from mypost.jobs.pulse import Pulse
from mypost.jobs.wake import Wake
from mypost.jobs.writer import Writer
from mypost.models.lanes import REFUSED, TROUBLE, Claim, Lanes, Outcome, Sending
from mypost.networks import Answer, Expired, Network, Unknown

IN_FLIGHT = 100
TOGETHER = 50  # begun in one commit: what a crash before their sends leaves to be looked up
POLL = 0.25
SWEEP = 1.0
EXPIRE = 30.0
LEASE_MARGIN = 5.0
SEND_MARGIN = 1.0
FAREWELL = 12.0
UNREACHABLE_TIMEOUT = 10.0
# Where a late answer that names the post still counts: evidence is never thrown away.
EVIDENCE = ("unknown", "needs_confirmation")

log = structlog.get_logger()


def _elapsed() -> float:
    """Reads a clock that counts while this process, or the machine, is asleep."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Dispatcher:
    """Claims due targets, sends them and writes down what became of each."""

    def __init__(
        self,
        lanes: Lanes,
        keys: Keys,
        networks: Mapping[str, Network],
        wake: Wake,
        *,
        marks: Marks | None = None,
        poll: float = POLL,
    ) -> None:
        self.worker: UUID = uuid4()
        self._lanes, self._keys, self._networks = lanes, keys, networks
        self._wake, self._bell, self._poll = wake, wake.bell(), poll
        self._marks = marks or Marks()
        self._pulse = Pulse(lanes.pool, self.worker, self._marks)
        self._writer = Writer(lanes)
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Works until `stop`, then finishes what is being sent."""
        works = ((SWEEP, self._sweep), (SWEEP, self._look), (SWEEP, self._prepare))
        others = [
            asyncio.create_task(self._every(seconds, work))
            for seconds, work in (*works, (EXPIRE, self._lanes.expire))
        ]
        try:
            while not self._stopping:
                await self._guarded(self._turn)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=FAREWELL)
        finally:
            # What is cut off here is found by the next sweep as unknown, and looked up.
            await _end([*others, *self._tasks, *self._writer.tasks])
            await self._pulse.stop()

    def stop(self) -> None:
        """Claims nothing more; `run` returns once the sends in flight are recorded."""
        self._stopping = True
        self._bell.ring()

    async def run_once(self) -> int:
        """Sweeps, looks, prepares, claims, sends and records once; answers how much it did."""
        async with self._alive():
            done = await self._sweep() + await self._look() + await self._prepare()
            sends = [send async for send in self._begun(IN_FLIGHT)]
            await asyncio.gather(*sends)
            return done + len(sends)

    @asynccontextmanager
    async def _alive(self) -> AsyncIterator[None]:
        await self._pulse.start()
        try:
            yield
        finally:
            await self._pulse.stop()

    async def drain(self) -> int:
        """Repeats `run_once` until nothing due is left; answers how much was done."""
        done = 0
        while did := await self.run_once():
            done += did
        return done

    async def _turn(self) -> None:
        """Starts what is due, or sleeps until something is."""
        await self._pulse.start()
        free = IN_FLIGHT - len(self._tasks)
        idle = True
        async for send in self._begun(free):
            idle = False
            task = asyncio.create_task(send)
            self._tasks.add(task)
            task.add_done_callback(self._finished)
        if idle and not self._stopping:
            due = await self._lanes.wait() if free else None
            await self._bell.wait(self._poll if due is None else max(0.005, min(due, self._poll)))

    def _finished(self, task: asyncio.Task[None]) -> None:
        if len(self._tasks) == IN_FLIGHT:
            self._bell.ring()
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("send_fault", reason=_name(fault))

    async def _begun(self, most: int) -> AsyncIterator[Coroutine[Any, Any, None]]:
        """Claims up to so many targets, and answers their sends as the intents are committed."""
        claims = await self._lanes.claim(self.worker, most) if most else []
        if claims:
            points.reach("claimed")
        for first in range(0, len(claims), TOGETHER):
            for send in await self._begin(claims[first : first + TOGETHER]):
                yield send

    async def _begin(self, claims: Sequence[Claim]) -> list[Coroutine[Any, Any, None]]:
        """Commits the intent to send, and answers the sends."""
        leases = {claim.target_id: self._timeout(claim.network) + LEASE_MARGIN for claim in claims}
        since = _elapsed()
        begun = await self._lanes.begin(
            self.worker, claims, [leases[claim.target_id] for claim in claims]
        )
        points.reach("sending_committed")
        return [self._deliver(each, since + leases[each.target_id]) for each in begun]

    def _timeout(self, key: str) -> float:
        network = self._networks.get(key)
        return UNREACHABLE_TIMEOUT if network is None else network.timeout

    async def _deliver(self, sending: Sending, lease_ends: float) -> None:
        """Sends one target and records the outcome."""
        sending, found = await self._send(sending, lease_ends)
        points.reach("answered")
        await self._record(sending, "sending", found)
        points.reach("outcome_written")

    async def _send(self, sending: Sending, lease_ends: float) -> tuple[Sending, Transition]:
        network = self._networks.get(sending.network)
        if network is None:
            message = "This installation does not offer the network"
            return sending, outcome.unreachable(message, sending.attempts)
        sending, found = await prepare.ready(self._lanes, self._keys, network, sending)
        if isinstance(found, Transition):
            return sending, found
        # Nothing may come between this check and the send: a worker that slept must not wake up
        # and send what others have meanwhile looked up and sent again.
        if lease_ends - _elapsed() < network.timeout + SEND_MARGIN:
            return sending, outcome.withheld()
        points.reach("before_first_byte")
        answer = await _call(network, found)
        if isinstance(answer, Expired) and refresh.helps(network, found.grant):
            renewed = await refresh.renew(self._lanes.grants, self._keys, network, sending)
            return sending, renewed if isinstance(renewed, Transition) else outcome.withheld()
        return sending, outcome.transition(answer, sending)

    async def _record(self, sending: Sending, came_from: str, found: Transition) -> bool:
        """Writes an outcome, however long the database is away."""
        pause = 0.05
        while True:
            try:
                return await self._write(sending, came_from, found)
            except REFUSED as fault:
                log.warning("outcome_refused", target=str(sending.target_id), to=found.to)
                instead = outcome.instead(found, sending, came_from, _name(fault))
                if instead is None:
                    return False
                found = instead
            except TROUBLE as fault:
                log.warning("outcome_waits", target=str(sending.target_id), reason=_name(fault))
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)

    async def _write(self, sending: Sending, came_from: str, found: Transition) -> bool:
        states = [came_from]
        if found.to == "published" and came_from == "sending":
            states += EVIDENCE
        hit = False
        for state in states:
            hit = hit or await self._writer.write(Outcome(sending, state, found.to, found.facts))
        target = str(sending.target_id)
        log.info("outcome" if hit else "outcome_stale", target=target, to=found.to)
        self._wake.set()
        return hit

    async def _sweep(self) -> int:
        await self._pulse.start()  # without its sign of life a sweep would end our own leases
        swept = await self._lanes.sweep()
        if any(swept):
            points.reach("swept")
            log.warning("swept", released=swept.released, lost=swept.lost, late=swept.late)
            self._wake.set()
        await self._marks.keep(self._lanes.installation)
        return sum(swept)

    async def _look(self) -> int:
        """Looks at what is due for it; answers how many targets that settled."""
        looks = await self._lanes.looks(IN_FLIGHT)
        return sum(await asyncio.gather(*(self._settle(each) for each in looks)))

    async def _settle(self, sending: Sending) -> bool:
        found = await reconcile.look(self._lanes, self._keys, self._networks, sending)
        if found is None or not await self._record(sending, sending.state, found):
            return False
        points.reach("resolved")
        return True

    async def _prepare(self) -> int:
        """Prepares what is due in ten minutes; answers how many targets are ready."""
        aheads = await self._lanes.ahead(IN_FLIGHT)
        works = (prepare.ahead(self._lanes, self._keys, self._networks, each) for each in aheads)
        return sum(await asyncio.gather(*works))

    async def _every(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        while True:
            await self._guarded(work)
            await asyncio.sleep(seconds)

    async def _guarded(self, work: Callable[[], Awaitable[object]]) -> None:
        """Does one piece of work; whatever breaks it, the loop goes on."""
        try:
            await work()
        except TROUBLE as fault:
            log.warning("database_away", reason=_name(fault))
            await asyncio.sleep(POLL)
        except Exception:
            log.exception("dispatcher_fault")
            await asyncio.sleep(SWEEP)


async def _call(network: Network, ready: Ready) -> Answer:
    try:
        async with asyncio.timeout(network.timeout):
            return await network.publish(ready.grant, ready.draft)
    except Exception as fault:  # noqa: BLE001 - after the first byte every fault is "unknown"
        return Unknown(f"no answer ({type(fault).__name__})")


def _name(fault: BaseException) -> str:
    return type(fault).__name__


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
