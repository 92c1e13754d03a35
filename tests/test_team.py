"""Roles and members by both doors: nobody grants what he lacks, and a workspace keeps an owner."""

import asyncio

import asyncpg
import pytest

from mypost.permissions import DEFAULT_ROLES, Permission
from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Door

LEAVE = "mutation($i: LeaveWorkspaceInput!) { leaveWorkspace(input: $i) { userErrors { code } } }"


async def role_of(ann: Person, name: str) -> str:
    listed = (await ann.rest("GET", f"/workspaces/{ann.workspace}/roles")).json()["data"]
    return next(role["id"] for role in listed if role["name"] == name)


async def members(ann: Person) -> dict[str, str]:
    """The role of each member by his id."""
    listed = (await ann.rest("GET", f"/workspaces/{ann.workspace}/users")).json()["data"]
    return {member["id"]: member["role"]["name"] for member in listed}


async def custom(api: Api, ann: Person, *permissions: str) -> Person:
    """A colleague whose role holds just these permissions."""
    body = {"name": "Custom", "permissions": list(permissions)}
    made = (await ann.rest("POST", f"/workspaces/{ann.workspace}/roles", body)).json()
    person = await api.colleague(ann, "Analyst")
    await ann.rest(
        "PATCH", f"/workspaces/{ann.workspace}/users/{person.id}", {"roleId": made["id"]}
    )
    return await api.again(person)


async def test_a_workspace_starts_with_six_roles_and_one_owner(ann: Person) -> None:
    roles = (await ann.rest("GET", f"/workspaces/{ann.workspace}/roles")).json()["data"]

    assert {role["name"]: set(role["permissions"]) for role in roles} == {
        role.name: set(role.permissions) for role in DEFAULT_ROLES
    }
    assert all(role["system"] for role in roles)
    assert await members(ann) == {ann.id: "Owner"}


async def test_a_member_is_shown_with_his_role(api: Api, ann: Person) -> None:
    bob = await api.colleague(ann, "Editor")
    listed = (await ann.rest("GET", f"/workspaces/{ann.workspace}/users")).json()["data"]
    (shown,) = [member for member in listed if member["id"] == bob.id]

    assert shown["role"] == {"id": await role_of(ann, "Editor"), "name": "Editor"}
    assert (shown["email"], shown["name"], shown["status"]) == (bob.email, "Editor", "active")
    assert shown["joinedAt"]
    assert shown["lastActiveAt"]


async def test_the_eighteen_permissions_are_listed(ann: Person) -> None:
    listed = (await ann.rest("GET", "/permissions")).json()["data"]

    assert [each["name"] for each in listed] == [p.value for p in Permission]
    assert all(each["description"] for each in listed)


async def test_a_role_is_made_changed_and_deleted(ann: Person, door: Door) -> None:
    made = await door.call(
        ann, "create_role", workspaceId=ann.workspace, name="Guest",
        permissions=["posts.create", "posts.create"],
    )  # fmt: skip
    assert made.ok["permissions"] == ["posts.create"]
    assert (made.ok["system"], made.ok["userCount"], made.ok["version"]) == (False, 0, 1)

    changed = await door.call(
        ann, "update_role", id=made.ok["id"], name="Visitor", permissions=["posts.edit"],
        expectedVersion=1,
    )  # fmt: skip
    assert (changed.ok["name"], changed.ok["permissions"]) == ("Visitor", ["posts.edit"])
    assert (await door.call(ann, "update_role", id=made.ok["id"], expectedVersion=1)).code == (
        "PRECONDITION_FAILED"
    )

    assert (await door.call(ann, "delete_role", id=made.ok["id"])).code is None
    assert (await door.call(ann, "update_role", id=made.ok["id"])).code == "NOT_FOUND"


@pytest.mark.parametrize("operation", ["update_role", "delete_role"])
async def test_a_default_role_is_not_changed(
    house: House, ann: Person, door: Door, operation: str
) -> None:
    id, before = await role_of(ann, "Editor"), await house.digest()

    assert (await door.call(ann, operation, id=id)).code == "CONFLICT"
    assert await house.digest() == before


async def test_a_name_is_taken_once(house: House, ann: Person, door: Door) -> None:
    before = await house.digest()
    answer = await door.call(
        ann, "create_role", workspaceId=ann.workspace, name="Editor", permissions=[]
    )

    assert (answer.code, answer.paths) == ("VALIDATION_ERROR", {"name"})
    assert await house.digest() == before


async def test_two_roles_renamed_alike_at_once_are_told_apart(ann: Person) -> None:
    path = f"/workspaces/{ann.workspace}/roles"
    made = [
        (await ann.rest("POST", path, {"name": name, "permissions": []})).json()["id"]
        for name in ("One", "Two")
    ]
    answers = await asyncio.gather(
        *(ann.rest("PATCH", f"/roles/{id}", {"name": "Same"}) for id in made)
    )

    assert sorted(answer.status_code for answer in answers) == [200, 400]


async def test_nobody_grants_what_he_lacks(api: Api, house: House, ann: Person, door: Door) -> None:
    bob = await custom(api, ann, "roles.manage", "users.manage", "posts.create")
    eve = await api.colleague(ann, "Editor")
    own = (await bob.rest("GET", f"/workspaces/{ann.workspace}")).json()["role"]["id"]
    refused = [
        ("create_role", {"name": "Big", "permissions": ["posts.publish"]}),
        ("update_member", {"userId": eve.id, "roleId": own}),  # Eve may do more than Bob
        ("update_member", {"userId": bob.id, "roleId": own}),
        ("remove_member", {"userId": eve.id}),
        ("remove_member", {"userId": ann.id}),
    ]
    before = await house.digest()

    for operation, given in refused:
        answer = await door.call(bob, operation, workspaceId=ann.workspace, **given)
        assert answer.code == "FORBIDDEN", operation
    assert (await door.call(bob, "update_role", id=own, permissions=[])).code == "FORBIDDEN"
    assert await house.digest() == before


async def test_only_an_owner_makes_owners(api: Api, house: House, ann: Person, door: Door) -> None:
    admin, bob = await api.colleague(ann, "Admin"), await api.colleague(ann, "Editor")
    owner, before = await role_of(ann, "Owner"), await house.digest()
    given = {"workspaceId": ann.workspace, "userId": bob.id, "roleId": owner}

    assert (await door.call(admin, "update_member", **given)).code == "FORBIDDEN"
    assert await house.digest() == before
    assert (await door.call(ann, "update_member", **given)).ok["role"]["name"] == "Owner"
    assert (
        await door.call(admin, "remove_member", workspaceId=ann.workspace, userId=bob.id)
    ).code == "FORBIDDEN"


async def test_a_member_gets_another_role_and_is_removed(
    api: Api, house: House, ann: Person, door: Door
) -> None:
    bob = await api.colleague(ann, "Editor")
    given = {"workspaceId": ann.workspace, "userId": bob.id}

    changed = await door.call(ann, "update_member", roleId=await role_of(ann, "Analyst"), **given)
    assert (changed.ok["id"], changed.ok["role"]["name"]) == (bob.id, "Analyst")
    assert (await door.call(ann, "remove_member", **given)).code is None
    assert await members(ann) == {ann.id: "Owner"}
    assert (await door.call(ann, "remove_member", **given)).code == "NOT_FOUND"
    actions = await house.owner.fetch(
        "SELECT action FROM audit_events WHERE workspace_id = $1 ORDER BY created_at, id",
        ann.workspace,
    )
    assert [row["action"] for row in actions] == ["user.role_changed", "user.removed"]


async def test_the_last_owner_stays(api: Api, house: House, ann: Person) -> None:
    before = await house.digest()
    left = await ann.gql(
        "mutation($i: LeaveWorkspaceInput!) { leaveWorkspace(input: $i)"
        " { deletedId userErrors { code } } }",
        i={"workspaceId": ann.workspace},
    )

    assert left["data"]["leaveWorkspace"]["userErrors"] == [{"code": "INVALID_STATE"}]
    assert await house.digest() == before
    with pytest.raises(asyncpg.RestrictViolationError):
        await house.owner.execute("DELETE FROM members WHERE workspace_id = $1", ann.workspace)


async def test_owners_who_leave_at_once_do_not_all_go(api: Api, ann: Person) -> None:
    leave = "mutation($i: LeaveWorkspaceInput!) { leaveWorkspace(input: $i) { deletedId } }"
    for _ in range(5):
        await api.colleague(ann, "Owner")
    people = [ann, *[await api.again(p) for p in await owners(api, ann)]]
    await asyncio.gather(*(p.gql(leave, i={"workspaceId": ann.workspace}) for p in people))

    left = await api.house.value(
        "SELECT count(*) FROM workspace_users WHERE workspace_id = $1", ann.workspace
    )
    assert left == 1


async def owners(api: Api, ann: Person) -> list[Person]:
    rows = await api.house.owner.fetch(
        "SELECT id, email FROM workspace_users WHERE workspace_id = $1 AND id <> $2",
        ann.workspace, ann.id,
    )  # fmt: skip
    return [Person(api, str(r["id"]), r["email"], "", "", ann.workspace, ann.brand) for r in rows]


async def test_another_tenants_team_does_not_exist(
    house: House, ann: Person, eve: Person, door: Door
) -> None:
    role, before = await role_of(ann, "Editor"), await house.digest()
    given = {"workspaceId": ann.workspace, "userId": ann.id}

    assert (await door.call(eve, "update_role", id=role)).code == "NOT_FOUND"
    assert (await door.call(eve, "remove_member", **given)).code == "NOT_FOUND"
    foreign = await door.call(eve, "update_member", **{**given, "roleId": role})
    assert foreign.code == "NOT_FOUND"
    here = {"workspaceId": eve.workspace, "userId": ann.id, "roleId": role}
    assert (await door.call(eve, "update_member", **here)).code == "NOT_FOUND"
    assert await house.digest() == before


async def test_a_role_of_another_workspace_is_unknown(
    api: Api, house: House, ann: Person, eve: Person, door: Door
) -> None:
    bob, foreign = await api.colleague(ann, "Editor"), await role_of(eve, "Analyst")
    before = await house.digest()
    answer = await door.call(
        ann, "update_member", workspaceId=ann.workspace, userId=bob.id, roleId=foreign
    )

    assert (answer.code, answer.paths) == ("VALIDATION_ERROR", {"roleId"})
    assert await house.digest() == before


async def test_who_has_just_been_removed_has_nothing_to_leave(
    api: Api, house: House, ann: Person
) -> None:
    bob = await api.colleague(ann, "Editor")
    assert (await bob.rest("GET", "/auth/me")).status_code == 200
    await ann.rest("DELETE", f"/workspaces/{ann.workspace}/users/{bob.id}")
    before = await house.digest()

    left = await bob.gql(LEAVE, i={"workspaceId": ann.workspace})
    assert left["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert await house.digest() == before
