"""What Schemathesis cannot know of MyPost; it loads this file in an environment of its own."""

import json
from collections.abc import Iterator
from typing import Any

import schemathesis
from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    OperationDefinitionNode,
    is_leaf_type,
    parse,
)
from hypothesis import strategies as st
from schemathesis.graphql import nodes, scalar

# Refusals the contract names: GraphQL says them as top-level errors, beside `data: null`.
REFUSALS = {"UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "VALIDATION_ERROR", "RATE_LIMITED"}

scalar("DateTime", st.datetimes().map(lambda moment: nodes.String(f"{moment:%Y-%m-%dT%H:%M:%SZ}")))
scalar("JSON", st.text(max_size=9).map(nodes.String))


def is_graphql(case: Any) -> bool:
    return case.operation.schema.specification.kind.name == "GRAPHQL"


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether it is one: a refusal that the contract names is none."""
    errors = json.loads(response.content).get("errors") if is_graphql(case) else None
    return not errors or not {e["extensions"]["code"] for e in errors} <= REFUSALS


@schemathesis.check
def graphql_answer(context: Any, response: Any, case: Any) -> None:
    """What comes back has the types the schema declares, at every place that was asked for."""
    if not is_graphql(case):
        return
    body, schema = json.loads(response.content), case.operation.schema.client_schema
    for error in body.get("errors") or ():
        assert error["message"]
        assert error["extensions"]["requestId"].startswith("req_")
    if body.get("data") is not None:
        (operation,) = parse(case.body).definitions
        assert isinstance(operation, OperationDefinitionNode)
        root = schema.get_root_type(operation.operation)
        nulled = {tuple(error["path"]) for error in body.get("errors") or ()}
        wrong = list(departures(schema, root, operation.selection_set, body["data"], nulled, ()))
        assert not wrong, "; ".join(wrong)


def departures(
    schema: Any, type_: Any, asked: Any, value: Any, nulled: set[Any], path: tuple[Any, ...]
) -> Iterator[str]:
    """Where a value is not of its type."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
        if value is None and path not in nulled:
            yield f"{path} is null"
    if value is None:
        return
    if isinstance(type_, GraphQLList):
        for index, item in enumerate(value):
            yield from departures(schema, type_.of_type, asked, item, nulled, (*path, index))
    elif is_leaf_type(type_):
        yield from wrong_leaf(type_, value, path)
    else:
        fields = dict(wanted(schema, type_, asked))
        if not isinstance(value, dict) or not value.keys() <= fields.keys():
            yield f"{path} is {value!r}"
        else:
            for key, item in value.items():
                inner, selected = fields[key]
                yield from departures(schema, inner, selected, item, nulled, (*path, key))


def wanted(schema: Any, type_: Any, asked: Any) -> Iterator[tuple[str, Any]]:
    """The keys a selection may answer, each with its type and its own selection."""
    for node in asked.selections:
        if not isinstance(node, FieldNode):
            named = node.type_condition and node.type_condition.name.value
            yield from wanted(
                schema, schema.type_map[named] if named else type_, node.selection_set
            )
        elif node.name.value == "__typename":
            yield "__typename", (schema.type_map["String"], None)
        else:
            key = (node.alias or node.name).value
            yield key, (type_.fields[node.name.value].type, node.selection_set)


def wrong_leaf(type_: Any, value: Any, path: tuple[Any, ...]) -> Iterator[str]:
    kinds = {"String": str, "ID": str, "Int": int, "Boolean": bool, "DateTime": str}
    if isinstance(type_, GraphQLEnumType):
        if value not in type_.values:
            yield f"{path} is {value!r}, no {type_.name}"
    elif type_.name in kinds and type(value) is not kinds[type_.name]:
        yield f"{path} is {value!r}, no {type_.name}"
