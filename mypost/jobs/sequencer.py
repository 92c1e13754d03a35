"""Numbering what has committed, and telling Redis: one leader, elected by an advisory lock."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mypost.events import STREAM
from mypost.jobs.wake import Wake
from mypost.models.lanes import TROUBLE

LOCK = 0x6D79736571
BATCH = 500
POLL = 0.1
RETRY = 1.0
STREAM_LENGTH = 10_000
BACKLOG = 10_000
REDIS_PATIENCE = 2.0

log = structlog.get_logger()


class Sequencer:
    """Leads or waits; while it leads, events get their numbers and audit rows their seals."""

    def __init__(self, pool: asyncpg.Pool, redis: Redis | None, wake: Wake) -> None:
        self._pool, self._redis = pool, redis
        self._bell, self._relay_bell = wake.bell(), wake.bell()
        # Bounded: a reader who finds a gap in the stream reads the table anyway.
        self._backlog: deque[tuple[str, str, bytes]] = deque(maxlen=BACKLOG)
        self.leading = False

    async def run(self) -> None:
        """Works until cancelled; leadership is lost with its connection."""
        relay = asyncio.create_task(self._relay())
        try:
            while True:
                try:
                    await self._term()
                except TROUBLE as fault:
                    log.warning("sequencer_lost", reason=type(fault).__name__)
                except Exception:
                    log.exception("sequencer_fault")
                await asyncio.sleep(RETRY)
        finally:
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)

    async def run_once(self) -> int | None:
        """Numbers and tells everything that waits; None when another one leads."""
        async with self._candidate() as connection:
            if connection is None:
                return None
            numbered = 0
            while found := await self._number(connection):
                numbered += found
        while self._backlog and await self._tell():
            pass
        return numbered

    async def _term(self) -> None:
        async with self._candidate() as connection:
            while connection is not None:
                if not await self._number(connection):
                    await self._bell.wait(POLL)

    @asynccontextmanager
    async def _candidate(self) -> AsyncIterator[asyncpg.Connection | None]:
        """Opens a connection of its own and answers it while that leads, else None."""
        async with self._pool.acquire() as connection:
            try:
                self.leading = await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
                if self.leading:
                    log.info("sequencer_leads")
                yield connection if self.leading else None
            finally:
                if self.leading:
                    # The pool resets nothing, so the lock must end with its connection.
                    self.leading = False
                    await connection.close(timeout=RETRY)

    async def _number(self, connection: asyncpg.Connection) -> int:
        """Numbers one batch; answers 0 when nothing waited, or nothing but audit rows."""
        rows = await connection.fetch("SELECT * FROM sequence_batch($1)", BATCH)
        if self._redis is not None:
            self._backlog.extend(map(_entry, rows))
            self._relay_bell.ring()
        return len(rows)

    async def _relay(self) -> None:
        while self._redis is not None:
            if not await self._tell():
                await asyncio.sleep(RETRY)
            elif not self._backlog:
                await self._relay_bell.wait(RETRY)

    async def _tell(self) -> bool:
        """Adds the backlog to the streams; what fails is kept for the next time."""
        if self._redis is None or not self._backlog:
            return True
        batch = list(self._backlog)[:BATCH]
        pipe = self._redis.pipeline(transaction=False)
        for stream, number, entry in batch:
            pipe.xadd(stream, {"e": entry}, id=number, maxlen=STREAM_LENGTH, approximate=True)
        try:
            # An id that is too small was added before: its refusal is an answer, not a failure.
            async with asyncio.timeout(REDIS_PATIENCE):
                await pipe.execute(raise_on_error=False)
        except (RedisError, OSError, TimeoutError) as fault:
            log.warning("stream_away", reason=type(fault).__name__, waiting=len(self._backlog))
            return False
        told = set(batch)
        while self._backlog and self._backlog[0] in told:
            self._backlog.popleft()
        return True


def _entry(row: Any) -> tuple[str, str, bytes]:
    """Spells an event as the stream's readers take it."""
    spelled = {
        "id": str(row["id"]),
        "workspaceId": str(row["workspace_id"]),
        "number": row["number"],
        "type": row["type"],
        "brandId": row["brand_id"] and str(row["brand_id"]),
        "occurredAt": row["occurred_at"],
        "payload": row["payload"],
    }
    return STREAM.format(row["workspace_id"]), f"{row['number']}-0", orjson.dumps(spelled)
