"""A plan that fails for a reason of its own: nothing is lost, and nothing is done twice."""

import io
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    parse,
)

from mypost import logs
from mypost.engine.compiled import compile_operation
from mypost.engine.documents import Documents
from mypost.engine.execute import execute
from mypost.engine.subscribe import subscribe


class Shy(str):
    """Text that does not say what it is: graphql-core does not ask, a plan does."""

    __slots__ = ()

    @property
    def __class__(self) -> Any:
        raise AttributeError("I do not say")


class Unspellable(GraphQLEnumType):
    """An enum that cannot spell its own values, which planning asks it to."""

    def coerce_output_value(self, output_value: Any) -> str:
        raise RuntimeError(f"I do not spell {output_value}")


def text_field(**options: Any) -> GraphQLField:
    return GraphQLField(GraphQLString, **options)


class World:
    """A schema whose mutation counts, and whose values are as hostile as wanted."""

    def __init__(self, name: Any) -> None:
        self.name = name
        self.added = 0
        kind = GraphQLField(Unspellable("Kind", {"ONE": "one"}), resolve=lambda *_: "one")
        thing = GraphQLObjectType("Thing", {"name": text_field(), "kind": kind})
        plain = text_field(resolve=lambda *_: "plain")
        self.schema = GraphQLSchema(
            GraphQLObjectType("Query", {"thing": self._field(thing), "plain": plain}),
            GraphQLObjectType("Mutation", {"add": self._field(thing, self._add), "plain": plain}),
            GraphQLObjectType(
                "Subscription", {"thing": self._field(thing, subscribe=self._events)}
            ),
        )
        self.documents = Documents(self.schema)

    def _field(self, thing: Any, resolve: Any = None, **options: Any) -> GraphQLField:
        found = resolve or (lambda *_: {"name": self.name})
        return GraphQLField(GraphQLNonNull(thing), resolve=found, **options)

    def _add(self, *_: Any) -> dict[str, Any]:
        self.added += 1
        return {"name": self.name}

    async def _events(self, *_: Any) -> AsyncIterator[int]:
        for event in range(3):
            yield event

    async def run(self, text: str) -> Any:
        """Runs a document so that it is compiled: it comes for the second time."""
        self.documents.get(text)
        return await execute(self.schema, self.documents.get(text), None, None)

    @property
    def counts(self) -> tuple[int, int, int]:
        counts = self.documents.compiler.counts
        return counts.compiled, counts.interpreted, counts.given_up


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure("debug", stream=stream)
    yield stream
    logs.configure("critical")


def said(stream: io.StringIO) -> list[tuple[str, str, str, str]]:
    """Each line's level, event and error, and the file it happened in."""
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [
        (line["level"], line["event"], line["error"], line["place"].split("/")[-1].split(":")[0])
        for line in lines
    ]


async def test_a_query_is_answered_by_graphql_core(written):
    world = World(Shy("shy"))

    result = await world.run("{ thing { name } plain }")

    assert (result.data, result.errors) == ({"thing": {"name": "shy"}, "plain": "plain"}, None)
    assert world.counts == (1, 1, 1)
    assert said(written) == [("error", "engine.given_up", "AttributeError", "test_giving_up.py")]
    assert "shy" not in written.getvalue()


async def test_an_event_is_answered_by_graphql_core_and_the_next_one_follows():
    world = World(Shy("shy"))
    prepared = world.documents.get("subscription { thing { name } }")

    stream = subscribe(world.schema, prepared, None, None, lambda: None)
    answers = [(each.data, each.errors) async for each in stream]

    assert answers == [({"thing": {"name": "shy"}}, None)] * 3
    assert world.counts == (3, 3, 3)


async def test_a_mutation_is_not_done_again(written):
    world = World(Shy("shy"))

    with pytest.raises(AttributeError, match="I do not say"):
        await world.run("mutation { plain add { name } }")

    assert world.added == 1
    assert world.counts == (1, 0, 0)


async def test_a_mutation_of_an_ordinary_value_is_done_once_by_its_plan():
    world = World("open")

    result = await world.run("mutation { plain add { name } }")

    assert result.data == {"plain": "plain", "add": {"name": "open"}}
    assert (world.added, world.counts) == (1, (1, 0, 0))


@pytest.mark.parametrize(
    ("asked", "key", "times"),
    [("{ thing { kind } }", "thing", 0), ("mutation { add { kind } }", "add", 1)],
)
async def test_what_cannot_even_be_planned_is_answered_by_graphql_core(asked, key, times, written):
    world = World("open")

    result = await world.run(asked)

    assert result.data == {key: {"kind": None}}
    assert [error.message for error in result.errors] == ["I do not spell one"]
    assert (world.added, world.counts) == (times, (0, 1, 1))
    assert said(written) == [("error", "engine.given_up", "RuntimeError", "test_giving_up.py")]


@pytest.mark.parametrize("asked", ["{ thing { name } plain }", "mutation { add { name } plain }"])
async def test_the_objects_of_a_plan_whose_python_fails_are_built_one_by_one(asked):
    """Nothing is fetched again for it, so a mutation may do so too."""
    world = World("open")
    compiled = compile_operation(world.schema, parse(asked))
    right = await compiled.run(None, None)
    assert right.errors is None

    for selection in compiled.plans[()].selections:
        selection.build = None
    built = await compiled.run(None, None)

    assert (built.data, built.errors) == (right.data, None)
    assert list(built.data) == list(right.data)
    assert world.added == (2 if "mutation" in asked else 0)
