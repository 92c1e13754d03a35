"""A grant that ends is renewed once, stored before it is used, and never loses the account."""

import asyncio
import dataclasses
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncpg
import pytest

from mypost import clock, ids
from mypost.ids import Tag
from mypost.jobs import outcome, refresh
from mypost.models import database
from mypost.models.accounts import seal_grant
from mypost.models.grants import LOCK_CLASS
from mypost.models.lanes import Facts, Lanes
from mypost.networks import Expired, Grant, Kind, Published, Refused, Terms, Unavailable
from mypost.networks.sandbox import Sandbox
from tests.jobs.conftest import KEYS, until


class Renewing(Sandbox):
    """A network of tokens t0, t1, t2 …; a refresh gives the next, which is then the only one."""

    renews = True
    life = timedelta(hours=2)

    def __init__(self, url):
        super().__init__({"MYPOST_SANDBOX_URL": url}, "")
        self.valid, self.calls, self.sent, self.fault, self.pause = "t0", 0, [], None, 0.0

    def terms(self, _grant):
        return Terms(Kind.KEY, 1.0, renews=True)

    async def refresh(self, grant):
        self.calls += 1
        await asyncio.sleep(self.pause)
        if self.fault is not None:
            raise self.fault
        if grant.secrets["token"] != self.valid:
            raise Refused([("token", "is dead")])
        self.valid = f"t{int(self.valid[1:]) + 1}"
        return Grant({"token": self.valid}, clock.now() + self.life)

    async def publish(self, grant, draft):
        if grant.secrets["token"] != self.valid:
            return Expired("stale")
        self.sent.append((draft.text, grant.secrets["token"]))
        return Published(draft.key, "http://x")

    async def find_published(self, grant, draft):
        assert grant.secrets["token"] == self.valid
        return Published(draft.key, "http://x")


@pytest.fixture
async def network(world):
    home, made = world.network, Renewing(world.url)
    world.network = made
    yield made
    await made.close()
    world.network = home


async def connected(world, holds="t0", ends_in: float | None = 7200):
    """An account whose grant holds this token."""
    account = ids.new(Tag.ACCOUNT)
    ends = None if ends_in is None else clock.now() + timedelta(seconds=ends_in)
    await world.owner.execute(
        "INSERT INTO accounts (id, workspace_id, brand_id, network, external_id, handle, name,"
        " grant_cipher, token_expires_at) VALUES ($1, $2, $3, 'sandbox', $4, 'a', 'a', $5, $6)",
        *(account, world.workspace, world.brand, str(account)),
        seal_grant(KEYS, world.workspace, account, Grant({"token": holds}, ends)),
        ends,
    )
    return account


async def row(world, account):
    return await world.owner.fetchrow("SELECT * FROM accounts WHERE id = $1", account)


async def begun(world, account):
    """One target of the account, ready to be sent."""
    [target] = await world.post("x", account)
    worker = ids.new(Tag.USER)
    claims = await world.lanes.claim(worker, 10)
    [sending] = await world.lanes.begin(worker, claims, [60.0])
    assert sending.target_id == target
    return sending


async def test_a_grant_that_lasts_is_left_alone(world, network):
    await world.post("x", await connected(world), await connected(world, ends_in=None))
    await world.dispatcher().drain()
    assert network.calls == 0
    assert len(network.sent) == 2


async def test_a_grant_that_ends_is_renewed_and_stored_before_it_is_used(world, network):
    account = await connected(world, ends_in=59)
    [target] = await world.post("x", account)
    await world.dispatcher().drain()
    assert await world.states(target) == ["published"]
    assert (network.calls, network.sent) == (1, [("x", "t1")])
    kept = await row(world, account)
    assert (kept["grant_version"], kept["status"]) == (2, "active")
    assert kept["token_expires_at"] > clock.now() + timedelta(hours=1)
    [second] = await world.post("y", account)
    await world.dispatcher().drain()
    assert await world.states(second) == ["published"]
    assert network.calls == 1


async def test_twenty_refreshers_of_one_account_make_one_call(world, network):
    """Each has a pool of its own, as each process has."""
    account = await connected(world, ends_in=1)
    sending = await begun(world, account)
    network.pause = 0.2
    async with AsyncExitStack() as stack:
        pools = [
            await stack.enter_async_context(
                await database.pool(world.services.dispatch_url, "mypost_dispatch", 2)
            )
            for _ in range(5)
        ]
        grants = [Lanes(pool).grants for pool in pools] * 4
        found = await asyncio.gather(
            *(refresh.fresh_grant(each, KEYS, network, sending) for each in grants)
        )
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert await world.owner.fetchval(locks) == 0
    assert network.calls == 1
    assert len(found) == 20
    assert {outcome.grant(KEYS, each).secrets["token"] for each in found} == {"t1"}
    assert (await row(world, account))["grant_version"] == 2


async def test_many_accounts_renew_at_once_on_one_connection(world, network):
    accounts = [await connected(world, ends_in=1) for _ in range(30)]
    sendings = {account: await begun(world, account) for account in accounts}
    inside, most = 0, 0

    async def refreshed(_grant):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.3)
        inside -= 1
        return Grant({"token": "new"}, clock.now() + timedelta(hours=2))

    network.refresh = refreshed
    grants = world.lanes.grants
    await asyncio.gather(
        *(refresh.fresh_grant(grants, KEYS, network, each) for each in sendings.values())
    )
    assert most == 30


async def test_an_expired_answer_is_cured_by_one_refresh(world, network):
    account = await connected(world, ends_in=None)
    [target] = await world.post("x", account)
    network.publish, real = stale_once(network), network.publish
    await world.dispatcher().drain()
    network.publish = real
    history = await world.owner.fetch(
        "SELECT to_state, proof FROM transitions WHERE target_id = $1 AND needs_proof ORDER BY pos",
        target,
    )
    assert [tuple(each) for each in history] == [
        ("scheduled", "definite_rejection"),
        ("published", "remote_id"),
    ]
    assert (network.calls, network.sent) == (1, [("x", "t1")])
    assert (await row(world, account))["status"] == "active"


def stale_once(network):
    real = network.publish

    async def publish(grant, draft):
        return Expired("stale") if grant.secrets["token"] == "t0" else await real(grant, draft)

    return publish


async def test_an_expired_answer_to_a_new_grant_is_final(world, network):
    account = await connected(world)
    [target] = await world.post("x", account)

    async def always(_grant, _draft):
        return Expired("not you")

    network.publish = always
    await world.dispatcher().drain()
    found = await world.target(target)
    assert (found["state"], found["error"]["category"]) == ("failed", "auth_expired")
    assert (network.calls, found["attempts"]) == (1, 2)
    assert (await row(world, account))["status"] == "needs_reauth"


async def test_a_dead_refresh_token_holds_the_post_and_asks_for_a_new_grant(world, network):
    account = await connected(world, holds="dead", ends_in=1)
    [target] = await world.post("x", account)
    await world.dispatcher().drain()
    found = await world.target(target)
    assert (found["state"], found["hold_reason"]) == ("scheduled", "needs_reauth")
    assert (found["risk"], found["attempts"]) == ("reconnect", 0)
    assert (await row(world, account))["status"] == "needs_reauth"
    assert (network.calls, network.sent) == (1, [])
    assert {"account.needs_reauth", "target.at_risk"} <= set(await world.types())


@pytest.mark.parametrize("fault", [Unavailable("503"), ValueError("what")])
async def test_a_refresh_without_an_answer_waits_and_leaves_the_account(world, network, fault):
    account = await connected(world, ends_in=1)
    [target] = await world.post("x", account)
    network.fault = fault
    await world.dispatcher().drain()
    found = await world.target(target)
    assert (found["state"], found["hold_reason"]) == ("scheduled", "network_unreachable")
    assert (await row(world, account))["status"] == "active"
    network.fault = None
    await world.travel(2.5)
    await world.dispatcher().drain()
    assert network.sent == [("x", "t1")]


async def test_a_reconnect_during_the_refresh_wins(world, network):
    account = await connected(world, ends_in=1)
    sending = await begun(world, account)
    cipher = seal_grant(KEYS, world.workspace, account, Grant({"token": "reconnected"}))

    for fault in (None, Refused([("token", "is dead")])):
        network.fault, network.pause = fault, 0.2
        running = asyncio.create_task(
            refresh.fresh_grant(world.lanes.grants, KEYS, network, sending)
        )
        await until(lambda: network.calls)
        await world.owner.execute(
            "UPDATE accounts SET grant_cipher = $2, grant_version = grant_version + 1"
            " WHERE id = $1",
            *(account, cipher),
        )
        assert outcome.grant(KEYS, await running).secrets["token"] == "reconnected"
        await world.owner.execute(
            "UPDATE accounts SET grant_cipher = $2 WHERE id = $1", account, sending.grant_cipher
        )
        network.calls, network.valid = 0, "t0"


async def test_an_account_let_go_is_not_renewed(world, network):
    account = await connected(world, ends_in=1)
    sending = await begun(world, account)
    await world.owner.execute(
        "UPDATE accounts SET grant_cipher = NULL, status = 'disconnected' WHERE id = $1", account
    )
    with pytest.raises(Refused):
        await refresh.fresh_grant(world.lanes.grants, KEYS, network, sending)
    assert network.calls == 0
    assert not await world.lanes.grants.store(account, 1, b"x", Grant({}))


async def test_who_waits_too_long_for_the_lock_sends_later(world, network, monkeypatch):
    monkeypatch.setattr(refresh, "PATIENCE", 0.2)
    account = await connected(world, ends_in=1)
    [target] = await world.post("x", account)
    async with world.lanes.grants.locked(account, 1):
        await world.dispatcher().drain()
    assert (await world.target(target))["hold_reason"] == "network_unreachable"
    assert network.calls == 0


async def test_a_wait_that_is_cut_off_leaves_no_lock(world):
    grants = world.lanes.grants
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::oid"
    async with grants.locked(
        ids.new(Tag.ACCOUNT), 5
    ):  # the connection stays while somebody uses it
        for turns in range(40):
            waiting = asyncio.create_task(_hold(grants))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

        async def alone() -> bool:
            return await world.owner.fetchval(held, LOCK_CLASS) == 1

        await until(alone, 2)


async def _hold(grants) -> None:
    async with grants.locked(ids.new(Tag.ACCOUNT), 5):
        await asyncio.Event().wait()


async def test_a_slow_refresh_leaves_too_little_of_the_lease(world, network, monkeypatch):
    [target] = await world.post("x", await connected(world, ends_in=1))
    times = iter([0.0, 5.0, 10.0, 10.0])
    monkeypatch.setattr("mypost.jobs.dispatcher._elapsed", lambda: next(times))
    worker = world.dispatcher()
    await worker.run_once()
    assert await world.states(target) == ["scheduled"]
    assert (network.calls, network.sent) == (1, [])
    await worker.run_once()
    assert (network.calls, network.sent) == (1, [("x", "t1")])


async def test_a_lookup_renews_before_it_reads(world, network):
    account = await connected(world)
    sending = await begun(world, account)
    lost = Facts(error={"message": "?"}, check_in=0)
    assert await world.lanes.outcome(sending, "sending", "unknown", lost)
    await world.travel(7190)
    await world.dispatcher().run_once()
    assert await world.states(sending.target_id) == ["unknown"]
    await world.travel(10.1)
    await world.dispatcher().run_once()
    assert (network.calls, await world.states(sending.target_id)) == (1, ["published"])


async def test_only_the_dispatcher_reads_and_stores_grants(world, network):
    account = await connected(world)
    for statement in (
        "SELECT * FROM dispatch_grant($1)",
        "SELECT dispatch_store_grant($1, 1, '', NULL, NULL)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.app.fetch(statement, account)


async def test_a_new_grant_outlives_a_database_that_is_away(world, network, monkeypatch):
    account = await connected(world, ends_in=1)
    sending = await begun(world, account)
    grants, faults = world.lanes.grants, [OSError("away"), asyncpg.InterfaceError("closed")]
    real = grants.store

    async def store(*given):
        if faults:
            raise faults.pop()
        return await real(*given)

    monkeypatch.setattr(grants, "store", store)
    found = await refresh.fresh_grant(grants, KEYS, network, sending)
    assert found.grant_cipher == (await row(world, account))["grant_cipher"]
    assert found.lane_fence == sending.lane_fence + 1
    changed = {"grant_cipher": None, "token_expires_at": None, "lane_fence": 0}
    assert dataclasses.replace(found, **changed) == dataclasses.replace(sending, **changed)
