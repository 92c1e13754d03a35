"""What only an owner does: transfer a workspace, delete it with all it holds."""

import asyncio
from typing import Any

import pytest

from mypost.models import audit
from tests.client import Api, Person, Socket
from tests.conftest import House
from tests.doors import Answer, Door
from tests.test_invitations import Post
from tests.test_team import members, role_of

NEW_YEAR = "2031-01-01T00:00:00Z"
LIVE = (
    "subscription($id: ID!) { postStatusChanged(brandId: $id) { ... on PostStatusEvent { type } } }"
)


async def delete(door: Door, who: Person, *, force: bool = False, **given: Any) -> Answer:
    """REST spells the switch in the query string."""
    asked = str(force).lower() if door.name == "rest" else force
    return await door.call(who, "delete_workspace", id=who.workspace, force=asked, **given)


async def test_a_workspace_is_transferred(door: Door, house: House, api: Api, ann: Person) -> None:
    bob = await api.colleague(ann, "Editor")

    told = (await door.call(ann, "transfer_workspace", id=ann.workspace, userId=bob.id)).ok

    assert (told["id"], told["role"]["name"]) == (ann.workspace, "Admin")
    assert await members(ann) == {ann.id: "Admin", bob.id: "Owner"}
    (event,) = (await ann.rest("GET", trail(ann, "workspace.transferred"))).json()["data"]
    assert (event["userId"], event["metadata"]) == (ann.id, {"to": bob.id})
    before = await house.digest()
    again = await door.call(ann, "transfer_workspace", id=ann.workspace, userId=bob.id)
    assert again.code == "FORBIDDEN"
    assert await house.digest() == before


def trail(who: Person, action: str) -> str:
    return f"/workspaces/{who.workspace}/audit-events?action={action}"


async def test_a_workspace_goes_to_a_member_who_is_no_owner_yet(
    door: Door, house: House, api: Api, ann: Person, eve: Person
) -> None:
    other = await api.colleague(ann, "Owner")
    before = await house.digest()

    for id in (eve.id, eve.id[:-4] + "0000", "x"):
        answer = await door.call(ann, "transfer_workspace", id=ann.workspace, userId=id)
        assert (answer.code, answer.paths) == ("VALIDATION_ERROR", {"userId"})
    for id in (ann.id, other.id):
        answer = await door.call(ann, "transfer_workspace", id=ann.workspace, userId=id)
        assert answer.code == "CONFLICT"

    assert await house.digest() == before


@pytest.mark.parametrize("role", ["Admin", "Manager", "Analyst"])
async def test_only_an_owner_transfers_or_deletes(
    door: Door, house: House, api: Api, ann: Person, role: str
) -> None:
    bob = await api.colleague(ann, role)
    before = await house.digest()

    taken = await door.call(bob, "transfer_workspace", id=bob.workspace, userId=bob.id)
    gone = await delete(door, bob)

    assert (taken.code, gone.code) == ("FORBIDDEN", "FORBIDDEN")
    assert await house.digest() == before


async def test_a_token_neither_transfers_nor_deletes(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    bob = await api.colleague(ann, "Editor")
    body = {"name": "Script", "permissions": ["workspace.settings"]}
    ann.token = (await ann.rest("POST", "/auth/tokens", body)).json()["token"]
    assert (await ann.rest("GET", "/auth/me")).status_code == 200  # which notes its use
    before = await house.digest()

    taken = await door.call(ann, "transfer_workspace", id=ann.workspace, userId=bob.id)

    assert (taken.code, (await delete(door, ann)).code) == ("FORBIDDEN", "FORBIDDEN")
    assert await house.digest() == before


async def test_two_owners_transfer_at_once_and_one_is_left(api: Api, ann: Person) -> None:
    for _ in range(10):
        bob, carl = await api.colleague(ann, "Owner"), await api.colleague(ann, "Editor")
        path = f"/workspaces/{ann.workspace}/transfer"
        answers = await asyncio.gather(
            ann.rest("POST", path, {"userId": carl.id}),
            bob.rest("POST", path, {"userId": carl.id}),
            carl.rest("POST", path, {"userId": carl.id}),
        )
        codes = [a.status_code for a in answers]
        assert (codes.count(200), {*codes} <= {200, 403, 409}) == (1, True)
        first = carl if answers[0].status_code == 200 else ann
        assert "Owner" in (await members(first)).values()
        ann = carl


async def test_a_deleted_workspace_is_out_of_reach_for_everybody(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    bob = await api.colleague(ann, "Admin")
    account = await ann.account()
    post = (await ann.post(account))["id"]
    id = (await ann.rest("POST", f"/posts/{post}/approvals")).json()["id"]
    role = await role_of(ann, "Editor")

    assert (await delete(door, ann)).ok == ann.workspace

    for who in (ann, bob):
        for path in (
            f"/workspaces/{ann.workspace}", f"/workspaces/{ann.workspace}/users",
            f"/workspaces/{ann.workspace}/audit-events", f"/workspaces/{ann.workspace}/brands",
            f"/brands/{ann.brand}", f"/brands/{ann.brand}/posts", f"/posts/{post}",
            f"/approvals/{id}",
        ):  # fmt: skip
            assert (await who.rest("GET", path)).status_code == 404, path
        assert (await who.rest("GET", "/workspaces")).json()["data"] == []
        assert (await who.rest("GET", "/auth/me")).json()["workspaces"] == []
        for kind in (ann.workspace, ann.brand, account, post, role, id):
            said = await who.gql("query($id: ID!) { node(id: $id) { id } }", id=kind)
            assert said["data"]["node"] is None
        for operation, given in (
            ("create_brand", {"workspaceId": ann.workspace, "name": "N"}),
            ("create_post", {"brandId": ann.brand, "content": "N", "targetAccountIds": []}),
            ("update_post", {"id": post, "content": "N"}),
            ("update_workspace", {"id": ann.workspace, "name": "N"}),
        ):
            assert (await door.call(who, operation, **given)).code == "NOT_FOUND"
    assert (await door.call(ann, "create_workspace", name="Next")).ok["role"]["name"] == "Owner"


async def test_what_is_scheduled_keeps_a_workspace_unless_forced(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    text = f"Never {ann.brand}"
    account = await ann.account()
    post = (await ann.post(account, content=text, scheduledAt=NEW_YEAR))["id"]
    before = await house.digest()
    assert (await delete(door, ann)).code == "CONFLICT"
    assert (await delete(door, ann, force=True, expectedVersion=7)).code == "PRECONDITION_FAILED"
    assert await house.digest() == before

    assert (await delete(door, ann, force=True)).ok == ann.workspace

    left = await house.owner.fetch(
        "SELECT t.state, a.status, a.grant_cipher, l.next_due_at FROM targets t"
        " JOIN accounts a ON a.id = t.account_id JOIN lanes l ON l.account_id = a.id"
        " WHERE t.post_id = $1",
        post,
    )
    assert [tuple(row) for row in left] == [("cancelled", "disconnected", None, None)]
    await house.work()
    held = (await api.http.get("/networks/sandbox/posts.json?limit=1000")).json()["posts"]
    assert text not in {each["text"] for each in held}


async def test_what_is_being_sent_keeps_a_workspace_even_when_forced(
    door: Door, house: House, ann: Person
) -> None:
    post = (await ann.post(await ann.account("lost")))["id"]
    await ann.rest("POST", f"/posts/{post}/publish")
    for state in ("claimed", "sending"):
        await house.owner.execute(
            "UPDATE targets SET state = $2, sent_at = mypost_now(), lease_owner = id,"
            " lease_until = mypost_now() + interval '1 hour' WHERE post_id = $1",
            post,
            state,
        )
    before = await house.digest()

    assert (await delete(door, ann, force=True)).code == "CONFLICT"

    assert await house.digest() == before


async def test_the_audit_of_a_deleted_workspace_is_kept_and_whole(
    door: Door, house: House, ann: Person
) -> None:
    await ann.post(await ann.account(), scheduledAt=NEW_YEAR)
    await delete(door, ann, force=True)
    await house.tell()

    row = await house.owner.fetchrow(
        "SELECT user_id::text AS who, metadata FROM audit_events"
        " WHERE workspace_id = $1 AND action = 'workspace.deleted'",
        ann.workspace,
    )
    assert (row.who, row.metadata) == (ann.id, {"cancelled": 1})
    async with house.owner.acquire() as connection:
        verdict = await audit.verify(connection)
    assert [line for line in verdict.wrong if ann.workspace in line] == []


async def test_an_invitation_to_a_deleted_workspace_does_not_hold(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    async with Post.open(house) as box:
        body = {"email": "late@example.com", "roleId": await role_of(ann, "Editor")}
        await ann.rest("POST", f"/workspaces/{ann.workspace}/users/invite", body)
        token = await box.token("late@example.com")
    await delete(door, ann)

    given = {"token": token, "name": "Late", "password": "a much longer secret"}
    before = await house.digest()
    answer = await api.rest("POST", "/auth/invitations/accept", given)

    assert (answer.status_code, answer.json()["error"]["details"][0]["path"]) == (400, "token")
    assert await house.digest() == before


async def test_who_is_out_hears_no_more(house: House, api: Api, ann: Person) -> None:
    bob = await api.colleague(ann, "Editor")
    account = await ann.account()
    async with Socket.open(house.settings.origin, bob.token) as live:
        await live.subscribe(LIVE, id=ann.brand)
        await ann.rest("DELETE", f"/workspaces/{ann.workspace}/users/{bob.id}")
        for session in list(house.services.sessions._viewers):
            house.services.sessions.forget(session)
        await ann.post(account, scheduledAt=NEW_YEAR)
        await house.tell()
        async with asyncio.timeout(5):
            message = live.seen.pop(0) if live.seen else await live.receive()

    assert (message["id"], message["type"]) == ("1", "error")
    assert message["payload"][0]["extensions"]["code"] == "NOT_FOUND"
