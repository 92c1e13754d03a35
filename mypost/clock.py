"""The one Python clock; the database has its twin in `mypost_now()`."""

from datetime import UTC, datetime, timedelta


class _Clock:
    """Real time plus an offset that only tests set; they may also hold it still."""

    offset = timedelta()
    held: datetime | None = None


def offset() -> timedelta:
    """Answers how far this process's clock is from real time: nothing, but in tests."""
    return _Clock.offset if _Clock.held is None else _Clock.held - datetime.now(UTC)


def now() -> datetime:
    """Answers the current time in UTC, moved by the offset a test has set."""
    return datetime.now(UTC) + _Clock.offset if _Clock.held is None else _Clock.held


def shift(offset: timedelta) -> None:
    """Moves this process's clock to real time plus `offset`."""
    _Clock.offset, _Clock.held = offset, None


def hold(offset: timedelta) -> None:
    """Stops this process's clock at real time plus `offset`, until it is shifted."""
    _Clock.held = datetime.now(UTC) + offset
