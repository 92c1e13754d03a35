"""Single statements of the API, each on a connection for itself."""

from typing import Any

import asyncpg

# Fewer than the pool has, so that transactions always find one.
AT_HAND = 4


class Reads:
    """The pool, with some connections kept at hand between statements.

    To acquire and release a connection costs about as much as a small statement does.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self._at_hand: list[Any] = []
        self._closing = False

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
        while self._at_hand:
            await self.pool.release(self._at_hand.pop())

    async def _run(self, name: str, *args: object, **how: Any) -> Any:
        connection = await self._take()
        try:
            answer = await getattr(connection, name)(*args, **how)
        except BaseException:
            # What was refused or cut off is for the pool to clear.
            await self.pool.release(connection)
            raise
        if len(self._at_hand) < AT_HAND and not self._closing:
            self._at_hand.append(connection)
        else:
            await self.pool.release(connection)
        return answer

    async def _take(self) -> Any:
        while self._at_hand:
            connection = self._at_hand.pop()
            if not connection.is_closed():
                return connection
            await self.pool.release(connection)
        return await self.pool.acquire()
