"""Input types, and texts and JSON values for them."""

import json
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    is_required_input_field,
)
from graphql.type.definition import GraphQLDefaultInput

from tests.engine.dice import Dice

SAMPLES: dict[str, list[Any]] = {
    "String": ["x", "", 'quo"te'],
    "Int": [1, 0, -5],
    "ID": ["id", 7],
    "Boolean": [True, False],
    "Float": [0.5, 2],
    "Odd": ["odd", 3],
    "DateTime": ["2026-01-15T14:00:00Z", "2036-01-15T14:00:00+02:00"],
    "Date": ["2026-01-15", "2036-02-29"],
}


@dataclass
class Written:
    """A GraphQL literal: a text that is no JSON string."""

    text: str


def spell(value: Any) -> str:
    """Spells a sample as a literal."""
    if isinstance(value, Written):
        return value.text
    if isinstance(value, list):
        return f"[{', '.join(map(spell, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k}: {spell(v)}' for k, v in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Spells a sample as the JSON value of a variable."""
    if isinstance(value, Written):
        return value.text
    if isinstance(value, list):
        return [plain(item) for item in value]
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def sample(type_: GraphQLInputType, dice: Dice, depth: int = 0) -> Any:
    """A value for an input type, without variables."""
    if isinstance(type_, GraphQLNonNull):
        return given(type_.of_type, dice, depth)
    return None if dice.chance(12) else given(type_, dice, depth)


def given(type_: Any, dice: Dice, depth: int) -> Any:
    """A value that is not null; a list may be given as its single item."""
    if isinstance(type_, GraphQLList):
        item = type_.of_type.of_type if isinstance(type_.of_type, GraphQLNonNull) else type_.of_type
        if not isinstance(item, GraphQLList) and dice.chance(15):
            return given(item, dice, depth)
        return [sample(type_.of_type, dice, depth) for _ in range(dice.upto(3))]
    if isinstance(type_, GraphQLInputObjectType):
        return {
            name: sample(each.type, dice, depth + 1)
            for name, each in type_.fields.items()
            if is_required_input_field(each) or (depth < 2 and dice.chance(50))
        }
    if isinstance(type_, GraphQLEnumType):
        return Written(dice.pick(list(type_.values)))
    return dice.pick(SAMPLES[type_.name])


def wrong(type_: Any, dice: Dice) -> Any:
    """A JSON value that the type does not take; some take it all the same."""
    if isinstance(type_, GraphQLNonNull):
        return None if dice.chance(40) else wrong(type_.of_type, dice)
    return dice.pick(["refused", {"nothing": 1}, [[{}]], 1.5, True, "9" * 12])


def _wrapped(dice: Dice, named: Any) -> Any:
    type_ = GraphQLNonNull(named) if dice.chance(30) else named
    for _ in range(dice.pick((0, 0, 0, 0, 0, 1, 1, 2))):
        type_ = GraphQLList(type_)
        type_ = GraphQLNonNull(type_) if dice.chance(30) else type_
    return type_


@dataclass
class Inputs:
    """The input types of one schema."""

    leaves: list[Any]
    objects: list[GraphQLInputObjectType] = field(default_factory=list)

    def add(self, dice: Dice, name: str) -> None:
        """Adds an input object; it may hold those before it, and itself."""
        made: dict[str, GraphQLInputField] = {}
        known = [*self.leaves, *self.objects]
        for key in ("p", "q", "r")[: 1 + dice.upto(3)]:
            type_ = _wrapped(dice, dice.pick(known))
            default = self._default_of(type_, dice)
            out = f"{key}_out" if dice.chance(15) else None
            made[key] = GraphQLInputField(type_, default=default, out_name=out)
        it = GraphQLInputObjectType(name, lambda: made)
        if dice.chance(40):
            made["again"] = GraphQLInputField(it)
        self.objects.append(it)

    def argument(self, dice: Dice, *, optional: bool = False) -> GraphQLArgument:
        """An argument of any type, with or without a default."""
        type_ = _wrapped(dice, dice.pick([*self.leaves, *self.objects]))
        default = self._default_of(type_, dice)
        if optional and isinstance(type_, GraphQLNonNull) and default is None:
            type_ = type_.of_type
        return GraphQLArgument(type_, default=default)

    def _default_of(self, type_: Any, dice: Dice) -> GraphQLDefaultInput | None:
        if not dice.chance(35):
            return None
        return GraphQLDefaultInput(plain(sample(type_, dice, 1)))
