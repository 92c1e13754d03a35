"""Requests for review: bound to the exact content of a post, decided once.

Which statuses follow which, what voids a request and what it does to its post is the database's
business (`migrations/0011_approvals.sql`). What "exact content" means stands there in one
function, `post_content_hash`: extend it when a post learns to send something new.
"""

from uuid import UUID

from tortoise import fields
from tortoise.fields import Now
from tortoise.models import Model

from mypost.models.base import Db
from mypost.models.paging import Listing
from mypost.models.posts import Post
from mypost.models.relations import Relation


class Approval(Model):
    """A request for review of one post as it was when somebody asked."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    brand_id = fields.UUIDField()
    post_id = fields.UUIDField()
    status = fields.CharField(10, db_default="pending")
    content_hash = fields.CharField(64)
    requested_by = fields.UUIDField()
    requested_at = fields.DatetimeField(db_default=Now())
    decided_by = fields.UUIDField(null=True)
    decided_at = fields.DatetimeField(null=True)
    reason = fields.CharField(1000, null=True)

    class Meta:
        """A post has one request that is pending or approved (a partial unique index)."""

        table = "approvals"


# Whose request it is decides whether a role that edits its own posts may withdraw it.
COLUMNS = "*, requested_by AS created_by"
BY_ID = Relation(Approval, "approvals", "id", "id", columns=COLUMNS, one=True)
OF_POST = Relation(Approval, "approvals", "approval_id", "id", one=True)
OF_EVENT = Relation(Approval, "approvals", "approval_id", "id", one=True)
BY_WORKSPACE = Listing(
    "approvals",
    Approval,
    "approvals",
    parent_key="workspace_id",
    order="requested_at",
    filters={"status": "status = ANY ({})", "brand": "brand_id = {}"},
)
PENDING = "pending"


async def request(db: Db, id: UUID, post: Post, by: UUID) -> None:
    """Asks for a review of a post as it is; the caller holds its locks."""
    await db.run(
        "INSERT INTO approvals (id, workspace_id, brand_id, post_id, requested_by)"
        " VALUES ($1, $2, $3, $4, $5)",
        id, post.workspace_id, post.brand_id, post.id, by,
    )  # fmt: skip


async def decide(
    db: Db, approval: Approval, status: str, by: UUID, reason: str | None = None
) -> None:
    """Approves or rejects; the caller holds the post's locks."""
    await db.run(
        "UPDATE approvals SET status = $2, decided_by = $3, decided_at = mypost_now(), reason = $4"
        " WHERE id = $1",
        approval.id, status, by, reason,
    )  # fmt: skip


async def withdraw(db: Db, approval: Approval) -> None:
    """Takes a request back; the caller holds the post's locks."""
    await db.run("UPDATE approvals SET status = 'withdrawn' WHERE id = $1", approval.id)


async def own_allowed(db: Db, workspace_id: UUID) -> bool:
    """Whether people of a workspace decide their own requests."""
    return bool(await db.value("SELECT approves_itself($1)", workspace_id))


async def waiting_without(db: Db, workspace_id: UUID) -> int:
    """Counts planned posts that nobody has approved; until commit none is added."""
    return int(await db.value("SELECT planned_unapproved($1)", workspace_id))
