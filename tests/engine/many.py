"""Checks many cases, on every core."""

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from graphql import validate

from mypost.engine.compiled import Compiled, Unsupported, compile_operation
from tests.engine import breaks
from tests.engine.check import Checked, check, drain, tidied
from tests.engine.features import features
from tests.engine.generate import Case, cases, library_cases
from tests.engine.report import report

Make = Callable[[int], list[Case]]
MOST_REPORTS = 10
CHUNK = 100


@dataclass
class Tally:
    """What came of many cases."""

    cases: int = 0
    different: int = 0
    compiled: int = 0
    unsupported: int = 0
    met: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    reports: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Adds what another process has found."""
        self.cases += other.cases
        self.different += other.different
        self.compiled += other.compiled
        self.unsupported += other.unsupported
        self.met += other.met
        self.reasons += other.reasons
        self.reports = [*self.reports, *other.reports][:MOST_REPORTS]

    def count(self, case: Case, checked: Checked) -> None:
        """Counts one case."""
        self.cases += 1
        self.different += bool(checked.differences)
        self.compiled += checked.compiled
        self.unsupported += checked.unsupported
        self.met += features(case, checked)


def compiled(case: Case, tally: Tally) -> Compiled | None:
    """The operation of a case, compiled."""
    try:
        # Half of the plans run as those of new documents do, before their Python is written.
        writes = case.seed % 2 == 0
        return compile_operation(case.schema, case.document, case.asked.name, writes=writes)
    except Unsupported as reason:
        tally.reasons[str(reason)] += 1
        return None


async def run(first: int, count: int, *, most: int | None = None, make: Make = cases) -> Tally:
    """Checks so many cases from a seed on; `most` ends it after so many that differ."""
    tally = Tally()
    with tidied() as forget:
        for seed in itertools.count(first):
            await _one(make(seed), tally)
            if seed % 10 == 9:
                forget()
                await drain()
            if tally.cases >= count or (most is not None and tally.different >= most):
                return tally
    return tally


async def _one(made: list[Case], tally: Tally) -> None:
    """Checks the cases of one document."""
    wrong = validate(made[0].schema, made[0].document)
    assert not wrong, (made[0].seed, wrong)
    plan = compiled(made[0], tally)
    for case in made:
        checked = await check(case, plan)
        if checked.differences and len(tally.reports) < MOST_REPORTS:
            tally.reports.append(await report(checked.differences[0]))
        tally.count(case, checked)


def _chunk(first: int, count: int, broken: str | None, make: Make) -> Tally:
    with breaks.applied(broken):
        return asyncio.run(run(first, count, make=make))


def run_on_all_cores(first: int, count: int, *, broken: str | None = None) -> Tally:
    """Checks so many cases in parallel, every fourth hundred on the Strawberry schema.

    A seed has at least one case, so that no two chunks meet.
    """
    chunks = [(first + s, min(CHUNK, count - s)) for s in range(0, count, CHUNK)]
    makers = [library_cases if number % 4 == 3 else cases for number in range(len(chunks))]
    tally = Tally()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(_chunk, *zip(*chunks, strict=True), [broken] * len(chunks), makers):
            tally.add(found)
    return tally
