"""The feed: each event once and in order, whatever becomes of Redis; slow readers are told."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from mypost.feed import QUEUE, Event, Feed, Overflow
from tests.client import Person
from tests.conftest import House


def event(workspace, number: int) -> Event:
    return Event(workspace, number, "post.published", None, datetime.now(UTC), {})


@pytest.fixture
async def feed(house: House) -> Feed:
    return Feed(house.services.pool, house.services.nudges.redis)


async def begin(feed: Feed, workspace, after: int | None = None):
    """Starts listening and waits until the feed knows."""
    heard = feed.listen(workspace, lambda _: True, after)
    first = asyncio.ensure_future(anext(heard))
    while workspace not in feed._listeners:
        await asyncio.sleep(0)
    return heard, first


async def test_an_event_that_is_told_twice_is_heard_once(feed: Feed) -> None:
    workspace = uuid4()
    heard, first = await begin(feed, workspace)

    for number in (1, 1, 2, 1, 2, 3):
        feed._deliver(event(workspace, number))

    assert (await first).number == 1
    assert [(await anext(heard)).number for _ in range(2)] == [2, 3]


async def test_a_reader_who_is_too_slow_is_told_what_he_missed(feed: Feed) -> None:
    workspace = uuid4()
    heard, first = await begin(feed, workspace)

    for number in range(1, QUEUE + 100):
        feed._deliver(event(workspace, number))
    await first
    numbers = [(await anext(heard)).number for _ in range(QUEUE - 1)]

    with pytest.raises(Overflow) as lost:
        await anext(heard)
    assert lost.value.number == numbers[-1]
    assert workspace not in feed._listeners


async def test_an_event_of_another_workspace_is_not_heard(feed: Feed) -> None:
    mine, other = uuid4(), uuid4()
    _, first = await begin(feed, mine)

    feed._deliver(event(other, 7))
    feed._deliver(event(mine, 1))

    assert (await first).workspace_id == mine


async def test_a_reader_who_has_left_costs_nothing(feed: Feed) -> None:
    workspace = uuid4()
    heard, first = await begin(feed, workspace)
    feed._deliver(event(workspace, 1))
    await first

    await heard.aclose()

    assert feed._listeners == {}
    assert feed._last == {}


async def test_more_than_a_page_of_missed_events_is_read(
    house: House, feed: Feed, ann: Person
) -> None:
    await house.owner.execute(
        "INSERT INTO events SELECT $1, n, mypost_id(14), 'post.published', NULL, '{}', now()"
        " FROM generate_series(1, 2500) n",
        ann.workspace,
    )
    workspace = await house.value("SELECT id FROM workspaces WHERE id = $1", ann.workspace)

    heard, first = await begin(feed, workspace, after=0)
    numbers = [(await first).number, *[(await anext(heard)).number for _ in range(2499)]]

    assert numbers == list(range(1, 2501))
    await heard.aclose()
