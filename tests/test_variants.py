"""What a post says to one of its accounts: its own words and options, judged, sent, shown."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.client import Person
from tests.conftest import House
from tests.doors import Door
from tests.test_posts import at, refused, write


async def held(who: Person, *texts: str) -> list[dict[str, Any]]:
    """What the sandbox holds of these texts."""
    listed = (await who.api.http.get("/networks/sandbox/posts.json?limit=1000")).json()
    return [post for post in listed["posts"] if post["text"] in texts]


def said(post: dict[str, Any]) -> list[tuple[str | None, dict[str, Any]]]:
    return [(target["content"], target["options"]) for target in post["targets"]]


@pytest.mark.parametrize("mode", ["ok", "two_step", "lookup_lost"])
async def test_own_words_and_options_are_what_goes_out(
    house: House, door: Door, ann: Person, mode: str
) -> None:
    common, own = f"Common {uuid4()}", f"Own {uuid4()}"
    a, b = await ann.account(), await ann.account(mode)
    unlisted = {"visibility": "unlisted"}

    post = (
        await write(
            door, ann, a, b, content=common,
            targets=[{"accountId": b, "content": own, "options": unlisted}],
        )
    ).ok  # fmt: skip
    assert said(post) == [(None, {}), (own, unlisted)]
    await door.call(ann, "publish_post", id=post["id"])
    await house.work()

    plain, special = await held(ann, common), await held(ann, own)
    assert [p.get("options") for p in plain] == [None]
    assert [p.get("options") for p in special] == [unlisted]
    shown = (await door.call(ann, "post", id=post["id"])).ok
    assert said(shown) == said(post)


async def test_an_edit_of_one_target_leaves_the_rest(door: Door, ann: Person) -> None:
    a, b = await ann.account(), await ann.account()
    own = {"accountId": b, "content": "Own", "options": {"visibility": "unlisted"}}
    post = await ann.post(a, b, targets=[own])

    for targets, expected in [
        ([{"accountId": a, "content": "A"}], [("A", {}), ("Own", own["options"])]),
        ([{"accountId": b, "content": None}], [("A", {}), (None, own["options"])]),
        ([{"accountId": b, "options": None}], [("A", {}), (None, {})]),
        ([{"accountId": a}], [("A", {}), (None, {})]),
        ([], [("A", {}), (None, {})]),
    ]:  # fmt: skip
        after = (await door.call(ann, "update_post", id=post["id"], targets=targets)).ok
        assert said(after) == expected
    swapped = (await door.call(ann, "update_post", id=post["id"], targetAccountIds=[b, a])).ok
    assert said(swapped) == [(None, {}), ("A", {})]


async def test_every_fault_of_a_target_is_named_at_its_place(
    house: House, door: Door, ann: Person
) -> None:
    a, b, c = [await ann.account() for _ in range(3)]
    targets = [
        {"accountId": a, "content": "x" * 501},
        {"accountId": b, "options": {"visibility": "secret", "mood": "good"}},
        {"accountId": c, "content": "c"},
        {"accountId": a, "content": "twice"},
        {"accountId": "nobody"},
        {"accountId": b, "options": ["list"]},
    ]

    answer = await refused(
        house, door, ann, "create_post", "VALIDATION_ERROR",
        brandId=ann.brand, content="fine", targetAccountIds=[a, b], targets=targets,
    )  # fmt: skip

    assert answer.paths == {
        "targets.0.content", "targets.1.options.visibility", "targets.1.options.mood",
        "targets.2.accountId", "targets.3.accountId", "targets.4.accountId", "targets.5.accountId",
    }  # fmt: skip
    plain = await refused(
        house, door, ann, "create_post", "VALIDATION_ERROR", brandId=ann.brand, content="fine",
        targetAccountIds=[a], targets=[{"accountId": a, "options": ["list"]}],
    )  # fmt: skip
    assert plain.details == (("targets.0.options", "Must be an object"),)


async def test_words_of_its_own_save_a_target_from_those_of_the_post(
    house: House, door: Door, ann: Person
) -> None:
    a, b = await ann.account(), await ann.account()
    long, own = "x" * 501, [{"accountId": a, "content": "short"}]

    alone = (await write(door, ann, a, content=long, targets=own)).ok
    both = await refused(
        house, door, ann, "create_post", "VALIDATION_ERROR", brandId=ann.brand, content=long,
        targetAccountIds=[a, b], targets=own,
    )  # fmt: skip
    back = await refused(
        house, door, ann, "update_post", "VALIDATION_ERROR", id=alone["id"],
        targets=[{"accountId": a, "content": None}],
    )  # fmt: skip

    assert said(alone) == [("short", {})]
    assert both.paths == back.paths == {"content"}


async def test_what_is_on_its_way_keeps_its_words(house: House, door: Door, ann: Person) -> None:
    account = await ann.account()
    post = await ann.post(account)
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()

    await refused(
        house, door, ann, "update_post", "CONFLICT", id=post["id"],
        targets=[{"accountId": account, "content": "late"}],
    )  # fmt: skip


async def test_a_first_step_made_of_other_words_is_not_used(
    moved: House, door: Door, ann: Person
) -> None:
    old, new = f"Old {uuid4()}", f"New {uuid4()}"
    account = await ann.account("two_step")
    post = await ann.post(account, content=old, scheduledAt=at(minutes=5))
    await moved.dispatcher.drain()
    prepared = "SELECT handle FROM targets WHERE post_id = $1"

    for given in ({"content": new}, {"options": {"visibility": "unlisted"}}):
        await moved.owner.execute(
            "UPDATE targets SET handle = 'made-before', handle_ends_at = mypost_now() + '1 h'"
            " WHERE post_id = $1", post["id"],
        )  # fmt: skip
        told = [{"accountId": account, **given}]
        await door.call(ann, "update_post", id=post["id"], targets=told)
        assert await moved.value(prepared, post["id"]) is None
    await moved.shift(timedelta(minutes=6))
    await moved.work()

    assert [p.get("options") for p in await held(ann, new)] == [{"visibility": "unlisted"}]
    assert await held(ann, old) == []


async def test_editing_in_time_or_not_no_mixture_goes_out(
    house: House, door: Door, ann: Person
) -> None:
    # slow: ten posts are written, edited and sent at once
    accounts = [await ann.account() for _ in range(5)]
    rounds = []
    for n in range(10):
        old, new = f"Before {uuid4()}", f"After {uuid4()}"
        due = {"scheduledAt": at(seconds=-10)}
        own = {"accountId": accounts[n % 5], "content": old, "options": {"visibility": "public"}}
        post = await ann.post(accounts[n % 5], targets=[own], **due)
        rounds.append((post, old, new))

    *answers, _ = await asyncio.gather(
        *(
            door.call(
                ann, "update_post", id=post["id"],
                targets=[{"accountId": post["targetAccountIds"][0], "content": new,
                          "options": {"visibility": "unlisted"}}],
            )
            for post, _, new in rounds
        ),
        house.dispatcher.drain(),
    )  # fmt: skip
    await house.work()

    for answer, (_, old, new) in zip(answers, rounds, strict=True):
        (sent,) = await held(ann, old, new)
        expected = (old, "public") if answer.code == "CONFLICT" else (new, "unlisted")
        assert (sent["text"], sent["options"]["visibility"]) == expected
