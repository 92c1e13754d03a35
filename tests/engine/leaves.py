"""The leaf types of generated schemas, and values for them: right, nearly right and wrong."""

import uuid
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLScalarType,
    GraphQLString,
    Undefined,
    ValueNode,
    value_from_ast_untyped,
)

from tests.engine.dice import Dice


class Colour(Enum):
    """Members whose values are texts."""

    RED = "red"
    BLUE = "blue"
    BEIGE = "beige"


class Size(IntEnum):
    """Members that equal numbers."""

    SMALL = 1
    LARGE = 2


class Mood(StrEnum):
    """Members that equal texts."""

    GOOD = "good"
    BAD = "bad"


class Text(str):
    """A text of another class."""

    __slots__ = ()


class Spoken:
    """An object that has its own spelling."""

    def __str__(self) -> str:
        return "spoken"


def spell(value: Any) -> Any:
    """Spells a value of the scalar Odd, which refuses some and has no word for others."""
    if value == "refused":
        raise ValueError("Odd refuses this")
    if value == "coded":
        raise GraphQLError("Odd says more", extensions={"code": "ODD"})
    if not isinstance(value, str | int | float) and value != [1, 2]:
        raise TypeError("Odd takes no such thing")
    if value == "nothing":
        return None
    return Undefined if value == "undefined" else {"odd": value}


def _read(value: Any) -> Any:
    if value == "refused":
        raise GraphQLError("Odd does not take this")
    return ("odd", str(value))


def _read_literal(node: ValueNode, *_: Any) -> Any:
    return _read(value_from_ast_untyped(node))


ODD = GraphQLScalarType(
    "Odd", coerce_output_value=spell, coerce_input_value=_read, coerce_input_literal=_read_literal
)
LISTS = [["a"], ["b"]]  # an enum may stand for values that cannot be hashed
ENUMS = [
    GraphQLEnumType("Letter", {"A": "A", "B": "B", "C": None}),
    GraphQLEnumType("Colour", Colour),
    GraphQLEnumType("Colour", Colour, names_as_values=None),
    GraphQLEnumType("Colour", Colour, names_as_values=True),
    GraphQLEnumType("Size", Size),
    GraphQLEnumType("Size", Size, names_as_values=None),
    GraphQLEnumType("Mood", Mood, names_as_values=None),
    GraphQLEnumType("Mixed", {"ONE": 1, "YES": True, "TEXT": "1", "HALF": 0.5}),
    GraphQLEnumType("Listed", {"FIRST": LISTS[0], "SECOND": LISTS[1], "THIRD": "c"}),
]
SCALARS = [GraphQLString, GraphQLInt, GraphQLID, GraphQLBoolean, GraphQLFloat]
IDS = [uuid.UUID(int=n) for n in (1, 2)]

RIGHT: dict[str, list[Any]] = {
    "String": ["plain", "", "ünï\ncode", Text("sub"), 7, True, 1.5, Spoken()],
    "Int": [1, 0, -7, 2**31 - 1, True, 3.0, "12", Decimal(4), Size.LARGE],
    "ID": ["a1", 7, IDS[0], IDS[1], Text("b2"), 3.0, Spoken()],
    "Boolean": [True, False, 1, 0, 2.5, Decimal(0)],
    "Float": [1.5, 2, True, "2.5", Decimal("0.25"), -0.0],
    "Odd": ["text", 5, [1, 2], True],
}
WRONG: dict[str, list[Any]] = {
    "String": [[], {}, ..., b"bytes"],
    "Int": ["twelve", 2**31, 1.5, [], "", float("nan")],
    "ID": [True, [], 1.5, None],
    "Boolean": ["yes", [], float("nan")],
    "Float": ["much", [], float("inf"), {}],
    "Odd": ["refused", "coded", "nothing", "undefined"],
}
NO_MEMBERS = ["missing", 99, [], ..., Size.SMALL]


def leaf(type_: GraphQLLeafType, dice: Dice) -> Any:
    """A value that the type can spell."""
    if isinstance(type_, GraphQLEnumType):
        return member(type_, dice)
    choices = RIGHT[type_.name]
    return choices[0] if dice.chance(60) else dice.pick(choices)


def member(type_: GraphQLEnumType, dice: Dice) -> Any:
    """A value that stands for a member, or the Python member itself."""
    name = dice.pick(list(type_.values))
    value = type_.values[name].value
    if value is None:
        return name
    for python in (Colour, Mood, Size):
        if python.__name__ == type_.name and dice.chance(30):
            return python[name]
    return value


def wrong_leaf(type_: GraphQLLeafType, dice: Dice) -> Any:
    """A value that the type cannot spell."""
    return dice.pick(WRONG.get(type_.name, NO_MEMBERS))
