"""Leaf values: a Python expression for the ordinary case, graphql-core's own coercion for the rest.

An expression is right for the classes it names and raises for all others; the value is then
completed by `Leaf.complete`, which says exactly what is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import CoroutineType, GeneratorType
from typing import Any
from uuid import UUID

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from graphql.execution.executor import Executor

Complete = Callable[[Any], Any]
# Classes whose `str()` is their spelling as an ID; drivers bring UUID classes of their own.
TEXTUAL: set[type] = {str, UUID}
TEXT = {str}


class Odd(Exception):
    """A value that the expression of its leaf does not cover."""


@lru_cache(maxsize=4096)
def odd(class_: type) -> bool:
    """Whether instances may be awaitable, or an exception in the place of a value."""
    return issubclass(class_, (Exception, CoroutineType, GeneratorType)) or hasattr(
        class_, "__await__"
    )


@dataclass(frozen=True, slots=True)
class Leaf:
    """How values of one leaf type are spelled; `by_value` spells enums as REST does."""

    type: GraphQLLeafType
    nullable: bool
    by_value: bool
    spelling: dict[Any, Any] | None  # an enum's members and their stored values
    slow: Complete

    def complete(self, value: Any) -> Any:
        """Spells a value that is not null; raises what graphql-core raises."""
        spelled = Executor.complete_leaf_value(self.type, value)
        if self.by_value and isinstance(self.type, GraphQLEnumType):
            return self.type.values[spelled].value
        return spelled

    def column(self, values: list[Any]) -> list[Any]:
        """Spells many ordinary values at once; raises when one is not."""
        if self.spelling is not None:
            spelling = self.spelling
            return [spelling[value] for value in values]
        classes = {value.__class__ for value in values}
        if self.type is GraphQLString and classes <= TEXT:
            return values
        if self.type is GraphQLID and classes <= TEXTUAL:
            return list(map(str, values))
        slow = self.slow
        return [slow(value) for value in values]

    def expression(self, value: str, names: Callable[[str, Any], str]) -> str:
        """Writes the Python expression that spells `value`; `names` binds what it needs."""
        if self.spelling is not None:
            return f"{names('E', self.spelling)}[{value}]"
        slow = f"{names('L', self.slow)}(v)"
        other = f"None if v is None else {slow}" if self.nullable else slow
        if self.type is GraphQLString:
            return f"(v if (v := {value}).__class__ is str else {other})"
        if self.type is GraphQLID:
            texts = names("TEXTUAL", TEXTUAL)
            return f"(str(v) if (v := {value}).__class__ in {texts} else {other})"
        if self.type is GraphQLInt:
            fits = "-2147483648 <= v <= 2147483647"
            return f"(v if (v := {value}).__class__ is int and {fits} else {other})"
        if self.type is GraphQLBoolean:
            return f"(v if (v := {value}).__class__ is bool else {other})"
        return (
            f"(None if (v := {value}) is None else {slow})"
            if self.nullable
            else (f"{names('L', self.slow)}({value})")
        )


def leaf_of(type_: GraphQLLeafType, *, nullable: bool, by_value: bool) -> Leaf:
    """Makes the leaf of a type."""
    spelling = None
    if isinstance(type_, GraphQLEnumType):
        spelling = _spelling(type_, by_value=by_value)
        if spelling is not None and nullable:
            spelling[None] = None
    by_value = by_value and isinstance(type_, GraphQLEnumType)
    slow = _slow(type_, nullable=nullable, by_value=by_value)
    return Leaf(type_, nullable, by_value, spelling, slow)


def _slow(type_: GraphQLLeafType, *, nullable: bool, by_value: bool) -> Complete:
    """Spells what the expression does not; raises Odd for what has to be looked at one by one."""
    coerce: Complete = type_.coerce_output_value

    def complete(value: Any) -> Any:
        if value is None and nullable:
            return None
        if value is None or value is Undefined or odd(value.__class__):
            raise Odd
        spelled = coerce(value)
        if spelled is None or spelled is Undefined:
            raise Odd
        if type_ is GraphQLID and isinstance(value, UUID):
            TEXTUAL.add(value.__class__)
        if by_value:
            assert isinstance(type_, GraphQLEnumType)  # noqa: S101 - looked at before
            return type_.values[spelled].value
        return spelled

    return complete


def _spelling(type_: GraphQLEnumType, *, by_value: bool) -> dict[Any, Any] | None:
    """What coercion answers for each member and stored value, asked beforehand."""
    spelling: dict[Any, Any] = {}
    wrapped = getattr(type_, "wrapped_cls", ())
    for key in [*(value.value for value in type_.values.values()), *wrapped]:
        # 1, 1.0 and True are one key of a dict and three values of an enum.
        if not isinstance(key, str | Enum):
            return None
        name = type_.coerce_output_value(key)
        told = type_.values[name].value if by_value else name
        if spelling.setdefault(key, told) != told:
            return None
    return spelling
