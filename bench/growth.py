"""Does a process grow by the documents it has seen: a million of them, no two alike."""

import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass

from mypost.engine import documents as held
from mypost.engine.documents import Documents
from mypost.schema.build import schema

COUNT, SETTLED = 1_000_000, 50_000
PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 1024 * 1024
MOST_MIB = 32.0


@dataclass(frozen=True, slots=True)
class Growth:
    """How much the process has grown since its caches were full, and what they hold."""

    seen: int
    mib: float
    held: int


def judge(found: Growth) -> tuple[str, str, bool]:
    """Answers what was measured, the limit, and whether it holds."""
    measured = f"grown={found.mib:.1f}MiB,seen={found.seen},held={found.held}"
    return measured, f"grown<={MOST_MIB:.0f}MiB", found.mib <= MOST_MIB


def distinct(count: int) -> Iterator[str]:
    """Mostly broken documents, some that do not fit the schema, some that do."""
    for n in range(count):
        if n % 10 == 0:
            yield f"query Q{n} {{ viewer {{ id name workspaces {{ id name }} }} }}"
        elif n % 10 == 1:
            yield f"{{ viewer {{ x{n} }} }}"
        else:
            yield f"query Q{n} {{ viewer {{ id name"


def measure(*, broken: bool) -> Growth:
    """Prepares a million documents; broken, nothing is ever let go."""
    if broken:
        held.MAX_ONCE, held.MAX_ONCE_BYTES = COUNT, 2**40
    documents = Documents(schema._schema)  # noqa: SLF001 - Strawberry has no accessor
    begin, seen = 0, 0
    for seen, text in enumerate(distinct(COUNT), 1):
        documents.get(text)
        if seen == SETTLED:
            begin = _resident()
        # The control need not fill the machine to have failed.
        if seen > SETTLED and seen % 10_000 == 0 and _resident() - begin > 4 * MOST_MIB * MIB:
            break
    return Growth(seen, (_resident() - begin) / MIB, documents.size[0])


def _resident() -> int:
    """The memory this process has, in bytes."""
    gc.collect()
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - a file of the kernel
        return int(statm.read().split()[1]) * PAGE
