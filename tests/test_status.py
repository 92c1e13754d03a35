"""Live post status over graphql-transport-ws."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from tests.client import Api, Person, Socket
from tests.conftest import House

LIVE = """
subscription($brandId: ID!, $postIds: [ID!], $after: String) {
  postStatusChanged(brandId: $brandId, postIds: $postIds, after: $after) {
    ... on PostStatusEvent {
      cursor type occurredAt previousStatus status previousPhase phase
      previousTargetStatus targetStatus
      post { id content status targets { status } }
      target { id externalUrl account { name } }
    }
    ... on ResyncRequired { cursor reason }
  }
}
"""


async def story(live: Socket, until: str) -> list[dict]:
    """The events up to the first whose type is `until`."""
    heard = []
    async with asyncio.timeout(5):
        while not heard or heard[-1]["type"] != until:
            heard.append((await live.next())["postStatusChanged"])
    return heard


async def test_a_subscriber_sees_a_post_from_scheduled_to_published(
    house: House, ann: Person, live: Socket
) -> None:
    account = await ann.account()
    await live.subscribe(LIVE, brandId=ann.brand)

    post = await ann.post(account)
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()

    heard = await story(live, "post.published")
    assert [(e["type"], e["previousPhase"], e["phase"]) for e in heard] == [
        ("target.scheduled", "DRAFT", "PUBLISHING"),
        ("post.publishing", "DRAFT", "PUBLISHING"),
        ("target.publishing", "PUBLISHING", "PUBLISHING"),
        ("target.published", "PUBLISHING", "PUBLISHED"),
        ("post.published", "PUBLISHING", "PUBLISHED"),
    ]
    assert {e["post"]["id"] for e in heard} == {post["id"]}
    assert [int(e["cursor"]) for e in heard] == sorted({int(e["cursor"]) for e in heard})
    assert heard[3]["target"]["externalUrl"].startswith(house.settings.origin)
    assert (heard[3]["previousTargetStatus"], heard[3]["targetStatus"]) == (
        "PUBLISHING",
        "PUBLISHED",
    )
    assert heard[4]["target"] is None


async def test_each_event_reads_the_post_afresh(house: House, ann: Person, live: Socket) -> None:
    await live.subscribe(LIVE, brandId=ann.brand)
    post = await ann.post(await ann.account(), content="First")

    await ann.rest("POST", f"/posts/{post['id']}/schedule", {"scheduledAt": "2031-01-01T00:00:00Z"})
    await house.tell()
    first = await story(live, "post.scheduled")
    await ann.rest("PATCH", f"/posts/{post['id']}", {"content": "Second"})
    await ann.rest("POST", f"/posts/{post['id']}/cancel")
    await house.tell()
    second = await story(live, "post.cancelled")

    assert first[-1]["post"]["content"] == "First"
    assert second[-1]["post"]["content"] == "Second"


async def test_a_cursor_resumes_without_gap_or_repeat(
    house: House, ann: Person, live: Socket
) -> None:
    await live.subscribe(LIVE, brandId=ann.brand)
    post = await ann.post(await ann.account())
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()
    heard = await story(live, "post.published")

    async with Socket.open(house.settings.origin, ann.token) as later:
        await later.subscribe(LIVE, brandId=ann.brand, after=heard[1]["cursor"])
        again = await story(later, "post.published")

    assert [e["cursor"] for e in again] == [e["cursor"] for e in heard[2:]]


async def test_a_subscriber_hears_only_the_posts_he_asked_for(
    house: House, ann: Person, live: Socket
) -> None:
    account = await ann.account()
    wanted, other = await ann.post(account), await ann.post(account)
    await live.subscribe(LIVE, brandId=ann.brand, postIds=[wanted["id"]])

    for post in (other, wanted):
        await ann.rest("POST", f"/posts/{post['id']}/publish")
        await house.work()

    heard = await story(live, "post.published")
    assert {e["post"]["id"] for e in heard} == {wanted["id"]}


async def test_redis_may_be_emptied(house: House, ann: Person, live: Socket) -> None:
    await live.subscribe(LIVE, brandId=ann.brand)
    post = await ann.post(await ann.account())
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.dispatcher.drain()
    while await house.sequencer.run_once():
        await house.services.nudges.redis.flushall()

    heard = await story(live, "post.published")

    assert heard[-1]["post"]["status"] == "PUBLISHED"


async def test_another_tenants_brand_cannot_be_heard(
    ann: Person, eve: Person, live: Socket
) -> None:
    await live.subscribe(LIVE, brandId=eve.brand)

    message = live.seen.pop(0) if live.seen else await live.receive()

    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "9" * 30, ""])
async def test_a_cursor_that_is_none_is_refused(ann: Person, live: Socket, after: str) -> None:
    await live.subscribe(LIVE, brandId=ann.brand, after=after)

    message = live.seen.pop(0) if live.seen else await live.receive()

    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["details"][0]["path"] == "after"


async def test_queries_and_mutations_run_over_the_socket(ann: Person, live: Socket) -> None:
    await live.send({"id": "q", "type": "subscribe", "payload": {"query": "{ viewer { email } }"}})

    assert await live.next() == {"viewer": {"email": ann.email}}
    assert (await live.receive()) == {"id": "q", "type": "complete"}


@asynccontextmanager
async def raw(house: House, protocol: str = "graphql-transport-ws", **given):
    address = house.settings.origin.replace("http", "ws", 1) + "/graphql"
    async with connect(address, subprotocols=[protocol], **given) as connection:
        yield Socket(connection)


async def closing(socket: Socket) -> tuple[int, str]:
    """The code and reason the server closes with."""
    try:
        while True:
            await socket.receive()
    except (ConnectionClosedError, ConnectionClosedOK) as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "subscribe", "id": "1", "payload": {"query": "{ viewer { id } }"}}, 4401),
        ({"type": "connection_init", "payload": {"authorization": "Bearer nonsense"}}, 4403),
        ({"type": "connection_init"}, 4403),
        ({"type": "connection_init", "payload": {"authorization": ["x"]}}, 4403),
        ({"type": "connection_init", "payload": 7}, 4400),
        ({"type": "nonsense"}, 4400),
        ({"no": "type"}, 4400),
        ([], 4400),
    ],
)
async def test_a_bad_beginning_closes_the_socket(house: House, message: object, code: int) -> None:
    async with raw(house) as socket:
        await socket.send(message)  # type: ignore[arg-type]

        assert (await closing(socket))[0] == code


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "connection_init", "payload": {}}], 4429),
        ([{"type": "subscribe", "payload": {"query": "{ a }"}}], 4400),
        ([{"type": "subscribe", "id": "1", "payload": {}}], 4400),
        ([{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": []}}], 4400),
        ([{"type": "nonsense"}], 4400),
    ],
)
async def test_a_bad_message_closes_the_socket(live: Socket, messages: list, code: int) -> None:
    for message in messages:
        await live.send(message)

    assert (await closing(live))[0] == code


async def test_the_same_id_twice_closes_the_socket(ann: Person, live: Socket) -> None:
    await live.subscribe(LIVE, brandId=ann.brand)

    await live.send(
        {"id": "1", "type": "subscribe",
         "payload": {"query": LIVE, "variables": {"brandId": ann.brand}}}
    )  # fmt: skip

    assert await closing(live) == (4409, "Subscriber for 1 already exists")


async def test_the_legacy_protocol_is_off(house: House) -> None:
    async with raw(house, "graphql-ws") as socket:
        assert (await closing(socket))[0] == 4406


async def test_a_foreign_page_cannot_connect(house: House) -> None:
    with pytest.raises(Exception, match="403"):
        async with raw(house, origin="https://evil.example"):
            pass


async def test_an_invalid_document_is_an_error_not_a_close(live: Socket) -> None:
    for query in ("{", "{ nothing }", "subscription { nothing }"):
        await live.send({"id": "e", "type": "subscribe", "payload": {"query": query}})
        message = await live.receive()
        assert (message["id"], message["type"]) == ("e", "error")
        assert message["payload"][0]["extensions"]["code"] == "VALIDATION_ERROR"


async def test_the_socket_ends_with_its_token(moved: House, ann: Person) -> None:
    await moved.shift(timedelta(seconds=898))

    async with Socket.open(moved.settings.origin, ann.token) as socket, asyncio.timeout(5):
        assert await closing(socket) == (4403, "Token expired")


async def test_logging_out_ends_the_socket(api: Api, house: House, ann: Person) -> None:
    async with Socket.open(house.settings.origin, ann.token) as socket:
        await ann.rest("POST", "/auth/logout")
        async with asyncio.timeout(8):
            assert await closing(socket) == (4403, "Session ended")
