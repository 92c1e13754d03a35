"""Letters about outcomes: one for each, to whom it concerns, unless he does not want them."""

from collections.abc import AsyncIterator

import pytest

from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Door
from tests.test_invitations import Post

ALL = {"postFailed": True, "postNeedsConfirmation": True, "accountNeedsReauth": True}


@pytest.fixture
async def box(house: House) -> AsyncIterator[Post]:
    async with Post.open(house) as opened:
        yield opened


async def publish(house: House, who: Person, *accounts: str, **given: str) -> str:
    id: str = (await who.post(*accounts, **given))["id"]
    await who.rest("POST", f"/posts/{id}/publish")
    await house.work()
    return id


async def unsent(house: House) -> int:
    return int(await house.value("SELECT count(*) FROM mails"))


async def test_an_author_hears_that_his_post_failed_and_why(
    house: House, ann: Person, box: Post
) -> None:
    account = await ann.account("rejected", "picky-bakery")

    id = await publish(house, ann, account, content="Fresh {bread}\nevery day")
    await box.work()
    await box.work()

    (letter,) = box.letters
    assert (letter["To"], letter["Subject"]) == (
        ann.email, "A post of Ann's brand was not published",
    )  # fmt: skip
    text = letter.get_content()
    assert text.splitlines()[2:4] == ["  Fresh {bread}", "  every day"]
    assert "(sandbox): " in text
    assert f"{house.settings.origin}/#/post/{id}" in text
    assert "switch such letters off" in text
    left = await house.owner.fetch("SELECT body, notice, sent_at FROM mails")
    assert [(m.body, m.notice, m.sent_at is None) for m in left] == [(b"", None, False)]


async def test_what_goes_well_is_no_letter(house: House, ann: Person, box: Post) -> None:
    await publish(house, ann, await ann.account())

    assert await unsent(house) == 0


async def test_a_post_that_failed_in_part_says_where(house: House, ann: Person, box: Post) -> None:
    good = await ann.account("ok", "good-bakery")
    await publish(house, ann, good, await ann.account("rejected", "bad-bakery"))
    await box.work()

    (letter,) = box.letters
    assert letter["Subject"] == "A post of Ann's brand was not published everywhere"
    assert "Bad-Bakery" in letter.get_content()
    assert "Good-Bakery" not in letter.get_content()


async def test_an_author_is_asked_what_nobody_can_look_up_and_then_left_alone(
    house: House, ann: Person, box: Post
) -> None:
    id = await publish(house, ann, await ann.account("blind_lost"))
    await house.owner.execute(
        "UPDATE targets SET state = 'needs_confirmation', check_at = NULL,"
        ' error = \'{"message": "The answer was lost"}\''
        " WHERE post_id = $1 AND state = 'unknown'",
        id,
    )
    await box.work()
    (target,) = (await ann.rest("GET", f"/posts/{id}")).json()["targets"]
    assert target["status"] == "needs_confirmation"
    said = {"outcome": "not_published"}
    await ann.rest("POST", f"/posts/{id}/targets/{target['id']}/resolve", said)
    await box.work()

    (letter,) = box.letters
    assert letter["Subject"] == "Nobody can tell whether a post of Ann's brand was published"
    assert "say what you see there" in letter.get_content()


async def test_each_failure_is_one_letter(house: House, ann: Person, box: Post) -> None:
    id = await publish(house, ann, await ann.account("rejected"))
    (target,) = (await ann.rest("GET", f"/posts/{id}")).json()["targets"]
    for _ in range(2):
        await ann.rest("POST", f"/posts/{id}/targets/{target['id']}/retry")
        await house.work()

    assert await unsent(house) == 3


async def test_who_may_connect_hears_that_an_account_needs_it(
    house: House, api: Api, ann: Person, box: Post
) -> None:
    manager, editor = await api.colleague(ann, "Manager"), await api.colleague(ann, "Editor")
    account = await ann.account("expired", "locked-bakery")
    await ann.post(account, scheduledAt="2031-01-01T00:00:00Z")

    id = (await editor.post(account))["id"]
    await ann.rest("POST", f"/posts/{id}/publish")
    await house.work()
    await box.work()

    by_subject: dict[str, set[str]] = {}
    for letter in box.letters:
        by_subject.setdefault(letter["Subject"], set()).add(letter["To"])
        if "connected" in letter["Subject"]:
            assert "1 scheduled posts wait" in letter.get_content()
            assert account in letter.get_content()
    again = next(s for s in by_subject if s.endswith("has to be connected again"))
    assert by_subject.pop(again) == {ann.email, manager.email}
    assert list(by_subject.values()) == [{editor.email}]


@pytest.mark.parametrize("left", [True, False])
async def test_who_has_left_gets_no_letter(
    house: House,
    api: Api,
    ann: Person,
    box: Post,
    left: bool,
) -> None:
    """Whoever scheduled his post does."""
    editor = await api.colleague(ann, "Editor")
    id = (await editor.post(await ann.account("rejected")))["id"]
    await ann.rest("POST", f"/posts/{id}/publish")
    if left:
        await ann.rest("DELETE", f"/workspaces/{ann.workspace}/users/{editor.id}")
    await house.work()
    await box.work()

    assert [letter["To"] for letter in box.letters] == [ann.email if left else editor.email]


async def test_letters_are_switched_off_one_kind_at_a_time(
    house: House, door: Door, ann: Person, box: Post
) -> None:
    off = (await door.call(ann, "update_viewer", notifications={"postFailed": False})).ok
    assert off["notifications"] == {**ALL, "postFailed": False}
    await publish(house, ann, await ann.account("rejected"))
    assert await unsent(house) == 0

    given = {"postFailed": True, "accountNeedsReauth": False}
    told = (await door.call(ann, "update_viewer", notifications=given)).ok
    assert told["notifications"] == {**ALL, "accountNeedsReauth": False}
    me = (await ann.rest("GET", "/auth/me")).json()
    assert me["notifications"] == told["notifications"]
    await publish(house, ann, await ann.account("expired"))
    kinds = await house.owner.fetch("SELECT notice ->> 'kind' AS kind FROM mails")
    assert [m.kind for m in kinds] == ["post.failed"]


async def test_a_faulty_switch_changes_nothing(house: House, ann: Person) -> None:
    before = await house.digest()

    for given in ({"postFailed": "no"}, {"everything": False}, []):
        answer = await ann.rest("PATCH", "/auth/me", {"name": "New", "notifications": given})
        assert answer.status_code == 400, given

    assert await house.digest() == before
