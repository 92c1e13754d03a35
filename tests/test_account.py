"""A person's own account by both doors: name, password, sessions, personal access tokens."""

import asyncio
from datetime import timedelta

import pytest

from mypost import clock
from mypost.crypto import digest
from tests.client import PASSWORD, Api, Person
from tests.conftest import House
from tests.doors import Door

NEW = "a much longer secret"


def by(person: Person, token: str) -> Person:
    """The same person with another bearer."""
    return Person(person.api, person.id, person.email, token, "", person.workspace, person.brand)


async def token_of(ann: Person, *permissions: str, **given: object) -> dict:
    body = {"name": "Script", "permissions": list(permissions), **given}
    answer = await ann.rest("POST", "/auth/tokens", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_person_changes_name_and_time_zone(ann: Person, door: Door) -> None:
    changed = await door.call(ann, "update_viewer", name=" Anna ", timezone="Europe/Berlin")

    assert (changed.ok["name"], changed.ok["timezone"]) == ("Anna", "Europe/Berlin")
    me = (await ann.rest("GET", "/auth/me")).json()
    assert (me["name"], me["timezone"]) == ("Anna", "Europe/Berlin")
    assert me["workspaces"][0]["id"] == ann.workspace


async def test_a_wrong_time_zone_is_named(house: House, ann: Person, door: Door) -> None:
    before = await house.digest()
    answer = await door.call(ann, "update_viewer", timezone="Mars/Olympus")

    assert (answer.code, answer.paths) == ("VALIDATION_ERROR", {"timezone"})
    assert await house.digest() == before


async def test_a_new_password_ends_every_other_session(
    api: Api, house: House, ann: Person, door: Door
) -> None:
    other = await api.again(ann)
    assert (await other.rest("GET", "/auth/me")).status_code == 200
    assert (await door.call(ann, "change_password", current=PASSWORD, new=NEW)).code is None

    for session in list(house.services.sessions._viewers):
        house.services.sessions.forget(session)
    assert (await other.rest("GET", "/auth/me")).status_code == 401
    assert (await ann.rest("GET", "/auth/me")).status_code == 200
    login = {"email": ann.email, "password": NEW}
    assert (await api.rest("POST", "/auth/login", login)).status_code == 200
    login["password"] = PASSWORD
    assert (await api.rest("POST", "/auth/login", login)).status_code == 401


@pytest.mark.parametrize(
    ("given", "path"),
    [({"current": "wrong", "new": NEW}, "current"), ({"current": PASSWORD, "new": "x"}, "new")],
)
async def test_a_password_that_will_not_do_changes_nothing(
    house: House, ann: Person, door: Door, given: dict, path: str
) -> None:
    before = await house.digest()
    answer = await door.call(ann, "change_password", **given)

    assert (answer.code, answer.paths) == ("VALIDATION_ERROR", {path})
    assert await house.digest() == before


async def test_sessions_are_listed_and_ended(api: Api, ann: Person, door: Door) -> None:
    await api.again(ann)
    listed = (await ann.rest("GET", "/auth/sessions")).json()["data"]
    assert [each["current"] for each in listed] == [False, True]
    assert all(each["lastActiveAt"] for each in listed)

    assert (await door.call(ann, "revoke_session", id=listed[0]["id"])).code is None
    left = (await ann.rest("GET", "/auth/sessions")).json()["data"]
    assert [each["id"] for each in left] == [listed[1]["id"]]
    assert (await door.call(ann, "revoke_session", id=listed[0]["id"])).code == "NOT_FOUND"


async def test_a_session_of_somebody_else_does_not_exist(
    house: House, ann: Person, eve: Person, door: Door
) -> None:
    (session,) = (await ann.rest("GET", "/auth/sessions")).json()["data"]
    before = await house.digest()

    assert (await door.call(eve, "revoke_session", id=session["id"])).code == "NOT_FOUND"
    assert await house.digest() == before
    assert (await ann.rest("GET", "/auth/me")).status_code == 200


async def test_a_token_is_told_once_and_works_as_the_bearer(ann: Person) -> None:
    made = await token_of(ann, "posts.create", "brands.create")
    script = by(ann, made["token"])

    assert made["token"].startswith("mypost_")
    (listed,) = (await ann.rest("GET", "/auth/tokens")).json()["data"]
    assert "token" not in listed
    assert listed == {k: v for k, v in made.items() if k != "token"}
    assert (await script.rest("GET", f"/brands/{ann.brand}")).status_code == 200
    path = f"/workspaces/{ann.workspace}/brands"
    assert (await script.rest("POST", path, {"name": "New"})).status_code == 201
    (listed,) = (await ann.rest("GET", "/auth/tokens")).json()["data"]
    assert listed["lastUsedAt"]


async def test_a_token_allows_what_it_says_and_its_owner_may(api: Api, ann: Person) -> None:
    editor = await api.colleague(ann, "Editor")
    made = await token_of(editor, "brands.create", "posts.create")
    script = by(editor, made["token"])

    path = f"/workspaces/{ann.workspace}/brands"
    assert (await script.rest("POST", path, {"name": "New"})).status_code == 403
    own = by(ann, (await token_of(ann, "posts.create"))["token"])
    assert (await own.rest("POST", path, {"name": "New"})).status_code == 403


async def test_a_token_makes_no_token(house: House, ann: Person, door: Door) -> None:
    script = by(ann, (await token_of(ann, "posts.create"))["token"])
    await script.rest("GET", "/auth/me")
    before = await house.digest()

    refused = [
        ("create_access_token", {"name": "More", "permissions": []}),
        ("change_password", {"current": PASSWORD, "new": NEW}),
        ("update_viewer", {"name": "Other"}),
    ]
    for operation, given in refused:
        assert (await door.call(script, operation, **given)).code == "FORBIDDEN", operation
    assert await house.digest() == before


async def test_a_token_ends(ann: Person, moved: House, door: Door) -> None:
    soon = (clock.now() + timedelta(hours=1)).isoformat()
    revoked, late = await token_of(ann, "posts.create"), await token_of(ann, expiresAt=soon)

    assert (await door.call(ann, "revoke_access_token", id=revoked["id"])).code is None
    gone = await by(ann, revoked["token"]).rest("GET", "/auth/me")
    assert gone.status_code == 401
    await moved.shift(timedelta(minutes=61))
    assert (await by(ann, late["token"]).rest("GET", "/auth/me")).status_code == 401


async def test_a_token_that_would_have_ended_is_not_made(
    house: House, ann: Person, door: Door
) -> None:
    before = await house.digest()
    answer = await door.call(
        ann, "create_access_token", name="Old", permissions=[], expiresAt="2020-01-01T00:00:00Z"
    )

    assert (answer.code, answer.paths) == ("VALIDATION_ERROR", {"expiresAt"})
    assert await house.digest() == before


async def test_a_made_up_token_is_refused(ann: Person) -> None:
    answer = await by(ann, "mypost_" + "x" * 43).rest("GET", "/auth/me")

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED")


async def test_a_token_neither_signs_out_nor_leaves_nor_joins(
    api: Api, house: House, ann: Person
) -> None:
    bob = await api.colleague(ann, "Editor")
    script = by(bob, (await token_of(bob))["token"])
    leave = "mutation($i: LeaveWorkspaceInput!) { leaveWorkspace(input: $i) { deletedId } }"
    token, key = "t" * 43, digest("t" * 43)
    await house.owner.execute(
        "INSERT INTO invitations (id, workspace_id, email, role_id, hash, invited_by, expires_at)"
        " SELECT mypost_id(19), workspace_id, $2, role_id, $3, user_id, mypost_now() + '1 day'"
        " FROM members WHERE user_id = $1::uuid",
        ann.id, bob.email, key,
    )  # fmt: skip
    assert (await script.rest("GET", "/auth/me")).status_code == 200
    before = await house.digest()

    left = await script.gql(leave, i={"workspaceId": ann.workspace})
    assert left["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    joined = await script.rest("POST", "/auth/invitations/accept", {"token": token})
    assert joined.status_code == 403
    assert (await script.rest("POST", "/auth/logout", {})).status_code == 403
    assert await house.digest() == before
    await house.owner.execute("DELETE FROM invitations WHERE hash = $1", key)


@pytest.mark.parametrize("held", [(), ("brands.create",)])
async def test_a_token_that_allows_nothing_does_not_read(
    door: Door, api: Api, ann: Person, held: tuple[str, ...]
) -> None:
    """Neither does one whose owner may nothing of what it allows."""
    bob = await api.colleague(ann, "Analyst")
    post = (await ann.post())["id"]
    script = by(bob, (await token_of(bob, *held))["token"])

    for operation, id in (("workspace", ann.workspace), ("brand", ann.brand), ("post", post)):
        assert (await door.call(script, operation, id=id)).code == "NOT_FOUND"
    assert (await script.rest("GET", "/workspaces")).json()["data"] == []
    me = (await script.rest("GET", "/auth/me")).json()
    assert (me["id"], me["workspaces"]) == (bob.id, [])
    useful = by(bob, (await token_of(bob, "analytics.view"))["token"])
    assert (await door.call(useful, "post", id=post)).ok["id"] == post


async def test_the_fiftieth_token_is_made_once(house: House, ann: Person) -> None:
    await house.owner.execute(
        "INSERT INTO access_tokens (id, user_id, name, hash, permissions)"
        " SELECT mypost_id(20), $1, 'Old', sha256((n || $2)::bytea), '{}'"
        " FROM generate_series(1, 47) n",
        ann.id,
        ann.email,
    )
    body = {"name": "New", "permissions": ["posts.create"]}

    answers = await asyncio.gather(*(ann.rest("POST", "/auth/tokens", body) for _ in range(12)))

    assert sorted(a.status_code for a in answers) == [201] * 3 + [400] * 9
    listed = (await ann.rest("GET", "/auth/tokens")).json()["data"]
    assert len(listed) == 50


@pytest.mark.parametrize(
    "email",
    [
        "zoë@example.com", "zoe@exämple.com", "zo\u0435@example.com", "a b@example.com",
        "a..b@example.com", ".a@example.com", "a@-example.com", "a@example", "<a@example.com>",
        "a@b@example.com", "a,b@example.com", "a" * 65 + "@example.com", "a@example.com\n",
    ],
    ids=ascii,
)  # fmt: skip
async def test_an_e_mail_is_what_every_server_takes(
    door: Door, house: House, ann: Person, email: str
) -> None:
    before = await house.digest()
    given = {"workspaceId": ann.workspace, "roleId": ann.workspace}

    asked = await door.call(ann, "invite_user", email=email, **given)
    made = await door.call(None, "register", email=email, password=NEW, name="Zoe")

    assert made.paths == {"email"}
    assert "email" in asked.paths
    assert await house.digest() == before


@pytest.mark.parametrize("name", ["Zo\ne", "Zo\te", "Z\u007f", "Z\u0085", "Zo\u202eeoZ", "\u2028"])
async def test_a_name_is_one_line(door: Door, house: House, ann: Person, name: str) -> None:
    before = await house.digest()

    for answer in (
        await door.call(ann, "update_viewer", name=name),
        await door.call(ann, "update_workspace", id=ann.workspace, name=name),
        await door.call(ann, "update_brand", id=ann.brand, name=name),
        await door.call(ann, "create_role", workspaceId=ann.workspace, name=name, permissions=[]),
        await door.call(ann, "create_access_token", name=name, permissions=[]),
        await door.call(ann, "create_workspace", name=name),
        await door.call(None, "register", email="z@example.com", password=NEW, name=name),
    ):
        assert (answer.code, answer.paths) == ("VALIDATION_ERROR", {"name"})

    assert await house.digest() == before
    family = "Zo\u00eb \U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert (await door.call(ann, "update_viewer", name=family)).ok["name"] == family
