"""Posts and their targets: columns, and what people may do to them.

What the world did to a target is written by the dispatcher's functions and by triggers
(`migrations/0003_publishing.sql`); a post's `phase` is derived, nobody writes it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import asyncpg
from tortoise import fields
from tortoise.fields import Now
from tortoise.models import Model

from mypost.errors import IllegalState, NotFound
from mypost.models.base import Db
from mypost.models.paging import Listing
from mypost.models.relations import Relation
from mypost.models.removal import cancelled
from mypost.zones import Moment


class Post(Model):
    """Content planned for one or more accounts."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    brand_id = fields.UUIDField()
    content = fields.TextField()
    stage = fields.CharField(20, db_default="draft")
    phase = fields.CharField(24, db_default="draft")
    scheduled_at = fields.DatetimeField(null=True)
    local_time = fields.CharField(19, null=True)
    timezone = fields.CharField(64, null=True)
    published_at = fields.DatetimeField(null=True)
    version = fields.IntField(db_default=1)
    created_by = fields.UUIDField()
    scheduled_by = fields.UUIDField(null=True)
    approval_id = fields.UUIDField(null=True)
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        """`stage` is what people decided; `phase` is what became of it."""

        table = "posts"


class PostTag(Model):
    """A tag of a post: a row, because array filters lose their index under row security."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    post_id = fields.UUIDField()
    tag = fields.CharField(50)

    class Meta:
        """A post carries a tag once."""

        table = "post_tags"
        unique_together = (("post_id", "tag"),)


class Target(Model):
    """One post on one account: where it goes and how it went."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    post_id = fields.UUIDField()
    account_id = fields.UUIDField()
    position = fields.IntField(db_default=0)
    content = fields.TextField(null=True)
    options = fields.JSONField[dict[str, object]](db_default={})
    state = fields.CharField(20, db_default="pending")
    removed = fields.BooleanField(db_default=False)
    due_at = fields.DatetimeField(null=True)
    fence = fields.BigIntField(db_default=0)
    generation = fields.IntField(db_default=1)
    dispatch_key = fields.UUIDField(unique=True)
    attempts = fields.IntField(db_default=0)
    lease_owner = fields.UUIDField(null=True)
    lease_until = fields.DatetimeField(null=True)
    sent_at = fields.DatetimeField(null=True)
    check_at = fields.DatetimeField(null=True)
    looked_at = fields.DatetimeField(null=True)
    absent_reads = fields.IntField(db_default=0)
    absent_at = fields.DatetimeField(null=True)
    settled_at = fields.DatetimeField(null=True)
    handle = fields.CharField(300, null=True)
    handle_ends_at = fields.DatetimeField(null=True)
    prepare_at = fields.DatetimeField(null=True)
    proof = fields.CharField(24, null=True)
    proof_read_at = fields.DatetimeField(null=True)
    next_attempt_at = fields.DatetimeField(null=True)
    external_id = fields.CharField(300, null=True)
    external_url = fields.CharField(2000, null=True)
    published_at = fields.DatetimeField(null=True)
    error = fields.JSONField[dict[str, object]](null=True)
    risk = fields.CharField(20, null=True)
    resolved_by = fields.UUIDField(null=True)
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())

    class Meta:
        """A post goes to an account once (a partial unique index: not counting the cancelled)."""

        table = "targets"


ALIVE = "deleted_at IS NULL"
# What people are shown of a target; the rest is the dispatcher's.
SHOWN = (
    "id, workspace_id, post_id, account_id, position, content, options, state, attempts,"
    " next_attempt_at, external_id, external_url, published_at, error, risk"
)
BY_ID = Relation(Post, "posts", "id", "id", where=ALIVE, one=True)
OF_APPROVAL = Relation(Post, "posts", "post_id", "id", where=ALIVE, one=True)
OF_TARGET = Relation(Post, "posts", "post_id", "id", one=True)
BY_BRAND = Listing(
    "posts",
    Post,
    "posts",
    parent_key="brand_id",
    where=ALIVE,
    backward=True,
    filters={
        "phase": "phase = ANY ({})",
        "status": "phase = ANY ({})",
        "from": "scheduled_at >= {}",
        "to": "scheduled_at < {}",
        "account": "id IN (SELECT post_id FROM targets WHERE account_id = {} AND NOT removed)",
        "tag": "id IN (SELECT post_id FROM post_tags WHERE tag = {})",
    },
)
OF_EVENT = Relation(Post, "posts", "post_id", "id", one=True)
TARGET_OF_EVENT = Relation(Target, "targets", "target_id", "id", columns=SHOWN, one=True)
# A removed target was never sent; a cancelled one of a live post says why it will not be.
TARGETS = Relation(
    Target, "targets", "id", "post_id", order="position, id", where="NOT removed", columns=SHOWN
)
TARGET_BY_ID = Relation(Target, "targets", "id", "id", where="NOT removed", columns=SHOWN, one=True)
TAGS = Relation(PostTag, "post_tags", "id", "post_id", order="tag")

# Whether a target `{row}` tells why it is not published; what is no object is left to Python.
HAS_ERROR = (
    "({row}.error IS NOT NULL AND (jsonb_typeof({row}.error) = 'object'"
    " OR unspelled('error') IS NULL))"
)
# What a post's list says of its accounts and tags, as SQL of the post `{row}`.
ACCOUNTS_OF = (
    "ARRAY(SELECT t.account_id FROM targets t WHERE t.post_id = {row}.id AND NOT t.removed"
    " AND t.state <> 'cancelled' AND t.workspace_id = ANY ($1::uuid[]) ORDER BY t.position, t.id)"
)
TAGS_OF = (
    "ARRAY(SELECT t.tag FROM post_tags t WHERE t.post_id = {row}.id"
    " AND t.workspace_id = ANY ($1::uuid[]) ORDER BY t.tag)"
)
STATUS_OF_PHASE = {
    "draft": "draft",
    "pending_approval": "draft",
    "approved": "draft",
    "rejected": "draft",
    "scheduled": "scheduled",
    "publishing": "scheduled",
    "published": "published",
    "partially_published": "published",
    "needs_confirmation": "failed",
    "failed": "failed",
}
# The twin of the SQL function target_status().
STATUS_OF_STATE = {"claimed": "scheduled", "sending": "publishing", "confirming": "publishing"}
MOVABLE = ("pending", "scheduled", "claimed")
PLANNED = ("scheduled", "publishing")
NOT_APPROVED = "This workspace demands approval: submit the post and have it approved first"
UNAPPROVED = "MP002"  # what `migrations/0011_approvals.sql` raises


def phases_of(statuses: list[str]) -> list[str]:
    """The phases a set of statuses stands for."""
    return [phase for phase, status in STATUS_OF_PHASE.items() if status in statuses]


def too_late(target: Target) -> bool:
    """Whether a target waits for a person's word only because its time has passed."""
    said = target.error or {}
    return target.state == "needs_confirmation" and said.get("networkCode") == "too_late"


async def lock(db: Db, scope: list[UUID], id: UUID, more: Iterable[UUID] = ()) -> Post:
    """Locks a post with its lanes and targets, in that order, and reads it again.

    Raises IllegalState when its accounts changed between the locks: somebody else is editing it.
    """
    if not await db.value("SELECT lock_post($1, $2)", id, list(more)):
        raise IllegalState("Somebody else is editing this post; try again")
    post = await db.row(Post, BY_ID.sql, scope, [id])
    if post is None:
        raise NotFound("post")
    return post


async def rewrite(db: Db, post: Post, content: str) -> None:
    """Replaces a post's content; a target that is about to go out takes the new one."""
    await db.run(
        "UPDATE posts SET content = $2, version = version + 1, updated_at = mypost_now()"
        " WHERE id = $1",
        post.id,
        content,
    )


async def targets(db: Db, scope: list[UUID], post_id: UUID) -> list[Target]:
    """Reads the targets of a post that count, in their order."""
    return await db.rows(Target, TARGETS.sql, scope, [post_id])


async def schedule(db: Db, post: Post, moment: Moment, by: UUID, stage: str = "scheduled") -> None:
    """Puts every waiting target in its lane, due at the moment; the caller holds the locks.

    `stage` is `scheduled`, or `publishing` when somebody wants it out now. Raises IllegalState when
    the workspace demands an approval that the post has not.
    """
    await db.run(
        "UPDATE posts SET stage = $4, scheduled_at = $2, scheduled_by = $3, local_time = $5,"
        " timezone = $6, version = version + 1, updated_at = mypost_now() WHERE id = $1",
        post.id,
        moment.at,
        by,
        stage,
        moment.local_time,
        moment.timezone,
    )
    with approved():
        await db.run(
            "UPDATE targets SET state = 'scheduled', due_at = $2, next_attempt_at = NULL,"
            " attempts = 0, error = NULL, fence = fence + 1, lease_owner = NULL, lease_until = NULL"
            " WHERE post_id = $1 AND NOT removed AND state = ANY ($3)",
            post.id,
            moment.at,
            list(MOVABLE),
        )


@contextmanager
def approved() -> Iterator[None]:
    """Spells the database's refusal of a plan that nobody has approved."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if error.sqlstate != UNAPPROVED:
            raise
        raise IllegalState(NOT_APPROVED) from None


async def unschedule(db: Db, post: Post) -> None:
    """Takes the post out of its lanes, back to draft; the caller holds the locks."""
    await db.run(
        "UPDATE posts SET stage = 'draft', scheduled_at = NULL, scheduled_by = NULL,"
        " version = version + 1, updated_at = mypost_now() WHERE id = $1",
        post.id,
    )
    await db.run(
        "UPDATE targets SET state = 'pending', due_at = NULL, next_attempt_at = NULL,"
        " attempts = 0, error = NULL, fence = fence + 1, lease_owner = NULL, lease_until = NULL"
        " WHERE post_id = $1 AND NOT removed AND state IN ('scheduled', 'claimed')",
        post.id,
    )


async def retry(db: Db, target: Target, at: datetime) -> None:
    """Puts a target that has not gone out back into its lane; the caller holds the locks."""
    with approved():
        await db.run(
            "UPDATE targets SET state = 'scheduled', due_at = $2, next_attempt_at = NULL,"
            " attempts = 0, error = NULL, fence = fence + 1 WHERE id = $1",
            target.id,
            at,
        )


async def resolve(db: Db, target: Target, *, live: bool, url: str | None, by: UUID) -> None:
    """Records what a person found out about a target; the caller holds the locks."""
    if not await db.value("SELECT resolve_target($1, $2, $3, $4)", target.id, live, url, by):
        raise IllegalState("Somebody else has resolved this target")


async def discard(db: Db, post: Post) -> None:
    """Deletes the post: what was not sent never will be, what was sent keeps its history."""
    await db.run(
        "UPDATE posts SET deleted_at = mypost_now(), version = version + 1,"
        " updated_at = mypost_now() WHERE id = $1",
        post.id,
    )
    await db.run(cancelled("post_id = $1"), post.id)


async def tag(db: Db, post: Post, tags: Iterable[str]) -> None:
    """Replaces the post's tags."""
    await db.run("DELETE FROM post_tags WHERE post_id = $1", post.id)
    told = list(dict.fromkeys(tags))
    if told:
        await db.run(
            "INSERT INTO post_tags (id, workspace_id, post_id, tag)"
            " SELECT gen_random_uuid(), $1::uuid, $2::uuid, tag FROM unnest($3::text[]) tag",
            post.workspace_id,
            post.id,
            told,
        )
