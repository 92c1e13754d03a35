"""A dispatcher's sign of life: a lock that the database frees when the dispatcher is gone.

Others end the leases of a dispatcher whose lock is free at once instead of waiting for them. That
is always safe: what was claimed was never sent, and what was being sent is looked up.
"""

import asyncio
from uuid import UUID

import asyncpg
import structlog

from mypost.jobs.marks import Marks
from mypost.models.installation import Installation
from mypost.models.keeper import Keeper

log = structlog.get_logger()


class Pulse:
    """Holds one dispatcher's lock on a connection of its own, and looks where it has arrived."""

    def __init__(self, pool: asyncpg.Pool, worker: UUID, marks: Marks) -> None:
        self._keeper, self._turn = Keeper(pool), asyncio.Lock()
        self._worker, self._marks = worker, marks

    async def start(self) -> None:
        """Takes the lock, on a new connection when the old one was lost, and then arrives."""
        async with self._turn:
            if not self._keeper.alive:
                await self._begin()

    async def _begin(self) -> None:
        connection = await self._keeper.connection()
        try:
            # Waits: a sweeper may be holding the lock for the length of its transaction.
            await connection.execute("SELECT pg_advisory_lock(dispatcher_key($1))", self._worker)
            installation = Installation(connection)
            reason = await installation.arrive() or await self._marks.check(installation)
        except BaseException:
            await self._keeper.let_go()
            raise
        if reason is not None:
            log.error("quarantined", reason=reason)

    async def stop(self) -> None:
        """Lets the lock go."""
        await self._keeper.let_go()
