"""The way to connect an account."""

import asyncio
import enum
from datetime import datetime
from typing import Any, ClassVar

import strawberry

from mypost import ids
from mypost.models import accounts
from mypost.models.choices import open_found
from mypost.models.connections import ENDED, has_ended
from mypost.schema import rules
from mypost.schema.accounts import Network, SocialAccount
from mypost.schema.common import JSON, Info, MutationPayload, Node, computed, sizes
from mypost.schema.rules import once, ruled


@strawberry.enum(description="How a network lets MyPost in.")
class ConnectionKind(enum.Enum):
    """How a network lets MyPost in."""

    OAUTH = "oauth"
    CREDENTIALS = "credentials"


@strawberry.enum(description="How far an attempt to connect has come.")
class ConnectionStatus(enum.Enum):
    """How far an attempt to connect has come."""

    PENDING = "pending"
    CHOOSE_ACCOUNT = "choose_account"
    CONNECTED = "connected"
    FAILED = "failed"


@strawberry.type(description="What a network asks for.")
class CredentialField:
    """What a network asks for."""

    name: str
    label: str
    secret: bool
    help: str
    choices: list[str]


@strawberry.type(description="What to do next to connect an account.")
class ConnectionOffer:
    """What to do next to connect an account."""

    connection_id: strawberry.ID
    kind: ConnectionKind
    authorization_url: str | None
    fields: list[CredentialField] | None = strawberry.field(directives=sizes(5))
    state: str
    expires_at: datetime


@strawberry.type(description="An account to choose from.")
class AccountChoice:
    """An account to choose from."""

    id: str
    name: str
    handle: str


async def connected(root: strawberry.Parent[Any], info: Info) -> list[SocialAccount]:
    """The accounts it has connected."""
    found = [info.context.load_key(accounts.OF_TARGET, id) for id in root.account_ids]
    return [each for each in await asyncio.gather(*found) if each is not None]


def choices(root: strawberry.Parent[Any], info: Info) -> list[AccountChoice] | None:
    """The accounts to choose from, once the network has named them; for who has begun it."""
    mine = root.created_by == info.context.viewer.id
    if not mine or root.status != ConnectionStatus.CHOOSE_ACCOUNT.value or has_ended(root):
        return None
    return [
        AccountChoice(id=each.external_id, name=each.name, handle=each.handle)
        for each in open_found(info.context.keys, root)
    ]


def status(root: strawberry.Parent[Any]) -> ConnectionStatus:
    """How far it has come; what was not brought to its end in time has failed."""
    return ConnectionStatus.FAILED if has_ended(root) else ConnectionStatus(root.status)


def error(root: strawberry.Parent[Any]) -> str | None:
    """Why it has failed."""
    return ENDED if has_ended(root) else root.error


@strawberry.type(description="One attempt to connect an account; it ends after ten minutes.")
class SocialConnection(Node):
    """One attempt to connect an account; it ends after ten minutes."""

    TAG: ClassVar[ids.Tag] = ids.Tag.CONNECTION

    network: Network
    status: ConnectionStatus = computed(status)
    error: str | None = computed(error)
    expires_at: datetime
    choices: list[AccountChoice] | None = computed(choices, size=10)
    accounts: list[SocialAccount] = computed(connected, size=5)


@strawberry.input(description="Which network to connect.")
class ConnectSocialAccountInput:
    """Which network to connect."""

    brand_id: strawberry.ID
    network: Network
    idempotency_key: str | None = once()


@strawberry.input(description="The account whose access is renewed.")
class ReconnectSocialAccountInput:
    """The account whose access is renewed."""

    id: strawberry.ID
    idempotency_key: str | None = once()


@strawberry.input(description="What the network asked for.")
class CompleteConnectionInput:
    """What the network asked for."""

    id: strawberry.ID
    credentials: JSON | None = None
    account_ids: list[str] | None = ruled(rules.most(50), default=None)
    idempotency_key: str | None = once()


@strawberry.type(description="What to do next, or why not.")
class ConnectionOfferPayload(MutationPayload):
    """What to do next, or why not."""

    connection: ConnectionOffer | None


@strawberry.type(description="How far it has come, or why not.")
class ConnectionPayload(MutationPayload):
    """How far it has come, or why not."""

    connection: SocialConnection | None
