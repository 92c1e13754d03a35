"""Many posts in one request: each is written or told why not, at the price of one."""

from typing import Any
from uuid import uuid4

from tests.client import Api, Person
from tests.conftest import House
from tests.doors import POST, Door
from tests.statements import said
from tests.test_posts import at, refused


def item(*accounts: str, **given: Any) -> dict[str, Any]:
    return {"content": "Hello", "targetAccountIds": list(accounts), **given}


async def bulk(door: Door, who: Person, *items: dict[str, Any]) -> dict[str, Any]:
    return (await door.call(who, "create_posts", brandId=who.brand, posts=list(items))).ok


async def test_each_post_is_answered_in_its_place(
    house: House, door: Door, ann: Person, eve: Person
) -> None:
    a, b, foreign = await ann.account(), await ann.account(), await eve.account()
    when = at(hours=1)

    answer = await bulk(
        door, ann,
        item(a, content="First", tags=["x", "y", "x"]),
        item(foreign),
        item(a, b, content="Third", scheduledAt=when,
             targets=[{"accountId": b, "content": "Own", "options": {"visibility": "unlisted"}}]),
        item(a, content="x" * 501, tags=["t" * 51]),
        item(a, scheduledAt=at(days=-1)),
        item(content="Nowhere"),
    )  # fmt: skip

    posts = [result["post"] for result in answer["results"]]
    faults = [{f["path"] for f in result["faults"]} for result in answer["results"]]
    assert answer["created"] == 3
    assert [p and p["content"] for p in posts] == ["First", None, "Third", None, None, "Nowhere"]
    assert faults == [
        set(), {"targetAccountIds.0"}, set(), {"tags", "content"}, {"scheduledAt"}, set()
    ]  # fmt: skip
    assert (posts[0]["tags"], posts[0]["phase"], posts[0]["version"]) == (["x", "y"], "draft", 1)
    assert (posts[2]["phase"], posts[2]["scheduledAt"], posts[2]["version"]) == (
        "scheduled", when, 2
    )  # fmt: skip
    assert [(t["status"], t["content"], t["options"]) for t in posts[2]["targets"]] == [
        ("scheduled", None, {}), ("scheduled", "Own", {"visibility": "unlisted"})
    ]  # fmt: skip
    for post in posts:
        if post is not None:
            assert (await door.call(ann, "post", id=post["id"])).ok == post


async def test_what_is_written_in_bulk_goes_out(house: House, door: Door, ann: Person) -> None:
    account = await ann.account()
    texts = [f"Bulk {uuid4()}" for _ in range(5)]
    due = at(seconds=-20)

    await bulk(door, ann, *(item(account, content=text, scheduledAt=due) for text in texts))
    await house.work()

    listed = (await ann.api.http.get("/networks/sandbox/posts.json?limit=1000")).json()["posts"]
    held = [post["text"] for post in listed]
    assert [held.count(text) for text in texts] == [1] * 5


async def test_fifty_cost_as_many_statements_as_one(house: House, door: Door, ann: Person) -> None:
    a, b = await ann.account(), await ann.account()
    counts = {}
    for number in (1, 50):
        items = [item(a, b, content=f"{n}", tags=["one", "two"], scheduledAt=at(hours=1))
                 for n in range(number)]  # fmt: skip
        async with said(house) as heard:
            answer = await bulk(door, ann, *items)
        assert answer["created"] == number
        counts[number] = len(heard)

    assert counts[1] == counts[50] > 0


async def test_fifty_one_are_too_many(house: House, door: Door, ann: Person) -> None:
    answer = await refused(
        house, door, ann, "create_posts", "VALIDATION_ERROR",
        brandId=ann.brand, posts=[item()] * 51,
    )  # fmt: skip

    assert answer.paths == {"posts"}
    assert await bulk(door, ann) == {"created": 0, "results": []}


async def test_all_faulty_writes_nothing(house: House, door: Door, ann: Person) -> None:
    before = await house.digest()

    answer = await bulk(door, ann, item(str(uuid4())), item("x"))

    assert answer["created"] == 0
    assert await house.digest() == before


async def test_who_may_not_schedule_schedules_none(
    house: House, door: Door, api: Api, ann: Person, eve: Person
) -> None:
    carl = await api.colleague(ann, "Contributor")
    account = await ann.account()
    given = {"brandId": ann.brand, "posts": [item(account), item(account, scheduledAt=at(hours=1))]}

    await refused(house, door, carl, "create_posts", "FORBIDDEN", **given)
    await refused(house, door, eve, "create_posts", "NOT_FOUND", **given)
    assert (await bulk(door, carl, item(account)))["created"] == 1


async def test_every_post_is_in_the_audit(house: House, door: Door, ann: Person) -> None:
    answer = await bulk(door, ann, item(), item(content="Two"), item("nobody"))

    recorded = await house.owner.fetch(
        "SELECT resource_id::text AS id FROM audit_events WHERE workspace_id = $1"
        " AND action = 'post.created' AND user_id = $2 AND resource_type = 'post'",
        ann.workspace, ann.id,
    )  # fmt: skip
    made = {result["post"]["id"] for result in answer["results"] if result["post"]}
    assert {row.id for row in recorded} == made


async def test_bulk_with_a_key_is_written_once(house: House, ann: Person) -> None:
    account = await ann.account()
    body = {"posts": [item(account), item("nobody"), item(account, content="Two")]}
    path, key = f"/brands/{ann.brand}/posts/bulk", {"idempotency-key": "fifty"}
    text = (
        "mutation($i: CreatePostsInput!) { createPosts(input: $i) { created results"
        f" {{ post {POST} faults {{ code message path }} }} userErrors {{ message }} }} }}"
    )

    first, again = [await ann.rest("POST", path, body, headers=key) for _ in range(2)]
    by_graphql = await ann.gql(text, i={"brandId": ann.brand, **body, "idempotencyKey": "fifty"})

    told = by_graphql["data"]["createPosts"]["results"]
    assert first.status_code == 200
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert [r["post"] and r["post"]["id"] for r in told] == [
        r["post"] and r["post"]["id"] for r in first.json()["results"]
    ]
    assert [r["faults"] for r in told] == [r["faults"] for r in first.json()["results"]]
    listed = await ann.rest("GET", f"/brands/{ann.brand}/posts")
    assert len(listed.json()["data"]) == 2


async def test_where_approval_is_demanded_only_drafts_are_written(
    house: House, door: Door, ann: Person
) -> None:
    account = await ann.account()
    path = f"/workspaces/{ann.workspace}"
    settings = {"settings": {"approvalRequired": True}}
    assert (await ann.rest("PATCH", path, settings)).is_success

    answer = await bulk(door, ann, item(account), item(account, scheduledAt=at(hours=1)))

    (draft, planned) = answer["results"]
    assert (draft["post"]["phase"], draft["faults"], planned["post"]) == ("draft", [], None)
    assert [(f["code"], f["path"]) for f in planned["faults"]] == [("INVALID_STATE", "")]
