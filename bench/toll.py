"""What each step of a send costs PostgreSQL: the processor time of one session, target by target.

One session takes the steps one after the other, in the sizes in which a worker takes them, so
neither other work on the machine nor another session's waiting is counted.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import asyncpg

from bench.burst import ACCOUNTS, TARGETS, written
from bench.result import Asked, Result
from mypost import embedded
from mypost.jobs import dispatcher, sequencer, writer
from mypost.models import database
from mypost.models.installation import Installation
from mypost.models.lanes import Facts, Lanes, Outcome, Sending

MOST = 0.6  # milliseconds for each target
LEASE = 15.0
NUMBER = "SELECT * FROM sequence_batch($1)"
T = TypeVar("T")


class Meter:
    """The processor time of one session, by step."""

    def __init__(self, pid: int) -> None:
        self._file = Path(f"/proc/{pid}/schedstat")
        self.spent: Counter[str] = Counter()  # nanoseconds

    def _read(self) -> int:
        return int(self._file.read_text().split(maxsplit=1)[0])

    async def of(self, step: str, work: Awaitable[T]) -> T:
        """Waits for one step and adds what it took."""
        before = self._read()
        done = await work
        self.spent[step] += self._read() - before
        return done


async def toll(targets: int, together: int) -> Counter[str]:
    """Sends so many targets nowhere; answers nanoseconds by step."""
    with tempfile.TemporaryDirectory(prefix="mypost-toll-") as place:
        try:
            services = await asyncio.to_thread(embedded.start, Path(place))
            await database.migrate(services.owner_url)
            async with await database.pool(services.owner_url, "mypost_owner") as owner:
                await written(owner, targets, ["none"] * ACCOUNTS, lead=-1.0)
            async with await database.pool(services.dispatch_url, "mypost_dispatch", 1) as pool:
                return await _sent(pool, together)
        finally:
            await asyncio.to_thread(embedded.stop, Path(place))


async def _sent(pool: asyncpg.Pool, together: int) -> Counter[str]:
    meter = Meter(await pool.fetchval("SELECT pg_backend_pid()"))
    lanes, worker = Lanes(pool), uuid4()
    await Installation(pool).arrive()
    while await pool.fetch(NUMBER, sequencer.BATCH):
        pass  # what planning has left
    in_flight = min(together, dispatcher.IN_FLIGHT)
    while claims := await meter.of("claim", lanes.claim(worker, in_flight)):
        sends: list[Sending] = []
        for some in _parts(claims, min(together, dispatcher.TOGETHER)):
            sends += await meter.of("begin", lanes.begin(worker, some, [LEASE] * len(some)))
        outcomes = [_outcome(each) for each in sends]
        for told in _parts(outcomes, min(together, writer.TOGETHER)):
            await meter.of("outcome", lanes.outcomes(told))
        while await meter.of("number", pool.fetch(NUMBER, sequencer.BATCH)):
            pass
    return meter.spent


def _parts(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (whole[first : first + size] for first in range(0, len(whole), size))


def _outcome(sending: Sending) -> Outcome:
    facts = Facts(
        proof="remote_id", external_id=str(sending.dispatch_key), external_url="", trouble=False
    )
    return Outcome(sending, "sending", "published", facts)


def figure(asked: Asked) -> Result:
    """TOLL: PostgreSQL's time for each target by step; in the control each goes alone."""
    targets = asked.cases or TARGETS
    spent = asyncio.run(toll(targets, 1 if asked.broken else targets))
    each = {step: taken / targets / 1e6 for step, taken in spent.items()}
    whole = sum(each.values())
    said = ",".join(f"{step}={taken:.3f}ms" for step, taken in each.items())
    return Result(f"{said},all={whole:.3f}ms", f"all<={MOST}ms", whole <= MOST)
