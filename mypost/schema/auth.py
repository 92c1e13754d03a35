"""Signing in and out."""

import enum

import strawberry

from mypost.schema import rules
from mypost.schema.common import MutationPayload
from mypost.schema.rules import ruled
from mypost.schema.users import User


@strawberry.enum(description="Where the refresh token goes.")
class RefreshTokenIn(enum.Enum):
    """Where the refresh token goes: a cookie for browsers, the body for everyone else."""

    COOKIE = "cookie"
    BODY = "body"


@strawberry.input(description="Who signs up.")
class RegisterInput:
    """Who signs up."""

    email: str = ruled(rules.email)
    password: str = ruled(rules.password)
    name: str = ruled(rules.name(100))
    workspace_name: str | None = ruled(rules.name(100), default=None)
    refresh_token_in: RefreshTokenIn | None = None


@strawberry.input(description="Who signs in.")
class LoginInput:
    """Who signs in."""

    email: str = ruled(rules.email)
    password: str = ruled(rules.length(rules.MAX_PASSWORD))
    refresh_token_in: RefreshTokenIn | None = None


@strawberry.input(description="The refresh token, unless the cookie carries it.")
class RefreshSessionInput:
    """The refresh token, unless the cookie carries it."""

    refresh_token: str | None = ruled(rules.length(200), default=None)
    refresh_token_in: RefreshTokenIn | None = None


@strawberry.input(description="Nothing is needed: the access token or the refresh token says who.")
class LogoutInput:
    """Nothing is needed: the access token or the refresh token says who."""

    refresh_token: str | None = ruled(rules.length(200), default=None)


@strawberry.type(description="A new session.")
class LoginPayload(MutationPayload):
    """A new session."""

    access_token: str | None
    expires_in: int | None
    refresh_token: str | None
    refresh_expires_in: int | None
    user: User | None


@strawberry.type(description="A renewed session; the old refresh token no longer counts.")
class RefreshPayload(MutationPayload):
    """A renewed session; the old refresh token no longer counts."""

    access_token: str | None
    expires_in: int | None
    refresh_token: str | None
    refresh_expires_in: int | None


@strawberry.type(description="The end of a session.")
class LogoutPayload(MutationPayload):
    """The end of a session."""

    success: bool
