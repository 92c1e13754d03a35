"""Why an account's posts wait, and what its network says is left, as people see it."""

from datetime import timedelta
from uuid import uuid4

from tests.client import Person
from tests.conftest import House
from tests.doors import Door
from tests.test_posts import at, published


async def account_of(ann: Person, door: Door) -> dict:
    """The brand's one account."""
    if door.name == "rest":
        path = f"/brands/{ann.brand}/social-accounts"
        return (await ann.rest("GET", path)).json()["data"][0]
    said = await ann.gql(
        "query($id: ID!) { brand(id: $id) { socialAccounts(first: 1) { nodes {"
        " hold { reason until } budget { limit remaining resetsAt } } } } }", id=ann.brand,
    )  # fmt: skip
    node = said["data"]["brand"]["socialAccounts"]["nodes"][0]
    if node["hold"]:
        node["hold"]["reason"] = node["hold"]["reason"].lower()
    return node


async def test_an_account_at_work_is_neither_held_nor_counted(door: Door, ann: Person) -> None:
    await ann.account()

    found = await account_of(ann, door)

    assert (found["hold"], found["budget"]) == (None, None)


async def test_a_pause_has_an_end_and_a_reconnect_has_none(
    moved: House, door: Door, ann: Person, eve: Person
) -> None:
    await published(moved, ann, await ann.account("rate_limited"))
    await published(moved, eve, await eve.account("expired"))

    paused, ended = await account_of(ann, door), await account_of(eve, door)

    assert (paused["hold"]["reason"], paused["hold"]["until"] > at()) == ("rate_limited", True)
    assert ended["hold"] == {"reason": "needs_reauth", "until": None}
    await moved.shift(timedelta(seconds=3))
    assert (await account_of(ann, door))["hold"] is None


async def test_a_whole_network_that_is_held_holds_the_account(
    house: House, door: Door, ann: Person
) -> None:
    await ann.account()
    await house.owner.execute(
        "INSERT INTO gates (network, hold_until, hold_reason)"
        " VALUES ('sandbox', mypost_now() + interval '1 h', 'breaker')"
        " ON CONFLICT (network) DO UPDATE SET hold_until = excluded.hold_until,"
        " hold_reason = excluded.hold_reason"
    )
    try:
        assert (await account_of(ann, door))["hold"]["reason"] == "breaker"
    finally:
        await house.owner.execute("DELETE FROM gates")


async def test_what_is_left_is_shown_and_what_will_not_fit_is_flagged(
    moved: House, door: Door, ann: Person
) -> None:
    account = await ann.account("budget")
    for number in range(3):
        await published(moved, ann, account, content=f"{ann.brand} {number}")

    found = await account_of(ann, door)
    assert (found["budget"]["limit"], found["budget"]["remaining"]) == (10, 7)
    posts = [await ann.post(account, scheduledAt=at(minutes=9, seconds=n)) for n in range(7)]
    risks = [
        (await door.call(ann, "post", id=post["id"])).ok["targets"][0]["risk"] for post in posts
    ]
    assert risks == [None] * 6 + ["budget"]
    # The answer to planning says so at once.
    more = (await door.call(ann, "schedule_post", id=posts[0]["id"], scheduledAt=at(minutes=8))).ok
    late = (await door.call(ann, "schedule_post", id=posts[6]["id"], scheduledAt=at(minutes=9))).ok
    assert [each["targets"][0]["risk"] for each in (more, late)] == [None, None]
    last = await ann.post(account, scheduledAt=at(minutes=10))
    assert last["targets"][0]["risk"] == "budget"


async def test_a_token_that_ends_is_told_when_a_post_is_planned(door: Door, ann: Person) -> None:
    handle = f"ending-{uuid4().hex[:8]}"
    account = await ann.account("ending", handle)

    new = {"brandId": ann.brand, "content": "x", "targetAccountIds": [account]}
    for minutes, risk in ((30, None), (90, "token_ends")):
        post = (await door.call(ann, "create_post", **new, scheduledAt=at(minutes=minutes))).ok
        assert post["targets"][0]["risk"] == risk
    # Connected again with a token that lasts, it will go out.
    assert await ann.account("ok", handle) == account
    assert (await door.call(ann, "post", id=post["id"])).ok["targets"][0]["risk"] is None
