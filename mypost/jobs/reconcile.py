"""Looking up what nobody knows: did the post go out?"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from mypost import clock
from mypost.crypto import Keys
from mypost.jobs import outcome, refresh
from mypost.jobs.outcome import Transition
from mypost.models.lanes import Facts, Lanes, Sending
from mypost.networks import Absent, Finding, Grant, Kind, Network, Published, Unreadable

READINGS = 2
PATIENCE = timedelta(minutes=15)
# Shorter than the ten seconds for which a target is ours: two readings never overlap.
LONGEST_READING = 8.0


async def look(  # noqa: PLR0911 - one per finding
    lanes: Lanes, keys: Keys, networks: Mapping[str, Network], sending: Sending
) -> Transition | None:
    """Reads the network once and answers what that settles, or None when it settles nothing yet."""
    network = networks.get(sending.network)
    grant = outcome.grant(keys, sending)
    if network is None or network.kind is Kind.BLIND:
        return outcome.needs_confirmation("This network cannot be asked whether the post went out")
    if grant is None:
        return outcome.needs_confirmation("The account is no longer connected, so nobody can look")
    if refresh.is_due(network, sending):
        renewed = await refresh.renew(lanes.grants, keys, network, sending)
        if isinstance(renewed, Sending):
            # The target may be another looker's by now: the next reading uses the new grant.
            return None
    read_at = clock.now()
    finding = await _read(network, grant, sending)
    match finding:
        case Published():
            return outcome.published(finding, "lookup_found")
        case Unreadable(message) if read_at >= sending.sent_at + PATIENCE:
            return outcome.needs_confirmation(f"Nobody could look for 15 minutes: {message}")
        # An early reading proves nothing: the request may still be on its way.
        case Absent() if read_at >= outcome.settled_at(sending, network.timeout, network.settle):
            if await lanes.absent(sending) >= READINGS:
                facts = Facts(proof="lookup_absent", proof_read_at=read_at, retry_at=read_at)
                return Transition("scheduled", facts)
    return None


async def _read(network: Network, grant: Grant, sending: Sending) -> Finding:
    try:
        async with asyncio.timeout(min(network.timeout, LONGEST_READING)):
            return await network.find_published(grant, outcome.draft(sending))
    except Exception as fault:  # noqa: BLE001 - whatever a network does, the row must settle
        return Unreadable(type(fault).__name__)
