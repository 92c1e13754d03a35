"""Sending what is due, once: the only code that makes a post appear in the world.

docs/guarantee.md tells why each step stands where it stands.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any
from uuid import UUID, uuid4

import structlog

from mypost.crypto import Keys
from mypost.jobs import outcome, reconcile, refresh
from mypost.jobs.outcome import Transition
from mypost.jobs.wake import Wake
from mypost.models.lanes import REFUSED, TROUBLE, Lanes, Sending
from mypost.networks import Answer, Expired, Network, NotSent, Unknown

IN_FLIGHT = 100
POLL = 0.25
SWEEP = 1.0
LEASE_MARGIN = 5.0
SEND_MARGIN = 1.0
FAREWELL = 12.0
UNREACHABLE_TIMEOUT = 10.0

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
        poll: float = POLL,
    ) -> None:
        self.worker: UUID = uuid4()
        self._lanes, self._keys, self._networks = lanes, keys, networks
        self._wake, self._bell, self._poll = wake, wake.bell(), poll
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Works until `stop`, then finishes what is being sent."""
        others = [
            asyncio.create_task(self._every(SWEEP, self._sweep)),
            asyncio.create_task(self._every(SWEEP, self._reconcile)),
        ]
        try:
            while not self._stopping:
                await self._guarded(self._turn)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=FAREWELL)
        finally:
            # What is cut off here is found by the next sweep as unknown, and looked up.
            await _end([*others, *self._tasks])

    def stop(self) -> None:
        """Claims nothing more; `run` returns once the sends in flight are recorded."""
        self._stopping = True
        self._bell.ring()

    async def run_once(self) -> int:
        """Sweeps, looks up, claims, sends and records once; answers how much it did."""
        swept = await self._sweep()
        settled = await self._reconcile()
        sends = await self._begin(IN_FLIGHT)
        await asyncio.gather(*sends)
        return swept + settled + len(sends)

    async def drain(self) -> int:
        """Repeats `run_once` until nothing due is left; answers how much was done."""
        done = 0
        while did := await self.run_once():
            done += did
        return done

    async def _turn(self) -> None:
        """Starts what is due, or sleeps until something is."""
        free = IN_FLIGHT - len(self._tasks)
        sends = await self._begin(free) if free else []
        for send in sends:
            task = asyncio.create_task(send)
            self._tasks.add(task)
            task.add_done_callback(self._finished)
        if not sends and not self._stopping:
            due = await self._lanes.wait() if free else None
            await self._bell.wait(self._poll if due is None else max(0.005, min(due, self._poll)))

    def _finished(self, task: asyncio.Task[None]) -> None:
        if len(self._tasks) == IN_FLIGHT:
            self._bell.ring()
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("send_fault", reason=_name(fault))

    async def _begin(self, most: int) -> list[Coroutine[Any, Any, None]]:
        """Claims up to so many targets, commits the intent, and answers their sends."""
        claims = await self._lanes.claim(self.worker, most)
        if not claims:
            return []
        leases = {claim.target_id: self._timeout(claim.network) + LEASE_MARGIN for claim in claims}
        since = _elapsed()
        begun = await self._lanes.begin(
            self.worker, claims, [leases[claim.target_id] for claim in claims]
        )
        return [self._deliver(each, since + leases[each.target_id]) for each in begun]

    def _timeout(self, key: str) -> float:
        network = self._networks.get(key)
        return UNREACHABLE_TIMEOUT if network is None else network.timeout

    async def _deliver(self, sending: Sending, lease_ends: float) -> None:
        """Sends one target and records the outcome."""
        found = await self._send(sending, lease_ends)
        await self._record(sending, "sending", found)

    async def _send(self, sending: Sending, lease_ends: float) -> Transition:
        network = self._networks.get(sending.network)
        if network is None:
            answer: Answer = NotSent("This installation does not offer the network")
            return outcome.transition(answer, sending, sending.sent_at)
        if refresh.is_due(network, sending):
            renewed = await refresh.renew(self._lanes.grants, self._keys, network, sending)
            if isinstance(renewed, Transition):
                return renewed
            sending = renewed
        grant = outcome.grant(self._keys, sending)
        check_at = outcome.settled_at(sending, network.timeout, network.settle)
        if grant is None:
            answer = Expired("There is no grant we can read: connect the account again")
            return outcome.transition(answer, sending, check_at)
        draft = outcome.draft(sending)
        # Nothing may come between this check and the send: a worker that slept must not wake up
        # and send what others have meanwhile looked up and sent again.
        if lease_ends - _elapsed() < network.timeout + SEND_MARGIN:
            return outcome.withheld()
        try:
            async with asyncio.timeout(network.timeout):
                answer = await network.publish(grant, draft)
        except Exception as fault:  # noqa: BLE001 - after the first byte every fault is "unknown"
            answer = Unknown(f"no answer ({type(fault).__name__})")
        if isinstance(answer, Expired) and refresh.helps(network, grant):
            renewed = await refresh.renew(self._lanes.grants, self._keys, network, sending)
            return renewed if isinstance(renewed, Transition) else outcome.withheld()
        return outcome.transition(answer, sending, check_at)

    async def _record(self, sending: Sending, came_from: str, found: Transition) -> bool:
        """Writes an outcome, however long the database is away."""
        pause = 0.05
        while True:
            try:
                return await self._write(sending, came_from, found)
            except REFUSED as fault:
                if found.to in {"unknown", "needs_confirmation"}:
                    raise
                log.warning("outcome_refused", target=str(sending.target_id), to=found.to)
                message = f"The network's answer cannot be stored ({type(fault).__name__})"
                # `sending` must first become unknown; from there the question goes to a person.
                found = (
                    outcome.unknown(message, sending.sent_at)
                    if came_from == "sending"
                    else outcome.needs_confirmation(message)
                )
            except TROUBLE as fault:
                log.warning("outcome_waits", target=str(sending.target_id), reason=_name(fault))
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)

    async def _write(self, sending: Sending, came_from: str, found: Transition) -> bool:
        hit = await self._lanes.outcome(sending, came_from, found.to, found.facts)
        if not hit and found.to == "published" and came_from == "sending":
            # Swept meanwhile, but the remote id is in hand: evidence is never thrown away.
            hit = await self._lanes.outcome(sending, "unknown", found.to, found.facts)
        target = str(sending.target_id)
        log.info("outcome" if hit else "outcome_stale", target=target, to=found.to)
        self._wake.set()
        return hit

    async def _sweep(self) -> int:
        swept = await self._lanes.sweep()
        if any(swept):
            log.warning("swept", released=swept.released, lost=swept.lost, late=swept.late)
            self._wake.set()
        return sum(swept)

    async def _reconcile(self) -> int:
        """Looks up what is due for it; answers how many targets that settled."""
        unknowns = await self._lanes.unknowns(IN_FLIGHT)
        return sum(await asyncio.gather(*(self._settle(each) for each in unknowns)))

    async def _settle(self, sending: Sending) -> bool:
        found = await reconcile.look(self._lanes, self._keys, self._networks, sending)
        return found is not None and await self._record(sending, "unknown", found)

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


def _name(fault: BaseException) -> str:
    return type(fault).__name__


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
