"""Invitations: who may join a workspace, by a token that only the letter holds."""

from datetime import datetime
from uuid import UUID

from tortoise import fields
from tortoise.fields import Now
from tortoise.models import Model

from mypost.models.base import Db
from mypost.models.paging import Listing
from mypost.models.relations import Relation


class Invitation(Model):
    """An address that may join; only the SHA-256 of its token is stored."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    email = fields.CharField(254)
    role_id = fields.UUIDField()
    hash = fields.BinaryField()
    invited_by = fields.UUIDField()
    status = fields.CharField(10, db_default="pending")
    expires_at = fields.DatetimeField()
    accepted_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        """An address is invited to a workspace once at a time."""

        table = "invitations"


COLUMNS = (
    "id, workspace_id, email, role_id, invited_by, expires_at, created_at, CASE WHEN"
    " status = 'pending' AND expires_at <= mypost_now() THEN 'expired' ELSE status END AS status"
)
BY_ID = Relation(Invitation, "invitations", "id", "id", columns=COLUMNS, one=True)
BY_WORKSPACE = Listing(
    "invitations", Invitation, "invitations", parent_key="workspace_id", columns=COLUMNS
)


async def member_has(db: Db, workspace_id: UUID, email: str) -> bool:
    """Whether somebody with this address is a member."""
    sql = "SELECT 1 FROM workspace_users WHERE workspace_id = $1 AND email = $2"
    return await db.value(sql, workspace_id, email) is not None


async def insert(
    db: Db,
    id: UUID,
    workspace_id: UUID,
    email: str,
    role_id: UUID,
    hash: bytes,
    invited_by: UUID,
    expires_at: datetime,
) -> bool:
    """Writes an invitation; one that has run out gives way. False when the address has one."""
    await db.run(
        "UPDATE invitations SET status = 'revoked' WHERE workspace_id = $1 AND email = $2"
        " AND status = 'pending' AND expires_at <= mypost_now()",
        workspace_id, email,
    )  # fmt: skip
    written = await db.run(
        "INSERT INTO invitations (id, workspace_id, email, role_id, hash, invited_by, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (workspace_id, email) WHERE status = 'pending' DO NOTHING",
        id, workspace_id, email, role_id, hash, invited_by, expires_at,
    )  # fmt: skip
    return written == 1


async def renew(db: Db, id: UUID, hash: bytes, expires_at: datetime) -> None:
    """Gives an invitation another token and another time to end."""
    await db.run(
        "UPDATE invitations SET hash = $2, expires_at = $3 WHERE id = $1", id, hash, expires_at
    )
