"""Which process runs on which core, and how much of it each has used."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


def _both() -> tuple[int, int] | None:
    """A core for the servers and one for all else, or None where there is no choice."""
    if not hasattr(os, "sched_getaffinity") or shutil.which("taskset") is None:
        return None
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[1]) if len(mine) > 1 else None


PINNED = _both()
SERVERS, OTHERS = PINNED or (None, None)


def on(core: int | None) -> list[str]:
    """The words that start a command on a core."""
    return [] if core is None else ["taskset", "-c", str(core)]


def pin(core: int | None, *pids: int) -> None:
    """Moves running processes to a core; what they start later follows."""
    for pid in pids if core is not None else ():
        with suppress(OSError):
            os.sched_setaffinity(pid, {core})  # type: ignore[arg-type]


def children(parent: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for stat in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):
            after_name = stat.read_text().rpartition(")")[2].split()
            if int(after_name[1]) == parent:
                found.append(int(stat.parent.name))
    return found


@dataclass(frozen=True, slots=True)
class Used:
    """Seconds on a core, and seconds spent waiting for one."""

    run: float = 0.0
    wait: float = 0.0

    def __add__(self, other: "Used") -> "Used":
        return Used(self.run + other.run, self.wait + other.wait)

    def __sub__(self, other: "Used") -> "Used":
        return Used(self.run - other.run, self.wait - other.wait)

    @property
    def starved(self) -> float:
        """The share of the wanted time that others took."""
        return self.wait / max(self.run + self.wait, 1e-9)


def used(*pids: int) -> Used:
    """What all threads of these processes have used so far."""
    total = Used()
    for pid in pids:
        for each in PROC.glob(f"{pid}/task/*/schedstat"):
            with suppress(OSError):
                run, wait, _ = each.read_text().split()
                total += Used(int(run) / 1e9, int(wait) / 1e9)
    return total
