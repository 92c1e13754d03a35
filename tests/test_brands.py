"""Brands: made, listed, changed, deleted with what they hold."""

import pytest

from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Door

FIELDS = {
    "id", "workspaceId", "name", "description", "timezone", "accountCount", "version", "createdAt",
    "updatedAt",
}  # fmt: skip
NEW_YEAR = "2031-01-01T00:00:00Z"


async def delete(door: Door, who: Person, id: str, *, force: bool = False):
    """REST spells the switch in the query string."""
    return await door.call(
        who, "delete_brand", id=id, force=str(force).lower() if door.name == "rest" else force
    )


async def test_a_brand_is_created(door: Door, ann: Person) -> None:
    given = {"name": " My Brand ", "description": "Brand description", "timezone": "Asia/Tokyo"}

    brand = (await door.call(ann, "create_brand", workspaceId=ann.workspace, **given)).ok

    assert brand.keys() == FIELDS
    assert brand["workspaceId"] == ann.workspace
    assert (brand["name"], brand["description"]) == ("My Brand", "Brand description")
    assert (brand["timezone"], brand["accountCount"], brand["version"]) == ("Asia/Tokyo", 0, 1)
    assert (await door.call(ann, "brand", id=brand["id"])).ok == brand


async def test_a_created_brand_says_where_it_stands(ann: Person) -> None:
    path = f"/workspaces/{ann.workspace}/brands"
    answer = await ann.rest("POST", path, {"name": "Second"})

    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/brands/{body['id']}"
    assert answer.headers["etag"] == '"1"'
    assert (await ann.rest("GET", f"/brands/{body['id']}")).json() == body


async def test_a_brand_has_its_workspaces_time_zone_unless_named(door: Door, ann: Person) -> None:
    await door.call(ann, "update_workspace", id=ann.workspace, timezone="Europe/Berlin")

    brand = (await door.call(ann, "create_brand", workspaceId=ann.workspace, name="Second")).ok

    assert (brand["timezone"], brand["description"]) == ("Europe/Berlin", None)


async def test_every_faulty_field_of_a_brand_is_named(
    door: Door, house: House, ann: Person
) -> None:
    before = await house.digest()
    given = {"name": "n" * 101, "description": "d" * 1001, "timezone": "Mars/Olympus"}

    made = await door.call(ann, "create_brand", workspaceId=ann.workspace, **given)
    changed = await door.call(ann, "update_brand", id=ann.brand, **given)

    assert made.code == changed.code == "VALIDATION_ERROR"
    assert made.paths == changed.paths == {"name", "description", "timezone"}
    assert await house.digest() == before


async def test_brands_are_listed_page_by_page_newest_first(ann: Person, eve: Person) -> None:
    path = f"/workspaces/{ann.workspace}/brands"
    ids = [ann.brand]
    for name in ("Second", "Third"):
        ids.insert(0, (await ann.rest("POST", path, {"name": name})).json()["id"])

    one = (await ann.rest("GET", f"{path}?limit=2")).json()
    two = (await ann.rest("GET", f"{path}?limit=2&cursor={one['page']['nextCursor']}")).json()

    assert [b["id"] for b in one["data"]] == ids[:2]
    assert one["page"].items() >= {"hasMore": True, "limit": 2}.items()
    assert [b["id"] for b in two["data"]] == ids[2:]
    assert two["page"] == {"nextCursor": None, "hasMore": False, "limit": 2}
    assert two["data"][0].keys() == FIELDS
    assert (await eve.rest("GET", path)).status_code == 404


async def test_a_cursor_belongs_to_its_workspace(ann: Person) -> None:
    other = (await ann.rest("POST", "/workspaces", {"name": "Other"})).json()["id"]
    for workspace in (ann.workspace, other, other):
        await ann.rest("POST", f"/workspaces/{workspace}/brands", {"name": "B"})
    page = (await ann.rest("GET", f"/workspaces/{other}/brands?limit=1")).json()["page"]

    path = f"/workspaces/{ann.workspace}/brands?limit=1&cursor={page['nextCursor']}"
    answer = await ann.rest("GET", path)

    assert answer.status_code == 400
    assert [d["path"] for d in answer.json()["error"]["details"]] == ["cursor"]


async def test_what_is_left_out_stays(door: Door, ann: Person) -> None:
    first = (await door.call(ann, "update_brand", id=ann.brand, description="About bread")).ok
    second = (await door.call(ann, "update_brand", id=ann.brand, name="Bakery")).ok

    assert (first["name"], first["description"], first["version"]) == (
        "Ann's brand", "About bread", 2,
    )  # fmt: skip
    assert (second["name"], second["description"], second["version"]) == (
        "Bakery", "About bread", 3,
    )  # fmt: skip


async def test_null_clears_a_description(door: Door, ann: Person) -> None:
    await door.call(ann, "update_brand", id=ann.brand, description="About bread")

    cleared = (await door.call(ann, "update_brand", id=ann.brand, description=None)).ok

    assert cleared["description"] is None


async def test_a_stale_version_is_refused_and_the_current_one_named(
    door: Door, house: House, ann: Person
) -> None:
    (await door.call(ann, "update_brand", id=ann.brand, name="A", expectedVersion=1)).ok  # noqa: B018
    before = await house.digest()

    stale = await door.call(ann, "update_brand", id=ann.brand, name="B", expectedVersion=1)

    assert stale.code == "PRECONDITION_FAILED"
    assert stale.details == (("expectedVersion", "The current version is 2"),)
    assert await house.digest() == before


async def test_a_stale_version_is_not_deleted(house: House, ann: Person) -> None:
    await ann.rest("PATCH", f"/brands/{ann.brand}", {"name": "A"})
    before = await house.digest()

    path = f"/brands/{ann.brand}"
    by_rest = await ann.rest("DELETE", path, headers={"if-match": '"1"'})
    by_graphql = await ann.gql(
        "mutation($i: DeleteBrandInput!) { deleteBrand(input: $i) { userErrors { code } } }",
        i={"id": ann.brand, "expectedVersion": 1},
    )

    assert by_rest.status_code == 412
    assert by_graphql["data"]["deleteBrand"]["userErrors"] == [{"code": "STALE_VERSION"}]
    assert await house.digest() == before
    assert (await ann.rest("DELETE", path, headers={"if-match": '"2"'})).status_code == 204


async def test_a_brand_counts_its_connected_accounts(door: Door, ann: Person) -> None:
    first, _ = await ann.account(), await ann.account()
    assert (await door.call(ann, "brand", id=ann.brand)).ok["accountCount"] == 2

    await door.call(ann, "disconnect", id=first)

    assert (await door.call(ann, "brand", id=ann.brand)).ok["accountCount"] == 1


async def test_a_deleted_brand_is_gone_with_its_posts(
    door: Door, house: House, ann: Person
) -> None:
    account = await ann.account()
    post = await ann.post(account)
    path = f"/workspaces/{ann.workspace}/brands"
    offer = (await door.call(ann, "connect", brandId=ann.brand, network="sandbox")).ok

    assert (await delete(door, ann, ann.brand)).ok == ann.brand

    assert (await door.call(ann, "brand", id=ann.brand)).code == "NOT_FOUND"
    assert (await door.call(ann, "post", id=post["id"])).code == "NOT_FOUND"
    assert (await ann.rest("GET", f"/brands/{ann.brand}/posts")).status_code == 404
    assert (await ann.rest("GET", path)).json()["data"] == []
    before = await house.digest()
    for answer in (
        await delete(door, ann, ann.brand),
        await door.call(ann, "update_brand", id=ann.brand, name="Back"),
        await door.call(ann, "update_post", id=post["id"], content="Back"),
        await door.call(ann, "create_post", brandId=ann.brand, content="x", targetAccountIds=[]),
        await door.call(ann, "connect", brandId=ann.brand, network="sandbox"),
        await door.call(ann, "reconnect", id=account),
        await door.call(
            ann,
            "complete",
            id=offer["connectionId"],
            credentials={"handle": "late", "mode": "ok"},
        ),
    ):
        assert answer.code == "NOT_FOUND"
    assert await house.digest() == before


async def test_a_brand_with_scheduled_posts_is_kept(door: Door, house: House, ann: Person) -> None:
    account = await ann.account()
    for _ in range(2):
        await ann.post(account, scheduledAt=NEW_YEAR)
    await ann.post(account)
    before = await house.digest()

    refused = await delete(door, ann, ann.brand)

    assert refused.code == "CONFLICT"
    assert await house.digest() == before
    told = (await ann.rest("DELETE", f"/brands/{ann.brand}")).json()["error"]["message"]
    assert told == "The brand has 2 scheduled posts; force cancels them"


async def test_force_cancels_what_is_scheduled_and_lets_the_accounts_go(
    door: Door, house: House, ann: Person
) -> None:
    account = await ann.account()
    post = await ann.post(account, scheduledAt=NEW_YEAR)
    ends = "UPDATE accounts SET grant_ends_at = mypost_now() + interval '9 d' WHERE id = $1"
    await house.owner.execute(ends, account)

    assert (await delete(door, ann, ann.brand, force=True)).ok == ann.brand

    row = await house.owner.fetchrow("SELECT * FROM accounts WHERE id = $1", account)
    assert (row.status, row.grant_cipher) == ("disconnected", None)
    assert (row.token_expires_at, row.grant_ends_at) == (None, None)
    states = await house.owner.fetch("SELECT state FROM targets WHERE post_id = $1", post["id"])
    assert [s.state for s in states] == ["cancelled"]
    assert await house.value("SELECT next_due_at FROM lanes WHERE account_id = $1", account) is None


async def test_the_handle_of_a_deleted_brand_connects_again(
    house: House, door: Door, ann: Person
) -> None:
    handle = f"phoenix-{door.name}"
    before = await ann.account(handle=handle)
    await delete(door, ann, ann.brand)
    brand = (await door.call(ann, "create_brand", workspaceId=ann.workspace, name="Next")).ok

    after = await ann.account(handle=handle, brand=brand["id"])

    assert after == before
    listed = (await ann.rest("GET", f"/brands/{brand['id']}/social-accounts")).json()["data"]
    assert [(a["id"], a["brandId"], a["status"]) for a in listed] == [
        (after, brand["id"], "active")
    ]


@pytest.mark.parametrize(
    ("role", "creates", "edits", "deletes"),
    [
        ("Owner", True, True, True),
        ("Admin", True, True, True),
        ("Manager", True, True, False),
        ("Editor", False, False, False),
        ("Contributor", False, False, False),
        ("Analyst", False, False, False),
    ],
)
async def test_a_role_says_what_may_be_done_to_brands(
    door: Door, house: House, api: Api, ann: Person, role: str, creates: bool, edits: bool,
    deletes: bool,
) -> None:  # fmt: skip
    person = await api.colleague(ann, role) if role != "Owner" else ann
    assert (await door.call(person, "brand", id=ann.brand)).ok["id"] == ann.brand

    for allowed, ask in (
        (creates, lambda: door.call(person, "create_brand", workspaceId=ann.workspace, name="B")),
        (edits, lambda: door.call(person, "update_brand", id=ann.brand, name="C")),
        (deletes, lambda: delete(door, person, ann.brand)),
    ):
        before = await house.digest()
        answer = await ask()
        assert answer.code == (None if allowed else "FORBIDDEN")
        assert (await house.digest() == before) is not allowed
