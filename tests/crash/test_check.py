"""The judge finds what is lost, doubled, early and wrong, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.crash import history, lateness, recount
from bench.crash.check import Verdict, judge
from bench.crash.history import Line

KINDS = {"k": "key", "t": "two_step", "l": "lookup", "b": "blind"}
DUE = 1000.0
WORDS = "bread #m000001 r0"
EDITED = "bread #m000001 r1"
SAID_WHY = {"message": "because"}


def request(account: str = "k", at: float = DUE, text: str = WORDS, **more: Any) -> Line:
    facts = {"call": "posts", "attempt": 1, "fault": None, "told": True, **more}
    return {"at": at, "event": "request", "account": account, "text": text, **facts}


def accepted(account: str = "k", at: float = DUE, text: str = WORDS, id: str = "x1") -> Line:
    return {"at": at, "event": "accepted", "account": account, "text": text, "id": id}


def said(did: str, outcome: str = "ok", at: float = DUE - 10, **more: Any) -> Line:
    return {"at": at, "post": 1, "did": did, "outcome": outcome, "id": "p1", **more}


def create(*accounts: str, outcome: str = "ok") -> Line:
    facts = {"due": DUE, "text": WORDS, "accounts": list(accounts or "k")}
    return said("create", outcome, DUE - 20, **facts)


def state(status: str | None, account: str = "k", **more: Any) -> Line:
    if status is None:
        return {"post": 1, "id": "p1", "phase": None, "targets": []}
    target = {"account": account, "status": status, "externalId": "x1", "error": None, **more}
    return {"post": 1, "id": "p1", "phase": "any", "targets": [target]}


def judged(recorded: list[Line], ledger: list[Line], states: list[Line]) -> Verdict:
    return judge(recorded, ledger, states, KINDS)


def broken(verdict: Verdict) -> dict[str, int]:
    """How often each promise was broken, where it was."""
    names = ("lost", "duplicate", "early", "wrong")
    return {name: len(found) for name in names if (found := getattr(verdict, name))}


LIVE = [request(), accepted()]
PUBLISHED = [state("published")]
FAILED = [state("failed", error=SAID_WHY)]
ASKS = [state("needs_confirmation", "b", error=SAID_WHY)]
NEW_LIVE = [request(text=EDITED), accepted(text=EDITED)]
BACK = said("reschedule", due=DUE)
MOVED = said("reschedule", due=DUE + 5)
GOOD: Mapping[str, tuple[list[Line], list[Line], list[Line]]] = {
    "live once": (LIVE, [create()], PUBLISHED),
    "refused with a reason": ([request()], [create()], FAILED),
    "cancelled": ([], [create(), said("cancel")], [state("pending")]),
    "deleted": ([], [create(), said("delete")], [state(None)]),
    "deleted after it was live": (LIVE, [create(), said("delete", at=DUE + 5)], [state(None)]),
    "asks, and is live": ([request("b"), accepted("b")], [create("b")], ASKS),
    "asks, and is not live": ([request("b")], [create("b")], ASKS),
    "edited": (NEW_LIVE, [create(), said("edit", text=EDITED)], PUBLISHED),
    "edit refused": (LIVE, [create(), said("edit", "refused", text=EDITED)], PUBLISHED),
    "edit unknown": (LIVE, [create(), said("edit", "unknown", text=EDITED)], PUBLISHED),
    "cancel refused": (LIVE, [create(), said("cancel", "refused")], PUBLISHED),
    "cancel unknown, sent": (LIVE, [create(), said("cancel", "unknown")], PUBLISHED),
    "cancel unknown, not sent": ([], [create(), said("cancel", "unknown")], [state("pending")]),
    "cancelled and back": (LIVE, [create(), said("cancel"), BACK], PUBLISHED),
    "moved": ([request(at=DUE + 5), accepted(at=DUE + 5)], [create(), MOVED], PUBLISHED),
    "refused once, then moved": (
        [request(fault="429"), request(at=DUE + 9), accepted(at=DUE + 9)],
        [create(), said("reschedule", at=DUE + 2, due=DUE + 9)],
        PUBLISHED,
    ),
    "never existed": ([], [create(outcome="unknown")], []),
    "answer lost, and it exists": (LIVE, [create(outcome="unknown")], PUBLISHED),
    "create refused": ([], [create(outcome="refused")], []),
}  # fmt: skip
BAD: Mapping[str, tuple[str, list[Line], list[Line], list[Line]]] = {
    "published, not in the world": ("lost", [request()], [create()], PUBLISHED),
    "still scheduled": ("lost", [], [create()], [state("scheduled")]),
    "still unknown": ("lost", LIVE, [create()], [state("unknown")]),
    "forgotten": ("lost", [], [create()], []),
    "no such target": ("lost", [], [create()], [state("published", "l")]),
    "pending, and nobody cancelled": ("lost", [], [create()], [state("pending")]),
    "live twice": ("duplicate", [*LIVE, accepted(id="x2")], [create()], PUBLISHED),
    "live twice in two wordings": (
        "duplicate",
        [*LIVE, accepted(id="x2", text=EDITED)],
        [create(), said("edit", "unknown", text=EDITED)],
        PUBLISHED,
    ),
    "asks, and is live twice": (
        "duplicate", [request("b"), accepted("b"), accepted("b", id="x2")], [create("b")], ASKS,
    ),
    "early": ("early", [request(at=DUE - 0.01), accepted()], [create()], PUBLISHED),
    "early by a new time": ("early", LIVE, [create(), MOVED], PUBLISHED),
    "the old words": ("wrong", LIVE, [create(), said("edit", text=EDITED)], PUBLISHED),
    "another's id": ("wrong", LIVE, [create()], [state("published", externalId="x9")]),
    "failed, and live": ("wrong", LIVE, [create()], FAILED),
    "failed without a reason": ("wrong", [request()], [create()], [state("failed")]),
    "asks without a word": (
        "wrong", [request("b")], [create("b")], [state("needs_confirmation", "b")],
    ),
    "asks where it could look": (
        "wrong", [request("l")], [create("l")], [state("needs_confirmation", "l", error=SAID_WHY)],
    ),
    "cancelled, and live": ("wrong", LIVE, [create(), said("cancel")], PUBLISHED),
    "deleted, and live later": ("wrong", LIVE, [create(), said("delete")], [state(None)]),
    "nobody's": ("wrong", LIVE, [create(outcome="refused")], []),
    "live where it was not meant to be": (
        "wrong", [*LIVE, accepted("l", id="x2")], [create()], PUBLISHED,
    ),
    "live, and unknown to the API": ("wrong", LIVE, [create(outcome="unknown")], []),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_promise_that_was_kept(name: str) -> None:
    verdict = judged(*GOOD[name])

    assert verdict.violations == []
    assert verdict.holds


@pytest.mark.parametrize("name", BAD)
def test_a_promise_that_was_broken(name: str) -> None:
    kind, *files = BAD[name]

    verdict = judged(*files)

    assert kind in broken(verdict), verdict.violations
    assert not verdict.holds


def test_the_counts() -> None:
    verdict = judged(
        [*LIVE, request("b"), accepted("b", id="x2"), request("l")],
        [create("k", "b", "l")],
        [
            {
                **state("published"),
                "targets": [
                    *state("published")["targets"],
                    *ASKS[0]["targets"],
                    *state("failed", "l", error=SAID_WHY)["targets"],
                ],
            }
        ],
    )

    assert verdict.holds, verdict.violations
    assert (verdict.scheduled, verdict.accepted, verdict.refused) == (3, 2, 1)
    assert [name.split()[0] for name in verdict.needs_confirmation] == ["1@b"]


def lines(folder: Path, *recorded: Line) -> str:
    file = folder / "recorder.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in recorded))
    return str(file)


def recounted(file: str) -> tuple[int, str]:
    words = [sys.executable, "-S", recount.__file__, file]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_the_recount_agrees(tmp_path: Path) -> None:
    once = recounted(lines(tmp_path, *LIVE, accepted("l", id="x2")))
    twice = recounted(lines(tmp_path, *LIVE, accepted(id="x2", text=EDITED)))
    same_id = recounted(lines(tmp_path, *LIVE, accepted("l")))

    assert once[0] == 0
    assert "accepted=2 duplicate=0" in once[1]
    assert twice[0] == 1
    assert "k has 2 posts of number 000001" in twice[1]
    assert "duplicate=1" in twice[1]
    assert same_id[0] == 1


def test_the_recount_is_short_and_alone() -> None:
    source = Path(recount.__file__).read_text()

    assert len(source.splitlines()) <= 60
    assert "bench" not in source.split('"""')[2]


def test_a_line_that_was_cut_off_is_none(tmp_path: Path) -> None:
    file = Path(lines(tmp_path, *LIVE))
    whole = history.read(file)
    file.write_text(file.read_text() + '{"at": 1')

    assert history.read(file) == whole
    assert history.read(tmp_path / "none") == []


def second(at: float, account: str = "k") -> tuple[list[Line], Line]:
    """A second post of an account, due at a time, and when it arrived."""
    text = "bread #m000002 r0"
    seen = [request(account, at + 0.1, text), accepted(account, at + 0.1, text, "x2")]
    return seen, {**create(account), "post": 2, "text": text, "due": at}


def test_lateness_counts_from_the_time_due_or_acknowledged() -> None:
    late = {**create(), "at": DUE + 3}

    [calm, every] = lateness.measure([request(at=DUE + 5), accepted()], [late], [])

    assert (calm.count, every.count) == (1, 1)
    assert every.most == pytest.approx(2)


def test_a_disturbed_target_is_no_measure_of_calm() -> None:
    seen, planned = second(DUE + 60)
    killed = {"at": DUE + 60.5, "did": "kill", "begun": DUE + 60.5}
    down = {"at": DUE + 90, "did": "postgres", "begun": DUE + 30}
    dead = [{"at": DUE + 55, "did": "died", "name": f"worker{n}"} for n in range(4)]
    lost = [request(fault="cut_after"), accepted()]

    def calm(first: list[Line], *acts: Line) -> int:
        return lateness.measure([*first, *seen], [create(), planned], acts)[0].count

    assert calm(LIVE) == 2
    assert calm(LIVE, killed) == 1
    assert calm(LIVE, down) == 1
    assert calm(LIVE, *dead) == 1
    assert calm(LIVE, *dead[1:]) == 2
    assert calm(lost) == 1
