"""Webhooks: list, create, change, delete, rotate, try, send again."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from mypost import clock, egress, ids, signatures
from mypost.context import Context
from mypost.errors import Fault, FaultCode, IllegalState, Invalid, NotFound, invalid
from mypost.models import webhooks as rows
from mypost.models import workspaces
from mypost.models.paging import Slice
from mypost.models.webhooks import Delivery, Webhook
from mypost.models.workspaces import Workspace
from mypost.once import Again
from mypost.operation import On, mutation, query
from mypost.permissions import Permission
from mypost.schema import webhooks as shapes
from mypost.schema.common import Connection
from mypost.schema.webhooks import (
    CreateWebhookInput,
    DeleteWebhookInput,
    RedeliverDeliveryInput,
    RedeliverWebhookInput,
    RedeliveryPayload,
    RotateWebhookSecretInput,
    UpdateWebhookInput,
    WebhookActionInput,
)

SETTINGS = Permission.WORKSPACE_SETTINGS
INSIDE = On(workspaces.BY_ID, "workspace", "workspace_id", only=True)
MAKING = On(workspaces.BY_ID, "workspace", "workspace_id", lock=True, only=True)
WEBHOOK = On(rows.BY_ID, "webhook")
CHANGING = On(rows.BY_ID, "webhook", lock=True)
DELIVERY = On(rows.DELIVERY_BY_ID, "delivery")
MAX_WEBHOOKS = 20
REACH = timedelta(days=14)


@query(on=INSIDE, requires=SETTINGS)
async def webhooks(
    ctx: Context, workspace: Workspace, first: int | None = None, after: str | None = None
) -> Connection[Any]:
    """The webhooks of a workspace, newest first."""
    return Connection(page=await ctx.page(rows.BY_WORKSPACE, Slice(first, after), workspace.id))


@query(on=WEBHOOK, requires=SETTINGS)
async def webhook(ctx: Context, webhook: Webhook) -> Webhook:
    """One webhook."""
    return webhook


@query(on=DELIVERY, requires=SETTINGS)
async def delivery(ctx: Context, delivery: Delivery) -> Delivery:
    """What one webhook was told once, and every try."""
    return delivery


def _refer(answer: Any) -> Any:
    return {"id": str(answer.id)}


async def _restore(ctx: Context, reference: Any) -> Webhook:
    found = await ctx.find(rows.BY_ID, UUID(reference["id"]))
    if found is None:
        raise NotFound("webhook")
    return found


@mutation(on=MAKING, requires=SETTINGS, audit="webhook.created", again=Again(_refer, _restore))
async def create_webhook(
    ctx: Context, workspace: Workspace, input: CreateWebhookInput
) -> shapes.Webhook:
    """Has an address told what happens in a workspace; its secret is answered only now."""
    _outward(ctx, input.url)
    if await rows.count(ctx.db, workspace.id) >= MAX_WEBHOOKS:
        raise invalid("", f"A workspace has {MAX_WEBHOOKS} at most", FaultCode.LIMIT_REACHED)
    id = ids.new(ids.Tag.WEBHOOK)
    await rows.insert(ctx.db, id, workspace.id, input.url, sorted(set(input.events)), ctx.viewer.id)
    return await _with_secret(ctx, id, input.secret)


@mutation(on=CHANGING, requires=SETTINGS, audit="webhook.updated")
async def update_webhook(ctx: Context, webhook: Webhook, input: UpdateWebhookInput) -> Webhook:
    """Changes where a webhook is, what it is told, or whether at all."""
    if input.url is not None:
        _outward(ctx, input.url)
    events = webhook.events if input.events is None else sorted(set(input.events))
    active = webhook.active if input.active is None else input.active
    await rows.update(ctx.db, webhook, input.url or webhook.url, events, active=active)
    return await ctx.get(rows.BY_ID, webhook.id, "webhook")


@mutation(on=CHANGING, requires=SETTINGS)
async def delete_webhook(ctx: Context, webhook: Webhook, input: DeleteWebhookInput) -> UUID:
    """Deletes a webhook; nothing more is told to it."""
    await rows.delete(ctx.db, webhook.id)
    await ctx.audit("webhook.deleted", webhook)
    return webhook.id


@mutation(
    on=CHANGING, requires=SETTINGS, audit="webhook.secret_rotated", again=Again(_refer, _restore)
)
async def rotate_webhook_secret(
    ctx: Context, webhook: Webhook, input: RotateWebhookSecretInput
) -> shapes.Webhook:
    """Replaces the secret; for 24 hours messages are signed with the old one too."""
    return await _with_secret(ctx, webhook.id, input.secret)


@mutation(on=WEBHOOK, requires=SETTINGS, audit="webhook.tested")
async def test_webhook(ctx: Context, webhook: Webhook, input: WebhookActionInput) -> Delivery:
    """Sends `webhook.test` to a webhook once, even to one that is switched off."""
    id = ids.new(ids.Tag.DELIVERY)
    await rows.try_it(ctx.db, webhook, id)
    ctx.after_commit("webhooks")
    return await ctx.get(rows.DELIVERY_BY_ID, id, "delivery")


async def _restore_queued(ctx: Context, reference: Any) -> RedeliveryPayload:
    return RedeliveryPayload(queued=reference, user_errors=[])


@mutation(on=WEBHOOK, requires=SETTINGS, again=Again(lambda p: p.queued, _restore_queued))
async def redeliver_webhook(
    ctx: Context, webhook: Webhook, input: RedeliverWebhookInput
) -> RedeliveryPayload:
    """Sends again what failed between two moments, with the same ids and words."""
    faults = []
    if input.from_ < clock.now() - REACH:
        faults.append(Fault(("from",), f"Must not be more than {REACH.days} days ago"))
    if input.to <= input.from_:
        faults.append(Fault(("to",), "Must be after from"))
    if faults:
        raise Invalid(faults)
    _switched_on(webhook)
    queued = await rows.redeliver_failed(ctx.db, webhook.id, input.from_, input.to)
    await ctx.audit("webhook.redelivered", webhook, count=queued)
    ctx.after_commit("webhooks")
    return RedeliveryPayload(queued=queued, user_errors=[])


@mutation(on=DELIVERY, requires=SETTINGS, audit="delivery.redelivered")
async def redeliver_delivery(
    ctx: Context, delivery: Delivery, input: RedeliverDeliveryInput
) -> Delivery:
    """Sends a delivery again, whether it arrived or not, with the same id and words."""
    webhook = await ctx.find(rows.BY_ID, delivery.webhook_id)
    if webhook is None:
        raise IllegalState("The webhook is deleted")
    if delivery.event != rows.TEST:
        _switched_on(webhook)
    await rows.redeliver(ctx.db, delivery)
    ctx.after_commit("webhooks")
    return await ctx.get(rows.DELIVERY_BY_ID, delivery.id, "delivery")


async def _with_secret(ctx: Context, id: UUID, given: str | None) -> shapes.Webhook:
    key = signatures.new_key() if given is None else signatures.read_key(given)
    row = await ctx.get(rows.BY_ID, id, "webhook")
    await rows.add_secret(ctx.db, ctx.keys, row.workspace_id, id, key)
    return shapes.telling(row, signatures.spell_key(key))


def _outward(ctx: Context, url: str) -> None:
    try:
        egress.check(url, dev=ctx.services.settings.dev_egress)
    except egress.Refused as refused:
        raise invalid("url", str(refused)) from None


def _switched_on(webhook: Webhook) -> None:
    if not webhook.active:
        raise IllegalState("The webhook is switched off: switch it on first")
