"""Attempts to connect an account."""

from uuid import UUID

from tortoise import fields
from tortoise.fields import Now
from tortoise.models import Model

from mypost.errors import IllegalState
from mypost.models.base import Db
from mypost.models.brands import OF_LIVING
from mypost.models.relations import Relation


class Connection(Model):
    """One attempt to connect or reconnect an account; ends after ten minutes."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    brand_id = fields.UUIDField()
    account_id = fields.UUIDField(null=True)
    network = fields.CharField(32)
    kind = fields.CharField(20)
    state = fields.CharField(64)
    status = fields.CharField(20, db_default="pending")
    error = fields.CharField(500, null=True)
    created_by = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())
    expires_at = fields.DatetimeField()

    class Meta:
        """`state` is single use."""

        table = "connections"


BY_ID = Relation(Connection, "connections", "id", "id", where=OF_LIVING, one=True)


async def begin(db: Db, offer: Connection) -> None:
    """Writes a new attempt to connect."""
    await db.run(
        "INSERT INTO connections (id, workspace_id, brand_id, account_id, network, kind, state,"
        " created_by, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        offer.id,
        offer.workspace_id,
        offer.brand_id,
        offer.account_id,
        offer.network,
        offer.kind,
        offer.state,
        offer.created_by,
        offer.expires_at,
    )


async def finish(db: Db, connection: Connection) -> None:
    """Ends an attempt once; raises IllegalState when another request has ended it."""
    if not await db.run(
        "UPDATE connections SET status = 'connected' WHERE id = $1 AND status = 'pending'",
        connection.id,
    ):
        raise IllegalState("This connection has ended; start again")


async def link(db: Db, connection: Connection, account_id: UUID) -> None:
    """Notes which account an attempt has connected."""
    await db.run("UPDATE connections SET account_id = $2 WHERE id = $1", connection.id, account_id)
