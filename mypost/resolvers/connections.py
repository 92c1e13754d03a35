"""Connecting an account: offer, complete, renew."""

import secrets
from datetime import timedelta

from mypost import clock, ids
from mypost.context import Context
from mypost.errors import Fault, IllegalState, Invalid, invalid
from mypost.models import accounts, brands
from mypost.models import connections as rows
from mypost.models.accounts import Account
from mypost.models.brands import Brand
from mypost.models.choices import seal_verifier
from mypost.models.connections import Connection
from mypost.networks import Network, Profile, Refused, Unavailable
from mypost.once import Again
from mypost.operation import On, mutation, query
from mypost.permissions import Permission
from mypost.resolvers import authorizations, choices
from mypost.schema.connections import (
    CompleteConnectionInput,
    ConnectionKind,
    ConnectionOffer,
    ConnectSocialAccountInput,
    CredentialField,
    ReconnectSocialAccountInput,
)

LIFE = timedelta(minutes=10)


async def _offer_again(ctx: Context, made: dict[str, str]) -> ConnectionOffer:
    """Offers again what an earlier request with the same key was offered, with a new state."""
    async with ctx.transaction() as inside:
        id, needed = ids.parse(made["id"]), Permission.ACCOUNTS_CONNECT
        offer = await inside.get(rows.BY_ID, id, "connection", needed, lock=True)
        network, state = _on_offer(inside, offer.network), secrets.token_urlsafe(32)
        page = sealed = None
        if network.oauth:
            verifier = authorizations.verifier()
            sealed = seal_verifier(inside.keys, offer, verifier)
            page = authorizations.page(inside, network, state, verifier)
        await rows.renew(inside.db, offer.id, state, sealed)
    return _offered(network, offer, state, page)


AGAIN = Again(lambda offer: {"id": str(offer.connection_id)}, _offer_again)


@query(on=On(rows.BY_ID, "connection"))
async def social_connection(ctx: Context, connection: Connection) -> Connection:
    """One attempt to connect."""
    return connection


@mutation(
    on=On(brands.BY_ID, "brand", "brand_id"),
    requires=Permission.ACCOUNTS_CONNECT,
    again=AGAIN,
)
async def connect_social_account(
    ctx: Context, brand: Brand, input: ConnectSocialAccountInput
) -> ConnectionOffer:
    """Begins to connect an account; answers what the network asks for."""
    offer = Connection(workspace_id=brand.workspace_id, brand_id=brand.id)
    return await _offer(ctx, offer, input.network.value)


@mutation(
    on=On(accounts.BY_ID, "social account"),
    requires=Permission.ACCOUNTS_CONNECT,
    again=AGAIN,
)
async def reconnect_social_account(
    ctx: Context, account: Account, input: ReconnectSocialAccountInput
) -> ConnectionOffer:
    """Begins to renew an account's access; the account keeps its id."""
    offer = Connection(
        workspace_id=account.workspace_id, brand_id=account.brand_id, account_id=account.id
    )
    return await _offer(ctx, offer, account.network)


async def _offer(ctx: Context, offer: Connection, key: str) -> ConnectionOffer:
    network = _on_offer(ctx, key)
    offer.id, offer.network, offer.created_by = ids.new(ids.Tag.CONNECTION), key, ctx.viewer.id
    state = secrets.token_urlsafe(32)
    offer.kind, offer.state = _kind(network).value, rows.hash_of(state)
    offer.expires_at, page = clock.now() + LIFE, None
    if network.oauth:
        verifier = authorizations.verifier()
        offer.verifier = seal_verifier(ctx.keys, offer, verifier)
        page = authorizations.page(ctx, network, state, verifier)
    await rows.begin(ctx.db, offer)
    await ctx.audit("social_connection.started", offer, network=key)
    return _offered(network, offer, state, page)


def _kind(network: Network) -> ConnectionKind:
    return ConnectionKind.OAUTH if network.oauth else ConnectionKind.CREDENTIALS


def _offered(network: Network, offer: Connection, state: str, page: str | None) -> ConnectionOffer:
    return ConnectionOffer(
        connection_id=offer.id,  # type: ignore[arg-type]
        kind=_kind(network),
        authorization_url=page,
        fields=None if network.oauth else _asked(network),
        state=state,
        expires_at=offer.expires_at,
    )


def _on_offer(ctx: Context, key: str) -> Network:
    """Answers a network that is set up here; raises IllegalState with the settings it lacks."""
    network = ctx.services.networks.get(key)
    lacking = (f"MYPOST_{key.upper()}=1",) if network is None else network.missing
    if network is None or lacking:
        title, named = key if network is None else network.title, " and ".join(lacking)
        raise IllegalState(f"{title} is not set up here; set {named}", "network")
    return network


def _asked(network: Network) -> list[CredentialField]:
    return [
        CredentialField(
            name=f.name, label=f.label, secret=f.secret, help=f.help, choices=list(f.choices)
        )
        for f in network.fields
    ]


@mutation(
    on=On(rows.BY_ID, "connection"),
    requires=Permission.ACCOUNTS_CONNECT,
    transaction=False,
)
async def complete_connection(
    ctx: Context, connection: Connection, input: CompleteConnectionInput
) -> Connection:
    """Gives the network what it asked for, or chooses of what it answered; keeps the accounts."""
    if connection.status in ("connected", "failed") or rows.has_ended(connection):
        raise IllegalState(rows.ENDED)
    network = _on_offer(ctx, connection.network)
    if connection.kind == ConnectionKind.OAUTH.value:
        await choices.choose(ctx, connection, network, input)
    else:
        await _present(ctx, connection, network, input)
    ctx.after_commit("due")
    return await ctx.get(rows.BY_ID, connection.id, "connection")


async def _present(
    ctx: Context, connection: Connection, network: Network, input: CompleteConnectionInput
) -> None:
    profile = await _ask(network, input.credentials)
    kind = network.terms(profile.grant).kind
    async with ctx.transaction() as inside:
        # Held until commit, so that the brand is not deleted in between.
        await inside.get(brands.BY_ID, connection.brand_id, "connection", lock=True)
        await rows.finish(inside.db, connection)
        account_id = await accounts.keep(inside.db, ctx.keys, connection, profile, kind)
        await rows.link(inside.db, connection, [account_id])
        account = await inside.get(accounts.BY_ID, account_id, "social account")
        await inside.audit("social_account.connected", account, network=account.network)


async def _ask(network: Network, given: object) -> Profile:
    """Asks the network who these credentials belong to; no transaction is open."""
    if not isinstance(given, dict):
        raise invalid("credentials", "Must be an object with the fields the network asked for")
    try:
        return await network.connect(given)
    except Refused as refused:
        raise Invalid(
            [Fault(("credentials", name), message) for name, message in refused.faults]
        ) from None
    except Unavailable as error:
        raise IllegalState(f"{network.title} cannot be reached: {error}", "credentials") from None
