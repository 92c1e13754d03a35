"""Reading REST values into GraphQL variables, compiled from the schema's input types.

REST speaks enum values, GraphQL speaks names. Every fault is noted, so that a client sees all at
once; the rules declared beside input fields join in only when a type is wrong, because otherwise
the gate checks them, after it has looked for the object.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    is_required_input_field,
)
from strawberry.types.base import StrawberryMaybe

from mypost.errors import Fault, FaultCode, Invalid
from mypost.operation import TEXT_FAULT, UNSTORABLE, unstorable
from mypost.rest.selection import DECLARED

MAX_INT = 2**31 - 1
MAX_FAULTS = 100
INTEGER = re.compile(r"-?[0-9]{1,10}")

Path = tuple[str, ...]
NOWHERE: Mapping[str, str] = {}


class _Broken:
    """Stands for a value that cannot be read."""


BROKEN = _Broken()


@dataclass(slots=True)
class Faults:
    """What is wrong with a request so far."""

    found: list[Fault] = field(default_factory=list)

    def add(self, path: Path, message: str, code: FaultCode = FaultCode.INVALID) -> _Broken:
        """Notes a fault, up to a number nobody reads past."""
        if len(self.found) < MAX_FAULTS:
            shown = tuple(UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", part) for part in path)
            self.found.append(Fault(shown, message, code))
        return BROKEN

    def refuse(self) -> None:
        """Raises Invalid when anything is wrong."""
        if self.found:
            raise Invalid(self.found)


Read = Callable[[Any, Path, Faults], Any]
Native = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """How a type is read: into a variable, and from that into the value that rules judge."""

    read: Read
    native: Native


@dataclass(frozen=True, slots=True)
class Property:
    """One field of an input object."""

    name: str
    reader: Reader
    required: bool
    nullable: bool
    rules: tuple[Callable[[Any], tuple[str, FaultCode] | None], ...]
    nested: "ObjectReader | None"


class ObjectReader:
    """Reads an input object field by field."""

    def __init__(self, type_: GraphQLInputObjectType) -> None:
        self.type = type_
        self.properties = {n: _property(n, f) for n, f in type_.fields.items()}

    def read(
        self, value: Any, path: Path, faults: Faults, known: Mapping[str, str] = NOWHERE
    ) -> Any:
        """Reads what may be read; `known` fields stand elsewhere and are refused here."""
        if not isinstance(value, dict):
            return faults.add(path, "Must be an object")
        wire = {}
        for name, each in self.properties.items():
            if name in known:
                continue
            if name in value:
                wire[name] = _present(each, value[name], (*path, name), faults)
            elif each.required:
                faults.add((*path, name), "Required", FaultCode.REQUIRED)
        for name in value:
            if name in known:
                faults.add((*path, name), f"Stands in the {known[name]}, not in the body")
            elif name not in self.properties:
                faults.add((*path, name), "There is no such field")
        return wire

    def judge(self, wire: dict[str, Any], path: Path, faults: Faults) -> None:
        """Adds what the rules say about the fields that could be read."""
        for name, value in wire.items():
            each, place = self.properties[name], (*path, name)
            if value is None or value is BROKEN:
                continue
            native = each.reader.native(value) if each.rules else None
            verdict = next((v for rule in each.rules if (v := rule(native))), None)
            if verdict:
                faults.add(place, *verdict)
            elif each.nested is not None:
                _judge_nested(each.nested, value, place, faults)


def _judge_nested(nested: ObjectReader, value: Any, path: Path, faults: Faults) -> None:
    if isinstance(value, dict):
        nested.judge(value, path, faults)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _judge_nested(nested, item, (*path, str(index)), faults)


def _present(each: Property, value: Any, path: Path, faults: Faults) -> Any:
    if value is None:
        return None if each.nullable else faults.add(path, "Must not be null", FaultCode.REQUIRED)
    return each.reader.read(value, path, faults)


def _property(name: str, declared: GraphQLInputField) -> Property:
    own: Any = declared.extensions.get(DECLARED)
    reader = reader_of(declared.type)
    if own is not None and isinstance(own.type, StrawberryMaybe):
        plain = reader.native
        reader = Reader(reader.read, lambda value: strawberry.Some(plain(value)))
    return Property(
        name,
        reader,
        required=is_required_input_field(declared),
        nullable=not isinstance(declared.type, GraphQLNonNull),
        rules=own.metadata.get("rules", ()) if own is not None else (),
        nested=_nested(declared.type),
    )


def _nested(type_: GraphQLInputType) -> ObjectReader | None:
    inner: Any = type_
    while isinstance(inner, GraphQLNonNull | GraphQLList):
        inner = inner.of_type
    return ObjectReader(inner) if isinstance(inner, GraphQLInputObjectType) else None


def reader_of(type_: GraphQLInputType) -> Reader:
    """Compiles the reader of a type; null is its holder's business."""
    if isinstance(type_, GraphQLNonNull):
        return reader_of(type_.of_type)
    if isinstance(type_, GraphQLList):
        return _list(type_.of_type)
    if isinstance(type_, GraphQLEnumType):
        return _enum(type_)
    if isinstance(type_, GraphQLInputObjectType):
        return Reader(ObjectReader(type_).read, _same)
    assert isinstance(type_, GraphQLScalarType)  # noqa: S101 - GraphQL has no other input types
    return SCALARS.get(type_.name) or _scalar(type_)


def _same(value: Any) -> Any:
    return value


def _list(inner: GraphQLInputType) -> Reader:
    reader, nullable = reader_of(inner), not isinstance(inner, GraphQLNonNull)

    def read(value: Any, path: Path, faults: Faults) -> Any:
        if not isinstance(value, list):
            return faults.add(path, "Must be a list")
        wire = []
        for index, item in enumerate(value):
            place = (*path, str(index))
            if item is not None:
                wire.append(reader.read(item, place, faults))
            elif nullable:
                wire.append(None)
            else:
                wire.append(faults.add(place, "Must not be null", FaultCode.REQUIRED))
        return BROKEN if any(item is BROKEN for item in wire) else wire

    return Reader(read, lambda wire: [None if w is None else reader.native(w) for w in wire])


def _enum(type_: GraphQLEnumType) -> Reader:
    names = {member.value: name for name, member in type_.values.items()}
    declared: Any = type_.extensions.get(DECLARED)
    member: Native = declared.wrapped_cls if declared else _same
    allowed = f"Must be {'one of ' if len(names) > 1 else ''}{', '.join(sorted(names))}"

    def read(value: Any, path: Path, faults: Faults) -> Any:
        name = names.get(value) if isinstance(value, str) else None
        return faults.add(path, allowed) if name is None else name

    return Reader(read, lambda name: member(type_.values[name].value))


def _scalar(type_: GraphQLScalarType) -> Reader:
    """Reads a scalar of our own: it checks itself, but its text must be storable."""

    def read(value: Any, path: Path, faults: Faults) -> Any:
        wrong = unstorable(value)
        if wrong is None:
            try:
                type_.parse_value(value)
            except (GraphQLError, TypeError, ValueError) as error:
                wrong = str(error)
        return value if wrong is None else faults.add(path, wrong)

    return Reader(read, type_.parse_value)


def _text(value: Any, path: Path, faults: Faults) -> Any:
    if not isinstance(value, str):
        return faults.add(path, "Must be a string")
    return faults.add(path, TEXT_FAULT) if UNSTORABLE.search(value) else value


def _integer(value: Any, path: Path, faults: Faults) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        return faults.add(path, "Must be an integer")
    return value if ~MAX_INT <= value <= MAX_INT else faults.add(path, "Is out of range")


def _number(value: Any, path: Path, faults: Faults) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return faults.add(path, "Must be a number")
    return value


def _boolean(value: Any, path: Path, faults: Faults) -> Any:
    return value if isinstance(value, bool) else faults.add(path, "Must be true or false")


SCALARS = {
    "String": Reader(_text, _same),
    "ID": Reader(_text, _same),
    "Int": Reader(_integer, _same),
    "Float": Reader(_number, _same),
    "Boolean": Reader(_boolean, _same),
}


def from_query(type_: GraphQLInputType, texts: list[str]) -> Any:
    """Turns the texts of a query parameter into what a body would hold; the reader judges it."""
    if isinstance(type_, GraphQLNonNull):
        return from_query(type_.of_type, texts)
    if isinstance(type_, GraphQLList):
        parts = [part for text in texts for part in text.split(",")]
        return [from_query(type_.of_type, [part]) for part in parts]
    name, text = getattr(type_, "name", ""), texts[-1]
    if name == "Int" and INTEGER.fullmatch(text):
        return int(text)
    if name == "Boolean":
        return {"true": True, "false": False}.get(text, text)
    return text
