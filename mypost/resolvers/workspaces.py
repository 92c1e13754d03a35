"""Workspaces: list, get, create, update."""

import re
import secrets
import unicodedata
from typing import Any

from mypost import ids
from mypost.context import Context
from mypost.errors import IllegalState
from mypost.models import approvals
from mypost.models import workspaces as rows
from mypost.models.paging import Slice
from mypost.models.workspaces import Workspace
from mypost.operation import On, mutation, query
from mypost.permissions import DEFAULT_ROLES, OWNER, Permission
from mypost.resolvers.account import shown
from mypost.schema.common import Connection
from mypost.schema.users import Viewer
from mypost.schema.workspaces import (
    CreateWorkspaceInput,
    UpdateWorkspaceInput,
    WorkspaceSettingsInput,
)


@query()
async def viewer(ctx: Context) -> Viewer:
    """Who is calling, and where he may do what."""
    return shown(ctx)


@query()
async def workspaces(
    ctx: Context, first: int | None = None, after: str | None = None
) -> Connection[Any]:
    """The workspaces the viewer belongs to, newest first."""
    await ctx.look_again()
    return Connection(page=await ctx.page(rows.ALL, Slice(first, after)))


@query(on=On(rows.BY_ID, "workspace"))
async def workspace(ctx: Context, workspace: Workspace) -> Workspace:
    """One workspace."""
    return workspace


@mutation(audit="workspace.created")
async def create_workspace(ctx: Context, input: CreateWorkspaceInput) -> Workspace:
    """Makes a workspace with the default roles; the caller owns it."""
    return await found(ctx, input.name, input.timezone or ctx.viewer.timezone)


async def found(ctx: Context, name: str, timezone: str) -> Workspace:
    """Writes a workspace, its default roles and its first owner."""
    id = ids.new(ids.Tag.WORKSPACE)
    await ctx.enter(id)
    await ctx.db.run(
        "INSERT INTO workspaces (id, name, slug, timezone) VALUES ($1, $2, $3, $4)",
        id, name.strip(), _slug(name), timezone,
    )  # fmt: skip
    for role in DEFAULT_ROLES:
        role_id = ids.new(ids.Tag.ROLE)
        await ctx.db.run(
            "INSERT INTO roles (id, workspace_id, name, permissions, system, own_posts_only)"
            " VALUES ($1, $2, $3, $4, true, $5)",
            role_id, id, role.name, sorted(role.permissions), role.own_posts_only,
        )  # fmt: skip
        if role is OWNER:
            await ctx.db.run(
                "INSERT INTO members (id, workspace_id, user_id, role_id) VALUES ($1, $2, $3, $4)",
                ids.new(ids.Tag.MEMBER), id, ctx.viewer.id, role_id,
            )  # fmt: skip
    return await ctx.get(rows.BY_ID, id, "workspace")


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60]
    # A suffix, so that a taken name tells nobody that it is taken.
    return f"{words or 'workspace'}-{secrets.token_hex(3)}"


@mutation(
    on=On(rows.BY_ID, "workspace", lock=True),
    requires=Permission.WORKSPACE_SETTINGS,
    audit="workspace.updated",
)
async def update_workspace(
    ctx: Context, workspace: Workspace, input: UpdateWorkspaceInput
) -> Workspace:
    """Changes a workspace's name, time zone or settings."""
    settings = input.settings or WorkspaceSettingsInput()
    # What is planned was accepted: it is not stopped behind its author's back.
    if settings.approval_required and not workspace.approval_required:
        waiting = await approvals.waiting_without(ctx.db, workspace.id)
        if waiting:
            raise IllegalState(
                f"{waiting} planned posts are not approved: cancel them, or let them go out first",
                "settings.approvalRequired",
            )
    await ctx.db.run(
        "UPDATE workspaces SET name = coalesce($2, name), timezone = coalesce($3, timezone),"
        " approval_required = coalesce($4, approval_required),"
        " allow_self_approval = coalesce($5, allow_self_approval),"
        " version = version + 1, updated_at = mypost_now() WHERE id = $1",
        workspace.id, input.name and input.name.strip(), input.timezone,
        settings.approval_required, settings.allow_self_approval,
    )  # fmt: skip
    return await ctx.get(rows.BY_ID, workspace.id, "workspace")
