"""Who is calling, and where he may do what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mypost.permissions import Permission


@dataclass(frozen=True, slots=True)
class Membership:
    """A viewer's place in one workspace, as it was at most 5 s ago."""

    workspace_id: UUID
    workspace_name: str
    role_id: UUID
    role_name: str
    permissions: frozenset[Permission]
    own_posts_only: bool


@dataclass(frozen=True, slots=True)
class Viewer:
    """The authenticated caller."""

    id: UUID
    email: str
    name: str
    timezone: str
    created_at: datetime
    session_id: UUID
    memberships: Mapping[UUID, Membership]

    def scope(self, permission: Permission | None = None) -> list[UUID]:
        """The workspaces the viewer belongs to, or those in which he holds a permission."""
        return [
            id
            for id, member in self.memberships.items()
            if permission is None or permission in member.permissions
        ]


def build(session_id: UUID, record: Mapping[str, Any]) -> Viewer:
    """Makes a viewer from what `session_viewer()` answers."""
    memberships = [
        Membership(
            UUID(m["workspaceId"]),
            m["workspace"],
            UUID(m["roleId"]),
            m["role"],
            frozenset(Permission(p) for p in m["permissions"]),
            m["ownPostsOnly"],
        )
        for m in record["memberships"]
    ]
    return Viewer(
        id=record["user_id"],
        email=record["email"],
        name=record["name"],
        timezone=record["timezone"],
        created_at=record["created_at"],
        session_id=session_id,
        memberships={m.workspace_id: m for m in memberships},
    )
