"""A month of posts by day, in the zone of their brand."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mypost import clock
from tests.client import Person
from tests.conftest import House
from tests.statements import said

TEXT = (
    "query($id: ID!, $from: Date, $to: Date) { ROOT(id: $id) { calendar(from: $from, to: $to)"
    " { from to timezone truncated days { date posts { id brandId title status phase scheduledAt"
    " localTime targetAccountIds } } } } }"
)
YEAR = clock.now().year + 1


async def calendar(who: Person, root: str = "brand", **range_: str) -> dict[str, Any]:
    """The calendar by REST, once GraphQL has said the same."""
    id = who.brand if root == "brand" else who.workspace
    by_rest = await who.rest("GET", f"/{root}s/{id}/calendar", params=range_)
    assert by_rest.status_code == 200, by_rest.text
    by_graphql = await who.gql(TEXT.replace("ROOT", root), id=id, **range_)
    found = by_graphql["data"][root]["calendar"]
    for day in found["days"]:
        for post in day["posts"]:
            post.update(status=post["status"].lower(), phase=post["phase"].lower())
    assert found == by_rest.json()
    return by_rest.json()


def days(found: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    return {d["date"]: [(p["title"], p["localTime"]) for p in d["posts"]] for d in found["days"]}


async def test_posts_stand_on_the_days_of_their_brand(ann: Person) -> None:
    await ann.rest("PATCH", f"/brands/{ann.brand}", {"timezone": "America/Los_Angeles"})
    account = await ann.account()
    for title, time in (
        ("before", f"{YEAR}-06-01T06:59:59Z"), ("first", f"{YEAR}-06-01T07:00:00Z"),
        ("last", f"{YEAR}-07-01T06:59:59Z"), ("after", f"{YEAR}-07-01T07:00:00Z"),
        ("noon", f"{YEAR}-06-10T19:00:00Z"), ("morning", f"{YEAR}-06-10T15:00:00Z"),
    ):  # fmt: skip
        await ann.post(account, content=title, scheduledAt=time)
    await ann.post(account, content="a draft")

    found = await calendar(ann, **{"from": f"{YEAR}-06-01", "to": f"{YEAR}-06-30"})

    assert days(found) == {
        f"{YEAR}-06-01": [("first", "00:00:00")],
        f"{YEAR}-06-10": [("morning", "08:00:00"), ("noon", "12:00:00")],
        f"{YEAR}-06-30": [("last", "23:59:59")],
    }
    assert (found["timezone"], found["truncated"]) == ("America/Los_Angeles", False)
    one = found["days"][0]["posts"][0]
    assert one["targetAccountIds"] == [account]
    assert (one["brandId"], one["status"], one["phase"]) == (ann.brand, "scheduled", "scheduled")


async def test_a_workspace_shows_each_brand_by_its_own_clock(house: House, ann: Person) -> None:
    away = (
        await ann.rest(
            "POST", f"/workspaces/{ann.workspace}/brands",
            {"name": "Away", "timezone": "Pacific/Auckland"},
        )
    ).json()["id"]  # fmt: skip
    time = f"{YEAR}-06-10T20:00:00Z"
    await ann.post(await ann.account(), content="home", scheduledAt=time)
    there = await ann.account(brand=away)
    body = {"content": "away", "targetAccountIds": [there], "scheduledAt": time}
    await ann.rest("POST", f"/brands/{away}/posts", body)

    found = await calendar(ann, "workspace", **{"from": f"{YEAR}-06-01", "to": f"{YEAR}-06-30"})

    assert days(found) == {
        f"{YEAR}-06-10": [("home", "20:00:00")], f"{YEAR}-06-11": [("away", "08:00:00")]
    }  # fmt: skip
    brand = await calendar(ann, **{"from": f"{YEAR}-06-01", "to": f"{YEAR}-06-30"})
    assert days(brand) == {f"{YEAR}-06-10": [("home", "20:00:00")]}


async def test_what_went_out_and_what_was_deleted(house: House, ann: Person) -> None:
    account = await ann.account()
    sent, deleted = await ann.post(account, content="sent"), await ann.post(account)
    for post in (sent, deleted):
        await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()
    await ann.rest("DELETE", f"/posts/{deleted['id']}")

    (day,) = (await calendar(ann))["days"]

    (shown,) = day["posts"]
    assert (shown["id"], shown["status"]) == (sent["id"], "published")


async def test_nothing_said_is_this_month_there(ann: Person) -> None:
    await ann.rest("PATCH", f"/brands/{ann.brand}", {"timezone": "Pacific/Kiritimati"})
    today = clock.now().astimezone(ZoneInfo("Pacific/Kiritimati")).date()

    found = await calendar(ann)

    begin, end = date.fromisoformat(found["from"]), date.fromisoformat(found["to"])
    assert begin == today.replace(day=1)
    assert (end + timedelta(days=1)).day == 1
    assert begin <= today <= end
    february = await calendar(ann, **{"from": "2028-02-01"})
    assert february["to"] == "2028-02-29"


@pytest.mark.parametrize(
    ("range_", "path"),
    [
        ({"from": "2026-02-01", "to": "2026-01-31"}, "to"),
        ({"from": "2026-01-01", "to": "2026-03-04"}, "to"), ({"from": "2026-02-30"}, "from"),
        ({"from": "20260101"}, "from"), ({"to": "soon"}, "to"), ({"from": "9999-12-01"}, "from"),
        ({"month": "1"}, "month"), ({"from": "0001-01-01"}, "from"),
    ],
)  # fmt: skip
async def test_a_range_that_means_nothing_is_named(
    ann: Person, range_: dict[str, str], path: str
) -> None:
    answer = await ann.rest("GET", f"/brands/{ann.brand}/calendar", params=range_)

    assert answer.status_code == 400
    assert [d["path"] for d in answer.json()["error"]["details"]] == [path]


async def test_nobody_sees_the_calendar_of_others(ann: Person, eve: Person) -> None:
    for path in (f"/brands/{ann.brand}/calendar", f"/workspaces/{ann.workspace}/calendar"):
        assert (await eve.rest("GET", path)).status_code == 404


async def test_a_full_month_costs_as_many_statements_as_an_empty_one_and_ends_at_a_thousand(
    house: House, ann: Person
) -> None:
    month = {"from": f"{YEAR}-06-01", "to": f"{YEAR}-06-30"}
    path = f"/brands/{ann.brand}/calendar"
    await ann.rest("GET", path, params=month)  # from now on it is known who Ann is
    async with said(house) as heard:
        await ann.rest("GET", path, params=month)
    empty = len(heard)
    await house.owner.execute(
        "INSERT INTO posts (id, workspace_id, brand_id, content, created_by, stage, scheduled_at)"
        " SELECT mypost_id(9), $1, $2, repeat('long ', 100), $3, 'draft',"
        " $4::timestamptz + n * interval '30 s' FROM generate_series(1, 1001) n",
        ann.workspace, ann.brand, ann.id, datetime(YEAR, 6, 10, tzinfo=UTC),
    )  # fmt: skip

    async with said(house) as heard:
        answer = await ann.rest("GET", path, params=month)

    (day,) = answer.json()["days"]
    assert len(heard) == empty > 0
    assert (len(day["posts"]), answer.json()["truncated"]) == (1000, True)
    assert {len(post["title"]) for post in day["posts"]} == {140}
