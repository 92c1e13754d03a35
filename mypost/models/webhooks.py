"""Webhooks and their deliveries: who is told what, what has been told and what came of it.

Which event makes which delivery, when a delivery is tried again and when a webhook is switched
off is the database's business (`migrations/0026_webhooks.sql`).
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields import Now
from tortoise.models import Model

from mypost import ids
from mypost.crypto import Keys
from mypost.models.base import Db
from mypost.models.paging import Listing
from mypost.models.relations import Relation


class Webhook(Model):
    """An address that is told what happens in a workspace."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    url = fields.CharField(2000)
    events: ArrayField = ArrayField("text")
    active = fields.BooleanField(db_default=True)
    disabled_at = fields.DatetimeField(null=True)
    disabled_reason = fields.CharField(10, null=True)
    version = fields.IntField(db_default=1)
    created_by = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        """Its secrets and its lane are the migration's own."""

        table = "webhooks"


class Delivery(Model):
    """One event for one webhook: its exact words, and every try to say them."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    webhook_id = fields.UUIDField()
    event = fields.CharField(40)
    body = fields.TextField()
    status = fields.CharField(10, db_default="pending")
    attempts = fields.IntField(db_default=0)
    tries = fields.IntField(db_default=0)  # since it was last asked for
    due_at = fields.DatetimeField(null=True)
    log = fields.JSONField[list[dict[str, object]]](db_default=[])
    delivered_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        """It is due exactly while it is pending (a check)."""

        table = "deliveries"


ALIVE = "deleted_at IS NULL"
COLUMNS = (
    "*, NULL::text AS secret, (SELECT l.failing_since FROM webhook_lanes l"
    " WHERE l.webhook_id = webhooks.id) AS failing_since"
)
BY_ID = Relation(Webhook, "webhooks", "id", "id", where=ALIVE, columns=COLUMNS, one=True)
BY_WORKSPACE = Listing(
    "webhooks", Webhook, "webhooks", parent_key="workspace_id", where=ALIVE, columns=COLUMNS
)
TOLD = "*, attempts AS attempt_count, due_at AS next_attempt_at"
DELIVERY_BY_ID = Relation(Delivery, "deliveries", "id", "id", columns=TOLD, one=True)
DELIVERIES = Listing(
    "deliveries",
    Delivery,
    "deliveries",
    parent_key="webhook_id",
    columns=TOLD,
    filters={"status": "status = ANY ({})", "event": "event = {}"},
)
SECRET_COLUMN = "webhook_secret"  # noqa: S105 - what a cipher is bound to
TEST = "webhook.test"
MAX_SECRETS = 3


async def insert(
    db: Db, id: UUID, workspace_id: UUID, url: str, events: Sequence[str], by: UUID
) -> None:
    """Writes a webhook."""
    await db.run(
        "INSERT INTO webhooks (id, workspace_id, url, events, created_by)"
        " VALUES ($1, $2, $3, $4, $5)",
        id, workspace_id, url, list(events), by,
    )  # fmt: skip


async def count(db: Db, workspace_id: UUID) -> int:
    """Counts the webhooks of a workspace."""
    sql = "SELECT count(*) FROM webhooks WHERE workspace_id = $1 AND deleted_at IS NULL"
    return int(await db.value(sql, workspace_id))


async def update(
    db: Db, webhook: Webhook, url: str, events: Sequence[str], *, active: bool
) -> None:
    """Changes a webhook; one that is switched on, or moved, begins with a clean record."""
    await db.run(
        "UPDATE webhooks SET url = $2, events = $3, active = $4,"
        " disabled_at = CASE WHEN NOT $4 THEN disabled_at END,"
        " disabled_reason = CASE WHEN NOT $4 THEN disabled_reason END,"
        " version = version + 1, updated_at = mypost_now() WHERE id = $1",
        webhook.id, url, list(events), active,
    )  # fmt: skip
    if active and (not webhook.active or url != webhook.url):
        await db.run(
            "UPDATE webhook_lanes SET failures = 0, failing_since = NULL, told_at = NULL,"
            " hold_until = NULL WHERE webhook_id = $1",
            webhook.id,
        )


async def delete(db: Db, id: UUID) -> None:
    """Deletes a webhook and its secrets; nothing more is told to it."""
    await db.run("DELETE FROM webhook_secrets WHERE webhook_id = $1", id)
    await db.run(
        "UPDATE webhooks SET active = false, deleted_at = mypost_now(), updated_at = mypost_now()"
        " WHERE id = $1",
        id,
    )


async def add_secret(db: Db, keys: Keys, workspace_id: UUID, webhook_id: UUID, key: bytes) -> None:
    """Makes a key the one that signs; those before it sign beside it for a day, two at most."""
    id = ids.new(ids.Tag.WEBHOOK_SECRET)
    await db.run(
        "UPDATE webhook_secrets SET expires_at = mypost_now() + interval '24 hours'"
        " WHERE webhook_id = $1 AND expires_at IS NULL",
        webhook_id,
    )
    await db.run(
        "INSERT INTO webhook_secrets (id, workspace_id, webhook_id, cipher)"
        " VALUES ($1, $2, $3, $4)",
        id, workspace_id, webhook_id, keys.encrypt(key, workspace_id, id, SECRET_COLUMN),
    )  # fmt: skip
    await db.run(
        "DELETE FROM webhook_secrets WHERE webhook_id = $1 AND (expires_at <= mypost_now() OR id IN"
        " (SELECT id FROM webhook_secrets WHERE webhook_id = $1"
        "  ORDER BY expires_at DESC NULLS FIRST, id DESC OFFSET $2))",
        webhook_id, MAX_SECRETS,
    )  # fmt: skip


async def try_it(db: Db, webhook: Webhook, id: UUID) -> None:
    """Writes a delivery that tells of nothing, to see whether it arrives."""
    await db.run(
        "INSERT INTO deliveries (id, workspace_id, webhook_id, event, body)"
        " VALUES ($1, $2, $3, $4::text, webhook_body($1, $4::text, mypost_now(),"
        " jsonb_build_object('webhookId', $3::uuid), NULL))",
        id, webhook.workspace_id, webhook.id, TEST,
    )  # fmt: skip


AGAIN = (
    "UPDATE deliveries SET status = 'pending', tries = 0, due_at = mypost_now()"
    " WHERE webhook_id = $1 AND "
)


async def redeliver(db: Db, delivery: Delivery) -> None:
    """Has a delivery sent once more, with the same id and words."""
    await _hold_lane(db, delivery.webhook_id)
    await db.run(AGAIN + "id = $2", delivery.webhook_id, delivery.id)
    await _wake_lane(db, delivery.webhook_id)


async def redeliver_failed(db: Db, webhook_id: UUID, since: datetime, until: datetime) -> int:
    """Has everything sent again that failed and is of this time; answers how many."""
    await _hold_lane(db, webhook_id)
    found = await db.run(
        AGAIN + "status = 'failed' AND created_at >= $2 AND created_at < $3",
        webhook_id, since, until,
    )  # fmt: skip
    await _wake_lane(db, webhook_id)
    return found


async def _hold_lane(db: Db, webhook_id: UUID) -> None:
    """Locks a lane: whoever writes deliveries that are known has its lock first."""
    await db.value(
        "SELECT 1 FROM webhook_lanes WHERE webhook_id = $1 FOR NO KEY UPDATE", webhook_id
    )


async def _wake_lane(db: Db, webhook_id: UUID) -> None:
    await db.run(
        "UPDATE webhook_lanes SET hold_until = NULL, next_due_at = (SELECT min(due_at)"
        " FROM deliveries WHERE webhook_id = $1) WHERE webhook_id = $1",
        webhook_id,
    )
