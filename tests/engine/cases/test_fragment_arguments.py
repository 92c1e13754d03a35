"""Fragments with variables of their own: no door parses them, and the engine does not plan them."""

from typing import Any

import pytest
from graphql import build_schema, parse

from tests.engine.cases.both import both, core_alone, fault

SCHEMA = build_schema("""
type Query { echo(input: String): String must(input: String!): String nested: Query }
""")


def echo(_info: Any, input: str | None = None) -> str | None:
    return input


def root() -> dict[str, Any]:
    made: dict[str, Any] = {"echo": echo, "must": echo}
    made["nested"] = made
    return made


@pytest.mark.parametrize(
    ("asked", "data", "errors"),
    [
        ('{ ...F(v: "A") } fragment F($v: String!) on Query { must(input: $v) }',
         {"must": "A"}, []),
        ('{ ...F } fragment F($v: String! = "B") on Query { must(input: $v) }', {"must": "B"}, []),
        ("{ ...F } fragment F($v: String) on Query { echo(input: $v) }", {"echo": None}, []),
        (('query ($v: String = "A") { ...F(v: "B") } fragment F($v: String) on Query'
         " { echo(input: $v) }"), {"echo": "B"}, []),
        (('query ($v: String = "A") { ...F } fragment F($v: String) on Query { ...G }'
         " fragment G on Query { echo(input: $v) }"), {"echo": "A"}, []),
        (('{ a: nested { ...F(v: "a") } b: nested { ...F(v: "b") } }'
         " fragment F($v: String) on Query { echo(input: $v) }"),
         {"a": {"echo": "a"}, "b": {"echo": "b"}}, []),
        ("{ ...F } fragment F($v: String!) on Query { echo(input: $v) }", None,
         [fault("Variable '$v' defined by fragment 'F' of required type 'String!'"
                " was not provided.", (1, 3))]),
        ("{ ...F } fragment F($v: String = 123) on Query { echo(input: $v) }", None,
         [fault("Variable '$v' defined by fragment 'F' has invalid default value:"
                " String cannot represent a non string value: 123", (1, 3))]),
        ("{ ...F } fragment F($v: Query!) on Query { echo(input: $v) }", None,
         [fault("Variable '$v' expected value of type 'Query!' which cannot be used as an"
                " input type.", (1, 25))]),
    ],
)  # fmt: skip
async def test_they_are_graphql_cores(asked, data, errors):
    document = parse(asked, experimental_fragment_arguments=True)
    reason = "fragments with variables of their own"

    await core_alone(SCHEMA, document, reason, data, *errors, root=root)


async def test_a_fragment_without_them_is_planned():
    asked = '{ ...F } fragment F on Query { must(input: "A") }'

    await both(SCHEMA, parse(asked, experimental_fragment_arguments=True), {"must": "A"}, root=root)
