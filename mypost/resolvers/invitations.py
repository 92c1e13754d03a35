"""Invitations: invite, send again, revoke, accept."""

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from mypost import clock, ids
from mypost.context import Context
from mypost.crypto import digest
from mypost.errors import (
    Fault,
    FaultCode,
    Forbidden,
    IllegalState,
    Invalid,
    Unauthorized,
    invalid,
)
from mypost.models import invitations as rows
from mypost.models import workspaces
from mypost.models.invitations import Invitation
from mypost.models.workspaces import Workspace
from mypost.operation import Access, On, mutation
from mypost.permissions import Permission
from mypost.resolvers.account import in_person
from mypost.resolvers.auth import address_of, signed_in
from mypost.resolvers.members import grantable
from mypost.schema import rules
from mypost.schema.auth import LoginPayload
from mypost.schema.invitations import (
    AcceptInvitationInput,
    InvitationActionInput,
    InviteUserInput,
)

LASTS = timedelta(days=7)
INVITATION = On(rows.BY_ID, "invitation", lock=True)
LETTER = """{who} invites you to {workspace} on MyPost.

Join with this link within seven days:
{origin}/#/invitation/{token}

If you do not know why, do nothing.
"""


@mutation(
    on=On(workspaces.BY_ID, "workspace", "workspace_id", lock=True),
    requires=Permission.USERS_INVITE,
    audit="user.invited",
)
async def invite_user(ctx: Context, workspace: Workspace, input: InviteUserInput) -> Invitation:
    """Invites an address to a workspace; nobody invites to a role beyond his own."""
    role = await grantable(ctx, workspace, input.role_id)
    address, token, id = address_of(input.email), secrets.token_urlsafe(32), _id()
    if await rows.member_has(ctx.db, workspace.id, address):
        raise invalid("email", "This person is a member already", FaultCode.TAKEN)
    if not await rows.insert(
        ctx.db, id, workspace.id, address, role.id, digest(token), ctx.viewer.id,
        clock.now() + LASTS,
    ):  # fmt: skip
        raise invalid("email", "This address is invited already", FaultCode.TAKEN)
    await _send(ctx, workspace, address, token)
    return await ctx.get(rows.BY_ID, id, "invitation")


@mutation(on=INVITATION, requires=Permission.USERS_INVITE, audit="user.invited")
async def resend_invitation(
    ctx: Context, invitation: Invitation, input: InvitationActionInput
) -> Invitation:
    """Sends the letter again, with another token and another week; the old token is void."""
    _open(invitation, "pending", "expired")
    workspace = await ctx.get(workspaces.BY_ID, invitation.workspace_id, "workspace")
    await grantable(ctx, workspace, str(invitation.role_id))
    token = secrets.token_urlsafe(32)
    await rows.renew(ctx.db, invitation.id, digest(token), clock.now() + LASTS)
    await _send(ctx, workspace, invitation.email, token)
    return await ctx.get(rows.BY_ID, invitation.id, "invitation")


@mutation(on=INVITATION, requires=Permission.USERS_INVITE, audit="user.invitation_revoked")
async def revoke_invitation(
    ctx: Context, invitation: Invitation, input: InvitationActionInput
) -> Invitation:
    """Makes an invitation void."""
    _open(invitation, "pending", "expired")
    await ctx.db.run("UPDATE invitations SET status = 'revoked' WHERE id = $1", invitation.id)
    return await ctx.get(rows.BY_ID, invitation.id, "invitation")


@mutation(Access.PUBLIC, transaction=False)
async def accept_invitation(ctx: Context, input: AcceptInvitationInput) -> LoginPayload:
    """Joins the workspace of an invitation: as who one is, or as somebody new."""
    key = digest(input.token)
    found = await ctx.db.record("SELECT * FROM invitation_find($1)", key)
    if found is None:
        raise invalid("token", "This invitation does not hold")
    hashed = None if found.user_id else await _newcomer(ctx, input)
    await _same_person(ctx, found, input)
    async with ctx.transaction() as inside:
        person = found.user_id or await _sign_up(inside, found.email, input, hashed)
        issued = await ctx.services.sessions.open(inside.db, person)
        if not await inside.db.value("SELECT invitation_accept($1, $2)", key, person):
            raise invalid("token", "This invitation does not hold")
        inside.become(await joined(inside, issued.session_id))
        await inside.enter(found.workspace_id)
        await inside.audit("user.joined", inside.viewer, found.workspace_id)
    return await signed_in(ctx, issued, input.refresh_token_in)


async def joined(inside: Context, session_id: UUID) -> Any:
    """Reads who has just joined, inside his transaction."""
    return await inside.services.sessions.holder(session_id, fresh=True, db=inside.db)


async def _newcomer(ctx: Context, input: AcceptInvitationInput) -> str:
    given = {"name": input.name, "password": input.password}
    faults = [Fault((n,), "Required", FaultCode.REQUIRED) for n, v in given.items() if not v]
    if input.password and (wrong := rules.password(input.password)):
        faults.append(Fault(("password",), *wrong))
    if faults:
        raise Invalid(faults)
    return await ctx.services.passwords.hash(str(input.password))


async def _same_person(ctx: Context, found: Any, input: AcceptInvitationInput) -> None:
    """Raises unless whoever is invited and has an account has shown that he is here."""
    if ctx.signed_in:
        in_person(ctx)
        if ctx.viewer.id != found.user_id:
            raise Forbidden(message="This invitation is for another address: sign out first")
    elif found.user_id:
        throttle = ctx.services.throttle
        attempt = await throttle.begin(ctx.db, found.email, ctx.caller.ip)
        if not await ctx.services.passwords.verify(found.password_hash, input.password or ""):
            raise Unauthorized("This address has an account: send its password, or sign in first")
        await throttle.succeeded(ctx.db, attempt)


async def _sign_up(
    inside: Context, email: str, input: AcceptInvitationInput, hashed: str | None
) -> UUID:
    id, name = ids.new(ids.Tag.USER), (input.name or "").strip()
    if not await inside.db.value("SELECT auth_register($1, $2, $3, $4)", id, email, name, hashed):
        raise invalid("token", "This address has just signed up: sign in first")
    return id


async def _send(ctx: Context, workspace: Workspace, address: str, token: str) -> None:
    await ctx.services.throttle.letter(ctx.db, address)
    origin = ctx.services.settings.origin
    text = LETTER.format(who=ctx.viewer.name, workspace=workspace.name, origin=origin, token=token)
    await ctx.mail(address, f"Join {workspace.name} on MyPost", text)


def _id() -> UUID:
    return ids.new(ids.Tag.INVITATION)


def _open(invitation: Invitation, *states: str) -> None:
    if invitation.status not in states:
        raise IllegalState(f"The invitation is {invitation.status}")
