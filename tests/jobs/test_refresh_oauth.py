"""Tokens of an OAuth server that rotates its refresh tokens: nobody's account is lost to a race."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from mypost import clock, ids
from mypost.ids import Tag
from mypost.jobs import outcome, refresh
from mypost.jobs.dispatcher import Dispatcher
from mypost.models import database
from mypost.models.accounts import seal_grant
from mypost.models.lanes import Lanes
from mypost.networks import Published
from mypost.networks.oauth import challenge_of
from mypost.networks.sandbox_oauth import SandboxOAuth
from tests.client import plain
from tests.consent import consent, query_of
from tests.jobs.conftest import KEYS, begun, free_socket, serving
from tests.networks.test_contract import draft

REDIRECT, VERIFIER = "http://127.0.0.1:9/api/v1/oauth/callback/sandbox_oauth", "v" * 64


@pytest.fixture
async def network(world, tmp_path):
    listener = free_socket()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = SandboxOAuth.server(tmp_path)
    server.state.redirect = REDIRECT
    async with serving(server, listener):
        network = SandboxOAuth({"MYPOST_SANDBOX_OAUTH_URL": url}, "")
        yield network
        await network.close()


async def connected(world, network, ends_in: float) -> tuple:
    """An account whose grant came from a consent; answers its id and its grant."""
    async with plain() as browser:
        page = network.authorize(REDIRECT, "s", challenge_of(VERIFIER))
        code = query_of(await consent(browser, page, accounts=1))["code"]
    (profile,) = await network.exchange(code, VERIFIER, REDIRECT)
    account = ids.new(Tag.ACCOUNT)
    await world.owner.execute(
        "INSERT INTO accounts (id, workspace_id, brand_id, network, external_id, handle, name,"
        " grant_cipher, token_expires_at) VALUES ($1, $2, $3, $4, 'a', 'a', 'a', $5, $6)",
        *(account, world.workspace, world.brand, network.key),
        seal_grant(KEYS, world.workspace, account, profile.grant),
        clock.now() + timedelta(seconds=ends_in),
    )
    return account, profile.grant


def dispatcher(world, network) -> Dispatcher:
    return Dispatcher(world.lanes, KEYS, {network.key: network}, world.wake)


async def test_twenty_refreshers_use_one_refresh_token(world, network):
    account, first = await connected(world, network, 1)
    [target] = await world.post("x", account)
    sending = await begun(world, target)
    async with AsyncExitStack() as stack:
        pools = [
            await stack.enter_async_context(
                await database.pool(world.services.dispatch_url, "mypost_dispatch", 2)
            )
            for _ in range(4)
        ]
        grants = [Lanes(pool).grants for pool in pools] * 5
        found = await asyncio.gather(
            *(refresh.fresh_grant(each, KEYS, network, sending) for each in grants)
        )

    held = [outcome.grant(KEYS, each) for each in found]
    assert {each.secrets["token"] for each in held} != {first.secrets["token"]}
    assert len({each.secrets["refreshToken"] for each in held}) == 1
    assert isinstance(await network.publish(held[0], draft()), Published)
    assert (await network.refresh(held[0])).secrets["token"] != held[0].secrets["token"]


async def test_a_network_that_is_away_keeps_the_account(world, network):
    account, _ = await connected(world, network, 1)
    network.exchange_path = "/nowhere"
    [target] = await world.post("x", account)

    await dispatcher(world, network).drain()

    assert (await world.target(target))["hold_reason"] == "network_unreachable"
    status = "SELECT status FROM accounts WHERE id = $1"
    assert await world.owner.fetchval(status, account) == "active"
    network.exchange_path = "/token"
    await world.travel(120)
    await dispatcher(world, network).drain()
    assert await world.states(target) == ["published"]


async def test_a_consent_taken_back_is_the_end_of_the_grant(world, network):
    account, grant = await connected(world, network, 1)
    client = {"client_id": network.client_id, "client_secret": network.client_secret}
    async with plain() as browser:
        held = {"token": grant.secrets["token"], **client}
        await browser.post(f"{network.base}/revoke", data=held)
    [target] = await world.post("x", account)

    await dispatcher(world, network).drain()

    status = "SELECT status FROM accounts WHERE id = $1"
    assert await world.owner.fetchval(status, account) == "needs_reauth"
    kept = await world.target(target)
    assert (kept["state"], kept["hold_reason"]) == ("scheduled", "needs_reauth")
