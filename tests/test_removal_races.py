"""Posts written while what they belong to is taken away: none is left behind."""

import asyncio
import random
from collections import Counter

import pytest

from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Door
from tests.test_posts import at

ROUNDS = 4
# What lives where nothing lives any more: a brand, a post, a target of an account let go.
LEFT = (
    "SELECT count(*) FROM workspaces w JOIN brands b ON b.workspace_id = w.id"
    " LEFT JOIN posts p ON p.brand_id = b.id LEFT JOIN targets t ON t.post_id = p.id"
    " LEFT JOIN accounts a ON a.id = t.account_id WHERE w.id = $1"
    " AND (w.deleted_at IS NOT NULL AND b.deleted_at IS NULL"
    " OR b.deleted_at IS NOT NULL AND p.id IS NOT NULL AND p.deleted_at IS NULL"
    " OR NOT t.removed AND t.state <> 'cancelled' AND a.status = 'disconnected')"
)


async def moves(ann: Person, accounts: list[str]) -> list[tuple[str, dict]]:
    """A brand, and everything that writes a post, with accounts and times and without."""
    post = (await ann.post(*accounts))["id"]
    draft = {"content": "N", "targetAccountIds": accounts}
    soon, nowhere = {**draft, "scheduledAt": at(hours=1)}, {**draft, "targetAccountIds": []}
    return [
        ("create_brand", {"workspaceId": ann.workspace, "name": "N"}),
        ("create_post", {"brandId": ann.brand, **nowhere}),
        ("create_post", {"brandId": ann.brand, **draft}),
        ("create_post", {"brandId": ann.brand, **soon}),
        ("create_posts", {"brandId": ann.brand, "posts": [nowhere, draft, soon]}),
        ("duplicate_post", {"id": post}),
        ("update_post", {"id": post, "targetAccountIds": accounts[::-1]}),
        ("schedule_post", {"id": post, "scheduledAt": at(hours=1)}),
    ]


@pytest.mark.parametrize("removal", ["disconnect", "delete_brand", "delete_workspace"])
async def test_nothing_is_left_behind(house: House, door: Door, api: Api, removal: str) -> None:
    dice, told = random.Random(removal), Counter[bool]()

    async def write(ann: Person, operation: str, given: dict) -> None:
        answer = await door.call(ann, operation, **given)
        assert answer.code in {None, "VALIDATION_ERROR", "CONFLICT", "NOT_FOUND"}, answer
        told[answer.code is None] += 1

    async def remove(ann: Person, account: str) -> None:
        forced = {"force": "true" if door.name == "rest" else True}
        named = {
            "disconnect": {"id": account},
            "delete_brand": {"id": ann.brand, **forced},
            "delete_workspace": {"id": ann.workspace, **forced},
        }
        (await door.call(ann, removal, **named[removal])).ok  # noqa: B018 - or it fails here

    async def play() -> None:
        ann = await api.person("Ann")
        accounts = [await ann.account(handle=f"gone-{ann.brand[-8:]}-{i}") for i in range(2)]
        crowd = [write(ann, *move) for move in await moves(ann, accounts)]
        crowd.insert(dice.randrange(len(crowd)), remove(ann, accounts[0]))
        await asyncio.gather(*crowd)
        assert await house.value(LEFT, ann.workspace) == 0

    for _ in range(ROUNDS // 2):
        await asyncio.gather(play(), play())

    assert told[True]
    assert told[False]
