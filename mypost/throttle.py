"""Guessing passwords is slow: attempts are counted in PostgreSQL, which no outage makes lenient."""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from mypost.crypto import digest
from mypost.errors import RateLimited
from mypost.models.base import Db
from mypost.windows import of_address

SPAN = timedelta(minutes=15)


class Attempt(NamedTuple):
    """A try to get in that has been noted."""

    id: UUID
    email: bytes
    address: bytes


@dataclass(slots=True)
class Throttle:
    """How often within 15 minutes an e-mail may be tried or written to, and an address may try."""

    per_email: int = 10
    per_address: int = 30
    per_recipient: int = 5

    async def begin(self, db: Db, email: str, ip: str | None, purpose: str = "password") -> Attempt:
        """Notes an attempt before anything is known of it. Raises RateLimited.

        What may fail notes it outside a transaction, or it would be forgotten.
        """
        keys = f"{purpose}:{email}", f"{purpose}:{of_address(ip)}"
        attempt = Attempt(uuid4(), *map(digest, keys))
        limits = [self.per_email, self.per_address]
        await self._note(db, attempt.id, [attempt.email, attempt.address], limits)
        return attempt

    async def _note(self, db: Db, id: UUID, keys: list[bytes], limits: list[int]) -> None:
        wait = await db.value("SELECT attempt_begin($1, $2, $3, $4)", id, keys, limits, SPAN)
        if wait:
            raise RateLimited(f"Too many attempts: try again in {wait} s", retry_after=wait)

    async def letter(self, db: Db, email: str) -> None:
        """Notes a letter to somebody who has not asked for it. Raises RateLimited.

        It is forgotten when the change that sends it is not made.
        """
        keys, limits = [digest(f"unasked:{email}")], [self.per_recipient]
        await self._note(db, uuid4(), keys, limits)

    async def succeeded(self, db: Db, attempt: Attempt) -> None:
        """Forgets the attempt, and those before it for this e-mail."""
        id, email, address = attempt
        await db.value("SELECT attempt_end($1, $2, $3)", id, email, [address])
