"""One named figure against its limit; `--break` runs the control that must fail."""

import argparse
import asyncio
import sys

from bench import equal, growth, lateness, speed

P50, P99, LONE = 0.25, 1.0, 0.1


def judge(figure: str, found: lateness.Lateness) -> tuple[str, str, bool]:
    """Answers what was measured, the limit, and whether it holds."""
    if figure == "LONE":
        held = found.max <= LONE and found.early == 0
        return f"max={found.max:.3f}s,early={found.early}", f"max<={LONE}s,early=0", held
    held = found.p50 <= P50 and found.p99 <= P99 and found.early == 0
    measured = f"p50={found.p50:.3f}s,p99={found.p99:.3f}s,early={found.early}"
    return measured, f"p50<={P50}s,p99<={P99:.0f}s,early=0", held


def main() -> int:
    """Measures and prints `P5 measured limit ok|FAIL`; answers 1 when the limit is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.figure")
    parser.add_argument("figure", choices=["P5", "LONE", "EQ", "DOCS", *speed.FIGURES])
    parser.add_argument("--break", dest="broken", action="store_true")
    parser.add_argument("--seed", type=int, default=equal.SEED)
    parser.add_argument("--cases", type=int, default=equal.CASES)
    asked = parser.parse_args()
    if asked.figure == "EQ":
        return 0 if equal.measure(asked.seed, asked.cases, broken=asked.broken) else 1
    if asked.figure == "DOCS":
        measured, limit, held = growth.judge(growth.measure(broken=asked.broken))
    elif asked.figure in speed.FIGURES:
        measured, limit, held = speed.measure(asked.figure, broken=asked.broken)
    else:
        found = asyncio.run(lateness.measure(asked.figure, broken=asked.broken))[asked.figure]
        measured, limit, held = judge(asked.figure, found)
    sys.stdout.write(f"{asked.figure} {measured} {limit} {'ok' if held else 'FAIL'}\n")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
