"""A voice inside a workspace."""

from uuid import UUID

from tortoise import fields
from tortoise.fields import Now
from tortoise.models import Model

from mypost.errors import IllegalState
from mypost.models.base import Db
from mypost.models.paging import Listing
from mypost.models.relations import Relation
from mypost.models.removal import cancelled, deleted, disconnected


class Brand(Model):
    """A voice inside a workspace: owns accounts, posts and media."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    name = fields.CharField(100)
    description = fields.CharField(1000, null=True)
    timezone = fields.CharField(64, db_default="UTC")
    version = fields.IntField(db_default=1)
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        """Deleted brands keep their history."""

        table = "brands"


ALIVE = "deleted_at IS NULL"
# For what belongs to a brand and goes out of reach with it.
OF_LIVING = "brand_id IN (SELECT b.id FROM brands b WHERE b.deleted_at IS NULL)"
# Counted where the row is read, so that a list of brands stays one statement.
COLUMNS = (
    "*, (SELECT count(*)::int FROM accounts a WHERE a.brand_id = brands.id"
    " AND a.status <> 'disconnected') AS account_count"
)
BY_ID = Relation(Brand, "brands", "id", "id", where=ALIVE, columns=COLUMNS, one=True)
OWNER = Relation(Brand, "brands", "brand_id", "id", columns=COLUMNS, one=True)
BY_WORKSPACE = Listing(
    "brands", Brand, "brands", parent_key="workspace_id", where=ALIVE, columns=COLUMNS
)

DELETE_BRAND = (
    "UPDATE brands SET deleted_at = mypost_now(), version = version + 1,"
    " updated_at = mypost_now() WHERE id = $1"
)
EVERYTHING = (
    cancelled("post_id IN (SELECT id FROM posts WHERE brand_id = $1)"),
    deleted("brand_id = $1"),
    disconnected("brand_id = $1"),
    DELETE_BRAND,
)


async def delete(db: Db, brand_id: UUID, *, force: bool) -> int:
    """Deletes a brand with its posts and lets its accounts go; answers how many posts it cancelled.

    Raises IllegalState while a post is being sent, or while posts are scheduled and `force` is off.
    """
    found = await db.record("SELECT * FROM lock_brand($1)", brand_id)
    if found.in_flight:
        raise IllegalState(f"{found.in_flight} posts of this brand are being sent right now")
    if found.waiting and not force:
        raise IllegalState(f"The brand has {found.waiting} scheduled posts; force cancels them")
    for statement in EVERYTHING:
        await db.run(statement, brand_id)
    return int(found.waiting)
