"""The figures that runs of the crash proof measure; each has a control that must fail."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bench.crash import history
from bench.crash.history import Line, Promise, World
from bench.crash.plan import CALM, QUICK, SOON, Plan, Weather, draw
from bench.crash.run import Run, run
from bench.result import Asked, Result

SEED = 7
RUNS = 25  # times that a worker dies at each point
LATE_P99 = 1.5
ENOUGH = 30  # so many have to be undisturbed for their lateness to say something
SLICE = 90.0
PATIENCE = 85.0  # an outcome that stays unknown holds its lane for ninety seconds
RECOVERED = {"key": 25.0, "two_step": 25.0, "lookup": 60.0, "blind": 20.0}
NAIVE = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """A run, what it is judged by, and the bug that its control puts in."""

    plan: Callable[[int, int | None], Plan]  # of a seed, and how many cases if that is said
    judge: Callable[[Run], Result]
    control: str


def kept(found: Run) -> Result:
    """Nothing lost, doubled, early or wrong."""
    names = ("lost", "duplicate", "early", "wrong")
    counts = {name: len(getattr(found.verdict, name)) for name in names}
    said = f"scheduled={found.verdict.scheduled},accepted={found.verdict.accepted}"
    measured = said + "".join(f",{name}={count}" for name, count in counts.items())
    return Result(measured, "lost=0,duplicate=0,early=0,wrong=0", found.verdict.holds)


def at_points(found: Run) -> Result:
    """The same, and a worker has died at each point often enough."""
    measured, limit, held = kept(found)
    least = min(found.hits[point] for point in found.plan.weather.points)
    runs = found.plan.weather.points_runs
    return Result(f"{measured},runs>={least}", f"{limit},runs>={runs}", held and least >= runs)


def in_time(found: Run) -> Result:
    """The same, and over soon enough to be a step of CI."""
    measured, limit, held = kept(found)
    held = held and found.took <= SLICE
    return Result(f"{measured},took={found.took:.0f}s", f"{limit},took<={SLICE:.0f}s", held)


def without_redis(found: Run) -> Result:
    """The same, and what nothing disturbed was on time."""
    measured, limit, held = kept(found)
    held = held and found.calm.count >= ENOUGH and found.calm.p99 <= LATE_P99
    measured += f",p99={found.calm.p99:.3f}s of {found.calm.count}"
    return Result(measured, f"{limit},p99<={LATE_P99}s of {ENOUGH}", held)


def _lines(found: Run, name: str) -> list[Line]:
    return history.read(found.folder / f"{name}.jsonl")


def asked(found: Run) -> Result:
    """Who asks a person: blind targets whose send was interrupted, and no others."""
    worlds = history.worlds(_lines(found, "recorder"))
    acts = [(act.get("begun", act["at"]), act["at"]) for act in _lines(found, "acts")]
    kinds = {account.handle: account.kind for account in found.plan.accounts}
    elsewhere = needless = silent = 0
    for state in _lines(found, "states"):
        for target in state["targets"]:
            calls = worlds.get((state["post"], target["account"]), World()).calls
            lost = [call for call in calls if not call["told"]]
            asks = target["status"] == "needs_confirmation"
            blind = kinds[target["account"]] == "blind"
            elsewhere += asks and not blind
            needless += asks and not lost and not _near(acts, calls)
            silent += blind and bool(lost) and not asks
    count = len(found.verdict.needs_confirmation)
    measured = f"asked={count},elsewhere={elsewhere},needless={needless},silent={silent}"
    return Result(measured, "elsewhere=0,needless=0,silent=0", elsewhere + needless + silent == 0)


def _near(acts: list[tuple[float, float]], calls: list[Line]) -> bool:
    """Tells whether something was done to MyPost while it sent; without a call, nobody knows."""
    return not calls or any(
        begun - 1 <= call["at"] <= over + 1 for begun, over in acts for call in calls
    )


def recovered(found: Run) -> Result:
    """How long it took from the time due until a target was settled, whatever was killed."""
    promises = history.promises(_lines(found, "ledger"))
    slowest = dict.fromkeys(RECOVERED, 0.0)
    kinds = {account.handle: account.kind for account in found.plan.accounts}
    for promise, target, state in _alone(found, promises):
        end = target["publishedAt"] or state["updatedAt"]
        took = datetime.fromisoformat(end).timestamp() - max(promise.at, promise.due())
        kind = kinds[target["account"]]
        slowest[kind] = max(slowest[kind], took)
    held = found.verdict.holds and all(slowest[kind] <= most for kind, most in RECOVERED.items())
    measured = ",".join(f"{kind}={took:.1f}s" for kind, took in slowest.items())
    limit = ",".join(f"{kind}<={most:.0f}s" for kind, most in RECOVERED.items())
    return Result(measured, limit, held)


def _alone(found: Run, promises: dict[int, Promise]) -> Iterator[tuple[Promise, Line, Line]]:
    """The settled targets of posts that have one, whose change of phase is theirs."""
    for state in _lines(found, "states"):
        [target, *others] = state["targets"]
        if not others and target["status"] in ("published", "needs_confirmation"):
            yield promises[state["post"]], target, state


def in_order(found: Run) -> Result:
    """Per account, no post whose first request came before that of one due earlier.

    Not counted where the earlier one was scheduled too late, or may have been unknown too long.
    """
    promises = history.promises(_lines(found, "ledger"))
    lanes: dict[str, list[tuple[float, float, float]]] = {}
    for (number, account), world in history.worlds(_lines(found, "recorder")).items():
        promise = promises[number]
        if world.calls and len(promise.times) == 1:
            first = world.calls[0]["at"]
            lanes.setdefault(account, []).append((promise.due(), first, promise.at))
    inversions = sum(
        later < first and heard < due - 1 and later - due < PATIENCE
        for lane in lanes.values()
        for due, first, heard in lane
        for other, later, _ in lane
        if other > due
    )
    return Result(
        f"inversions={inversions}", "inversions=0", inversions == 0 and found.verdict.holds
    )


def naive(found: Run) -> Result:
    """A control of the harness itself: a naive dispatcher is found out."""
    count = len(found.verdict.duplicate)
    return Result(f"duplicate={count}", f"duplicate>={NAIVE}", count >= NAIVE)


KILLS = Weather(kill=250, kill_api=0, redis=0, postgres=0, pause=0, faults=0.0, acted=0.0)
LOST = replace(
    CALM, points_runs=15, points=("after_first_byte", "answered"), kinds=("lookup", "blind")
)
RUNS_OF = {
    "P1": Figure(lambda seed, cases: draw(seed, cases or 10_000), kept, "resend"),
    "P2": Figure(
        lambda seed, cases: draw(
            seed, 9_000, replace(CALM, faults=0.3, points_runs=cases or RUNS), 3_600.0
        ),
        at_points,
        "resend",
    ),
    "P4": Figure(lambda seed, cases: draw(seed, cases or 1_000), asked, "resend"),
    "P6": Figure(lambda seed, cases: draw(seed, cases or 600, KILLS, 60.0), recovered, "amnesia"),
    "P7": Figure(
        lambda seed, cases: draw(seed, cases or 1_000, Weather(redis=0, without_redis=True)),
        without_redis,
        "disorder",
    ),
    "P8": Figure(
        lambda seed, cases: draw(
            seed, cases or 5_000, replace(CALM, acted=1.0, raced=1.0), (cases or 5_000) * 0.04
        ),
        kept,
        "deafness",
    ),
    "P10": Figure(lambda seed, cases: draw(seed, cases or 1_000), in_order, "disorder"),
    "P13": Figure(lambda seed, cases: draw(seed, cases or 1_000, QUICK, SOON), in_time, "resend"),
}
# P11 is about the controls: each bug must show, and without it nothing does.
NAIVE_WAYS = {
    "resend": lambda seed: draw(seed, 600, Weather(faults=0.15)),
    "commit_after": lambda seed: draw(seed, 600, LOST, 300.0),
}


def _figure(name: str) -> Callable[[Asked], Result]:
    def measure(asked: Asked) -> Result:
        figure = RUNS_OF[name]
        plan = figure.plan(asked.seed or SEED, asked.cases)
        return figure.judge(run(plan, name, figure.control if asked.broken else None))

    return measure


def controls(asked: Asked) -> Result:
    """Puts each bug of a naive dispatcher in; its own control leaves them out."""
    found = {
        way: naive(run(plan(asked.seed or SEED), f"P11-{way}", None if asked.broken else way))
        for way, plan in NAIVE_WAYS.items()
    }
    measured = ",".join(f"{way}:{judged.measured}" for way, judged in found.items())
    return Result(measured, f"each duplicate>={NAIVE}", all(each.held for each in found.values()))


FIGURES: Mapping[str, Callable[[Asked], Result]] = {
    **{name: _figure(name) for name in RUNS_OF},
    "P11": controls,
}
