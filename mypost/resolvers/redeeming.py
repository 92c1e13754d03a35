"""Trading what a network's page has answered for accounts that can be connected."""

import asyncio
from collections.abc import Mapping

from mypost.context import Context
from mypost.crypto import Undecryptable
from mypost.models import accounts, choices
from mypost.models import connections as rows
from mypost.models.accounts import Account
from mypost.models.connections import Connection
from mypost.networks import Network, Profile, Refused, Unavailable
from mypost.networks.oauth import CODES

CALLBACK = "/api/v1/oauth/callback/{}"
PATIENCE = 20.0  # seconds for all that a network is asked meanwhile; somebody waits
LONGEST_ERROR = 500
REASONS = {
    "access_denied": "It was not allowed on {}",
    "invalid_scope": "{} does not give this installation what it asks for",
    "unauthorized_client": "{} does not know this installation",
    "server_error": "{} failed; start again",
    "temporarily_unavailable": "{} is busy; start again later",
}


class Fruitless(Exception):
    """There is nothing to connect; the message says why, to people.

    `shown` says it to whoever came with the answer: perhaps nobody who may know our accounts.
    """

    def __init__(self, message: str, shown: str | None = None) -> None:
        super().__init__(message[:LONGEST_ERROR])
        self.shown = (shown or message)[:LONGEST_ERROR]


def redirect_of(ctx: Context, network: str) -> str:
    """The address a network sends people back to; it is registered there, letter by letter."""
    return ctx.services.settings.origin + CALLBACK.format(network)


async def redeem(
    ctx: Context, network: Network, connection: Connection, given: Mapping[str, str]
) -> list[Profile]:
    """Answers the accounts that can be connected; raises Fruitless. No transaction is open."""
    if code := given.get("error"):
        said = code if code in CODES else "an error of its own"
        raise Fruitless(REASONS.get(code, "{} answered " + said).format(network.title))
    redirect = redirect_of(ctx, network.key)
    try:
        verifier = choices.open_verifier(ctx.keys, connection)
        async with asyncio.timeout(PATIENCE):
            found = await network.exchange(given["code"], verifier, redirect)
    except Refused as refused:
        raise Fruitless(f"{network.title} refused the connection: {refused}") from None
    except Unavailable as fault:
        raise Fruitless(f"{network.title} cannot be reached: {fault}; start again") from None
    except TimeoutError:
        raise Fruitless(f"{network.title} takes too long; start again") from None
    except Undecryptable:
        raise Fruitless(rows.ENDED) from None
    if not found:
        raise Fruitless(f"{network.title} names no account that could be connected")
    return await _wanted(ctx, network, connection, found)


async def _wanted(
    ctx: Context, network: Network, connection: Connection, found: list[Profile]
) -> list[Profile]:
    """Answers all accounts, or to a reconnect the one that it is about; raises Fruitless."""
    if connection.account_id is None:
        return found
    scope = [connection.workspace_id]
    old = await ctx.db.row(Account, accounts.BY_ID.sql, scope, [connection.account_id])
    same = [each for each in found if old is not None and each.external_id == old.external_id]
    if not same:
        others, nameless = ", ".join(each.handle for each in found[:3]), "the account to reconnect"
        said = f"{network.title} answered for {others} and not for "
        raise Fruitless(said + (old.handle if old is not None else nameless), said + nameless)
    return same
