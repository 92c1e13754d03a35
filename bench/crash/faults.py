"""What a network does wrong: every fault says whether the post was accepted, and what was answered.

Which request meets which fault follows from the seed, the account, the words and the try alone.
"""

import random
from dataclasses import dataclass

NOW, LATE, NEVER = "now", "late", "never"
CUT, TORN, HANG, GOOD, GARBAGE = "cut", "torn", "hang", "good", "garbage"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong."""

    name: str
    accepts: str  # NOW; LATE: after the caller has given up; NEVER
    answer: str  # one of the above, or a status
    code: str = ""
    weight: float = 1.0
    told: bool = False  # the answer says the truth: nothing is unknown afterwards

    @property
    def status(self) -> int:
        """The status of an answer that is one."""
        return int(self.answer)


LAST_CALL = (
    Fault("cut_before", NEVER, CUT),
    Fault("cut_after", NOW, CUT),
    Fault("torn", NOW, TORN),
    Fault("hang_before", NEVER, HANG, weight=0.5),
    Fault("hang_after", NOW, HANG, weight=0.5),
    Fault("late", LATE, HANG, weight=0.5),
    Fault("500_before", NEVER, "500", "internal"),
    Fault("500_after", NOW, "500", "internal"),
    Fault("garbage", NOW, GARBAGE),
    Fault("duplicate_before", NEVER, "409", "duplicate", weight=0.5),
    Fault("duplicate_after", NOW, "409", "duplicate", weight=0.5),
    Fault("429", NEVER, "429", "rate_limited", told=True),
    Fault("503", NEVER, "503", "busy", told=True),
    Fault("policy", NEVER, "422", "policy", weight=0.5, told=True),
    Fault("slow", NOW, GOOD, weight=2.0, told=True),
)
TWO_STEP = (
    *LAST_CALL,
    Fault("in_progress", NOW, "202", weight=3.0, told=True),
    Fault("in_progress_failed", NEVER, "202", weight=0.5, told=True),
)
# A first step makes nothing that anybody sees: whatever happens to it is harmless.
FIRST_STEP = tuple(
    each for each in LAST_CALL if each.name not in {"late", "duplicate_before", "duplicate_after"}
)
READING = (
    Fault("cut", NOW, CUT),
    Fault("torn", NOW, TORN),
    Fault("hang", NOW, HANG, weight=0.3),
    Fault("500", NEVER, "500", "internal"),
    Fault("garbage", NOW, GARBAGE),
    Fault("slow", NOW, GOOD),
)


def dice(seed: int, *words: object) -> random.Random:
    """Answers a source of chance that the same words always start the same way."""
    return random.Random(":".join(map(str, (seed, *words))))  # seeded with text: stable by version


def choose(
    chance: random.Random, table: tuple[Fault, ...], rate: float, *, lose: bool = True
) -> Fault | None:
    """Picks a fault at `rate`, or none; with `lose`, one after which nobody knows."""
    if chance.random() >= rate:
        return None
    open_ = [each for each in table if each.told or lose]
    return chance.choices(open_, [each.weight for each in open_])[0]
