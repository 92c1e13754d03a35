"""How many generated cases the engine answers otherwise than graphql-core."""

import sys

from tests.engine.breaks import DEFAULT
from tests.engine.many import run_on_all_cores

SEED, CASES = 0, 10_000


def measure(seed: int = SEED, cases: int = CASES, *, broken: bool = False) -> bool:
    """Checks so many cases and prints what came of them; answers whether all were equal.

    Broken, the engine ignores that an argument may be a variable.
    """
    found = run_on_all_cores(seed, cases, broken=DEFAULT if broken else None)
    for report in found.reports:
        sys.stdout.write(f"{report}\n\n")
    held = found.different == 0 and found.cases >= cases and found.compiled > 2 * found.cases
    sys.stdout.write(
        f"EQ cases={found.cases} different={found.different} compiled={found.compiled}"
        f" unsupported={found.unsupported} different=0 {'ok' if held else 'FAIL'}\n"
    )
    return held
