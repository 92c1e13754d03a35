"""An answer that was lost is looked up; nothing is sent again without a proof."""

import asyncio

import asyncpg
import pytest

from mypost.jobs import outcome
from mypost.models.lanes import Facts
from mypost.networks import (
    Absent,
    Kind,
    Pending,
    Published,
    RateLimited,
    Rejected,
    Several,
    Terms,
    Unknown,
)
from mypost.networks.sandbox import Sandbox
from tests.jobs.conftest import KEYS, Strange, begun, until

SETTLED = Sandbox.timeout + Sandbox.settle + 0.1


async def proofs(world, target):
    rows = await world.owner.fetch(
        "SELECT from_state, to_state, proof FROM transitions WHERE target_id = $1 AND needs_proof"
        " ORDER BY pos",
        target,
    )
    return [(row["from_state"], row["to_state"], row["proof"]) for row in rows]


@pytest.mark.parametrize("mode", ["lost", "lookup_lost", "two_step_lost"])
async def test_a_lost_answer_is_looked_up_and_found(world, mode):
    account = await world.account(mode)
    [target] = await world.post("lost", account)
    [follower] = await world.post("after", await world.account())
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["proof"], row["attempts"]) == ("published", "lookup_found", 1)
    assert row["external_id"]
    assert await world.states(follower) == ["published"]
    assert sorted(await world.sent()) == ["after", "lost"]


async def test_a_blind_network_asks_a_person_at_once(world):
    [target] = await world.post("x", await world.account("blind_lost"))
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["error"]["category"]) == ("needs_confirmation", "unknown")
    assert await world.sent() == ["x"]
    await world.travel(3600)
    await world.dispatcher().drain()
    assert await world.sent() == ["x"]


@pytest.mark.parametrize("mode", ["ok", "lookup", "two_step"])
async def test_what_never_left_is_sent_after_two_readings(world, mode):
    """A dispatcher dies between its intent and its first byte."""
    [target] = await world.post("once", await world.account(mode))
    sending = await begun(world, target)
    terms = world.network.terms(outcome.grant(KEYS, sending))
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["absent_reads"], row["hold_reason"]) == ("unknown", 0, "unknown")
    await world.travel(Sandbox.timeout + terms.settle + 0.1)
    await world.dispatcher().drain()
    assert (await world.target(target))["absent_reads"] == 1
    await world.travel(terms.apart + 0.1)
    await world.dispatcher().drain()
    assert await proofs(world, target) == [
        ("unknown", "scheduled", "lookup_absent"),
        ("sending", "published", "remote_id"),
    ]
    assert await world.sent() == ["once"]


async def test_what_never_left_a_blind_account_is_a_question(world):
    [target] = await world.post("x", await world.account("blind"))
    await begun(world, target)
    await world.dispatcher().drain()
    assert await world.states(target) == ["needs_confirmation"]
    assert await world.sent() == []


async def test_two_readings_are_apart_by_the_databases_clock(world):
    [target] = await world.post("x", await world.account())
    sending = await begun(world, target)
    await world.lanes.sweep()
    await world.travel(SETTLED)
    assert [each.target_id for each in await world.lanes.looks(10)] == [target]
    assert await world.lanes.absent(sending, SETTLED - 0.1, 2.0) == 1
    for _ in range(3):
        assert await world.lanes.absent(sending, SETTLED - 0.1, 2.0) == 1
    with pytest.raises(asyncpg.CheckViolationError, match="one reading proves no absence"):
        await world.lanes.outcome(sending, "unknown", "scheduled", Facts(proof="lookup_absent"))
    await world.travel(SETTLED + 2.1)
    await world.lanes.looks(10)
    assert await world.lanes.absent(sending, SETTLED - 0.1, 2.0) == 2


async def test_a_reading_before_the_settle_time_proves_nothing(world):
    [target] = await world.post("x", await world.account())
    sending = await begun(world, target)
    await world.lanes.sweep()
    await world.lanes.looks(10)
    assert await world.lanes.absent(sending, 11.0, 2.0) == 0
    row = await world.target(target)
    assert (row["check_at"] - row["sent_at"]).total_seconds() == pytest.approx(11)
    facts = Facts(proof="lookup_absent")
    with pytest.raises(asyncpg.CheckViolationError):
        await world.lanes.outcome(sending, "unknown", "scheduled", facts)
    assert await world.states(target) == ["unknown"]


async def test_a_late_answer_of_the_same_fence_is_evidence(world):
    for state, account in (("unknown", "ok"), ("needs_confirmation", "blind")):
        [target] = await world.post(state, await world.account(account))
        sending = await begun(world, target)
        await world.lanes.sweep()
        worker = world.dispatcher()
        if state == "needs_confirmation":
            await worker.run_once()
        assert await world.states(target) == [state]
        answer = outcome.published(Published(f"remote {state}", "http://x"), "remote_id")
        assert await worker._record(sending, "sending", answer)
        row = await world.target(target)
        assert (row["state"], row["external_id"]) == ("published", f"remote {state}")


async def test_an_exception_after_the_send_began_is_unknown(world, strange):
    [target] = await world.post("x", await world.account())
    strange.answer = ValueError("secret")
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["error"]["message"]) == ("unknown", "no answer (ValueError)")


async def test_followers_of_an_unknown_wait_for_ninety_seconds(world, strange):
    account = await world.account()
    [first] = await world.post("first", account)
    [second] = await world.post("second", account)
    strange.answer = ValueError()
    await world.dispatcher().drain()
    row = await world.target(first)
    assert (row["hold_reason"], await world.states(second)) == ("unknown", ["scheduled"])
    await world.travel(89)
    await world.dispatcher().drain()
    assert await world.states(first, second) == ["unknown", "scheduled"]
    strange.answer = Published("2", "http://x")
    await world.travel(91)
    await world.dispatcher().drain()
    assert await world.states(first, second) == ["unknown", "published"]


async def test_an_old_hold_does_not_outlive_a_new_one(world, strange):
    account = await world.account()
    [target] = await world.post("x", account)
    strange.answer = RateLimited(1)
    await world.dispatcher().drain()
    await world.travel(1.5)
    strange.answer = ValueError()
    await world.dispatcher().drain()
    assert (await world.target(target))["hold_reason"] == "unknown"
    strange.finding = Published("id", "http://x")
    await world.travel(1.1)
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["hold_reason"], row["hold_until"]) == ("published", None, None)


async def test_unreadable_for_fifteen_minutes_asks_a_person(world, strange):
    [target] = await world.post("x", await world.account())
    strange.answer = ValueError()
    await world.dispatcher().drain()
    await world.travel(890)
    await world.dispatcher().drain()
    assert await world.states(target) == ["unknown"]
    await world.travel(20)
    await world.dispatcher().drain()
    row = await world.target(target)
    assert row["state"] == "needs_confirmation"
    assert "503" in row["error"]["message"]


async def test_several_posts_that_may_be_it_ask_a_person(world, strange):
    [target] = await world.post("x", await world.account())
    strange.answer, strange.finding = Unknown("?"), Several(2)
    await world.dispatcher().drain()
    row = await world.target(target)
    assert row["state"] == "needs_confirmation"
    assert row["error"]["message"] == "2 posts of the account may be this one"


async def test_an_answer_the_row_refuses_ends_with_a_person(world, strange):
    account = await world.account()
    strange.answer = strange.finding = Published("same", "http://x")
    [first] = await world.post("one", account)
    [second] = await world.post("two", account)
    await world.dispatcher().drain()
    assert await world.states(first, second) == ["published", "needs_confirmation"]


async def test_two_unknowns_of_one_text_are_not_one_post(world):
    """One was accepted and one was not: each live post settles one target."""
    account = await world.account("lookup")
    [first] = await world.post("twice", account)
    [second] = await world.post("twice", account)
    sending = await begun(world, first)
    await world.lanes.sweep()
    await world.network.publish(outcome.grant(KEYS, sending), outcome.draft(sending))
    await world.owner.execute("UPDATE lanes SET hold_until = NULL, hold_reason = NULL")
    await begun(world, second)
    await world.lanes.sweep()
    await world.dispatcher().run_once()
    assert sorted(await world.states(first, second)) == ["published", "unknown"]
    for seconds in (10.1, 31, 42):
        await world.travel(seconds)
        await world.dispatcher().drain()
    assert await world.states(first, second) == ["published", "published"]
    assert await world.sent() == ["twice", "twice"]


async def test_a_network_still_at_it_is_polled_until_it_has_finished(world):
    account = await world.account("two_step_slow")
    world.server.state.slow_seconds = 3600
    [target] = await world.post("slow", account)
    [follower] = await world.post("after", account)
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["proof"], row["phase"]) == ("confirming", "handle", "publishing")
    assert await world.states(follower) == ["scheduled"]
    await world.travel(1.1)
    await world.dispatcher().drain()
    assert await world.states(target) == ["confirming"]
    world.server.state.slow_seconds = 0
    await world.travel(3)
    await world.dispatcher().run_once()
    assert await world.states(target) == ["published"]
    assert await proofs(world, target) == [
        ("sending", "confirming", "handle"),
        ("confirming", "published", "lookup_found"),
    ]
    assert await world.sent() == ["slow"]


async def test_a_step_that_fails_fails_the_target_with_the_reason(world):
    world.server.state.slow_seconds = 0
    [target] = await world.post("x", await world.account("two_step_failed"))
    await world.dispatcher().drain()
    await world.travel(1.1)
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["proof"]) == ("failed", "lookup_found")
    assert row["error"]["message"] == "it could not be processed"


async def test_a_network_that_never_finishes_becomes_a_question(world, strange, monkeypatch):
    monkeypatch.setattr(Strange, "terms", lambda *_: Terms(Kind.KEY, 1.0))
    [target] = await world.post("x", await world.account())
    strange.answer = strange.finding = Pending("h")
    await world.dispatcher().drain()
    await world.travel(890)
    await world.dispatcher().drain()
    assert await world.states(target) == ["confirming"]
    await world.travel(901)
    await world.dispatcher().drain()
    assert await world.states(target) == ["needs_confirmation"]


async def test_a_first_step_that_failed_is_not_taken_up_again(world, strange, monkeypatch):
    monkeypatch.setattr(Strange, "terms", lambda *_: Terms(Kind.TWO_STEP, 1.0))
    [target] = await world.post("x", await world.account())
    await world.owner.execute("UPDATE targets SET handle = 'old'")
    strange.answer, strange.finding = Unknown("?"), Rejected("platform_error", "no", None)
    await world.dispatcher().drain()
    for seconds in (SETTLED, SETTLED + 2.1):
        await world.travel(seconds)
        await world.lanes.sweep()
        await world.dispatcher()._look()
    row = await world.target(target)
    assert (row["state"], row["handle"]) == ("scheduled", None)


async def test_an_account_let_go_leaves_the_question_to_a_person(world, strange):
    account = await world.account()
    [target] = await world.post("x", account)
    strange.answer, strange.finding = Unknown("?"), Absent()
    await world.dispatcher().run_once()
    await world.owner.execute(
        "UPDATE accounts SET grant_cipher = NULL, status = 'disconnected' WHERE id = $1", account
    )
    await world.dispatcher().run_once()
    row = await world.target(target)
    assert row["state"] == "needs_confirmation"
    assert row["error"]["message"] == "The account is no longer connected, so nobody can look"


async def test_what_the_old_grant_met_does_not_hold_a_new_one(world, strange):
    """The account is connected anew while its post is being sent."""
    account = await world.account()
    [target] = await world.post("x", account)
    sending = await begun(world, target)
    await world.owner.execute("UPDATE accounts SET grant_version = grant_version + 1")
    late = outcome.expired("the old token has ended")
    assert await world.lanes.outcome(sending, "sending", late.to, late.facts)
    row = await world.target(target)
    assert (row["state"], row["hold_reason"]) == ("failed", None)
    assert await world.owner.fetchval("SELECT status FROM accounts") == "active"


async def test_many_lookers_settle_a_target_once(world):
    targets = [(await world.post(f"n{n}", await world.account("lost")))[0] for n in range(6)]
    workers = [world.dispatcher() for _ in range(3)]
    running = [asyncio.create_task(worker.run()) for worker in workers]

    async def settled() -> bool:
        return set(await world.states(*targets)) == {"published"}

    await until(settled, 30)
    for worker in workers:
        worker.stop()
    await asyncio.gather(*running)
    assert len(await world.sent()) == 6
