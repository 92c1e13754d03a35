"""How often the viewer may ask, as the contract shows it."""

import enum

import strawberry

from mypost.engine.cost import ListSize
from mypost.schema.common import FREE

MANY = ListSize(assumed_size=20)


@strawberry.enum(description="Whose requests are counted together.")
class RateLimitScope(enum.Enum):
    """Whose requests are counted together."""

    USER = "user"
    WORKSPACE = "workspace"


@strawberry.type(description="What may be asked within any one second.", directives=[FREE])
class RateLimitWindow:
    """What may be asked within any one second."""

    scope: RateLimitScope
    workspace_id: strawberry.ID | None
    limit: int
    remaining: int
    reset: int = strawberry.field(description="Seconds until there is more.")


@strawberry.type(
    description="What the viewer may still ask: the tightest window, and each of them.",
    directives=[FREE],
)
class RateLimit:
    """What the viewer may still ask: the tightest window, and each of them."""

    cost: int = strawberry.field(description="What this operation costs.")
    charged: int = strawberry.field(description="How many requests it counts as.")
    limit: int
    remaining: int
    reset: int = strawberry.field(description="Seconds until there is more.")
    windows: list[RateLimitWindow] = strawberry.field(
        description="The viewer's own, then those of his workspaces.", directives=[MANY]
    )
