"""New posts, one or fifty: the statements are as many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from mypost import ids
from mypost.models.aims import Aim
from mypost.models.base import Db
from mypost.models.brands import Brand
from mypost.models.posts import approved
from mypost.zones import Moment

POSTS = (
    "INSERT INTO posts (id, workspace_id, brand_id, content, created_by)"
    " SELECT g.id, $2::uuid, $3::uuid, g.content, $4::uuid"
    " FROM jsonb_to_recordset($1::jsonb) AS g (id uuid, content text)"
)
TARGETS = (
    "INSERT INTO targets (id, workspace_id, post_id, account_id, position, content, options,"
    " dispatch_key) SELECT g.id, $2::uuid, g.post, g.account, g.place, g.content, g.options, g.key"
    " FROM jsonb_to_recordset($1::jsonb) AS g (id uuid, post uuid, account uuid, place int,"
    " content text, options jsonb, key uuid)"
)
TAGS = (
    "INSERT INTO post_tags (id, workspace_id, post_id, tag)"
    " SELECT gen_random_uuid(), $2::uuid, g.post, g.tag"
    " FROM jsonb_to_recordset($1::jsonb) AS g (post uuid, tag text)"
)
TIMES = (
    "jsonb_to_recordset($1::jsonb) AS g (id uuid, at timestamptz, local_time text, timezone text)"
)
PLANNED = (
    "UPDATE posts p SET stage = 'scheduled', scheduled_at = g.at, scheduled_by = $2,"
    " local_time = g.local_time, timezone = g.timezone,"
    f" version = version + 1, updated_at = mypost_now() FROM {TIMES} WHERE p.id = g.id"
)
QUEUED = (
    f"UPDATE targets t SET state = 'scheduled', due_at = g.at FROM {TIMES}"
    " WHERE t.post_id = g.id AND NOT t.removed AND t.state = 'pending'"
)


@dataclass(frozen=True, slots=True)
class New:
    """A post that is about to be written."""

    content: str
    aims: Sequence[Aim]
    tags: Sequence[str] = ()
    moment: Moment | None = None
    id: UUID = field(default_factory=lambda: ids.new(ids.Tag.POST))

    def targets(self) -> list[dict[str, Any]]:
        """Where it goes, as rows."""
        return [
            {
                "id": str(ids.new(ids.Tag.TARGET)),
                "post": str(self.id),
                "account": str(aim.account_id),
                "place": place,
                "content": aim.content,
                "options": aim.options,
                "key": str(uuid4()),
            }
            for place, aim in enumerate(self.aims)
        ]


async def write(db: Db, brand: Brand, author: UUID, news: Sequence[New]) -> None:
    """Writes drafts with their targets and tags; the caller holds the lanes of their accounts."""
    told: list[Mapping[str, Any]] = [{"id": str(n.id), "content": n.content} for n in news]
    await db.run(POSTS, told, brand.workspace_id, brand.id, author)
    if targets := [row for new in news for row in new.targets()]:
        await db.run(TARGETS, targets, brand.workspace_id)
    if tags := [{"post": str(n.id), "tag": tag} for n in news for tag in dict.fromkeys(n.tags)]:
        await db.run(TAGS, tags, brand.workspace_id)


async def plan(db: Db, news: Sequence[New], by: UUID) -> None:
    """Puts those that have a time in their lanes.

    Raises IllegalState when the workspace demands an approval that they have not.
    """
    told = [
        {
            "id": str(new.id),
            "at": new.moment.at.isoformat(),
            "local_time": new.moment.local_time,
            "timezone": new.moment.timezone,
        }
        for new in news
        if new.moment is not None
    ]
    if told:
        await db.run(PLANNED, told, by)
        with approved():
            await db.run(QUEUED, told)
