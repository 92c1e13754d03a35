"""One named figure against its limit; `--break` runs the control that must fail."""

import argparse
import sys
from collections.abc import Callable, Mapping

from bench import (
    burst,
    equal,
    growth,
    lateness,
    limits,
    live,
    once,
    refusals,
    renewals,
    seal,
    speed,
    toll,
)
from bench.crash import figures as crash
from bench.result import Asked, Result

FIGURES: Mapping[str, Callable[[Asked], Result]] = {
    "P5": lateness.load_figure,
    "LONE": lateness.lone_figure,
    "EQ": equal.figure,
    "DOCS": lambda asked: Result(*growth.judge(growth.measure(broken=asked.broken))),
    "L1": limits.figure,
    "DASH": lambda asked: Result(*speed.measure("DASH", broken=asked.broken)),
    "LIST": lambda asked: Result(*speed.measure("LIST", broken=asked.broken)),
    "COLD": lambda asked: Result(*speed.measure("COLD", broken=asked.broken)),
    "BURST": burst.begun_figure,
    "FLOOD": burst.started_figure,
    "PAIR": burst.shared_figure,
    "TOLL": toll.figure,
    "P9": renewals.figure,
    "P12": refusals.figure,
    "ONCE": once.figure,
    "SEAL": seal.figure,
    "P14": live.figure,
    **crash.FIGURES,
}


def main() -> int:
    """Measures and prints `P5 measured limit ok|FAIL`; answers 1 when the limit is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.figure")
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("--break", dest="broken", action="store_true")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--seconds", type=float)
    given = vars(parser.parse_args())
    name = given.pop("figure")
    measured, limit, held = FIGURES[name](Asked(**given))
    sys.stdout.write(f"{name} {measured} {limit} {'ok' if held else 'FAIL'}\n")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
