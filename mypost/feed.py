"""What has happened, as it happens: one reader per process, a bounded queue per subscriber.

PostgreSQL holds the truth; the Redis stream only tells sooner.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
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
QUEUE = 1000
BLOCK_MS = 250
POLL_S = 1.0
AWAY_S = 0.2  # between two looks at the table while Redis is away
REPLAY = 500
MANY = 500  # workspaces asked for in one statement
COLUMNS = "e.workspace_id, e.number, e.type, e.brand_id, e.occurred_at, e.payload"
# Equality, so that the key's index gives the order; `= ANY` would sort the whole rest.
MISSED = (
    f"SELECT {COLUMNS} FROM unnest($2::uuid[], $3::bigint[]) AS w (id, number), LATERAL"
    " (SELECT * FROM events WHERE workspace_id = w.id AND number > w.number"
    " ORDER BY number LIMIT $4) e WHERE e.workspace_id = ANY ($1::uuid[])"
    " ORDER BY e.workspace_id, e.number"
)
HELD = (
    "SELECT coalesce((SELECT number FROM events WHERE workspace_id = ($1::uuid[])[1]"
    " ORDER BY number LIMIT 1), 0) AS oldest,"
    " coalesce((SELECT number FROM events WHERE workspace_id = ($1::uuid[])[1]"
    " ORDER BY number DESC LIMIT 1), 0) AS newest"
)
SLOW = "This subscriber reads too slowly"
FORGOTTEN = "The events after this cursor are not held any more"
AHEAD = "This cursor is newer than anything that has happened"


@dataclass(slots=True, eq=False)
class Event:
    """Something that happened, with its number in its workspace.

    Every listener of a process is given the same one: `told` is how it was spelled for the first.
    """

    workspace_id: UUID
    number: int
    type: str
    brand_id: UUID | None
    occurred_at: datetime
    payload: dict[str, Any]
    told: Any = None


@dataclass(frozen=True, slots=True)
class Resync:
    """Events were missed for good; what follows comes after `number`."""

    number: int
    reason: str


def number_of(after: str | None) -> int | None:
    """Reads a subscriber's cursor. Raises Invalid at `after`."""
    if after is None:
        return None
    if not after.isascii() or not after.isdigit() or len(after) > 18:  # noqa: PLR2004 - bigint
        raise invalid("after", "This cursor does not belong to this list")
    return int(after)


@dataclass(eq=False, slots=True)
class _Listener:
    """A bounded queue: whoever lets it fill loses all of it, and is told."""

    wants: Callable[[Event], bool]
    waiting: list[Event] = field(default_factory=list)
    overflowed: bool = False
    bell: asyncio.Future[None] | None = None

    def offer(self, event: Event) -> None:
        if self.overflowed or not self.wants(event):
            return
        if len(self.waiting) == QUEUE:
            self.waiting, self.overflowed = [], True
        else:
            self.waiting.append(event)
        if self.bell is not None and not self.bell.done():
            self.bell.set_result(None)

    def empty(self) -> None:
        """Forgets what waits."""
        self.waiting, self.overflowed = [], False

    async def some(self) -> list[Event] | None:
        """Answers what waits, once something does; None when it was too much."""
        while not self.waiting and not self.overflowed:
            self.bell = asyncio.get_running_loop().create_future()
            await self.bell
        taken, self.waiting = self.waiting, []
        if self.overflowed:
            self.overflowed = False
            return None
        return taken


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

    async def _missed(self, after: Iterable[tuple[UUID, int]], most: int = REPLAY) -> list[Event]:
        """Reads what came after these numbers of these workspaces, of each at most so many."""
        workspaces, numbers = map(list, zip(*after, strict=True))
        rows = await self._fetch(MISSED, workspaces, workspaces, numbers, most)
        return [
            Event(r.workspace_id, r.number, r.type, r.brand_id, r.occurred_at, r.payload)
            for r in rows
        ]

    async def listen(
        self, workspace: UUID, wants: Callable[[Event], bool], after: int | None
    ) -> AsyncIterator[Event | Resync]:
        """Yields wanted events: those after a number first, then as they happen.

        A `Resync` stands for what cannot be told any more: nothing holds it, or the caller has
        read so slowly that his queue was full.
        """
        listener = _Listener(wants)
        if workspace not in self._last:
            (held,) = await self._fetch(HELD, [workspace])
            self._last.setdefault(workspace, held.newest)
        self._listeners[workspace].add(listener)
        self._some.set()
        try:
            seen = self._last[workspace] if after is None else after
            if after is not None:
                async for told in self._again(workspace, after, listener):
                    seen = told.number
                    yield told
            while True:
                some = await listener.some()
                if some is None:
                    seen = self._last[workspace]
                    yield Resync(seen, SLOW)
                    continue
                for event in some:
                    if event.number > seen:
                        seen = event.number
                        yield event
        finally:
            self._leave(workspace, listener)

    async def _again(
        self, workspace: UUID, after: int, listener: _Listener
    ) -> AsyncIterator[Event | Resync]:
        """Yields what PostgreSQL holds after a number, or that it does not hold all of it."""
        (held,) = await self._fetch(HELD, [workspace])
        if after > held.newest:
            yield Resync(held.newest, AHEAD)
        elif after + 1 < held.oldest:
            yield Resync(held.newest, FORGOTTEN)
        else:
            while True:
                listener.empty()  # the table holds all that waits
                if not (missed := await self._missed([(workspace, after)])):
                    return
                for event in missed:
                    after = event.number
                    if listener.wants(event):
                        yield event

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
        """Follows the stream; while Redis is away, the table."""
        away = False
        while True:
            await self._some.wait()
            try:
                wanted = {STREAM.format(w): f"{n}-0" for w, n in self._last.items()}
                for _, entries in await self.redis.xread(wanted, block=BLOCK_MS) or ():  # type: ignore[arg-type]
                    for _, fields in entries:
                        await self._take(_decode(fields[b"e"]))
                away = False
            except (RedisError, OSError) as error:
                if not away:
                    log.warning("feed.redis_away", error=type(error).__name__)
                away = True
                await self._catch_up(list(self._last))
                await asyncio.sleep(AWAY_S)

    async def _take(self, event: Event) -> None:
        """Delivers what the stream tells; what it does not tell any more is read first."""
        workspace = event.workspace_id
        if workspace in self._last and event.number > self._last[workspace] + 1:
            await self._catch_up([workspace])
        # A gap that could not be read stays one: this event comes from the table too, later.
        if event.number == self._last.get(workspace, 0) + 1:
            self._deliver(event)

    async def _poll(self) -> None:
        """Catches what the stream did not tell: Redis may be away, or emptied."""
        while True:
            await asyncio.sleep(POLL_S)
            await self._catch_up(list(self._last))

    async def _catch_up(self, workspaces: list[UUID]) -> None:
        """Delivers what the table holds of these workspaces and nobody has told."""
        for begin in range(0, len(workspaces), MANY):
            behind = workspaces[begin : begin + MANY]
            while after := [(w, self._last[w]) for w in behind if w in self._last]:
                try:
                    missed = await self._missed(after)
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                    log.warning("feed.postgres_away", error=type(error).__name__)
                    return
                for event in missed:
                    self._deliver(event)
                behind = list({event.workspace_id for event in missed})


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
