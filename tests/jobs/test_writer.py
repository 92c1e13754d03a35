"""Outcomes are written together, and each is told its own."""

import asyncio

import pytest

from mypost.jobs.dispatcher import TOGETHER
from mypost.jobs.writer import Writer
from mypost.models.lanes import REFUSED, Facts, Lanes, Outcome


class Counting(Lanes):
    """The real doors, with the sizes of what goes through on record."""

    def __init__(self, pool):
        super().__init__(pool)
        self.begun, self.written = [], []

    async def begin(self, worker, claims, leases):
        self.begun.append(len(claims))
        return await super().begin(worker, claims, leases)

    async def outcomes(self, found):
        self.written.append(len(found))
        return await super().outcomes(found)


async def sent(world, *texts):
    """Posts of accounts of their own, all being sent."""
    targets = [(await world.post(text, await world.account()))[0] for text in texts]
    claims = await world.lanes.claim(world.user, 100)
    found = await world.lanes.begin(world.user, claims, [15.0] * len(claims))
    return targets, {each.content: each for each in found}


def live(sending, name):
    return Outcome(sending, "sending", "published", Facts(proof="remote_id", external_id=name))


async def test_what_waits_is_written_together(world):
    targets, found = await sent(world, "a", "b", "c")
    lanes = Counting(world.pool)
    writer = Writer(lanes)
    moved = await asyncio.gather(*(writer.write(live(found[name], name)) for name in "abc"))
    assert moved == [True, True, True]
    assert lanes.written == [3]
    assert await world.states(*targets) == ["published"] * 3
    assert not writer.tasks


async def test_each_is_told_whether_it_moved(world):
    targets, found = await sent(world, "a", "b")
    writer = Writer(world.lanes)
    late = Outcome(found["a"], "unknown", "published", live(found["a"], "a").facts)
    assert await asyncio.gather(writer.write(late), writer.write(live(found["b"], "b"))) == [
        False,
        True,
    ]
    assert await world.states(*targets) == ["sending", "published"]


async def test_one_that_is_refused_keeps_no_other_back(world):
    """A state that does not exist: the row refuses it, and the others are written all the same."""
    targets, found = await sent(world, "a", "b", "c")
    writer = Writer(world.lanes)
    bad = Outcome(found["b"], "sending", "lost", Facts())
    works = (writer.write(each) for each in (live(found["a"], "a"), bad, live(found["c"], "c")))
    first, refused, last = await asyncio.gather(*works, return_exceptions=True)
    assert (first, last) == (True, True)
    assert isinstance(refused, REFUSED)
    assert await world.states(*targets) == ["published", "sending", "published"]


async def test_whoever_no_longer_waits_holds_up_nobody(world):
    [first, second], found = await sent(world, "a", "b")
    writer = Writer(world.lanes)
    gone = asyncio.create_task(writer.write(live(found["a"], "a")))
    stays = asyncio.create_task(writer.write(live(found["b"], "b")))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await world.states(first, second) == ["published"] * 2


async def test_no_more_are_begun_at_once_than_a_crash_may_leave_behind(world):
    for number in range(TOGETHER + 4):
        await world.post(f"n{number}", await world.account())
    dispatcher = world.dispatcher()
    dispatcher._lanes = Counting(world.pool)
    assert await dispatcher.run_once() == TOGETHER + 4
    assert dispatcher._lanes.begun == [TOGETHER, 4]
    assert len(await world.sent()) == TOGETHER + 4


async def test_two_outcomes_of_one_target_are_written_one_after_the_other(world):
    targets, found = await sent(world, "a")
    lanes = Counting(world.pool)
    writer = Writer(lanes)
    moved = await asyncio.gather(
        writer.write(live(found["a"], "a")), writer.write(live(found["a"], "other"))
    )
    assert moved == [True, False]
    assert lanes.written == [1, 1]
    assert await world.states(*targets) == ["published"]


async def test_who_comes_when_the_writer_is_about_to_stop_is_written_too(world):
    """One after the other: the second comes before the first one's task is told to be done."""
    targets, found = await sent(world, "a", "b", "c")
    writer = Writer(world.lanes)
    async with asyncio.timeout(10):
        moved = [await writer.write(live(found[name], name)) for name in "abc"]
    assert moved == [True, True, True]
    assert await world.states(*targets) == ["published"] * 3
