"""What both transports of subscriptions share: who listens, and what ends a stream.

One task looks after all streams of a process, however many they are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any, Protocol

TURN_S = 1.0
CHECK_TURNS = 2
PING_TURNS = 20
LEAVE_S = 3.0
CLOSE_S = 2.0  # how long a client may take to hear the last word


class Refused(Exception):
    """The caller may not connect."""


class End(Enum):
    """Why a stream ends, as the client is told."""

    EXPIRED = "Token expired"
    SESSION = "Session ended"
    RESTART = "Service restart"


class Caller(Protocol):
    """Who listens: contexts for his operations, and how long he may stay."""

    @property
    def seconds_left(self) -> float:
        """How long the credentials still hold."""

    @property
    def welcome(self) -> bool:
        """Whether he may go on listening, as the last look has told."""

    def context(self) -> Any:
        """A context for one operation or one event."""

    def who(self, personal: bool) -> Any:  # noqa: FBT001 - both are his
        """What distinguishes him from others: all, or only what he may reach."""


Look = Callable[[list[Caller]], Awaitable[None]]


class Connection(Protocol):
    """One socket, or one stream of server-sent events."""

    @property
    def caller(self) -> Caller | None:
        """Who is behind it, once he has said so."""

    def contexts(self) -> Mapping[str, Any]:
        """The contexts of the operations under way."""

    async def ping(self) -> None:
        """Tells the client that we are here."""

    async def refuse(self, id: str, error: Exception) -> None:
        """Ends one operation, and says why."""

    async def end(self, why: End) -> None:
        """Ends everything, and says why."""


class Streams:
    """All streams of a process; `look` reads at once how all their callers stand."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.open: dict[Connection, int] = {}  # each with the turn in which it was opened
        self.leaving = False
        self._turn = 0
        self._watching: asyncio.Task[None] | None = None
        self._doing: dict[tuple[Connection, str], asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begins to look after the streams."""
        self._watching = asyncio.create_task(self._watch())

    def add(self, connection: Connection) -> None:
        """Looks after one more."""
        self.open[connection] = self._turn

    def remove(self, connection: Connection) -> None:
        """Looks after it no more."""
        self.open.pop(connection, None)

    async def close(self) -> None:
        """Stops looking after them."""
        for task in (self._watching, *list(self._doing.values())):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def shutdown(self) -> None:
        """Asks every client to come back later; nobody can hold this up for long."""
        self.leaving = True
        ending = [asyncio.ensure_future(each.end(End.RESTART)) for each in self.open]
        if ending:
            await asyncio.wait(ending, timeout=LEAVE_S)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TURN_S)
            self._turn += 1
            for each, opened in list(self.open.items()):
                if each.caller is None:
                    continue
                if each.caller.seconds_left <= 0:
                    self._do(each, "end", each.end(End.EXPIRED))
                elif (self._turn - opened) % PING_TURNS == 0:
                    self._do(each, "ping", each.ping())
            if self._turn % CHECK_TURNS == 0:
                await self._check()

    async def _check(self) -> None:
        """Ends what its caller may not hear any more, even where nothing happens."""
        known = [(each, each.caller) for each in self.open if each.caller is not None]
        await self.look([caller for _, caller in known])
        for each, caller in known:
            if not caller.welcome:
                self._do(each, "end", each.end(End.SESSION))
                continue
            for id, context in list(each.contexts().items()):
                if (why := context.refusal()) is not None:
                    self._do(each, id, each.refuse(id, why))

    def _do(self, each: Connection, what: str, work: Coroutine[Any, Any, None]) -> None:
        """Tells a client something; one who does not read holds up nobody else."""
        if (key := (each, what)) in self._doing:
            work.close()
            return
        task = self._doing[key] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._doing.pop(key, None))
