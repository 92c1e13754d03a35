"""Members: change a role, remove, leave; a workspace keeps an owner."""

from typing import Any
from uuid import UUID

from mypost import ids
from mypost.context import Context
from mypost.errors import FaultCode, Forbidden, IllegalState, NotFound, invalid
from mypost.models import members as rows
from mypost.models import roles, workspaces
from mypost.models.users import Member
from mypost.models.workspaces import Workspace
from mypost.operation import On, mutation
from mypost.permissions import OWNER, Permission
from mypost.resolvers.account import in_person
from mypost.resolvers.roles import within
from mypost.schema.members import LeaveWorkspaceInput, RemoveMemberInput, UpdateMemberInput

# Changes of a team follow one another: its workspace is locked.
WORKSPACE = On(workspaces.BY_ID, "workspace", "workspace_id", lock=True)


@mutation(on=WORKSPACE, requires=Permission.USERS_MANAGE)
async def update_member(ctx: Context, workspace: Workspace, input: UpdateMemberInput) -> Member:
    """Gives a member another role; nobody changes his own, or grants what he lacks."""
    member = await _other(ctx, workspace, input.user_id)
    role = await grantable(ctx, workspace, input.role_id)
    if member.role_name == OWNER.name and role.name != OWNER.name:
        await _not_the_last(ctx, workspace)
    await rows.assign(ctx.db, workspace.id, member.id, role.id)
    changed: Member = await _found(ctx, workspace, member.id)
    await ctx.audit("user.role_changed", changed, before=member.role_name, after=role.name)
    return changed


@mutation(on=WORKSPACE, requires=Permission.USERS_MANAGE)
async def remove_member(ctx: Context, workspace: Workspace, input: RemoveMemberInput) -> UUID:
    """Takes a member out of a workspace."""
    member = await _other(ctx, workspace, input.user_id)
    if member.role_name == OWNER.name:
        await _not_the_last(ctx, workspace)
    await ctx.audit("user.removed", member, email=member.email)
    await rows.remove(ctx.db, workspace.id, member.id)
    gone: UUID = member.id
    return gone


@mutation()
async def leave_workspace(ctx: Context, input: LeaveWorkspaceInput) -> UUID:
    """Takes the caller out of a workspace."""
    in_person(ctx)
    id = ids.parse(input.workspace_id)
    workspace = await ctx.get(workspaces.BY_ID, id, "workspace", lock=True)
    member = await _found(ctx, workspace, ctx.viewer.id)
    if member is None:  # removed meanwhile: what is known of the viewer may be 5 s old
        raise NotFound("workspace")
    if member.role_name == OWNER.name:
        await _not_the_last(ctx, workspace)
    await ctx.audit("user.left", member)
    await rows.remove(ctx.db, workspace.id, ctx.viewer.id)
    return workspace.id


async def grantable(ctx: Context, workspace: Workspace, role_id: object) -> Any:
    """Fetches a role of the workspace that the viewer may give; only owners make owners."""
    id = ids.parse(role_id)
    role = await ctx.find(roles.BY_ID, id, lock=True) if id else None
    if role is None or role.workspace_id != workspace.id:
        raise invalid("roleId", "There is no such role", FaultCode.NOT_FOUND)
    within(ctx, workspace, role.permissions)
    _owners_only(ctx, workspace, role.name)
    return role


async def _other(ctx: Context, workspace: Workspace, user_id: object) -> Any:
    """Fetches a member the viewer may change: not himself, and not one who may do more."""
    member = await rows.find(ctx.db, ctx.scope(), workspace.id, ids.parse(user_id))
    if member is None:
        raise invalid("userId", "There is no such member", FaultCode.NOT_FOUND)
    if member.id == ctx.viewer.id:
        raise Forbidden(message="Nobody changes his own membership; leave the workspace instead")
    within(ctx, workspace, member.permissions)  # type: ignore[attr-defined]
    _owners_only(ctx, workspace, member.role_name)  # type: ignore[attr-defined]
    return member


def _owners_only(ctx: Context, workspace: Workspace, role_name: str) -> None:
    if role_name == OWNER.name and ctx.member(workspace).role_name != OWNER.name:
        raise Forbidden(message="Only an owner makes, changes or removes an owner")


async def _not_the_last(ctx: Context, workspace: Workspace) -> None:
    if await rows.owners(ctx.db, workspace.id) == 1:
        raise IllegalState("A workspace keeps an owner: make somebody else one first")


async def _found(ctx: Context, workspace: Workspace, user_id: UUID) -> Any:
    return await rows.find(ctx.db, ctx.scope(), workspace.id, user_id)
