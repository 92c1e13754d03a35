"""What an operation costs is known before it runs, and is never less than what it answers."""

import time
from typing import Any

import pytest
import strawberry
from graphql import FragmentDefinitionNode, OperationDefinitionNode, get_introspection_query, parse

from mypost.engine.cost import MAX_COST, ListSize, price_of, total, unsized
from mypost.engine.documents import Documents, cost_of
from mypost.schema.build import schema
from tests.client import Person, Socket
from tests.conftest import House
from tests.test_posts import at

CORE = schema._schema
# A brand with its accounts and posts, each with all a dashboard shows of it.
DASHBOARD = """
query Dashboard($brand: ID!, $posts: Int = 50) {
  viewer { id name workspaces { id name role { id name } } }
  brand(id: $brand) {
    id name timezone accountCount
    socialAccounts(first: 50) { nodes { id network name handle status } }
    posts(first: $posts) {
      nodes {
        id content status phase scheduledAt publishedAt version tags mediaIds
        author { id name }
        targets { id status externalUrl error { message } account { id handle network } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""


def cost(text: str, /, **variables: Any) -> int:
    """What the one operation of a valid document costs."""
    prepared = Documents(CORE).get(text)
    assert prepared.errors == []
    ready = prepared.operation(None)
    values = ready.variables.coerce(variables)
    assert not isinstance(values, list), values
    return cost_of(ready, values)


def posts(arguments: str, beneath: str = "nodes { id }", head: str = "") -> str:
    """A page of a brand's posts."""
    return f"query{head} {{ brand(id: 1) {{ posts{arguments} {{ {beneath} }} }} }}"


EVENT = """subscription { postStatusChanged(brandId: 1) {
  ... on PostStatusEvent { post { targets { id } } } } }"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ __typename }", 0), ("{ viewer { id name email } }", 1),
        ("{ viewer { workspaces { id } } }", 1 + 5), ("{ a: viewer { id } b: viewer { id } }", 2),
        ("{ viewer { id } viewer { name } }", 1), ("{ post(id: 1) { tags targetAccountIds } }", 1),
        (posts(""), 1 + 50), (posts("(first: 10)"), 1 + 10), (posts("(last: 7)"), 1 + 7),
        (posts("(first: null)"), 1 + 50), (posts("(last: null, first: 100)"), 1 + 100),
        (posts("(first: 3, last: 9)"), 1 + 9), (posts("(first: 9)", "pageInfo { endCursor }"), 1),
        (posts("(first: 0)"), 1 + 100), (posts("(first: -5)"), 1 + 100),
        (posts("(first: 101)"), 1 + 100), (posts("(first: 9)", "edges { cursor node { id } }"), 10),
        (posts("(first: 10)", "nodes { author { id } }"), 1 + 10 * 2),
        (posts("(first: 10)", "x: nodes { targets { account { id } } }"), 1 + 10 * (1 + 4 * 2)),
        (posts("(first: 9)", "nodes { id @skip(if: true) author @include(if: false) { id } }"), 19),
        ("{ nodes(ids: [1, 2, 3]) { id } }", 3), ("{ nodes(ids: []) { id } }", 0),
        ('{ nodes(ids: "1") { id } }', 100),
        ("{ node(id: 1) { ... on Post { author { id } } ... on Brand { workspace { id } } } }", 3),
        ("mutation { logout(input: {}) { userErrors { code } } }", 80 + 1),
        (EVENT, 1 + 1 + 4),
    ],
)  # fmt: skip
def test_a_literal_says_its_size(text: str, expected: int) -> None:
    assert cost(text) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 51), ({"n": None}, 51), ({"n": 1}, 2), ({"n": 100}, 101), ({"n": 0}, 101),
     ({"n": -3}, 101), ({"n": 2**31 - 1}, 101)],
)  # fmt: skip
def test_a_variable_says_its_size(given: dict[str, Any], expected: int) -> None:
    assert cost(posts("(first: $n)", head="($n: Int)"), **given) == expected


def test_sizes_that_variables_say_multiply() -> None:
    text = """query($a: Int = 3, $b: Int, $ids: [ID!]!) {
      workspaces(first: $a) { nodes { brands(first: $b) { nodes { posts(first: $a) { nodes { id } }
      } } } }
      nodes(ids: $ids) { id }
    }"""

    assert cost(text, b=2, ids=["1"] * 4) == 3 * (1 + 2 * (1 + 3)) + 4
    assert cost(text, a=1, b=5, ids="1") == 1 + 5 * 2 + 1
    assert cost(text, a=100, b=100, ids=[]) == 100 * (1 + 100 * 101)


def test_the_largest_of_several_sizes_counts() -> None:
    text = posts("(first: $a, last: $b)", head="($a: Int, $b: Int)")

    assert [cost(text, **v) for v in ({"a": 3}, {"b": 9}, {"a": 3, "b": 9}, {})] == [4, 10, 10, 51]
    assert cost(posts("(first: 20, last: $b)", head="($b: Int)"), b=None) == 21


@pytest.mark.parametrize("where", ["...B", "... { ...B }", "... on Query { ...B ...B }"])
def test_a_fragment_costs_what_it_asks_for(where: str) -> None:
    text = f"""{{ {where} }} fragment B on Query {{ brand(id: 1) {{ ...P posts {{ ...N }} }} }}
    fragment P on Brand {{ posts {{ nodes {{ id }} }} }}
    fragment N on PostConnection {{ nodes {{ author {{ id }} }} }}"""

    assert cost(text) == 1 + 50 * 2


def test_introspection_costs_nothing() -> None:
    asked = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True,
        input_value_deprecation=True,
    )  # fmt: skip

    assert cost(asked) == 0
    assert cost('{ viewer { id } __type(name: "Post") { fields { name } } }') == 1


def test_the_reference_dashboard_fits() -> None:
    assert cost(DASHBOARD, brand="1") <= 600
    assert cost(posts("(first: 100)", "nodes { id targets { id status network } }")) <= MAX_COST


def test_ordinary_questions_stay_cheap() -> None:
    first = posts("", "nodes { id content status author { name } targets { status } }")

    assert cost(first) <= 310
    assert cost("{ viewer { id name workspaces { id name role { name } } } }") <= 20


def test_a_change_is_charged_once() -> None:
    answered = "post { id targets { id account { id } } } userErrors { code message path }"
    text = f"mutation($i: CreatePostInput!) {{ createPost(input: $i) {{ {answered} }} }}"

    given = {"brandId": "1", "content": "x", "targetAccountIds": []}
    assert 80 < cost(text, i=given) <= 100


def test_no_field_leads_to_a_list_of_unknown_size() -> None:
    assert unsized(CORE) == []


@strawberry.type
class Leaf:
    name: str


@strawberry.type
class Paged:
    items: list[Leaf]


@strawberry.type
class Query:
    words: list[str]
    sized: list[Leaf] = strawberry.field(directives=[ListSize(assumed_size=3)])
    endless: list[Leaf] | None
    page: Paged = strawberry.field(directives=[ListSize(assumed_size=5, sized_fields=["items"])])
    other: Paged


def test_a_list_of_unknown_size_is_named() -> None:
    core = strawberry.Schema(Query)._schema

    assert unsized(core) == ["Query.endless", "Query.other"]


def test_what_declares_nothing_costs_the_most() -> None:
    core = strawberry.Schema(Query)._schema
    for text, expected in (("{ endless { name } }", 100), ("{ other { items { name } } }", 101)):
        (operation,) = parse(text).definitions
        assert isinstance(operation, OperationDefinitionNode)
        assert total(price_of(core, operation, {}), {}) == expected


def test_a_request_pays_microseconds() -> None:
    definitions = parse(DASHBOARD).definitions
    fragments = {d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)}
    (operation,) = [d for d in definitions if isinstance(d, OperationDefinitionNode)]
    price = price_of(CORE, operation, fragments)

    spent = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(100):
            total(price, {"brand": "1", "posts": 50})
        spent.append((time.process_time() - began) / 100)
    assert min(spent) <= 20e-6


async def test_an_answer_tells_its_cost(ann: Person) -> None:
    fine = await ann.gql(DASHBOARD, brand=ann.brand)
    failed = await ann.gql("{ viewer { id } post(id: 1) { id } }")

    assert fine["extensions"] == {
        "cost": {"requested": cost(DASHBOARD, brand="1"), "maximum": MAX_COST}
    }
    assert failed["extensions"]["cost"]["requested"] == 2
    assert failed["errors"]


async def test_what_costs_too_much_is_refused_before_it_runs(house: House, ann: Person) -> None:
    nested = "workspaces(first: $n) { nodes { brands(first: $n) { nodes { posts(first: $n) {"
    text = f"query($n: Int) {{ {nested} nodes {{ id }} }} }} }} }} }} }}"
    before = await house.digest()

    fine, refused = await ann.gql(text, n=5), await ann.gql(text, n=100)

    assert fine["extensions"]["cost"]["requested"] == 155
    assert "data" not in refused
    (error,) = refused["errors"]
    assert error["extensions"]["code"] == "VALIDATION_ERROR"
    assert error["message"] == "This costs 1010100, more than 1000: ask for less"
    assert refused["extensions"]["cost"] == {"requested": 1010100, "maximum": 1000}
    assert await house.digest() == before


async def test_a_costly_change_writes_nothing(house: House, ann: Person) -> None:
    beneath = (
        "brand { posts(first: 100) { nodes { brand { posts(first: 100) { nodes { id } } } } } }"
    )
    text = f"mutation($i: CreatePostInput!) {{ createPost(input: $i) {{ post {{ {beneath} }} }} }}"
    before = await house.digest()

    answer = await ann.gql(text, i={"brandId": ann.brand, "content": "x", "targetAccountIds": []})

    assert answer["errors"][0]["extensions"]["code"] == "VALIDATION_ERROR"
    assert await house.digest() == before


async def test_a_page_by_rest_says_nothing_of_cost(ann: Person) -> None:
    answer = await ann.rest("GET", f"/brands/{ann.brand}/posts?limit=100")

    assert answer.json().keys() == {"data", "page"}


async def test_a_socket_tells_the_cost_of_each_answer(
    house: House, ann: Person, live: Socket
) -> None:
    await live.send({"id": "q", "type": "subscribe", "payload": {"query": "{ viewer { id } }"}})
    told = await live.receive()
    assert told["payload"]["extensions"]["cost"]["requested"] == 1

    assert (await live.receive())["type"] == "complete"

    text = "subscription($b: ID!) { postStatusChanged(brandId: $b) { __typename } }"
    await live.subscribe(text, b=ann.brand)
    await ann.post(await ann.account(), scheduledAt=at(hours=1))
    await house.tell()
    event = await live.receive()
    assert event["payload"]["extensions"]["cost"] == {"requested": 1, "maximum": MAX_COST}
