"""A dispatcher that is gone is known to be gone at once; one that lives keeps its leases."""

import asyncio
import signal

import pytest

from mypost.jobs import points
from mypost.jobs.marks import Marks
from mypost.jobs.pulse import Pulse
from tests.jobs.conftest import begun, until


async def pulse(world, worker):
    made = Pulse(world.pool, worker, Marks())
    await made.start()
    return made


async def test_what_a_living_dispatcher_holds_is_not_swept(world):
    [target] = await world.post("x", await world.account())
    worker = world.dispatcher().worker
    alive = await pulse(world, worker)
    await begun(world, target, worker)
    assert await world.lanes.sweep() == (0, 0, 0)
    await alive.stop()
    assert await world.lanes.sweep() == (0, 1, 0)
    assert await world.states(target) == ["unknown"]


async def test_what_a_dead_dispatcher_had_claimed_is_free_at_once(world):
    [target] = await world.post("once", await world.account())
    [claim] = await world.lanes.claim(world.dispatcher().worker, 10)
    assert await world.lanes.sweep() == (1, 0, 0)
    assert (await world.target(target))["fence"] == claim.fence + 1
    await world.dispatcher().drain()
    assert await world.sent() == ["once"]


async def test_a_lease_ends_with_its_time_though_its_holder_lives(world):
    """A dispatcher may be alive and paused, or cut off from the network."""
    [first] = await world.post("claimed", await world.account())
    [second] = await world.post("sending", await world.account())
    worker = world.dispatcher().worker
    alive = await pulse(world, worker)
    one, two = await world.lanes.claim(worker, 10)
    claim = one if one.target_id == second else two
    await world.lanes.begin(worker, [claim], [15.0])
    await world.travel(5.1)
    assert await world.lanes.sweep() == (1, 0, 0)
    await world.travel(15.1)
    assert await world.lanes.sweep() == (0, 1, 0)
    assert await world.states(first, second) == ["scheduled", "unknown"]
    await alive.stop()


async def test_a_lost_connection_is_replaced_and_the_lock_with_it(world):
    worker = world.dispatcher().worker
    alive = await pulse(world, worker)
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    assert await world.owner.fetchval(held) == 1
    await alive._keeper._connection.close()
    await alive.start()
    assert await world.owner.fetchval(held) == 1
    await alive.stop()
    assert await world.owner.fetchval(held) == 0


async def test_twenty_starts_take_one_lock(world):
    alive = Pulse(world.pool, world.dispatcher().worker, Marks())
    await asyncio.gather(*(alive.start() for _ in range(20)))
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    assert await world.owner.fetchval(held) == 1
    await alive.stop()


@pytest.fixture
def killed(monkeypatch):
    """The signals this process sends itself, caught."""
    sent = []
    monkeypatch.setattr("mypost.jobs.points.os.kill", lambda _pid, sign: sent.append(sign))
    yield sent
    points.arm(None)


def test_a_point_kills_the_nth_time_and_the_others_do_nothing(killed):
    points.reach("answered")
    points.arm(("answered", 3))
    for point in ("answered", "claimed", "answered", "swept"):
        points.reach(point)
    assert killed == []
    points.reach("answered")
    assert killed == [signal.SIGKILL]
    points.arm(None)
    points.reach("answered")
    assert killed == [signal.SIGKILL]


async def test_every_point_is_come_by(world, monkeypatch):
    """One send, one sweep, one lookup, one poll and one renewal pass them all."""
    seen = []
    monkeypatch.setattr(points, "reach", seen.append)
    world.network.written = lambda: seen.append("after_first_byte")
    world.server.state.slow_seconds = 0
    [swept] = await world.post("swept", await world.account())
    await begun(world, swept)
    await world.post("renewed", await world.account("renewing"), due_in=3590)
    await world.post("polled", await world.account("two_step_slow"))
    await world.post("sent", await world.account("lost"))
    for seconds in (0, 15, 18, 3000):
        await world.travel(seconds)
        await world.dispatcher().drain()
    assert set(seen) == set(points.POINTS)


async def test_followers_of_a_dead_dispatcher_wait_no_longer_than_a_sweep(world):
    account = await world.account()
    [first] = await world.post("first", account)
    [second] = await world.post("second", account)
    [claim] = await world.lanes.claim(world.dispatcher().worker, 10)
    assert claim.target_id == first
    worker = world.dispatcher()
    running = asyncio.create_task(worker.run())

    async def out() -> bool:
        return await world.states(first, second) == ["published", "published"]

    await until(out, 5)
    worker.stop()
    await running
    assert await world.sent() == ["first", "second"]
