"""Webhooks and deliveries as the contract shows them."""

import enum
from datetime import datetime
from typing import Any, ClassVar

import strawberry

from mypost import ids
from mypost.events import WebhookEvent
from mypost.models import webhooks
from mypost.models.paging import Slice
from mypost.operation import check
from mypost.schema import rules
from mypost.schema.common import (
    Connection,
    Info,
    MutationPayload,
    Node,
    computed,
    pages,
    read_time,
    values,
)
from mypost.schema.rules import once, ruled

strawberry.enum(WebhookEvent, name="WebhookEvent", description="What a webhook can be told.")


@strawberry.enum(description="What has become of a delivery.")
class DeliveryStatus(enum.Enum):
    """What has become of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@strawberry.enum(description="Why a webhook was switched off: it said so, or nobody answered.")
class DisabledReason(enum.Enum):
    """Why a webhook was switched off: it said so, or nobody answered for five days."""

    GONE = "gone"
    FAILING = "failing"


@strawberry.type(description="One try to deliver, and what was answered.")
class DeliveryAttempt:
    """One try to deliver, and what was answered."""

    at: datetime
    status_code: int | None
    duration_ms: int
    error: str | None
    answer: str | None


def attempts(root: strawberry.Parent[Any]) -> list[DeliveryAttempt]:
    """Every try, oldest first; at most the last 50."""
    return [
        DeliveryAttempt(
            at=read_time(each["at"]),
            status_code=each["statusCode"],
            duration_ms=each["durationMs"],
            error=each["error"],
            answer=each["answer"],
        )
        for each in root.log
    ]


@strawberry.type(description="One event for one webhook; its id is the message's in every try.")
class Delivery(Node):
    """One event for one webhook; its id is the message's in every try."""

    TAG: ClassVar[ids.Tag] = ids.Tag.DELIVERY

    webhook_id: strawberry.ID
    event: str
    status: DeliveryStatus
    body: str
    attempt_count: int
    attempts: list[DeliveryAttempt] = computed(attempts, size=2)
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime


@strawberry.input(description="Which deliveries; every condition must hold.")
class DeliveryFilter:
    """Which deliveries; every condition must hold."""

    status: list[DeliveryStatus] | None = None
    event: str | None = None


async def resolve(
    root: strawberry.Parent[Any],
    info: Info,
    first: int | None = None,
    after: str | None = None,
    filter: DeliveryFilter | None = None,
) -> Any:
    """What it was told in the last 30 days, newest first."""
    chosen = {}
    if filter is not None:
        check(filter)
        chosen = {"status": values(filter.status), "event": filter.event}
    found = await info.context.page(webhooks.DELIVERIES, Slice(first, after), root.id, chosen)
    return Connection(page=found)


del resolve.__annotations__["return"]
deliveries_field: Any = strawberry.field(
    resolver=resolve, description=resolve.__doc__, directives=[pages("first")]
)


@strawberry.type(description="An address that is told what happens in a workspace.")
class Webhook(Node):
    """An address that is told what happens; `secret` is told once, when it is made or rotated."""

    TAG: ClassVar[ids.Tag] = ids.Tag.WEBHOOK

    workspace_id: strawberry.ID
    url: str
    events: list[WebhookEvent]
    active: bool
    secret: str | None
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: DisabledReason | None
    version: int
    created_at: datetime
    updated_at: datetime
    deliveries: Connection[Delivery] = deliveries_field


FIELDS = (
    "id", "workspace_id", "url", "events", "active", "failing_since", "disabled_at",
    "disabled_reason", "version", "created_at", "updated_at",
)  # fmt: skip


def telling(row: Any, secret: str) -> Webhook:
    """Spells a webhook with its secret, for the one answer that tells it."""
    return Webhook(**{name: getattr(row, name) for name in FIELDS}, secret=secret)


@strawberry.input(description="Where to tell what; without a secret one is made.")
class CreateWebhookInput:
    """Where to tell what; without a secret one is made."""

    workspace_id: strawberry.ID | None = None
    url: str = ruled(rules.web_address)
    events: list[WebhookEvent] = ruled(rules.chosen(len(WebhookEvent)))
    secret: str | None = ruled(rules.signing_secret, default=None)
    idempotency_key: str | None = once()


@strawberry.input(description="What to change; what is left out stays.")
class UpdateWebhookInput:
    """What to change; what is left out stays."""

    id: strawberry.ID
    url: str | None = ruled(rules.web_address, default=None)
    events: list[WebhookEvent] | None = ruled(rules.chosen(len(WebhookEvent)), default=None)
    active: bool | None = None
    expected_version: int | None = None


@strawberry.input(description="The webhook to delete.")
class DeleteWebhookInput:
    """The webhook to delete."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.input(description="The webhook to act on.")
class WebhookActionInput:
    """The webhook to act on."""

    id: strawberry.ID
    idempotency_key: str | None = once()


@strawberry.input(description="The webhook whose secret to replace; without one it is made.")
class RotateWebhookSecretInput:
    """The webhook whose secret to replace; without one it is made."""

    id: strawberry.ID
    secret: str | None = ruled(rules.signing_secret, default=None)
    idempotency_key: str | None = once()


@strawberry.input(description="What to send again: all that failed and is of this time.")
class RedeliverWebhookInput:
    """What to send again: all that failed and is of this time, 14 days back at most."""

    id: strawberry.ID
    from_: datetime = strawberry.field(name="from")
    to: datetime
    idempotency_key: str | None = once()


@strawberry.input(description="The delivery to send again.")
class RedeliverDeliveryInput:
    """The delivery to send again."""

    id: strawberry.ID
    idempotency_key: str | None = once()


@strawberry.type(description="The webhook, or why not.")
class WebhookPayload(MutationPayload):
    """The webhook, or why not."""

    webhook: Webhook | None


@strawberry.type(description="The delivery, or why not.")
class DeliveryPayload(MutationPayload):
    """The delivery, or why not."""

    delivery: Delivery | None


@strawberry.type(description="How many deliveries are sent again, or why not.")
class RedeliveryPayload(MutationPayload):
    """How many deliveries are sent again, or why not."""

    queued: int | None
