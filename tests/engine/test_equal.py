"""The engine answers what graphql-core answers: thousands of generated cases say so.

More of them: `make figure ID=EQ SEED=1 CASES=100000`. How it is done: docs/engine.md.
"""

import asyncio
from collections import Counter
from typing import Any

import pytest
from graphql import ExecutionResult, validate, validate_schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine import breaks, compare, many, schemas
from tests.engine.check import check, oracle, tidied
from tests.engine.corrupt import CORRUPTIONS
from tests.engine.dice import Dice
from tests.engine.features import EVERY, STRAWBERRY
from tests.engine.generate import Case, cases, library_cases, made
from tests.engine.report import report
from tests.engine.world import World

CASES = 1000
FIRST = (0, 5000)


@pytest.mark.parametrize("first", FIRST)
def test_generated_cases_are_answered_as_by_graphql_core(first: int) -> None:
    tally = asyncio.run(many.run(first, CASES))

    assert tally.reports == []
    assert (tally.cases >= CASES, tally.different) == (True, 0)
    # What is not compiled is not compared: a condition whose variable may be null.
    assert tally.compiled > 2.5 * tally.cases
    missed = [name for name in EVERY if not tally.met[name]]
    assert missed == [], tally.met


def test_cases_of_a_strawberry_schema_are_answered_as_by_graphql_core() -> None:
    tally = asyncio.run(many.run(0, CASES, make=library_cases))

    assert tally.reports == []
    assert (tally.cases >= CASES, tally.different) == (True, 0)
    assert tally.compiled > 2.5 * tally.cases
    missed = [name for name in STRAWBERRY if not tally.met[name]]
    assert missed == [], tally.met


@pytest.mark.parametrize("name", [*breaks.BREAKS, *breaks.STRAWBERRY])
def test_a_broken_engine_is_found_out(name: str) -> None:
    make = cases if name in breaks.BREAKS else library_cases
    with breaks.applied(name):
        tally = asyncio.run(many.run(0, 400, most=1, make=make))

    assert tally.different > 0
    assert "--- document" in tally.reports[0]


def test_a_corrupted_answer_is_told_from_the_right_one() -> None:
    done: Counter[str] = Counter()
    for seed in range(200):
        for case in cases(seed):
            answer, _ = oracle(case)
            done.update(_noticed(answer))

    assert set(done) == set(CORRUPTIONS)
    assert min(done.values()) > 3, done


def _noticed(answer: ExecutionResult) -> list[str]:
    """The corruptions that apply to an answer; each is noticed."""
    right, applied = compare.spelled(answer), []
    for name, corrupt in CORRUPTIONS.items():
        wrong = corrupt(answer)
        if wrong is not None:
            assert compare.spelled(wrong) != right, (name, answer)
            applied.append(name)
    return applied


class Drawn(Dice):
    """Choices that hypothesis makes, so that it can look for simpler ones."""

    def __init__(self, data: st.DataObject) -> None:
        super().__init__(0)
        self.data = data

    def upto(self, n: int) -> int:
        return self.data.draw(st.integers(0, n - 1))


@st.composite
def drawn_cases(draw: Any) -> Case:
    """A case in which hypothesis has made every choice but those of the data."""
    dice = Drawn(draw(st.data()))
    schema = schemas.build(dice)
    assert validate_schema(schema) == []
    case = made(dice, schema, dice.upto(1 << 16), World)[0]
    assert validate(schema, case.document) == []
    return case


@given(drawn_cases())
@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_hypothesis_draws_is_answered_as_by_graphql_core(case: Case) -> None:
    async def run() -> list[str]:
        with tidied():
            checked = await check(case, many.compiled(case, many.Tally()))
            return [await report(each) for each in checked.differences[:1]]

    assert asyncio.run(run()) == []
