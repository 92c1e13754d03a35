"""Wall clocks: a time in a zone becomes an instant, once, and is shown as it was meant."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mypost import clock, zones
from tests.client import Person
from tests.conftest import House
from tests.doors import Door
from tests.test_posts import at, refused, write

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
SOON = clock.now().year + 1


def local(time: str, timezone: str = BERLIN) -> dict[str, str]:
    return {"localTime": time, "timezone": timezone}


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2026-01-15T14:00:00", BERLIN, "2026-01-15T13:00:00+00:00"),
        ("2026-07-15T14:00", BERLIN, "2026-07-15T12:00:00+00:00"),
        ("2026-03-29T01:59:59", BERLIN, "2026-03-29T00:59:59+00:00"),
        ("2026-03-29T03:00:00", BERLIN, "2026-03-29T01:00:00+00:00"),
        # Twice that night; the first is meant.
        ("2026-10-25T02:30:00", BERLIN, "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T03:00:00", BERLIN, "2026-10-25T02:00:00+00:00"),
        ("2026-11-01T01:30:00", NEW_YORK, "2026-11-01T05:30:00+00:00"),
        ("2026-10-04T03:00:00", "Australia/Lord_Howe", "2026-10-03T16:00:00+00:00"),
        ("2026-06-01T12:00:00", "UTC", "2026-06-01T12:00:00+00:00"),
        ("2026-06-01T12:00:00", "Asia/Kathmandu", "2026-06-01T06:15:00+00:00"),
    ],
)
def test_a_wall_clock_names_an_instant(text: str, zone: str, instant: str) -> None:
    assert zones.moment(text, zone).at.isoformat() == instant


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("2026-03-29T02:00:00", BERLIN), ("2026-03-29T02:59:59", BERLIN),
        ("2026-03-08T02:30:00", NEW_YORK), ("2026-10-04T02:15:00", "Australia/Lord_Howe"),
        ("2011-12-30T12:00:00", "Pacific/Apia"), ("0001-01-01T00:00:00", "Asia/Tokyo"),
        ("2026-02-30T00:00:00", BERLIN), ("2026-01-01", BERLIN), ("2026-01-01T25:00:00", BERLIN),
        ("2026-01-01T00:00:00Z", BERLIN), ("2026-01-01T00:00:00+01:00", BERLIN), ("", BERLIN),
        ("٢٠٢٦-01-01T00:00:00", BERLIN),
    ],
)  # fmt: skip
def test_what_no_clock_shows_is_refused(text: str, zone: str) -> None:
    with pytest.raises(zones.NoSuchTime):
        zones.moment(text, zone)


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, "Australia/Lord_Howe", "Africa/Casablanca"])
def test_every_minute_of_a_year_comes_back_or_is_refused(zone: str) -> None:
    tz, refused_minutes = ZoneInfo(zone), 0
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - a wall clock
    shown = {
        (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * n))
        .astimezone(tz)
        .replace(tzinfo=None)
        for n in range(-100, 366 * 96)
    }
    for n in range(365 * 96):
        wanted = naive + timedelta(minutes=15 * n)
        try:
            found = zones.moment(wanted.isoformat(), zone).at
        except zones.NoSuchTime:
            refused_minutes += 1
            assert wanted not in shown
        else:
            assert found.astimezone(tz).replace(tzinfo=None) == wanted
    assert 0 < refused_minutes < 10


async def test_a_local_time_schedules_and_stays_beside_the_instant(door: Door, ann: Person) -> None:
    account = await ann.account()
    meant = local(f"{SOON}-07-15T09:00:00")
    instant = f"{SOON}-07-15T07:00:00Z"

    made = (await write(door, ann, account, scheduledLocal=meant)).ok
    assert (made["scheduledAt"], made["scheduledLocal"]) == (instant, meant)
    assert made["phase"] == "scheduled"
    assert (await door.call(ann, "post", id=made["id"])).ok == made
    listed = await ann.rest("GET", f"/brands/{ann.brand}/posts")
    assert listed.json()["data"] == [made]

    winter = local(f"{SOON}-01-15T09:00")
    later = (await door.call(ann, "schedule_post", id=made["id"], scheduledLocal=winter)).ok
    assert later["scheduledAt"] == f"{SOON}-01-15T08:00:00Z"
    assert later["scheduledLocal"] == local(f"{SOON}-01-15T09:00:00")

    kept = (await door.call(ann, "update_post", id=made["id"], content="Same time")).ok
    assert kept["scheduledLocal"] == later["scheduledLocal"]
    added = [account, await ann.account()]
    more = (await door.call(ann, "update_post", id=made["id"], targetAccountIds=added)).ok
    assert more["scheduledLocal"] == later["scheduledLocal"]

    when = at(hours=1)
    by_instant = (await door.call(ann, "schedule_post", id=made["id"], scheduledAt=when)).ok
    assert (by_instant["scheduledAt"], by_instant["scheduledLocal"]) == (when, None)
    again = (await door.call(ann, "update_post", id=made["id"], scheduledLocal=meant)).ok
    assert (again["scheduledAt"], again["scheduledLocal"]) == (instant, meant)
    draft = (await door.call(ann, "cancel_post", id=made["id"])).ok
    assert (draft["scheduledAt"], draft["scheduledLocal"]) == (None, None)


@pytest.mark.parametrize(
    ("meant", "path", "words"),
    [
        (local(f"{SOON}-02-30T09:00:00"), "scheduledLocal.localTime", "Not a local time"),
        (local(f"{SOON}-01-01T09:00:00Z"), "scheduledLocal.localTime", "Not a local time"),
        (local(f"{SOON}-01-01T09:00:00", "Mars/Base"), "scheduledLocal.timezone", "Not an IANA"),
        (local("2020-01-01T09:00:00"), "scheduledLocal.localTime", "in the past"),
        (local("2999-01-01T09:00:00"), "scheduledLocal.localTime", "five years"),
        ("gap", "scheduledLocal.localTime", "Does not exist in Europe/Berlin"),
        ("both", "scheduledLocal", "Say scheduledAt or scheduledLocal"),
    ],
)
async def test_a_local_time_nobody_can_mean_is_refused(
    house: House, door: Door, ann: Person, meant: Any, path: str, words: str
) -> None:
    account = await ann.account()
    post, extra = await ann.post(account), {}
    if meant == "gap":
        last = datetime(SOON, 3, 31, tzinfo=UTC)
        sunday = last - timedelta(days=(last.weekday() + 1) % 7)
        meant = local(f"{sunday:%Y-%m-%d}T02:30:00")
    elif meant == "both":
        meant, extra = local(f"{SOON}-01-01T09:00:00"), {"scheduledAt": at(hours=1)}
    new = {"brandId": ann.brand, "content": "x", "targetAccountIds": [account]}

    for operation, given in (
        ("create_post", new), ("update_post", {"id": post["id"]}),
        ("schedule_post", {"id": post["id"]}),
    ):  # fmt: skip
        answer = await refused(
            house, door, ann, operation, "VALIDATION_ERROR", **given, **extra, scheduledLocal=meant
        )
        assert answer.paths == {path}
        assert words in answer.details[0][1]
    looked = (await door.call(ann, "validate_post", **new, **extra, scheduledLocal=meant)).body
    item = {k: v for k, v in new.items() if k != "brandId"} | extra | {"scheduledLocal": meant}
    many = await door.call(ann, "create_posts", brandId=ann.brand, posts=[item])
    assert looked is None or [f["path"] for f in looked["faults"]] == [path]
    assert [f["path"] for f in many.ok["results"][0]["faults"]] == [path]


async def test_to_schedule_takes_a_time(house: House, door: Door, ann: Person) -> None:
    post = await ann.post(await ann.account())

    answer = await refused(house, door, ann, "schedule_post", "VALIDATION_ERROR", id=post["id"])

    assert answer.details == (("scheduledAt", "Required"),)


async def test_bulk_takes_local_times(door: Door, ann: Person) -> None:
    account = await ann.account()
    items = [
        {"content": f"{n}", "targetAccountIds": [account],
         "scheduledLocal": local(f"{SOON}-07-15T{n:02}:00:00")} for n in range(3)
    ]  # fmt: skip

    made = (await door.call(ann, "create_posts", brandId=ann.brand, posts=items)).ok["results"]

    assert [r["post"]["scheduledLocal"] for r in made] == [i["scheduledLocal"] for i in items]
    assert made[2]["post"]["scheduledAt"] == f"{SOON}-07-15T00:00:00Z"


async def test_a_copy_says_the_same_and_waits(door: Door, ann: Person) -> None:
    a, b, gone = [await ann.account() for _ in range(3)]
    own = {"accountId": b, "content": "Own", "options": {"visibility": "unlisted"}}
    post = await ann.post(
        a, b, gone, content="Said twice", tags=["x", "y"], targets=[own], scheduledAt=at(hours=1)
    )
    await door.call(ann, "disconnect", id=gone)

    copy = (await door.call(ann, "duplicate_post", id=post["id"])).ok

    assert copy["id"] != post["id"]
    assert (copy["content"], copy["tags"], copy["phase"]) == ("Said twice", ["x", "y"], "draft")
    assert (copy["scheduledAt"], copy["version"], copy["createdBy"]) == (None, 1, ann.id)
    assert [(t["accountId"], t["content"], t["options"], t["status"]) for t in copy["targets"]] == [
        (a, None, {}, "pending"), (b, "Own", own["options"], "pending")
    ]  # fmt: skip
    assert (await door.call(ann, "post", id=post["id"])).ok["scheduledAt"] == post["scheduledAt"]


async def test_a_copy_stands_at_its_own_address(ann: Person) -> None:
    post = await ann.post(content="First")

    made, again = await asyncio.gather(
        *(ann.rest("POST", f"/posts/{post['id']}/duplicate") for _ in range(2))
    )

    assert (made.status_code, made.headers["location"]) == (
        201, f"/api/v1/posts/{made.json()['id']}"
    )  # fmt: skip
    assert len({post["id"], made.json()["id"], again.json()["id"]}) == 3
