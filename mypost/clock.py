"""The one Python clock; the database has its twin in `mypost_now()`."""

from datetime import UTC, datetime, timedelta


class _Clock:
    """Real time plus an offset that only tests set."""

    offset = timedelta()


def now() -> datetime:
    """Answers the current time in UTC, moved by the offset a test has set."""
    return datetime.now(UTC) + _Clock.offset


def shift(offset: timedelta) -> None:
    """Moves this process's clock to real time plus `offset`."""
    _Clock.offset = offset
