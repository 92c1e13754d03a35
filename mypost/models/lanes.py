"""The dispatcher's doors into the database: claim, begin, outcome, sweep, look at, prepare.

The protocol itself is SQL (migrations/0003_publishing.sql and 0009_reliability.sql): each call is
one transaction, and all times are the database's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from mypost.models.grants import Grants
from mypost.models.installation import Installation
from mypost.networks import Budget, Prepared

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
    """A target with all it takes to prepare it, send it or look it up."""

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
    state: str
    looked_at: datetime
    handle: str | None
    handle_ends_at: datetime | None
    lane_fence: int
    others: Sequence[str]
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an outcome says besides the state; what stays None is cleared on the row.

    Times are seconds from now by the database's clock. `handle` alone stays when it is None;
    an empty one is forgotten. `trouble` counts for the breakers, unless it is None.
    """

    proof: str | None = None
    external_id: str | None = None
    external_url: str | None = None
    error: Mapping[str, Any] | None = None
    retry_in: float | None = None
    check_in: float | None = None
    handle: str | None = None
    hold_reason: str | None = None
    everybody: bool = False
    account_status: str | None = None
    trouble: bool | None = None
    budgets: tuple[Budget, ...] = ()


class Outcome(NamedTuple):
    """What became of one target."""

    sending: Sending
    came_from: str
    goes_to: str
    facts: Facts

    def spelled(self) -> dict[str, Any]:
        """Spells it as `dispatch_outcomes` reads it; what is not said is left out."""
        facts = self.facts
        said = {
            "target": str(self.sending.target_id),
            "fence": self.sending.fence,
            "cameFrom": self.came_from,
            "goesTo": self.goes_to,
            "laneFence": self.sending.lane_fence,
            "proof": facts.proof,
            "externalId": facts.external_id,
            "externalUrl": facts.external_url,
            "error": facts.error,
            "retryIn": facts.retry_in,
            "checkIn": facts.check_in,
            "handle": facts.handle,
            "holdReason": facts.hold_reason,
            "everybody": facts.everybody,
            "accountStatus": facts.account_status,
            "trouble": facts.trouble,
            "budgets": [asdict(budget) for budget in facts.budgets] or None,
        }
        return {name: value for name, value in said.items() if value is not None}


class Swept(NamedTuple):
    """How many targets a sweep has moved, by where it found them."""

    released: int
    lost: int
    late: int


class Lanes:
    """The protocol over one pool of the role mypost_dispatch."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.grants = Grants(pool)
        self.installation = Installation(pool)

    async def claim(self, worker: UUID, most: int) -> list[Claim]:
        """Takes idle due lanes and answers the head of each."""
        rows = await self.pool.fetch("SELECT * FROM dispatch_claim($1, $2)", worker, most)
        return [Claim(*row) for row in rows]

    async def begin(
        self, worker: UUID, claims: Sequence[Claim], leases: Sequence[float]
    ) -> list[Sending]:
        """Writes the intent to send; a claim that was lost meanwhile is missing from the answer."""
        rows = await self.pool.fetch(
            "SELECT * FROM dispatch_begin($1, $2, $3, $4)",
            worker,
            [claim.target_id for claim in claims],
            [claim.fence for claim in claims],
            list(leases),
        )
        return [Sending(*row) for row in rows]

    async def outcome(self, sending: Sending, came_from: str, goes_to: str, facts: Facts) -> bool:
        """Writes what became of a target; False when its fence or state has moved on."""
        return bool(await self.outcomes([Outcome(sending, came_from, goes_to, facts)]))

    async def outcomes(self, found: Sequence[Outcome]) -> set[UUID]:
        """Writes what became of several targets, all or none; answers those that have moved."""
        told = [each.spelled() for each in found]
        return set(await self.pool.fetchval("SELECT dispatch_outcomes($1)", told))

    async def sweep(self) -> Swept:
        """Moves what a crash left behind and what is a day late."""
        return Swept(*await self.pool.fetchrow("SELECT * FROM dispatch_sweep()"))

    async def looks(self, most: int) -> list[Sending]:
        """Takes targets that have to be looked at; each is ours for ten seconds."""
        rows = await self.pool.fetch("SELECT * FROM dispatch_looks($1)", most)
        return [Sending(*row) for row in rows]

    async def absent(self, sending: Sending, settle: float, apart: float) -> int:
        """Counts a reading that found nothing, if it came late enough to prove anything.

        Answers how many have counted; 0 when the target has moved on.
        """
        wanted = (sending.target_id, sending.fence, settle, apart)
        return int(await self.pool.fetchval("SELECT dispatch_absent($1, $2, $3, $4)", *wanted) or 0)

    async def look_again(self, sending: Sending, seconds: float) -> None:
        """Puts the next look at a target off by so many seconds."""
        statement = "SELECT dispatch_look_again($1, $2, $3)"
        await self.pool.execute(statement, sending.target_id, sending.fence, seconds)

    async def ahead(self, most: int) -> list[Sending]:
        """Takes targets that can be prepared before they are due; each is ours for 30 seconds."""
        rows = await self.pool.fetch("SELECT * FROM dispatch_ahead($1)", most)
        return [Sending(*row) for row in rows]

    async def prepared(self, sending: Sending, step: Prepared) -> bool:
        """Stores what the first step gave; False when the post or its place has changed since."""
        return bool(
            await self.pool.fetchval(
                "SELECT dispatch_prepared($1, $2, $3, $4, $5, $6, $7)",
                sending.target_id,
                sending.fence,
                sending.dispatch_key,
                sending.content,
                step.handle,
                step.expires_at,
                [asdict(budget) for budget in step.budgets],
            )
        )

    async def ahead_done(self, sending: Sending, again_in: float | None) -> None:
        """Ends a preparation, or puts it off by so many seconds."""
        statement = "SELECT dispatch_ahead_done($1, $2, $3)"
        await self.pool.execute(statement, sending.target_id, sending.fence, again_in)

    async def reconnect(self, sending: Sending, message: str) -> bool:
        """Asks for a new grant and holds the lane; False when there is one since."""
        statement = "SELECT dispatch_reconnect($1, $2, $3)"
        account, fence = sending.account_id, sending.lane_fence
        return bool(await self.pool.fetchval(statement, account, fence, message))

    async def expire(self) -> int:
        """Tells the accounts whose grants end soon, or have ended; answers how many."""
        return int(await self.pool.fetchval("SELECT dispatch_expire()"))

    async def wait(self) -> float | None:
        """Answers the seconds until the next lane falls due, or None when none waits."""
        seconds = await self.pool.fetchval("SELECT dispatch_wait()")
        return None if seconds is None else float(seconds)
