"""How often the viewer may ask."""

from uuid import UUID

import strawberry

from mypost.context import Context
from mypost.meter import State
from mypost.operation import query
from mypost.schema.limits import RateLimit, RateLimitScope, RateLimitWindow


@query()
async def rate_limit(ctx: Context) -> RateLimit:
    """What the viewer may still ask this second, and what this operation is charged."""
    meter, workspaces = ctx.meter, ctx.viewer.scope()
    own, *others = await meter.look(workspaces)
    windows = [_window(own), *map(_window, others, workspaces)]
    tightest = min(windows, key=lambda window: window.remaining)
    return RateLimit(
        cost=meter.cost,
        charged=meter.weight,
        limit=tightest.limit,
        remaining=tightest.remaining,
        reset=tightest.reset,
        windows=windows,
    )


def _window(state: State, workspace: UUID | None = None) -> RateLimitWindow:
    return RateLimitWindow(
        scope=RateLimitScope.WORKSPACE if workspace else RateLimitScope.USER,
        workspace_id=strawberry.ID(str(workspace)) if workspace else None,
        limit=state.limit,
        remaining=state.left,
        reset=state.reset,
    )
