"""Signing up, in and out; the access token; the refresh token and who may not steal it."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from mypost.permissions import Permission
from tests.client import PASSWORD, Api, Person
from tests.conftest import House
from tests.doors import Door

COOKIE = "mypost_refresh"
SESSIONS = "SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM sessions s"


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
    given = {"email": "Zoe@Example.com", "password": PASSWORD, "refreshTokenIn": "body"}

    registered = await api.rest("POST", "/auth/register", {**given, "name": " Zoe "})
    signed_in = await api.rest("POST", "/auth/login", given)

    assert (registered.status_code, signed_in.status_code) == (201, 200)
    assert registered.headers["location"] == "/api/v1/auth/me"
    for body in (registered.json(), signed_in.json()):
        assert len({body.pop("refreshToken"), body["accessToken"]}) == 2
        assert await works(api, body.pop("accessToken"))
        user = body.pop("user")
        assert (user["email"], user["name"]) == ("zoe@example.com", "Zoe")
        assert body == {"expiresIn": 900, "refreshExpiresIn": 30 * 86400}


@pytest.mark.parametrize("named", [{}, {"workspaceName": "Corner Bakery"}])
async def test_a_workspace_is_made_when_it_is_named(
    door: Door, api: Api, named: dict[str, str]
) -> None:
    email = f"{door.name}-{len(named)}@bakery.example"

    body = (
        await door.call(None, "register", email=email, password=PASSWORD, name="Bo", **named)
    ).ok

    me = (await api.rest("GET", "/auth/me", token=body["accessToken"])).json()
    found = [(w["name"], w["role"]["name"]) for w in me["workspaces"]]
    assert found == [(name, "Owner") for name in named.values()]


async def test_an_address_registers_once(door: Door, house: House, ann: Person) -> None:
    before = await house.digest()

    for email in (ann.email, ann.email.upper()):
        given = {"email": email, "password": PASSWORD, "name": "Ann", "workspaceName": "Other"}
        answer = await door.call(None, "register", **given)
        assert answer.code == "VALIDATION_ERROR"
        assert answer.details == (("email", "This address is taken"),)

    assert await house.digest() == before


@pytest.mark.parametrize("password", ["Password123", "qwertyuiop", "x" * 7, "x" * 129])
async def test_every_faulty_field_of_a_registration_is_named(
    door: Door, house: House, password: str
) -> None:
    before = await house.digest()

    given = {"email": "no-address", "password": password, "name": "  ", "workspaceName": "w" * 101}
    answer = await door.call(None, "register", **given)

    assert answer.code == "VALIDATION_ERROR"
    assert answer.paths == set(given)
    assert await house.digest() == before


async def test_nobody_learns_whether_an_address_is_known(api: Api, ann: Person) -> None:
    answers = []
    for email, password in ((ann.email, "wrong password"), ("nobody@example.com", PASSWORD)):
        given = {"email": email, "password": password}
        by_rest = await api.rest("POST", "/auth/login", given)
        text = "mutation($i: LoginInput!) { login(input: $i) { accessToken } }"
        by_graphql = await api.gql(text, {"i": given})
        own = ("date", "x-request-id", "ratelimit", "x-ratelimit-remaining")
        headers = {k: v for k, v in by_rest.headers.items() if k not in own}
        answers.append((by_rest.status_code, by_rest.json()["error"], headers, by_graphql))
        assert answers[-1][1].pop("requestId")
        assert by_graphql["errors"][0]["extensions"].pop("requestId")

    assert answers[0] == answers[1]
    assert answers[0][0] == 401
    assert answers[0][3]["errors"][0]["extensions"]["code"] == "UNAUTHORIZED"


async def test_the_published_key_verifies_the_access_token(api: Api, ann: Person) -> None:
    (published,) = (await api.http.get("/.well-known/jwks.json")).json()["keys"]

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


async def test_tokens_end_with_their_time(moved: House, api: Api, ann: Person) -> None:
    await moved.shift(timedelta(seconds=890))
    assert await works(api, ann.token)

    await moved.shift(timedelta(seconds=901))
    assert not await works(api, ann.token)
    await moved.shift(timedelta(days=30, seconds=1))
    assert (await refresh(api, ann.refresh_token)).status_code == 401


async def test_me_is_who_i_am_and_what_i_may_do(api: Api, ann: Person) -> None:
    editor = await api.colleague(ann, "Editor")
    login = {"email": editor.email, "password": PASSWORD}
    token = (await api.rest("POST", "/auth/login", login)).json()["accessToken"]

    me = (await api.rest("GET", "/auth/me", token=token)).json()
    said = await ann.gql("{ viewer { workspaces { permissions } } }")

    role = me["workspaces"][0]["role"].pop("id")
    name = "SELECT name FROM roles WHERE id = $1 AND workspace_id = $2"
    assert await api.house.value(name, role, ann.workspace) == "Editor"
    allowed = ["analytics.view", "media.upload", "posts.create", "posts.edit", "posts.schedule"]
    place = {"id": ann.workspace, "name": "Ann's", "role": {"name": "Editor"}}
    assert me == {
        "id": editor.id, "email": editor.email, "name": "Editor", "timezone": "UTC",
        "notifications": dict.fromkeys(
            ("postFailed", "postNeedsConfirmation", "accountNeedsReauth"), True
        ),
        "workspaces": [{**place, "permissions": allowed}],
    }  # fmt: skip
    (owned,) = said["data"]["viewer"]["workspaces"]
    assert set(owned["permissions"]) == {p.name for p in Permission}


async def test_a_refresh_token_is_exchanged_for_a_new_pair(
    door: Door, api: Api, ann: Person
) -> None:
    first = (await door.call(None, "refresh", refreshToken=ann.refresh_token)).ok
    second = (await door.call(None, "refresh", refreshToken=first["refreshToken"])).ok

    assert len({ann.refresh_token, first["refreshToken"], second["refreshToken"]}) == 3
    assert first["expiresIn"] == 900
    assert all([await works(api, pair["accessToken"]) for pair in (first, second)])
    assert await works(api, ann.token)


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


async def test_a_refresh_token_whose_successor_was_used_is_theft_at_once(
    api: Api, ann: Person
) -> None:
    heir = (await refresh(api, ann.refresh_token)).json()["refreshToken"]
    live = (await refresh(api, heir)).json()

    assert (await refresh(api, ann.refresh_token)).status_code == 401

    assert (await refresh(api, live["refreshToken"])).status_code == 401
    assert not await works(api, live["accessToken"])


async def test_twenty_refreshes_at_once_log_nobody_out(house: House, api: Api, ann: Person) -> None:
    # Over a second on a busy machine: forty connections, one session row.
    answers = await asyncio.gather(*(refresh(api, ann.refresh_token) for _ in range(20)))

    assert {a.status_code for a in answers} <= {200, 401}
    pairs = [a.json() for a in answers if a.status_code == 200]
    assert pairs
    assert await works(api, pairs[-1]["accessToken"])
    sid = claims_of(ann.token)["sid"]
    assert await house.value("SELECT revoked_at FROM sessions WHERE id = $1", sid) is None
    alive = (
        "SELECT count(*) FROM refresh_tokens WHERE session_id = $1 AND used_at IS NULL"
        " AND expires_at > mypost_now()"
    )
    assert await house.value(alive, sid) == 1
    next_time = [(await refresh(api, pair["refreshToken"])).status_code for pair in pairs]
    assert next_time.count(200) == 1


async def test_a_browser_refreshes_by_a_cookie_it_cannot_read(
    house: House, api: Api, ann: Person
) -> None:
    given = {"email": ann.email, "password": PASSWORD}
    login = await api.rest("POST", "/auth/login", given)
    first = api.http.cookies[COOKIE]
    answer = await api.rest("POST", "/auth/refresh", headers=from_our_page(house))

    said = login.headers["set-cookie"].lower().split("; ")
    assert {"httponly", "samesite=strict", "path=/api/v1/auth"} <= set(said)
    assert "refreshToken" not in login.json()
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
    before = await house.value(SESSIONS)

    answer = await api.rest("POST", f"/auth/{path}", headers=headers)

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "FORBIDDEN"
    assert await house.value(SESSIONS) == before


async def test_logging_out_ends_the_session_at_once_and_twice_is_as_good_as_once(
    api: Api, ann: Person
) -> None:
    assert await works(api, ann.token)

    for _ in range(2):
        answer = await ann.rest("POST", "/auth/logout")
        assert (answer.status_code, answer.content) == (204, b"")
        await refused(api, ann.token)

    body = {"refreshToken": ann.refresh_token}
    assert (await api.rest("POST", "/auth/logout", body)).status_code == 204
    assert (await api.rest("POST", "/auth/logout")).status_code == 204
    assert (await refresh(api, ann.refresh_token)).status_code == 401


async def test_a_browser_logs_out_by_its_cookie(house: House, api: Api, ann: Person) -> None:
    given = {"email": ann.email, "password": PASSWORD}
    token = (await api.rest("POST", "/auth/login", given)).json()["accessToken"]

    answer = await api.rest("POST", "/auth/logout", headers=from_our_page(house))

    assert (answer.status_code, COOKIE in api.http.cookies) == (204, False)
    assert (await works(api, token), await works(api, ann.token)) == (False, True)


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


def b64(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(key: Any, header: object, claims: object, algorithm: str = "EdDSA") -> str:
    """A token with any header and any claims, rightly signed by any key."""
    body = f"{b64(header)}.{b64(claims)}"
    scheme = jwt.get_algorithm_by_name(algorithm)
    return f"{body}.{b64(scheme.sign(body.encode(), key))}"


THIEF = Ed25519PrivateKey.generate()
THIEFS_KEY = OKPAlgorithm.to_jwk(THIEF.public_key(), as_dict=True)
LEFT_OUT = "left out"
# Rightly signed by us, but with one thing that is not as we sign it.
OUR_HEADERS = [
    {"typ": "JWT"}, {"typ": LEFT_OUT}, {"typ": 7}, {"kid": "other"}, {"kid": LEFT_OUT},
    {"kid": "../../dev/null"}, {"kid": 7}, {"crit": ["x"], "x": 1}, {"alg": "RS256"},
    {"alg": LEFT_OUT}, {"alg": ["EdDSA"]}, {"crit": ["b64"], "b64": False},
]  # fmt: skip
OUR_CLAIMS = [
    {"iss": "evil"}, {"iss": LEFT_OUT}, {"iss": 7}, {"aud": "other-api"}, {"aud": LEFT_OUT},
    {"aud": []}, {"exp": 1}, {"exp": "9999999999"}, {"exp": LEFT_OUT}, {"exp": None},
    {"exp": [1]}, {"exp": 9e99}, {"nbf": 9999999999}, {"nbf": "soon"}, {"iat": LEFT_OUT},
    {"sid": LEFT_OUT}, {"sid": "x"}, {"sid": 7}, {"sid": "0" * 36}, {"sub": LEFT_OUT}, {"sub": 7},
]  # fmt: skip
# Made by somebody who has a real token and the published key, but not ours.
FORGERIES: dict[str, Callable[[House, Person, dict, dict], str]] = {
    "no algorithm": lambda _, a, h, c: f"{b64({**h, 'alg': 'none'})}.{b64(c)}.",
    "nOnE": lambda _, a, h, c: f"{b64({**h, 'alg': 'nOnE'})}.{b64(c)}.{a.token.split('.')[2]}",
    "another key": lambda _, a, h, c: signed(THIEF, h, c),
    "jwk": lambda _, a, h, c: signed(THIEF, {**h, "jwk": THIEFS_KEY}, c),
    "jku": lambda _, a, h, c: signed(THIEF, {**h, "jku": "https://evil.example/jwks"}, c),
    "x5u": lambda _, a, h, c: signed(THIEF, {**h, "x5u": "https://evil.example/x"}, c),
    "public key as secret": lambda house, a, h, c: signed(
        house.keys.signing.public_key().public_bytes_raw(), {**h, "alg": "HS256"}, c, "HS256"
    ),
    "empty secret": lambda _, a, h, c: signed(b"", {**h, "alg": "HS256"}, c, "HS256"),
    "refresh token": lambda _, a, h, c: a.refresh_token,
    "truncated": lambda _, a, h, c: a.token[:-4],
    "no signature": lambda _, a, h, c: a.token.rpartition(".")[0] + ".",
    "two parts": lambda _, a, h, c: a.token.rpartition(".")[0],
    "four parts": lambda _, a, h, c: a.token + ".x",
    "other claims": lambda _, a, h, c: a.token.replace(a.token.split(".")[1], b64({**c, "x": 1})),
    "a list": lambda house, a, h, c: signed(house.keys.signing, h, [c]),
    "header a list": lambda house, a, h, c: signed(house.keys.signing, [h], c),
    "not JSON": lambda house, a, h, c: signed(house.keys.signing, h, b"\xff{"),
    "not base64": lambda *_: "!.!.!",
    "long": lambda *_: "x" * 20_000,
}


async def refused(api: Api, token: str) -> None:
    headers, asked = {"authorization": f"Bearer {token}"}, {"query": "{ viewer { id } }"}
    by_rest = await api.http.get("/api/v1/auth/me", headers=headers)
    by_graphql = await api.http.post("/graphql", json=asked, headers=headers)
    assert (by_rest.status_code, by_graphql.status_code) == (401, 401)
    assert by_graphql.json()["errors"][0]["extensions"]["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_token_is_refused(house: House, api: Api, ann: Person, name: str) -> None:
    header = jwt.get_unverified_header(ann.token)

    await refused(api, FORGERIES[name](house, ann, header, claims_of(ann.token)))


@pytest.mark.parametrize("fault", [*OUR_HEADERS, *OUR_CLAIMS], ids=str)
async def test_a_token_of_ours_with_a_fault_is_refused(
    house: House, api: Api, ann: Person, fault: dict[str, Any]
) -> None:
    parts = [jwt.get_unverified_header(ann.token), claims_of(ann.token)]
    assert await works(api, signed(house.keys.signing, *parts))

    faulty = parts[fault in OUR_CLAIMS]
    faulty |= fault
    for name in [name for name, value in fault.items() if value == LEFT_OUT]:
        del faulty[name]

    await refused(api, signed(house.keys.signing, *parts))
