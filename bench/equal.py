"""How many generated cases the engine answers otherwise than graphql-core."""

import sys

from bench.result import Asked, Result
from tests.engine.breaks import DEFAULT
from tests.engine.many import run_on_all_cores

SEED, CASES = 0, 10_000


def figure(asked: Asked) -> Result:
    """Checks so many cases and prints every difference.

    Broken, the engine ignores that an argument may be a variable.
    """
    seed = SEED if asked.seed is None else asked.seed
    cases = CASES if asked.cases is None else asked.cases
    found = run_on_all_cores(seed, cases, broken=DEFAULT if asked.broken else None)
    for report in found.reports:
        sys.stdout.write(f"{report}\n\n")
    measured = (
        f"cases={found.cases} different={found.different} compiled={found.compiled}"
        f" unsupported={found.unsupported}"
    )
    held = found.different == 0 and found.cases >= cases and found.compiled > 2 * found.cases
    return Result(measured, "different=0", held)
