"""Invitations and lost passwords as the contract shows them."""

import enum
from datetime import datetime
from typing import ClassVar

import strawberry

from mypost import ids
from mypost.schema import rules
from mypost.schema.auth import RefreshTokenIn
from mypost.schema.common import MutationPayload, Node
from mypost.schema.rules import once, ruled


@strawberry.enum(description="What has become of an invitation.")
class InvitationStatus(enum.Enum):
    """What has become of an invitation."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


@strawberry.type(description="An address that may join a workspace.")
class Invitation(Node):
    """An address that may join a workspace; the way in stands in the letter only."""

    TAG: ClassVar[ids.Tag] = ids.Tag.INVITATION

    workspace_id: strawberry.ID
    email: str
    role_id: strawberry.ID
    status: InvitationStatus
    expires_at: datetime
    created_at: datetime


@strawberry.input(description="Whom to invite, and as what.")
class InviteUserInput:
    """Whom to invite, and as what."""

    workspace_id: strawberry.ID
    email: str = ruled(rules.email)
    role_id: strawberry.ID
    idempotency_key: str | None = once()


@strawberry.input(description="The invitation to act on.")
class InvitationActionInput:
    """The invitation to act on."""

    id: strawberry.ID
    idempotency_key: str | None = once()


@strawberry.input(description="The token of the letter; a newcomer adds his name and a password.")
class AcceptInvitationInput:
    """The token of the letter; a newcomer adds his name and a password."""

    token: str = ruled(rules.length(200))
    name: str | None = ruled(rules.name(100), default=None)
    password: str | None = ruled(rules.length(rules.MAX_PASSWORD), default=None)
    refresh_token_in: RefreshTokenIn | None = None


@strawberry.input(description="Whose password is lost.")
class RequestPasswordResetInput:
    """Whose password is lost."""

    email: str = ruled(rules.email)


@strawberry.input(description="The token of the letter, and the next password.")
class ResetPasswordInput:
    """The token of the letter, and the next password."""

    token: str = ruled(rules.length(200))
    password: str = ruled(rules.password)


@strawberry.type(description="The invitation, or why not.")
class InvitationPayload(MutationPayload):
    """The invitation, or why not."""

    invitation: Invitation | None


@strawberry.type(description="Whether it is done; an unknown address is not told.")
class PasswordResetPayload(MutationPayload):
    """Whether it is done; an unknown address is not told."""

    success: bool | None
