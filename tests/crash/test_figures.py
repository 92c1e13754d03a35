"""What a figure is judged by, on runs made by hand: a good one holds it, a bad one breaks it."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.crash import figures
from bench.crash.figures import NAIVE, RUNS, RUNS_OF
from bench.crash.history import Line
from bench.crash.plan import POINTS, Weather, draw
from bench.crash.run import Run, result, tell
from bench.crash.sabotage import WAYS
from bench.figure import FIGURES as EVERY
from bench.result import Result

DUE = 1_000_000_000.0  # 2001-09-09T01:46:40Z
BLIND, LOOKUP, KEY = "a03", "a02", "a00"


class Made:
    """One run's files, written by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, list[Line]] = {"recorder": [], "ledger": [], "states": [], "acts": []}

    def post(
        self, number: int, account: str, due: float = DUE, first: float | None = None, **more: Any
    ) -> None:
        """Adds a post of one account: scheduled long before, requested, accepted, settled."""
        first = due + 0.1 if first is None else first
        text = f"bread #m{number:06d} r0"
        status, fault = more.get("status", "published"), more.get("fault")
        seen = {"at": first, "account": account, "text": text}
        call = {"event": "request", "call": "posts", "fault": fault, "told": fault is None}
        self.files["recorder"].append({**seen, **call, "attempt": 1})
        if status == "published" or more.get("live"):
            accepted = {"event": "accepted", "id": f"x{number}"}
            self.files["recorder"] += [{**seen, **accepted}] * more.get("times", 1)
        said = {"at": due - 60, "post": number, "did": "create", "outcome": "ok", "id": "p"}
        facts = {"text": text, "accounts": [account], "due": due}
        self.files["ledger"].append({**said, **facts, "at": more.get("heard", due - 60)})
        end = f"2001-09-09T01:46:{more.get('settled', 41):02d}+00:00"
        target = {"account": account, "status": status, "externalId": f"x{number}"}
        why = {"error": {"message": "because"}, "publishedAt": end}
        state = {"post": number, "id": "p", "phase": status, "updatedAt": end}
        self.files["states"].append({**state, "targets": [{**target, **why}]})

    def judged(
        self,
        judge: Callable[[Run], Result],
        weather: Weather | None = None,
        took: float = 0.0,
        **hits: int,
    ) -> Result:
        for name, lines in self.files.items():
            file = self.folder / f"{name}.jsonl"
            file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return judge(result(draw(1, 300, weather), self.folder, Counter(hits), took))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_the_accounts_are_of_these_classes() -> None:
    kinds = {account.handle: account.kind for account in draw(1, 300).accounts}

    assert [kinds[each] for each in (BLIND, LOOKUP, KEY)] == ["blind", "lookup", "key"]


def test_nothing_is_broken(made: Made) -> None:
    made.post(1, KEY)

    measured, _, held = made.judged(figures.kept)

    assert held
    assert measured == "scheduled=1,accepted=1,lost=0,duplicate=0,early=0,wrong=0"


def test_something_is_broken(made: Made) -> None:
    made.post(1, LOOKUP, times=2)

    measured, _, held = made.judged(figures.kept)

    assert not held
    assert "duplicate=1" in measured


def test_every_point_has_to_be_hit(made: Made) -> None:
    made.post(1, KEY)
    enough = dict.fromkeys(POINTS, RUNS)
    weather = Weather(points_runs=RUNS)

    assert made.judged(figures.at_points, weather, **enough)[2]
    assert not made.judged(figures.at_points, weather, **{**enough, "swept": RUNS - 1})[2]


def test_a_slice_has_to_be_over_in_time(made: Made) -> None:
    made.post(1, KEY)

    assert made.judged(figures.in_time, took=figures.SLICE)[2]
    assert not made.judged(figures.in_time, took=figures.SLICE + 1)[2]


@pytest.mark.parametrize(
    ("facts", "act", "said"),
    [
        ({"account": BLIND, "status": "needs_confirmation", "fault": "cut_after"}, None, ""),
        ({"account": BLIND, "status": "needs_confirmation"}, DUE + 0.5, ""),
        ({"account": BLIND, "status": "needs_confirmation"}, None, "needless=1"),
        ({"account": LOOKUP, "status": "needs_confirmation", "fault": "late"}, None, "elsewhere=1"),
        ({"account": BLIND, "fault": "cut_after"}, None, "silent=1"),
        ({"account": LOOKUP, "fault": "cut_after"}, None, ""),
    ],
)
def test_who_asks_a_person(made: Made, facts: dict[str, Any], act: float | None, said: str) -> None:
    made.post(1, **facts)
    if act is not None:
        made.files["acts"].append({"at": act, "did": "kill", "begun": act})

    measured, _, held = made.judged(figures.asked)

    assert held == (not said)
    assert said in measured


def test_recovery_is_timed_from_due_to_settled(made: Made) -> None:
    made.post(1, KEY, settled=59)
    made.post(2, BLIND, status="needs_confirmation", settled=51, fault="cut_after")

    quick = made.judged(figures.recovered)
    made.post(3, BLIND, status="needs_confirmation", settled=59, due=DUE - 10, fault="cut_after")
    slow = made.judged(figures.recovered)

    assert quick[2]
    assert "key=19.0s" in quick[0]
    assert "blind=11.0s" in quick[0]
    assert not slow[2]


def test_order_is_by_the_first_request(made: Made) -> None:
    made.post(1, KEY)
    made.post(2, KEY, due=DUE + 5)
    made.post(3, BLIND, due=DUE + 2)
    assert made.judged(figures.in_order)[0] == "inversions=0"

    made.post(4, KEY, due=DUE + 1, first=DUE + 6)

    assert made.judged(figures.in_order)[::2] == ("inversions=1", False)


def test_an_inversion_with_a_cause_is_none(made: Made) -> None:
    made.post(1, KEY, first=DUE + 100)
    made.post(2, KEY, due=DUE + 50, first=DUE + 95)
    made.post(3, LOOKUP, first=DUE + 9, heard=DUE + 8)
    made.post(4, LOOKUP, due=DUE + 3)

    assert made.judged(figures.in_order)[0] == "inversions=0"


def test_lateness_is_a_figure_too(made: Made) -> None:
    for number in range(figures.ENOUGH - 1):
        made.post(number, KEY, due=DUE + number, first=DUE + number + 0.9)
    assert not made.judged(figures.without_redis)[2]

    made.post(90, KEY, due=DUE + 90, first=DUE + 90 + figures.LATE_P99)
    assert made.judged(figures.without_redis)[2]

    made.post(91, BLIND, first=DUE + 9)
    assert not made.judged(figures.without_redis)[2]


def test_a_naive_dispatcher_is_found_out(made: Made) -> None:
    for number in range(NAIVE - 1):
        made.post(number, LOOKUP, due=DUE + number, times=2)
    assert not made.judged(figures.naive)[2]

    made.post(NAIVE, LOOKUP, due=DUE + NAIVE, times=2)

    assert made.judged(figures.naive)[::2] == (f"duplicate={NAIVE}", True)


def test_every_figure_is_listed() -> None:
    page = Path(figures.__file__).parents[2] / "docs" / "figures.md"
    row = re.compile(r"^\| ([A-Z0-9]+) \| .* `make figure ID=(\w+)` \|$", re.MULTILINE)
    listed = row.findall(page.read_text())

    assert [name for name, named in listed if name != named] == []
    assert {name for name, _ in listed} == {*EVERY, "BUDGET"}


def test_every_figure_has_a_control_that_exists() -> None:
    assert {figure.control for figure in RUNS_OF.values()} <= set(WAYS)
    assert set(figures.NAIVE_WAYS) <= set(WAYS)


def test_the_last_line_is_the_result(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    made.post(1, KEY)
    held: list[bool] = []

    made.judged(lambda found: Result("", "", held.append(tell(found)) is None))

    *_, again, last = capsys.readouterr().out.splitlines()
    assert held == [True]
    assert last.startswith(
        "crash seed=1 scheduled=1 accepted=1 lost=0 duplicate=0 needs_confirmation=0 p50=0.100"
    )
    assert again.startswith("recount accepted=1 duplicate=0 sha256=")
    assert again.split("sha256=")[1] == last.split("sha256=")[1]
