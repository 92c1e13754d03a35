"""Connecting by OAuth: to a network's page, and what comes back from it."""

import re
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from mypost.context import Context
from mypost.models import choices
from mypost.models import connections as rows
from mypost.models.connections import Connection
from mypost.networks import Network, Profile
from mypost.networks.oauth import challenge_of
from mypost.resolvers.redeeming import Fruitless, redeem, redirect_of

LONGEST_CODE = 4096
STATE = re.compile(r"[A-Za-z0-9_-]{43}")
log = structlog.get_logger()


class Refusal(Exception):
    """An answer that belongs to no attempt that waits for it; nothing has changed."""


class Arrival(NamedTuple):
    """What became of an attempt whose answer has come back."""

    connection_id: UUID
    network: str  # as people call it
    error: str | None


def verifier() -> str:
    """Answers a fresh secret of PKCE (RFC 7636); it stays here, encrypted."""
    return secrets.token_urlsafe(48)


def page(ctx: Context, network: Network, state: str, verifier: str) -> str:
    """Answers the network's page that asks for consent."""
    return network.authorize(redirect_of(ctx, network.key), state, challenge_of(verifier))


async def arrive(ctx: Context, key: str, given: Mapping[str, str]) -> Arrival:
    """Takes what a network's page answered, through the browser of we do not know whom.

    So it connects nothing: it keeps what can be connected, for the person who has begun.
    Raises Refusal, with nothing changed, for a state that nobody waits for.
    """
    network, state = ctx.services.networks.get(key), given.get("state", "")
    if network is None or not network.oauth or not STATE.fullmatch(state):
        raise Refusal("This answer belongs to no connection")
    # Else one server's answer could be taken to another (RFC 9700, 4.4).
    if network.issuer is not None and given.get("iss") != network.issuer:
        raise Refusal("This answer is from another server than the one that was asked")
    if not given.get("error") and not 0 < len(given.get("code", "")) <= LONGEST_CODE:
        raise Refusal("This answer holds no code")
    connection = await rows.take(ctx.db, state, key)
    if connection is None:
        raise Refusal("This connection has ended, or has been answered before; start again")
    try:
        found = await redeem(ctx, network, connection, given)
    except Fruitless as fruitless:
        await _failed(ctx, connection, str(fruitless))
        return Arrival(connection.id, network.title, fruitless.shown)
    except Exception:
        await _failed(ctx, connection, f"{network.title} was not understood; start again")
        raise
    await _kept(ctx, connection, found)
    return Arrival(connection.id, network.title, None)


async def _failed(ctx: Context, connection: Connection, error: str) -> None:
    """Ends an attempt that came to nothing, and tells the audit."""
    async with ctx.transaction() as inside:
        await inside.enter(connection.workspace_id)
        if not await rows.fail(inside.db, connection, error):
            raise Refusal(rows.ENDED)
        await _audit(inside, connection, "social_connection.failed", reason=error)


async def _kept(ctx: Context, connection: Connection, found: list[Profile]) -> None:
    """Keeps the accounts until the person who has begun chooses, and tells the audit."""
    async with ctx.transaction() as inside:
        await inside.enter(connection.workspace_id)
        sealed = choices.seal_found(ctx.keys, connection, found)
        if not await rows.offer_choice(inside.db, connection, sealed):
            raise Refusal(rows.ENDED)
        await _audit(inside, connection, "social_connection.authorized", accounts=len(found))


async def _audit(inside: Context, connection: Connection, action: str, **told: Any) -> None:
    told = {"network": connection.network, **told}
    await inside.audit_for(connection.created_by, action, connection, **told)
    log.info("connection_answered", network=connection.network, outcome=action)
