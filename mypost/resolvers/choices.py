"""Connecting by OAuth: what the person who has begun chooses."""

from mypost.context import Context
from mypost.errors import Fault, FaultCode, Forbidden, IllegalState, Invalid, invalid
from mypost.models import accounts, brands, choices
from mypost.models import connections as rows
from mypost.models.connections import Connection
from mypost.networks import Network, Profile
from mypost.schema.connections import CompleteConnectionInput


async def choose(
    ctx: Context, connection: Connection, network: Network, given: CompleteConnectionInput
) -> None:
    """Connects the accounts that the person who has begun chooses."""
    if connection.created_by != ctx.viewer.id:
        raise Forbidden(message="Who has begun this connection has to bring it to its end")
    if given.credentials is not None:
        raise invalid("credentials", "This network is connected on a page of its own")
    if connection.status == "pending":
        raise IllegalState(f"{network.title} has not answered yet: open the authorizationUrl")
    chosen = _chosen(choices.open_found(ctx.keys, connection), given.account_ids)
    async with ctx.transaction() as inside:
        # Held until commit, so that the brand is not deleted in between.
        await inside.get(brands.BY_ID, connection.brand_id, "connection", lock=True)
        await rows.finish(inside.db, connection)
        connected = []
        for place, profile in chosen.items():
            kind, path = network.terms(profile.grant).kind, f"accountIds.{place}"
            id = await accounts.keep(inside.db, ctx.keys, connection, profile, kind, path)
            connected.append(id)
            account = await inside.get(accounts.BY_ID, id, "social account")
            await inside.audit("social_account.connected", account, network=account.network)
        await rows.link(inside.db, connection, connected)


def _chosen(found: list[Profile], given: list[str] | None) -> dict[int, Profile]:
    """Answers each account that was chosen, by its place; raises Invalid for all that are none."""
    if not given:
        raise invalid("accountIds", "Choose one of the choices, or more", FaultCode.REQUIRED)
    known = {each.external_id: each for each in found}
    wrong = [
        Fault(("accountIds", str(place)), "There is no such choice", FaultCode.NOT_FOUND)
        for place, id in enumerate(given)
        if id not in known
    ]
    if wrong:
        raise Invalid(wrong)
    return {given.index(id): known[id] for id in dict.fromkeys(given)}
