"""All that can be done before the last call: a grant that lasts, and the first of two steps.

Nothing of it is visible in the world, so all of it may be repeated. It is done ten minutes before
a post is due, and again at the due second where that has not been enough.
"""

import asyncio
import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

import structlog

from mypost import clock
from mypost.crypto import Keys
from mypost.jobs import outcome, points, refresh
from mypost.jobs.outcome import Transition
from mypost.models.lanes import TROUBLE, Lanes, Sending
from mypost.networks import (
    Draft,
    Expired,
    Grant,
    Kind,
    Network,
    NotSent,
    Prepared,
    Step,
    Unknown,
)

# A handle that ends within this time after the post is due is made anew.
MARGIN = timedelta(seconds=30)
AGAIN_IN = 30.0

log = structlog.get_logger()


class Ready(NamedTuple):
    """Everything the last call takes."""

    grant: Grant
    draft: Draft


async def ready(
    lanes: Lanes, keys: Keys, network: Network, sending: Sending
) -> tuple[Sending, Ready | Transition]:
    """Answers what the last call takes, or what becomes of the target without it."""
    grant = outcome.grant(keys, sending)
    if grant is not None and refresh.is_due(network, grant, sending):
        renewed = await refresh.renew(lanes.grants, keys, network, sending)
        if isinstance(renewed, Transition):
            return sending, renewed
        sending, grant = renewed, outcome.grant(keys, renewed)
    if grant is None:
        answer = Expired("There is no grant we can read: connect the account again")
        return sending, outcome.transition(answer, sending)
    if network.terms(grant).kind is not Kind.TWO_STEP or _holds(sending):
        return sending, Ready(grant, outcome.draft(sending))
    return sending, await _step(lanes, network, grant, sending)


def _holds(sending: Sending) -> bool:
    """Tells whether there is a handle that will still be good."""
    ends, needed = sending.handle_ends_at, max(clock.now(), sending.due_at)
    return sending.handle is not None and (ends is None or ends - needed > MARGIN)


async def _step(
    lanes: Lanes, network: Network, grant: Grant, sending: Sending
) -> Ready | Transition:
    """Takes the first step and stores its handle: what is published must be known before."""
    draft = dataclasses.replace(outcome.draft(sending), handle=None)
    step = await _ask(network, grant, draft)
    points.reach("prepared")
    if not isinstance(step, Prepared):
        # A first step whose answer was lost has made nothing that anybody sees.
        said = NotSent(step.message) if isinstance(step, Unknown) else step
        return outcome.transition(said, sending)
    try:
        stored = await lanes.prepared(sending, step)
    except TROUBLE as fault:
        log.warning("handle_lost", target=str(sending.target_id), reason=type(fault).__name__)
        stored = False
    if not stored:
        return outcome.withheld()
    return Ready(grant, dataclasses.replace(draft, handle=step.handle))


async def _ask(network: Network, grant: Grant, draft: Draft) -> Step:
    try:
        async with asyncio.timeout(network.timeout):
            return await network.prepare(grant, draft)
    except Exception as fault:  # noqa: BLE001 - nothing is visible, whatever it was
        return Unknown(f"no answer ({type(fault).__name__})")


async def ahead(
    lanes: Lanes, keys: Keys, networks: Mapping[str, Network], sending: Sending
) -> bool:
    """Prepares one target that is not due yet; answers whether it is ready."""
    network = networks.get(sending.network)
    if network is None:
        await lanes.ahead_done(sending, AGAIN_IN)
        return False
    sending, found = await ready(lanes, keys, network, sending)
    target = str(sending.target_id)
    if isinstance(found, Ready):
        await lanes.ahead_done(sending, None)
        log.info("prepared", target=target)
        return True
    reason = found.facts.error["message"] if found.facts.error else found.to
    log.warning("not_prepared", target=target, reason=reason)
    if found.facts.account_status is not None:
        # Told ten minutes early, while there is time to connect the account again.
        await lanes.reconnect(sending, reason)
    await lanes.ahead_done(sending, AGAIN_IN if found.to == "scheduled" else None)
    return False
