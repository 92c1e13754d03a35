"""Attempts to connect an account."""

from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields import Now
from tortoise.models import Model

from mypost import clock
from mypost.crypto import digest
from mypost.errors import IllegalState
from mypost.models.base import Db
from mypost.models.brands import OF_LIVING
from mypost.models.relations import Relation

ENDED = "This connection has ended; start again"


class Connection(Model):
    """One attempt to connect or reconnect an account; ends after ten minutes.

    `account_id` is the account to reconnect, `account_ids` are those that are connected.
    """

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    brand_id = fields.UUIDField()
    account_id = fields.UUIDField(null=True)
    account_ids: ArrayField = ArrayField("uuid", db_default=[])
    network = fields.CharField(32)
    kind = fields.CharField(20)
    state = fields.CharField(64)
    status = fields.CharField(20, db_default="pending")
    error = fields.CharField(500, null=True)
    verifier = fields.BinaryField(null=True)
    found = fields.BinaryField(null=True)
    answered_at = fields.DatetimeField(null=True)
    created_by = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())
    expires_at = fields.DatetimeField()

    class Meta:
        """`state` is the SHA-256 of what is single use."""

        table = "connections"


BY_ID = Relation(Connection, "connections", "id", "id", where=OF_LIVING, one=True)


def hash_of(state: str) -> str:
    """Answers what is stored of a state."""
    return digest(state).hex()


def has_ended(connection: Connection) -> bool:
    """Tells whether an attempt was not brought to its end in time."""
    open_ = connection.status in ("pending", "choose_account")
    return open_ and connection.expires_at <= clock.now()


async def begin(db: Db, offer: Connection) -> None:
    """Writes a new attempt to connect."""
    await db.run(
        "INSERT INTO connections (id, workspace_id, brand_id, account_id, network, kind, state,"
        " created_by, expires_at, verifier) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        offer.id,
        offer.workspace_id,
        offer.brand_id,
        offer.account_id,
        offer.network,
        offer.kind,
        offer.state,
        offer.created_by,
        offer.expires_at,
        offer.verifier,
    )


async def renew(db: Db, id: UUID, state: str, verifier: bytes | None) -> None:
    """Gives an attempt that nobody has answered a new state; raises IllegalState after that."""
    if not await db.run(
        "UPDATE connections SET state = $2, verifier = $3 WHERE id = $1 AND status = 'pending'"
        " AND answered_at IS NULL AND expires_at > mypost_now()",
        *(id, hash_of(state), verifier),
    ):
        raise IllegalState(ENDED)


async def take(db: Db, state: str, network: str) -> Any:
    """Answers the attempt that waits for this state, and uses the state up; None without one."""
    return await db.record("SELECT * FROM connection_take($1, $2)", hash_of(state), network)


async def offer_choice(db: Db, connection: Connection, found: bytes) -> bool:
    """Keeps what a network named until somebody chooses; False when the attempt has ended."""
    return bool(
        await db.run(
            "UPDATE connections SET status = 'choose_account', found = $2, verifier = NULL"
            " WHERE id = $1 AND status = 'pending'",
            *(connection.id, found),
        )
    )


async def fail(db: Db, connection: Connection, error: str) -> bool:
    """Ends an attempt that came to nothing; False when it has ended otherwise."""
    return bool(
        await db.run(
            "UPDATE connections SET status = 'failed', error = $2, verifier = NULL"
            " WHERE id = $1 AND status = 'pending'",
            *(connection.id, error),
        )
    )


async def finish(db: Db, connection: Connection) -> None:
    """Ends an attempt once; raises IllegalState when another request has ended it."""
    if not await db.run(
        "UPDATE connections SET status = 'connected', found = NULL WHERE id = $1 AND status = $2",
        *(connection.id, connection.status),
    ):
        raise IllegalState(ENDED)


async def link(db: Db, connection: Connection, account_ids: list[UUID]) -> None:
    """Notes which accounts an attempt has connected."""
    statement = "UPDATE connections SET account_ids = $2 WHERE id = $1"
    await db.run(statement, connection.id, account_ids)
