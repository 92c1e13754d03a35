"""Who did what: written with the change, sealed by the sequencer, never altered."""

from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

import asyncpg
from tortoise import fields
from tortoise.fields import Now
from tortoise.models import Model

from mypost.models.paging import Listing


class AuditEvent(Model):
    """Who did what; the database refuses to change or delete it."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    action = fields.CharField(64)
    user_id = fields.UUIDField(null=True)
    actor_type = fields.CharField(10)
    resource_type = fields.CharField(32)
    resource_id = fields.UUIDField()
    metadata = fields.JSONField[dict[str, object]](db_default={})
    ip = fields.CharField(45, null=True)
    request_id = fields.CharField(64, null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        """Append-only by triggers."""

        table = "audit_events"


BY_WORKSPACE = Listing(
    "audit",
    AuditEvent,
    "audit_events",
    parent_key="workspace_id",
    filters={
        "action": "action = {}",
        "user": "user_id = {}",
        "type": "resource_type = {}",
        "resource": "resource_id = {}",
        "from": "created_at >= {}",
        "to": "created_at < {}",
    },
)
# Every seal with what it seals; a row that is gone leaves its seal.
CHAIN = (
    "SELECT s.workspace_id, s.number, s.seal, audit_canonical(a) AS said"
    " FROM audit_seals s LEFT JOIN audit_events a ON a.id = s.audit_id"
    " ORDER BY s.workspace_id, s.number"
)
LAST = "SELECT workspace_id, seal_number, seal FROM counters WHERE seal_number > 0"
# The sequencer seals within a second; what has waited for a minute was never given to it.
UNSEALED = (
    "SELECT a.id FROM audit_events a LEFT JOIN audit_seals s ON s.audit_id = a.id"
    " WHERE s.audit_id IS NULL AND a.created_at < mypost_now() - interval '1 minute' LIMIT 100"
)


@dataclass(slots=True)
class Verdict:
    """What a walk along the seals found; without `wrong`, nobody has rewritten anything."""

    rows: int = 0
    workspaces: int = 0
    wrong: list[str] = field(default_factory=list)


async def verify(connection: asyncpg.Connection) -> Verdict:
    """Computes every seal anew: each is the SHA-256 of the one before and the row it seals."""
    verdict, seals = Verdict(), dict[UUID, tuple[int, bytes]]()
    # One snapshot, unless somebody has opened his own around it.
    isolation = None if connection.is_in_transaction() else "repeatable_read"
    async with connection.transaction(isolation=isolation):
        async for row in connection.cursor(CHAIN, prefetch=5000):
            number, before = seals.get(row["workspace_id"], (0, b""))
            place = f"workspace {row['workspace_id']}, seal {row['number']}"
            if row["number"] != number + 1:
                verdict.wrong.append(f"{place}: {row['number'] - number - 1} seals are missing")
            elif row["said"] is None:
                verdict.wrong.append(f"{place}: its row is gone")
            elif sha256(before + row["said"].encode()).digest() != row["seal"]:
                verdict.wrong.append(f"{place}: its row is not what was sealed")
            seals[row["workspace_id"]] = row["number"], row["seal"]
            verdict.rows += 1
        for last in await connection.fetch(LAST):
            if seals.get(last["workspace_id"]) != (last["seal_number"], last["seal"]):
                verdict.wrong.append(f"workspace {last['workspace_id']}: its last seals are gone")
        for row in await connection.fetch(UNSEALED):
            verdict.wrong.append(f"event {row['id']} was never sealed")
    verdict.workspaces = len(seals)
    return verdict
