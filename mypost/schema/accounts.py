"""Social accounts as the contract shows them."""

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import strawberry

from mypost import ids
from mypost.models import brands
from mypost.networks import discover
from mypost.networks.text import MEDIA
from mypost.schema.brands import Brand
from mypost.schema.common import Info, MutationPayload, Node, computed, relation, sizes

if TYPE_CHECKING:

    class Network(enum.Enum):
        """A kind of platform; its members are what `networks/` holds."""

else:
    Network = strawberry.enum(
        enum.Enum("Network", {key.upper(): key for key in discover()}),
        description="A kind of platform; one file each in `networks/`.",
    )


@strawberry.enum(description="Whether an account can publish.")
class AccountStatus(enum.Enum):
    """Whether an account can publish."""

    ACTIVE = "active"
    EXPIRING = "expiring"
    NEEDS_REAUTH = "needs_reauth"
    DISCONNECTED = "disconnected"


@strawberry.type(description="How much text an account's network takes.")
class TextLimit:
    """How much text an account's network takes."""

    unit: str
    max: int


@strawberry.type(description="What an account's network takes.")
class AccountLimits:
    """What an account's network takes."""

    text: list[TextLimit] = strawberry.field(directives=sizes(2))


def limits(root: strawberry.Parent[Any], info: Info) -> AccountLimits:
    """What its network takes."""
    network = info.context.services.networks.get(root.network)
    measured = [m for m in network.measure("") if m.unit != MEDIA] if network else []
    return AccountLimits(text=[TextLimit(unit=m.unit, max=m.limit) for m in measured])


@strawberry.type(description="One connected profile or page on a network.")
class SocialAccount(Node):
    """One connected profile or page on a network."""

    TAG: ClassVar[ids.Tag] = ids.Tag.ACCOUNT

    brand_id: strawberry.ID
    network: Network
    name: str
    handle: str
    external_id: str
    profile_image_url: str | None
    status: AccountStatus
    scopes: list[str]
    token_expires_at: datetime | None
    last_error: str | None
    limits: AccountLimits = computed(limits)
    created_at: datetime
    updated_at: datetime
    brand: Brand = relation(brands.OWNER, "Whose voice it is.")


@strawberry.input(description="The account to let go.")
class DisconnectSocialAccountInput:
    """The account to let go."""

    id: strawberry.ID


@strawberry.type(description="The account, or why not.")
class SocialAccountPayload(MutationPayload):
    """The account, or why not."""

    account: SocialAccount | None
