"""A person's own account: sessions, personal access tokens, password."""

from datetime import datetime

import strawberry

from mypost.permissions import Permission
from mypost.schema import rules
from mypost.schema.common import MutationPayload
from mypost.schema.rules import ruled
from mypost.schema.users import Viewer


@strawberry.type(description="A place where the viewer is signed in.")
class Session:
    """A place where the viewer is signed in."""

    id: strawberry.ID
    current: bool
    created_at: datetime
    last_active_at: datetime | None
    expires_at: datetime


@strawberry.type(description="A personal access token; `token` is told once, when it is made.")
class AccessToken:
    """A personal access token; `token` is told once, when it is made."""

    id: strawberry.ID
    name: str
    permissions: list[Permission]
    token: str | None
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


@strawberry.input(description="About which outcomes to get letters; what is left out stays.")
class NotificationsInput:
    """About which outcomes to get letters; what is left out stays."""

    post_failed: bool | None = None
    post_needs_confirmation: bool | None = None
    account_needs_reauth: bool | None = None


@strawberry.input(description="What to change; what is left out stays.")
class UpdateViewerInput:
    """What to change; what is left out stays."""

    name: str | None = ruled(rules.name(100), default=None)
    timezone: str | None = ruled(rules.timezone, default=None)
    notifications: NotificationsInput | None = None


@strawberry.input(description="The password now, and the next one.")
class ChangePasswordInput:
    """The password now, and the next one."""

    current: str = ruled(rules.length(rules.MAX_PASSWORD))
    new: str = ruled(rules.password)


@strawberry.input(description="The session to end.")
class RevokeSessionInput:
    """The session to end."""

    id: strawberry.ID


@strawberry.input(description="A new token; it never allows more than its owner may.")
class CreateAccessTokenInput:
    """A new token; it never allows more than its owner may."""

    name: str = ruled(rules.name(100))
    permissions: list[Permission] = ruled(rules.most(len(Permission)))
    expires_at: datetime | None = None


@strawberry.input(description="The token to revoke.")
class RevokeAccessTokenInput:
    """The token to revoke."""

    id: strawberry.ID


@strawberry.type(description="The viewer, or why not.")
class ViewerPayload(MutationPayload):
    """The viewer, or why not."""

    viewer: Viewer | None


@strawberry.type(description="Whether the password is another one.")
class ChangePasswordPayload(MutationPayload):
    """Whether the password is another one."""

    success: bool | None


@strawberry.type(description="The token, or why not.")
class AccessTokenPayload(MutationPayload):
    """The token, or why not."""

    access_token: AccessToken | None
