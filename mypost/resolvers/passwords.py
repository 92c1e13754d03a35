"""Lost passwords: a letter with a way to set another."""

import secrets

from mypost import ids
from mypost.context import Context
from mypost.crypto import digest
from mypost.errors import invalid
from mypost.operation import Access, mutation
from mypost.resolvers.auth import address_of
from mypost.schema.invitations import (
    PasswordResetPayload,
    RequestPasswordResetInput,
    ResetPasswordInput,
)

SUBJECT = "Another password for MyPost"
DEAD = "This link does not hold"
LETTER = """Somebody, probably you, asked for another password for MyPost.

Set it with this link within an hour:
{origin}/#/password/{token}

If it was not you, do nothing: the password stays.
"""


@mutation(Access.PUBLIC)
async def request_password_reset(
    ctx: Context, input: RequestPasswordResetInput
) -> PasswordResetPayload:
    """Sends a letter with a way to set another password; an unknown address is not told."""
    address = address_of(input.email)
    await ctx.services.throttle.begin(ctx.db, address, ctx.caller.ip, "letter")
    token, mail = secrets.token_urlsafe(32), ids.new(ids.Tag.MAIL)
    text = LETTER.format(origin=ctx.services.settings.origin, token=token)
    await ctx.db.value(
        "SELECT reset_open($1, $2, $3, $4, $5, $6)",
        address, ids.new(ids.Tag.TOKEN), digest(token), mail, SUBJECT,
        ctx.letter(mail, text),
    )  # fmt: skip
    ctx.after_commit("mail", mail)
    return PasswordResetPayload(success=True, user_errors=[])


@mutation(Access.PUBLIC, transaction=False)
async def reset_password(ctx: Context, input: ResetPasswordInput) -> PasswordResetPayload:
    """Sets another password by the token of the letter, and ends every session and token."""
    key = digest(input.token)
    if not await ctx.db.value("SELECT reset_holds($1)", key):
        raise invalid("token", DEAD)
    hashed = await ctx.services.passwords.hash(input.password)
    if not await ctx.db.value("SELECT reset_use($1, $2)", key, hashed):
        raise invalid("token", DEAD)
    return PasswordResetPayload(success=True, user_errors=[])
