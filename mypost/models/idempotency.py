"""Idempotency keys: a change is made once, however often it is asked for."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mypost.errors import Busy, KeyReused
from mypost.models.base import Db


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was given."""

    status: int
    headers: dict[str, str]
    body: bytes


class Known(Exception):
    """A key has done its work: what it made, and how that was answered."""

    def __init__(self, reference: Any, answer: Answer | None) -> None:
        super().__init__("the key has done its work")
        self.reference = reference
        self.answer = answer


# Expired, and not yet forgotten: the key begins anew. A younger one is never overwritten.
KEEP = (
    "INSERT INTO idempotency_keys (user_id, operation, key, workspace_id, digest, reference)"
    " VALUES ($1, $2, $3, $4, $5, $6)"
    " ON CONFLICT (user_id, operation, key, workspace_id) DO UPDATE SET digest = excluded.digest,"
    " reference = excluded.reference, created_at = excluded.created_at,"
    " status = NULL, headers = NULL, body = NULL"
    " WHERE idempotency_keys.created_at <= mypost_now() - interval '24 h'"
)
ANSWERED = (
    "UPDATE idempotency_keys SET status = $5, headers = $6, body = $7"
    " WHERE user_id = $1 AND operation = $2 AND key = $3 AND workspace_id = $4"
)


@dataclass(slots=True)
class Once:
    """One use of a key by one person for one operation and one input."""

    user_id: UUID
    operation: str
    key: str
    digest: bytes
    workspace_id: UUID | None = None
    reference: Any = None
    kept: bool = False
    secret: bool = False  # the answer tells what nobody may keep

    async def begin(self, db: Db) -> None:
        """Holds the key until commit. Raises Busy, KeyReused, or Known when it has been used."""
        if self.kept:
            return
        found = await db.record(
            "SELECT * FROM key_begin($1, $2, $3)", self.user_id, self.operation, self.key
        )
        if found.busy:
            raise Busy("A request with this key is being worked on")
        if found.digest is None:
            return
        if found.digest != self.digest:
            raise KeyReused
        answer = None if found.status is None else Answer(found.status, found.headers, found.body)
        raise Known(found.reference, answer)

    async def keep(self, db: Db) -> None:
        """Writes the key beside the change it stands for."""
        if self.kept:
            return
        who = self.user_id, self.operation, self.key, self.workspace_id
        if not await db.run(KEEP, *who, self.digest, self.reference):
            raise Busy("A request with this key has just been worked on")
        self.kept = True

    async def answered(self, db: Db, answer: Answer) -> None:
        """Adds the answer: whoever asks again is given the same; one with a secret is not kept."""
        if self.secret:
            return
        who = self.user_id, self.operation, self.key, self.workspace_id
        await db.run(ANSWERED, *who, answer.status, answer.headers, answer.body)
