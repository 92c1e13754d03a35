"""What the engine shortens of Strawberry's fields answers as graphql-core does the long way.

The same schema is executed by both, on the same rows: attributes read in place, resolvers called
without Strawberry's layers, declared loads.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
import strawberry
from graphql import GraphQLError, GraphQLSchema, parse
from strawberry.types import Info as StrawberryInfo

from mypost.engine.declare import ENGINE, Load, Rows
from tests.engine.cases.both import (
    Fault,
    both,
    by_core,
    by_engine,
    fault,
    later,
    null_at,
    told,
)


@strawberry.enum
class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Text(str):
    """A class of its own that is a text."""

    __slots__ = ()


class Ten(int):
    """A class of its own that is a number."""


class Unspellable:
    def __str__(self) -> str:
        raise ValueError("I have no spelling")


@strawberry.type
class Row:
    text: str
    maybe_text: str | None
    number: int
    maybe_number: int | None
    flag: bool
    maybe_flag: bool | None
    ratio: float
    maybe_ratio: float | None
    id: strawberry.ID
    maybe_id: strawberry.ID | None
    colour: Colour
    maybe_colour: Colour | None
    texts: list[str]
    maybe_texts: list[str | None] | None


@strawberry.type
class Query:
    @strawberry.field
    def rows(self, info: StrawberryInfo) -> list[Row | None]:
        return info.context()


SCHEMA: GraphQLSchema = strawberry.Schema(Query)._schema
ORDINARY = {
    "text": "a", "maybe_text": "b", "number": 1, "maybe_number": 2, "flag": True,
    "maybe_flag": False, "ratio": 1.5, "maybe_ratio": 2.0, "id": "i", "maybe_id": "j",
    "colour": Colour.RED, "maybe_colour": Colour.BLUE, "texts": ["c"], "maybe_texts": ["d", None],
}  # fmt: skip
VALUES: dict[str, Callable[[], Any]] = {
    "null": lambda: None,
    "text": lambda: "x",
    "empty": lambda: "",
    "own text": lambda: Text("x"),
    "true": lambda: True,
    "nought": lambda: 0,
    "largest": lambda: 2**31 - 1,
    "too large": lambda: 2**31,
    "too small": lambda: -(2**31) - 1,
    "own number": lambda: Ten(10),
    "whole": lambda: 3.0,
    "broken": lambda: 3.5,
    "infinite": lambda: float("inf"),
    "decimal": lambda: Decimal("1.5"),
    "uuid": lambda: UUID(int=7),
    "bytes": lambda: b"x",
    "list": lambda: ["x", 1, None],
    "tuple": lambda: ("x",),
    "mapping": lambda: {"x": 1},
    "member": lambda: Colour.BLUE,
    "stored": lambda: "blue",
    "name": lambda: "BLUE",
    "other member": lambda: Enum("Other", {"BLUE": "blue"}).BLUE,
    "object": object,
    "unspellable": Unspellable,
    "error": lambda: ValueError("in place of a value"),
    "told error": lambda: GraphQLError("mine", extensions={"code": "MINE"}),
    "function": lambda: lambda: "called",
}
FIELDS = {
    "text": "text", "maybe_text": "maybeText", "number": "number", "maybe_number": "maybeNumber",
    "flag": "flag", "maybe_flag": "maybeFlag", "ratio": "ratio", "maybe_ratio": "maybeRatio",
    "id": "id", "maybe_id": "maybeId", "colour": "colour", "maybe_colour": "maybeColour",
    "texts": "texts", "maybe_texts": "maybeTexts",
}  # fmt: skip
ALL = " ".join(FIELDS.values())


def row(**odd: Any) -> Any:
    return type("Row", (), ORDINARY | odd)()


async def as_graphql_core(asked: str, context: Any, schema: GraphQLSchema = SCHEMA) -> list[str]:
    """Expects the same answer of both, and answers it."""
    document = parse(asked)
    by_plan = told(await by_engine(schema, document, context=context))
    assert by_plan == told(await by_core(schema, document, context=context))
    return by_plan


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("kind", VALUES)
async def test_an_attribute_of_any_value_is_spelt_as_graphql_core_spells_it(name, kind):
    """Between ordinary rows, so that what was built at once has to be built again."""

    def rows() -> list[Any]:
        return [row(), row(**{name: VALUES[kind]()}), None, row()]

    assert await as_graphql_core(f"{{ rows {{ {ALL} }} }}", rows)
    assert await as_graphql_core(f"{{ rows {{ {FIELDS[name]} }} }}", rows)


@pytest.mark.parametrize("name", FIELDS)
async def test_an_attribute_that_is_missing_fails_its_field(name):
    def rows() -> list[Any]:
        return [row(), type("Row", (), {n: v for n, v in ORDINARY.items() if n != name})()]

    answer = await as_graphql_core(f"{{ rows {{ {ALL} }} }}", rows)

    assert any(f"has no attribute '{name}'" in line for line in answer)


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("kind", ["text", "null", "list", "error", "member"])
async def test_an_attribute_may_have_to_be_waited_for(name, kind):
    def rows() -> list[Any]:
        return [row(), row(**{name: later(VALUES[kind])()}), row(**{name: later(VALUES[kind])()})]

    await as_graphql_core(f"{{ rows {{ {FIELDS[name]} }} }}", rows)


async def test_what_an_attribute_answers_is_told_at_its_place():
    rows = [row(), row(number="many", maybe_text=ValueError("gone")), row(text=None)]
    ordinary = {"maybeText": "b", "number": 1, "text": "a"}

    await both(
        SCHEMA, "{ rows { maybeText number text } }", {"rows": [ordinary, None, None]},
        fault("gone", (1, 10), "rows", 1, "maybeText"),
        fault("Int cannot represent non-integer value: 'many'", (1, 20), "rows", 1, "number"),
        null_at((1, 27), "Row.text", "rows", 2, "text"), context=lambda: rows,
    )  # fmt: skip


@dataclass
class World:
    """Rows, and what was asked of them."""

    count: int = 3
    fails: bool = False
    asked: list[Any] = field(default_factory=list)


async def _children(world: World, parents: Sequence[Any]) -> list[Any]:
    world.asked.append([parent.number for parent in parents])
    await asyncio.sleep(0)
    if world.fails:
        raise RuntimeError("no rows")
    odd = {1: ValueError("this one not"), 2: None}
    return [odd.get(p.number, [Thing(number=10 * p.number + n) for n in (0, 1)]) for p in parents]


async def _labels(world: World, parents: Sequence[Any]) -> list[Any]:
    return [f"label {parent.number}" if parent.number % 4 else None for parent in parents]


def boxed(parent: strawberry.Parent[Any]) -> str:
    return f"boxed {parent.number}"


def told_of(info: StrawberryInfo, root: Any) -> str:
    return f"{info.field_name} of {root.number} in {info.context.count} at {info.path.as_list()}"


async def waited(root: Any) -> int:
    await asyncio.sleep(0)
    if root.number == 1:
        raise RuntimeError("not one")
    return int(root.number)


@strawberry.type
class Thing:
    number: int

    @strawberry.field
    def double(self) -> int:
        return self.number * 2

    @strawberry.field
    def alone() -> str:  # type: ignore[misc]
        return "alone"

    @strawberry.field
    def seen(self, info: StrawberryInfo) -> str:
        return f"{info.field_name} {info.path.as_list()} {self.number} of {info.context.count}"

    @strawberry.field
    def times(self, by: int = 3) -> int:
        return self.number * by

    @strawberry.field
    def breaks(self) -> str | None:
        raise GraphQLError("broken", extensions={"number": self.number})

    boxed: str = strawberry.field(resolver=boxed)
    told: str = strawberry.field(resolver=told_of)
    waited: int | None = strawberry.field(resolver=waited)

    @strawberry.field(metadata={ENGINE: Load(_children)})
    async def children(self, info: StrawberryInfo) -> list["Thing"] | None:
        [mine] = await _children(World(fails=info.context.fails), [self])
        return mine

    @strawberry.field(metadata={ENGINE: Load(_labels)})
    async def label(self, info: StrawberryInfo) -> str | None:
        [mine] = await _labels(info.context, [self])
        return mine


@strawberry.type
class Things:
    @strawberry.field(metadata={ENGINE: Rows()})
    def things(self, info: StrawberryInfo) -> list[Thing]:
        return [Thing(number=number) for number in range(info.context.count)]

    @strawberry.field(metadata={ENGINE: Load(later(lambda world, _: [Thing(number=world.count)]))})
    def only(self, info: StrawberryInfo) -> Thing:
        return Thing(number=info.context.count)


THINGS: GraphQLSchema = strawberry.Schema(Things)._schema


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("double", lambda n: 2 * n),
        ("alone", lambda _: "alone"),
        ("seen", lambda n: f"seen ['things', {n}, 'seen'] {n} of 3"),
        ("times", lambda n: 3 * n),
        ("times(by: 2)", lambda n: 2 * n),
        ("boxed", lambda n: f"boxed {n}"),
        ("told", lambda n: f"told of {n} in 3 at ['things', {n}, 'told']"),
        ("label", lambda n: f"label {n}" if n else None),
    ],
)
async def test_a_resolver_is_given_what_it_asks_for(asked, answer):
    key = asked.split("(", maxsplit=1)[0]
    data = {"things": [{"number": number, key: answer(number)} for number in range(3)]}

    await both(THINGS, f"{{ things {{ number {asked} }} }}", data, context=World())


async def test_a_resolver_that_fails_is_told_for_its_parent():
    await both(
        THINGS, "{ things { breaks waited } }",
        {"things": [{"breaks": None, "waited": n if n != 1 else None} for n in range(3)]},
        fault("broken", (1, 12), "things", 0, "breaks", number=0),
        fault("broken", (1, 12), "things", 1, "breaks", number=1),
        fault("not one", (1, 19), "things", 1, "waited"),
        fault("broken", (1, 12), "things", 2, "breaks", number=2),
        core=[
            *(fault("broken", (1, 12), "things", n, "breaks", number=n) for n in range(3)),
            fault("not one", (1, 19), "things", 1, "waited"),
        ],
        context=World(),
    )  # fmt: skip


async def test_a_load_stands_for_one_object_too():
    answer = {"only": {"told": "told of 3 in 3 at ['only', 'told']"}}

    await both(THINGS, "{ only { told } }", answer, context=World())


async def test_nobody_is_asked_when_there_are_no_parents():
    world = World(0)

    await both(
        THINGS, "{ things { double waited children { number } } }", {"things": []}, context=world
    )

    assert world.asked == []


async def test_a_load_reads_all_parents_at_once_and_tells_each_its_own():
    world = World(4)
    last = [{"number": 30, "label": "label 30"}, {"number": 31, "label": "label 31"}]
    nought = [{"number": 0, "label": None}, {"number": 1, "label": "label 1"}]

    await both(
        THINGS, "{ things { children { number label } } }",
        {"things": [{"children": nought}, {"children": None}, {"children": None},
                    {"children": last}]},
        fault("this one not", (1, 12), "things", 1, "children"), context=world,
    )  # fmt: skip

    # Twice by the engine; graphql-core called the resolvers instead.
    assert world.asked == [[0, 1, 2, 3]] * 2


async def test_a_load_that_fails_is_told_for_each_parent():
    errors: list[Fault] = [
        fault("no rows", (1, 12), "things", index, "children") for index in range(3)
    ]

    await both(
        THINGS, "{ things { children { number } } }", {"things": [{"children": None}] * 3},
        *errors, context=World(fails=True),
    )  # fmt: skip


async def test_rows_by_declaration_are_not_asked_whether_they_are():
    asked: list[Any] = []

    @strawberry.type
    class Node:
        number: int

        @classmethod
        def is_type_of(cls, value: Any, _info: Any) -> bool:
            asked.append(value)
            return True

    @strawberry.type
    class Root:
        @strawberry.field(metadata={ENGINE: Rows()})
        def declared(self) -> list[Node]:
            return [Node(number=1)]

        @strawberry.field
        def plain(self) -> list[Node]:
            return [Node(number=2)]

    schema = strawberry.Schema(Root)._schema
    document = parse("{ declared { number } plain { number } }")

    await by_engine(schema, document)
    assert [value.number for value in asked] == [2, 2]
    asked.clear()
    await by_core(schema, document)
    assert [value.number for value in asked] == [1, 2]
