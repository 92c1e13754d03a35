"""Connected profiles on networks, and what becomes of their tokens."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields import Now
from tortoise.models import Model

from mypost import ids
from mypost.crypto import Keys, Undecryptable
from mypost.errors import IllegalState, invalid
from mypost.models.base import Db
from mypost.models.brands import OF_LIVING
from mypost.models.connections import Connection
from mypost.models.paging import Listing
from mypost.models.relations import Relation
from mypost.models.removal import cancelled, disconnected
from mypost.networks import Grant, Kind, Profile


class Account(Model):
    """One connected profile or page on a network; its tokens are encrypted at rest."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    brand_id = fields.UUIDField()
    network = fields.CharField(32)
    external_id = fields.CharField(200)
    handle = fields.CharField(200)
    name = fields.CharField(200)
    profile_image_url = fields.CharField(2000, null=True)
    status = fields.CharField(20, db_default="active")
    scopes: ArrayField = ArrayField("text", db_default=[])
    last_error = fields.CharField(500, null=True)
    grant_cipher = fields.BinaryField(null=True)
    grant_version = fields.IntField(db_default=1)
    token_expires_at = fields.DatetimeField(null=True)
    grant_ends_at = fields.DatetimeField(null=True)
    two_step = fields.BooleanField(db_default=False)
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())

    class Meta:
        """A network's account is connected once in a workspace."""

        table = "accounts"
        unique_together = (("workspace_id", "network", "external_id"),)


COLUMNS = (
    "id, workspace_id, brand_id, network, external_id, handle, name, profile_image_url, status,"
    " scopes, last_error, token_expires_at, created_at, updated_at"
)
# With its brand an account goes out of reach; only what was sent still names it.
BY_ID = Relation(Account, "accounts", "id", "id", where=OF_LIVING, columns=COLUMNS, one=True)
OF_TARGET = Relation(Account, "accounts", "account_id", "id", columns=COLUMNS, one=True)
NETWORK_OF_TARGET = (
    "(SELECT a.network FROM accounts a WHERE a.id = {row}.account_id"
    " AND a.workspace_id = ANY ($1::uuid[]))"
)
COUNT_OF_BRAND = (
    "(SELECT count(*)::int FROM accounts a WHERE a.brand_id = {row}.id"
    " AND a.status <> 'disconnected' AND a.workspace_id = ANY ($1::uuid[]))"
)
BY_BRAND = Listing("accounts", Account, "accounts", parent_key="brand_id", columns=COLUMNS)


async def by_ids(db: Db, scope: list[UUID], account_ids: list[UUID]) -> list[Account]:
    """Reads the accounts with these ids that are in scope."""
    return await db.rows(Account, BY_ID.sql, scope, account_ids)


async def hold(db: Db, scope: list[UUID], account_ids: list[UUID]) -> list[Account]:
    """Locks the lanes of accounts, so that none is let go before commit, and reads them then."""
    await db.value("SELECT lock_lanes($1)", account_ids)
    return await by_ids(db, scope, account_ids)


GRANT_COLUMN = "grant"


def seal_grant(keys: Keys, workspace_id: UUID, account_id: UUID, grant: Grant) -> bytes:
    """Encrypts an account's tokens, bound to its row."""
    times = {
        "expiresAt": grant.expires_at,
        "renewedAt": grant.renewed_at,
        "endsAt": grant.ends_at,
    }
    plain = orjson.dumps({"secrets": dict(grant.secrets), **times})
    return keys.encrypt(plain, workspace_id, account_id, GRANT_COLUMN)


def open_grant(
    keys: Keys, workspace_id: UUID, account_id: UUID, cipher: bytes | None
) -> Grant | None:
    """Opens an account's tokens, or answers None when there are none we can open."""
    if cipher is None:
        return None
    try:
        plain = keys.decrypt(cipher, workspace_id, account_id, GRANT_COLUMN)
    except Undecryptable:
        return None
    stored = orjson.loads(plain)
    times = (stored.get(name) for name in ("expiresAt", "renewedAt", "endsAt"))
    return Grant(stored["secrets"], *(datetime.fromisoformat(at) if at else None for at in times))


def _still_renewed(old: Grant | None, new: Grant) -> Grant:
    """Keeps the refresh token of before: many a network tells it at the first consent only."""
    renewal = old and old.secrets.get("refreshToken")
    if not renewal or "refreshToken" in new.secrets or new.expires_at is None:
        return new
    return replace(new, secrets={**new.secrets, "refreshToken": renewal}, ends_at=None)


ADD = (
    "INSERT INTO accounts (id, workspace_id, brand_id, network, external_id, handle, name,"
    " profile_image_url, scopes, grant_cipher, token_expires_at, grant_ends_at, two_step)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    " ON CONFLICT (workspace_id, network, external_id) DO NOTHING"
)
RENEW = (
    "UPDATE accounts SET handle = $2, name = $3, profile_image_url = $4, scopes = $5,"
    " grant_cipher = $6, grant_version = grant_version + 1, token_expires_at = $7,"
    " grant_ends_at = $8, two_step = $9, brand_id = $10, status = 'active',"
    " last_error = NULL, updated_at = mypost_now() WHERE id = $1"
)


async def keep(
    db: Db,
    keys: Keys,
    connection: Connection,
    profile: Profile,
    kind: Kind,
    path: str = "credentials",
) -> UUID:
    """Stores what a network told of an account: a new row, or the row that account had before.

    An account of a deleted brand moves to the one that connects it now.

    Raises Invalid when another account answered a reconnect, or another brand holds this one.
    """
    row = await db.record(
        "SELECT a.id, a.brand_id, b.deleted_at FROM accounts a JOIN brands b ON b.id = a.brand_id"
        " WHERE a.workspace_id = $1 AND a.network = $2 AND a.external_id = $3",
        connection.workspace_id,
        connection.network,
        profile.external_id,
    )
    if connection.account_id is not None and (row is None or row.id != connection.account_id):
        raise invalid(path, "These belong to another account than the one to reconnect")
    if row is not None and row.brand_id != connection.brand_id and row.deleted_at is None:
        raise invalid(path, "Another brand of this workspace has this account")
    if row is None:
        return await _add(db, keys, connection, profile, kind)
    await db.value("SELECT lock_account($1)", row.id)
    if connection.kind == "oauth":
        held = await db.value("SELECT grant_cipher FROM accounts WHERE id = $1", row.id)
        old = open_grant(keys, connection.workspace_id, row.id, held)
        profile = replace(profile, grant=_still_renewed(old, profile.grant))
    facts = _facts(keys, connection, row.id, profile, kind)
    await db.run(RENEW, row.id, *facts, connection.brand_id)
    return UUID(str(row.id))


async def _add(db: Db, keys: Keys, connection: Connection, profile: Profile, kind: Kind) -> UUID:
    id = ids.new(ids.Tag.ACCOUNT)
    named = (connection.workspace_id, connection.brand_id, connection.network, profile.external_id)
    if not await db.run(ADD, id, *named, *_facts(keys, connection, id, profile, kind)):
        raise IllegalState("Somebody else is connecting this account; try again")
    return id


def _facts(
    keys: Keys, connection: Connection, id: UUID, profile: Profile, kind: Kind
) -> tuple[object, ...]:
    return (
        profile.handle,
        profile.name,
        profile.profile_image_url,
        list(profile.scopes),
        seal_grant(keys, connection.workspace_id, id, profile.grant),
        profile.token_expires_at,
        profile.grant.ends_at,
        kind is Kind.TWO_STEP,
    )


async def let_go(db: Db, account_id: UUID) -> None:
    """Wipes an account's tokens and cancels what waits for it; what was sent keeps its history."""
    await db.value("SELECT lock_account($1)", account_id)
    await db.run(
        cancelled("account_id = $1", also=", error = $2"),
        account_id,
        {
            "category": "account_issue",
            "source": "user",
            "retryable": False,
            "message": "The account was disconnected",
        },
    )
    await db.run(disconnected("id = $1"), account_id)
