"""Which database this is, and whether it is the one that was left."""

from typing import Any, NamedTuple
from uuid import UUID


class Mark(NamedTuple):
    """The last transition that somebody has seen: in which database, since which recovery."""

    place: str
    epoch: UUID
    pos: int
    target: UUID


class Installation:
    """The functions of the role mypost_dispatch over one connection, or a pool of them."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def arrive(self) -> str | None:
        """Compares this database with the one last seen; answers why nothing is sent."""
        return await self._value("SELECT dispatch_arrive()")

    async def mark(self) -> Mark | None:
        """Answers the last thing known to have happened, to be remembered elsewhere."""
        row = await self._connection.fetchrow("SELECT * FROM dispatch_mark()")
        return None if row is None or row["pos"] is None else Mark(*row)

    async def place(self) -> str | None:
        """Answers what names this database among others."""
        return await self._value("SELECT place FROM dispatch_mark()")

    async def remember(self, mark: Mark) -> str | None:
        """Quarantines a database that has forgotten a mark; answers why nothing is sent."""
        seen = (mark.epoch, mark.pos, mark.target)
        return await self._value("SELECT dispatch_remember($1, $2, $3)", *seen)

    async def recover(self) -> int | None:
        """Puts what may have gone out to a lookup and ends the quarantine.

        Answers how many targets that are, or None when there is no quarantine.
        """
        found = await self._connection.fetchval("SELECT dispatch_recover()")
        return None if found is None else int(found)

    async def _value(self, sql: str, *args: object) -> str | None:
        found = await self._connection.fetchval(sql, *args)
        return None if found is None else str(found)
