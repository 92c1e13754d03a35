"""Roles: named sets of permissions, six of them in every workspace."""

from uuid import UUID

import asyncpg

from mypost.models.base import Db
from mypost.models.paging import Listing
from mypost.models.relations import Relation
from mypost.models.users import Role

COLUMNS = "*, (SELECT count(*)::int FROM members m WHERE m.role_id = roles.id) AS user_count"
BY_ID = Relation(Role, "roles", "id", "id", columns=COLUMNS, one=True)
BY_WORKSPACE = Listing("roles", Role, "roles", parent_key="workspace_id", columns=COLUMNS)


async def insert(db: Db, id: UUID, workspace_id: UUID, name: str, permissions: list[str]) -> bool:
    """Writes a role; False when its name is taken in the workspace."""
    written = await db.run(
        "INSERT INTO roles (id, workspace_id, name, permissions) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (workspace_id, name) DO NOTHING",
        id, workspace_id, name, permissions,
    )  # fmt: skip
    return written == 1


async def taken(db: Db, id: UUID) -> tuple[int, int]:
    """Counts the members who have a role, and its open invitations; until commit none is added."""
    await db.value("SELECT 1 FROM roles WHERE id = $1 FOR UPDATE", id)
    counted = await db.record(
        "SELECT (SELECT count(*) FROM members WHERE role_id = $1) AS having,"
        " (SELECT count(*) FROM invitations WHERE role_id = $1 AND status = 'pending') AS invited",
        id,
    )
    return counted.having, counted.invited


async def update(db: Db, role: Role, name: str, permissions: list[str]) -> bool:
    """Changes a role; False when its name is taken in the workspace: the transaction then ends."""
    try:
        await db.run(
            "UPDATE roles SET name = $2, permissions = $3, version = version + 1,"
            " updated_at = mypost_now() WHERE id = $1",
            role.id, name, permissions,
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        return False
    return True


async def default(db: Db, workspace_id: UUID, name: str) -> UUID:
    """Answers the id of a default role."""
    sql = "SELECT id FROM roles WHERE workspace_id = $1 AND system AND name = $2"
    found: UUID = await db.value(sql, workspace_id, name)
    return found
