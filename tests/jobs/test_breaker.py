"""A network in trouble is left alone for a while; its posts wait, and none fails for it."""

import asyncio

import pytest

from mypost.networks import Budget, NotSent, Published, RateLimited, Rejected, Unknown
from tests.jobs.conftest import until

OPEN = "SELECT opened, hold_reason FROM gates"


async def fail(world, strange, accounts, times=1):
    """Lets posts of these accounts meet a network that is down."""
    strange.answer = NotSent("503")
    for _ in range(times):
        for account in accounts:
            await world.owner.execute("UPDATE lanes SET hold_until = NULL, hold_reason = NULL")
            await world.post("x", account)
            await world.dispatcher().run_once()


async def lane(world, account):
    return await world.owner.fetchrow(
        "SELECT *, extract(epoch FROM hold_until - mypost_now()) AS pause FROM lanes"
        " WHERE account_id = $1",
        account,
    )


async def test_five_troubles_in_a_row_open_an_accounts_breaker(world, strange):
    account = await world.account()
    await fail(world, strange, [account], 4)
    assert (await lane(world, account))["opened"] == 0
    await fail(world, strange, [account])
    found = await lane(world, account)
    assert found["opened"] == 1
    assert found["pause"] == pytest.approx(31, abs=3)
    states = await world.owner.fetch("SELECT DISTINCT state FROM targets")
    assert [row["state"] for row in states] == ["scheduled"]
    # One bad account does not shut the others out.
    assert await world.owner.fetchval("SELECT opened FROM gates") == 0


async def test_a_probe_closes_the_breaker_or_doubles_its_time(world, strange):
    account = await world.account()
    await fail(world, strange, [account], 5)
    pauses = []
    for seconds in (40, 110, 240, 500, 1000, 1700, 2400):
        await world.travel(seconds)
        await world.dispatcher().run_once()
        pauses.append(round((await lane(world, account))["pause"]))
    assert pauses == [pytest.approx(pause, abs=2) for pause in (60, 120, 240, 480, 600, 600, 600)]
    strange.answer = Published("live", "http://x")
    await world.travel(3100)
    await world.dispatcher().run_once()
    found = await lane(world, account)
    assert (found["opened"], found["troubles"], found["hold_reason"]) == (0, 0, None)


async def test_ten_of_twenty_open_it_too(world, strange):
    account = await world.account()
    for number in range(19):
        strange.answer = NotSent("503") if number % 2 else Published(f"n{number}", "http://x")
        await world.owner.execute("UPDATE lanes SET hold_until = NULL, hold_reason = NULL")
        await world.owner.execute("UPDATE targets SET due_at = mypost_now() + interval '1 h'")
        await world.post("x", account)
        await world.dispatcher().run_once()
        assert (await lane(world, account))["opened"] == 0
    strange.answer = NotSent("503")
    await world.owner.execute("UPDATE lanes SET hold_until = NULL, hold_reason = NULL")
    await world.post("x", account)
    await world.dispatcher().run_once()
    assert (await lane(world, account))["opened"] == 1


async def test_troubles_of_several_accounts_open_the_networks_breaker(world, strange):
    accounts = [await world.account() for _ in range(8)]
    strange.answer = NotSent("503")
    for account in accounts[:5]:
        await world.post("x", account)
    await world.dispatcher().run_once()
    assert tuple(await world.owner.fetchrow(OPEN)) == (1, "breaker")
    # Nobody is sent for, and nobody fails.
    strange.answer = Published("live", "http://x")
    await world.owner.execute("UPDATE lanes SET hold_until = NULL, hold_reason = NULL")
    assert await world.dispatcher().run_once() == 0
    assert await world.lanes.wait() == pytest.approx(30, abs=5)
    # When its time is over one post of all is let through; the network answers again.
    await world.travel(31)
    targets = [(await world.post(f"late {n}", each))[0] for n, each in enumerate(accounts[5:])]
    strange.answer = NotSent("503")
    assert await world.dispatcher().run_once() == 1
    assert tuple(await world.owner.fetchrow(OPEN)) == (2, "breaker")
    await world.travel(100)
    await world.owner.execute("UPDATE lanes SET hold_until = NULL, hold_reason = NULL")
    strange.answer = Rejected("validation", "no", None)
    assert await world.dispatcher().run_once() == 1
    assert tuple(await world.owner.fetchrow(OPEN)) == (0, None)
    await world.dispatcher().drain()
    assert "failed" in await world.states(*targets)
    assert "scheduled" not in await world.states(*targets)


async def test_the_networks_breaker_opens_by_lost_answers_as_well(world, strange):
    strange.answer = Unknown("timeout")
    for _ in range(5):
        await world.post("x", await world.account())
    await world.dispatcher().run_once()
    assert tuple(await world.owner.fetchrow(OPEN)) == (1, "breaker")


async def test_a_server_error_never_changes_an_accounts_status(world, strange):
    account = await world.account()
    await fail(world, strange, [account], 6)
    strange.answer = Unknown("500")
    await world.travel(100)
    await world.dispatcher().drain()
    assert await world.owner.fetchval("SELECT status FROM accounts") == "active"


async def test_a_pause_for_everybody_holds_everybody(world, strange):
    first, second = await world.account(), await world.account()
    strange.answer = RateLimited(60, everybody=True)
    await world.post("x", first)
    await world.dispatcher().run_once()
    [waiting] = await world.post("y", second)
    strange.answer = Published("live", "http://x")
    await world.dispatcher().drain()
    assert await world.states(waiting) == ["scheduled"]
    await world.travel(61)
    await world.dispatcher().drain()
    assert await world.states(waiting) == ["published"]


async def test_an_account_keeps_a_tenth_of_its_budget_for_repeats(world):
    account = await world.account("budget")  # ten in an hour
    targets = [(await world.post(f"n{n}", account))[0] for n in range(12)]
    await world.dispatcher().drain()
    states = await world.states(*targets)
    assert (states.count("published"), states.count("scheduled")) == (9, 3)
    found = await lane(world, account)
    assert (found["hold_reason"], found["budget_limit"], found["budget_left"]) == ("budget", 10, 1)
    assert found["pause"] == pytest.approx(3600, abs=5)
    assert len(await world.sent()) == 9


async def test_what_will_not_fit_is_told_when_it_is_planned(world):
    account = await world.account("budget")
    await world.post("first", account)
    await world.dispatcher().drain()
    targets = [(await world.post(f"n{n}", account, due_in=600 + n))[0] for n in range(9)]
    [later] = await world.post("tomorrow", account, due_in=90_000)
    risks = [(await world.target(target))["risk"] for target in targets]
    assert risks == [None] * 8 + ["budget"]
    assert (await world.target(later))["risk"] is None
    assert "target.at_risk" in await world.types()
    # One that is taken back makes room for the last.
    await world.owner.execute(
        "UPDATE targets SET due_at = mypost_now() + interval '2 days' WHERE id = $1", targets[0]
    )
    assert (await world.target(targets[-1]))["risk"] is None


async def test_the_apps_budget_is_shared_by_all_accounts(world, strange):
    for number in range(8):
        await world.post(f"n{number}", await world.account())
    sent = []

    async def publish(_grant, draft):
        sent.append(draft.text)
        left = Budget("app", 20, 4 - len(sent), 3600)
        return Published(draft.text, "http://x", budgets=(left,))

    strange.publish = publish
    worker = world.dispatcher()
    worker._networks = {"sandbox": strange}
    claims = await world.lanes.claim(worker.worker, 1)
    begun = await world.lanes.begin(worker.worker, claims, [15.0])
    await worker._deliver(begun[0], float("inf"))
    await worker.drain()
    # Three were left of twenty; a tenth of it, two, is kept.
    assert len(sent) == 2
    assert await world.lanes.wait() == pytest.approx(3600, abs=10)


async def test_a_hold_does_not_keep_the_loop_busy(world, strange):
    """A dispatcher that waits for a breaker asks four times a second at most."""
    await fail(world, strange, [await world.account() for _ in range(5)])
    await world.owner.execute("UPDATE lanes SET hold_until = NULL, hold_reason = NULL")
    worker, asked = world.dispatcher(), []
    real = worker._lanes.claim

    async def claim(*given):
        asked.append(given)
        return await real(*given)

    worker._lanes.claim = claim
    running = asyncio.create_task(worker.run())
    await until(lambda: len(asked) > 1)
    asked.clear()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await until(lambda: len(asked) > 3)
    assert loop.time() - begun > 0.6
    worker.stop()
    await running
