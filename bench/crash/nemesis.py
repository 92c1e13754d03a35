"""What goes wrong around MyPost, at the times the plan has drawn; every act is written down."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence

from bench.crash.journal import Journal
from bench.crash.plan import Act
from bench.crash.processes import Kept
from bench.crash.services import Services

KILLED = -signal.SIGKILL


class Nemesis:
    """Does the acts of a plan to processes that this run has started."""

    def __init__(
        self, workers: Sequence[Kept], apis: Sequence[Kept], services: Services, journal: Journal
    ) -> None:
        self._workers, self._apis = workers, apis
        self._services, self._journal = services, journal
        self._ways: dict[str, Callable[[Act], Awaitable[None]]] = {
            "kill": self._kill,
            "point": self._point,
            "kill_api": self._kill_api,
            "pause": lambda act: self._pause(self._workers[act.which], act),
            "pause_api": lambda act: self._pause(self._apis[act.which], act),
            "redis": lambda act: self._services.lose_redis(act.seconds),
            "postgres": lambda act: self._services.stop_postgres(act.seconds),
        }
        for kept in (*workers, *apis):
            kept.died = self._died

    def _died(self, name: str, code: int | None) -> None:
        """Notes every end: a worker at a point ends by its own hand."""
        self._journal.write(did="died", name=name, code=code, killed=code == KILLED)

    async def run(self, acts: Sequence[Act], begin: float) -> None:
        """Does all acts, each at its time, and returns when the last is over."""
        async with asyncio.TaskGroup() as group:
            for act in acts:
                group.create_task(self._do(act, begin))

    async def _do(self, act: Act, begin: float) -> None:
        await asyncio.sleep(max(0.0, begin + act.at - time.time()))
        at = time.time()
        await self._ways[act.did](act)
        facts = {"which": act.which, "point": act.point, "seconds": act.seconds}
        self._journal.write(did=act.did, begun=at, until=time.time(), **facts)

    async def _kill(self, act: Act) -> None:
        """Kills a worker whole; of the supervised one, mostly one of its three processes."""
        worker = self._workers[act.which]
        if act.which == 0 and act.nth:
            worker.kill_part(act.nth)
        else:
            worker.kill()

    async def _kill_api(self, act: Act) -> None:
        self._apis[act.which].kill()

    async def _point(self, act: Act) -> None:
        """Replaces a worker by one that kills itself where it is told to."""
        self._workers[act.which].kill(MYPOST_CRASH_AT=f"{act.point}:{act.nth}")

    async def _pause(self, kept: Kept, act: Act) -> None:
        group = kept.group
        kept.send(signal.SIGSTOP, group)
        try:
            await asyncio.sleep(act.seconds)
        finally:
            kept.send(signal.SIGCONT, group)

    def calm(self) -> None:
        """Replaces workers that still wait for their point."""
        for worker in self._workers[1:]:
            worker.kill()
