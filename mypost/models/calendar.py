"""What is planned and what went out, day by day."""

from datetime import datetime
from typing import Any
from uuid import UUID

from mypost.models.base import Db
from mypost.models.posts import ACCOUNTS_OF, ALIVE, Post

MOST = 1000
TITLE = 140
# Light on purpose: no content but its beginning, no target but its account.
ENTRIES = (
    "SELECT p.id, p.workspace_id, p.brand_id, p.phase, p.scheduled_at, p.local_time,"
    f" b.timezone, left(p.content, {TITLE}) AS content,"
    f" {ACCOUNTS_OF.format(row='p')} AS account_ids"
    " FROM posts p JOIN brands b ON b.id = p.brand_id"
    " WHERE p.workspace_id = ANY ($1::uuid[]) AND p.{column} = $2 AND p." + ALIVE +
    " AND p.scheduled_at >= $3 AND p.scheduled_at < $4"
    " ORDER BY p.scheduled_at, p.id LIMIT $5"
)  # fmt: skip


async def entries(
    db: Db, scope: list[UUID], column: str, id: UUID, begin: datetime, end: datetime
) -> list[Any]:
    """Reads the posts of a brand or a workspace between two instants; one more than is shown."""
    sql = ENTRIES.format(column=column)
    return list(await db.rows(Post, sql, scope, id, begin, end, MOST + 1))
