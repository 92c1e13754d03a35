"""Rows that PostgreSQL writes as JSON: the same bytes as by loaders and by graphql-core."""

import dataclasses
import json
import random
import re
import string
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from mypost.context import Caller, Context
from mypost.engine.compiled import compile_operation
from mypost.engine.declare import SPELLINGS
from mypost.engine.documents import Documents
from mypost.engine.execute import execute
from mypost.engine.http import spelled
from mypost.engine.pushdown import push
from mypost.meter import Meter
from mypost.models import brands
from mypost.models.base import Unspelled
from mypost.permissions import DEFAULT_ROLES
from mypost.rest.codec import ENDPOINTS
from mypost.schema.build import schema
from mypost.schema.common import write_time
from tests.client import Api, Person, plain
from tests.conftest import House
from tests.engine.compare import alike
from tests.engine.product import QUERIES, Document, generated
from tests.engine.test_product import Stage, read, staged

CORE = schema._schema
ROLES = [role.name for role in DEFAULT_ROLES]
DRAWN = 72
# What only its own tenant may see.
CANARY = "canary"
POSTS = """query($id: ID!) { brand(id: $id) { posts(first: 9) {
  edges { cursor node { %s } } pageInfo { hasNextPage endCursor } } } }"""
EVERYTHING = (
    POSTS
    % """
  __typename id brandId content kind: status phase version mediaIds targetAccountIds tags
  scheduledAt publishedAt createdBy createdAt updatedAt author { id email name timezone createdAt }
  targets { __typename id accountId network status content mediaIds options externalId externalUrl
    publishedAt attempts nextAttemptAt error { category source retryable message networkCode } risk
    account { id network name handle externalId profileImageUrl status scopes tokenExpiresAt } }
  brand { id name description timezone accountCount version }"""
)


class Engines:
    """The engine with and without pushing down, and graphql-core."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ways = {
            "pushed": Documents(CORE), "loaded": Documents(CORE, pushes=False),
            "graphql-core": Documents(CORE, compiles=False),
        }  # fmt: skip

    async def context(self, person: Person) -> Context:
        services = self.house.services
        viewer = await services.sessions.viewer(person.token)
        return Context(services, Caller("req_same"), viewer, Meter(services.limiter, "nobody"))

    async def ask(self, person: Person, asked: Document, way: str) -> tuple[bytes, bool]:
        """The bytes of an answer, and whether some of it has come as JSON."""
        prepared = self.ways[way].get(asked.text)
        prepared.sights += 1  # what comes back is planned; SQL that does is pushed down
        context = await self.context(person)
        for _ in range(2 if way == "pushed" else 1):
            result = await execute(CORE, prepared, asked.variables, context, asked.name)
        answer = spelled(result, told, context)
        return orjson.dumps(answer), holds_json(answer)

    async def same(self, person: Person, asked: Document) -> tuple[bytes, bool]:
        """Asks in every way, and compares."""
        pushed, came = await self.ask(person, asked, "pushed")
        for way in ("loaded", "graphql-core"):
            other, _ = await self.ask(person, asked, way)
            same = alike(read(pushed), read(other)) if asked.several else pushed == other
            assert same, (way, asked, pushed, other)
        return pushed, came


def told(error: Any, _context: Any) -> dict[str, Any]:
    extensions = {"code": type(error.original_error).__name__}
    return {"message": error.message, "path": error.path, "extensions": extensions}


def holds_json(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(holds_json, value.values()))
    if isinstance(value, list):
        return any(map(holds_json, value))
    return isinstance(value, orjson.Fragment)


def pushed(text: str) -> dict[str, str]:
    """The fields of a document whose rows are pushed down, with their SQL."""
    return fields(text, by_value=False)


def fields(text: str, *, by_value: bool) -> dict[str, str]:
    document = Documents(CORE).get(text).document
    assert document is not None
    (plan,) = compile_operation(CORE, document, by_value=by_value).plans.values()
    return {
        each.name: each.json
        for selection in plan.selections
        for each in selection.branches
        if each.json is not None
    }


@dataclasses.dataclass
class Tenants:
    """Two workspaces with somebody in each role, and what documents may name of the first."""

    ann: Stage
    people: dict[str, Person]
    strangers: dict[str, Person]
    canaries: list[str]


@pytest.fixture(scope="module")
async def tenants(house: House) -> AsyncIterator[Tenants]:
    async with plain(base_url=house.settings.origin, timeout=10) as http:
        stage, other = await staged(house, http), await staged(house, http)
        eve, canaries = other.people["ann"], [f"{CANARY}-{uuid4()}" for _ in range(3)]
        account = await eve.account(handle=canaries[0])
        await eve.post(account, content=canaries[1], tags=[canaries[2][:50]])
        api = Api(http, house)
        people, strangers = {}, {}
        for role in ROLES:
            people[role] = await api.colleague(stage.people["ann"], role)
            strangers[role] = await api.colleague(eve, role)
        yield Tenants(stage, people, strangers, [*canaries, eve.brand, account])


@pytest.fixture(scope="module")
def engines(house: House) -> Engines:
    return Engines(house)


@pytest.mark.parametrize("role", ROLES)
async def test_three_engines_answer_each_role_of_two_tenants_alike(
    role: str, engines: Engines, tenants: Tenants
) -> None:
    drawn = list(generated(DRAWN))[ROLES.index(role) :: len(ROLES)]
    everything = Document(EVERYTHING, {"id": "<brand>"})
    came = 0

    for asked in [*QUERIES.values(), everything, *drawn]:
        if not asked.planned:
            continue
        filled = dataclasses.replace(
            asked, text=tenants.ann.filled(asked.text),
            variables=tenants.ann.filled(asked.variables),
        )  # fmt: skip
        answer, as_json = await engines.same(tenants.people[role], filled)
        came += as_json
        assert not any(canary.encode() in answer for canary in tenants.canaries)
        # What is not there may be several errors, in an order of their own.
        foreign = dataclasses.replace(filled, several=True)
        await engines.same(tenants.strangers[role], foreign)

    assert came >= 12


async def test_a_page_is_one_statement_of_everything_declared(
    engines: Engines, tenants: Tenants
) -> None:
    ann, brand = tenants.ann.people["ann"], tenants.ann.names["brand"]
    everything = Document(EVERYTHING, {"id": brand})

    answer, as_json = await engines.same(ann, everything)

    assert as_json
    assert "posts" in pushed(EVERYTHING)
    nodes = json.loads(answer)["data"]["brand"]["posts"]["edges"]
    assert [each["node"]["content"] for each in nodes] == ["Third", "Second", "First"]


def test_a_python_resolver_stops_it_and_what_is_declared_beneath_goes_on() -> None:
    asked = pushed(POSTS % "id targets { id account { id name limits { text { max } } } }")
    assert asked.keys() == set()

    asked = pushed(POSTS % "id targets { id status } brand { socialAccounts { nodes { id } } }")
    assert asked.keys() == {"targets", "socialAccounts"}


def test_two_selections_of_a_pages_rows_are_loaded() -> None:
    page = "posts { nodes { id } edges { node { content } } }"

    assert pushed(f"query($id: ID!) {{ brand(id: $id) {{ {page} }} }}") == {}


def test_a_name_too_long_for_postgresql_is_loaded() -> None:
    assert "posts" in pushed(POSTS % f"{'a' * 63}: id")
    assert "posts" not in pushed(POSTS % f"{'a' * 64}: id")


def test_without_pushing_down_nothing_has_sql() -> None:
    documents = Documents(CORE, pushes=False)
    prepared = documents.get(EVERYTHING)
    ready = prepared.operation(None)
    values = ready.variables.coerce({"id": "x"})

    plan = prepared.plan(ready, values, 1000)  # type: ignore[arg-type]

    assert plan is not None
    assert all(f.json is None for s in plan.selections for f in s.branches)


def test_the_rest_rows_of_posts_are_pushed_down() -> None:
    found = {
        (each.route.method, each.route.path): fields(each.text, by_value=True) for each in ENDPOINTS
    }

    assert "posts" in found["GET", "/brands/{brandId}/posts"]
    assert "targets" in found["GET", "/posts/{id}"]
    assert "brands" in found["GET", "/workspaces/{workspaceId}/brands"]


def test_each_table_that_is_read_is_behind_the_callers_scope() -> None:
    texts = [*pushed(EVERYTHING).values()]
    texts += [sql for e in ENDPOINTS for sql in fields(e.text, by_value=True).values()]

    for text in texts:
        # A person is in scope by his membership, which is read beside him.
        tables = [name for name in re.findall(r" FROM (\w+)", text) if name != "users"]
        assert text.count("= ANY ($1::uuid[])") == len(tables), text


def test_a_table_without_a_scope_is_not_pushed_down() -> None:
    document = Documents(CORE).get("{ workspaces { nodes { id brands { nodes { id } } } } }")
    (plan,) = compile_operation(CORE, document.document).plans.values()  # type: ignore[arg-type]
    selection = next(s for s in plan.selections if s.type.name == "Brand")

    assert push(selection, brands.OWNER) is not None
    assert push(selection, dataclasses.replace(brands.OWNER, scope="")) is None


async def test_what_has_no_spelling_is_read_as_a_row_and_told(
    house: House, engines: Engines, api: Api
) -> None:
    ann = await api.person("Ann")
    account = await ann.account()
    await ann.post(account)
    query = Document(
        POSTS % "id targets { account { network name } }", {"id": ann.brand}, several=True
    )
    fine, as_json = await engines.same(ann, query)
    assert as_json
    assert "errors" not in json.loads(fine)

    await house.owner.execute("UPDATE accounts SET network = 'gone' WHERE id = $1", account)

    odd, as_json = await engines.same(ann, query)
    assert not as_json
    assert [each["path"] for each in json.loads(odd)["errors"]] == [
        ["brand", "posts", "edges", 0, "node", "targets", 0, "account", "network"]
    ]


async def test_times_are_spelled_with_the_same_digits(house: House) -> None:
    dice = random.Random(7)
    begin = datetime(1, 1, 2, tzinfo=UTC)
    span = int((datetime(9999, 12, 30, tzinfo=UTC) - begin).total_seconds())
    moments = [
        begin + timedelta(seconds=dice.randrange(span), microseconds=micros)
        for micros in [0, 1, 999, 1000, 1500, 999_499, 999_500, 999_999, *range(1, 999_999, 701)]
    ]
    sql = SPELLINGS["DateTime"].sql.replace("{v}", "v")

    found = await house.owner.fetch(
        f"SELECT v, {sql} AS text FROM unnest($1::timestamptz[]) AS t (v)",
        moments,
    )

    assert [row["text"] for row in found] == [write_time(row["v"]) for row in found]


async def test_json_is_spelled_with_the_same_bytes(house: House) -> None:
    dice = random.Random(11)
    values = [invented(dice, 4) for _ in range(500)]

    found = await house.owner.fetch(
        "SELECT v, compact_json(v)::text AS text FROM"
        " (SELECT v::jsonb FROM unnest($1::text[]) AS t (v)) t",
        [orjson.dumps(value).decode() for value in values],
    )

    assert [row["text"].encode() for row in found] == [orjson.dumps(row["v"]) for row in found]


async def test_a_number_that_python_writes_otherwise_is_left_to_it(house: House) -> None:
    for text in ("1e23", "1e-7", "0.1234567890123456789", "9007199254740993000"):
        with pytest.raises(Unspelled):
            await house.owner.fetchval("SELECT compact_json($1::text::jsonb)", text)


def invented(dice: random.Random, depth: int) -> Any:
    """A JSON value such as options hold."""
    kind = dice.randrange(8 if depth else 6)
    if kind == 0:
        return dice.choice([None, True, False])
    if kind == 1:
        return dice.choice([0, -1, 7, 2**40, -(2**31)])
    if kind == 2:
        return dice.choice([0.5, -2.25, 1.0, 100.125])
    if kind <= 5:
        return "".join(dice.choices(string.printable[:95] + 'äß中🙂\n\t"\\/\x7f', k=6))
    if kind == 6:
        return [invented(dice, depth - 1) for _ in range(dice.randrange(4))]
    return {str(invented(dice, 0)): invented(dice, depth - 1) for _ in range(dice.randrange(4))}
