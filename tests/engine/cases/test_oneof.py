"""Input objects of which exactly one field is given."""

from typing import Any

import pytest
from graphql import Undefined, build_schema

from tests.engine.cases.both import both, fault

SCHEMA = build_schema("""
type Query { test(input: Choice!): Chosen }
input Choice @oneOf { a: String b: Int }
type Chosen { a: String b: Int }
""")
BY_VARIABLE = "query ($v: Choice!) { test(input: $v) { a b } }"
EXACTLY_ONE = (
    "Within OneOf Input Object type 'Choice', exactly one field must be specified,"
    " and the value for that field must be non-null."
)


def chosen(_info: Any, input: Any) -> Any:
    return input


def root() -> dict[str, Any]:
    return {"test": chosen}


@pytest.mark.parametrize(
    ("asked", "variables"),
    [
        ('{ test(input: {a: "abc"}) { a b } }', None),
        ('query ($v: Choice! = {a: "abc"}) { test(input: $v) { a b } }', None),
        ("query ($v: String!) { test(input: {a: $v}) { a b } }", {"v": "abc"}),
        (BY_VARIABLE, {"v": {"a": "abc"}}),
        (BY_VARIABLE, {"v": {"a": "abc", "b": Undefined}}),
    ],
)
async def test_one_is_given(asked, variables):
    await both(SCHEMA, asked, {"test": {"a": "abc", "b": None}}, root=root, variables=variables)


@pytest.mark.parametrize(
    ("asked", "value", "message"),
    [
        ('query ($v: Choice! = {a: "abc", b: 123}) { test(input: $v) { a } }', Undefined,
         f"Variable '$v' has invalid default value: {EXACTLY_ONE}"),
        (BY_VARIABLE, {"a": None}, f"Variable '$v' has invalid value at .a: {EXACTLY_ONE}"),
        (BY_VARIABLE, {"a": "abc", "b": 123}, f"Variable '$v' has invalid value: {EXACTLY_ONE}"),
        (BY_VARIABLE, {"a": "abc", "b": None}, f"Variable '$v' has invalid value: {EXACTLY_ONE}"),
        (BY_VARIABLE, {}, f"Variable '$v' has invalid value: {EXACTLY_ONE}"),
    ],
)  # fmt: skip
async def test_none_or_two_by_a_variable_refuse_the_request(asked, value, message):
    await both(SCHEMA, asked, None, fault(message, (1, 8)), root=root, variables={"v": value})


async def test_a_variable_that_is_not_given_is_no_way_to_leave_one_out():
    message = (
        "Argument 'input' has invalid value: Expected variable '$b' provided to field 'b'"
        " for OneOf Input Object type 'Choice' to provide a runtime value."
    )

    await both(
        SCHEMA, "query ($a: String, $b: Int) { test(input: {a: $a, b: $b}) { a b } }",
        {"test": None}, fault(message, (1, 43), "test"), root=root, variables={"a": "abc"},
    )  # fmt: skip
