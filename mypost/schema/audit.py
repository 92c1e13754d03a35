"""The audit trail as the contract shows it."""

from datetime import datetime
from typing import Any, ClassVar

import strawberry

from mypost import ids
from mypost.schema.common import JSON, Node, computed


@strawberry.type(description="Who acted: a person, or the system on his behalf.")
class Actor:
    """Who acted: a person, or the system on his behalf."""

    type: str


def actor(root: strawberry.Parent[Any]) -> Actor:
    """Who acted."""
    return Actor(type=root.actor_type)


@strawberry.type(description="Something that was done, and by whom; never changed afterwards.")
class AuditEvent(Node):
    """Something that was done, and by whom; never changed afterwards."""

    TAG: ClassVar[ids.Tag] = ids.Tag.AUDIT_EVENT

    action: str
    user_id: strawberry.ID | None
    actor: Actor = computed(actor)
    resource_type: str
    resource_id: strawberry.ID
    metadata: JSON
    ip: str | None
    request_id: str | None
    created_at: datetime


@strawberry.input(description="Which events; every condition must hold.")
class AuditFilter:
    """Which events; every condition must hold."""

    action: str | None = None
    user_id: strawberry.ID | None = None
    resource_type: str | None = None
    resource_id: strawberry.ID | None = None
    from_: datetime | None = strawberry.field(name="from", default=None)
    to: datetime | None = None
