"""Where a post goes, and what it says there in its own words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from mypost import ids
from mypost.models.base import Db
from mypost.models.posts import MOVABLE, PLANNED, Post, Target


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a post goes, and what it says there instead of its own words, or beside them."""

    account_id: UUID
    content: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)

    def words(self, common: str) -> str:
        """What is said there: its own words, or the post's; `drafts` is the twin that is sent."""
        return common if self.content is None else self.content


def aims_of(targets: Iterable[Target]) -> dict[UUID, Aim]:
    """Where a post goes now, in its order, and what it says there."""
    return {
        t.account_id: Aim(t.account_id, t.content, t.options)
        for t in targets
        if t.state != "cancelled"
    }


AIMS = (
    "jsonb_to_recordset($2::jsonb)"
    " AS g (id uuid, key uuid, account uuid, place int, content text, options jsonb)"
)
LIVING = "NOT t.removed AND t.state <> 'cancelled'"
PLACE = (
    "UPDATE targets t SET position = g.place, content = g.content, options = g.options"
    f" FROM {AIMS} WHERE t.post_id = $1 AND t.account_id = g.account AND {LIVING}"
)
JOIN = (
    "INSERT INTO targets (id, workspace_id, post_id, account_id, position, content, options,"
    " dispatch_key) SELECT g.id, $3::uuid, $1::uuid, g.account, g.place, g.content, g.options,"
    f" g.key FROM {AIMS} WHERE NOT EXISTS (SELECT 1 FROM targets t WHERE t.post_id = $1"
    f" AND t.account_id = g.account AND {LIVING})"
)
# Nothing joins the queue when the change has just taken the post out of it: its approval was void.
QUEUE = (
    "UPDATE targets t SET state = 'scheduled', due_at = p.scheduled_at FROM posts p"
    " WHERE p.id = $1 AND p.stage = ANY ($2) AND t.post_id = p.id"
    " AND NOT t.removed AND t.state = 'pending'"
)
LEAVE = (
    "UPDATE targets SET removed = true, state = 'pending', due_at = NULL, fence = fence + 1,"
    " lease_owner = NULL, lease_until = NULL"
    " WHERE post_id = $1 AND NOT removed AND state = ANY ($2) AND account_id <> ALL ($3)"
)


async def aim(db: Db, post: Post, aims: Sequence[Aim]) -> None:
    """Makes the post go to exactly these accounts, in this order; nothing of it may be sent yet."""
    told = [
        {
            "id": str(ids.new(ids.Tag.TARGET)),
            "key": str(uuid4()),
            "account": str(each.account_id),
            "place": place,
            "content": each.content,
            "options": each.options,
        }
        for place, each in enumerate(aims)
    ]
    await db.run(PLACE, post.id, told)
    await db.run(JOIN, post.id, told, post.workspace_id)
    if post.stage in PLANNED:
        # Who joins does so before others leave: a post without a queue would look cancelled.
        await db.run(QUEUE, post.id, list(PLANNED))
    await db.run(LEAVE, post.id, list(MOVABLE), [each.account_id for each in aims])
