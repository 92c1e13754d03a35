"""Signing up, in and out."""

from dataclasses import replace
from uuid import UUID

from mypost import clock, ids
from mypost.context import Context
from mypost.crypto import digest
from mypost.errors import FaultCode, Forbidden, Unauthorized, invalid
from mypost.operation import Access, mutation
from mypost.resolvers.account import in_person
from mypost.resolvers.workspaces import found
from mypost.schema.auth import (
    LoginInput,
    LoginPayload,
    LogoutInput,
    LogoutPayload,
    RefreshPayload,
    RefreshSessionInput,
    RefreshTokenIn,
    RegisterInput,
)
from mypost.tokens import Issued
from mypost.viewer import Viewer

REFRESH_COOKIE = "mypost_refresh"


async def _welcome(ctx: Context, issued: Issued) -> Viewer:
    viewer = await ctx.services.sessions.holder(issued.session_id, fresh=True)
    if viewer is None:
        raise Unauthorized("The session has ended")
    ctx.become(viewer)
    return viewer


def _hand_over(ctx: Context, issued: Issued, place: RefreshTokenIn | None) -> Issued:
    """Puts the refresh token where the caller wants it: the cookie, or the body."""
    if place is RefreshTokenIn.BODY:
        return issued
    ctx.caller.cookies[REFRESH_COOKIE] = (issued.refresh_token, issued.refresh_expires_in)
    return replace(issued, refresh_token=None, refresh_expires_in=None)  # type: ignore[arg-type]


async def signed_in(ctx: Context, issued: Issued, place: RefreshTokenIn | None) -> LoginPayload:
    """Makes whoever has just signed in the viewer, and tells him his tokens."""
    viewer = await _welcome(ctx, issued)
    shown = _hand_over(ctx, issued, place)
    return LoginPayload(
        access_token=shown.access_token,
        expires_in=shown.expires_in,
        refresh_token=shown.refresh_token,
        refresh_expires_in=shown.refresh_expires_in,
        user=viewer,  # type: ignore[arg-type]
        user_errors=[],
    )


@mutation(Access.PUBLIC, transaction=False)
async def register(ctx: Context, input: RegisterInput) -> LoginPayload:
    """Signs a person up, with a first workspace when he names one, and signs him in."""
    if not ctx.services.settings.registration_open:
        raise Forbidden(message="Registration is closed here")
    id, address = ids.new(ids.Tag.USER), address_of(input.email)
    await ctx.services.throttle.begin(ctx.db, address, ctx.caller.ip)
    hashed = await ctx.services.passwords.hash(input.password)
    async with ctx.transaction() as inside:
        if not await inside.db.value(
            "SELECT auth_register($1, $2, $3, $4)", id, address, input.name.strip(), hashed
        ):
            raise invalid("email", "This address is taken", FaultCode.TAKEN)
        issued = await ctx.services.sessions.open(inside.db, id)
        if input.workspace_name:
            inside.become(_newcomer(id, input, issued.session_id))
            workspace = await found(inside, input.workspace_name, "UTC")
            await inside.audit("workspace.created", workspace)
    return await signed_in(ctx, issued, input.refresh_token_in)


def _newcomer(id: UUID, input: RegisterInput, session_id: UUID) -> Viewer:
    return Viewer(id, input.email, input.name, "UTC", clock.now(), session_id, {})


def address_of(email: str) -> str:
    """Spells an address as it is stored."""
    return email.strip().lower()


@mutation(Access.PUBLIC, transaction=False)
async def login(ctx: Context, input: LoginInput) -> LoginPayload:
    """Signs a person in; unknown address and wrong password are one answer, in the same time."""
    email, throttle = address_of(input.email), ctx.services.throttle
    attempt = await throttle.begin(ctx.db, email, ctx.caller.ip)
    person = await ctx.db.record("SELECT * FROM auth_find($1)", email)
    stored = person.password_hash if person else None
    if not await ctx.services.passwords.verify(stored, input.password):
        raise Unauthorized("Wrong email or password")
    await throttle.succeeded(ctx.db, attempt)
    if stored and ctx.services.passwords.outdated(stored):
        fresh = await ctx.services.passwords.hash(input.password)
        await ctx.db.value("SELECT auth_rehash($1, $2, $3)", person.id, stored, fresh)
    issued = await ctx.services.sessions.open(ctx.db, person.id)
    return await signed_in(ctx, issued, input.refresh_token_in)


@mutation(Access.PUBLIC, transaction=False)
async def refresh_session(ctx: Context, input: RefreshSessionInput) -> RefreshPayload:
    """Exchanges a refresh token for a new pair; a stolen one seen again ends the session."""
    token = input.refresh_token or _cookie(ctx)
    place = input.refresh_token_in or (
        RefreshTokenIn.BODY if input.refresh_token else RefreshTokenIn.COOKIE
    )
    _, _, issued = await ctx.services.sessions.rotate(ctx.db, token)
    if issued is None:
        raise Unauthorized("The refresh token does not hold")
    shown = _hand_over(ctx, issued, place)
    return RefreshPayload(
        access_token=shown.access_token,
        expires_in=shown.expires_in,
        refresh_token=shown.refresh_token,
        refresh_expires_in=shown.refresh_expires_in,
        user_errors=[],
    )


def _cookie(ctx: Context) -> str:
    """The refresh token of the cookie, which counts only from an allowed page."""
    if ctx.caller.refresh_cookie is None:
        raise Unauthorized("Send the refresh token")
    if not ctx.caller.trusted_origin:
        raise Forbidden(message="The cookie needs an allowed Origin and X-Requested-With")
    return ctx.caller.refresh_cookie


@mutation(Access.PUBLIC, transaction=False)
async def logout(ctx: Context, input: LogoutInput) -> LogoutPayload:
    """Ends the session of the access token or refresh token; twice is as good as once."""
    if ctx.signed_in:
        in_person(ctx)
    session = ctx.viewer.session_id if ctx.signed_in else None
    if session is None and (input.refresh_token or ctx.caller.refresh_cookie):
        token = input.refresh_token or _cookie(ctx)
        session = await ctx.db.value("SELECT session_of_token($1)", digest(token))
    if session is not None:
        await ctx.db.value("SELECT session_revoke($1, 'logout')", session)
        ctx.services.sessions.forget(session)
    ctx.caller.cookies[REFRESH_COOKIE] = ("", 0)
    return LogoutPayload(success=True, user_errors=[])
