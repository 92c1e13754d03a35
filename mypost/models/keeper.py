"""One connection of a pool, kept for the locks of its session."""

import contextlib
from typing import Any

import asyncpg


def is_alive(connection: Any) -> bool:
    """Whether a connection of a pool is still there."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has taken back what was lost
        return False


class Keeper:
    """Opens its connection when it is asked for, and anew when it was lost."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._connection: Any = None

    @property
    def alive(self) -> bool:
        """Whether the connection, and so every lock it has taken, is still there."""
        return self._connection is not None and is_alive(self._connection)

    async def connection(self) -> Any:
        """Answers the connection, a new one when the old one was lost."""
        if not self.alive:
            await self.let_go()
            self._connection = await self._pool.acquire()
        return self._connection

    async def let_go(self) -> None:
        """Returns the connection to the pool, which resets nothing, with no lock left on it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await connection.execute("SELECT pg_advisory_unlock_all()")
        except Exception:  # noqa: BLE001 - whatever it is, the locks must not outlive their holder
            with contextlib.suppress(asyncpg.InterfaceError):
                connection.terminate()
        await self._pool.release(connection)
