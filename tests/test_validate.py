"""Validating a post: every fault is told, and nothing is written."""

from typing import Any

from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Door
from tests.test_posts import at, refused, write


async def look(door: Door, who: Person, *accounts: str, **given: Any) -> dict[str, Any]:
    new = {"brandId": who.brand, "content": "Hello", "targetAccountIds": list(accounts)}
    return (await door.call(who, "validate_post", **{**new, **given})).ok


async def test_a_post_that_would_go_out_is_valid(door: Door, ann: Person) -> None:
    account = await ann.account()

    said = await look(door, ann, account, content="👨‍👩‍👧!", scheduledAt=at(hours=1))

    assert said == {
        "valid": True,
        "faults": [],
        "targets": [
            {
                "accountId": account, "network": "sandbox", "valid": True, "faults": [],
                "counts": [
                    {"unit": "graphemes", "count": 2, "min": 1, "max": 500, "fits": True},
                    {"unit": "media", "count": 0, "min": 0, "max": 4, "fits": True},
                ],
            }
        ],
    }  # fmt: skip


async def test_every_fault_is_told_at_its_target(
    house: House, door: Door, ann: Person, eve: Person
) -> None:
    fine, wordy, gone = [await ann.account() for _ in range(3)]
    foreign = await eve.account()
    await door.call(ann, "disconnect", id=gone)
    targets = [
        {"accountId": wordy, "content": "x" * 501, "options": {"mood": "good"}},
        {"accountId": foreign},
    ]
    before = await house.digest()

    known = await look(door, ann, fine, wordy, gone, targets=targets, scheduledAt=at(days=-1))
    said = await look(door, ann, fine, foreign, content="", mediaIds=[fine])

    assert await house.digest() == before
    assert {(f["path"], f["code"]) for f in known["faults"]} == {
        ("targets.0.content", "TOO_LONG"), ("targets.0.options.mood", "INVALID"),
        ("targets.1.accountId", "NOT_FOUND"), ("scheduledAt", "IN_THE_PAST"),
        ("targetAccountIds.2", "INVALID_STATE"),
    }  # fmt: skip
    assert [(t["accountId"], t["valid"], {f["path"] for f in t["faults"]})
            for t in known["targets"]] == [
        (fine, True, set()),
        (wordy, False, {"targets.0.content", "targets.0.options.mood"}),
        (gone, False, {"targetAccountIds.2"}),
    ]  # fmt: skip
    assert {f["path"] for f in said["faults"]} == {"content", "targetAccountIds.1", "mediaIds.0"}
    assert not known["valid"]
    assert not said["valid"]


async def test_an_unknown_account_hides_no_fault_of_another(
    house: House, door: Door, ann: Person, eve: Person
) -> None:
    fine, gone, foreign = await ann.account(), await ann.account(), await eve.account()
    await door.call(ann, "disconnect", id=gone)
    before = await house.digest()

    said = await look(door, ann, fine, fine, gone, foreign)
    refused_ = await write(door, ann, fine, fine, gone, foreign, scheduledAt=at(hours=1))

    assert await house.digest() == before
    found = {("targetAccountIds.2", "INVALID_STATE"), ("targetAccountIds.3", "NOT_FOUND")}
    assert {(f["path"], f["code"]) for f in said["faults"]} == found
    assert [(t["accountId"], t["valid"]) for t in said["targets"]] == [(fine, True), (gone, False)]
    assert {path for path, _ in found} == set(refused_.paths)


async def test_what_validating_says_is_what_creating_says(
    house: House, door: Door, ann: Person
) -> None:
    account = await ann.account()
    for given in (
        {"content": ""},
        {"content": "x" * 501, "scheduledAt": at(days=-1)},
        {"targets": [{"accountId": account, "options": {"visibility": "no"}}]},
    ):
        said = await look(door, ann, account, **given)
        refusal = await write(door, ann, account, **given)
        assert {(f["path"], f["message"]) for f in said["faults"]} == set(refusal.details)


async def test_a_time_is_told_to_want_an_approval_as_scheduling_says(
    house: House, door: Door, ann: Person
) -> None:
    account, settings = await ann.account(), {"approvalRequired": True}
    await door.call(ann, "update_workspace", id=ann.workspace, settings=settings)
    before = await house.digest()

    timed = await look(door, ann, account, scheduledAt=at(hours=1))
    draft = await look(door, ann, account)
    refusal = await write(door, ann, account, scheduledAt=at(hours=1))

    assert await house.digest() == before
    (told,) = timed["faults"]
    assert (told["code"], refusal.code) == ("INVALID_STATE", "CONFLICT")
    assert told["message"].startswith("This workspace demands approval")
    assert (timed["valid"], draft["valid"], draft["faults"]) == (False, True, [])


async def test_nowhere_to_go_is_a_fault(door: Door, ann: Person) -> None:
    said = await look(door, ann)

    assert [(f["path"], f["code"]) for f in said["faults"]] == [("targetAccountIds", "REQUIRED")]
    assert said["targets"] == []


async def test_who_may_not_write_may_not_ask(
    house: House, door: Door, api: Api, ann: Person, eve: Person
) -> None:
    analyst = await api.colleague(ann, "Analyst")
    given = {"brandId": ann.brand, "content": "x", "targetAccountIds": []}

    await refused(house, door, analyst, "validate_post", "FORBIDDEN", **given)
    await refused(house, door, eve, "validate_post", "NOT_FOUND", **given)
