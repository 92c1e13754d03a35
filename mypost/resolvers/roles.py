"""Roles: create, update, delete; nobody grants what he lacks."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from mypost import ids
from mypost.context import Context
from mypost.errors import FaultCode, Forbidden, IllegalState, invalid
from mypost.models import roles as rows
from mypost.models import workspaces
from mypost.models.paging import Page
from mypost.models.users import Role
from mypost.models.workspaces import Workspace
from mypost.operation import On, mutation, query
from mypost.permissions import DESCRIPTIONS, Permission
from mypost.schema.common import Connection
from mypost.schema.roles import (
    CreateRoleInput,
    DeleteRoleInput,
    PermissionInfo,
    UpdateRoleInput,
)

ROLE = On(rows.BY_ID, "role", lock=True)
TAKEN = "Another role of this workspace has this name"


def within(ctx: Context, row: Any, permissions: Iterable[str]) -> None:
    """Raises Forbidden unless the viewer holds all of these permissions himself."""
    beyond = {Permission(p) for p in permissions} - ctx.member(row).permissions
    if beyond:
        raise Forbidden(message=f"You do not have {', '.join(sorted(beyond))} yourself")


@query()
async def permissions(ctx: Context) -> Connection[Any]:
    """What a role can allow: the 18 permissions."""
    every = [PermissionInfo(name=p, description=text) for p, text in DESCRIPTIONS.items()]
    page: Page[Any] = Page(
        every, has_next=False, has_previous=False, limit=len(every), cursor_of=lambda row: row.name
    )
    return Connection(page=page)


@mutation(
    on=On(workspaces.BY_ID, "workspace", "workspace_id"),
    requires=Permission.ROLES_MANAGE,
    audit="role.created",
)
async def create_role(ctx: Context, workspace: Workspace, input: CreateRoleInput) -> Role:
    """Makes a role in a workspace."""
    within(ctx, workspace, input.permissions)
    id, chosen = ids.new(ids.Tag.ROLE), sorted(set(input.permissions))
    if not await rows.insert(ctx.db, id, workspace.id, input.name.strip(), list(chosen)):
        raise invalid("name", TAKEN, FaultCode.TAKEN)
    return await ctx.get(rows.BY_ID, id, "role")


@mutation(on=ROLE, requires=Permission.ROLES_MANAGE, audit="role.updated")
async def update_role(ctx: Context, role: Role, input: UpdateRoleInput) -> Role:
    """Changes a role's name or permissions; nobody changes his own."""
    _changeable(ctx, role)
    chosen = role.permissions if input.permissions is None else sorted(set(input.permissions))
    within(ctx, role, [*role.permissions, *chosen])
    name = input.name.strip() if input.name else role.name
    if not await rows.update(ctx.db, role, name, list(chosen)):
        raise invalid("name", TAKEN, FaultCode.TAKEN)
    return await ctx.get(rows.BY_ID, role.id, "role")


@mutation(on=ROLE, requires=Permission.ROLES_MANAGE)
async def delete_role(ctx: Context, role: Role, input: DeleteRoleInput) -> UUID:
    """Deletes a role that nobody has, or is invited to."""
    _changeable(ctx, role)
    within(ctx, role, role.permissions)
    having, invited = await rows.taken(ctx.db, role.id)
    if having:
        raise IllegalState(f"{having} members have this role")
    if invited:
        raise IllegalState(f"{invited} open invitations are to this role: revoke them first")
    await ctx.audit("role.deleted", role, name=role.name)
    await ctx.db.run("DELETE FROM roles WHERE id = $1", role.id)
    return role.id


def _changeable(ctx: Context, role: Role) -> None:
    if role.system:
        raise IllegalState("A default role is not changed")
    if ctx.member(role).role_id == role.id:
        raise Forbidden(message="Nobody changes his own role")
