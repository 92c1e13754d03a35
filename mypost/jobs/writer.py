"""Writing outcomes: those that come in while others are being written go together."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from mypost.models.lanes import REFUSED, Lanes, Outcome

TOGETHER = 50


class _Waiting(NamedTuple):
    outcome: Outcome
    written: asyncio.Future[bool]


class Writer:
    """Writes outcomes in the order in which they come, as many at once as wait."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._waiting: list[_Waiting] = []
        self._working = False
        self.tasks: set[asyncio.Task[None]] = set()

    async def write(self, outcome: Outcome) -> bool:
        """Writes one; False when its fence or state has moved on. Raises what the database did."""
        each = _Waiting(outcome, asyncio.get_running_loop().create_future())
        self._waiting.append(each)
        if not self._working:
            self._working = True
            task = asyncio.create_task(self._work())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return await each.written

    async def _work(self) -> None:
        # Said here and not when the task is done: who comes between the two would wait for ever.
        try:
            while self._waiting:
                await self._together(self._batch())
        finally:
            self._working = False

    def _batch(self) -> list[_Waiting]:
        """Takes what came first; of one target the first alone, or one of two would be lost."""
        batch: dict[UUID, _Waiting] = {}
        later: list[_Waiting] = []
        for each in self._waiting:
            target = each.outcome.sending.target_id
            if target in batch or len(batch) == TOGETHER:
                later.append(each)
            else:
                batch[target] = each
        self._waiting = later
        return list(batch.values())

    async def _together(self, batch: Sequence[_Waiting]) -> None:
        """Writes a batch; a row that refuses its facts is no reason to keep back the others."""
        try:
            moved = await self._lanes.outcomes([each.outcome for each in batch])
        except Exception as fault:  # noqa: BLE001 - whoever waits is told
            if isinstance(fault, REFUSED) and len(batch) > 1:
                for each in batch:
                    await self._together([each])
                return
            for each in batch:
                if not each.written.done():
                    each.written.set_exception(fault)
            return
        for each in batch:
            if not each.written.done():
                each.written.set_result(each.outcome.sending.target_id in moved)
