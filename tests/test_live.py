"""What many hear of one event, and how streams end, by both transports."""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from mypost import app
from mypost.engine.documents import Documents
from mypost.engine.endpoint import Endpoint
from mypost.engine.streams import Streams
from mypost.engine.websocket import Sockets
from mypost.metrics import Metrics
from mypost.middleware import RateLimits, RequestIds
from mypost.schema.build import schema
from mypost.subscriber import look_after
from tests.client import Api, Person, Socket
from tests.conftest import House, served
from tests.test_status import LIVE, closing, story

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


URQL = (
    "application/graphql-response+json, application/graphql+json, application/json,"
    " text/event-stream, multipart/mixed"
)


@asynccontextmanager
async def events(
    person: Person, query: str = LIVE, accept: str = "text/event-stream", **variables: Any
) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """A stream of server-sent events: pairs of a name and what was said."""
    body = {"query": query, "variables": variables}
    headers = {"authorization": f"Bearer {person.token}", "accept": accept}
    asked = person.api.http.stream("POST", "/graphql", json=body, headers=headers)
    async with asked as answer, aclosing(_said(answer)) as said:
        yield said


async def _said(answer: httpx2.Response) -> AsyncIterator[tuple[str, Any]]:
    assert answer.headers["content-type"].startswith("text/event-stream"), await answer.aread()
    name = ""
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data:"):
            data = line.removeprefix("data:").strip()
            yield name, json.loads(data) if data else None


def code(said: dict[str, Any]) -> str:
    return said["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize("accept", ["text/event-stream", URQL])
async def test_a_subscription_is_told_as_server_sent_events(
    house: House, ann: Person, accept: str
) -> None:
    account = await ann.account()
    async with events(ann, accept=accept, brandId=ann.brand, after="0") as said:
        await ann.post(account, scheduledAt="2031-01-01T00:00:00Z")
        await house.tell()
        async with asyncio.timeout(5):
            name, answer = await anext(said)

    assert name == "next"
    assert answer["data"]["postStatusChanged"]["type"] == "target.scheduled"


async def test_a_query_is_told_as_events_only_when_nothing_else_will_do(ann: Person) -> None:
    async def asked(accept: str) -> httpx2.Response:
        headers = {"authorization": f"Bearer {ann.token}", "accept": accept}
        body = {"query": "{ viewer { email } }"}
        return await ann.api.http.post("/graphql", json=body, headers=headers)

    plain, events = await asked(URQL), await asked("text/event-stream")

    assert plain.json()["data"] == {"viewer": {"email": ann.email}}
    name, data, *rest = events.text.split("\n")
    assert (name, rest) == ("event: next", ["", "event: complete", "data:", "", ""])
    assert json.loads(data.removeprefix("data: "))["data"] == {"viewer": {"email": ann.email}}


async def test_who_is_not_signed_in_begins_no_stream(api: Api, ann: Person) -> None:
    body = {"query": LIVE, "variables": {"brandId": ann.brand}}
    for token in ({}, {"authorization": "Bearer nonsense"}):
        answer = await api.http.post(
            "/graphql", json=body, headers={"accept": "text/event-stream", **token}
        )

        assert answer.status_code == 401
        assert code(answer.json()) == "UNAUTHORIZED"


async def test_a_subscription_without_a_stream_is_told_how(ann: Person) -> None:
    answer = await ann.gql(LIVE, brandId=ann.brand)

    assert "text/event-stream" in answer["errors"][0]["message"]


async def test_what_cannot_be_heard_is_told_in_the_stream(ann: Person, eve: Person) -> None:
    async with events(ann, brandId=eve.brand) as said:
        heard = [each async for each in said]

    assert [name for name, _ in heard] == ["next", "complete"]
    assert code(heard[0][1]) == "NOT_FOUND"


async def test_a_stream_ends_when_its_subscriber_is_removed(
    house: House, api: Api, ann: Person
) -> None:
    bob = await api.colleague(ann, "Editor")
    async with events(bob, brandId=ann.brand) as said, asyncio.timeout(5):
        await ann.rest("DELETE", f"/workspaces/{ann.workspace}/users/{bob.id}")
        heard = [each async for each in said]

    assert [name for name, _ in heard] == ["next", "complete"]
    assert code(heard[0][1]) == "NOT_FOUND"


async def test_a_stream_ends_with_its_token(moved: House, ann: Person) -> None:
    await moved.shift(timedelta(seconds=898))

    async with events(ann, brandId=ann.brand) as said, asyncio.timeout(5):
        heard = [each async for each in said]

    assert heard == [("complete", None)]


async def test_a_query_may_be_asked_for_by_get_and_a_change_may_not(ann: Person) -> None:
    async def asked(query: str, **more: str) -> httpx2.Response:
        headers = {"authorization": f"Bearer {ann.token}", "accept": "application/json"}
        given = {"query": query, **more}
        return await ann.api.http.get("/graphql", params=given, headers=headers)

    found = await asked(
        "query($id: ID!) { brand(id: $id) { id } }", variables=json.dumps({"id": ann.brand})
    )
    refused = await asked("mutation { logout(input: {}) { success } }")
    wrong = await asked("{ version }", variables="{")

    assert found.json()["data"] == {"brand": {"id": ann.brand}}
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert code(refused.json()) == "METHOD_NOT_ALLOWED"
    assert (wrong.status_code, code(wrong.json())) == (400, "VALIDATION_ERROR")
    assert (await ann.rest("GET", "/auth/me")).status_code == 200


async def test_nobody_holds_up_the_end(house: House, api: Api, ann: Person) -> None:
    """Another server on the house's services is shut down while nothing happens."""
    core, held, documents = schema._schema, app.Held(), Documents(schema._schema)
    held.services = house.services
    known, make = app.trusted(documents, house.settings), app.context_maker(held)
    streams, limiter = Streams(look_after(lambda: held.services)), house.services.limiter
    sockets = Sockets(core, known, app.connector(held), app.told, frozenset(), app.charge, streams)
    shown = make, app.told, app.finish, app.charge, app.listener(held), streams
    endpoint = Endpoint(core, known, *shown)
    other = Starlette(
        routes=[
            Route("/graphql", endpoint.answer, methods=["POST"]),
            WebSocketRoute("/graphql", sockets.serve),
        ],
        middleware=[
            Middleware(RequestIds, Metrics(documents, limiter)),
            Middleware(RateLimits, limiter, make, app.refuse),
        ],
    )
    other.state.streams = streams
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with AsyncExitStack() as stack, served(other, listening) as server:
            client = httpx2.AsyncClient(base_url=origin, timeout=10)
            api.http = await stack.enter_async_context(client)
            said = await stack.enter_async_context(events(ann, brandId=ann.brand))
            live = await stack.enter_async_context(Socket.open(origin, ann.token))
            await live.subscribe(LIVE, brandId=ann.brand)
            began = time.monotonic()
            server.should_exit = True
            heard = [each async for each in said]
            closed = await closing(live)
        took = time.monotonic() - began

    assert heard == [("complete", None)]
    assert closed == (1012, "Service restart")
    assert took < 10
