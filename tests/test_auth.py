"""Signing up, in and out; the access token; the refresh token and who may not steal it."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import jwt
import pytest

from mypost.permissions import Permission
from tests.client import PASSWORD, Api, Person
from tests.conftest import House
from tests.doors import Door

COOKIE = "mypost_refresh"
TABLES = "SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM sessions s"


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def from_our_page(house: House) -> dict[str, str]:
    return {"origin": house.settings.origin, "x-requested-with": "mypost"}


async def works(api: Api, token: str) -> bool:
    """Whether an access token is taken; anything but yes and 401 is an error of ours."""
    answer = await api.rest("GET", "/auth/me", token=token)
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


async def refresh(api: Api, token: str) -> httpx2.Response:
    return await api.rest("POST", "/auth/refresh", {"refreshToken": token})


async def test_registering_answers_what_logging_in_answers(api: Api) -> None:
    given = {"email": "Zoe@Example.com", "password": PASSWORD, "name": " Zoe "}

    registered = await api.rest("POST", "/auth/register", {**given, "refreshTokenIn": "body"})
    login = {"email": "zoe@example.com", "password": PASSWORD, "refreshTokenIn": "body"}
    signed_in = await api.rest("POST", "/auth/login", login)

    assert registered.status_code == 201
    assert registered.headers["location"] == "/api/v1/auth/me"
    assert signed_in.status_code == 200
    for body in (registered.json(), signed_in.json()):
        assert body.keys() == {
            "accessToken", "expiresIn", "refreshToken", "refreshExpiresIn", "user",
        }  # fmt: skip
        assert body["expiresIn"] == 900
        assert body["refreshExpiresIn"] == 30 * 86400
        assert {k: body["user"][k] for k in ("email", "name")} == {
            "email": "zoe@example.com",
            "name": "Zoe",
        }
        assert await works(api, body["accessToken"])


async def test_a_workspace_is_made_when_it_is_named(door: Door, api: Api) -> None:
    for number, name in enumerate((None, "Corner Bakery")):
        email = f"{door.name}-{number}@bakery.example"
        given = {"email": email, "password": PASSWORD, "name": "Bo", "refreshTokenIn": "body"}
        named = {} if name is None else {"workspaceName": name}

        body = (await door.call(None, "register", **given, **named)).ok

        me = (await api.rest("GET", "/auth/me", token=body["accessToken"])).json()
        assert [w["name"] for w in me["workspaces"]] == ([] if name is None else [name])
        assert [w["role"]["name"] for w in me["workspaces"]] == ([] if name is None else ["Owner"])


async def test_an_address_registers_once(door: Door, house: House, ann: Person) -> None:
    before = await house.digest()

    for email in (ann.email, ann.email.upper()):
        answer = await door.call(
            None, "register", email=email, password=PASSWORD, name="Ann", workspaceName="Other"
        )
        assert answer.code == "VALIDATION_ERROR"
        assert answer.details == (("email", "This address is taken"),)

    assert await house.digest() == before


async def test_every_faulty_field_of_a_registration_is_named(door: Door, house: House) -> None:
    before = await house.digest()

    answer = await door.call(
        None, "register", email="no-address", password="short", name="  ", workspaceName="w" * 101
    )

    assert answer.code == "VALIDATION_ERROR"
    assert answer.paths == {"email", "password", "name", "workspaceName"}
    assert await house.digest() == before


@pytest.mark.parametrize("password", ["Password123", "qwertyuiop", "x" * 7, "x" * 129])
async def test_a_weak_password_is_refused(door: Door, house: House, password: str) -> None:
    before = await house.digest()

    answer = await door.call(
        None, "register", email="weak@example.com", password=password, name="W"
    )

    assert answer.paths == {"password"}
    assert await house.digest() == before


async def test_the_address_is_written_in_any_case(door: Door, ann: Person) -> None:
    body = (await door.call(None, "login", email=ann.email.upper(), password=PASSWORD)).ok

    assert body["user"]["id"] == ann.id


async def test_nobody_learns_whether_an_address_is_known(api: Api, ann: Person) -> None:
    answers = []
    for email, password in ((ann.email, "wrong password"), ("nobody@example.com", PASSWORD)):
        given = {"email": email, "password": password}
        by_rest = await api.rest("POST", "/auth/login", given)
        text = "mutation($i: LoginInput!) { login(input: $i) { accessToken } }"
        by_graphql = await api.gql(text, {"i": given})
        assert by_rest.status_code == 401
        body = by_rest.json()
        assert body["error"].pop("requestId") != by_graphql["errors"][0]["extensions"].pop(
            "requestId"
        )
        vary = {"date", "x-request-id"}
        headers = {k: v for k, v in by_rest.headers.items() if k not in vary}
        answers.append((body, headers, by_graphql))

    assert answers[0] == answers[1]
    assert answers[0][2]["errors"][0]["extensions"]["code"] == "UNAUTHORIZED"


async def test_the_published_key_verifies_the_access_token(api: Api, ann: Person) -> None:
    answer = await api.http.get("/.well-known/jwks.json")
    (published,) = answer.json()["keys"]

    token = jwt.decode_complete(
        ann.token,
        jwt.PyJWK(published),
        algorithms=["EdDSA"],
        audience="mypost-api",
        issuer="mypost",
        options={"require": ["exp", "iat", "iss", "aud", "sub", "sid", "jti"]},
    )

    assert token["header"] == {"alg": "EdDSA", "typ": "at+jwt", "kid": published["kid"]}
    claims = token["payload"]
    assert claims["exp"] - claims["iat"] == 900
    assert claims["sub"] == ann.id
    assert claims.keys() == {"iss", "aud", "sub", "sid", "jti", "iat", "exp"}  # no roles
    assert "d" not in published


async def test_an_access_token_ends_after_fifteen_minutes(moved: House, api: Api) -> None:
    ann = await api.person("Ann", workspace=False)

    await moved.shift(timedelta(seconds=890))
    assert await works(api, ann.token)
    await moved.shift(timedelta(seconds=901))
    assert not await works(api, ann.token)


async def test_me_is_who_i_am_and_what_i_may_do(api: Api, ann: Person) -> None:
    await api.house.owner.execute("UPDATE users SET name = 'Ann A.' WHERE id = $1", ann.id)
    editor = await api.colleague(ann, "Editor")

    me = (await editor.rest("GET", "/auth/me")).json()
    said = await ann.gql(
        "{ viewer { id email name timezone workspaces { id name role { id name } permissions } } }"
    )

    assert me.keys() == {"id", "email", "name", "timezone", "workspaces"}
    assert (me["id"], me["email"], me["timezone"]) == (editor.id, editor.email, "UTC")
    (place,) = me["workspaces"]
    assert place.keys() == {"id", "name", "role", "permissions"}
    assert (place["id"], place["name"]) == (ann.workspace, "Ann's")
    assert place["role"].keys() == {"id", "name"}
    assert place["role"]["name"] == "Editor"
    assert place["permissions"] == [
        "analytics.view", "media.upload", "posts.create", "posts.edit", "posts.schedule",
    ]  # fmt: skip
    (owned,) = said["data"]["viewer"]["workspaces"]
    assert set(owned["permissions"]) == {p.name for p in Permission}


async def test_a_refresh_token_is_exchanged_for_a_new_pair(
    door: Door, api: Api, ann: Person
) -> None:
    first = (await door.call(None, "refresh", refreshToken=ann.refresh_token)).ok
    second = (await door.call(None, "refresh", refreshToken=first["refreshToken"])).ok

    assert len({ann.refresh_token, first["refreshToken"], second["refreshToken"]}) == 3
    assert first["expiresIn"] == 900
    for token in (ann.token, first["accessToken"], second["accessToken"]):
        assert await works(api, token)
        assert claims_of(token)["sid"] == claims_of(ann.token)["sid"]


async def test_a_repeated_refresh_gets_a_fresh_successor_and_the_old_one_dies(
    api: Api, ann: Person
) -> None:
    lost = (await refresh(api, ann.refresh_token)).json()["refreshToken"]

    again = await refresh(api, ann.refresh_token)

    assert again.status_code == 200
    assert (await refresh(api, lost)).status_code == 401
    assert (await refresh(api, again.json()["refreshToken"])).status_code == 200
    assert await works(api, ann.token)


async def test_a_refresh_token_seen_again_later_ends_the_whole_family(
    moved: House, api: Api, ann: Person
) -> None:
    login = {"email": ann.email, "password": PASSWORD, "refreshTokenIn": "body"}
    elsewhere = (await api.rest("POST", "/auth/login", login)).json()
    renewed = (await refresh(api, ann.refresh_token)).json()
    await moved.shift(timedelta(seconds=11))

    assert (await refresh(api, ann.refresh_token)).status_code == 401

    assert not await works(api, ann.token)
    assert not await works(api, renewed["accessToken"])
    assert (await refresh(api, renewed["refreshToken"])).status_code == 401
    assert await works(api, elsewhere["accessToken"])
    sid = claims_of(ann.token)["sid"]
    assert await moved.value("SELECT revoked_why FROM sessions WHERE id = $1", sid) == "reuse"


async def test_a_refresh_token_whose_successor_was_used_is_theft_at_once(
    api: Api, ann: Person
) -> None:
    heir = (await refresh(api, ann.refresh_token)).json()["refreshToken"]
    live = (await refresh(api, heir)).json()

    assert (await refresh(api, ann.refresh_token)).status_code == 401

    assert (await refresh(api, live["refreshToken"])).status_code == 401
    assert not await works(api, live["accessToken"])


async def test_a_refresh_token_ends_after_thirty_idle_days(
    moved: House, api: Api, ann: Person
) -> None:
    await moved.shift(timedelta(days=30, seconds=1))

    assert (await refresh(api, ann.refresh_token)).status_code == 401


@pytest.mark.parametrize("token", ["", "x", "x" * 201, "\u0000", "é", None, 7])
async def test_nonsense_is_no_refresh_token(api: Api, token: object) -> None:
    answer = await api.rest("POST", "/auth/refresh", {"refreshToken": token})

    assert answer.status_code in (400, 401)


async def test_only_the_hash_of_a_refresh_token_is_stored(house: House, ann: Person) -> None:
    for table in ("refresh_tokens", "sessions", "users"):
        sql = f"SELECT count(*) FROM {table} t WHERE strpos(t::text, $1) > 0"
        assert await house.value(sql, ann.refresh_token) == 0
        assert await house.value(sql, ann.refresh_token.encode().hex()) == 0


async def test_twenty_refreshes_at_once_log_nobody_out(
    house: House, api: Api, ann: Person
) -> None:
    answers = await asyncio.gather(*(refresh(api, ann.refresh_token) for _ in range(20)))

    assert {a.status_code for a in answers} <= {200, 401}
    pairs = [a.json() for a in answers if a.status_code == 200]
    assert pairs
    assert all([await works(api, pair["accessToken"]) for pair in pairs])
    sid = claims_of(ann.token)["sid"]
    assert await house.value("SELECT revoked_at FROM sessions WHERE id = $1", sid) is None
    alive = (
        "SELECT count(*) FROM refresh_tokens WHERE session_id = $1 AND used_at IS NULL"
        " AND expires_at > mypost_now()"
    )
    assert await house.value(alive, sid) == 1
    next_time = [(await refresh(api, pair["refreshToken"])).status_code for pair in pairs]
    assert next_time.count(200) == 1


async def test_a_browser_gets_the_refresh_token_as_a_cookie_it_cannot_read(
    api: Api, ann: Person
) -> None:
    answer = await api.rest("POST", "/auth/login", {"email": ann.email, "password": PASSWORD})

    assert "refreshToken" not in answer.json()
    said = answer.headers["set-cookie"].lower().split("; ")
    assert said[0].startswith(f"{COOKIE}=")
    assert {"httponly", "samesite=strict", "path=/api/v1/auth"} <= set(said)


async def test_the_cookie_refreshes_from_an_allowed_page(
    house: House, api: Api, ann: Person
) -> None:
    await api.rest("POST", "/auth/login", {"email": ann.email, "password": PASSWORD})
    first = api.http.cookies[COOKIE]

    answer = await api.rest("POST", "/auth/refresh", headers=from_our_page(house))

    assert answer.status_code == 200
    assert answer.json().keys() == {"accessToken", "expiresIn"}
    assert api.http.cookies[COOKIE] != first
    assert await works(api, answer.json()["accessToken"])


@pytest.mark.parametrize("path", ["refresh", "logout"])
@pytest.mark.parametrize(
    "missing", [{"origin"}, {"x-requested-with"}, {"origin", "x-requested-with"}, set()]
)
async def test_the_cookie_counts_from_nowhere_else(
    house: House, api: Api, ann: Person, path: str, missing: set[str]
) -> None:
    await api.rest("POST", "/auth/login", {"email": ann.email, "password": PASSWORD})
    headers = {k: v for k, v in from_our_page(house).items() if k not in missing}
    if not missing:
        headers["origin"] = "https://evil.example"
    before = await house.value(TABLES)

    answer = await api.rest("POST", f"/auth/{path}", headers=headers)

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "FORBIDDEN"
    assert await house.value(TABLES) == before


async def test_logging_out_ends_the_session_at_once(api: Api, ann: Person) -> None:
    assert await works(api, ann.token)

    answer = await ann.rest("POST", "/auth/logout")

    assert (answer.status_code, answer.content) == (204, b"")
    assert not await works(api, ann.token)
    said = await ann.gql("{ viewer { id } }")
    assert said["errors"][0]["extensions"]["code"] == "UNAUTHORIZED"
    assert (await refresh(api, ann.refresh_token)).status_code == 401


async def test_logging_out_twice_is_as_good_as_once(house: House, api: Api, ann: Person) -> None:
    body = {"refreshToken": ann.refresh_token}

    for _ in range(2):
        assert (await api.rest("POST", "/auth/logout", body)).status_code == 204
    for _ in range(2):
        assert (await ann.rest("POST", "/auth/logout")).status_code == 204
    assert (await api.rest("POST", "/auth/logout")).status_code == 204

    assert not await works(api, ann.token)


async def test_a_browser_logs_out_by_its_cookie(house: House, api: Api, ann: Person) -> None:
    given = {"email": ann.email, "password": PASSWORD}
    token = (await api.rest("POST", "/auth/login", given)).json()["accessToken"]

    answer = await api.rest("POST", "/auth/logout", headers=from_our_page(house))

    assert answer.status_code == 204
    assert COOKIE not in api.http.cookies
    assert not await works(api, token)
    assert await works(api, ann.token)


async def test_an_expired_access_token_does_not_stand_in_the_way(
    moved: House, api: Api, ann: Person
) -> None:
    await moved.shift(timedelta(seconds=901))
    login = {"email": ann.email, "password": PASSWORD}

    renewed = await ann.rest("POST", "/auth/refresh", {"refreshToken": ann.refresh_token})
    signed_in = await ann.rest("POST", "/auth/login", login)
    out = await ann.rest("POST", "/auth/logout", {"refreshToken": renewed.json()["refreshToken"]})

    assert (renewed.status_code, signed_in.status_code, out.status_code) == (200, 200, 204)
    assert not await works(api, renewed.json()["accessToken"])
    assert await works(api, signed_in.json()["accessToken"])
