"""Mutations: one root field after the other, each done once, a failed one stops what it must."""

from asyncio import sleep
from dataclasses import dataclass, field
from typing import Any

import pytest
from graphql import build_schema

from tests.engine.cases.both import both, core_alone, fault

SCHEMA = build_schema("""
type Query { number: Number }
type Number { value: Int later: Int }
type Mutation {
  change(to: Int): Number
  changeLater(to: Int): Number
  fail(to: Int): Number
  failLater(to: Int): Number
  must(to: Int): Number!
}
""")


@dataclass
class Number:
    value: int = 6

    async def later(self, _info: Any) -> int:
        await sleep(0)
        return self.value


@dataclass
class Root:
    """A number, and what was done to it in which order."""

    number: Number = field(default_factory=Number)
    done: list[str] = field(default_factory=list)

    def change(self, _info: Any, to: int) -> Number:
        self.done.append(f"begin {to}")
        self.number.value = to
        self.done.append(f"end {to}")
        return self.number

    async def changeLater(self, info: Any, to: int) -> Number:  # noqa: N802 - the field's name
        self.done.append(f"begin {to}")
        await sleep(0)
        self.number.value = to
        await sleep(0)
        self.done.append(f"end {to}")
        return self.number

    def fail(self, _info: Any, to: int) -> Number:
        self.done.append(f"fail {to}")
        raise RuntimeError(f"Cannot change the number to {to}")

    async def failLater(self, info: Any, to: int) -> Number:  # noqa: N802 - the field's name
        await sleep(0)
        return self.fail(info, to)

    def must(self, info: Any, to: int) -> Number | None:
        return self.change(info, to) if to else None


def kept(roots: list[Root]) -> Any:
    """Makes roots and keeps them: two for the engine, one for graphql-core."""

    def make() -> Root:
        roots.append(Root())
        return roots[-1]

    return make


async def test_root_fields_run_one_after_the_other():
    asked = """mutation {
      first: change(to: 1) { value } second: changeLater(to: 2) { value later }
      third: change(to: 3) { value later } fourth: changeLater(to: 4) { value }
      fifth: change(to: 5) { later }
    }"""
    roots: list[Root] = []

    await both(SCHEMA, asked, {
        "first": {"value": 1}, "second": {"value": 2, "later": 2},
        "third": {"value": 3, "later": 3}, "fourth": {"value": 4}, "fifth": {"later": 5},
    }, root=kept(roots))  # fmt: skip

    expected = [f"{step} {to}" for to in range(1, 6) for step in ("begin", "end")]
    assert [root.done for root in roots] == [expected] * 3


async def test_a_failed_field_that_may_be_null_stops_nothing():
    asked = """mutation {
      first: change(to: 1) { value } second: changeLater(to: 2) { value }
      third: fail(to: 3) { value } fourth: changeLater(to: 4) { value }
      fifth: change(to: 5) { value } sixth: failLater(to: 6) { value }
    }"""
    roots: list[Root] = []

    await both(
        SCHEMA, asked,
        {"first": {"value": 1}, "second": {"value": 2}, "third": None, "fourth": {"value": 4},
         "fifth": {"value": 5}, "sixth": None},
        fault("Cannot change the number to 3", (3, 7), "third"),
        fault("Cannot change the number to 6", (4, 38), "sixth"),
        root=kept(roots),
    )  # fmt: skip

    assert [root.done[4:5] + root.done[-1:] for root in roots] == [["fail 3", "fail 6"]] * 3
    assert [len(root.done) for root in roots] == [10] * 3


@pytest.mark.parametrize("before", ["change", "changeLater"])
async def test_a_failed_field_that_may_not_be_null_stops_what_comes_after(before):
    fields = f"a: {before}(to: 1) {{ value }} must(to: 0) {{ value }} change(to: 2) {{ value }}"
    asked = f"mutation {{ {fields} }}"
    null = "Cannot return null for non-nullable field Mutation.must."
    roots: list[Root] = []

    await both(
        SCHEMA, asked, None, fault(null, (1, asked.index("must") + 1), "must"), root=kept(roots)
    )

    assert [root.done for root in roots] == [["begin 1", "end 1"]] * 3


async def test_a_mutation_may_stand_in_a_fragment():
    asked = """mutation { ...First second: change(to: 2) { value } }
    fragment First on Mutation { first: changeLater(to: 1) { value } }"""

    await both(SCHEMA, asked, {"first": {"value": 1}, "second": {"value": 2}}, root=Root)


async def test_a_field_asked_for_twice_is_done_once():
    roots: list[Root] = []

    await both(
        SCHEMA, "mutation { change(to: 1) { value } change(to: 1) { later } __typename }",
        {"change": {"value": 1, "later": 1}, "__typename": "Mutation"}, root=kept(roots),
    )  # fmt: skip

    assert [root.done for root in roots] == [["begin 1", "end 1"]] * 3


async def test_a_field_that_is_not_there_is_left_out():
    await core_alone(SCHEMA, "mutation { unheardOf }", "Mutation has no field unheardOf", {})
