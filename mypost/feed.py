"""What has happened, as it happens: one reader per process, a bounded queue per subscriber.

PostgreSQL holds the truth; the Redis stream only tells sooner.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mypost.errors import invalid
from mypost.events import STREAM
from mypost.models.base import SCOPED, Row
from mypost.models.reads import Reads

log = structlog.get_logger()
QUEUE = 256
BLOCK_MS = 250
POLL_S = 1.0
REPLAY = 1000
SINCE = (
    "SELECT workspace_id, number, type, brand_id, occurred_at, payload FROM events"
    " WHERE workspace_id = ANY ($1::uuid[]) AND number > $2 ORDER BY number LIMIT $3"
)
NEWEST = (
    "SELECT coalesce(max(number), 0) AS number FROM events WHERE workspace_id = ANY ($1::uuid[])"
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, with its number in its workspace."""

    workspace_id: UUID
    number: int
    type: str
    brand_id: UUID | None
    occurred_at: datetime
    payload: dict[str, Any]


def number_of(after: str | None) -> int | None:
    """Reads a subscriber's cursor. Raises Invalid at `after`."""
    if after is None:
        return None
    if not after.isascii() or not after.isdigit() or len(after) > 18:  # noqa: PLR2004 - bigint
        raise invalid("after", "This cursor does not belong to this list")
    return int(after)


class Overflow(Exception):
    """A subscriber read too slowly and missed events after `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(f"events after {number} were missed")
        self.number = number


@dataclass(eq=False, slots=True)
class _Listener:
    wants: Callable[[Event], bool]
    queue: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    overflowed: bool = False

    def offer(self, event: Event) -> None:
        if not self.overflowed and self.wants(event):
            try:
                self.queue.put_nowait(event)
            except asyncio.QueueFull:
                self.overflowed = True


class Feed:
    """Hands the events of subscribed workspaces to their listeners, each once, in order."""

    def __init__(self, pool: Reads, redis: Redis) -> None:
        self.pool = pool
        self.redis = redis
        self._listeners: dict[UUID, set[_Listener]] = defaultdict(set)
        self._last: dict[UUID, int] = {}
        self._some = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts the reader and its safety net."""
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._poll())]

    async def close(self) -> None:
        """Ends the reader."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _fetch(self, sql: str, scope: list[UUID], *args: object) -> list[Any]:
        rows: list[Any] = await self.pool.fetch(SCOPED.format(sql), scope, *args, record_class=Row)
        return rows

    async def _since(self, workspace: UUID, number: int, most: int = REPLAY) -> list[Event]:
        rows = await self._fetch(SINCE, [workspace], number, most)
        return [
            Event(r.workspace_id, r.number, r.type, r.brand_id, r.occurred_at, r.payload)
            for r in rows
        ]

    async def listen(
        self, workspace: UUID, wants: Callable[[Event], bool], after: int | None
    ) -> AsyncIterator[Event]:
        """Yields wanted events: those after a number first, then as they happen.

        Raises Overflow when the caller reads too slowly.
        """
        listener = _Listener(wants)
        if workspace not in self._last:
            newest = await self._fetch(NEWEST, [workspace])
            self._last.setdefault(workspace, newest[0].number)
        self._listeners[workspace].add(listener)
        self._some.set()
        try:
            seen = self._last[workspace] if after is None else after
            if after is not None:
                while missed := await self._since(workspace, seen):
                    for event in missed:
                        seen = event.number
                        if wants(event):
                            yield event
            while True:
                if listener.overflowed and listener.queue.empty():
                    raise Overflow(seen)
                event = await listener.queue.get()
                if event.number > seen:
                    seen = event.number
                    yield event
        finally:
            self._leave(workspace, listener)

    def _leave(self, workspace: UUID, listener: _Listener) -> None:
        self._listeners[workspace].discard(listener)
        if not self._listeners[workspace]:
            del self._listeners[workspace]
            self._last.pop(workspace, None)
        if not self._listeners:
            self._some.clear()

    def _deliver(self, event: Event) -> None:
        if event.number <= self._last.get(event.workspace_id, event.number):
            return
        self._last[event.workspace_id] = event.number
        for listener in self._listeners.get(event.workspace_id, ()):
            listener.offer(event)

    async def _read(self) -> None:
        while True:
            await self._some.wait()
            try:
                wanted = {STREAM.format(w): f"{n}-0" for w, n in self._last.items()}
                for _, entries in await self.redis.xread(wanted, block=BLOCK_MS) or ():  # type: ignore[arg-type]
                    for _, fields in entries:
                        self._deliver(_decode(fields[b"e"]))
            except (RedisError, OSError) as error:
                log.warning("feed.redis_away", error=type(error).__name__)
                await asyncio.sleep(POLL_S)

    async def _poll(self) -> None:
        """Catches what the stream did not tell: Redis may be away, or emptied."""
        while True:
            await asyncio.sleep(POLL_S)
            for workspace, number in list(self._last.items()):
                try:
                    for event in await self._since(workspace, number):
                        self._deliver(event)
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                    log.warning("feed.postgres_away", error=type(error).__name__)


def _decode(raw: bytes) -> Event:
    said = orjson.loads(raw)
    return Event(
        UUID(said["workspaceId"]),
        said["number"],
        said["type"],
        UUID(said["brandId"]) if said["brandId"] else None,
        datetime.fromisoformat(said["occurredAt"]),
        said["payload"],
    )
