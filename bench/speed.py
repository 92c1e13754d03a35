"""The figures DASH, LIST and COLD: what a request costs beside floors and a conventional peer."""

from collections.abc import Callable
from dataclasses import dataclass

from bench import database, fleet, rounds
from bench.variants import FLOOR_ROWS, MYPOST, PLAIN, STRAWBERRY

ROUNDS, SECONDS, CONNECTIONS = 5, 3, 16
CONVENTIONAL, BY_HAND, COLD_MS = 1 / 12, 1.8, 12.0


@dataclass(frozen=True, slots=True)
class Part:
    """One quotient or quantity of a figure, and the most it may be."""

    name: str
    most: float
    of: Callable[[rounds.Results, rounds.Cell], float]


def against(name: str, other: str, most: float) -> Part:
    """Server CPU per request, divided by another variant's in the same round."""
    return Part(name, most, lambda found, cell: found.ratio(cell, MYPOST, other, rounds.cpu))


@dataclass(frozen=True, slots=True)
class Figure:
    """A load, who runs beside MyPost, and what has to hold."""

    load: str
    beside: tuple[str, ...]
    parts: tuple[Part, ...]


FIGURES = {
    "DASH": Figure(
        "dashboard",
        (FLOOR_ROWS, STRAWBERRY),
        (
            against("of-strawberry", STRAWBERRY, CONVENTIONAL),
            against("of-floor-rows", FLOOR_ROWS, BY_HAND),
        ),
    ),
    "LIST": Figure("rest_list", (FLOOR_ROWS,), (against("of-floor-rows", FLOOR_ROWS, BY_HAND),)),
    "COLD": Figure(
        "dashboard_cold",
        (),
        (Part("cpu-ms", COLD_MS, lambda found, cell: found.median(cell, MYPOST, rounds.cpu)),),
    ),
}


def measure(name: str, *, broken: bool) -> tuple[str, str, bool]:
    """Answers what was measured, the limits, and whether they hold.

    The control leaves every document to graphql-core, and builds every object in Python.
    """
    figure, cell = FIGURES[name], (FIGURES[name].load, CONNECTIONS)
    names, engine = [MYPOST, *figure.beside], PLAIN if broken else {}
    with database.running(1.0) as loaded, fleet.running(loaded, names, engine) as up:
        found = rounds.run(up, [cell], ROUNDS, SECONDS, lambda _: None)
    values = {part.name: part.of(found, cell) for part in figure.parts}
    measured = ",".join(f"{name}={value:.3f}" for name, value in values.items())
    limits = ",".join(f"{part.name}<={part.most:.3f}" for part in figure.parts)
    return measured, limits, all(values[part.name] <= part.most for part in figure.parts)
