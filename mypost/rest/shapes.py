"""JSON Schema of what REST takes and answers: derived from the schema's types.

https://json-schema.org/draft/2020-12, as OpenAPI 3.1 takes it.
"""

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLType,
    Undefined,
    get_named_type,
    is_required_input_field,
)

from mypost.rest.selection import DECLARED, Selection

Shape = dict[str, Any]
SCALARS: dict[str, Shape] = {
    "String": {"type": "string"},
    "ID": {"type": "string"},
    "Int": {"type": "integer"},
    "Float": {"type": "number"},
    "Boolean": {"type": "boolean"},
    "DateTime": {"type": "string", "format": "date-time"},
    "Date": {"type": "string", "format": "date"},
    "JSON": {"description": "Any JSON value."},
}


@dataclass(slots=True)
class Shapes:
    """The shapes met so far; a shape that has a name is described once."""

    named: dict[str, Shape] = field(default_factory=dict)

    def answer(self, type_: GraphQLType, selection: Selection | None, *, optional: bool) -> Shape:
        """Describes a value of an answer; `optional` keys are left out when they are null."""
        if isinstance(type_, GraphQLNonNull):
            return self._answer(type_.of_type, selection)
        shape = self._answer(type_, selection)
        return shape if optional else nullable(shape)

    def _answer(self, type_: GraphQLType, selection: Selection | None) -> Shape:
        if isinstance(type_, GraphQLList):
            items = self.answer(type_.of_type, selection, optional=False)
            return {"type": "array", "items": items}
        return self.object(selection) if selection else self._leaf(type_)

    def object(self, selection: Selection, optional: tuple[str, ...] = ()) -> Shape:
        """Describes an object by name; another selection of the same type has a name of its own."""
        properties = {}
        for name, child in selection.fields.items():
            declared = selection.type.fields[name]
            properties[name] = self.answer(declared.type, child, optional=name in optional)
        shape = {
            "type": "object",
            "properties": properties,
            "required": [name for name in properties if name not in optional],
        }
        return self.name(selection.type.name, shape, selection.type.description)

    def input(
        self,
        type_: GraphQLInputObjectType,
        bound: frozenset[str] = frozenset(),
        *,
        ruled: bool = True,
    ) -> Shape:
        """Describes a body; `bound` fields stand in the address.

        What breaks a rule is refused, unless it is not `ruled`: then it is told in the answer.
        """
        fields = {name: f for name, f in type_.fields.items() if name not in bound}
        shape = {
            "type": "object",
            "properties": {name: self._field(f, ruled=ruled) for name, f in fields.items()},
            "required": [name for name, f in fields.items() if is_required_input_field(f)],
            "additionalProperties": False,
        }
        return self.name(type_.name.removesuffix("Input"), shape, type_.description)

    def _field(self, declared: Any, *, ruled: bool) -> Shape:
        own = declared.extensions.get(DECLARED)
        metadata = own.metadata if own is not None else {}
        shape = self.parameter(declared.type, ruled=ruled and not metadata.get("apart"))
        bounds: Shape = {}
        for rule in metadata.get("rules", ()):
            bounds |= getattr(rule, "says", {})
        if bounds and not ruled:
            bounds = {"description": f"Else a fault in its result: {_words(bounds)}"}
        shape = {**shape, **bounds}
        if not isinstance(declared.type, GraphQLNonNull):
            shape = nullable(shape)
        if declared.default_value not in (Undefined, None):
            shape = {**shape, "default": _plain(declared.default_value)}
        return shape

    def parameter(self, type_: GraphQLType, *, ruled: bool = True) -> Shape:
        """Describes a value a client gives."""
        if isinstance(type_, GraphQLNonNull):
            return self.parameter(type_.of_type, ruled=ruled)
        if isinstance(type_, GraphQLList):
            return {"type": "array", "items": self.parameter(type_.of_type, ruled=ruled)}
        if isinstance(type_, GraphQLInputObjectType):
            return self.input(type_, ruled=ruled)
        return self._leaf(type_)

    def _leaf(self, type_: GraphQLType) -> Shape:
        named: Any = get_named_type(type_)
        if isinstance(named, GraphQLEnumType):
            values = sorted(_plain(member.value) for member in named.values.values())
            shape = {"type": "string", "enum": values}
            return self.name(named.name, shape, named.description)
        assert isinstance(named, GraphQLScalarType)  # noqa: S101 - there are no other leaves
        return dict(SCALARS[named.name])

    def name(self, name: str, shape: Shape, description: str | None) -> Shape:
        """Keeps a shape under its name, numbered when another has it, and answers a reference."""
        told = {**({"description": description} if description else {}), **shape}
        number, free = 1, name
        while self.named.setdefault(free, told) != told:
            number += 1
            free = f"{name}{number}"
        return {"$ref": f"#/components/schemas/{free}"}


def nullable(shape: Shape) -> Shape:
    """Allows null besides."""
    if isinstance(shape.get("type"), str):
        return {**shape, "type": [shape["type"], "null"]}
    return {"anyOf": [shape, {"type": "null"}]} if shape else shape


def _words(bounds: Shape) -> str:
    return ", ".join(f"{name} {value}" for name, value in bounds.items())


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)
