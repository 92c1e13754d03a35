"""Guessing passwords: ten tries for an e-mail, thirty from an address, in a quarter of an hour."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from mypost.models.base import Db
from tests.client import PASSWORD, Api, Person
from tests.conftest import House
from tests.doors import Answer, Door
from tests.test_team import role_of

QUARTER = timedelta(minutes=15)
WRONG = "wrong password"
SESSIONS = "SELECT count(*) FROM sessions"


@pytest.fixture(autouse=True)
async def guarded(moved: House) -> AsyncIterator[House]:
    """The house with the throttle that people meet, and nobody has tried yet."""
    throttle = moved.services.throttle
    await moved.owner.execute("DELETE FROM attempts")
    before, throttle.per_address = throttle.per_address, 30
    yield moved
    throttle.per_address = before
    await moved.owner.execute("DELETE FROM attempts")


async def login(door: Door, email: str, password: str = WRONG) -> Answer:
    return await door.call(None, "login", email=email, password=password, refreshTokenIn="body")


async def register(door: Door, email: str) -> Answer:
    given = {"email": email, "password": PASSWORD, "name": "Zoe", "refreshTokenIn": "body"}
    return await door.call(None, "register", **given)


@pytest.mark.parametrize("known", [True, False])
async def test_an_eleventh_guess_is_refused_whoever_it_is_for(
    door: Door, guarded: House, ann: Person, known: bool
) -> None:
    email = ann.email if known else "nobody@example.com"
    guesses = [await login(door, spelled) for spelled in (email, email.upper()) * 5]
    before, sessions = await guarded.digest(), await guarded.value(SESSIONS)

    refused = [await login(door, email), await login(door, email, PASSWORD)]

    assert {answer.code for answer in guesses} == {"UNAUTHORIZED"}
    assert {answer.code for answer in refused} == {"RATE_LIMITED"}
    assert (await guarded.digest(), await guarded.value(SESSIONS)) == (before, sessions)


async def test_known_and_unknown_are_refused_in_the_same_words(api: Api, ann: Person) -> None:
    answered = []
    for email in (ann.email, "nobody@example.com"):
        tries = [await api.rest("POST", "/auth/login", given(email)) for _ in range(12)]
        answered.append([(a.status_code, a.json()["error"]["code"]) for a in tries])
        last = tries[-1]
        assert 890 < int(last.headers["retry-after"]) <= 900
        assert last.json()["error"]["message"] == (
            f"Too many attempts: try again in {last.headers['retry-after']} s"
        )

    assert answered[0] == answered[1]
    assert answered[0] == [(401, "UNAUTHORIZED")] * 10 + [(429, "RATE_LIMITED")] * 2


def given(email: str, password: str = WRONG) -> dict[str, str]:
    return {"email": email, "password": password}


async def test_by_graphql_the_status_and_the_wait_are_told_as_well(api: Api, ann: Person) -> None:
    text = "mutation($i: LoginInput!) { login(input: $i) { accessToken } }"
    body = {"query": text, "variables": {"i": given(ann.email)}}
    tries = [await api.http.post("/graphql", json=body) for _ in range(11)]

    assert [answer.status_code for answer in tries] == [200] * 10 + [429]
    (error,) = tries[-1].json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert str(error["extensions"]["retryAfter"]) == tries[-1].headers["retry-after"]


async def test_who_waits_as_told_may_try_again(guarded: House, api: Api, ann: Person) -> None:
    for minute in range(10):
        await guarded.shift(timedelta(minutes=minute))
        await api.rest("POST", "/auth/login", given(ann.email))
    refused = await api.rest("POST", "/auth/login", given(ann.email, PASSWORD))
    wait = timedelta(seconds=int(refused.headers["retry-after"]))
    assert timedelta(minutes=5, seconds=50) < wait <= timedelta(minutes=6)

    await guarded.shift(timedelta(minutes=9) + wait - timedelta(seconds=10))
    early = await api.rest("POST", "/auth/login", given(ann.email, PASSWORD))
    await guarded.shift(timedelta(minutes=9) + wait)
    in_time = await api.rest("POST", "/auth/login", given(ann.email, PASSWORD))

    assert (refused.status_code, early.status_code, in_time.status_code) == (429, 429, 200)


async def test_who_gets_in_begins_anew(door: Door, ann: Person) -> None:
    for _ in range(3):
        for _ in range(9):
            assert (await login(door, ann.email)).code == "UNAUTHORIZED"
        assert (await login(door, ann.email, PASSWORD)).code is None


async def test_an_address_is_not_let_off_by_an_account_of_its_own(
    door: Door, ann: Person, eve: Person
) -> None:
    tries = []
    for number in range(30):
        tries.append(await login(door, f"victim-{number}@example.com"))
        if number % 5 == 0:
            assert (await login(door, eve.email, PASSWORD)).code is None

    assert {answer.code for answer in tries} == {"UNAUTHORIZED"}
    assert (await login(door, ann.email, PASSWORD)).code == "RATE_LIMITED"
    assert (await register(door, "new@example.com")).code == "RATE_LIMITED"


async def test_a_crowd_that_signs_in_from_one_address_is_let_in(door: Door, api: Api) -> None:
    people = [await api.person("Member", workspace=False) for _ in range(35)]

    answered = [await login(door, person.email, PASSWORD) for person in people]

    assert {answer.code for answer in answered} == {None}


async def test_registering_is_counted_as_well(door: Door, guarded: House, ann: Person) -> None:
    taken = [await register(door, ann.email) for _ in range(10)]
    before = await guarded.digest()
    refused = await register(door, ann.email)
    others = [await register(door, f"{door.name}-{n}@example.com") for n in range(21)]

    assert {answer.code for answer in taken} == {"VALIDATION_ERROR"}
    assert refused.code == "RATE_LIMITED"
    assert before != await guarded.digest()
    assert [answer.code for answer in others] == [None] * 20 + ["RATE_LIMITED"]


async def test_guesses_side_by_side_are_counted_one_by_one(api: Api, ann: Person) -> None:
    answered = await asyncio.gather(
        *(api.rest("POST", "/auth/login", given(ann.email)) for _ in range(25))
    )

    codes = sorted(answer.status_code for answer in answered)
    assert codes == [401] * 10 + [429] * 15


async def test_the_password_of_a_session_cannot_be_guessed_either(
    guarded: House, ann: Person
) -> None:
    body = {"current": WRONG, "new": "another good phrase"}
    guesses = [await ann.rest("POST", "/auth/password", body) for _ in range(10)]
    before = await guarded.digest()

    refused = await ann.rest("POST", "/auth/password", {**body, "current": PASSWORD})

    assert {answer.status_code for answer in guesses} == {400}
    assert refused.status_code == 429
    assert await guarded.digest() == before


async def test_a_letterbox_is_not_flooded(door: Door, guarded: House, ann: Person) -> None:
    async def letters(email: str) -> list[Answer]:
        return [await door.call(None, "forgot", email=email) for _ in range(11)]

    known, unknown = await letters(ann.email), await letters("nobody@example.com")

    assert [answer.code for answer in known] == [None] * 10 + ["RATE_LIMITED"]
    assert [answer.code for answer in unknown] == [answer.code for answer in known]
    assert await guarded.value("SELECT count(*) FROM mails WHERE address = $1", ann.email) == 10
    # Who has forgotten his password may still try it.
    assert (await login(door, ann.email, PASSWORD)).code is None


async def test_without_redis_guesses_are_counted_all_the_same(
    guarded: House, api: Api, ann: Person
) -> None:
    limiter = guarded.services.limiter
    right, limiter._url = limiter._url, "redis://127.0.0.1:1"
    limiter._leave("a test")

    tries = [await api.rest("POST", "/auth/login", given(ann.email)) for _ in range(11)]

    limiter._url = right
    await limiter._join()
    assert [answer.status_code for answer in tries] == [401] * 10 + [429]


async def test_nobodys_email_is_kept_and_nothing_is_kept_for_long(
    guarded: House, api: Api, ann: Person
) -> None:
    for _ in range(3):
        await api.rest("POST", "/auth/login", given(ann.email))
    kept = await guarded.owner.fetch("SELECT a::text AS said FROM attempts a")
    assert len(kept) == 6
    assert not any("ann" in row.said or "127.0.0.1" in row.said for row in kept)

    await guarded.shift(QUARTER)
    await api.rest("POST", "/auth/login", given("nobody@example.com"))
    assert await guarded.value("SELECT count(*) FROM attempts") == 2


async def test_the_application_reaches_attempts_by_its_functions_only(guarded: House) -> None:
    db = Db(guarded.services.pool)
    for text in ("SELECT 1 FROM attempts", "DELETE FROM attempts"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.value(text)


async def test_what_cannot_be_an_email_counts_for_nobody(guarded: House, door: Door) -> None:
    answer: Any = await login(door, "no-address")

    assert answer.code == "VALIDATION_ERROR"
    assert await guarded.value("SELECT count(*) FROM attempts") == 0


async def test_nobody_is_written_to_without_end(
    door: Door, guarded: House, ann: Person, eve: Person
) -> None:
    """Five letters for one address, whichever workspaces they are from."""
    guarded.services.throttle.per_recipient = 5
    try:
        rounds = [await invited(door, who, "victim@example.com") for who in (ann, eve)]
        for made in rounds * 2:
            last = await door.call(made[0], "resend_invitation", id=made[1])
        before = await guarded.digest()
        assert last.code == "RATE_LIMITED"
        assert (await door.call(rounds[0][0], "resend_invitation", id=rounds[0][1])).code == (
            "RATE_LIMITED"
        )
        assert await guarded.digest() == before
        await invited(door, ann, "other@example.com")
        await guarded.shift(QUARTER)
        ann, eve = await ann.api.again(ann), await ann.api.again(eve)
        assert (await door.call(eve, "resend_invitation", id=rounds[1][1])).code is None
    finally:
        guarded.services.throttle.per_recipient = 1_000_000


async def invited(door: Door, who: Person, email: str) -> tuple[Person, str]:
    """Who has invited an address, and the invitation."""
    given = {"workspaceId": who.workspace, "roleId": await role_of(who, "Editor")}
    return who, (await door.call(who, "invite_user", email=email, **given)).ok["id"]
