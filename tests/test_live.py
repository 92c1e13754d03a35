"""What many hear of one event, and how streams end, by both transports."""

import asyncio
import re
from contextlib import AsyncExitStack

from tests.client import Api, Person, Socket
from tests.conftest import House
from tests.test_status import LIVE, story

MINE = """subscription($b: ID!) { postStatusChanged(brandId: $b) { ... on PostStatusEvent {
  type post { brand { workspace { viewerPermissions } } } } } }"""


async def executed(api: Api) -> int:
    """How many operations and events this process has executed."""
    text = (await api.http.get("/metrics")).text
    found = re.findall(r"mypost_engine_operations_total\{[^}]*\} (\S+)", text)
    assert found, text
    return sum(int(float(n)) for n in found)


async def test_an_event_is_executed_once_for_all_who_ask_the_same(
    house: House, api: Api, ann: Person
) -> None:
    people = [ann, await api.again(ann), *[await api.colleague(ann, "Owner") for _ in range(3)]]
    account = await ann.account()
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(Socket.open(house.settings.origin, person.token))
            for person in people
        ]
        for number, live in enumerate(sockets):
            await live.subscribe(LIVE, brandId=ann.brand, after="0" if number % 2 else None)
        post = await ann.post(account)
        await ann.rest("POST", f"/posts/{post['id']}/publish")
        before = await executed(api)
        await house.work()
        heard = [await story(live, "post.published") for live in sockets]
        after = await executed(api)

    assert heard == [heard[0]] * len(sockets)
    assert after - before == len(heard[0])


async def test_what_is_personal_is_executed_for_each(house: House, api: Api, ann: Person) -> None:
    editor = await api.colleague(ann, "Editor")
    account = await ann.account()
    seen = {}
    for person in (ann, editor):
        async with Socket.open(house.settings.origin, person.token) as live:
            await live.subscribe(MINE, b=ann.brand)
            await ann.post(account, scheduledAt="2031-01-01T00:00:00Z")
            await house.tell()
            event = (await live.next())["postStatusChanged"]
            seen[person.id] = event["post"]["brand"]["workspace"]["viewerPermissions"]

    assert "WORKSPACE_SETTINGS" in seen[ann.id]
    assert "WORKSPACE_SETTINGS" not in seen[editor.id]


async def test_who_is_removed_hears_it_though_nothing_happens(
    house: House, api: Api, ann: Person
) -> None:
    bob = await api.colleague(ann, "Editor")
    async with Socket.open(house.settings.origin, bob.token) as live:
        await live.subscribe(LIVE, brandId=ann.brand)
        await ann.rest("DELETE", f"/workspaces/{ann.workspace}/users/{bob.id}")
        async with asyncio.timeout(5):
            message = await live.receive()

    assert (message["id"], message["type"]) == ("1", "error")
    assert message["payload"][0]["extensions"]["code"] == "NOT_FOUND"
