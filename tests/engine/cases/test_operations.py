"""Which operation of a document runs, on which root type."""

from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema, parse

from mypost.engine.compiled import Unsupported, compile_operation
from tests.engine.cases.both import both, by_core, core_alone, fault

SCHEMA = build_schema("""
schema { query: Q mutation: M subscription: S }
type Q { a: String }
type M { c: String }
type S { a: String }
""")


def root() -> dict[str, str]:
    return {"a": "b", "c": "d"}


@pytest.mark.parametrize(
    ("asked", "name", "data"),
    [
        ("{ a }", None, {"a": "b"}),
        ("query Example { a }", None, {"a": "b"}),
        ("query Example { a }", "Example", {"a": "b"}),
        ("query One { first: a } query Two { second: a }", "Two", {"second": "b"}),
        ("query Q { a } mutation M { c } subscription S { a }", "Q", {"a": "b"}),
        ("query Q { a } mutation M { c } subscription S { a }", "M", {"c": "d"}),
        ("query Q { a } mutation M { c } subscription S { again: a }", "S", {"again": "b"}),
        ("{ a } type Query { bar: String }", None, {"a": "b"}),
    ],
)
async def test_the_operation_that_is_named_or_alone_runs(asked, name, data):
    await both(SCHEMA, asked, data, root=root, name=name)


TWO = "query Example { a } query OtherExample { a }"


@pytest.mark.parametrize(
    ("asked", "name", "said"),
    [
        ("fragment Example on Q { a }", None, "Must provide an operation."),
        (TWO, None, "Must provide operation name if query contains multiple operations."),
        (TWO, "UnknownExample", "Unknown operation named 'UnknownExample'."),
        ("{ a }", "", "Unknown operation named ''."),
    ],
)
async def test_an_operation_has_to_be_chosen(asked, name, said):
    document = parse(asked)

    with pytest.raises(Unsupported, match="one operation has to be chosen"):
        compile_operation(SCHEMA, document, name)

    result: Any = await by_core(SCHEMA, document, root=root, name=name)
    assert (result.data, [error.formatted for error in result.errors]) == (None, [fault(said)])


@pytest.mark.parametrize("kind", ["query", "mutation", "subscription"])
async def test_a_schema_without_the_root_type_is_graphql_cores_to_refuse(kind):
    said = f"Schema is not configured to execute {kind} operation."

    await core_alone(
        GraphQLSchema(assume_valid=True), f"{kind} {{ __typename }}",
        f"the schema has no {kind}", None, fault(said, (1, 1)),
    )  # fmt: skip
