"""What a subscriber hears of requests for review."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry

from mypost.feed import Event
from mypost.models import approvals
from mypost.schema.approvals import Approval, ApprovalStatus
from mypost.schema.common import Info, ResyncRequired, computed


def event_approval(root: strawberry.Parent[Any], info: Info) -> Approval:
    """The request as it is now."""
    return info.context.load(approvals.OF_EVENT, root)  # type: ignore[return-value]


@strawberry.type(description="Somebody asked for a review, or a request was settled.")
class ApprovalEvent:
    """Somebody asked for a review, or a request was settled; the statuses are of that moment."""

    approval_id: strawberry.Private[UUID]

    cursor: str
    type: str
    occurred_at: datetime
    previous_status: ApprovalStatus | None
    status: ApprovalStatus
    approval: Approval = computed(event_approval)


ApprovalUpdate = Annotated[
    ApprovalEvent | ResyncRequired,
    strawberry.union("ApprovalUpdate", description="What a subscriber to approvals hears."),
]


def told(event: Event) -> ApprovalEvent:
    """Spells an event of the feed as the contract does."""
    said = event.payload
    before = said["previousStatus"]
    return ApprovalEvent(
        approval_id=UUID(said["approvalId"]),
        cursor=str(event.number),
        type=event.type,
        occurred_at=event.occurred_at,
        previous_status=ApprovalStatus(before) if before else None,
        status=ApprovalStatus(said["status"]),
    )
