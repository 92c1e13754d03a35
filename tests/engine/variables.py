"""Variables of generated operations: declared where an argument needs one, with sets of values."""

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    Undefined,
    is_required_input_field,
)

from tests.engine.dice import Dice
from tests.engine.inputs import given, plain, sample, spell, wrong


@dataclass
class Variable:
    """One variable of an operation."""

    name: str
    type: GraphQLInputType
    default: str | None = None

    @property
    def nullable(self) -> bool:
        """Whether null may be sent for it."""
        return not isinstance(self.type, GraphQLNonNull)

    def __str__(self) -> str:
        default = "" if self.default is None else f" = {self.default}"
        return f"${self.name}: {self.type}{default}"


@dataclass
class Variables:
    """The variables of one operation."""

    dice: Dice
    prefix: str = ""
    known: list[Variable] = field(default_factory=list)
    conditions: list[Variable] = field(default_factory=list)

    def __str__(self) -> str:
        every = [*self.known, *self.conditions]
        return f"({', '.join(map(str, every))})" if every else ""

    def literal(self, type_: GraphQLInputType, *, defaulted: bool = False, depth: int = 0) -> str:
        """A literal for an input type; any part of it may be a variable."""
        if self.dice.chance(22):
            return f"${self.variable(type_, defaulted=defaulted).name}"
        if not isinstance(type_, GraphQLNonNull) and self.dice.chance(10):
            return "null"
        inner: Any = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if isinstance(inner, GraphQLList):
            return self._list(inner, depth)
        if isinstance(inner, GraphQLInputObjectType):
            return self._object(inner, depth)
        return spell(given(inner, self.dice, depth))

    def _list(self, type_: Any, depth: int) -> str:
        if self.dice.chance(15):
            return spell(given(type_, self.dice, depth))
        items = [self.literal(type_.of_type, depth=depth) for _ in range(self.dice.upto(3))]
        return f"[{', '.join(items)}]"

    def _object(self, type_: GraphQLInputObjectType, depth: int) -> str:
        told = []
        for name, each in type_.fields.items():
            if is_required_input_field(each) or (depth < 2 and self.dice.chance(50)):
                defaulted = each.default is not None
                text = self.literal(each.type, defaulted=defaulted, depth=depth + 1)
                told.append(f"{name}: {text}")
        return f"{{{', '.join(told)}}}"

    def variable(self, type_: Any, *, defaulted: bool = False) -> Variable:
        """A variable that may stand where this type is wanted."""
        inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        for each in self.known:
            if str(each.type) in (str(type_), f"{inner}!") and self.dice.chance(50):
                return each
        made = Variable(f"{self.prefix}v{len(self.known)}", inner)
        if isinstance(type_, GraphQLNonNull):
            way = self.dice.upto(3)
            if way == 0 or (way == 2 and not defaulted):
                made.type = type_
            if way == 1:
                made.default = spell(given(inner, self.dice, 0))
        else:
            made.type = GraphQLNonNull(inner) if self.dice.chance(20) else inner
            if self.dice.chance(35):
                made.default = spell(sample(made.type, self.dice, 0))
        self.known.append(made)
        return made

    def condition(self) -> Variable:
        """A variable that a directive may look at."""
        if len(self.conditions) < 2 and (not self.conditions or self.dice.chance(40)):
            way = self.dice.upto(4)
            type_ = GraphQLBoolean if way == 3 else GraphQLNonNull(GraphQLBoolean)
            default = self.dice.pick(("true", "false")) if way >= 2 else None
            name = f"{self.prefix}c{len(self.conditions)}"
            self.conditions.append(Variable(name, type_, default))
            return self.conditions[-1]
        return self.dice.pick(self.conditions)

    def values(self, *, faulty: bool) -> dict[str, Any]:
        """A set of values; a faulty one may hold what the types do not take."""
        found = {each.name: self._value(each, faulty=faulty) for each in self.known}
        for each in self.conditions:
            found[each.name] = self._condition(each)
        return {name: value for name, value in found.items() if value is not Undefined}

    def _value(self, variable: Variable, *, faulty: bool) -> Any:
        if faulty and self.dice.chance(40):
            return self.dice.pick([Undefined, wrong(variable.type, self.dice)])
        omissible = variable.nullable or variable.default is not None
        if omissible and self.dice.chance(30):
            return Undefined
        return plain(sample(variable.type, self.dice, 0))

    def _condition(self, variable: Variable) -> Any:
        if variable.default is not None and self.dice.chance(40):
            return Undefined
        if variable.nullable and self.dice.chance(15):
            return None
        return self.dice.chance(50)
