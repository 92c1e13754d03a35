"""The dispatcher's doors to the grants of accounts: one lock per account, and a store that checks.

The functions are SQL (migrations/0004_grants.sql).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg

from mypost.models.keeper import Keeper
from mypost.networks import Grant

LOCK_CLASS = 0x6772
LOOK_AGAIN = 0.05


class Stored(NamedTuple):
    """What an account's row holds of its grant."""

    cipher: bytes | None
    version: int
    expires_at: datetime | None
    status: str
    lane_fence: int


class Grants:
    """Grants over one pool of the role mypost_dispatch.

    All locks of a process are held by one connection, however many accounts renew at once: a
    session may hold any number, and a lock that blocked would take a connection for every account.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool, self._turn = pool, asyncio.Lock()
        self._keeper = Keeper(pool)
        self._users = 0
        self._undoing: set[asyncio.Task[None]] = set()
        self._accounts: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def locked(self, account: UUID, patience: float) -> AsyncIterator[None]:
        """Holds the account's lock over all processes; raises TimeoutError without it in time."""
        # Within a session an advisory lock is no lock: here a plain one stands before it.
        mine = self._accounts.setdefault(account, asyncio.Lock())
        async with asyncio.timeout(patience) as waiting, mine:
            self._users += 1
            try:
                while not await self._taken(account):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(LOOK_AGAIN)
                try:
                    waiting.reschedule(None)
                    yield
                finally:
                    # A connection that is lost has unlocked everything.
                    with contextlib.suppress(
                        OSError, asyncpg.PostgresError, asyncpg.InterfaceError
                    ):
                        await self._ask("pg_advisory_unlock", account)
            finally:
                await self._leave()

    async def _taken(self, account: UUID) -> bool:
        """Tries the lock once; a try that is cut off is followed up, and leaves no lock."""
        trying = asyncio.create_task(self._ask("pg_try_advisory_lock", account))
        try:
            return bool(await asyncio.shield(trying))
        except asyncio.CancelledError:
            self._users += 1
            undoing = asyncio.create_task(self._undo(trying, account))
            self._undoing.add(undoing)
            undoing.add_done_callback(self._undoing.discard)
            raise

    async def _undo(self, trying: asyncio.Task[Any], account: UUID) -> None:
        """Lets go what a try has taken for nobody."""
        try:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if await trying:
                    await self._ask("pg_advisory_unlock", account)
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """Returns the connection with the last of its users."""
        self._users -= 1
        async with self._turn:
            if self._users == 0:
                await self._keeper.let_go()

    async def read(self, account: UUID) -> Stored | None:
        """Reads what is stored now; None when there is no such account."""
        row = await self._pool.fetchrow("SELECT * FROM dispatch_grant($1)", account)
        return Stored(*row) if row else None

    async def store(self, account: UUID, version: int, cipher: bytes, grant: Grant) -> bool:
        """Stores a grant in the place of this version; False when that is not the newest."""
        ends = (grant.expires_at, grant.ends_at)
        statement = "SELECT dispatch_store_grant($1, $2, $3, $4, $5)"
        return bool(await self._pool.fetchval(statement, account, version, cipher, *ends))

    async def _ask(self, function: str, account: UUID) -> Any:
        """Calls a lock function on the connection that holds the locks, or on a new one."""
        async with self._turn:
            connection = await self._keeper.connection()
            statement = f"SELECT {function}($1, hashtext($2))"
            return await connection.fetchval(statement, LOCK_CLASS, str(account))
