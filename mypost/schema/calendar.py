"""The calendar of a brand or a workspace: posts by day, in the zone of their brand."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Annotated, Any

import strawberry

from mypost import clock, zones
from mypost.errors import Fault, Invalid
from mypost.models import calendar, posts
from mypost.schema.common import FREE, Info, sizes
from mypost.schema.post_list import PostPhase, PostStatus

LONGEST = 62


@strawberry.type(description="A post, as a calendar shows it.", directives=[FREE])
class CalendarPost:
    """A post, as a calendar shows it."""

    id: strawberry.ID
    brand_id: strawberry.ID
    title: str = strawberry.field(description="How its content begins.")
    status: PostStatus
    phase: PostPhase
    scheduled_at: datetime
    local_time: str = strawberry.field(description="What clocks show then, in its brand's zone.")
    target_account_ids: list[strawberry.ID]


@strawberry.type(description="The posts of one day; days without any are left out.")
class CalendarDay:
    """The posts of one day; days without any are left out."""

    date: date
    posts: list[CalendarPost] = strawberry.field(directives=sizes(3))


@strawberry.type(description="What is planned, and what went out, day by day.")
class Calendar:
    """What is planned, and what went out, day by day."""

    from_: date = strawberry.field(name="from")
    to: date
    timezone: str = strawberry.field(description="The zone that says which month is this one.")
    truncated: bool = strawberry.field(description="Whether there were more than 1,000 posts.")
    days: list[CalendarDay] = strawberry.field(directives=sizes(31))


def between(from_: date | None, to: date | None, timezone: str) -> tuple[date, date]:
    """Answers the days that are meant: this month, unless something is said. Raises Invalid."""
    today, _ = zones.day(clock.now(), timezone)
    begin = from_ or (to or today).replace(day=1)
    if not date(1970, 1, 1) <= begin <= date(9000, 1, 1):
        raise Invalid([Fault(("from",), "Is out of range")])
    end = to or (begin.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    if not begin <= end:
        raise Invalid([Fault(("to",), "Must not be before from")])
    if (end - begin).days >= LONGEST:
        raise Invalid([Fault(("to",), f"Must be within {LONGEST} days of from")])
    return begin, end


def _shown(row: Any, local_time: str) -> CalendarPost:
    return CalendarPost(
        id=row.id,
        brand_id=row.brand_id,
        title=row.content,
        status=PostStatus(posts.STATUS_OF_PHASE[row.phase]),
        phase=PostPhase(row.phase),
        scheduled_at=row.scheduled_at,
        local_time=local_time,
        target_account_ids=row["account_ids"],
    )


def _days(rows: list[Any], begin: date, end: date) -> list[CalendarDay]:
    dated = [(*zones.day(row.scheduled_at, row["timezone"]), row) for row in rows]
    meant = sorted((d for d in dated if begin <= d[0] <= end), key=lambda d: d[0])
    return [
        CalendarDay(date=date, posts=[_shown(row, local) for _, local, row in those])
        for date, those in groupby(meant, key=lambda d: d[0])
    ]


def of(column: str, description: str) -> Any:
    """The field of a type whose posts name it in this column."""

    async def resolve(
        root: strawberry.Parent[Any],
        info: Info,
        from_: Annotated[date | None, strawberry.argument(name="from")] = None,
        to: date | None = None,
    ) -> Calendar:
        begin, end = between(from_, to, root.timezone)
        # A day more on both sides: zones are up to a day apart, and each post has its brand's.
        first = datetime.combine(begin, time(), UTC) - timedelta(days=1)
        last = datetime.combine(end, time(), UTC) + timedelta(days=2)
        context = info.context
        found = await calendar.entries(context.db, context.scope(), column, root.id, first, last)
        return Calendar(
            from_=begin,
            to=end,
            timezone=root.timezone,
            truncated=len(found) > calendar.MOST,
            days=_days(found[: calendar.MOST], begin, end),
        )

    field: Callable[..., Any] = strawberry.field
    return field(resolver=resolve, description=description)
