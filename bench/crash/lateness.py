"""How late requests came: for all targets, and for those that nothing had disturbed.

A target is undisturbed when nothing was killed, paused or stopped within a second of its due time;
when PostgreSQL and at least one worker ran; and when every post before it on its account was over
by then: the last of trouble was at least as long ago as an unknown outcome may hold a lane.
"""

import bisect
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.crash import history
from bench.crash.history import Line, Promise, World
from bench.crash.plan import WORKERS

NEAR = 1.0
BOOT = 15.0  # a worker that was killed counts as away for so long
HELD = 95.0
WORKER = "worker"

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Late:
    """Seconds between due and the first request; without a target all are nought."""

    count: int
    p50: float
    p99: float
    most: float

    def __str__(self) -> str:
        return f"n={self.count} p50={self.p50:.3f} p99={self.p99:.3f} max={self.most:.3f}"


def summary(late: Sequence[float]) -> Late:
    """Sums up any number of measurements."""
    if len(late) < 2:  # noqa: PLR2004 - one value is every quantile
        only = late[0] if late else 0.0
        return Late(len(late), only, only, only)
    cuts = statistics.quantiles(late, n=100, method="inclusive")
    return Late(len(late), cuts[49], cuts[98], max(late))


def measure(
    recorded: Iterable[Line], ledger: Iterable[Line], acts: Iterable[Line]
) -> tuple[Late, Late]:
    """Answers the lateness of the undisturbed, and of all."""
    worlds, promises, acts = history.worlds(recorded), history.promises(ledger), list(acts)
    times = sorted(moment for act in acts for moment in (act.get("begun", act["at"]), act["at"]))
    away = _outages(acts)
    lanes: dict[str, list[tuple[float, World, Promise]]] = {}
    for (number, account), world in worlds.items():
        promise = promises.get(number)
        if world.calls and promise is not None and promise.times:
            due = max(promise.at, promise.due())
            lanes.setdefault(account, []).append((due, world, promise))
    calm, every = [], []
    for lane in lanes.values():
        lane.sort(key=lambda each: each[0])
        free = 0.0
        for due, world, _ in lane:
            late = world.calls[0]["at"] - due
            every.append(late)
            out = any(begin <= due <= end for begin, end in away)
            if not out and not _near(times, due) and free < due:
                calm.append(late)
            free = max(free, _free(times, world))
    return summary(calm), summary(every)


def _outages(acts: Sequence[Line]) -> list[Span]:
    """When PostgreSQL was away, or every worker."""
    away = [(act["begun"], act["at"]) for act in acts if act["did"] == "postgres"]
    workers: dict[str, list[Span]] = {f"{WORKER}{number}": [] for number in range(WORKERS)}
    for act in acts:
        if act["did"] == "died" and act["name"] in workers:
            workers[act["name"]].append((act["at"], act["at"] + BOOT))
        elif act["did"] == "pause":
            workers[f"{WORKER}{act['which']}"].append((act["begun"], act["at"]))
    first, *others = workers.values()
    for spans in others:
        first = [
            (max(a, c), min(b, d)) for a, b in first for c, d in spans if max(a, c) < min(b, d)
        ]
    return away + first


def _near(times: Sequence[float], moment: float) -> bool:
    """Tells whether something happened within a second of a moment."""
    at = bisect.bisect_left(times, moment - NEAR)
    return at < len(times) and times[at] <= moment + NEAR


def _free(times: Sequence[float], world: World) -> float:
    """Tells when a post no longer held up those after it."""
    last = world.calls[-1]
    clean = last["fault"] is None and bool(world.accepted) and len(world.calls) == 1
    clean = clean and not _near(times, last["at"])
    return float(last["at"]) + (0.0 if clean else HELD)
