"""What is compiled and when, what is counted, and what becomes of what cannot be compiled."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    ExecutionResult,
    GraphQLField,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    parse,
)
from graphql.execution.values import VariableValues
from prometheus_client import CollectorRegistry, generate_latest

from mypost import logs
from mypost.engine import compiling
from mypost.engine.compiled import MAX_PLANS, Compiled
from mypost.engine.compiling import Compiler
from mypost.engine.counts import Counts
from mypost.engine.documents import Documents, Prepared
from mypost.engine.execute import execute
from mypost.metrics import Engine

NOTHING = VariableValues({}, {})


def field(answer: Any, type_: Any = GraphQLString) -> GraphQLField:
    return GraphQLField(type_, resolve=lambda *_: answer)


ITEM = GraphQLObjectType("Item", {"name": GraphQLField(GraphQLString)})
SCHEMA = GraphQLSchema(
    GraphQLObjectType(
        "Query",
        lambda: {
            **{name: field(name) for name in "abcdefgh"},
            "items": field([{"name": "x"}, {"name": None}], GraphQLList(ITEM)),
        },
    )
)


@pytest.fixture
def prepared() -> Documents:
    return Documents(SCHEMA)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure("debug", stream=stream)
    yield stream
    logs.configure("critical")


def said(stream: io.StringIO) -> list[tuple[str, str, str | None]]:
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [(line["level"], line["event"], line.get("reason")) for line in lines]


async def run(
    held: Documents, text: str, variables: dict[str, Any] | None = None, name: str | None = None
) -> ExecutionResult:
    return await execute(held.schema, held.get(text), variables, None, name)


def ran(held: Documents) -> tuple[int, int, int]:
    """How many operations ran by a plan, how many by graphql-core, and how many plans there are."""
    counts = held.compiler.counts
    return counts.compiled, counts.interpreted, counts.plans


async def test_a_small_document_is_compiled_when_it_comes_back(prepared):
    seen = []
    for _ in range(4):
        assert (await run(prepared, "{ a b }")).data == {"a": "a", "b": "b"}
        seen.append(ran(prepared))

    assert seen == [(0, 1, 0), (1, 1, 1), (2, 1, 1), (3, 1, 1)]


async def test_a_document_that_asks_for_much_is_compiled_at_once(prepared):
    result = await run(prepared, "{ items { name } }")

    assert result.data == {"items": [{"name": "x"}, {"name": None}]}
    assert ran(prepared) == (1, 0, 1)


async def test_a_document_that_only_differs_in_its_spelling_is_another(prepared):
    for text in ("{ a }", "{a}", "query { a }"):
        await run(prepared, text)

    assert ran(prepared) == (0, 3, 0)


async def test_there_is_a_plan_for_each_choice_and_none_for_other_variables(prepared):
    asked = "query ($a: Boolean!, $b: Boolean = true) { a @include(if: $a) b @skip(if: $b) }"
    for variables, data in (
        ({"a": True}, {"a": "a"}),
        ({"a": True}, {"a": "a"}),
        ({"a": True, "b": True}, {"a": "a"}),
        ({"a": True, "b": False, "unheardOf": 1}, {"a": "a", "b": "b"}),
        ({"a": False, "b": True}, {}),
        ({"a": True}, {"a": "a"}),
    ):
        assert (await run(prepared, asked, variables)).data == data

    assert ran(prepared) == (5, 1, 3)


async def test_the_operations_of_a_document_have_plans_of_their_own(prepared):
    asked = "query A { a } query B { b }"
    answers = [(await run(prepared, asked, name=name)).data for name in "AABB"]

    assert answers == [{"a": "a"}, {"a": "a"}, {"b": "b"}, {"b": "b"}]
    assert ran(prepared) == (3, 1, 2)


async def test_nothing_is_compiled_when_that_is_the_setting():
    held = Documents(SCHEMA, compiles=False)
    for _ in range(3):
        assert (await run(held, "{ items { name } }")).data["items"][0] == {"name": "x"}

    assert ran(held) == (0, 3, 0)


class Hands:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def compiled_now(compiler: Compiler, number: int) -> int:
    """How many of so many new documents get a plan."""
    made = 0
    for each in range(number):
        document = parse(f"{{ a{each}: a }}")
        fresh = Compiled(SCHEMA, document, document.definitions[0])  # type: ignore[arg-type]
        made += compiler.plan(fresh, NOTHING, worth=True) is not None
    return made


def test_plans_are_made_no_faster_than_a_rate():
    clock = Hands()
    compiler = Compiler(SCHEMA, clock=clock)
    burst, per_second = int(compiling.BURST), compiling.PER_SECOND

    assert compiled_now(compiler, burst + 5) == burst

    clock.now += 3 / per_second
    assert compiled_now(compiler, 5) == 3

    clock.now += 3600
    assert compiled_now(compiler, burst + 5) == burst
    assert compiler.counts == Counts(plans=2 * burst + 3)


async def test_what_is_above_the_rate_is_graphql_cores_until_there_is_room_again():
    clock = Hands()
    compiler = Compiler(SCHEMA, clock=clock)
    compiled_now(compiler, int(compiling.BURST))
    late = Prepared("{ b }", parse("{ b }"), [], compiler, sights=2)

    async def answered_by() -> tuple[int, int]:
        result = await execute(SCHEMA, late, None, None)
        assert result.data == {"b": "b"}
        return compiler.counts.compiled, compiler.counts.interpreted

    assert await answered_by() == (0, 1)
    clock.now += 1
    assert await answered_by() == (1, 1)


def test_a_plan_that_is_there_costs_nothing_of_the_rate():
    compiler = Compiler(SCHEMA, clock=Hands())
    document = parse("{ a }")
    known = Compiled(SCHEMA, document, document.definitions[0])  # type: ignore[arg-type]
    plan = compiler.plan(known, NOTHING, worth=True)

    assert all(compiler.plan(known, NOTHING, worth=False) is plan for _ in range(1000))
    assert compiled_now(compiler, 300) == compiling.BURST - 1


async def test_the_python_of_a_plan_is_written_when_its_document_comes_back(prepared):
    text, plans = "{ items { name } }", []
    for _ in range(3):
        result = await run(prepared, text)
        assert result.data == {"items": [{"name": "x"}, {"name": None}]}
        known = prepared.get(text).operation(None).compiled
        plans.append((*known.plans.values(), known.plans[()].source != ""))
        prepared.get(text).sights -= 2  # as if the test had not looked

    assert plans == [(plans[0][0], False), (plans[0][0], True), (plans[0][0], True)]
    assert ran(prepared) == (3, 0, 1)


async def test_more_choices_than_sixteen_are_graphql_cores(prepared, written):
    declared = ", ".join(f"${name}: Boolean!" for name in "abcde")
    asked = " ".join(f"{name} @include(if: ${name})" for name in "abcde")
    choices = [{n: bool(number >> i & 1) for i, n in enumerate("abcde")} for number in range(32)]

    prepared.get(text := f"query ({declared}) {{ {asked} }}")
    for choice in choices:
        result = await run(prepared, text, choice)
        assert result.data == {name: name for name, wanted in choice.items() if wanted}

    reason = f"more than {MAX_PLANS} choices of conditions"
    assert ran(prepared) == (16, 16, 16)
    assert prepared.compiler.counts.unsupported == {reason: 16}
    assert said(written) == [("debug", "engine.unsupported", reason)] * 16


def branching(types: int, fields: int) -> GraphQLSchema:
    """An interface that each of many types implements, and that leads to itself."""
    names = [f"f{number}" for number in range(fields)]
    node: GraphQLInterfaceType = GraphQLInterfaceType(
        "Node",
        lambda: {"node": GraphQLField(node), **{n: GraphQLField(GraphQLInt) for n in names}},
        resolve_type=lambda *_: "T0",
    )

    def of_node() -> dict[str, GraphQLField]:
        return {"node": field({}, node), **{name: field(7, GraphQLInt) for name in names}}

    made = [GraphQLObjectType(f"T{n}", of_node, interfaces=[node]) for n in range(types)]
    return GraphQLSchema(GraphQLObjectType("Query", {"node": field({}, node)}), types=made)


async def test_more_than_four_thousand_fields_are_graphql_cores():
    held = Documents(branching(types=20, fields=10))
    leaves = " ".join(f"f{number}" for number in range(10))
    small = f"{{ node {{ {leaves} node {{ __typename }} }} }}"
    large = f"{{ node {{ {leaves} node {{ {leaves} node {{ __typename }} }} }} }}"
    sevens = {f"f{number}": 7 for number in range(10)}
    leaf = {"node": {"__typename": "T0"}}

    for _ in range(3):
        assert (await run(held, small)).data == {"node": {**sevens, **leaf}}
        assert (await run(held, large)).data == {"node": {**sevens, "node": {**sevens, **leaf}}}

    reason = "more than 4000 fields"
    assert ran(held) == (2, 4, 1)
    assert held.compiler.counts.unsupported == {reason: 2}
    # What was found out once is not looked for again.
    assert held.get(large).operation(None).compiled.refused == {(): reason}


async def test_the_process_tells_what_the_engine_did(prepared):
    for text in ("{ a }", "{ a }", "{ unheardOf }", "{ a }"):
        await run(prepared, text)
    prepared.compiler.counts.unsupported["too odd"] += 1

    registry = CollectorRegistry()
    registry.register(Engine(prepared))
    told = generate_latest(registry).decode().splitlines()

    for line in (
        'mypost_engine_operations_total{by="plan"} 2.0',
        'mypost_engine_operations_total{by="graphql-core"} 1.0',
        'mypost_engine_unsupported_total{reason="too odd"} 1.0',
        "mypost_engine_plans_total 1.0",
        "mypost_engine_given_up_total 0.0",
        "mypost_engine_document_hits_total 2.0",
        "mypost_engine_document_misses_total 2.0",
        "mypost_engine_documents 2.0",
    ):
        assert line in told
