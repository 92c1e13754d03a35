"""Measures variants in shuffled rounds, and sums the rounds up in ratios."""

import random
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bench.fleet import Fleet, Measured
from bench.variants import CHECKED, FLOOR, FLOOR_ROWS, MERCURIUS, POSTGRAPHILE, STRAWBERRY

WARM_S = 1
# What a row is divided by: its key's ending, and the variant.
CPU_OF = {
    "floor": FLOOR, "floor_rows": FLOOR_ROWS, "floor_checked": CHECKED, "strawberry": STRAWBERRY,
    "postgraphile": POSTGRAPHILE, "mercurius": MERCURIUS,
}  # fmt: skip
RPS_OF = {"floor": FLOOR, "postgraphile": POSTGRAPHILE, "mercurius": MERCURIUS}
Cell = tuple[str, int]  # load, concurrency
Tell = Callable[[str], None]


@dataclass(slots=True)
class Results:
    """Every measurement, by cell and variant; those of one round stand at one place."""

    found: dict[Cell, dict[str, list[Measured]]] = field(default_factory=dict)
    statements: dict[str, dict[str, int]] = field(default_factory=dict)

    def ratio(self, cell: Cell, name: str, other: str, of: Callable[[Measured], float]) -> Any:
        """The median over rounds of a ratio within each round; None without the other variant."""
        measured = self.found[cell]
        if name not in measured or other not in measured:
            return None
        pairs = zip(measured[name], measured[other], strict=True)
        return statistics.median(of(mine) / max(of(theirs), 1e-9) for mine, theirs in pairs)

    def median(self, cell: Cell, name: str, of: Callable[[Measured], float]) -> float:
        """The median over rounds."""
        return statistics.median(of(each) for each in self.found[cell][name])


def cpu(measured: Measured) -> float:
    """Server CPU per request."""
    return measured.cpu_ms


def run(fleet: Fleet, cells: Iterable[Cell], rounds: int, seconds: int, tell: Tell) -> Results:
    """Compares all answers, warms up, counts statements, and measures round by round."""
    cells, names, results = list(cells), list(fleet.clients), Results()
    loads = list(dict.fromkeys(load for load, _ in cells))
    fleet.check(loads, seed=random.randrange(10**6))  # noqa: S311 - rows, not secrets
    tell(f"all {len(names)} variants give the same answers: {', '.join(loads)}")
    with fleet.database.noting():
        results.statements = {load: fleet.statements(load) for load in loads}
    for load in loads:
        for name in names:
            fleet.measure(name, load, 16, WARM_S, seed=0)
    for number in range(1, rounds + 1):
        fleet.sign_in()
        for load, concurrency in cells:
            # Drift hits all alike: each round has an order of its own.
            for name in random.sample(names, len(names)):
                seed = number * 1000 + concurrency
                one = fleet.measure(name, load, concurrency, seconds, seed)
                cell = results.found.setdefault((load, concurrency), {})
                cell.setdefault(name, []).append(one)
                tell(
                    f"round {number} {load:15} {concurrency:3} {name:26}"
                    f" {one.cpu_ms:8.3f} ms {one.seen.rps:8.1f}/s starved {one.starved:.2f}"
                )
    return results


def rows(results: Results) -> list[dict[str, Any]]:
    """One record for each variant under each load; what was not measured beside it is None."""
    return [_row(results, cell, name) for cell in results.found for name in results.found[cell]]


def _row(results: Results, cell: Cell, name: str) -> dict[str, Any]:
    load, concurrency = cell
    each = results.found[cell][name]
    spread = sorted(one.cpu_ms for one in each)

    def median(of: Callable[[Measured], float]) -> float:
        return round(results.median(cell, name, of), 4)

    def ratio(other: str, of: Callable[[Measured], float]) -> float | None:
        found = results.ratio(cell, name, other, of)
        return None if found is None else round(found, 3)

    return {
        "query": load,
        "variant": name,
        "concurrency": concurrency,
        "rounds": len(each),
        "requests": sum(one.seen.requests for one in each),
        "rps": median(lambda one: one.seen.rps),
        "p50_ms": median(lambda one: one.seen.p50_ms),
        "p99_ms": median(lambda one: one.seen.p99_ms),
        "cpu_ms": median(cpu),
        "cpu_ms_min": round(spread[0], 4),
        "cpu_ms_max": round(spread[-1], 4),
        "pg_cpu_ms": median(lambda one: one.pg_cpu_ms),
        "starved": median(lambda one: one.starved),
        "sql_statements": results.statements[load][name],
        **{f"cpu_of_{key}": ratio(other, cpu) for key, other in CPU_OF.items()},
        **{
            f"rps_of_{key}": ratio(other, lambda one: one.seen.rps) for key, other in RPS_OF.items()
        },
    }
