"""Single statements of the API, each on a connection for itself."""

import asyncio
from typing import Any

import asyncpg

from mypost.models.keeper import is_alive

# Fewer than the pool has, so that transactions find one.
AT_HAND = 4
# So long a connection may lie at hand while somebody waits for it at the pool.
LONGEST_S = 0.05


class Reads:
    """The pool, with some connections kept at hand between statements.

    To acquire and release a connection costs about as much as a small statement does.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self._at_hand: list[Any] = []
        self._waiting = 0
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def acquire(self) -> Any:
        """Lends a connection for several statements."""
        return self.pool.acquire()

    async def fetch(self, sql: str, *args: object, **how: Any) -> Any:
        """Runs a statement and answers its rows."""
        return await self._run("fetch", sql, *args, **how)

    async def fetchrow(self, sql: str, *args: object, **how: Any) -> Any:
        """Runs a statement and answers its first row, or None."""
        return await self._run("fetchrow", sql, *args, **how)

    async def fetchval(self, sql: str, *args: object, **how: Any) -> Any:
        """Runs a statement and answers the first value of its first row, or None."""
        return await self._run("fetchval", sql, *args, **how)

    async def close(self) -> None:
        """Gives everything back to the pool."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        await self._give_back()

    async def _run(self, name: str, *args: object, **how: Any) -> Any:
        connection = await self._take()
        try:
            answer = await getattr(connection, name)(*args, **how)
        except BaseException:
            # What was refused or cut off is for the pool to clear.
            await self.pool.release(connection)
            raise
        if len(self._at_hand) < AT_HAND and not self._waiting and not self._closing:
            self._at_hand.append(connection)
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(LONGEST_S, self._tidy)
        else:
            await self.pool.release(connection)
        return answer

    async def _take(self) -> Any:
        while self._at_hand:
            connection = self._at_hand.pop()
            if is_alive(connection):
                return connection
            await self.pool.release(connection)
        self._waiting += 1
        try:
            return await self.pool.acquire()
        finally:
            self._waiting -= 1

    def _tidy(self) -> None:
        """Gives back what lies at hand: a transaction may be waiting for it."""
        self._timer = None
        task = asyncio.get_running_loop().create_task(self._give_back())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _give_back(self) -> None:
        while self._at_hand:
            await self.pool.release(self._at_hand.pop())
