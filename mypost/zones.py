"""Wall clocks: a local time and its zone become an instant, and an instant a day."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, and the wall clock it was meant by, if it was."""

    at: datetime
    local_time: str | None = None
    timezone: str | None = None


class NoSuchTime(ValueError):
    """Clocks never show this local time; the message says why."""


def read(text: str) -> datetime:
    """Reads a local time. Raises NoSuchTime for what is none."""
    try:
        if LOCAL.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise NoSuchTime("Not a local time such as 2026-01-15T14:00:00")


def moment(text: str, timezone: str) -> Moment:
    """Answers the instant at which clocks in the zone show this; the first, when they do twice.

    Raises NoSuchTime for a time that they jump over.
    """
    local, zone = read(text), ZoneInfo(timezone)
    try:
        at = local.replace(tzinfo=zone).astimezone(UTC)
        shown = at.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        raise NoSuchTime("The time is out of range") from None
    if shown != local:
        raise NoSuchTime(f"Does not exist in {timezone}: clocks are put forward over it")
    return Moment(at, local.isoformat(), timezone)


def day(at: datetime, timezone: str) -> tuple[date, str]:
    """Answers the day and the time that clocks in the zone show at an instant."""
    local = at.astimezone(ZoneInfo(timezone))
    return local.date(), local.strftime("%H:%M:%S")
