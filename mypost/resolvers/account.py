"""A person's own account: name, password, sessions, personal access tokens."""

import secrets
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from mypost import clock, ids
from mypost.context import Context
from mypost.crypto import digest
from mypost.errors import FaultCode, Forbidden, NotFound, invalid
from mypost.models import users
from mypost.models.paging import Page
from mypost.operation import mutation, query
from mypost.schema.account import (
    AccessToken,
    ChangePasswordInput,
    ChangePasswordPayload,
    CreateAccessTokenInput,
    RevokeAccessTokenInput,
    RevokeSessionInput,
    Session,
    UpdateViewerInput,
)
from mypost.schema.common import Connection
from mypost.schema.users import Viewer
from mypost.tokens import PREFIX

MAX_TOKENS = 50


def shown(ctx: Context) -> Viewer:
    """Spells the caller as the contract does."""
    me = ctx.viewer
    return Viewer(id=str(me.id), email=me.email, name=me.name, timezone=me.timezone)  # type: ignore[arg-type]


def in_person(ctx: Context) -> None:
    """Raises Forbidden for a token: it neither changes the account nor leads to other keys."""
    if ids.tag_of(ctx.viewer.session_id) is ids.Tag.ACCESS_TOKEN:
        raise Forbidden(message="A personal access token cannot do this: sign in")


@mutation()
async def update_viewer(ctx: Context, input: UpdateViewerInput) -> Viewer:
    """Changes the caller's name, time zone, or about what he gets letters."""
    in_person(ctx)
    name = input.name.strip() if input.name else None
    me = ctx.viewer
    await ctx.db.value("SELECT account_update($1, $2, $3)", me.id, name, input.timezone)
    if input.notifications is not None:
        await users.notify(ctx.db, me.id, asdict(input.notifications))
    ctx.become(replace(me, name=name or me.name, timezone=input.timezone or me.timezone))
    ctx.services.sessions.forget(me.session_id)
    return shown(ctx)


@mutation(transaction=False)
async def change_password(ctx: Context, input: ChangePasswordInput) -> ChangePasswordPayload:
    """Changes the password and ends every other session."""
    in_person(ctx)
    me, passwords, throttle = ctx.viewer, ctx.services.passwords, ctx.services.throttle
    attempt = await throttle.begin(ctx.db, me.email, ctx.caller.ip)
    stored = await ctx.db.value("SELECT account_hash($1)", me.id)
    if not await passwords.verify(stored, input.current):
        raise invalid("current", "This is not the password")
    await throttle.succeeded(ctx.db, attempt)
    hashed = await passwords.hash(input.new)
    if not await ctx.db.value(
        "SELECT account_password($1, $2, $3, $4)", me.id, stored, hashed, me.session_id
    ):
        raise invalid("current", "The password has just been changed elsewhere")
    return ChangePasswordPayload(success=True, user_errors=[])


@query()
async def sessions(ctx: Context) -> Connection[Any]:
    """Where the caller is signed in, newest first."""
    here = ctx.viewer.session_id
    rows = await ctx.db.records("SELECT * FROM account_sessions($1)", ctx.viewer.id)
    return _whole(
        [
            Session(
                id=row.id,
                current=row.id == here,
                created_at=row.created_at,
                last_active_at=row.last_active_at,
                expires_at=row.expires_at,
            )
            for row in rows
        ]
    )


@mutation()
async def revoke_session(ctx: Context, input: RevokeSessionInput) -> UUID:
    """Ends one of the caller's sessions."""
    in_person(ctx)
    id = ids.parse(input.id)
    if id is None or not await ctx.db.value(
        "SELECT account_session_revoke($1, $2)", ctx.viewer.id, id
    ):
        raise NotFound("session")
    ctx.services.sessions.forget(id)
    return id


@query()
async def access_tokens(ctx: Context) -> Connection[Any]:
    """The caller's personal access tokens, newest first; their secrets are not kept."""
    rows = await ctx.db.records("SELECT * FROM access_tokens_of($1)", ctx.viewer.id)
    return _whole([_token(row) for row in rows])


@mutation()
async def create_access_token(ctx: Context, input: CreateAccessTokenInput) -> AccessToken:
    """Makes a personal access token, to be sent as the Bearer; it is told only now."""
    in_person(ctx)
    if input.expires_at is not None and input.expires_at <= clock.now():
        raise invalid("expiresAt", "Must not be in the past", FaultCode.IN_THE_PAST)
    me, id, secret = ctx.viewer.id, ids.new(ids.Tag.ACCESS_TOKEN), secrets.token_urlsafe(32)
    if not await ctx.db.value(
        "SELECT access_token_add($1, $2, $3, $4, $5, $6, $7)",
        id, me, input.name.strip(), digest(PREFIX + secret), sorted(set(input.permissions)),
        input.expires_at, MAX_TOKENS,
    ):  # fmt: skip
        raise invalid("", f"More than {MAX_TOKENS} tokens are too many", FaultCode.LIMIT_REACHED)
    rows = await ctx.db.records("SELECT * FROM access_tokens_of($1)", me)
    (row,) = [row for row in rows if row.id == id]
    return _token(row, PREFIX + secret)


@mutation()
async def revoke_access_token(ctx: Context, input: RevokeAccessTokenInput) -> UUID:
    """Ends a personal access token."""
    in_person(ctx)
    id = ids.parse(input.id)
    if id is None or not await ctx.db.value(
        "SELECT access_token_revoke($1, $2)", ctx.viewer.id, id
    ):
        raise NotFound("token")
    ctx.services.sessions.forget(id)
    return id


def _token(row: Any, secret: str | None = None) -> AccessToken:
    return AccessToken(
        id=row.id,
        name=row.name,
        permissions=row.permissions,
        token=secret,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        created_at=row.created_at,
    )


def _whole(rows: list[Any]) -> Connection[Any]:
    """A list that is always told whole."""
    page: Page[Any] = Page(
        rows, has_next=False, has_previous=False, limit=len(rows), cursor_of=lambda row: str(row.id)
    )
    return Connection(page=page)
