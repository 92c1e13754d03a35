"""Renewing a grant that ends: one refresher per account, and nothing used before it is stored."""

import asyncio
import dataclasses
from datetime import timedelta

import structlog

from mypost import clock
from mypost.crypto import Keys
from mypost.jobs import outcome, points
from mypost.jobs.outcome import Transition
from mypost.models.accounts import seal_grant
from mypost.models.grants import Grants, Stored
from mypost.models.lanes import TROUBLE, Sending
from mypost.networks import Grant, Network, Refused, Unavailable, Unsupported

SOON = timedelta(seconds=60)
# A grant renewed so recently and refused all the same is beyond help.
YOUNG = timedelta(minutes=5)
# A send that waited longer for another's refresh would have too little left of its lease.
PATIENCE = 4.0
LONGEST_PAUSE = 2.0

log = structlog.get_logger()


def is_due(network: Network, grant: Grant, sending: Sending) -> bool:
    """Tells whether the grant ends too soon to send with it, now or when the post is due."""
    ends, needed = sending.token_expires_at, max(clock.now(), sending.due_at)
    return ends is not None and ends - needed < SOON and network.terms(grant).renews


def helps(network: Network, grant: Grant) -> bool:
    """Tells whether a new grant may cure an answer that this one has expired."""
    renewed_at = grant.renewed_at
    old = renewed_at is None or clock.now() - renewed_at > YOUNG
    return old and network.terms(grant).renews


async def renew(
    grants: Grants, keys: Keys, network: Network, sending: Sending
) -> Sending | Transition:
    """Answers the sending with a grant that lasts, or what becomes of it without one."""
    try:
        return await fresh_grant(grants, keys, network, sending)
    except (Refused, Unsupported) as refused:
        log.warning("grant_dead", account_id=str(sending.account_id), reason=str(refused))
        return outcome.expired("The network no longer renews the grant: connect the account again")
    except Unavailable as fault:
        message = f"The grant could not be renewed: {fault}"
    except Exception as fault:  # noqa: BLE001 - whatever it is, nothing has been sent
        message = f"The grant could not be renewed ({type(fault).__name__})"
    return outcome.unreachable(message, sending.attempts)


async def fresh_grant(grants: Grants, keys: Keys, network: Network, sending: Sending) -> Sending:
    """Renews the account's grant, or takes what another has stored since the sending was read.

    Raises Refused when only a person can bring a new one, Unavailable when the network was not
    reached, TimeoutError when another kept the account locked for too long.
    """
    async with grants.locked(sending.account_id, PATIENCE):
        stored = await grants.read(sending.account_id)
        grant = outcome.grant(keys, sending)
        if stored is None or stored.cipher is None or grant is None:
            raise Refused([("account", "holds no grant")])
        if stored.cipher != sending.grant_cipher:
            return _with(sending, stored)
        try:
            new = await network.refresh(grant)
        except Refused:
            # Final only if nobody has connected the account anew meanwhile.
            newest = await grants.read(sending.account_id)
            if newest is None or newest.version == stored.version:
                raise
            return _with(sending, newest)
        points.reach("token_answered")
        return await _kept(grants, keys, sending, stored, new)


async def _kept(
    grants: Grants, keys: Keys, sending: Sending, stored: Stored, new: Grant
) -> Sending:
    """Stores a new grant, however long the database is away: the old one may be dead already."""
    new = dataclasses.replace(new, renewed_at=clock.now())
    cipher = seal_grant(keys, sending.workspace_id, sending.account_id, new)
    pause = 0.05
    while True:
        try:
            account = sending.account_id
            ours = await grants.store(account, stored.version, cipher, new)
            newest = await grants.read(account)
        except TROUBLE as fault:
            log.warning("grant_waits", account_id=str(account), reason=type(fault).__name__)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
            continue
        log.info("grant_renewed" if ours else "grant_overtaken", account_id=str(account))
        if newest is None or newest.cipher is None:
            raise Refused([("account", "holds no grant")])
        return _with(sending, newest)


def _with(sending: Sending, stored: Stored) -> Sending:
    return dataclasses.replace(
        sending,
        grant_cipher=stored.cipher,
        token_expires_at=stored.expires_at,
        lane_fence=stored.lane_fence,
    )
