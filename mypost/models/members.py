"""Members: people in a workspace, each with one role; a member's id is the person's."""

from uuid import UUID

from mypost.models.base import Db
from mypost.models.paging import Listing
from mypost.models.relations import TENANT
from mypost.models.users import Member
from mypost.permissions import OWNER

BY_WORKSPACE = Listing(
    "members", Member, "workspace_users", parent_key="workspace_id", order="joined_at"
)


async def find(
    db: Db, scope: list[UUID], workspace_id: UUID, user_id: UUID | None
) -> Member | None:
    """Reads one member of a workspace."""
    sql = f"SELECT * FROM workspace_users WHERE {TENANT} AND workspace_id = $2 AND id = $3"
    return await db.row(Member, sql, scope, workspace_id, user_id)


async def owners(db: Db, workspace_id: UUID) -> int:
    """Counts the owners of a workspace; right while its row is locked."""
    sql = "SELECT count(*) FROM workspace_users WHERE workspace_id = $1 AND role_name = $2"
    return int(await db.value(sql, workspace_id, OWNER.name))


async def assign(db: Db, workspace_id: UUID, user_id: UUID, role_id: UUID) -> None:
    """Gives a member another role."""
    await db.run(
        "UPDATE members SET role_id = $3 WHERE workspace_id = $1 AND user_id = $2",
        workspace_id, user_id, role_id,
    )  # fmt: skip


async def remove(db: Db, workspace_id: UUID, user_id: UUID) -> None:
    """Takes a member out of a workspace."""
    await db.run(
        "DELETE FROM members WHERE workspace_id = $1 AND user_id = $2", workspace_id, user_id
    )
