"""What a subscriber hears of requests for review."""

from dataclasses import field
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from mypost.engine.groups import Groups
from mypost.feed import Event
from mypost.models import approvals
from mypost.schema.approvals import Approval, ApprovalStatus
from mypost.schema.common import ResyncRequired, relation


@strawberry.type(description="Somebody asked for a review, or a request was settled.")
class ApprovalEvent:
    """Somebody asked for a review, or a request was settled; the statuses are of that moment."""

    approval_id: strawberry.Private[UUID]
    groups: strawberry.Private[Groups] = field(default_factory=dict, compare=False, repr=False)

    cursor: str
    type: str
    occurred_at: datetime
    previous_status: ApprovalStatus | None
    status: ApprovalStatus
    approval: Approval = relation(approvals.OF_EVENT, "The request as it is now.")


ApprovalUpdate = Annotated[
    ApprovalEvent | ResyncRequired,
    strawberry.union("ApprovalUpdate", description="What a subscriber to approvals hears."),
]


def told(event: Event) -> ApprovalEvent:
    """Spells an event of the feed as the contract does, once for all who hear it."""
    if event.told is None:
        event.told = _told(event)
    return event.told  # type: ignore[no-any-return]


def _told(event: Event) -> ApprovalEvent:
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
