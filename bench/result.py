"""What a figure is asked, and what it answers."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Asked:
    """How to measure; a figure takes from this what it knows."""

    broken: bool = False  # run the control, which must fail
    seed: int | None = None
    cases: int | None = None
    seconds: float | None = None


class Result(NamedTuple):
    """What was measured, the limit as it is said, and whether it held."""

    measured: str
    limit: str
    held: bool
