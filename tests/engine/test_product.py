"""The product's own schema, over HTTP: by plans and by graphql-core, the same bytes."""

import dataclasses
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from graphql import ExecutionResult, GraphQLError

from mypost import ids
from mypost.ids import Tag
from tests.client import Api, Person, plain
from tests.conftest import House
from tests.engine.compare import alike
from tests.engine.product import MUTATIONS, QUERIES, Document, generated
from tests.test_process import serve

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
PLANNED = re.compile(r'^mypost_engine_operations_total\{by="plan"\} (\d+)', re.MULTILINE)
DRAWN = 60
HEADERS = {"x-request-id": "req_the-same-for-both"}


@dataclass
class Stage:
    """Somebody's things, and the names by which documents speak of them."""

    people: dict[str, Person]
    names: dict[str, str]

    def filled(self, value: Any) -> Any:
        """A document, or its variables, with ids for names."""
        text = json.dumps(value)
        for name, told in self.names.items():
            text = text.replace(f"<{name}>", told)
        return json.loads(text)


@pytest.fixture(scope="module")
async def engines(house: House) -> AsyncIterator[dict[str, httpx2.AsyncClient]]:
    """The application as it is, and a process beside it whose documents graphql-core runs."""
    told = house.settings
    given = {
        "DATABASE_URL": told.owner_url, "DATABASE_APP_URL": told.app_url,
        "DATABASE_DISPATCH_URL": told.dispatch_url, "REDIS_URL": told.redis_url,
        "MYPOST_SECRET": (told.data_dir / "secret").read_text().strip(),
        "MYPOST_SANDBOX": "1", "MYPOST_ENGINE": "interpreted",
        "MYPOST_POOLER": "transaction" if told.pooled else "none",
    }  # fmt: skip
    async with (
        serve(told.data_dir, "--no-worker", **{k: str(v) for k, v in given.items()}) as other,
        plain(base_url=told.origin, timeout=10) as compiled,
    ):
        yield {"compiled": compiled, "interpreted": other.http}


async def staged(house: House, http: httpx2.AsyncClient) -> Stage:
    """Ann with posts in all states, and Eve, who has nothing to do with them."""
    api = Api(http, house)
    ann, eve = await api.person("Ann"), await api.person("Eve")
    account, second = await ann.account(handle="one"), await ann.account(handle="two")
    post = await ann.post(account, second, content="First", tags=["a", "b"])
    other = await ann.post(account, content="Second", scheduledAt="2030-01-01T07:00:00Z")
    await ann.post(second, content="Third")
    page = await ann.gql(
        "query($id: ID!) { brand(id: $id) { posts(first: 2) { pageInfo { endCursor } } } }",
        id=ann.brand,
    )
    names = {
        "post": post["id"], "other": other["id"], "target": post["targets"][0]["id"],
        "brand": ann.brand, "workspace": ann.workspace, "account": account, "user": ann.id,
        "foreign": eve.brand, "unknown": str(ids.new(Tag.POST)),
        "cursor": page["data"]["brand"]["posts"]["pageInfo"]["endCursor"],
    }  # fmt: skip
    return Stage({"ann": ann, "eve": eve}, names)


@pytest.fixture(scope="module")
async def stage(house: House, engines: dict[str, httpx2.AsyncClient]) -> Stage:
    """One for all that only reads."""
    return await staged(house, engines["compiled"])


async def send(http: httpx2.AsyncClient, asked: Document, stage: Stage) -> tuple[int, bytes]:
    """The status and the bytes of an answer."""
    body = stage.filled({"query": asked.text, "variables": asked.variables})
    if asked.name:
        body["operationName"] = asked.name
    token = stage.people[asked.by].token if asked.by in stage.people else "nonsense"
    signed = {} if asked.by == "nobody" else {"authorization": f"Bearer {token}"}
    answer = await http.post("/graphql", json=body, headers={**HEADERS, **signed})
    return answer.status_code, answer.content


async def planned(http: httpx2.AsyncClient) -> int:
    """How many operations a process has run by plans."""
    counted = PLANNED.search((await http.get("/metrics")).text)
    assert counted is not None
    return int(counted[1])


@pytest.mark.parametrize("name", QUERIES)
async def test_a_query_is_answered_with_the_same_bytes(
    name: str, engines: dict[str, httpx2.AsyncClient], stage: Stage
) -> None:
    asked, compiled, interpreted = QUERIES[name], engines["compiled"], engines["interpreted"]
    await send(compiled, asked, stage)  # what is small is planned when it comes back
    before = await planned(compiled)

    status, body = await send(compiled, asked, stage)

    assert (await planned(compiled) - before, body) == (asked.planned, body)
    other_status, other_body = await send(interpreted, asked, stage)
    assert status == other_status
    # graphql-core tells several errors as they come, the engine as they stand.
    assert alike(read(body), read(other_body)) if asked.several else body == other_body
    assert await planned(interpreted) == 0
    assert json.loads(body)


async def test_generated_queries_are_answered_with_the_same_bytes(
    engines: dict[str, httpx2.AsyncClient], stage: Stage
) -> None:
    compiled, interpreted = engines["compiled"], engines["interpreted"]
    before, with_data = await planned(compiled), 0

    for asked in generated(DRAWN):
        await send(compiled, asked, stage)
        status, body = await send(compiled, asked, stage)
        other_status, other_body = await send(interpreted, asked, stage)
        assert status == other_status, asked
        assert alike(read(body), read(other_body)), (asked, body, other_body)
        with_data += json.loads(body).get("data") is not None

    assert with_data > DRAWN / 3
    assert await planned(compiled) - before >= with_data


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_mutation_does_and_answers_the_same(
    name: str, engines: dict[str, httpx2.AsyncClient], house: House
) -> None:
    asked, found = MUTATIONS[name], []
    before = await planned(engines["compiled"])

    for http in engines.values():
        stage = await staged(house, engines["compiled"])
        if http is engines["compiled"]:
            # Seen once with nothing to change, it is planned when it comes back.
            await send(http, dataclasses.replace(asked, by="nobody"), stage)
        status, body = await send(http, asked, stage)
        left = await stage.people["ann"].gql(STATE, brand=stage.names["brand"])
        found.append((status, nameless(body.decode(), stage), nameless(json.dumps(left), stage)))

    assert found[0] == found[1]
    assert await planned(engines["compiled"]) > before


def read(body: bytes) -> ExecutionResult:
    """An answer as one of GraphQL."""
    told = json.loads(body)
    errors = [
        GraphQLError(
            each["message"], path=each.get("path"),
            extensions={**each["extensions"], "locations": each.get("locations")},
        )
        for each in told.get("errors", ())
    ]  # fmt: skip
    return ExecutionResult(told.get("data"), errors, told.get("extensions"))


STATE = (
    "query($brand: ID!) { brand(id: $brand) { name version posts(first: 9) { nodes"
    " { content status version targets { status } } } workspace { brands(first: 9)"
    " { nodes { name } } } } }"
)


def nameless(text: str, stage: Stage) -> str:
    """An answer with its ids in the order they come, and no times of today."""
    for person in stage.people.values():
        text = text.replace(person.email, person.email.split("-")[0])
    seen: dict[str, str] = {}
    text = ID.sub(lambda each: seen.setdefault(each[0], f"id {len(seen)}"), text)
    return TIME.sub(lambda time: time[0] if time[0].startswith("2030") else "a time", text)
