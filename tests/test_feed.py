"""The feed: each event once and in order, whatever becomes of Redis; slow readers are told."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from mypost.feed import AHEAD, FORGOTTEN, QUEUE, SLOW, Event, Feed, Resync
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


async def test_a_reader_who_is_too_slow_is_told_and_goes_on(feed: Feed) -> None:
    workspace = uuid4()
    heard, first = await begin(feed, workspace)
    feed._deliver(event(workspace, 1))
    await first

    for number in range(2, QUEUE + 100):
        feed._deliver(event(workspace, number))
    lost = await anext(heard)
    feed._deliver(event(workspace, QUEUE + 100))

    assert lost == Resync(QUEUE + 99, SLOW)
    assert (await anext(heard)).number == QUEUE + 100
    await heard.aclose()


async def happened(house: House, person: Person, numbers: range) -> UUID:
    """Writes events of these numbers, as the sequencer does."""
    await house.owner.execute(
        "INSERT INTO events SELECT $1, n, mypost_id(14), 'post.published', NULL, '{}', now()"
        " FROM generate_series($2::int, $3::int) n",
        person.workspace, numbers[0], numbers[-1],
    )  # fmt: skip
    return UUID(person.workspace)


async def test_what_the_stream_has_lost_is_read_from_the_table(
    house: House, feed: Feed, ann: Person
) -> None:
    heard, first = await begin(feed, UUID(ann.workspace))
    workspace = await happened(house, ann, range(1, 6))

    for number in (1, 5, 4, 5):
        await feed._take(event(workspace, number))

    assert (await first).number == 1
    assert [(await anext(heard)).number for _ in range(4)] == [2, 3, 4, 5]
    await heard.aclose()


async def test_a_gap_that_cannot_be_read_yet_is_not_stepped_over(feed: Feed) -> None:
    workspace = uuid4()
    heard, first = await begin(feed, workspace)

    await feed._take(event(workspace, 1))
    await feed._take(event(workspace, 3))

    assert (await first).number == 1
    assert feed._last[workspace] == 1
    await heard.aclose()


@pytest.mark.parametrize(
    ("after", "expected"), [(2, Resync(9, FORGOTTEN)), (3, 4), (10, Resync(9, AHEAD))]
)
async def test_a_cursor_that_nothing_reaches_is_told(
    house: House, feed: Feed, ann: Person, after: int, expected: Resync | int
) -> None:
    workspace = await happened(house, ann, range(4, 10))

    heard = feed.listen(workspace, lambda _: True, after)
    first = await anext(heard)

    assert (first if isinstance(first, Resync) else first.number) == expected
    await heard.aclose()


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
    workspace = await happened(house, ann, range(1, 2501))

    heard, first = await begin(feed, workspace, after=0)
    numbers = [(await first).number, *[(await anext(heard)).number for _ in range(2499)]]

    assert numbers == list(range(1, 2501))
    await heard.aclose()
