"""What is known at the end of a run, read from its files; it imports nothing of MyPost."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NUMBER = re.compile(r"#m([0-9]{6})\b")
LAST_CALLS = ("posts", "publish")

Line = Mapping[str, Any]


def read(file: Path) -> list[Line]:
    """Reads a file of one JSON object a line; a last line that was cut off is none."""
    lines = file.read_text().splitlines() if file.exists() else []
    found: list[Line] = []
    for number, line in enumerate(lines):
        try:
            found.append(json.loads(line))
        except ValueError:
            if number + 1 < len(lines):
                raise
    return found


def number_of(text: str) -> int:
    """Answers the number that a post carries in its words."""
    found = NUMBER.search(text)
    if found is None:
        raise ValueError(f"no number in {text!r}")
    return int(found[1])


@dataclass
class World:
    """What the recorder saw of one target: calls that arrived, and posts that it accepted."""

    calls: list[Line] = field(default_factory=list)
    accepted: list[Line] = field(default_factory=list)


def worlds(recorded: Iterable[Line]) -> dict[tuple[int, str], World]:
    """Sorts the recorder's lines by post and account."""
    found: dict[tuple[int, str], World] = defaultdict(World)
    for line in recorded:
        if line["event"] == "accepted":
            found[number_of(line["text"]), line["account"]].accepted.append(line)
        elif line["event"] == "request" and line["call"] in LAST_CALLS:
            found[number_of(line["text"]), line["account"]].calls.append(line)
    return dict(found)


@dataclass
class Promise:
    """What the API has acknowledged about one post.

    Where an answer was lost, both may be true: `texts` holds every possibility, and so does `due`.
    """

    number: int
    id: str = ""
    exists: str = "no"  # yes, no, maybe
    accounts: tuple[str, ...] = ()
    texts: set[str] = field(default_factory=set)
    times: list[tuple[float, float, bool]] = field(default_factory=list)  # heard, due, sure
    withdrawn: str = "no"  # yes, no, maybe
    gone: float = math.inf  # when its deletion was acknowledged; what was live by then stays live
    at: float = 0.0  # when the last of it was acknowledged

    def hear(self, line: Line) -> None:
        """Takes in one line of the ledger."""
        if line["outcome"] == "refused":
            return
        sure = line["outcome"] == "ok"
        self.at = line["at"]
        did = line["did"]
        if did == "create":
            self.exists = "yes" if sure else "maybe"
            self.id, self.accounts = line.get("id") or "", tuple(line["accounts"])
            self.texts = {line["text"]}
            self.times = [(line["at"], line["due"], sure)]
        elif did == "edit":
            self.texts = {line["text"]} if sure else {*self.texts, line["text"]}
        elif did == "reschedule":
            self.times.append((line["at"], line["due"], sure))
            if self.withdrawn != "no":
                self.withdrawn = "no" if sure else "maybe"
        else:
            self.withdrawn = "yes" if sure else "maybe"
            self.gone = line["at"] if sure and did == "delete" else math.inf

    def due(self, moment: float = math.inf) -> float:
        """Answers the earliest time that may be meant, as far as is known at a moment.

        A time that is acknowledged later may be in force already.
        """
        found: list[float] = []
        for heard, due, sure in self.times:
            if sure and heard <= moment:
                found = []
            found.append(due)
        return min(found, default=0.0)


def promises(ledger: Iterable[Line]) -> dict[int, Promise]:
    """Folds the ledger into one promise per post."""
    found: dict[int, Promise] = {}
    for line in ledger:
        found.setdefault(line["post"], Promise(line["post"])).hear(line)
    return found
