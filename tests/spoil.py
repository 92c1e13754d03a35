"""Every way to spoil one field of a good call, derived from the type and the rules it declares."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from graphql import (
    GraphQLInputObjectType,
    get_named_type,
    get_nullable_type,
    is_required_argument,
    is_required_input_field,
)

from mypost.models.paging import MAX_PAGE
from mypost.rest.shapes import Shapes
from tests.table import CORE, PAGING, Row, bare, resolved

MISSING = object()
UNKNOWN = str(uuid4())
WRONG = {"no": "such"}
REST_NAMES = {argument: name for name, argument in PAGING.items()}
BACKWARD = {"last", "before"}
FORMATS = {"date-time": ("soon", "2026-02-30T00:00:00Z", "2026-01-01"), "email": ("nope",),
           "date": ("soon", "2026-02-30"), "uri": ("nope",)}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One field of a call: where it stands, what may stand there, whether it must."""

    name: str
    argument: str
    shape: dict[str, Any]
    required: bool
    id: bool
    type: str
    place: str  # path, query or body; input where only GraphQL has it


def fields(row: Row) -> Iterator[Field]:
    """The fields of a row's call, from the schema."""
    shapes = Shapes()
    if row.mutation:
        place = "body" if row.route.method in ("POST", "PATCH") else "input"
        yield from _of_input(row, row.input, shapes, place, is_required_input_field)
        return
    *outer, last = row._fields()
    for name, declared in [*outer, last]:
        for argument, spec in declared.args.items():
            inner = get_nullable_type(spec.type)
            if isinstance(inner, GraphQLInputObjectType):
                yield from _of_input(row, inner, shapes, "query", lambda _: False)
            elif argument not in BACKWARD and (name == last[0] or argument not in REST_NAMES):
                yield _of_argument(row, name, argument, spec, shapes)


def heard(name: str) -> Iterator[Field]:
    """The arguments of a subscription; one that need not be given chooses, as a filter does."""
    for argument, spec in CORE.subscription_type.fields[name].args.items():  # type: ignore[union-attr]
        field = _of_argument(bare(name), name, argument, spec, Shapes())
        place = "body" if field.required else "query"
        yield replace(field, name=argument, place=place)


def _of_input(
    row: Row, type_: GraphQLInputObjectType, shapes: Shapes, place: str, must: Any
) -> Any:
    reference = shapes.input(type_)["$ref"].rpartition("/")[2]
    told = shapes.named[reference]["properties"]
    for name, spec in type_.fields.items():
        where = "path" if name in row.names else "query" if name in row.route.query else place
        if where == "body" and row.served and name not in row.fields:
            where = "input"
        id = get_named_type(spec.type).name == "ID"
        shape = _plain(told[name], shapes)
        yield Field(name, name, shape, must(spec), id, str(spec.type), where)


def _of_argument(row: Row, name: str, argument: str, spec: Any, shapes: Shapes) -> Field:
    own = f"{name}Id" if argument == "id" and f"{name}Id" in row.names else argument
    shape = _plain(shapes.parameter(spec.type), shapes)
    if argument == "first":
        shape = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}
    id = get_named_type(spec.type).name == "ID"
    place = "path" if own in row.names else "query"
    required = is_required_argument(spec)
    return Field(REST_NAMES.get(own, own), argument, shape, required, id, str(spec.type), place)


def _plain(shape: dict[str, Any], shapes: Shapes) -> dict[str, Any]:
    """A shape without its reference; `type` is one word."""
    while "$ref" in shape or "anyOf" in shape:
        named = shape.get("$ref", "").rpartition("/")[2]
        shape = shapes.named[named] if named else shape["anyOf"][0]
    type_ = shape.get("type")
    return {**shape, "type": type_[0]} if isinstance(type_, list) else shape


def spoiled(field: Field, good: Any, foreign: Any) -> Iterator[Any]:
    """Values that must be refused in a field; some only where JSON carries it."""
    if field.place in ("body", "input"):
        if field.required:
            yield from (MISSING, None)
        yield from _by_type(field.shape, good)
    if field.place == "query":
        yield from _by_text(field.shape)
    if field.id:
        # A filter may name what is not there: it finds nothing.
        for other in ("nonsense",) if field.place == "query" else (foreign, UNKNOWN, "nonsense"):
            if other:
                listed = field.shape["type"] == "array" and not isinstance(other, list)
                yield [other] if listed else other


def _by_text(shape: dict[str, Any]) -> Iterator[Any]:
    """What a query string can get wrong."""
    if shape.get("type") == "array":
        yield from ([value] for value in _by_text(resolved(shape["items"])))
    elif "enum" in shape:
        yield "nonsense"
    elif shape.get("type") == "integer":
        yield from ("many", "1.5", "9" * 40, shape["minimum"] - 1, shape["maximum"] + 1)
    elif shape.get("type") == "boolean":
        yield "perhaps"
    else:
        yield "a\0b"
        yield from FORMATS.get(shape.get("format", ""), ())


def _by_type(shape: dict[str, Any], good: Any) -> Iterator[Any]:
    kind = shape.get("type")
    if "enum" in shape:
        yield from (7, WRONG, "nonsense", "")
    elif kind == "string":
        yield from (7, True, WRONG, ["x"], "a\0b")
        yield from _by_rule(shape)
    elif kind in ("integer", "number"):
        yield from ("many", 1.5, True, WRONG, [1], 2**31, -(2**31) - 1, 10**40)
    elif kind == "boolean":
        yield from ("perhaps", 7, WRONG)
    elif kind == "array":
        yield from (WRONG, [None], [WRONG], [[WRONG]])
        yield from ([{**(good or [{}])[0], name: WRONG}] for name in _inner(shape))
        if (most := shape.get("maxItems")) is not None:
            yield (good or ["x"])[:1] * (most + 1)
    elif kind == "object":
        yield from (7, "x", [WRONG], WRONG, *({name: WRONG} for name in _inner(shape)))
    elif kind is None:
        yield _nested(40)


def _inner(shape: dict[str, Any]) -> list[str]:
    """The fields of an object, or of the objects of a list, that cannot be an object themselves."""
    inner = resolved(shape.get("items", shape)).get("properties", {})
    return [name for name, each in inner.items() if resolved(each).get("type")]


def _by_rule(shape: dict[str, Any]) -> Iterator[str]:
    """What the rules beside a text refuse."""
    if (most := shape.get("maxLength")) is not None:
        yield "x" * (most + 1)
    if (least := shape.get("minLength", 0)) > 0:
        yield from ("", " " if least == 1 else "x" * (least - 1))
    yield from FORMATS.get(shape.get("format", ""), ())


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value
