"""Who may do what: six default roles, eighteen permissions, every change."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from mypost import clock
from mypost.operation import Access
from mypost.permissions import DEFAULT_ROLES, Permission
from tests.client import PASSWORD, Api, Person
from tests.conftest import House
from tests.doors import OPERATIONS, Door, RestDoor
from tests.test_operations import ENTRIES

# As the design has it; `own` is a policy of that role, not a nineteenth permission.
TABLE = """
permission           Owner Admin Manager Editor Contributor Analyst
posts.create         yes   yes   yes     yes    yes         -
posts.edit           yes   yes   yes     yes    own         -
posts.delete         yes   yes   yes     -      -           -
posts.publish        yes   yes   yes     -      -           -
posts.schedule       yes   yes   yes     yes    -           -
media.upload         yes   yes   yes     yes    yes         -
media.delete         yes   yes   yes     -      -           -
brands.create        yes   yes   yes     -      -           -
brands.edit          yes   yes   yes     -      -           -
brands.delete        yes   yes   -       -      -           -
accounts.connect     yes   yes   yes     -      -           -
accounts.disconnect  yes   yes   yes     -      -           -
analytics.view       yes   yes   yes     yes    -           yes
analytics.export     yes   yes   yes     -      -           yes
users.invite         yes   yes   yes     -      -           -
users.manage         yes   yes   -       -      -           -
roles.manage         yes   yes   -       -      -           -
workspace.settings   yes   yes   -       -      -           -
"""
HEAD, *LINES = [line.split() for line in TABLE.strip().splitlines()]
ROLES = HEAD[1:]
CELLS = {
    (line[0], role): cell for line in LINES for role, cell in zip(ROLES, line[1:], strict=True)
}
NEW_YEAR = "2031-01-01T00:00:00Z"
# Two operations go by a shorter name in the doors.
SHORT = {
    "connect_social_account": "connect",
    "reconnect_social_account": "reconnect",
    "disconnect_social_account": "disconnect",
    "complete_connection": "complete",
}


def allowed(role: str) -> set[str]:
    return {line[0] for line in LINES if CELLS[line[0], role] != "-"}


async def account(ann: Person) -> str:
    return await ann.account()


async def draft(ann: Person) -> str:
    return (await ann.post(await ann.account()))["id"]


async def scheduled(ann: Person) -> str:
    return (await ann.post(await ann.account(), scheduledAt=NEW_YEAR))["id"]


async def submitted(ann: Person) -> str:
    """A request of Ann's, who works with others: nobody but them decides it."""
    await ann.api.colleague(ann, "Analyst")
    return (await ann.rest("POST", f"/posts/{await draft(ann)}/approvals")).json()["id"]


async def offered(ann: Person) -> str:
    given = {"network": "sandbox"}
    answer = await ann.rest("POST", f"/brands/{ann.brand}/social-accounts", given)
    return answer.json()["connectionId"]


async def guest(ann: Person) -> str:
    """A role that allows nothing, so that anybody may give it."""
    path, body = f"/workspaces/{ann.workspace}/roles", {"name": secrets.token_hex(4)}
    return (await ann.rest("POST", path, {**body, "permissions": []})).json()["id"]


async def member(ann: Person) -> str:
    person, team = await ann.api.colleague(ann, "Analyst"), f"/workspaces/{ann.workspace}/users"
    await ann.rest("PATCH", f"{team}/{person.id}", {"roleId": await guest(ann)})
    return person.id


async def invitation(ann: Person) -> str:
    path = f"/workspaces/{ann.workspace}/users/invite"
    body = {"email": "guest@example.com", "roleId": await guest(ann)}
    return (await ann.rest("POST", path, body)).json()["id"]


async def webhook(ann: Person) -> str:
    """A webhook of Ann's workspace; nothing is ever sent to its address here."""
    return (await ann.rest("POST", "/webhooks", hooked(ann))).json()["id"]


def hooked(ann: Person) -> dict[str, Any]:
    url = "https://your-server.com/webhook"
    return {"workspaceId": ann.workspace, "url": url, "events": ["post.failed"]}


async def delivery(ann: Person) -> str:
    return (await ann.rest("POST", f"/webhooks/{await webhook(ann)}/test")).json()["id"]


# What each change of the workspace is asked with: on Ann's things, made afresh.
ASKED: dict[str, Callable[[Person], Any]] = {
    "update_workspace": lambda ann: {"id": ann.workspace, "name": "N"},
    "create_role": lambda ann: {"workspaceId": ann.workspace, "name": "N", "permissions": []},
    "update_role": lambda ann: {"id": guest(ann), "name": "N"},
    "delete_role": lambda ann: {"id": guest(ann)},
    "update_member": lambda ann: {
        "workspaceId": ann.workspace, "userId": member(ann), "roleId": guest(ann),
    },
    "remove_member": lambda ann: {"workspaceId": ann.workspace, "userId": member(ann)},
    "invite_user": lambda ann: {
        "workspaceId": ann.workspace, "email": "new@example.com", "roleId": guest(ann),
    },
    "resend_invitation": lambda ann: {"id": invitation(ann)},
    "revoke_invitation": lambda ann: {"id": invitation(ann)},
    "create_brand": lambda ann: {"workspaceId": ann.workspace, "name": "N"},
    "update_brand": lambda ann: {"id": ann.brand, "name": "N"},
    "delete_brand": lambda ann: {"id": ann.brand},
    "connect": lambda ann: {"brandId": ann.brand, "network": "sandbox"},
    "reconnect": lambda ann: {"id": account(ann)},
    "complete": lambda ann: {
        "id": offered(ann), "credentials": {"handle": "bakery", "mode": "ok"},
    },
    "disconnect": lambda ann: {"id": account(ann)},
    "create_post": lambda ann: {"brandId": ann.brand, "content": "N", "targetAccountIds": []},
    "create_posts": lambda ann: {
        "brandId": ann.brand, "posts": [{"content": "N", "targetAccountIds": []}],
    },
    "validate_post": lambda ann: {"brandId": ann.brand, "content": "N", "targetAccountIds": []},
    "duplicate_post": lambda ann: {"id": draft(ann)},
    "update_post": lambda ann: {"id": draft(ann), "content": "N"},
    "delete_post": lambda ann: {"id": draft(ann)},
    "schedule_post": lambda ann: {"id": draft(ann), "scheduledAt": NEW_YEAR},
    "publish_post": lambda ann: {"id": draft(ann)},
    "cancel_post": lambda ann: {"id": scheduled(ann)},
    "submit_post_for_approval": lambda ann: {"id": draft(ann)},
    "approve_approval": lambda ann: {"id": submitted(ann)},
    "reject_approval": lambda ann: {"id": submitted(ann), "reason": "Shorter, please"},
    "withdraw_approval": lambda ann: {"id": submitted(ann)},
    "create_webhook": hooked,
    "webhook": lambda ann: {"id": webhook(ann)},
    "update_webhook": lambda ann: {"id": webhook(ann), "active": False},
    "delete_webhook": lambda ann: {"id": webhook(ann)},
    "rotate_webhook_secret": lambda ann: {"id": webhook(ann)},
    "test_webhook": lambda ann: {"id": webhook(ann)},
    "redeliver_webhook": lambda ann: {
        "id": webhook(ann), "from": clock.now().isoformat(), "to": clock.now().isoformat(),
    },
    "delivery": lambda ann: {"id": delivery(ann)},
    "redeliver_delivery": lambda ann: {"id": delivery(ann)},
}  # fmt: skip
# A permission is not enough for these: tests/test_owners.py.
OWNERS_ONLY = {"transfer_workspace", "delete_workspace"}
CHANGELESS = {"validate_post", "webhook", "delivery"}
GUARDED = {
    SHORT.get(name, name): permission
    for name, (access, permission) in ENTRIES.items()
    if access is Access.MEMBER and permission is not None
}


async def given(ann: Person, operation: str) -> dict[str, Any]:
    asked = ASKED[operation](ann)
    return {k: await v if hasattr(v, "__await__") else v for k, v in asked.items()}


def test_there_are_eighteen_permissions_and_six_roles() -> None:
    assert [line[0] for line in LINES] == [p.value for p in Permission]
    assert len(LINES) == 18
    assert [role.name for role in DEFAULT_ROLES] == ROLES
    assert {role.name for role in DEFAULT_ROLES if role.own_posts_only} == {
        role for (_, role), cell in CELLS.items() if cell == "own"
    }


async def test_a_new_workspace_has_exactly_the_roles_of_the_table(
    house: House, ann: Person
) -> None:
    found = await house.owner.fetch("SELECT * FROM roles WHERE workspace_id = $1", ann.workspace)

    assert {r.name: set(r.permissions) for r in found} == {role: allowed(role) for role in ROLES}
    assert all(r.system for r in found)
    assert {r.name for r in found if r.own_posts_only} == {"Contributor"}


@pytest.mark.parametrize("role", ROLES)
async def test_a_member_is_told_what_he_may_do(api: Api, ann: Person, role: str) -> None:
    person = await api.colleague(ann, role) if role != "Owner" else ann
    login = {"email": person.email, "password": PASSWORD}
    token = (await api.rest("POST", "/auth/login", login)).json()["accessToken"]

    me = (await api.rest("GET", "/auth/me", token=token)).json()
    asked = "query($id: ID!) { workspace(id: $id) { role { name } viewerPermissions } }"
    said = (await api.gql(asked, {"id": ann.workspace}, token=token))["data"]["workspace"]

    (place,) = me["workspaces"]
    assert (place["role"]["name"], said["role"]["name"]) == (role, role)
    assert place["permissions"] == sorted(allowed(role))
    assert said["viewerPermissions"] == [Permission(p).name for p in sorted(allowed(role))]


def test_every_guarded_change_of_the_doors_is_in_the_matrix() -> None:
    assert ASKED.keys() == (GUARDED.keys() & OPERATIONS.keys()) - OWNERS_ONLY


# By one door, for there are many cells; the tests below take the same gate by both.
@pytest.mark.parametrize("operation", ASKED)
@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_do_what_its_permissions_say(
    house: House, api: Api, ann: Person, role: str, operation: str
) -> None:
    person = await api.colleague(ann, role)
    asked = await given(ann, operation)
    # The post is Ann's, so a role that edits its own may not.
    own_things_only = GUARDED[operation] == "posts.edit" and CELLS["posts.edit", role] == "own"
    before = await house.digest()

    answer = await RestDoor(api).call(person, operation, **asked)

    if GUARDED[operation].value in allowed(role) and not own_things_only:
        assert answer.code is None, answer
        assert (await house.digest() == before) is (operation in CHANGELESS)
    else:
        assert answer.code == "FORBIDDEN"
        assert await house.digest() == before


@pytest.mark.parametrize("operation", ASKED)
async def test_one_permission_is_enough_and_all_others_are_not(
    house: House, door: Door, api: Api, ann: Person, operation: str
) -> None:
    needed = GUARDED[operation].value
    asked = await given(ann, operation)
    people = []
    for index, held in enumerate(([p.value for p in Permission if p.value != needed], [needed])):
        person = await api.colleague(ann, "Analyst")
        await house.owner.execute(
            "WITH role AS (INSERT INTO roles (id, workspace_id, name, permissions)"
            " VALUES (mypost_id(4), $1, $2, $3) RETURNING id)"
            " UPDATE members SET role_id = role.id FROM role WHERE user_id = $4",
            ann.workspace, f"Special {index}", held, person.id,
        )  # fmt: skip
        people.append(person)
    before = await house.digest()

    assert (await door.call(people[0], operation, **asked)).code == "FORBIDDEN"
    assert await house.digest() == before
    assert (await door.call(people[1], operation, **asked)).code is None


@pytest.mark.parametrize("operation", ASKED)
async def test_a_former_member_finds_nothing(
    house: House, api: Api, ann: Person, operation: str
) -> None:
    person = await api.colleague(ann, "Admin")
    await house.owner.execute("DELETE FROM members WHERE user_id = $1", person.id)
    asked = await given(ann, operation)
    before = await house.digest()

    answer = await RestDoor(api).call(person, operation, **asked)

    if operation == "create_webhook":  # its workspace is a field of the body
        assert [field for field, _ in answer.details] == ["workspaceId"]
    else:
        assert answer.code == "NOT_FOUND"
    assert await house.digest() == before


async def test_a_contributor_edits_his_own_posts_only(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    contributor = await api.colleague(ann, "Contributor")
    own, other = (await contributor.post())["id"], (await ann.post())["id"]

    changed = await door.call(contributor, "update_post", id=own, content="Better")
    before = await house.digest()
    refused = await door.call(contributor, "update_post", id=other, content="Mine")
    emptied = await door.call(contributor, "delete_post", id=own)

    assert changed.ok["content"] == "Better"
    assert refused.code == emptied.code == "FORBIDDEN"
    assert await house.digest() == before
    assert (await door.call(contributor, "post", id=other)).ok["content"] == "Hello"


async def test_a_time_needs_the_right_to_schedule(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    contributor, account_id = await api.colleague(ann, "Contributor"), await ann.account()
    post = (await contributor.post(account_id))["id"]
    timed = (await contributor.post(account_id))["id"]
    await ann.rest("POST", f"/posts/{timed}/schedule", {"scheduledAt": NEW_YEAR})
    new = {"brandId": ann.brand, "content": "N", "targetAccountIds": [account_id]}
    before = await house.digest()

    for answer in (
        await door.call(contributor, "create_post", **new, scheduledAt=NEW_YEAR),
        await door.call(contributor, "update_post", id=post, scheduledAt=NEW_YEAR),
        await door.call(contributor, "update_post", id=timed, content="Other"),
        await door.call(contributor, "update_post", id=timed, scheduledAt=None),
    ):
        assert answer.code == "FORBIDDEN"

    assert await house.digest() == before


async def test_anybody_signed_in_makes_a_workspace_and_nobody_else(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    analyst = await api.colleague(ann, "Analyst")
    assert (await door.call(analyst, "create_workspace", name="Mine")).ok["role"]["name"] == "Owner"
    before = await house.digest()

    assert (await door.call(None, "create_workspace", name="Mine")).code == "UNAUTHORIZED"

    assert await house.digest() == before
