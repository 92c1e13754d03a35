"""Requests for review as the contract shows them."""

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import strawberry

from mypost import ids
from mypost.errors import invalid
from mypost.models import approvals, posts, users
from mypost.models.paging import Slice
from mypost.operation import check
from mypost.schema import rules
from mypost.schema.common import (
    Connection,
    Info,
    MutationPayload,
    Node,
    pages,
    relation,
    values,
)
from mypost.schema.rules import once, ruled
from mypost.schema.users import User

if TYPE_CHECKING:
    from mypost.schema.posts import Post

MAX_REASON = 1000


@strawberry.enum(description="What has become of a request for review.")
class ApprovalStatus(enum.Enum):
    """What has become of a request for review."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    VOIDED = "voided"
    WITHDRAWN = "withdrawn"


@strawberry.type(description="A request for review of a post exactly as it was when asked.")
class Approval(Node):
    """A request for review of a post exactly as it was when asked; a changed post voids it."""

    TAG: ClassVar[ids.Tag] = ids.Tag.APPROVAL

    post_id: strawberry.ID
    status: ApprovalStatus
    requested_by: strawberry.ID
    requested_at: datetime
    decided_by: strawberry.ID | None
    decided_at: datetime | None
    reason: str | None
    content_hash: str
    post: Annotated["Post", strawberry.lazy("mypost.schema.posts")] | None = relation(
        posts.OF_APPROVAL, "What is reviewed; null when it was deleted."
    )
    requester: User | None = relation(users.REQUESTER, "Who asked; null when he has left.")
    decider: User | None = relation(users.DECIDER, "Who decided; null when nobody has.")


@strawberry.input(description="Which requests; every condition must hold.")
class ApprovalFilter:
    """Which requests; every condition must hold."""

    status: list[ApprovalStatus] | None = None
    brand_id: strawberry.ID | None = None


async def resolve(
    root: strawberry.Parent[Any],
    info: Info,
    first: int | None = None,
    after: str | None = None,
    filter: ApprovalFilter | None = None,
) -> Any:
    """Its requests for review, newest first."""
    chosen = {}
    if filter is not None:
        check(filter)
        brand = ids.parse(filter.brand_id)
        if filter.brand_id is not None and brand is None:
            raise invalid("brandId", "Not an id")
        chosen = {"status": values(filter.status), "brand": brand}
    found = await info.context.page(approvals.BY_WORKSPACE, Slice(first, after), root.id, chosen)
    return Connection(page=found)


del resolve.__annotations__["return"]
approvals_field: Any = strawberry.field(
    resolver=resolve, description=resolve.__doc__, directives=[pages("first")]
)


@strawberry.input(description="The request to act on.")
class ApprovalActionInput:
    """The request to act on."""

    id: strawberry.ID
    idempotency_key: str | None = once()


@strawberry.input(description="The request to reject, and why.")
class RejectApprovalInput:
    """The request to reject, and why."""

    id: strawberry.ID
    reason: str = ruled(rules.length(MAX_REASON))
    idempotency_key: str | None = once()


@strawberry.type(description="The request, or why not.")
class ApprovalPayload(MutationPayload):
    """The request, or why not."""

    approval: Approval | None
