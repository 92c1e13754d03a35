"""Workspaces: made, listed, read and changed; usable the moment they exist."""

from tests.client import PASSWORD, Api, Person
from tests.conftest import House
from tests.doors import Door

FIELDS = {
    "id", "name", "slug", "timezone", "settings", "role", "version", "createdAt", "updatedAt",
}  # fmt: skip
LIST = (
    "query($first: Int, $after: String) { workspaces(first: $first, after: $after)"
    " { nodes { id } pageInfo { hasNextPage endCursor } } }"
)


async def another_session(api: Api, person: Person) -> Person:
    """The same person, signed in a second time."""
    given = {"email": person.email, "password": PASSWORD, "refreshTokenIn": "body"}
    body = (await api.rest("POST", "/auth/login", given)).json()
    again = Person(api, person.id, person.email, body["accessToken"], body["refreshToken"])
    again.workspace, again.brand = person.workspace, person.brand
    return again


async def test_a_workspace_is_created_with_its_owner(door: Door, ann: Person) -> None:
    made = (
        await door.call(ann, "create_workspace", name=" Bakery & Söhne ", timezone="Europe/Berlin")
    ).ok

    assert made.keys() == FIELDS
    assert (made["name"], made["timezone"], made["version"]) == (
        "Bakery & Söhne", "Europe/Berlin", 1,
    )  # fmt: skip
    assert made["slug"].startswith("bakery-sohne-")
    assert made["role"]["name"] == "Owner"
    assert made["settings"] == {"approvalRequired": False, "allowSelfApproval": False}
    assert (await door.call(ann, "workspace", id=made["id"])).ok == made


async def test_who_asks_another_process_sees_a_workspace_at_once(
    door: Door, house: House, ann: Person
) -> None:
    sessions = house.services.sessions
    viewer = await sessions.viewer(ann.token)
    stale = sessions._viewers[viewer.session_id]
    made = (await door.call(ann, "create_workspace", name="Second")).ok

    seen = []
    asked = (
        ("/auth/me", "viewer { workspaces { id } }"),
        ("/workspaces", "workspaces { nodes { id } }"),
    )
    for path, field in asked:
        sessions._viewers[viewer.session_id] = stale  # as another process has it for 5 s
        if door.name == "rest":
            answer = (await ann.rest("GET", path)).json()
            seen.append(answer.get("workspaces") or answer["data"])
        else:
            (answer,) = (await ann.gql(f"{{ {field} }}"))["data"].values()
            seen.append(answer.get("workspaces") or answer["nodes"])

    both = {ann.workspace, made["id"]}
    assert [{each["id"] for each in workspaces} for workspaces in seen] == [both, both]


async def test_a_created_workspace_says_where_it_stands(api: Api, ann: Person) -> None:
    answer = await ann.rest("POST", "/workspaces", {"name": "Second"})

    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/workspaces/{answer.json()['id']}"
    assert answer.headers["etag"] == '"1"'
    found = await api.http.get(
        answer.headers["location"], headers={"authorization": f"Bearer {ann.token}"}
    )
    assert (found.json(), found.headers["etag"]) == (answer.json(), '"1"')


async def test_a_workspace_has_the_default_roles_and_one_owner(
    house: House, door: Door, ann: Person
) -> None:
    made = (await door.call(ann, "create_workspace", name="Second")).ok

    roles = await house.owner.fetch(
        "SELECT name FROM roles WHERE workspace_id = $1 AND system ORDER BY id", made["id"]
    )
    assert {r.name for r in roles} == {
        "Owner", "Admin", "Manager", "Editor", "Contributor", "Analyst",
    }  # fmt: skip
    members = await house.owner.fetch(
        "SELECT user_id::text AS who, r.name AS role FROM members m JOIN roles r ON r.id = role_id"
        " WHERE m.workspace_id = $1", made["id"],
    )  # fmt: skip
    assert [(m.who, m.role) for m in members] == [(ann.id, "Owner")]


async def test_the_time_zone_is_the_founders_unless_named(
    house: House, door: Door, ann: Person
) -> None:
    await house.owner.execute("UPDATE users SET timezone = 'Asia/Tokyo' WHERE id = $1", ann.id)
    fresh = await another_session(ann.api, ann)

    made = (await door.call(fresh, "create_workspace", name="Second")).ok

    assert made["timezone"] == "Asia/Tokyo"


async def test_two_workspaces_may_have_one_name(door: Door, ann: Person, eve: Person) -> None:
    first = (await door.call(ann, "create_workspace", name="Same")).ok
    second = (await door.call(eve, "create_workspace", name="Same")).ok

    assert first["slug"] != second["slug"]


async def test_every_faulty_field_of_a_workspace_is_named(
    door: Door, house: House, ann: Person
) -> None:
    before = await house.digest()

    for name in ("n" * 101, " "):
        given = {"name": name, "timezone": "Mars/Olympus"}
        made = await door.call(ann, "create_workspace", **given)
        changed = await door.call(ann, "update_workspace", id=ann.workspace, **given)
        assert made.code == changed.code == "VALIDATION_ERROR"
        assert made.paths == changed.paths == {"name", "timezone"}

    assert await house.digest() == before


async def test_nobody_makes_a_workspace_without_signing_in(door: Door, house: House) -> None:
    before = await house.digest()

    answer = await door.call(None, "create_workspace", name="Mine")

    assert answer.code == "UNAUTHORIZED"
    assert await house.digest() == before


async def test_a_new_workspace_is_usable_at_once(door: Door, ann: Person) -> None:
    made = (await door.call(ann, "create_workspace", name="Second")).ok

    brand = (await door.call(ann, "create_brand", workspaceId=made["id"], name="First brand")).ok

    assert (await door.call(ann, "brand", id=brand["id"])).ok["workspaceId"] == made["id"]


async def test_a_new_workspace_is_usable_at_once_in_another_session(
    door: Door, api: Api, ann: Person
) -> None:
    other = await another_session(api, ann)
    (await door.call(other, "workspace", id=ann.workspace)).ok  # noqa: B018 - its cache is warm
    made = (await door.call(ann, "create_workspace", name="Second")).ok

    found = await door.call(other, "workspace", id=made["id"])
    brand = await door.call(other, "create_brand", workspaceId=made["id"], name="First brand")
    listed = (await other.rest("GET", "/workspaces")).json()

    assert found.ok == made
    assert brand.ok["workspaceId"] == made["id"]
    assert [w["id"] for w in listed["data"]] == [made["id"], ann.workspace]


async def test_workspaces_are_listed_page_by_page_newest_first(ann: Person) -> None:
    ids = [ann.workspace]
    for name in ("Second", "Third"):
        ids.insert(0, (await ann.rest("POST", "/workspaces", {"name": name})).json()["id"])

    one = (await ann.rest("GET", "/workspaces?limit=2")).json()
    two = (await ann.rest("GET", f"/workspaces?limit=2&cursor={one['page']['nextCursor']}")).json()
    whole = (await ann.rest("GET", "/workspaces")).json()

    assert [w["id"] for w in one["data"]] == ids[:2]
    assert one["page"].items() >= {"hasMore": True, "limit": 2}.items()
    assert [w["id"] for w in two["data"]] == ids[2:]
    assert two["page"] == {"nextCursor": None, "hasMore": False, "limit": 2}
    assert [w["id"] for w in whole["data"]] == ids
    assert whole["page"] == {"nextCursor": None, "hasMore": False, "limit": 50}
    assert whole["data"][0].keys() == FIELDS


async def test_the_same_list_by_graphql(ann: Person) -> None:
    second = (await ann.rest("POST", "/workspaces", {"name": "Second"})).json()["id"]

    one = (await ann.gql(LIST, first=1))["data"]["workspaces"]
    two = (await ann.gql(LIST, first=1, after=one["pageInfo"]["endCursor"]))["data"]["workspaces"]

    assert (one["nodes"], one["pageInfo"]["hasNextPage"]) == ([{"id": second}], True)
    assert (two["nodes"], two["pageInfo"]["hasNextPage"]) == ([{"id": ann.workspace}], False)


async def test_a_page_of_another_list_or_size_is_refused(ann: Person, eve: Person) -> None:
    for person in (ann, eve):
        await person.rest("POST", "/workspaces", {"name": "Second"})
    page = (await eve.rest("GET", "/workspaces?limit=1")).json()["page"]
    foreign = page["nextCursor"]

    for query, path in (
        (f"cursor={foreign}", "cursor"),
        ("cursor=x", "cursor"),
        (f"cursor={foreign[:-1]}", "cursor"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("page=2", "page"),
    ):
        answer = await ann.rest("GET", f"/workspaces?{query}")
        assert answer.status_code == 400, query
        assert [d["path"] for d in answer.json()["error"]["details"]] == [path]


async def test_a_workspace_is_changed(door: Door, ann: Person) -> None:
    renamed = (await door.call(ann, "update_workspace", id=ann.workspace, name="New name")).ok
    moved = (await door.call(ann, "update_workspace", id=ann.workspace, timezone="Asia/Tokyo")).ok

    assert (renamed["name"], renamed["timezone"], renamed["version"]) == ("New name", "UTC", 2)
    assert (moved["name"], moved["timezone"], moved["version"]) == ("New name", "Asia/Tokyo", 3)
    assert moved["slug"] == renamed["slug"]


async def test_a_stale_version_is_refused_and_the_current_one_named(
    door: Door, house: House, ann: Person
) -> None:
    given = {"id": ann.workspace, "name": "Mine"}
    (await door.call(ann, "update_workspace", **given, expectedVersion=1)).ok  # noqa: B018
    before = await house.digest()

    stale = await door.call(ann, "update_workspace", **given, expectedVersion=1)

    assert stale.code == "PRECONDITION_FAILED"
    assert stale.details == (("expectedVersion", "The current version is 2"),)
    assert await house.digest() == before
    assert (await door.call(ann, "update_workspace", **given, expectedVersion=2)).ok


async def test_the_entity_tag_goes_up_with_each_change(ann: Person) -> None:
    path = f"/workspaces/{ann.workspace}"
    tag = (await ann.rest("GET", path)).headers["etag"]

    changed = await ann.rest("PATCH", path, {"name": "A"}, headers={"if-match": tag})
    stale = await ann.rest("PATCH", path, {"name": "B"}, headers={"if-match": tag})
    anything = await ann.rest("PATCH", path, {"name": "C"}, headers={"if-match": "*"})

    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert stale.status_code == 412
    assert (anything.status_code, anything.headers["etag"]) == (200, '"3"')


async def test_a_manager_may_read_a_workspace_but_not_change_it(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    manager = await api.colleague(ann, "Manager")
    before = await house.digest()

    read = await door.call(manager, "workspace", id=ann.workspace)
    changed = await door.call(manager, "update_workspace", id=ann.workspace, name="Mine")

    assert read.ok["role"]["name"] == "Manager"
    assert changed.code == "FORBIDDEN"
    assert await house.digest() == before


async def test_an_outsider_sees_no_workspace(
    door: Door, house: House, ann: Person, eve: Person
) -> None:
    before = await house.digest()

    read = await door.call(eve, "workspace", id=ann.workspace)
    changed = await door.call(eve, "update_workspace", id=ann.workspace, name="Mine")

    assert read.code == changed.code == "NOT_FOUND"
    assert await house.digest() == before
    assert ann.workspace not in (await eve.rest("GET", "/workspaces")).text
