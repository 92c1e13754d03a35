"""The tenant as the contract shows it."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import strawberry

from mypost import ids
from mypost.models import brands, invitations, members, roles
from mypost.permissions import Permission
from mypost.schema import rules
from mypost.schema.approvals import Approval, approvals_field
from mypost.schema.calendar import Calendar
from mypost.schema.calendar import of as calendar_of
from mypost.schema.common import (
    Connection,
    Info,
    MutationPayload,
    Node,
    computed,
    listing,
)
from mypost.schema.invitations import Invitation
from mypost.schema.members import Member
from mypost.schema.roles import Role
from mypost.schema.rules import once, ruled
from mypost.schema.users import RoleRef

if TYPE_CHECKING:
    from mypost.schema.brands import Brand


@strawberry.type(description="What a workspace has decided.")
class WorkspaceSettings:
    """What a workspace has decided."""

    approval_required: bool
    allow_self_approval: bool


def settings(root: strawberry.Parent[Any]) -> WorkspaceSettings:
    """What the workspace has decided."""
    return WorkspaceSettings(
        approval_required=root.approval_required, allow_self_approval=root.allow_self_approval
    )


def role(root: strawberry.Parent[Any], info: Info) -> RoleRef:
    """The viewer's role in it."""
    member = info.context.member(root)
    return RoleRef(id=strawberry.ID(str(member.role_id)), name=member.role_name)


def viewer_permissions(root: strawberry.Parent[Any], info: Info) -> list[Permission]:
    """What the viewer may do in it."""
    return sorted(info.context.member(root).permissions)


@strawberry.type(description="The tenant: it owns brands, roles and members.")
class Workspace(Node):
    """The tenant: it owns brands, roles and members."""

    TAG: ClassVar[ids.Tag] = ids.Tag.WORKSPACE

    name: str
    slug: str
    timezone: str
    settings: WorkspaceSettings = computed(settings)
    role: RoleRef = computed(role)
    viewer_permissions: list[Permission] = computed(viewer_permissions)
    version: int
    created_at: datetime
    updated_at: datetime
    brands: Connection[Annotated["Brand", strawberry.lazy("mypost.schema.brands")]] = listing(
        brands.BY_WORKSPACE, "Its brands, newest first."
    )
    users: Connection[Member] = listing(members.BY_WORKSPACE, "Its members, newest first.")
    invitations: Connection[Invitation] = listing(
        invitations.BY_WORKSPACE, "Who has been invited, newest first."
    )
    approvals: Connection[Approval] = approvals_field
    roles: Connection[Role] = listing(roles.BY_WORKSPACE, "Its roles, newest first.")
    calendar: Calendar = calendar_of(
        "workspace_id", "The posts of all its brands by day, each in its brand's time zone."
    )


@strawberry.input(description="A new workspace; the caller becomes its owner.")
class CreateWorkspaceInput:
    """A new workspace; the caller becomes its owner."""

    name: str = ruled(rules.name(100))
    timezone: str | None = ruled(rules.timezone, default=None)
    idempotency_key: str | None = once()


@strawberry.input(description="What to decide anew; what is left out stays.")
class WorkspaceSettingsInput:
    """What to decide anew; what is left out stays."""

    approval_required: bool | None = None
    allow_self_approval: bool | None = None


@strawberry.input(description="What to change; what is left out stays.")
class UpdateWorkspaceInput:
    """What to change; what is left out stays."""

    id: strawberry.ID
    name: str | None = ruled(rules.name(100), default=None)
    timezone: str | None = ruled(rules.timezone, default=None)
    settings: WorkspaceSettingsInput | None = None
    expected_version: int | None = None


@strawberry.input(description="Who becomes an owner in the caller's place.")
class TransferWorkspaceInput:
    """Who becomes an owner in the caller's place."""

    id: strawberry.ID
    user_id: strawberry.ID
    idempotency_key: str | None = once()


@strawberry.input(description="The workspace to delete; `force` cancels what it has scheduled.")
class DeleteWorkspaceInput:
    """The workspace to delete; `force` cancels what it has scheduled."""

    id: strawberry.ID
    force: bool = False
    expected_version: int | None = None


@strawberry.type(description="The workspace, or why not.")
class WorkspacePayload(MutationPayload):
    """The workspace, or why not."""

    workspace: Workspace | None
