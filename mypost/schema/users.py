"""People as the contract shows them."""

from datetime import datetime
from typing import ClassVar

import strawberry

from mypost import ids
from mypost.models import users
from mypost.permissions import Permission
from mypost.schema.common import Info, Node, computed


@strawberry.type(description="A person, as colleagues see him.")
class User(Node):
    """A person, as colleagues see him."""

    TAG: ClassVar[ids.Tag] = ids.Tag.USER

    email: str
    name: str
    timezone: str
    created_at: datetime


@strawberry.type(description="A role by name.")
class RoleRef:
    """A role by name."""

    id: strawberry.ID
    name: str


@strawberry.type(description="A workspace the viewer belongs to, and what he may do there.")
class ViewerWorkspace:
    """A workspace the viewer belongs to, and what he may do there."""

    id: strawberry.ID
    name: str
    role: RoleRef
    permissions: list[Permission]


async def memberships(info: Info) -> list[ViewerWorkspace]:
    """The workspaces the viewer belongs to, in the order of joining."""
    await info.context.look_again()
    return [
        ViewerWorkspace(
            id=strawberry.ID(str(m.workspace_id)),
            name=m.workspace_name,
            role=RoleRef(id=strawberry.ID(str(m.role_id)), name=m.role_name),
            permissions=sorted(m.permissions),
        )
        for m in info.context.viewer.memberships.values()
    ]


@strawberry.type(description="About which outcomes the viewer gets letters.")
class Notifications:
    """About which outcomes the viewer gets letters."""

    post_failed: bool
    post_needs_confirmation: bool
    account_needs_reauth: bool


async def notifications(info: Info) -> Notifications:
    """About which outcomes he gets letters."""
    row = await users.notices(info.context.db, info.context.viewer.id)
    return Notifications(**row)


@strawberry.type(description="Who is calling.")
class Viewer:
    """Who is calling."""

    id: strawberry.ID
    email: str
    name: str
    timezone: str
    notifications: Notifications = computed(notifications)
    workspaces: list[ViewerWorkspace] = computed(memberships, size=5)
