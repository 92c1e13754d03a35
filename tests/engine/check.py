"""Checks one case: the engine against graphql-core, answer by answer and call by call."""

import asyncio
import gc
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from graphql import ExecutionResult

from mypost.engine.compiled import Compiled, Unsupported
from tests.engine import compare, engine
from tests.engine.generate import Case
from tests.engine.world import COMPUTED, RESOLVER, Call, Mode, World

PATIENCE = 100


@dataclass
class Difference:
    """What the engine, or graphql-core itself, answered otherwise than the oracle."""

    case: Case
    by: str
    what: str
    expected: ExecutionResult
    answered: ExecutionResult | None


@dataclass
class Checked:
    """What came of one case."""

    expected: ExecutionResult
    differences: list[Difference]
    worlds: list[World]
    compiled: int = 0
    unsupported: int = 0


def oracle(case: Case, *, told: list[str] | None = None) -> tuple[ExecutionResult, World]:
    """What graphql-core answers where nothing waits; `told` gathers the data."""
    world = case.world(Mode.SYNC)
    world.told = told
    root = case.root(world)
    answer = engine.at_once(
        case.schema, case.document, root, case.variables, world, case.asked.name
    )
    return answer, world


async def check(case: Case, plan: Compiled | None) -> Checked:
    """Runs a case in every way."""
    expected, asked = oracle(case)
    checked = Checked(expected, [], [asked])
    for mode in Mode:
        await _by_engine(case, plan, mode, checked)
    await _by_core(case, checked)
    return checked


async def _by_core(case: Case, checked: Checked) -> None:
    """Runs a case by graphql-core where everything waits; it leaves some coroutines alone."""
    world = case.world(Mode.ASYNC)
    with noticing():
        answer = await engine.interpreted(
            case.schema, case.document, case.root(world), case.variables, world, case.asked.name
        )
        await drain()
        if not compare.alike(checked.expected, answer):
            checked.differences.append(
                Difference(case, "graphql-core", "answer", checked.expected, answer)
            )
        del answer
        if checked.expected.errors:
            gc.collect()
            await drain()


async def _by_engine(case: Case, plan: Compiled | None, mode: Mode, checked: Checked) -> None:
    world = case.world(mode)
    if plan is None:
        checked.unsupported += 1
        return
    answer: ExecutionResult | None = None
    with noticing() as noticed:
        try:
            answer = await plan.run(case.variables, world, case.root(world))
        except Unsupported:
            checked.unsupported += 1
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a difference
            wrong = [f"raised {error!r}"]
        else:
            wrong = _faults(checked, answer, world, case)
        await drain()
    checked.compiled += 1
    checked.worlds.append(world)
    wrong += noticed
    checked.differences += [
        Difference(case, f"engine, {mode.value}", what, checked.expected, answer) for what in wrong
    ]


def _faults(checked: Checked, answer: ExecutionResult, world: World, case: Case) -> list[str]:
    one, other = compare.spelled(checked.expected), compare.spelled(answer)
    wrong = [part for part in one if one[part] != other[part]]
    if not wrong:
        wrong = calls(checked.worlds[0], world, answer, serial=case.asked.kind == "mutation")
    return wrong


def calls(asked: World, world: World, answer: ExecutionResult, *, serial: bool) -> list[str]:
    """What is wrong with the calls of the schema's functions.

    Each call of the oracle is made once. Where a part of the answer became null, the oracle has
    stopped at the first error; there, and only there, the engine may have asked for more.
    """
    wanted, made = Counter(asked.calls), Counter(world.calls)
    wrong = [f"not called: {each}" for each in wanted - made]
    wrong += [f"called once more: {c}" for c in made - wanted if _too_often(c, made[c], answer)]
    if serial and _turns(asked) != _turns(world):
        wrong.append(f"called in the order {_turns(world)}, not {_turns(asked)}")
    return wrong


def _too_often(call: Call, times: int, answer: ExecutionResult) -> bool:
    """Whether a call that the oracle has not made is one too many."""
    if call.what == RESOLVER:
        return times > 1 or compare.reached(answer.data, call.path) is None
    # Whether a predicate that waits is the last to be asked turns out too late: there are more.
    return call.what == COMPUTED and not answer.errors


def _turns(world: World) -> list[Any]:
    """The root fields in the order of the calls beneath them."""
    turns: list[Any] = []
    for call in world.calls:
        if call.path and turns[-1:] != [call.path[0]]:
            turns.append(call.path[0])
    return turns


async def drain() -> None:
    """Lets the tasks end that nobody waits for; what closes a generator begins a turn later."""
    for _ in range(PATIENCE):
        await asyncio.sleep(0)
        if len(asyncio.all_tasks()) == 1:
            return


@contextmanager
def noticing() -> Iterator[list[str]]:
    """Gathers what Python says of coroutines and errors that nobody waited for."""
    told: list[str] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, said: told.append(f"left behind: {said['message']}"))
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield told
        told += [f"left behind: {each.message}" for each in warned]
    finally:
        loop.set_exception_handler(before)


@contextmanager
def tidied() -> Iterator[Callable[[], None]]:
    """Collects garbage between cases only, so that none is blamed on the next."""

    def forget() -> None:
        with noticing():
            gc.collect()

    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield forget
        forget()
    finally:
        gc.enable()
        gc.unfreeze()
