"""Members as the contract shows them; a member's id is the person's."""

import enum
from datetime import datetime
from typing import Any

import strawberry

from mypost.schema.common import MutationPayload, computed
from mypost.schema.users import RoleRef


@strawberry.enum(description="Whether a member can work.")
class MemberStatus(enum.Enum):
    """Whether a member can work."""

    ACTIVE = "active"


def role(root: strawberry.Parent[Any]) -> RoleRef:
    """The member's role."""
    return RoleRef(id=root.role_id, name=root.role_name)


def status(root: strawberry.Parent[Any]) -> MemberStatus:
    """Whether the member can work."""
    del root
    return MemberStatus.ACTIVE


@strawberry.type(description="A person in a workspace; the id is the person's.")
class Member:
    """A person in a workspace; the id is the person's."""

    id: strawberry.ID
    email: str
    name: str
    role: RoleRef = computed(role)
    status: MemberStatus = computed(status)
    joined_at: datetime
    last_active_at: datetime | None


@strawberry.input(description="A member's new role.")
class UpdateMemberInput:
    """A member's new role."""

    workspace_id: strawberry.ID
    user_id: strawberry.ID
    role_id: strawberry.ID


@strawberry.input(description="The member who leaves.")
class RemoveMemberInput:
    """The member who leaves."""

    workspace_id: strawberry.ID
    user_id: strawberry.ID


@strawberry.input(description="The workspace to leave.")
class LeaveWorkspaceInput:
    """The workspace to leave."""

    workspace_id: strawberry.ID


@strawberry.type(description="The member, or why not.")
class MemberPayload(MutationPayload):
    """The member, or why not."""

    member: Member | None
