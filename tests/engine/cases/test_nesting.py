"""What is nested too deeply to be walked: selections and values of variables."""

from typing import Any

import pytest
from graphql import build_schema, parse

from tests.engine.cases.both import both, by_core, core_alone, fault, refused

SCHEMA = build_schema("""
input Nested { nested: Nested nestedList: [Nested] leaf: Int }
type Query { name: String nested: Query field(input: Nested, other: Int): String }
""")
TOO_DEEP = 3000
REASON = "selections nested too deeply"


def chain(length: int, selection: str = "...F{}") -> str:
    links = (f"fragment F{n} on Query {{ {selection.format(n + 1)} }}" for n in range(length))
    return f"{{ ...F0 }} {' '.join(links)} fragment F{length} on Query {{ name }}"


async def test_a_chain_of_fragments_that_can_be_walked_is():
    await both(SCHEMA, chain(100), {"name": "x"}, root=lambda: {"name": "x"})


async def test_a_chain_of_fragments_too_long_to_be_walked_is_refused():
    document = parse(chain(TOO_DEEP), no_location=True)
    said = "Selections are nested too deeply. Execution aborted."

    await core_alone(SCHEMA, document, REASON, None, fault(said))


async def test_a_tree_too_deep_to_be_planned_is_graphql_cores():
    document = parse(chain(TOO_DEEP, "nested {{ ...F{} }}"), no_location=True)

    assert await refused(SCHEMA, document) == REASON

    leaf: dict[str, Any] = {"nested": {"nested": {"nested": None}}}
    result = await by_core(SCHEMA, document, root=lambda: leaf)
    assert (result.data, result.errors) == (leaf, None)


def deep(depth: int, key: str = "nested") -> dict[str, Any]:
    value: dict[str, Any] = {"leaf": 1}
    for _ in range(depth):
        value = {key: [value] if key == "nestedList" else value}
    return value


@pytest.mark.parametrize("key", ["nested", "nestedList"])
async def test_a_value_too_deep_refuses_the_request(key):
    await both(
        SCHEMA, "query ($v: Nested) { field(input: $v) }", None,
        fault("Variable values are nested too deeply."), variables={"v": deep(100_000, key)},
    )  # fmt: skip


async def test_a_value_too_deep_does_not_hide_what_was_wrong_before():
    await both(
        SCHEMA, "query ($o: Int, $v: Nested) { field(input: $v, other: $o) }", None,
        fault("Variable '$o' has invalid value: Int cannot represent non-integer value: 'bad'",
              (1, 8)),
        fault("Variable values are nested too deeply."),
        variables={"o": "bad", "v": deep(100_000)},
    )  # fmt: skip


async def test_a_value_that_is_deep_enough_is_given():
    value, seen = deep(50), []

    def field(_info: Any, input: Any) -> str:
        seen.append(input)
        return "ok"

    await both(
        SCHEMA, "query ($v: Nested) { field(input: $v) }", {"field": "ok"},
        root=lambda: {"field": field}, variables={"v": value},
    )  # fmt: skip

    assert seen == [value] * 3
