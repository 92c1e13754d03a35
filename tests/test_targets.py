"""What people may do about a target that did not go out, or about which nobody knows."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from mypost import ids
from tests.client import Person
from tests.conftest import House
from tests.doors import Answer, Door
from tests.test_posts import at, published, refused, sent


async def only(who: Person, post: dict) -> dict:
    """The one target of a post, as it reads now."""
    [target] = (await who.rest("GET", f"/posts/{post['id']}")).json()["targets"]
    return target


async def asking(house: House, who: Person, **given: str) -> dict:
    """A post whose answer is lost on an account that cannot be read: somebody has to look."""
    await house.owner.execute("DELETE FROM gates")  # so many lost answers open the breaker
    post = await published(house, who, await who.account("blind_lost"), **given)
    assert (post["phase"], post["status"]) == ("needs_confirmation", "failed")
    return post


def named(post: dict, **more: object) -> dict:
    return {"id": post["id"], "targetId": post["targets"][0]["id"], **more}


async def test_a_refused_target_is_sent_again(house: House, door: Door, ann: Person) -> None:
    text, handle = f"Again {uuid4()}", f"again-{uuid4().hex[:8]}"
    account = await ann.account("rejected", handle)
    post = await published(house, ann, account, content=text)
    # The network takes the account's posts from now on.
    assert await ann.account("ok", handle) == account

    again = (await door.call(ann, "retry", **named(post))).ok
    assert (again["phase"], again["targets"][0]["status"]) == ("publishing", "scheduled")
    assert (again["targets"][0]["error"], again["version"]) == (None, post["version"])
    await house.work()

    done = (await door.call(ann, "post", id=post["id"])).ok
    assert (done["phase"], done["targets"][0]["attempts"]) == ("published", 1)
    assert await sent(ann, text) == 1


async def test_a_retry_leaves_the_other_targets_alone(
    house: House, door: Door, ann: Person
) -> None:
    text = f"Half {uuid4()}"
    good, bad = await ann.account(), await ann.account("rejected")
    post = await published(house, ann, good, bad, content=text)
    failed = post["targets"][1]

    again = (await door.call(ann, "retry", id=post["id"], targetId=failed["id"])).ok
    await house.work()

    assert [t["status"] for t in again["targets"]] == ["published", "scheduled"]
    done = (await door.call(ann, "post", id=post["id"])).ok
    assert (done["phase"], await sent(ann, text)) == ("partially_published", 1)
    assert done["targets"][0] == post["targets"][0]


async def test_what_somebody_saw_is_published(house: House, door: Door, ann: Person) -> None:
    text = f"Seen {uuid4()}"
    post = await asking(house, ann, content=text)
    url = "https://example.com/posts/1"

    done = (await door.call(ann, "resolve", **named(post, outcome="published", externalUrl=url))).ok

    [target] = done["targets"]
    assert (done["phase"], target["status"], target["error"]) == ("published", "published", None)
    assert (target["externalUrl"], target["externalId"]) == (url, None)
    assert done["publishedAt"] == target["publishedAt"]
    await house.work()
    assert await sent(ann, text) == 1
    row = await house.owner.fetchrow(
        "SELECT proof, by_user, by_role FROM transitions WHERE target_id = $1 ORDER BY pos DESC",
        target["id"],
    )
    assert (row.proof, str(row.by_user), row.by_role) == ("person", ann.id, "mypost_app")
    assert await house.value(
        "SELECT metadata FROM audit_events WHERE action = 'post.target_resolved'"
        " AND resource_id = $1", post["id"],
    ) == {"targetId": target["id"], "outcome": "published"}  # fmt: skip


async def test_what_nobody_saw_can_be_sent_again(house: House, door: Door, ann: Person) -> None:
    text = f"Unseen {uuid4()}"
    post = await asking(house, ann, content=text)

    failed = (await door.call(ann, "resolve", **named(post, outcome="not_published"))).ok
    [target] = failed["targets"]
    assert (failed["phase"], target["status"]) == ("failed", "failed")
    assert (target["error"]["source"], target["error"]["retryable"]) == ("user", True)
    assert (await door.call(ann, "retry", **named(post))).ok["phase"] == "publishing"
    await house.work()

    assert await sent(ann, text) == 2  # the network had it all the same: a person said otherwise


async def test_too_late_is_sent_when_somebody_says_so(
    moved: House, door: Door, ann: Person
) -> None:
    text = f"Late {uuid4()}"
    post = await ann.post(await ann.account(), content=text, scheduledAt=at(minutes=1))
    await moved.shift(timedelta(hours=25))
    await moved.work()
    await moved.shift(timedelta())  # tokens end with the clock
    late = await only(ann, post)
    assert (late["status"], late["error"]["networkCode"]) == ("needs_confirmation", "too_late")

    assert (await door.call(ann, "retry", **named(post))).code is None
    await moved.work()

    assert await sent(ann, text) == 1


async def test_only_what_is_settled_that_way_is_retried_or_resolved(
    house: House, door: Door, ann: Person
) -> None:
    account = await ann.account()
    live = await published(house, ann, account)
    planned = await ann.post(account, scheduledAt=at(hours=1))
    draft = await ann.post(account)
    question = await asking(house, ann)

    for post in (live, planned, draft):
        await refused(house, door, ann, "retry", "CONFLICT", **named(post))
        given = named(post, outcome="published")
        await refused(house, door, ann, "resolve", "CONFLICT", **given)
    await refused(house, door, ann, "retry", "CONFLICT", **named(question))


async def test_a_retry_needs_an_account_that_can_publish(
    house: House, door: Door, ann: Person
) -> None:
    expired = await published(house, ann, await ann.account("expired"))

    answer = await refused(house, door, ann, "retry", "CONFLICT", **named(expired))

    assert answer.paths == {"targetId"}


async def test_what_was_not_published_has_no_address(house: House, door: Door, ann: Person) -> None:
    post = await asking(house, ann)
    for outcome, url in (
        ("not_published", "https://example.com"), ("published", "ftp://example.com"),
        ("published", "https://"), ("published", "https://e.com/" + "x" * 2000),
        ("published", "javascript:alert(1)"),
    ):  # fmt: skip
        given = named(post, outcome=outcome, externalUrl=url)
        answer = await refused(house, door, ann, "resolve", "VALIDATION_ERROR", **given)
        assert answer.paths == {"externalUrl"}


async def test_a_target_of_another_post_is_not_found(
    house: House, door: Door, ann: Person, eve: Person
) -> None:
    post = await asking(house, ann)
    other = await ann.post(await ann.account())
    theirs = await eve.post(await eve.account())

    for target in (other["targets"][0]["id"], theirs["targets"][0]["id"], _unknown()):
        for operation, more in (("retry", {}), ("resolve", {"outcome": "published"})):
            given = {"id": post["id"], "targetId": target, **more}
            await refused(house, door, ann, operation, "NOT_FOUND", **given)
    for operation, more in (("retry", {}), ("resolve", {"outcome": "published"})):
        await refused(house, door, eve, operation, "NOT_FOUND", **named(post, **more))


def _unknown() -> str:
    return str(ids.new(ids.Tag.TARGET))


@pytest.mark.parametrize("role", ["Editor", "Contributor", "Analyst"])
async def test_who_may_not_publish_neither_retries_nor_resolves(
    house: House, door: Door, ann: Person, role: str
) -> None:
    post = await asking(house, ann)
    other = await ann.api.colleague(ann, role)

    await refused(house, door, other, "retry", "FORBIDDEN", **named(post))
    given = named(post, outcome="published")
    await refused(house, door, other, "resolve", "FORBIDDEN", **given)


async def test_a_stale_version_decides_nothing(house: House, door: Door, ann: Person) -> None:
    post = await asking(house, ann)
    given = named(post, outcome="published", expectedVersion=post["version"] + 1)

    await refused(house, door, ann, "resolve", "PRECONDITION_FAILED", **given)


async def test_of_ten_people_one_decides(house: House, door: Door, ann: Person) -> None:
    post = await asking(house, ann)
    outcomes = ["published", "not_published"] * 5

    answers: list[Answer] = await asyncio.gather(
        *(door.call(ann, "resolve", **named(post, outcome=outcome)) for outcome in outcomes)
    )

    won = [outcome for answer, outcome in zip(answers, outcomes, strict=True) if not answer.code]
    assert len(won) == 1
    assert {answer.code for answer in answers} == {None, "CONFLICT"}
    status = {"published": "published", "not_published": "failed"}[won[0]]
    assert (await only(ann, post))["status"] == status


async def test_ten_retries_send_once(house: House, door: Door, ann: Person) -> None:
    text, handle = f"Ten {uuid4()}", f"ten-{uuid4().hex[:8]}"
    account = await ann.account("rejected", handle)
    post = await published(house, ann, account, content=text)
    await ann.account("ok", handle)

    answers = await asyncio.gather(*(door.call(ann, "retry", **named(post)) for _ in range(10)))
    await house.work()

    assert sorted(str(a.code) for a in answers) == ["CONFLICT"] * 9 + ["None"]
    assert await sent(ann, text) == 1


async def test_not_even_a_draft_goes_to_an_account_that_was_let_go(
    door: Door, house: House, ann: Person
) -> None:
    gone, post = await ann.account(), (await ann.post())["id"]
    await door.call(ann, "disconnect", id=gone)

    draft = {"content": "N", "targetAccountIds": [gone]}
    for operation, given in (
        ("create_post", {"brandId": ann.brand, **draft}),
        ("update_post", {"id": post, **draft}),
    ):
        answer = await refused(house, door, ann, operation, "CONFLICT", **given)
        assert answer.paths == {"targetAccountIds.0"}
