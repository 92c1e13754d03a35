"""Social accounts as the contract shows them."""

import enum
from datetime import MAXYEAR, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import strawberry

from mypost import clock, ids
from mypost.models import brands, queues
from mypost.networks import discover
from mypost.networks.text import MEDIA
from mypost.schema.brands import Brand
from mypost.schema.common import Info, MutationPayload, Node, computed, derived, relation, sizes

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


@strawberry.enum(description="Why an account's posts wait although they are due.")
class HoldReason(enum.Enum):
    """Why an account's posts wait although they are due."""

    RATE_LIMITED = "rate_limited"
    NETWORK_UNREACHABLE = "network_unreachable"
    NETWORK_REFUSED = "network_refused"
    NEEDS_REAUTH = "needs_reauth"
    UNKNOWN = "unknown"
    BREAKER = "breaker"
    BUDGET = "budget"


@strawberry.type(description="What an account's posts wait for.")
class AccountHold:
    """What an account's posts wait for; without an end, for somebody."""

    reason: HoldReason
    until: datetime | None


@strawberry.type(description="What a network says is left of an account's quota.")
class AccountBudget:
    """What a network says is left of an account's quota."""

    limit: int
    remaining: int
    resets_at: datetime


def hold(queue: Any) -> AccountHold | None:
    """What its posts wait for, when they do."""
    if queue is None or queue.hold_until is None:
        return None
    until = queue.hold_until
    endless = until.year == MAXYEAR
    return AccountHold(reason=queue.hold_reason, until=None if endless else until)


def budget(queue: Any) -> AccountBudget | None:
    """What its network says is left; null when it has not said."""
    if queue is None or queue.budget_limit is None:
        return None
    resets = queue.budget_resets_at
    left = queue.budget_limit if resets <= clock.now() else queue.budget_left
    return AccountBudget(limit=queue.budget_limit, remaining=left, resets_at=resets)


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
    hold: AccountHold | None = derived(queues.OF_ACCOUNT, hold)
    budget: AccountBudget | None = derived(queues.OF_ACCOUNT, budget)
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
