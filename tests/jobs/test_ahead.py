"""At the due second only the small last call remains."""

from datetime import timedelta

import pytest

from mypost import clock
from mypost.jobs import outcome
from mypost.models.lanes import Facts
from mypost.networks import Prepared, RateLimited, Rejected, Unknown
from mypost.networks.sandbox import Sandbox
from tests.jobs.conftest import KEYS, begun


class Counting(Sandbox):
    """The real network, with its calls on record."""

    def __init__(self, url):
        super().__init__({"MYPOST_SANDBOX_URL": url}, "")
        self.calls = []

    async def send(self, method, path, grant=None, **request):
        self.calls.append(path.split("/")[1] + ("/publish" if path.endswith("publish") else ""))
        return await super().send(method, path, grant, **request)


@pytest.fixture
async def network(world):
    home, world.network = world.network, Counting(world.url)
    yield world.network
    await world.network.close()
    world.network = home


async def test_a_first_step_is_taken_ten_minutes_ahead(world, network):
    account = await world.account("two_step")
    [target] = await world.post("x", account, due_in=700)
    network.calls.clear()
    await world.dispatcher().drain()
    assert network.calls == []
    await world.travel(101)
    assert await world.dispatcher().drain() == 1
    row = await world.target(target)
    assert (row["state"], row["prepare_at"], network.calls) == ("scheduled", None, ["containers"])
    assert row["handle"]
    assert await world.sent() == []
    await world.travel(701)
    network.calls.clear()
    await world.dispatcher().drain()
    assert network.calls == ["containers/publish"]
    assert await world.sent() == ["x"]


async def test_a_token_is_renewed_ten_minutes_ahead(world, network):
    account = await world.account("renewing")
    [target] = await world.post("x", account, due_in=4000)
    await world.travel(3450)
    network.calls.clear()
    await world.dispatcher().drain()
    assert network.calls == ["tokens"]
    expires = await world.owner.fetchval("SELECT token_expires_at FROM accounts")
    assert expires > clock.now()
    assert await world.states(target) == ["scheduled"]


@pytest.mark.parametrize("mode", ["ok", "lookup", "blind"])
async def test_what_needs_no_preparation_costs_none(world, network, mode):
    [target] = await world.post("x", await world.account(mode), due_in=30)
    assert (await world.target(target))["prepare_at"] is None
    assert await world.dispatcher().drain() == 0


async def test_a_post_wanted_now_takes_both_steps_at_once(world, network):
    await world.post("now", await world.account("two_step"))
    network.calls.clear()
    await world.dispatcher().drain()
    assert network.calls == ["containers", "containers/publish"]
    assert await world.sent() == ["now"]


async def test_other_words_make_another_first_step(world, network):
    [target] = await world.post("old", await world.account("two_step"), due_in=500)
    await world.dispatcher().drain()
    handle = (await world.target(target))["handle"]
    await world.owner.execute("UPDATE posts SET content = 'new'")
    row = await world.target(target)
    assert (row["handle"], row["prepare_at"] is None) == (None, False)
    await world.dispatcher().drain()
    assert (await world.target(target))["handle"] not in (handle, None)
    await world.travel(501)
    await world.dispatcher().drain()
    assert await world.sent() == ["new"]


async def test_a_handle_of_other_words_is_not_stored(world):
    """The post is edited while the network takes the first step."""
    [target] = await world.post("old", await world.account("two_step"), due_in=500)
    [sending] = await world.lanes.ahead(10)
    await world.owner.execute("UPDATE posts SET content = 'new'")
    assert not await world.lanes.prepared(sending, Prepared("of the old words"))
    assert (await world.target(target))["handle"] is None
    await world.owner.execute("UPDATE posts SET content = 'old'")
    assert await world.lanes.prepared(sending, Prepared("of these words"))


async def test_a_first_step_that_comes_late_does_not_replace_the_one_being_published(world):
    """Its worker was paused: meanwhile the post fell due, and another took both steps."""
    [target] = await world.post("x", await world.account("two_step"), due_in=30)
    [late] = await world.lanes.ahead(10)
    await world.travel(31)
    sending = await begun(world, target)
    assert not await world.lanes.prepared(late, Prepared("late, and first"))
    assert await world.lanes.prepared(sending, Prepared("published"))
    assert not await world.lanes.prepared(late, Prepared("late"))
    assert (await world.target(target))["handle"] == "published"


@pytest.mark.parametrize("found", ["unknown", "scheduled"])
async def test_a_late_first_step_is_not_looked_up_in_the_place_of_another(world, found):
    """Nor when the outcome of the send is open, or was nothing."""
    [target] = await world.post("x", await world.account("two_step"), due_in=30)
    [late] = await world.lanes.ahead(10)
    await world.travel(31)
    sending = await begun(world, target)
    assert await world.lanes.prepared(sending, Prepared("published"))
    facts = Facts(proof="definite_rejection", check_in=0)
    assert await world.lanes.outcome(sending, "sending", found, facts)
    before = await world.target(target)
    assert not await world.lanes.prepared(late, Prepared("late"))
    await world.lanes.ahead_done(late, 5)
    assert await world.target(target) == before


async def test_a_handle_that_has_ended_is_made_anew(world, network):
    [target] = await world.post("x", await world.account("two_step"), due_in=500)
    await world.dispatcher().drain()
    await world.owner.execute("UPDATE targets SET handle_ends_at = mypost_now()")
    await world.travel(501)
    network.calls.clear()
    await world.dispatcher().drain()
    assert network.calls == ["containers", "containers/publish"]
    assert await world.states(target) == ["published"]


async def test_one_worker_prepares_a_target(world):
    await world.post("x", await world.account("two_step"), due_in=500)
    assert len(await world.lanes.ahead(10)) == 1
    assert await world.lanes.ahead(10) == []
    await world.travel(31)
    assert len(await world.lanes.ahead(10)) == 1


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Unknown("lost"), "scheduled"),
        (RateLimited(5), "scheduled"),
        (Rejected("x", "no", None), "failed"),
    ],
)
async def test_a_first_step_that_is_not_taken(world, network, answer, state):
    """Nothing is visible: an answer that was lost is no question, only another try."""

    async def prepare(_grant, _draft):
        return answer

    network.prepare = prepare
    [target] = await world.post("x", await world.account("two_step"), due_in=100)
    await world.dispatcher().drain()
    row = await world.target(target)
    assert row["state"] == "scheduled"
    assert (row["prepare_at"] is None) is (state == "failed")
    await world.travel(101)
    await world.dispatcher().drain()
    assert await world.states(target) == [state]
    assert await world.sent() == []


async def test_a_grant_that_is_dead_is_told_while_there_is_time(world, network):
    account = await world.account("renewing")
    [target] = await world.post("x", account, due_in=4000)
    stored = await world.owner.fetchrow("SELECT * FROM accounts")
    # Somebody else has used the refresh token: it is dead.
    await network.refresh(outcome.grant(KEYS, _Stored(stored)))
    await world.travel(3450)
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["risk"], row["hold_reason"]) == (
        *("scheduled", "reconnect", "needs_reauth"),
    )
    assert await world.owner.fetchval("SELECT status FROM accounts") == "needs_reauth"


class _Stored:
    """An account's row, as the grant is opened from it."""

    def __init__(self, row):
        self.grant_cipher, self.workspace_id = row["grant_cipher"], row["workspace_id"]
        self.account_id = row["id"]


async def test_a_token_that_ends_flags_what_is_due_later(world):
    account = await world.account("ending")  # in an hour
    [before] = await world.post("before", account, due_in=3000)
    [after] = await world.post("after", account, due_in=4000)
    assert [(await world.target(t))["risk"] for t in (before, after)] == [None, "token_ends"]
    # A new token that lasts takes the flag away, one that ends sooner sets more.
    for ends, risks in ((2000, ["token_ends"] * 2), (5000, [None] * 2)):
        await world.owner.execute(
            "UPDATE accounts SET grant_ends_at = mypost_now() + $1, grant_version = 2",
            timedelta(seconds=ends),
        )
        assert [(await world.target(t))["risk"] for t in (before, after)] == risks


async def test_an_account_is_expiring_a_week_before_and_asks_at_the_end(world):
    account = await world.account("ending")
    [target] = await world.post("x", account, due_in=4000)
    await world.lanes.expire()
    assert await world.owner.fetchval("SELECT status FROM accounts") == "expiring"
    assert await world.lanes.expire() == 0
    await world.travel(3601)
    assert await world.lanes.expire() == 1
    assert await world.owner.fetchval("SELECT status FROM accounts") == "needs_reauth"
    row = await world.target(target)
    assert (row["hold_reason"], row["risk"]) == ("needs_reauth", "reconnect")
    events = await world.types()
    assert {"account.expiring", "account.needs_reauth"} <= set(events)
    # Connected again, the post goes out.
    await world.owner.execute(
        "UPDATE accounts SET status = 'active', grant_ends_at = NULL, token_expires_at = NULL,"
        " grant_version = grant_version + 1"
    )
    row = await world.target(target)
    assert (row["hold_reason"], row["risk"]) == (None, None)


async def test_a_container_is_stored_before_it_is_published(world, network):
    """A crash right after the last call is looked up by the handle."""
    [target] = await world.post("x", await world.account("two_step"))
    await world.dispatcher()._prepare()
    sending = await begun(world, target)
    await network.publish(outcome.grant(KEYS, sending), outcome.draft(sending))
    await world.dispatcher().drain()
    row = await world.target(target)
    assert (row["state"], row["proof"]) == ("published", "lookup_found")
    assert await world.sent() == ["x"]


async def test_an_edit_while_it_is_sent_is_not_possible(world):
    [target] = await world.post("x", await world.account("two_step"))
    sending = await begun(world, target)
    facts = Facts(proof="handle", handle="h", check_in=1)
    assert await world.lanes.outcome(sending, "sending", "confirming", facts)
    await world.owner.execute("UPDATE posts SET content = 'new'")
    assert (await world.target(target))["handle"] == "h"
