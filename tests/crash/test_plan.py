"""A run is drawn from its seed; what is kept is started again, and all of it ends."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from bench.crash import history
from bench.crash.plan import ACCOUNTS, LEAD, POINTS, Act, draw
from bench.crash.processes import Kept
from mypost.settings import inherited


def test_the_same_seed_draws_the_same_run() -> None:
    assert draw(7, 300) == draw(7, 300)
    assert draw(7, 300).digest == draw(7, 300).digest
    assert draw(7, 300).digest != draw(8, 300).digest


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("targets", [1, 300, 1000])
def test_a_run_has_what_was_asked_for(seed: int, targets: int) -> None:
    plan = draw(seed, targets)

    assert plan.targets == targets
    assert len(plan.accounts) == ACCOUNTS
    assert {account.kind for account in plan.accounts} == {"key", "two_step", "lookup", "blind"}
    assert [history.number_of(post.text) for post in plan.posts] == [p.number for p in plan.posts]
    assert all(post.due >= post.at + LEAD - 0.001 for post in plan.posts)
    brands = {account.handle: account.brand for account in plan.accounts}
    assert all(len({brands[handle] for handle in post.accounts}) == 1 for post in plan.posts)
    assert all(len(set(post.accounts)) == len(post.accounts) for post in plan.posts)


def test_a_full_run_has_the_acts_of_p1() -> None:
    plan = draw(7, 10_000)
    counts = {did: sum(act.did == did for act in plan.acts) for did in {a.did for a in plan.acts}}

    assert counts["kill"] + counts["point"] == 200
    assert (counts["kill_api"], counts["redis"], counts["postgres"]) == (20, 10, 5)
    assert counts["pause"] + counts["pause_api"] == 50
    assert plan.window == 300
    assert {act.point for act in plan.acts if act.did == "point"} <= set(POINTS)
    assert max(act.seconds for act in plan.acts if act.did == "pause") > 30


def test_the_first_worker_is_never_armed() -> None:
    """Its supervisor would start the armed child again and again."""
    armed = [act for seed in range(20) for act in draw(seed, 300).acts if act.did == "point"]

    assert armed
    assert all(isinstance(act, Act) and act.which > 0 for act in armed)


SLEEPER = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"  # noqa: E501


async def test_what_is_kept_starts_again_and_ends_with_all_its_children(tmp_path: Path) -> None:
    ends: list[int | None] = []
    kept = Kept("sleeper", [sys.executable, "-c", SLEEPER], inherited({}), tmp_path)
    kept.died = lambda _, code: ends.append(code)
    await kept.start()
    try:
        await _until(lambda: len(psutil.Process(kept.group).children()) == 1)
        first = kept.group
        kept.send(signal.SIGSTOP)

        kept.kill(FRESH="1")
        await _until(lambda: kept.group != first)

        assert ends == [-signal.SIGKILL]
        assert psutil.Process(kept.group).environ()["FRESH"] == "1"
        assert os.getsid(kept.group) == kept.group
        await _until(lambda: len(kept.left()) == 2)
    finally:
        await kept.end()

    await _until(lambda: kept.left() == [])


async def test_one_part_of_a_group_can_be_killed(tmp_path: Path) -> None:
    kept = Kept("sleeper", [sys.executable, "-c", SLEEPER], inherited({}), tmp_path)
    await kept.start()
    try:
        parent = psutil.Process(kept.group)
        await _until(lambda: len(parent.children()) == 1)

        kept.kill_part(1)

        await _until(lambda: parent.children()[0].status() == psutil.STATUS_ZOMBIE)
        assert kept.group == parent.pid
    finally:
        await kept.end()


async def _until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)
