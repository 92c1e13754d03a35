"""A change asked for again with its key is made once, and answered as it was."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from mypost.jobs.arq_worker import JOBS
from mypost.rest.codec import ENDPOINTS
from tests.client import Api, Person
from tests.conftest import House
from tests.doors import POST, Door

CREATE = (
    "mutation($i: CreatePostInput!) { createPost(input: $i)"
    f" {{ post {POST} userErrors {{ code path message }} }} }}"
)
ROUNDS = 8


def keyed(key: str) -> dict[str, str]:
    return {"idempotency-key": key}


def new(who: Person, **given: Any) -> dict[str, Any]:
    return {"content": "Once", "targetAccountIds": [], **given}


async def posts_of(who: Person) -> list[str]:
    listed = await who.rest("GET", f"/brands/{who.brand}/posts", params={"limit": 100})
    return [post["id"] for post in listed.json()["data"]]


async def test_a_create_sent_again_makes_one_post_and_is_answered_the_same(ann: Person) -> None:
    path, key = f"/brands/{ann.brand}/posts", keyed("a key of mine")

    first = await ann.rest("POST", path, new(ann), headers=key)
    await ann.rest("PATCH", f"/posts/{first.json()['id']}", {"content": "Changed since"})
    again = await ann.rest("POST", path, new(ann), headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    for name in ("etag", "location", "content-type", "cache-control"):
        assert again.headers[name] == first.headers[name]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await posts_of(ann) == [first.json()["id"]]


async def test_a_replay_outlives_what_it_tells_of(ann: Person) -> None:
    path, key = f"/brands/{ann.brand}/posts", keyed("gone")
    first = await ann.rest("POST", path, new(ann), headers=key)
    await ann.rest("DELETE", f"/posts/{first.json()['id']}")

    again = await ann.rest("POST", path, new(ann), headers=key)

    assert (again.status_code, again.content) == (201, first.content)
    assert await posts_of(ann) == []


async def test_the_key_of_another_body_is_refused(house: House, ann: Person) -> None:
    path, key = f"/brands/{ann.brand}/posts", keyed("k")
    await ann.rest("POST", path, new(ann), headers=key)
    before = await house.digest()

    other = await ann.rest("POST", path, new(ann, content="Other"), headers=key)
    gql = await ann.gql(
        CREATE, i={"brandId": ann.brand, **new(ann, tags=["x"]), "idempotencyKey": "k"}
    )

    error = other.json()["error"]
    assert (other.status_code, error["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert [d["path"] for d in error["details"]] == ["idempotencyKey"]
    (told,) = gql["data"]["createPost"]["userErrors"]
    assert (told["code"], told["path"]) == ("KEY_REUSED", ["idempotencyKey"])
    assert await house.digest() == before


async def test_one_key_is_one_change_by_whichever_door(ann: Person) -> None:
    by_rest = await ann.rest("POST", f"/brands/{ann.brand}/posts", new(ann), headers=keyed("both"))
    given = {"brandId": ann.brand, **new(ann), "idempotencyKey": "both"}
    by_graphql = await ann.gql(CREATE, i=given)
    other = await ann.gql(CREATE, i={**given, "idempotencyKey": "from here"})
    back = await ann.rest(
        "POST", f"/brands/{ann.brand}/posts", new(ann), headers=keyed("from here")
    )

    assert by_graphql["data"]["createPost"]["post"]["id"] == by_rest.json()["id"]
    assert back.json()["id"] == other["data"]["createPost"]["post"]["id"]
    assert back.headers["idempotency-replayed"] == "true"
    assert len(await posts_of(ann)) == 2


async def test_graphql_tells_that_it_answers_again(api: Api, ann: Person) -> None:
    body = {"query": CREATE, "variables": {
        "i": {"brandId": ann.brand, **new(ann), "idempotencyKey": "g"}}}  # fmt: skip
    sent = [await api.http.post("/graphql", json=body, headers={
        "authorization": f"Bearer {ann.token}"}) for _ in range(2)]  # fmt: skip

    assert [a.headers.get("idempotency-replayed") for a in sent] == [None, "true"]
    assert sent[0].json()["data"] == sent[1].json()["data"]


async def test_a_refused_request_uses_no_key(house: House, door: Door, ann: Person) -> None:
    path, key = f"/brands/{ann.brand}/posts", keyed("refused")
    wrong = await ann.rest("POST", path, new(ann, targetAccountIds=[str(uuid4())]), headers=key)

    right = await ann.rest("POST", path, new(ann), headers=key)

    assert (wrong.status_code, right.status_code) == (400, 201)
    assert (
        await house.value("SELECT count(*) FROM idempotency_keys WHERE user_id = $1", ann.id) == 1
    )


@pytest.mark.parametrize("key", ["", "a\tb", "x" * 256])
async def test_what_is_no_key_is_refused(house: House, ann: Person, key: str) -> None:
    before = await house.digest()

    answer = await ann.rest("POST", f"/brands/{ann.brand}/posts", new(ann), headers=keyed(key))
    said = await ann.gql(CREATE, i={"brandId": ann.brand, **new(ann), "idempotencyKey": key})

    assert answer.status_code == 400
    assert [d["path"] for d in answer.json()["error"]["details"]] == ["idempotencyKey"]
    assert [e["path"] for e in said["data"]["createPost"]["userErrors"]] == [["idempotencyKey"]]
    assert await house.digest() == before


async def test_a_key_in_the_body_is_told_where_it_belongs(ann: Person) -> None:
    answer = await ann.rest(
        "POST", f"/brands/{ann.brand}/posts", new(ann, idempotencyKey="in the body")
    )

    (told,) = answer.json()["error"]["details"]
    assert (answer.status_code, told["path"]) == (400, "idempotencyKey")
    assert told["message"] == "Stands in the header Idempotency-Key, not in the body"


async def test_a_key_belongs_to_a_person_and_an_operation(api: Api, ann: Person) -> None:
    bob = await api.colleague(ann, "Editor")
    path, key = f"/brands/{ann.brand}/posts", keyed("shared")

    made = [
        (await who.rest("POST", path, new(ann), headers=key)).json()["id"] for who in (ann, bob)
    ]
    published = await ann.rest("POST", f"/posts/{made[0]}/cancel", headers=key)

    assert made[0] != made[1]
    assert published.json()["error"]["code"] == "CONFLICT"
    assert "idempotency-replayed" not in published.headers


async def test_who_has_left_is_answered_nothing_again(house: House, api: Api, ann: Person) -> None:
    bob = await api.colleague(ann, "Editor")
    path, key = f"/brands/{ann.brand}/posts", keyed("left")
    assert (await bob.rest("POST", path, new(ann), headers=key)).status_code == 201
    await ann.rest("DELETE", f"/workspaces/{ann.workspace}/users/{bob.id}")
    bob = await api.again(bob)

    again = await bob.rest("POST", path, new(ann), headers=key)

    assert (again.status_code, again.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_of_fifty_at_once_one_makes_a_post(house: House, ann: Person) -> None:
    # slow: eight rounds of fifty requests
    path = f"/brands/{ann.brand}/posts"
    for n in range(ROUNDS):
        key, body = keyed(f"round {n}"), new(ann, content=f"Round {n}")
        said = await asyncio.gather(*(ann.rest("POST", path, body, headers=key) for _ in range(50)))

        made = [a for a in said if a.status_code == 201]
        busy = [a for a in said if a.status_code == 409]
        assert len(made) + len(busy) == 50
        assert len({a.content for a in made}) == 1
        assert len([a for a in made if "idempotency-replayed" not in a.headers]) == 1
        assert all(a.json()["error"]["code"] == "CONFLICT" for a in busy)
        assert all(a.headers["retry-after"] == "1" for a in busy)
        assert len(await posts_of(ann)) == n + 1


async def test_a_key_in_use_is_a_conflict(house: House, door: Door, ann: Person) -> None:
    held = "SELECT pg_advisory_xact_lock(hashtextextended($1 || ' create_post held', 12))"
    async with house.owner.acquire() as connection, connection.transaction():
        await connection.execute(held, ann.id)
        by_rest = await ann.rest(
            "POST", f"/brands/{ann.brand}/posts", new(ann), headers=keyed("held")
        )
        given = {"brandId": ann.brand, **new(ann), "idempotencyKey": "held"}
        by_graphql = await ann.gql(CREATE, i=given)

    assert (by_rest.status_code, by_rest.headers["retry-after"]) == (409, "1")
    assert by_graphql["errors"][0]["extensions"]["code"] == "CONFLICT"
    assert (await ann.gql(CREATE, i=given))["data"]["createPost"]["post"]


async def test_a_key_is_good_for_a_day(moved: House, ann: Person) -> None:
    path, key, old = f"/brands/{ann.brand}/posts", keyed("old"), keyed("forgotten")
    first = await ann.rest("POST", path, new(ann), headers=key)
    await ann.rest("POST", path, new(ann), headers=old)

    await moved.shift(timedelta(hours=23, minutes=59))
    same = await (again := await ann.api.again(ann)).rest("POST", path, new(ann), headers=key)
    await moved.shift(timedelta(hours=24, minutes=1))
    other = await (again := await ann.api.again(again)).rest("POST", path, new(ann), headers=key)
    gone = await JOBS["forget_keys"]({"pool": moved.sequencer._pool})

    assert (same.json()["id"], other.status_code) == (first.json()["id"], 201)
    assert other.json()["id"] != first.json()["id"]
    assert gone >= 1
    kept = "SELECT count(*) FROM idempotency_keys WHERE user_id = $1"
    assert await moved.value(kept, ann.id) == 1


async def test_key_and_change_are_there_together_or_not_at_all(house: House, ann: Person) -> None:
    # The answer cannot be kept: the post must not stay either.
    await house.owner.execute(
        "ALTER TABLE idempotency_keys"
        " ADD CONSTRAINT broken CHECK (key <> 'broken' OR status IS NULL)"
    )
    try:
        before = await house.digest()
        answer = await ann.rest(
            "POST", f"/brands/{ann.brand}/posts", new(ann), headers=keyed("broken")
        )
        assert answer.status_code == 500
        assert await house.digest() == before
    finally:
        await house.owner.execute("ALTER TABLE idempotency_keys DROP CONSTRAINT broken")
    retried = await ann.rest(
        "POST", f"/brands/{ann.brand}/posts", new(ann), headers=keyed("broken")
    )
    assert (retried.status_code, await posts_of(ann)) == (201, [retried.json()["id"]])


async def test_every_kind_of_post_is_repeatable(house: House, ann: Person) -> None:
    account = await ann.account()
    post = await ann.post(account)
    soon = "2031-01-01T00:00:00Z"
    roles = (await ann.rest("GET", f"/workspaces/{ann.workspace}/roles")).json()["data"]
    steps: list[tuple[str, dict[str, Any] | None]] = [
        ("/workspaces", {"name": "Second"}),
        (f"/workspaces/{ann.workspace}/brands", {"name": "Other"}),
        (f"/workspaces/{ann.workspace}/roles", {"name": "Writers", "permissions": []}),
        (f"/workspaces/{ann.workspace}/users/invite",
         {"email": f"{uuid4().hex}@example.com", "roleId": roles[0]["id"]}),
        (f"/posts/{post['id']}/schedule", {"scheduledAt": soon}),
        (f"/posts/{post['id']}/cancel", None),
        (f"/posts/{post['id']}/publish", None),
    ]  # fmt: skip

    for path, body in steps:
        first, again = [
            await ann.rest("POST", path, body, headers=keyed(f"key of {path}")) for _ in range(2)
        ]
        assert first.is_success, (path, first.text)
        assert (again.status_code, again.content) == (first.status_code, first.content), path
        assert again.headers["idempotency-replayed"] == "true"


async def test_an_offer_is_made_again_but_for_what_is_told_once(ann: Person) -> None:
    account = await ann.account()
    for path, body in (
        (f"/brands/{ann.brand}/social-accounts", {"network": "sandbox"}),
        (f"/social-accounts/{account}/reconnect", None),
    ):
        first, again = [await ann.rest("POST", path, body, headers=keyed(path)) for _ in range(2)]

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json()["state"] != first.json()["state"]
        assert {**again.json(), "state": None} == {**first.json(), "state": None}
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["idempotency-replayed"] == "true"


async def test_a_connection_is_completed_once(house: House, ann: Person) -> None:
    offer = await ann.rest("POST", f"/brands/{ann.brand}/social-accounts", {"network": "sandbox"})
    path = f"/social-connections/{offer.json()['connectionId']}"
    given = {"credentials": {"handle": f"once-{uuid4().hex[:8]}", "mode": "ok"}}

    first, again = [await ann.rest("POST", path, given, headers=keyed("c")) for _ in range(2)]
    other = await ann.rest(
        "POST", path, {"credentials": {"handle": "x", "mode": "ok"}}, headers=keyed("c")
    )

    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert other.status_code == 422
    listed = await ann.rest("GET", f"/brands/{ann.brand}/social-accounts")
    assert [a["id"] for a in listed.json()["data"]] == [first.json()["accounts"][0]["id"]]
    assert len(first.json()["accounts"]) == 1


@pytest.mark.parametrize("by", ["rest", "graphql"])
async def test_a_workspace_is_made_once_where_nobody_knows_of_it_yet(
    house: House, ann: Person, by: str
) -> None:
    sessions = house.services.sessions
    viewer = await sessions.viewer(ann.token)
    stale = sessions._viewers[viewer.session_id]
    text = "mutation($i: CreateWorkspaceInput!) { createWorkspace(input: $i) { workspace { id } } }"

    made = []
    for _ in range(2):
        sessions._viewers[viewer.session_id] = stale  # as another process has it for 5 s
        if by == "rest":
            answer = await ann.rest("POST", "/workspaces", {"name": "Twice"}, headers=keyed("w"))
            made.append(answer.json()["id"])
        else:
            said = await ann.gql(text, i={"name": "Twice", "idempotencyKey": "w"})
            made.append(said["data"]["createWorkspace"]["workspace"]["id"])

    assert made[0] == made[1]
    count = "SELECT count(*) FROM members WHERE user_id = $1"
    assert await house.value(count, ann.id) == 2


async def test_a_connection_completed_by_many_at_once_answers_all_of_them(ann: Person) -> None:
    text = (
        "mutation($i: CompleteConnectionInput!) { completeConnection(input: $i)"
        " { connection { status accounts { id } } userErrors { code } } }"
    )
    for number in range(5):
        path = f"/brands/{ann.brand}/social-accounts"
        offer = await ann.rest("POST", path, {"network": "sandbox"})
        given = {
            "id": offer.json()["connectionId"], "idempotencyKey": f"many-{number}",
            "credentials": {"handle": f"many-{uuid4().hex[:8]}", "mode": "ok"},
        }  # fmt: skip

        answers = await asyncio.gather(*(ann.gql(text, i=given) for _ in range(6)))

        codes = {e["extensions"]["code"] for a in answers for e in a.get("errors", ())}
        accounts = {
            str(a["data"]["completeConnection"]["connection"]["accounts"])
            for a in answers
            if "errors" not in a
        }
        assert codes <= {"CONFLICT"}
        assert len(accounts) == 1


async def test_an_offer_is_made_again_by_graphql(ann: Person) -> None:
    text = (
        "mutation($i: ConnectSocialAccountInput!) { connectSocialAccount(input: $i)"
        " { connection { connectionId kind state expiresAt fields { name } } } }"
    )
    given = {"brandId": ann.brand, "network": "SANDBOX", "idempotencyKey": "offer"}

    first, again = [
        (await ann.gql(text, i=given))["data"]["connectSocialAccount"]["connection"]
        for _ in range(2)
    ]

    assert again["state"] != first["state"]
    assert {**again, "state": None} == {**first, "state": None}


async def test_an_offer_is_made_again_only_to_who_may_connect_still(
    house: House, api: Api, ann: Person
) -> None:
    bob = await api.colleague(ann, "Manager")
    path, body = f"/brands/{ann.brand}/social-accounts", {"network": "sandbox"}
    assert (await bob.rest("POST", path, body, headers=keyed("mine"))).status_code == 201
    await house.owner.execute(
        "UPDATE members SET role_id = (SELECT id FROM roles WHERE workspace_id = $1"
        " AND name = 'Analyst') WHERE workspace_id = $1 AND user_id = $2",
        ann.workspace, bob.id,
    )  # fmt: skip
    bob = await api.again(bob)
    before = await house.digest()

    again = await bob.rest("POST", path, body, headers=keyed("mine"))

    assert again.status_code == 403
    assert await house.digest() == before


async def test_the_database_shows_a_key_to_its_workspace_only(
    house: House, ann: Person, eve: Person
) -> None:
    await ann.rest("POST", f"/brands/{ann.brand}/posts", new(ann), headers=keyed("wall"))

    async with house.services.pool.acquire() as connection, connection.transaction():
        counted = []
        for workspace in (ann.workspace, eve.workspace):
            await connection.execute(
                "SELECT set_config('mypost.ws', $1::uuid[]::text, true)", [workspace]
            )
            counted.append(await connection.fetchval("SELECT count(*) FROM idempotency_keys"))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM idempotency_keys")
    assert counted == [1, 0]


def test_every_post_takes_a_key_but_those_of_signing_in() -> None:
    without = {str(e.route) for e in ENDPOINTS if e.route.method == "POST" and not e.binding.keyed}
    keyed = {str(e.route) for e in ENDPOINTS if e.binding.keyed}

    looking = {row for row in without if row.endswith("/posts/validate")}
    assert len(looking) == 1
    assert all(row.startswith("POST /auth/") for row in without - looking)
    assert not any(row.startswith("POST /auth/") for row in keyed)
    assert all(row.startswith("POST ") for row in keyed)


async def test_a_page_of_another_origin_may_send_and_read_it(house: House, api: Api) -> None:
    origin = house.settings.allowed_origins[0]
    asked = await api.http.options(
        "/api/v1/workspaces",
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "idempotency-key",
        },
    )
    told = await api.http.get("/api/v1/workspaces", headers={"origin": origin})

    assert asked.status_code == 200
    assert "idempotency-replayed" in told.headers["access-control-expose-headers"]
