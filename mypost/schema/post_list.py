"""The list of a brand's posts and its filters; apart, so that brands need not know posts."""

import enum
from datetime import datetime
from typing import Any

import strawberry

from mypost import ids
from mypost.engine.declare import ENGINE, Paged
from mypost.errors import invalid
from mypost.models import posts
from mypost.models.paging import Slice
from mypost.operation import check
from mypost.schema.common import Connection, Info, json_of, pages, values


@strawberry.enum(description="Where a post stands, in four words.")
class PostStatus(enum.Enum):
    """Where a post stands, in four words."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    FAILED = "failed"


@strawberry.enum(description="Where a post stands, exactly.")
class PostPhase(enum.Enum):
    """Where a post stands, exactly."""

    DRAFT = "draft"
    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    REJECTED = "rejected"
    SCHEDULED = "scheduled"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    PARTIALLY_PUBLISHED = "partially_published"
    NEEDS_CONFIRMATION = "needs_confirmation"
    FAILED = "failed"


@strawberry.input(description="Which posts; every condition must hold.")
class PostFilter:
    """Which posts; every condition must hold."""

    status: list[PostStatus] | None = None
    phase: list[PostPhase] | None = None
    from_: datetime | None = strawberry.field(name="from", default=None)
    to: datetime | None = None
    account_id: strawberry.ID | None = None
    tag: str | None = None


def predicates(chosen: PostFilter | None) -> dict[str, Any]:
    """Turns the filter into what the listing binds; a status is a set of phases."""
    if chosen is None:
        return {}
    check(chosen)
    account = ids.parse(chosen.account_id)
    if chosen.account_id is not None and account is None:
        raise invalid("accountId", "Not an id")
    statuses = values(chosen.status)
    return {
        "status": None if statuses is None else posts.phases_of(statuses),
        "phase": values(chosen.phase),
        "from": chosen.from_,
        "to": chosen.to,
        "account": account,
        "tag": chosen.tag,
    }


async def resolve(
    root: strawberry.Parent[Any],
    info: Info,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    filter: PostFilter | None = None,
) -> Any:
    """Its posts, newest first."""
    slice_ = Slice(first, after, last, before)
    found = await info.context.page(
        posts.BY_BRAND, slice_, root.id, predicates(filter), json_of(info)
    )
    return Connection(page=found)


del resolve.__annotations__["return"]
posts_field: Any = strawberry.field(
    resolver=resolve,
    description=resolve.__doc__,
    directives=[pages("first", "last")],
    metadata={ENGINE: Paged(posts.BY_BRAND)},
)
