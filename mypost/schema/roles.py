"""Roles and permissions as the contract shows them."""

from datetime import datetime
from typing import ClassVar

import strawberry

from mypost import ids
from mypost.permissions import Permission
from mypost.schema import rules
from mypost.schema.common import MutationPayload, Node
from mypost.schema.rules import once, ruled


@strawberry.type(description="One of the 18 permissions.")
class PermissionInfo:
    """One of the 18 permissions."""

    name: Permission
    description: str


@strawberry.type(description="A named set of permissions in one workspace.")
class Role(Node):
    """A named set of permissions in one workspace; a default role is never changed."""

    TAG: ClassVar[ids.Tag] = ids.Tag.ROLE

    workspace_id: strawberry.ID
    name: str
    permissions: list[Permission]
    system: bool
    own_posts_only: bool
    user_count: int
    version: int
    created_at: datetime
    updated_at: datetime


@strawberry.input(description="A new role.")
class CreateRoleInput:
    """A new role; nobody grants what he lacks."""

    workspace_id: strawberry.ID
    name: str = ruled(rules.name(50))
    permissions: list[Permission] = ruled(rules.most(len(Permission)))
    idempotency_key: str | None = once()


@strawberry.input(description="What to change; what is left out stays.")
class UpdateRoleInput:
    """What to change; what is left out stays."""

    id: strawberry.ID
    name: str | None = ruled(rules.name(50), default=None)
    permissions: list[Permission] | None = ruled(rules.most(len(Permission)), default=None)
    expected_version: int | None = None


@strawberry.input(description="The role to delete; nobody may have it.")
class DeleteRoleInput:
    """The role to delete; nobody may have it."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type(description="The role, or why not.")
class RolePayload(MutationPayload):
    """The role, or why not."""

    role: Role | None
