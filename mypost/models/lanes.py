"""The dispatcher's doors into the database: claim, begin, outcome, sweep, look up.

The protocol itself is SQL (migrations/0003_publishing.sql): each call is one transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from mypost.models.grants import Grants

# What passes: the server is away, restarting or chose us as the victim of a deadlock.
TROUBLE: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)
# What a repeat would meet again: the row refuses these facts.
REFUSED: tuple[type[Exception], ...] = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A target this worker may begin to send, while the fence holds."""

    target_id: UUID
    fence: int
    network: str


@dataclass(frozen=True, slots=True)
class Sending:
    """A target whose sending has been written down, with all it takes to send or look it up."""

    target_id: UUID
    fence: int
    workspace_id: UUID
    account_id: UUID
    network: str
    external_id: str
    account_status: str
    grant_cipher: bytes | None
    token_expires_at: datetime | None
    dispatch_key: UUID
    content: str
    attempts: int
    due_at: datetime
    sent_at: datetime
    absent_reads: int
    lease_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an outcome says besides the state; what stays None is cleared on the row."""

    proof: str | None = None
    proof_read_at: datetime | None = None
    external_id: str | None = None
    external_url: str | None = None
    error: Mapping[str, Any] | None = None
    retry_at: datetime | None = None
    check_at: datetime | None = None
    hold_reason: str | None = None
    account_status: str | None = None

    def spelled(self) -> dict[str, Any]:
        """Spells the facts as `dispatch_outcome` reads them."""
        return {
            "proof": self.proof,
            "proofReadAt": self.proof_read_at,
            "externalId": self.external_id,
            "externalUrl": self.external_url,
            "error": self.error,
            "retryAt": self.retry_at,
            "checkAt": self.check_at,
            "holdReason": self.hold_reason,
            "accountStatus": self.account_status,
        }


class Swept(NamedTuple):
    """How many targets a sweep has moved, by where it found them."""

    released: int
    lost: int
    late: int


class Lanes:
    """The protocol over one pool of the role mypost_dispatch."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.grants = Grants(pool)

    async def claim(self, worker: UUID, most: int) -> list[Claim]:
        """Takes idle due lanes and answers the head of each."""
        rows = await self._pool.fetch("SELECT * FROM dispatch_claim($1, $2)", worker, most)
        return [Claim(*row) for row in rows]

    async def begin(
        self, worker: UUID, claims: Sequence[Claim], leases: Sequence[float]
    ) -> list[Sending]:
        """Writes the intent to send; a claim that was lost meanwhile is missing from the answer."""
        rows = await self._pool.fetch(
            "SELECT * FROM dispatch_begin($1, $2, $3, $4)",
            worker,
            [claim.target_id for claim in claims],
            [claim.fence for claim in claims],
            list(leases),
        )
        return [Sending(*row) for row in rows]

    async def outcome(self, sending: Sending, came_from: str, goes_to: str, facts: Facts) -> bool:
        """Writes what became of a target; False when its fence or state has moved on."""
        return bool(
            await self._pool.fetchval(
                "SELECT dispatch_outcome($1, $2, $3, $4, $5)",
                sending.target_id,
                sending.fence,
                came_from,
                goes_to,
                facts.spelled(),
            )
        )

    async def sweep(self) -> Swept:
        """Moves what a crash left behind and what is a day late."""
        return Swept(*await self._pool.fetchrow("SELECT * FROM dispatch_sweep()"))

    async def unknowns(self, most: int) -> list[Sending]:
        """Takes targets whose outcome has to be looked up; each is ours for ten seconds."""
        rows = await self._pool.fetch("SELECT * FROM dispatch_unknowns($1)", most)
        return [Sending(*row) for row in rows]

    async def absent(self, sending: Sending) -> int:
        """Counts one reading that found nothing; 0 when the target has moved on."""
        count = await self._pool.fetchval(
            "SELECT dispatch_absent($1, $2)", sending.target_id, sending.fence
        )
        return int(count or 0)

    async def wait(self) -> float | None:
        """Answers the seconds until the next lane falls due, or None when none waits."""
        seconds = await self._pool.fetchval("SELECT dispatch_wait()")
        return None if seconds is None else float(seconds)
