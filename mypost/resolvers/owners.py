"""What only an owner does with a workspace: transfer it, delete it."""

from uuid import UUID

from mypost import ids
from mypost.context import Context
from mypost.errors import FaultCode, Forbidden, IllegalState, invalid
from mypost.models import members, roles
from mypost.models import workspaces as rows
from mypost.models.users import Member
from mypost.models.workspaces import Workspace
from mypost.operation import On, mutation
from mypost.permissions import ADMIN, OWNER, Permission
from mypost.resolvers.account import in_person
from mypost.schema.workspaces import DeleteWorkspaceInput, TransferWorkspaceInput

WORKSPACE = On(rows.BY_ID, "workspace", lock=True)


@mutation(on=WORKSPACE, requires=Permission.WORKSPACE_SETTINGS)
async def transfer_workspace(
    ctx: Context, workspace: Workspace, input: TransferWorkspaceInput
) -> Workspace:
    """Makes another member an owner in the caller's place, who goes on as an admin."""
    me = await _owner(ctx, workspace)
    heir = await members.find(ctx.db, ctx.scope(), workspace.id, ids.parse(input.user_id))
    if heir is None:
        raise invalid("userId", "There is no such member", FaultCode.NOT_FOUND)
    if heir.role_name == OWNER.name:  # type: ignore[attr-defined]
        raise IllegalState("This member is an owner already", "userId")
    admin = await roles.default(ctx.db, workspace.id, ADMIN.name)
    await members.assign(ctx.db, workspace.id, heir.id, me.role_id)
    await members.assign(ctx.db, workspace.id, me.id, admin)
    await ctx.audit("workspace.transferred", workspace, to=str(heir.id))
    await ctx.enter(workspace.id)
    return await ctx.get(rows.BY_ID, workspace.id, "workspace")


@mutation(on=WORKSPACE, requires=Permission.WORKSPACE_SETTINGS)
async def delete_workspace(ctx: Context, workspace: Workspace, input: DeleteWorkspaceInput) -> UUID:
    """Deletes a workspace for all its members; refused while posts are scheduled, unless forced."""
    await _owner(ctx, workspace)
    cancelled = await rows.delete(ctx.db, workspace.id, force=input.force)
    await ctx.audit("workspace.deleted", workspace, cancelled=cancelled)
    ctx.services.sessions.forget_workspace(workspace.id)
    ctx.after_commit("due")
    return workspace.id


async def _owner(ctx: Context, workspace: Workspace) -> Member:
    """Reads the caller's membership, which must be an owner's now, not 5 s ago."""
    in_person(ctx)
    me = await members.find(ctx.db, ctx.scope(), workspace.id, ctx.viewer.id)
    if me is None or me.role_name != OWNER.name:  # type: ignore[attr-defined]
        raise Forbidden(message="Only an owner does this")
    return me
