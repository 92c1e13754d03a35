"""Named points at which a crash is tried: each does nothing unless a setting arms one of them."""

import os
import signal
from collections.abc import Callable

POINTS = (
    "claimed",
    "sending_committed",
    "prepared",
    "token_answered",
    "before_first_byte",
    "after_first_byte",
    "answered",
    "outcome_written",
    "swept",
    "polled",
    "reconciled",
    "resolved",
)


def _pass(point: str) -> None:
    """Goes on."""


# Called as `points.reach(...)`, so that arming replaces it for everybody.
reach: Callable[[str], None] = _pass


def arm(crash_at: tuple[str, int] | None) -> None:
    """Makes this process kill itself the nth time it comes by a point; None disarms."""
    global reach  # noqa: PLW0603 - one per process, like the signal it sends
    if crash_at is None:
        reach = _pass
        return
    at, left = crash_at

    def count(point: str) -> None:
        nonlocal left
        if point == at:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    reach = count
