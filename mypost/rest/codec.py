"""The table compiled: each row becomes a stored operation, a binding and an answer.

A row that does not fit the schema stops the process when this module is imported.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationType,
    get_named_type,
)

from mypost.operation import OPERATIONS, Access, Operation
from mypost.rest.binding import PARAMETER, Binder, Binding
from mypost.rest.encode import Answer, answer
from mypost.rest.routes import ROUTES, Route
from mypost.rest.selection import (
    PAGE,
    USER_ERRORS,
    RowError,
    Selection,
    declared_order,
    is_connection,
    select,
)
from mypost.schema.build import schema

ERRORS = f"{USER_ERRORS} {{ code message path }}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the table, ready to serve."""

    route: Route
    text: str
    operation: Operation
    binding: Binding
    answer: Answer | None
    selection: Selection | None

    @property
    def public(self) -> bool:
        """Whether nobody need be signed in."""
        return self.operation.access is Access.PUBLIC


def compile_row(route: Route, schema: GraphQLSchema) -> Endpoint:
    """Compiles one row. Raises RowError, which names it."""
    if route.method == "GET":
        return _query(route, schema)
    return _mutation(route, schema)


def compile_table(routes: Iterable[Route], schema: GraphQLSchema) -> tuple[Endpoint, ...]:
    """Compiles the rows. Raises RowError for a wrong one, or for two that are one endpoint."""
    seen: dict[str, tuple[str, set[str]]] = {}
    for route in routes:
        path, methods = seen.setdefault(PARAMETER.sub("{}", route.path), (route.path, set()))
        if path != route.path:
            raise RowError(route, f"another row spells this path {path}")
        if route.method in methods:
            raise RowError(route, "it stands in the table twice")
        methods.add(route.method)
    return tuple(compile_row(route, schema) for route in routes)


def _query(route: Route, schema: GraphQLSchema) -> Endpoint:
    names = tuple(route.field.split("."))
    binder, parent, calls = Binder(route), _root(route, schema, OperationType.QUERY), []
    for name in names:
        declared = _field(route, parent, name)
        calls.append(name + binder.arguments(name, declared, last=name is names[-1]))
        parent = _object(route, get_named_type(declared.type))
    listed = is_connection(parent)
    shown = get_named_type(parent.fields["nodes"].type) if listed else parent
    selection = select(route, _object(route, shown))
    inner = f"{{ nodes {selection} {PAGE} }}" if listed else str(selection)
    operation = _operation(route, names[0])
    return Endpoint(
        route,
        _text("query", binder, calls, inner),
        operation,
        binder.done(operation.on.noun if operation.on else "object", None),
        answer(route, names, selection, listed=listed),
        selection,
    )


def _mutation(route: Route, schema: GraphQLSchema) -> Endpoint:
    binder = Binder(route)
    declared = _field(route, _root(route, schema, OperationType.MUTATION), route.field)
    reader = binder.input(declared)
    payload = _object(route, get_named_type(declared.type))
    call, operation = f"{route.field}(input: $input)", _operation(route, route.field)
    binding = binder.done(operation.on.noun if operation.on else "object", reader)
    if route.status == 204:  # noqa: PLR2004 - No Content: nothing is asked for
        text = _text("mutation", binder, [call], f"{{ {ERRORS} }}")
        return Endpoint(route, text, operation, binding, None, None)
    steps, selection, inner = _payload(route, payload)
    return Endpoint(
        route,
        _text("mutation", binder, [call], inner),
        operation,
        binding,
        answer(route, steps, selection, listed=False),
        selection,
    )


def _payload(route: Route, payload: GraphQLObjectType) -> tuple[tuple[str, ...], Selection, str]:
    """Unwraps a payload with one datum; one with several is the body itself."""
    data = [(name, f) for name, f in declared_order(payload) if name != USER_ERRORS]
    inner = get_named_type(data[0][1].type)
    if len(data) == 1 and isinstance(inner, GraphQLObjectType):
        name, selection = data[0][0], select(route, inner)
        return (route.field, name), selection, f"{{ {name} {selection} {ERRORS} }}"
    selection = select(route, payload)
    return (route.field,), selection, f"{{ {ERRORS}{str(selection)[1:]}"


def _text(kind: str, binder: Binder, calls: list[str], inner: str) -> str:
    variables = ", ".join(f"${name}: {type_}" for name, type_ in binder.variables.items())
    head = f"{kind} ({variables})" if variables else kind
    for call in reversed(calls):
        inner = f"{{ {call} {inner} }}"
    return f"{head} {inner}"


def _root(route: Route, schema: GraphQLSchema, kind: OperationType) -> GraphQLObjectType:
    root = schema.get_root_type(kind)
    if root is None:
        raise RowError(route, f"the schema has no {kind.value}")
    return root


def _field(route: Route, parent: GraphQLObjectType, name: str) -> GraphQLField:
    declared: GraphQLField | None = parent.fields.get(name)
    if declared is None:
        raise RowError(route, f"{parent.name} has no field {name}")
    return declared


def _object(route: Route, type_: GraphQLNamedType) -> GraphQLObjectType:
    if not isinstance(type_, GraphQLObjectType):
        raise RowError(route, f"{type_.name} is not an object type")
    return type_


def _operation(route: Route, name: str) -> Operation:
    operation = OPERATIONS.get(re.sub("[A-Z]", lambda m: f"_{m[0].lower()}", name))
    if operation is None:
        raise RowError(route, f"no operation is declared for {name}")
    return operation


ENDPOINTS = compile_table(ROUTES, schema._schema)  # noqa: SLF001 - Strawberry's only way to it
