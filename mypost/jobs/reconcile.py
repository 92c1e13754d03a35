"""Looking at what nobody knows yet: did the post go out, and has the network finished with it?"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from mypost.crypto import Keys
from mypost.jobs import outcome, points, refresh
from mypost.jobs.outcome import Transition
from mypost.models.lanes import Facts, Lanes, Sending
from mypost.networks import (
    Absent,
    Finding,
    Grant,
    Kind,
    Network,
    Published,
    Rejected,
    Several,
    Unreadable,
)

READINGS = 2
PATIENCE = timedelta(minutes=15)
# Shorter than the ten seconds for which a target is ours: two readings never overlap.
LONGEST_READING = 8.0
SOONEST, LATEST = 1.0, 10.0
BLIND = "This network cannot be asked whether the post went out"
GONE = "The account is no longer connected, so nobody can look"


async def look(
    lanes: Lanes, keys: Keys, networks: Mapping[str, Network], sending: Sending
) -> Transition | None:
    """Reads the network once and answers what that settles, or None when it settles nothing yet."""
    network = networks.get(sending.network)
    grant = outcome.grant(keys, sending)
    if network is None:
        return _ask_somebody(sending, BLIND)
    if grant is None:
        return _ask_somebody(sending, GONE)
    if network.terms(grant).kind is Kind.BLIND:
        return _ask_somebody(sending, BLIND)
    if sending.account_status != "needs_reauth" and refresh.is_due(network, grant, sending):
        await _renew(lanes, keys, network, sending)
        return None
    finding = await _read(network, grant, sending)
    if sending.state == "confirming":
        points.reach("polled")
        return await _confirming(lanes, sending, finding)
    points.reach("reconciled")
    return await _unknown(lanes, network, grant, sending, finding)


def _ask_somebody(sending: Sending, message: str) -> Transition:
    """Nobody can look: the question is a person's, by way of `unknown`."""
    if sending.state == "confirming":
        return outcome.unknown(message)
    return outcome.needs_confirmation(message)


async def _renew(lanes: Lanes, keys: Keys, network: Network, sending: Sending) -> None:
    """Renews the grant for the next reading: the target may be another looker's after that."""
    found = await refresh.renew(lanes.grants, keys, network, sending)
    if isinstance(found, Transition) and found.facts.account_status is not None:
        await lanes.reconnect(sending, "The grant ended and could not be renewed")
    await lanes.look_again(sending, SOONEST)


async def _read(network: Network, grant: Grant, sending: Sending) -> Finding:
    try:
        async with asyncio.timeout(min(network.timeout, LONGEST_READING)):
            return await network.find_published(grant, outcome.draft(sending))
    except Exception as fault:  # noqa: BLE001 - whatever a network does, the row must settle
        return Unreadable(type(fault).__name__)


async def _confirming(lanes: Lanes, sending: Sending, finding: Finding) -> Transition | None:
    """Settles what the network had accepted and was still at."""
    match finding:
        case Published():
            return outcome.published(finding, "lookup_found")
        case Rejected():
            return outcome.rejected(finding, sending.attempts, "lookup_found")
    if _age(sending) >= PATIENCE:
        return outcome.unknown("The network did not finish with the post in 15 minutes")
    await _later(lanes, sending)
    return None


async def _unknown(
    lanes: Lanes, network: Network, grant: Grant, sending: Sending, finding: Finding
) -> Transition | None:
    """Settles a lost answer, if this reading does."""
    match finding:
        case Published():
            return outcome.published(finding, "lookup_found")
        case Several(count):
            return outcome.needs_confirmation(f"{count} posts of the account may be this one")
        case Absent() | Rejected():
            terms = network.terms(grant)
            if await lanes.absent(sending, network.timeout + terms.settle, terms.apart) < READINGS:
                return None
            # A first step that failed is not taken up again.
            spent = "" if isinstance(finding, Rejected) else None
            return Transition("scheduled", Facts(proof="lookup_absent", retry_in=0, handle=spent))
    if _age(sending) >= PATIENCE:
        said = finding.message if isinstance(finding, Unreadable) else "it is not finished"
        return outcome.needs_confirmation(f"Nobody could find out for 15 minutes: {said}")
    await _later(lanes, sending)
    return None


def _age(sending: Sending) -> timedelta:
    """Answers how long ago it was sent, by the database's clock."""
    return sending.looked_at - sending.sent_at


async def _later(lanes: Lanes, sending: Sending) -> None:
    """Looks again soon, and less often the longer it takes."""
    pause = _age(sending).total_seconds() / 4
    await lanes.look_again(sending, min(LATEST, max(SOONEST, pause)))
