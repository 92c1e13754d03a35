"""Faults of the engine that generated cases have found, as plain cases."""

import asyncio
from typing import Any

import pytest
from graphql import GraphQLObjectType, GraphQLSchema, build_schema

from tests.engine import engine
from tests.engine.compare import spelled


def built(text: str, **functions: Any) -> GraphQLSchema:
    """A schema whose types are told by functions: `Cat=predicate`, `Pet=type resolver`."""
    schema = build_schema(text)
    for name, function in functions.items():
        type_: Any = schema.type_map[name]
        if isinstance(type_, GraphQLObjectType):
            type_.is_type_of = function
        else:
            type_.resolve_type = function
    return schema


async def same(schema: GraphQLSchema, text: str, root: Any, **more: Any) -> dict[str, Any]:
    """What both answer; the engine has compiled it."""
    engine.counts.clear()
    mine = await engine.compiled(schema, text, root, **more)
    assert engine.counts == {"compiled": 1}
    assert spelled(mine) == spelled(await engine.interpreted(schema, text, root, **more))
    return mine.formatted


async def test_an_object_of_which_nothing_is_asked_stands_beside_a_fault() -> None:
    schema = built("type Query { cats: [Cat] }  type Cat { name: String }")
    root = {"cats": [{"name": "Tom"}, ValueError("gone")]}

    told = await same(schema, "{ cats { name @skip(if: true) } }", root)

    assert told["data"] == {"cats": [{}, None]}


PETS = "type Query { pets: [[Pet]] }  union Pet = Cat  type Cat { name: String }"


@pytest.mark.parametrize("function", ["Pet", "Cat"])
async def test_the_type_of_an_item_is_asked_with_the_path_of_its_list(function: str) -> None:
    paths: list[Any] = []

    def tell(value: Any, info: Any, *_: Any) -> str:
        paths.append(info.path.as_list())
        return "Cat"

    schema = built(PETS, **{function: tell})
    root = {"pets": [[{"name": "Tom", "__typename": "Cat"}]]}

    await same(schema, "{ all: pets { ... on Cat { name } } }", root)

    assert paths == [["all"], ["all"]]  # once by each


@pytest.mark.parametrize("waits", [False, True])
async def test_an_exception_that_a_type_resolver_answers_is_not_raised(waits: bool) -> None:
    said = ValueError("Cat")

    def tell(value: Any, *_: Any) -> Any:
        return asyncio.sleep(0, said) if waits else said

    told = await same(built(PETS, Pet=tell), "{ pets { __typename } }", {"pets": [[{}]]})

    assert "which is not a valid Object type name" in told["errors"][0]["message"]


@pytest.mark.parametrize("waits", [False, True])
async def test_an_exception_that_a_predicate_answers_is_true(waits: bool) -> None:
    said = ValueError("no")
    schema = built(
        "type Query { cat: Cat }  type Cat { name: String }",
        Cat=lambda *_: asyncio.sleep(0, said) if waits else said,
    )

    told = await same(schema, "{ cat { name } }", {"cat": {"name": "Tom"}})

    assert told == {"data": {"cat": {"name": "Tom"}}}


async def test_the_conditions_of_another_operation_do_not_matter() -> None:
    text = """
        query Mine { ...Name }  fragment Name on Query { name }
        query Other($c: Boolean!) { ...Age }  fragment Age on Query { age @include(if: $c) }
    """
    schema = built("type Query { name: String  age: Int }")

    told = await same(schema, text, {"name": "Tom"}, operation_name="Mine")

    assert told == {"data": {"name": "Tom"}}
