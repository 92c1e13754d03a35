"""What was accepted goes out once, in order, or the user is told exactly why not."""

import asyncio
import dataclasses

import asyncpg
import pytest

from mypost import ids
from mypost.ids import Tag
from mypost.jobs import dispatcher as module
from mypost.models.lanes import Facts
from mypost.networks import Rejected
from mypost.networks.sandbox import Sandbox
from tests.jobs.conftest import until


async def test_a_due_post_goes_out_once_and_everything_follows(world):
    account = await world.account()
    [target] = await world.post("hello", account)
    [later] = await world.post("not yet", account, due_in=60)
    assert await world.dispatcher().drain() == 1
    row = await world.target(target)
    assert (row["state"], row["phase"], row["attempts"]) == ("published", "published", 1)
    assert row["external_id"]
    assert row["external_url"].startswith(world.url)
    assert await world.states(later) == ["scheduled"]
    assert await world.sent() == ["hello"]
    expected = ["target.publishing", "post.publishing", "target.published", "post.published"]
    assert [each for each in await world.types() if each in expected] == expected
    audit = await world.owner.fetch("SELECT action FROM audit_events")
    assert [each["action"] for each in audit] == ["post.published"]
    history = await world.owner.fetch(
        "SELECT to_state, by_role FROM transitions WHERE target_id = $1 ORDER BY pos", target
    )
    assert [tuple(each) for each in history] == [
        ("scheduled", "mypost_owner"),
        ("claimed", "mypost_dispatch"),
        ("sending", "mypost_dispatch"),
        ("published", "mypost_dispatch"),
    ]


async def test_an_account_sends_in_order_of_time(world):
    account = await world.account()
    for number in (3, 1, 2):
        await world.post(f"n{number}", account, due_in=number - 10)
    await world.dispatcher().drain()
    assert await world.sent() == ["n1", "n2", "n3"]


async def test_one_target_per_account_is_in_flight(world):
    one, two = await world.account(), await world.account()
    for account in (one, one, two):
        await world.post("x", account)
    first = await world.lanes.claim(ids.new(Tag.USER), 100)
    assert len(first) == 2
    assert await world.lanes.claim(ids.new(Tag.USER), 100) == []
    with pytest.raises(asyncpg.UniqueViolationError, match="one_in_flight_per_account"):
        await world.owner.execute(
            "UPDATE targets SET state = 'claimed', lease_owner = id, lease_until = mypost_now()"
            " WHERE state = 'scheduled'"
        )


async def test_rate_limited_waits_as_long_as_the_network_asks(world):
    [target] = await world.post("soon", await world.account("rate_limited"))
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["hold_reason"]) == ("scheduled", "rate_limited")
    assert row["error"]["category"] == "rate_limited"
    assert (row["hold_until"] - row["sent_at"]).total_seconds() == pytest.approx(2, abs=0.5)
    await world.travel(2.5)
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["error"], row["hold_reason"]) == ("published", None, None)
    assert await world.sent() == ["soon"]


async def test_rejected_fails_with_the_networks_reason(world):
    [target] = await world.post("no", await world.account("rejected"))
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["phase"], row["proof"]) == ("failed", "failed", "definite_rejection")
    assert row["error"] == {
        "category": "validation",
        "source": "platform",
        "retryable": False,
        "message": "the sandbox refuses every post of this account",
        "networkCode": "policy",
    }


async def test_partial_success_is_named(world):
    good, bad = await world.account(), await world.account("rejected")
    targets = await world.post("half", good, bad)
    await world.dispatcher().drain()
    assert await world.states(*targets) == ["published", "failed"]
    assert (await world.target(targets[0]))["phase"] == "partially_published"


async def test_an_expired_grant_fails_the_post_and_holds_the_lane(world):
    account = await world.account("expired")
    [target] = await world.post("first", account)
    [waiting] = await world.post("second", account)
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["hold_reason"]) == ("failed", "needs_reauth")
    assert (row["error"]["category"], row["error"]["source"]) == ("auth_expired", "user")
    status = "SELECT status FROM accounts WHERE id = $1"
    assert await world.owner.fetchval(status, account) == "needs_reauth"
    assert "account.needs_reauth" in await world.types()
    await world.travel(3600)
    await world.dispatcher().drain()
    assert await world.states(waiting) == ["scheduled"]
    assert await world.lanes.wait() is None
    await world.owner.execute("UPDATE accounts SET status = 'active' WHERE id = $1", account)
    assert (await world.target(waiting))["hold_reason"] is None


async def test_a_grant_nobody_can_open_asks_for_a_new_one(world):
    account = await world.account()
    await world.owner.execute("UPDATE accounts SET grant_cipher = $1", b"x" * 40)
    [target] = await world.post("first", account)
    await world.dispatcher().drain()
    assert (await world.target(target))["error"]["category"] == "auth_expired"
    assert await world.sent() == []


async def test_a_network_that_is_down_holds_and_then_sends(world):
    [target] = await world.post("patient", await world.account())
    away = Sandbox({"MYPOST_SANDBOX_URL": "http://127.0.0.1:1"}, "")
    home, world.network = world.network, away
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["hold_reason"]) == ("scheduled", "network_unreachable")
    assert row["error"]["category"] == "network_error"
    await away.close()
    world.network = home
    await world.travel(2.5)
    await world.dispatcher().drain()
    assert await world.sent() == ["patient"]


async def test_a_network_not_on_offer_holds(world):
    [target] = await world.post("x", await world.account())
    worker = world.dispatcher()
    worker._networks = {}
    await worker.drain()
    assert (await world.target(target))["hold_reason"] == "network_unreachable"


async def test_a_fence_that_moved_on_refuses_the_old_worker(world):
    [target] = await world.post("fenced", await world.account())
    old = ids.new(Tag.USER)
    claims = await world.lanes.claim(old, 10)
    await world.travel(5.1)
    await world.lanes.sweep()
    assert await world.lanes.begin(old, claims, [15.0]) == []
    new = ids.new(Tag.USER)
    [sending] = await world.lanes.begin(new, await world.lanes.claim(new, 10), [15.0])
    stale = dataclasses.replace(sending, fence=claims[0].fence)
    facts = Facts(proof="remote_id", external_id="x", external_url="x")
    assert not await world.lanes.outcome(stale, "sending", "published", facts)
    assert await world.states(target) == ["sending"]


async def test_a_worker_that_slept_does_not_send(world, monkeypatch):
    [target] = await world.post("sleepy", await world.account())
    times = iter([0.0, 5.0])
    monkeypatch.setattr(module, "_elapsed", lambda: next(times))
    worker = world.dispatcher()
    await worker.run_once()
    assert await world.states(target) == ["scheduled"]
    assert await world.sent() == []


async def test_a_retryable_rejection_backs_off_and_keeps_the_reason(world, strange):
    [target] = await world.post("x", await world.account())
    strange.answer = Rejected("busy", "nul\0 and half \ud800", "E1", retryable=True)
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["hold_reason"]) == ("scheduled", "network_refused")
    assert row["error"]["message"] == "nul and half ?"
    pauses = [module.outcome.backoff(attempts) for attempts in (1, 2, 3, 5, 6, 99)]
    assert pauses == [2, 4, 8, 32, 60, 60]


async def test_a_day_late_asks_a_person(world):
    [target] = await world.post("old", await world.account(), due_in=-90_000)
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["error"]["networkCode"]) == ("needs_confirmation", "too_late")


async def test_three_dispatchers_and_a_sweeper_send_each_post_once(world):
    accounts = [await world.account() for _ in range(8)]
    texts = [f"p{number}" for number in range(24)]
    targets = []
    for number, text in enumerate(texts):
        pair = (accounts[number % 8], accounts[(number + 3) % 8])
        targets += await world.post(text, *pair, due_in=number - 100)
    workers = [world.dispatcher() for _ in range(3)]
    running = [asyncio.create_task(worker.run()) for worker in workers]

    async def all_out() -> bool:
        await world.lanes.sweep()
        return set(await world.states(*targets)) == {"published"}

    await until(all_out, 30)
    for worker in workers:
        worker.stop()
    await asyncio.gather(*running)
    assert sorted(await world.sent()) == sorted(texts * 2)
    inversions = await world.owner.fetchval(
        "SELECT count(*) FROM targets a JOIN targets b USING (account_id)"
        " WHERE a.due_at < b.due_at AND a.sent_at > b.sent_at"
    )
    assert inversions == 0


async def test_run_sends_when_woken_and_finishes_when_stopped(world):
    account = await world.account("slow")
    worker = world.dispatcher()
    running = asyncio.create_task(worker.run())
    [target] = await world.post("goodbye", account)
    world.wake.set()

    async def begun() -> bool:
        return await world.states(target) == ["sending"]

    await until(begun)
    worker.stop()
    await running
    assert await world.states(target) == ["published"]
