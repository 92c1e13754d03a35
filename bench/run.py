"""MyPost beside hand-written floors and peers: `python -m bench.run`; docs/bench.md explains."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench import database, fleet, rounds
from bench.client import Unusable
from bench.documents import LOADS

OUT = Path(__file__).parent / "results.json"
CELLS = [("dashboard", 1), *((load, 16) for load in LOADS)]
QUICK = [(load, 16) for load in LOADS]
COLUMNS = {
    "CPU ms": "cpu_ms", "min": "cpu_ms_min", "max": "cpu_ms_max", "pg CPU ms": "pg_cpu_ms",
    "/json": "cpu_of_floor", "/rows": "cpu_of_floor_rows", "/checked": "cpu_of_floor_checked",
    "/strawb.": "cpu_of_strawberry", "req/s": "rps", "p50 ms": "p50_ms", "p99 ms": "p99_ms",
    "starved": "starved", "SQL": "sql_statements",
}  # fmt: skip
CROWDED = 0.3


def say(line: str) -> None:
    """Prints a line now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def table(rows: list[dict[str, Any]]) -> str:
    """The records as text, each load's from the cheapest to the dearest."""
    lines = []
    for load, concurrency in dict.fromkeys((r["query"], r["concurrency"]) for r in rows):
        own = [r for r in rows if (r["query"], r["concurrency"]) == (load, concurrency)]
        lines.append(f"\n{load}, {concurrency} connections; CPU and / are the server's per request")
        lines.append(f"{'':26}" + "".join(f"{name:>10}" for name in COLUMNS))
        for row in sorted(own, key=lambda r: r["cpu_ms"]):
            cells = "".join(f"{_cell(row[key]):>10}" for key in COLUMNS.values())
            lines.append(f"{row['variant']:26}{cells}")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{0 if value >= 1000 else 2}f}"  # noqa: PLR2004


def _cells(text: str) -> list[tuple[str, int]]:
    return [(load, int(n)) for load, n in (each.split(":") for each in text.split(","))]


def main() -> int:
    """Runs the bench, prints its table and writes results.json."""
    parser = argparse.ArgumentParser(prog="python -m bench.run")
    parser.add_argument("--quick", action="store_true", help="three short rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--scale", type=float, default=1.0, help="of the posts and targets")
    parser.add_argument("--only", help="variants, with commas between")
    parser.add_argument("--loads", type=_cells, help="such as dashboard:1,post:16")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    times = asked.rounds or (3 if asked.quick else 5)
    seconds = asked.seconds or (2 if asked.quick else 5)
    cells = asked.loads or (QUICK if asked.quick else CELLS)
    names = asked.only.split(",") if asked.only else None
    try:
        with database.running(asked.scale) as loaded, fleet.running(loaded, names) as up:
            found = rounds.rows(rounds.run(up, cells, times, seconds, say))
    except Unusable as error:
        say(f"bench: {error}")
        return 1
    asked.out.write_text(json.dumps(found, indent=1) + "\n")
    say(table(found))
    crowded = sorted({r["variant"] for r in found if r["starved"] > CROWDED})
    if crowded:
        say(f"\nThe machine was busy with other work while these ran: {', '.join(crowded)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
