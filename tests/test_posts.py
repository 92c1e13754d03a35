"""A post's life: written, edited, scheduled, sent once, taken back, deleted."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from mypost import clock
from tests.client import Person
from tests.conftest import House
from tests.doors import Answer, Door


def at(**delta: float) -> str:
    """A time from now, spelled as the API spells it."""
    return (clock.now() + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def held_texts(who: Person) -> list[str]:
    """The texts the sandbox really holds."""
    listed = (await who.api.http.get("/networks/sandbox/posts.json?limit=1000")).json()
    return [post["text"] for post in listed["posts"]]


async def sent(who: Person, text: str) -> int:
    """How often the sandbox holds this text."""
    return (await held_texts(who)).count(text)


async def published(house: House, who: Person, *accounts: str, **given: Any) -> dict[str, Any]:
    """A post that has been sent now, as it reads afterwards."""
    post = await who.post(*accounts, **given)
    await who.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()
    return (await who.rest("GET", f"/posts/{post['id']}")).json()


async def refused(
    house: House, door: Door, who: Person, operation: str, code: str, **given: Any
) -> Answer:
    """The refusal of an operation that has changed nothing."""
    before = await house.digest()
    answer = await door.call(who, operation, **given)
    assert answer.code == code, answer
    assert await house.digest() == before
    return answer


async def write(door: Door, who: Person, *accounts: str, **given: Any) -> Answer:
    """The answer to writing a post."""
    new = {"brandId": who.brand, "content": "Hello", "targetAccountIds": list(accounts)}
    return await door.call(who, "create_post", **{**new, **given})


def changes(id: str) -> list[tuple[str, dict[str, Any]]]:
    """Every way to change a post."""
    return [
        ("update_post", {"id": id, "content": "New"}),
        ("schedule_post", {"id": id, "scheduledAt": at(hours=1)}),
        *((f"{verb}_post", {"id": id}) for verb in ("publish", "cancel", "delete")),
    ]


async def test_a_created_post_says_where_it_stands_and_its_version(ann: Person) -> None:
    given = {"content": "Hi 👋", "targetAccountIds": []}

    answer = await ann.rest("POST", f"/brands/{ann.brand}/posts", given)

    again = await ann.rest("GET", answer.headers["location"].removeprefix("/api/v1"))
    assert answer.status_code == 201
    assert answer.headers["etag"] == again.headers["etag"] == f'"{answer.json()["version"]}"'
    assert again.json() == answer.json()


async def test_the_whole_post_object_is_there(door: Door, ann: Person) -> None:
    account = await ann.account()

    post = (await write(door, ann, account, content="Hi 👋")).ok

    [target] = post["targets"]
    assert post == {
        "id": post["id"], "version": 1, "updatedAt": post["createdAt"], "targets": [target],
        "brandId": ann.brand, "content": "Hi 👋", "status": "draft", "phase": "draft",
        "mediaIds": [], "targetAccountIds": [account], "tags": [], "scheduledAt": None,
        "approval": None,
        "scheduledLocal": None,
        "publishedAt": None, "createdBy": ann.id, "createdAt": post["createdAt"],
    }  # fmt: skip
    assert target == {
        "id": target["id"], "accountId": account, "network": "sandbox", "status": "pending",
        "content": None, "mediaIds": None, "options": {}, "attempts": 0, "nextAttemptAt": None,
        "externalId": None, "externalUrl": None, "publishedAt": None, "error": None,
        "risk": None,
    }  # fmt: skip
    assert (await door.call(ann, "post", id=post["id"])).ok == post


async def test_a_post_created_with_a_time_is_scheduled(door: Door, ann: Person) -> None:
    when, tags = at(hours=1), ["b", "a", "b"]

    post = (await write(door, ann, await ann.account(), scheduledAt=when, tags=tags)).ok

    assert (post["status"], post["phase"], post["scheduledAt"]) == ("scheduled", "scheduled", when)
    assert (post["targets"][0]["status"], post["tags"]) == ("scheduled", ["a", "b"])


async def test_an_edit_changes_what_it_names_and_nothing_else(door: Door, ann: Person) -> None:
    before = await ann.post(await ann.account(), tags=["one"], scheduledAt=at(hours=1))
    id, other = before["id"], await ann.account()

    for given in (
        {"content": "New"}, {"tags": ["two", "three"]}, {"tags": []}, {"scheduledAt": at(hours=2)},
        {"targetAccountIds": [other]}, {"content": "Newer", "tags": ["four"]},
    ):  # fmt: skip
        after = (await door.call(ann, "update_post", id=id, **given)).ok
        changing = {*given, "version", "updatedAt", "targets"}
        assert {k for k in after if after[k] != before[k]} <= changing
        wanted = {**given, "tags": sorted(given.get("tags", before["tags"]))}
        assert {**after, **wanted} == after
        assert after["version"] > before["version"]
        before = after
    assert [t["status"] for t in before["targets"]] == ["scheduled"]


async def test_accounts_are_replaced_and_added_in_the_order_given(door: Door, ann: Person) -> None:
    a, b, c = [await ann.account() for _ in range(3)]
    post = await ann.post(a, b, c)
    first = {t["accountId"]: t["id"] for t in post["targets"]}

    for wanted in ([c, a], [b, c, a], [a, b, c, a]):
        post = (await door.call(ann, "update_post", id=post["id"], targetAccountIds=wanted)).ok
        unique = list(dict.fromkeys(wanted))
        assert post["targetAccountIds"] == unique
        assert [t["accountId"] for t in post["targets"]] == unique

    now = {t["accountId"]: t["id"] for t in post["targets"]}
    assert {id for id in now if now[id] != first[id]} == {b}


async def test_an_account_disconnected_and_added_again_counts_once(door: Door, ann: Person) -> None:
    handle = f"again-{uuid4().hex[:8]}"
    account = await ann.account(handle=handle)
    post = await ann.post(account)
    await door.call(ann, "disconnect", id=account)
    without = await door.call(ann, "post", id=post["id"])
    await ann.account(handle=handle)

    after = await door.call(ann, "update_post", id=post["id"], targetAccountIds=[account])

    assert (without.ok["targetAccountIds"], after.ok["targetAccountIds"]) == ([], [account])
    assert sorted(t["status"] for t in after.ok["targets"]) == ["cancelled", "pending"]


async def test_no_time_puts_a_post_back_to_draft(house: House, door: Door, ann: Person) -> None:
    post = await ann.post(await ann.account(), scheduledAt=at(hours=1))

    kept = (await door.call(ann, "update_post", id=post["id"], content="New")).ok
    back = (await door.call(ann, "update_post", id=post["id"], scheduledAt=None)).ok

    assert (kept["phase"], kept["scheduledAt"]) == ("scheduled", post["scheduledAt"])
    assert (back["phase"], back["status"], back["scheduledAt"]) == ("draft", "draft", None)
    assert back["targets"][0]["status"] == "pending"


async def test_a_stale_version_is_refused(house: House, door: Door, ann: Person) -> None:
    post = await ann.post(await ann.account(), scheduledAt=at(hours=1))

    for operation, given in changes(post["id"]):
        stale = {**given, "expectedVersion": post["version"] + 1}
        answer = await refused(house, door, ann, operation, "PRECONDITION_FAILED", **stale)
        assert answer.paths == {"expectedVersion"}
    fresh = {"id": post["id"], "expectedVersion": post["version"]}
    assert (await door.call(ann, "update_post", **fresh, content="New")).ok


async def test_of_ten_editors_of_one_version_exactly_one_wins(door: Door, ann: Person) -> None:
    post = await ann.post(await ann.account())
    given = {"id": post["id"], "expectedVersion": post["version"]}

    answers = await asyncio.gather(
        *(door.call(ann, "update_post", content=f"Editor {n}", **given) for n in range(10))
    )

    (winner,) = [answer.body for answer in answers if answer.code is None]
    assert [a.code for a in answers if a.code] == ["PRECONDITION_FAILED"] * 9
    assert (await door.call(ann, "post", id=post["id"])).ok == winner


async def test_a_deleted_post_is_never_sent(moved: House, door: Door, ann: Person) -> None:
    text = f"Deleted {uuid4()}"
    post = await ann.post(await ann.account(), content=text, scheduledAt=at(minutes=5))

    assert (await door.call(ann, "delete_post", id=post["id"])).ok == post["id"]
    await moved.shift(timedelta(minutes=6))
    await moved.work()

    for operation, given in [("post", {"id": post["id"]}), *changes(post["id"])]:
        assert (await door.call(ann, operation, **given)).code == "NOT_FOUND"
    assert await sent(ann, text) == 0


async def test_each_action_has_its_status(ann: Person) -> None:
    path = f"/posts/{(await ann.post(await ann.account()))['id']}"

    said = [await ann.rest("POST", f"{path}/schedule", {"scheduledAt": at(hours=1)})]
    said += [await ann.rest("POST", f"{path}/{action}") for action in ("cancel", "publish")]
    said += [await ann.rest(method, path) for method in ("DELETE", "GET")]

    assert [answer.status_code for answer in said] == [200, 200, 202, 204, 404]


@pytest.mark.parametrize(
    ("delta", "message"),
    [({"minutes": -1.1}, "Must not be in the past"), ({"days": 1831}, "Must be within five years")],
)
async def test_a_time_nobody_can_mean_is_refused(
    house: House, door: Door, ann: Person, delta: dict[str, float], message: str
) -> None:
    account = await ann.account()
    id, when = (await ann.post(account))["id"], at(**delta)
    new = {"brandId": ann.brand, "content": "x", "targetAccountIds": [account]}

    for operation, given in (
        ("schedule_post", {"id": id}), ("update_post", {"id": id}), ("create_post", new),
    ):  # fmt: skip
        given = {**given, "scheduledAt": when}  # noqa: PLW2901 - the same with a time
        answer = await refused(house, door, ann, operation, "VALIDATION_ERROR", **given)
        assert answer.details == (("scheduledAt", message),)


async def test_a_little_late_is_sent_at_once(house: House, door: Door, ann: Person) -> None:
    text = f"Late {uuid4()}"
    post = await ann.post(await ann.account(), content=text)

    late = await door.call(ann, "schedule_post", id=post["id"], scheduledAt=at(seconds=-30))
    await house.work()

    assert late.ok["phase"] == "scheduled"
    assert (await door.call(ann, "post", id=post["id"])).ok["phase"] == "published"
    assert await sent(ann, text) == 1


async def test_a_moved_post_goes_out_then(moved: House, door: Door, ann: Person) -> None:
    text = f"Moved {uuid4()}"
    post = await ann.post(await ann.account(), content=text, scheduledAt=at(minutes=2))
    when = at(minutes=8)

    again = (await door.call(ann, "schedule_post", id=post["id"], scheduledAt=when)).ok
    assert again["scheduledAt"] == when
    for minutes, expected in ((3, 0), (9, 1)):
        await moved.shift(timedelta(minutes=minutes))
        await moved.work()
        assert await sent(ann, text) == expected


async def test_a_post_is_in_the_world_once(house: House, door: Door, ann: Person) -> None:
    text = f"Now {uuid4()}"
    post = await ann.post(await ann.account(), content=text)

    asked = (await door.call(ann, "publish_post", id=post["id"])).ok
    await house.work()
    await house.work()

    done = (await door.call(ann, "post", id=post["id"])).ok
    [target] = done["targets"]
    shown = await ann.api.http.get(target["externalUrl"], headers={"accept": "application/json"})
    assert asked["status"] == "scheduled"
    assert (done["status"], done["phase"], target["status"]) == ("published",) * 3
    assert done["publishedAt"] == target["publishedAt"] >= done["scheduledAt"]
    assert (target["attempts"], target["error"], await sent(ann, text)) == (1, None, 1)
    assert (shown.json()["id"], shown.json()["text"]) == (target["externalId"], text)


async def test_a_cancelled_post_stays_here(moved: House, door: Door, ann: Person) -> None:
    text = f"Cancelled {uuid4()}"
    post = await ann.post(await ann.account(), content=text, scheduledAt=at(minutes=5))

    back = (await door.call(ann, "cancel_post", id=post["id"])).ok
    await moved.shift(timedelta(minutes=6))
    await moved.work()

    assert (back["phase"], back["scheduledAt"]) == ("draft", None)
    assert (await door.call(ann, "post", id=post["id"])).ok == back
    assert await sent(ann, text) == 0
    await refused(moved, door, ann, "cancel_post", "CONFLICT", id=post["id"])


async def test_what_is_in_the_world_can_only_be_deleted(
    house: House, door: Door, ann: Person
) -> None:
    post = await published(house, ann, await ann.account())
    *others, (delete, named) = changes(post["id"])

    for operation, given in others:
        await refused(house, door, ann, operation, "CONFLICT", **given)
    assert (await door.call(ann, "post", id=post["id"])).ok == post
    assert (await door.call(ann, delete, **named)).ok == post["id"]


async def test_cancelling_in_time_or_not_there_is_no_between(
    house: House, door: Door, ann: Person
) -> None:  # slow: twenty posts are written and half of them really sent
    accounts = [await ann.account() for _ in range(5)]
    due = {"scheduledAt": at(seconds=-10)}
    texts = [f"Race {uuid4()}" for _ in range(20)]
    posts = [await ann.post(accounts[n % 5], content=t, **due) for n, t in enumerate(texts)]

    *answers, _ = await asyncio.gather(
        *(door.call(ann, "cancel_post", id=post["id"]) for post in posts), house.dispatcher.drain()
    )
    await house.work()

    held = await held_texts(ann)
    for answer, text, post in zip(answers, texts, posts, strict=True):
        phase = (await door.call(ann, "post", id=post["id"])).ok["phase"]
        ends = {None: ("draft", 0), "CONFLICT": ("published", 1)}
        assert (phase, held.count(text)) == ends[answer.code]


async def test_an_account_that_cannot_publish_is_refused(
    house: House, door: Door, ann: Person
) -> None:
    expired, fine = await ann.account("expired"), await ann.account()
    failed = await published(house, ann, expired)
    post = await ann.post(fine, expired)

    for operation, given in changes(post["id"])[1:3]:
        answer = await refused(house, door, ann, operation, "CONFLICT", **given)
        assert answer.paths == {"targetAccountIds.1"}
    assert failed["targets"][0]["error"]["category"] == "auth_expired"


async def test_who_may_not_schedule_writes_drafts(house: House, door: Door, ann: Person) -> None:
    carl = await ann.api.colleague(ann, "Contributor")
    account = await ann.account()
    own, planned, other = (await carl.post(account), await carl.post(account), await ann.post())
    when = {"scheduledAt": at(hours=1)}
    await door.call(ann, "schedule_post", id=planned["id"], **when)

    new = {"brandId": ann.brand, "content": "x", "targetAccountIds": [account]}
    for operation, given in (
        ("create_post", {**new, **when}), ("update_post", {"id": own["id"], **when}),
        ("update_post", {"id": planned["id"], "content": "Now other words go out"}),
        ("update_post", {"id": other["id"], "content": "Not mine"}), *changes(own["id"])[1:],
    ):  # fmt: skip
        await refused(house, door, carl, operation, "FORBIDDEN", **given)
    assert (await door.call(carl, "update_post", id=own["id"], content="Mine")).ok


async def test_a_post_nobody_takes_says_why(house: House, door: Door, ann: Person) -> None:
    post = await published(house, ann, *[await ann.account("rejected") for _ in range(2)])

    assert (post["status"], post["phase"], post["publishedAt"]) == ("failed", "failed", None)
    assert [t["error"] for t in post["targets"]] == 2 * [
        {"category": "validation", "source": "platform", "retryable": False,
         "message": "the sandbox refuses every post of this account", "networkCode": "policy"}
    ]  # fmt: skip
    assert (await door.call(ann, "post", id=post["id"])).ok == post


async def test_a_network_gets_the_pause_it_wants(moved: House, door: Door, ann: Person) -> None:
    text = f"Paused {uuid4()}"
    post = await published(moved, ann, await ann.account("rate_limited"), content=text)
    [target] = post["targets"]
    assert (post["phase"], target["attempts"], await sent(ann, text)) == ("publishing", 1, 0)
    assert target["error"]["category"] == "rate_limited"
    assert target["nextAttemptAt"] > post["scheduledAt"]

    await moved.shift(timedelta(seconds=3))
    await moved.work()

    done = (await door.call(ann, "post", id=post["id"])).ok
    assert (done["phase"], done["targets"][0]["attempts"]) == ("published", 2)
    assert (done["targets"][0]["error"], await sent(ann, text)) == (None, 1)


async def test_a_new_time_begins_anew(house: House, door: Door, ann: Person) -> None:
    post = await published(house, ann, await ann.account("rate_limited"))

    again = (await door.call(ann, "schedule_post", id=post["id"], scheduledAt=at(hours=1))).ok

    [target] = again["targets"]
    assert (post["phase"], again["phase"]) == ("publishing", "scheduled")
    assert (target["attempts"], target["nextAttemptAt"], target["error"]) == (0, None, None)


async def test_other_accounts_do_not_look_like_a_cancellation(
    house: House, door: Door, ann: Person
) -> None:
    a, b = await ann.account(), await ann.account()
    post = await ann.post(a, scheduledAt=at(hours=1))

    await door.call(ann, "update_post", id=post["id"], targetAccountIds=[b])
    await house.tell()

    told = "SELECT array_agg(type ORDER BY number) FROM events WHERE payload ->> 'postId' = $1"
    assert await house.value(told, post["id"]) == [
        "target.scheduled", "post.scheduled", "target.scheduled", "target.pending",
    ]  # fmt: skip
