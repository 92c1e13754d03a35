"""`@include` and `@skip`: on fields and fragments, by a literal and by a variable."""

import pytest
from graphql import build_schema

from tests.engine.cases.both import both, core_alone, fault

SCHEMA = build_schema("type Query { a: String b: String }")
BOTH, ONE = {"a": "a", "b": "b"}, {"a": "a"}
PLACES = {
    "field": "{{ a b {0} }}",
    "spread": "{{ a ...Frag {0} }} fragment Frag on Query {{ b }}",
    "inline fragment": "{{ a ... on Query {0} {{ b }} }}",
    "anonymous fragment": "{{ a ... {0} {{ b }} }}",
}
CHOICES = {
    "": BOTH,
    "@include(if: true)": BOTH,
    "@include(if: false)": ONE,
    "@skip(if: false)": BOTH,
    "@skip(if: true)": ONE,
    "@include(if: true) @skip(if: false)": BOTH,
    "@include(if: true) @skip(if: true)": ONE,
    "@include(if: false) @skip(if: false)": ONE,
    "@include(if: false) @skip(if: true)": ONE,
}


def root() -> dict[str, str]:
    return {"a": "a", "b": "b"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("directives", CHOICES)
async def test_a_literal_chooses(place, directives):
    await both(SCHEMA, PLACES[place].format(directives), CHOICES[directives], root=root)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("directive", "variables", "data"),
    [
        ("@include(if: $on)", {"on": True}, BOTH),
        ("@include(if: $on)", {"on": False}, ONE),
        ("@skip(if: $on)", {"on": True}, ONE),
        ("@skip(if: $on)", {"on": False}, BOTH),
        ("@include(if: $yes)", None, BOTH),
        ("@include(if: $yes)", {"yes": False}, ONE),
        ("@include(if: $on) @skip(if: $yes)", {"on": True, "yes": False}, BOTH),
        ("@include(if: $on) @skip(if: $yes)", {"on": True}, ONE),
    ],
)
async def test_a_variable_chooses(place, directive, variables, data):
    asked = f"query ($on: Boolean! = false, $yes: Boolean! = true) {PLACES[place]}"

    await both(SCHEMA, asked.format(directive), data, root=root, variables=variables)


async def test_what_is_asked_for_twice_is_there_when_one_asks_for_it():
    asked = "{ b @skip(if: true) a @include(if: false) ...A b } fragment A on Query { a }"

    await both(SCHEMA, asked, {"a": "a", "b": "b"}, root=root)
    await both(SCHEMA, "{ a @skip(if: true) }", {}, root=root)


async def test_a_condition_without_a_value_is_graphql_cores_to_refuse():
    """Validation does not let it pass; a default value of the variable with null does."""
    said = "Argument 'if' has invalid value: Expected variable '$on' provided to {}."

    await core_alone(
        SCHEMA, "query ($on: Boolean) { a @skip(if: $on) }", "a condition without a value", None,
        fault(said.format("type 'Boolean!' to provide a runtime value"), (1, 36)), root=root,
    )  # fmt: skip
    await core_alone(
        SCHEMA, "query ($on: Boolean = true) { a @skip(if: $on) }", "a condition without a value",
        None, fault(said.format("non-null type 'Boolean!' not to be None"), (1, 43)), root=root,
        variables={"on": None},
    )  # fmt: skip
