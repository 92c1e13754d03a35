"""A worker that dies at every named point, one after the other, so many times each."""

import asyncio
import random
import time
from collections import Counter, deque

from bench.crash.journal import Journal
from bench.crash.nemesis import KILLED
from bench.crash.plan import Plan
from bench.crash.processes import Kept

PATIENCE = 15.0  # a worker that does not come by its point is given another
TRIES = 3
LAST_PASS = 3


class Points:
    """Arms each worker that is started in one place with the next point."""

    def __init__(self, worker: Kept, journal: Journal, plan: Plan) -> None:
        runs = plan.weather.points_runs
        wanted = [point for point in plan.weather.points for _ in range(runs)]
        random.Random(f"points:{plan.seed}").shuffle(wanted)
        self._chance = random.Random(f"passes:{plan.seed}")
        self._wanted, self._tries = deque(wanted), Counter[str]()
        self._runs, self._worker, self._journal = runs, worker, journal
        self._at, self._since, self._impatient = "", time.monotonic(), False
        self.hits: Counter[str] = Counter()
        worker.arm, worker.died = self._arm, self._died

    def _arm(self) -> dict[str, str]:
        self._since = time.monotonic()
        self._at = self._wanted.popleft() if self._wanted else ""
        nth = self._chance.randint(1, LAST_PASS)
        return {"MYPOST_CRASH_AT": f"{self._at}:{nth}"} if self._at else {}

    def _died(self, name: str, code: int | None) -> None:
        hit = code == KILLED and not self._impatient
        self._journal.write(did="died", name=name, code=code, point=self._at if hit else "")
        if hit:
            self.hits[self._at] += 1
        elif self._at:
            self._tries[self._at] += 1
            if self._tries[self._at] < TRIES * self._runs:
                self._wanted.append(self._at)
        self._impatient = False

    async def run(self) -> None:
        """Returns when every point was hit, or could not be."""
        self._impatient = True
        self._worker.kill()
        while self._at or self._wanted or self._impatient:
            if time.monotonic() - self._since > PATIENCE and self._at:
                self._impatient = True
                self._worker.kill()
            await asyncio.sleep(0.1)
