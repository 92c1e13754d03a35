"""Trusted documents: known to the server beforehand, asked for by their ids."""

import contextlib
import dataclasses
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from mypost import app, settings
from mypost.engine.documents import Documents
from mypost.engine.endpoint import Endpoint
from mypost.engine.trusted import Trusted, Unusable, id_of, load
from mypost.engine.websocket import Sockets
from mypost.metrics import Metrics
from mypost.middleware import RateLimits, RequestIds
from mypost.rest import door as rest
from mypost.schema.build import schema
from mypost.settings import BadSettings
from tests.client import Person, Socket, plain
from tests.conftest import House, served

CORE = schema._schema
NAME = "query Name { viewer { name } }"
BRAND = """query Brand($id: ID!, $wide: Boolean = false) {
  brand(id: $id) { id name @include(if: $wide) }
}"""
LIVE = "subscription Live($b: ID!) { postStatusChanged(brandId: $b) { __typename } }"
OTHER = "{ viewer { id } }"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def apollo(text: str, **more: Any) -> dict[str, Any]:
    """What Apollo's clients send for a document."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(text)}}, **more}


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as build tools leave it: two manifests, a document, and what is neither."""
    folder = tmp_path_factory.mktemp("trusted")
    (folder / "relay.json").write_text(json.dumps({"0a1b2c3d": NAME}))
    (folder / "codegen").mkdir()
    (folder / "codegen" / "persisted-documents.json").write_text(json.dumps({digest(BRAND): BRAND}))
    (folder / "live.graphql").write_text(LIVE)
    (folder / "README.md").write_text("Made by the build.")
    return folder


@dataclasses.dataclass
class Door:
    """A server with trusted documents, spoken to as Ann."""

    http: httpx2.AsyncClient
    origin: str
    ann: Person

    async def ask(self, **body: Any) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.ann.token}"}
        answer = await self.http.post("/graphql", json=body, headers=headers)
        assert answer.status_code == 200
        return answer.json()

    async def listen(self, **payload: Any) -> dict[str, Any]:
        """The first message that a socket answers to a `subscribe`."""
        async with Socket.open(self.origin, self.ann.token) as live:
            await live.send({"id": "1", "type": "subscribe", "payload": payload})
            return await live.receive()


@contextlib.asynccontextmanager
async def opened(house: House, ann: Person, **given: Any) -> AsyncIterator[Door]:
    """Serves GraphQL and REST beside the house, on its services and with other settings."""
    held, documents = app.Held(), Documents(CORE)
    held.services = house.services
    known = app.trusted(documents, dataclasses.replace(house.settings, **given))
    make = app.context_maker(held)
    streams = house.app.state.streams
    asked = app.connector(held), app.told, frozenset(), app.charge, streams
    sockets = Sockets(CORE, known, *asked)
    shown = make, app.told, app.finish, app.charge, app.listener(held), streams
    endpoint = Endpoint(CORE, known, *shown)
    graphql = Route("/graphql", endpoint.answer, methods=["POST"])
    routes = [graphql, WebSocketRoute("/graphql", sockets.serve)]
    limiter = house.services.limiter
    served_app = Starlette(
        routes=[*routes, *rest.routes(CORE, documents, app.charged(make))],
        middleware=[
            Middleware(RequestIds, Metrics(documents, limiter)),
            Middleware(RateLimits, limiter, make, app.refuse),
        ],
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with (
            served(served_app, listening),
            plain(base_url=origin, timeout=10) as http,
        ):
            yield Door(http, origin, ann)


@pytest.fixture
async def door(house: House, ann: Person, manifest: Path) -> AsyncIterator[Door]:
    async with opened(house, ann, trusted_documents=manifest) as door:
        yield door


@pytest.fixture
async def strict(house: House, ann: Person, manifest: Path) -> AsyncIterator[Door]:
    async with opened(house, ann, trusted_documents=manifest, trusted_only=True) as door:
        yield door


def code(answer: dict[str, Any]) -> tuple[str, str]:
    """The one error of an answer that has no data."""
    assert answer.keys() == {"errors"}
    (error,) = answer["errors"]
    assert error["extensions"]["requestId"].startswith("req_")
    return error["message"], error["extensions"]["code"]


NOT_FOUND = ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
NOT_SUPPORTED = ("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")


@pytest.mark.parametrize(
    "asked",
    [
        {"documentId": "sha256:" + digest(NAME)}, {"documentId": "0a1b2c3d"}, apollo(NAME),
        apollo(NAME, documentId="sha256:" + digest(NAME)), apollo(NAME, query=NAME),
        {"documentId": "0a1b2c3d", "query": NAME}, {"query": NAME},
        {"documentId": "0a1b2c3d", "operationName": "Name", "query": None, "variables": None},
    ],
)  # fmt: skip
async def test_a_trusted_document_is_run_by_its_id(
    door: Door, strict: Door, asked: dict[str, Any]
) -> None:
    for one in (door, strict):
        answer = await one.ask(**asked)
        assert answer["data"] == {"viewer": {"name": "Ann"}}
        assert answer["extensions"]["cost"]["requested"] == 1


async def test_it_takes_variables(strict: Door, ann: Person) -> None:
    for wide in (True, False):
        given = {"id": ann.brand, "wide": wide}
        answer = await strict.ask(documentId=id_of(BRAND), variables=given)
        assert ("name" in answer["data"]["brand"]) is wide
    wrong = await strict.ask(documentId=id_of(BRAND), variables={})
    assert code(wrong)[1] == "VALIDATION_ERROR"


async def test_an_unknown_id_is_not_found(door: Door, strict: Door) -> None:
    for one in (door, strict):
        for asked in (
            apollo(OTHER), {"documentId": id_of(OTHER)}, {"documentId": "nobody"},
            {"documentId": ""}, {"documentId": "md5:1"}, {"documentId": id_of(NAME).upper()},
            {"documentId": "x" * 10_000},
        ):  # fmt: skip
            assert code(await one.ask(**asked)) == NOT_FOUND


async def test_a_client_that_registers_is_answered_and_not_remembered(
    house: House, door: Door
) -> None:
    before = await house.digest()

    assert code(await door.ask(**apollo(OTHER))) == NOT_FOUND
    assert (await door.ask(**apollo(OTHER, query=OTHER)))["data"]["viewer"]["id"]
    assert code(await door.ask(**apollo(OTHER))) == NOT_FOUND
    assert await house.digest() == before


async def test_without_trusted_documents_clients_are_told_to_stop_asking(
    house: House, ann: Person
) -> None:
    async with opened(house, ann) as plain:
        assert code(await plain.ask(**apollo(NAME))) == NOT_SUPPORTED
        assert (await plain.ask(**apollo(NAME, query=NAME)))["data"]["viewer"]["name"] == "Ann"


@pytest.mark.parametrize("asked", [apollo(NAME), {"documentId": "0a1b2c3d"}, apollo(OTHER)])
async def test_an_id_names_its_text_and_no_other(door: Door, asked: dict[str, Any]) -> None:
    answer = await door.ask(**asked, query=BRAND)

    assert code(answer)[1] == "PERSISTED_QUERY_HASH_MISMATCH"


@pytest.mark.parametrize(
    "query", [OTHER, NAME + " ", "{ __typename }", "{ __schema { types { name } } }", "", "{"]
)
async def test_strictly_no_other_document_is_run(house: House, strict: Door, query: str) -> None:
    before = await house.digest()

    for asked in ({"query": query}, apollo(query, query=query)):
        assert code(await strict.ask(**asked))[1] == "PERSISTED_QUERY_ONLY"
    assert await house.digest() == before


async def test_rest_goes_on_in_strict_mode(strict: Door, ann: Person) -> None:
    headers = {"authorization": f"Bearer {ann.token}"}

    answer = await strict.http.get(f"/api/v1/brands/{ann.brand}/posts", headers=headers)

    assert (answer.status_code, answer.json()["data"]) == (200, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"query": 1}, {"documentId": 7}, {"documentId": ["0a1b2c3d"]}, {"extensions": []},
        {"extensions": {"persistedQuery": 1}}, {"extensions": {"persistedQuery": {}}},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": digest(NAME)}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 5}}},
        apollo(NAME, documentId="0a1b2c3d"),
    ],
)  # fmt: skip
async def test_parameters_that_mean_nothing_are_refused(door: Door, wrong: dict[str, Any]) -> None:
    headers = {"authorization": f"Bearer {door.ann.token}"}

    answer = await door.http.post("/graphql", json=wrong, headers=headers)

    assert answer.status_code == 400
    assert code(answer.json())[1] == "VALIDATION_ERROR"


async def test_a_socket_takes_ids_too(house: House, strict: Door, ann: Person) -> None:
    named = await strict.listen(documentId="0a1b2c3d")
    assert named["payload"]["data"] == {"viewer": {"name": "Ann"}}

    unknown = await strict.listen(**apollo(OTHER))
    assert code({"errors": unknown["payload"]}) == NOT_FOUND
    other = await strict.listen(query=OTHER)
    assert code({"errors": other["payload"]})[1] == "PERSISTED_QUERY_ONLY"
    two = await strict.listen(query="query A { viewer { id } } query B { viewer { id } }")
    assert two["type"] == "error"

    async with Socket.open(strict.origin, ann.token) as live:
        asked = {"documentId": id_of(LIVE), "variables": {"b": ann.brand}}
        await live.send({"id": "1", "type": "subscribe", "payload": asked})
        await live.send({"type": "ping"})
        assert (await live.receive())["type"] == "pong"
        post = await ann.post(await ann.account())
        await ann.rest("POST", f"/posts/{post['id']}/publish")
        await house.tell()
        assert await live.next() == {"postStatusChanged": {"__typename": "PostStatusEvent"}}


async def test_a_socket_that_names_nothing_is_closed(live: Socket) -> None:
    await live.send({"id": "1", "type": "subscribe", "payload": {"documentId": 1}})

    with pytest.raises(Exception, match="`documentId` must be a string"):
        await live.receive()


async def test_without_a_name_one_of_two_operations_is_not_guessed(live: Socket) -> None:
    for name in (None, ""):
        text = "query A { viewer { id } } query B { viewer { id } }"
        asked = {"query": text, "operationName": name}
        await live.send({"id": "1", "type": "subscribe", "payload": asked})
        told = await live.receive()
        assert told["type"] == "error"
        assert told["payload"][0]["message"] == "Name one of the operations in operationName"


def test_every_document_is_prepared_and_planned_at_the_start(manifest: Path) -> None:
    documents = Documents(CORE)

    trusted = Trusted(documents, load(manifest))

    counts = documents.compiler.counts
    for text in (NAME, BRAND, LIVE):
        prepared = trusted.find(None, id_of(text))
        assert prepared.text == text
        compiled = prepared.operation(None).compiled
        assert compiled is not None
        assert len(compiled.plans) == (0 if text == BRAND else 1)
    assert (counts.misses, counts.hits, documents.size[0]) == (0, 3, 0)
    assert trusted.find(None, "0a1b2c3d") is trusted.find(NAME, None)


def test_ids_are_the_ones_of_the_specification() -> None:
    text = "query($id:ID!){user(id:$id){name}}"

    assert id_of(text).startswith("sha256:71f7dc5758652baac68e4a10c50be732b741c892ade2883a99358f52")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", "{", "cannot be read"), ("a.json", "[]", "no JSON object"),
        ("a.json", '{"a": 1}', "no JSON object"), ("a.json", "{}", "holds no documents"),
        ("a.json", json.dumps({"0" * 64: NAME}), "is not the SHA-256 of its document"),
        ("a.graphql", b"\xff", "cannot be read"), ("a.txt", "x", "cannot be read"),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_used_says_why(
    tmp_path: Path, name: str, content: Any, words: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(Unusable, match=words) as error:
        load(file)
    assert str(file) in str(error.value)


def test_two_documents_of_one_id_are_refused(tmp_path: Path) -> None:
    for name, text in (("a.json", NAME), ("b.json", OTHER)):
        (tmp_path / name).write_text(json.dumps({"1": text}))

    with pytest.raises(Unusable, match="1 names two documents"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [("{ nobody }", "Cannot query field 'nobody'"), ("{", "Syntax Error"),
     ("{ viewer { " + "id " * 3000 + "} }", "more than 2000 tokens")],
)  # fmt: skip
def test_a_document_that_does_not_fit_stops_the_start(
    house: House, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"1": text}))
    told = dataclasses.replace(house.settings, trusted_documents=tmp_path)

    with pytest.raises(
        BadSettings, match="MYPOST_TRUSTED_DOCUMENTS: The trusted document"
    ) as error:
        app.build(told, house.keys)
    assert words in str(error.value)


def test_settings_name_what_is_missing(tmp_path: Path) -> None:
    path = str(tmp_path / "nobody.json")

    assert settings.read({"MYPOST_TRUSTED_DOCUMENTS": path}).trusted_documents == Path(path)
    assert settings.read({}).trusted_documents is None
    for given, words in (
        ({"MYPOST_TRUSTED_ONLY": "1"}, "needs MYPOST_TRUSTED_DOCUMENTS"),
        ({"MYPOST_TRUSTED_ONLY": "yes"}, "MYPOST_TRUSTED_ONLY is 0 or 1"),
    ):
        with pytest.raises(BadSettings, match=words):
            settings.read(given)
    with pytest.raises(Unusable, match="No such file"):
        load(Path(path))
