"""How many SQL statements each operation takes: exactly so many, whatever is there already.

A change counts its BEGIN, its scope and its COMMIT. A number that grows is a decision.
"""

import secrets
from typing import Any
from uuid import uuid4

import pytest

from mypost.rest.codec import ENDPOINTS
from tests import test_invitations
from tests.client import PASSWORD, Person
from tests.conftest import House
from tests.doors import OPERATIONS, Door, RestDoor
from tests.statements import said
from tests.test_invitations import Post, invite
from tests.test_lists import fill, path_of
from tests.test_permissions import (
    ASKED,
    delivery,
    draft,
    given,
    invitation,
    offered,
    submitted,
    webhook,
)
from tests.test_posts import published

box = test_invitations.post  # a fixture
# By the name that the doors have for it.
CHANGES: dict[str, int] = {
    "approve_approval": 10,
    "reject_approval": 10,
    "submit_post_for_approval": 9,
    "withdraw_approval": 10,
    "cancel_post": 14,
    "complete": 14,
    "connect": 6,
    "create_brand": 7,
    "create_post": 10,
    "create_posts": 10,
    "create_role": 7,
    "create_webhook": 11,
    "delete_brand": 10,
    "delete_post": 10,
    "delete_role": 8,
    "delete_webhook": 7,
    "delivery": 1,
    "disconnect": 9,
    "duplicate_post": 16,
    "invite_user": 12,
    "publish_post": 16,
    "reconnect": 6,
    "redeliver_delivery": 10,
    "redeliver_webhook": 8,
    "remove_member": 7,
    "resend_invitation": 11,
    "revoke_invitation": 7,
    "rotate_webhook_secret": 9,
    "schedule_post": 16,
    "test_webhook": 7,
    "update_brand": 7,
    "update_member": 9,
    "update_post": 14,
    "update_role": 7,
    "update_webhook": 7,
    "update_workspace": 7,
    "validate_post": 1,
    "webhook": 1,
}
# By their row in the table.
READS: dict[str, int] = {
    "GET /approvals/{id}": 1,
    "GET /workspaces/{workspaceId}/approvals": 2,
    "GET /auth/me": 2,
    "GET /auth/sessions": 1,
    "GET /auth/tokens": 1,
    "GET /brands/{brandId}/calendar": 2,
    "GET /brands/{brandId}/posts": 2,
    "GET /brands/{brandId}/social-accounts": 2,
    "GET /brands/{id}": 1,
    "GET /deliveries/{id}": 1,
    "GET /permissions": 0,
    "GET /posts/{id}": 4,
    "GET /social-connections/{id}": 1,
    "GET /webhooks": 2,
    "GET /webhooks/{id}": 1,
    "GET /webhooks/{webhookId}/deliveries": 2,
    "GET /workspaces": 2,
    "GET /workspaces/{id}": 1,
    "GET /workspaces/{workspaceId}/audit-events": 2,
    "GET /workspaces/{workspaceId}/brands": 2,
    "GET /workspaces/{workspaceId}/calendar": 2,
    "GET /workspaces/{workspaceId}/invitations": 2,
    "GET /workspaces/{workspaceId}/roles": 2,
    "GET /workspaces/{workspaceId}/users": 2,
}
OWN: dict[str, int] = {
    "DELETE /workspaces/{id}": 15,
    "POST /workspaces/{id}/transfer": 13,
    "DELETE /auth/sessions/{id}": 4,
    "DELETE /auth/tokens/{id}": 4,
    "PATCH /auth/me": 6,
    "POST /auth/invitations/accept": 12,
    "POST /auth/login": 5,
    "POST /auth/logout": 1,
    "POST /auth/password": 4,
    "POST /auth/password/forgot": 5,
    "POST /auth/password/reset": 2,
    "POST /auth/refresh": 1,
    "POST /auth/register": 7,
    "POST /auth/tokens": 5,
    "POST /posts/{id}/targets/{targetId}/resolve": 13,
    "POST /posts/{id}/targets/{targetId}/retry": 14,
    "POST /workspaces": 15,
}


async def counted(
    house: House, ann: Person, method: str, path: str, body: Any = None, *, known: bool = True
) -> int:
    """The statements of one request, once it is known who Ann is; or of nobody's."""
    await ann.rest("GET", "/auth/me")
    async with said(house) as heard:
        answer = await ann.api.rest(method, path, body, token=ann.token if known else None)
    assert answer.is_success, answer.text
    return len(heard)


async def address(ann: Person, path: str) -> str:
    """The path of a row, filled with things of Ann's."""
    ids = {"workspaceId": ann.workspace, "brandId": ann.brand}
    if "{id}" in path:
        own = {"workspaces": ann.workspace, "brands": ann.brand}
        noun = path.split("/")[1]
        make = {
            "posts": draft,
            "approvals": submitted,
            "social-connections": offered,
            "invitations": invitation,
            "webhooks": webhook,
            "deliveries": delivery,
        }
        ids["id"] = own.get(noun) or await make[noun](ann)
    if "{webhookId}" in path:
        ids["webhookId"] = await webhook(ann)
    return path.format(**ids)


@pytest.mark.parametrize("operation", ASKED)
async def test_a_change_takes_so_many_statements(house: House, ann: Person, operation: str) -> None:
    asked = await given(ann, operation)
    # Nobody decides what he has asked for himself.
    decides = operation in ("approve_approval", "reject_approval")
    who = await ann.api.colleague(ann, "Admin") if decides else ann
    await who.rest("GET", "/auth/me")

    async with said(house) as heard:
        (await RestDoor(ann.api).call(who, operation, **asked)).ok  # noqa: B018 - or it fails here

    assert {operation: len(heard)} == {operation: CHANGES.get(operation)}


@pytest.mark.parametrize("row", [str(e.route) for e in ENDPOINTS if e.route.method == "GET"])
async def test_a_read_takes_so_many_statements(house: House, ann: Person, row: str) -> None:
    method, path = row.split(" ")

    found = await counted(house, ann, method, await address(ann, path))

    assert {row: found} == {row: READS.get(row)}


async def own(row: str, house: House, ann: Person, letters: Post) -> dict[str, Any]:
    """What people do to themselves, to a target, or with a letter: what the row is asked with."""
    fresh = {"email": f"{secrets.token_hex(6)}@example.com", "password": PASSWORD, "name": "N"}
    plain: dict[str, dict[str, Any]] = {
        "POST /auth/register": fresh,
        "POST /auth/login": {"email": ann.email, "password": PASSWORD},
        "POST /auth/refresh": {"refreshToken": ann.refresh_token},
        "POST /auth/logout": {},
        "PATCH /auth/me": {"name": "Anna"},
        "POST /auth/password": {"current": PASSWORD, "new": secrets.token_hex(8)},
        "POST /auth/password/forgot": {"email": ann.email},
        "POST /auth/tokens": {"name": "N", "permissions": []},
        "POST /workspaces": {"name": "N"},
        "DELETE /workspaces/{id}": {"id": ann.workspace},
    }
    if row in plain:
        return plain[row]
    if row == "POST /auth/password/reset":
        await ann.rest("POST", "/auth/password/forgot", {"email": ann.email})
        return {"token": await letters.token(ann.email), "password": secrets.token_hex(8)}
    if row == "POST /auth/invitations/accept":
        await invite(ann, fresh["email"])
        return {"token": await letters.token(fresh["email"]), "name": "N", "password": PASSWORD}
    if row == "DELETE /auth/tokens/{id}":
        body = {"name": "N", "permissions": []}
        return {"id": (await ann.rest("POST", "/auth/tokens", body)).json()["id"]}
    if row == "DELETE /auth/sessions/{id}":
        other = await ann.api.again(ann)
        listed = (await other.rest("GET", "/auth/sessions")).json()["data"]
        return {"id": next(each["id"] for each in listed if each["current"])}
    return await target(row, house, ann)


async def target(row: str, house: House, ann: Person) -> dict[str, Any]:
    """A target that somebody has to do something about, or somebody who becomes an owner."""
    if row == "POST /workspaces/{id}/transfer":
        return {"id": ann.workspace, "userId": (await ann.api.colleague(ann, "Admin")).id}
    mode = "rejected" if row.endswith("retry") else "blind_lost"
    handle = f"own-{secrets.token_hex(4)}"
    await house.owner.execute("DELETE FROM gates")
    post = await published(house, ann, await ann.account(mode, handle))
    named = {"id": post["id"], "targetId": post["targets"][0]["id"]}
    return named if mode == "rejected" else {**named, "outcome": "published"}


@pytest.mark.parametrize("row", OWN)
async def test_what_people_do_to_themselves_takes_so_many_statements(
    house: House,
    ann: Person,
    box: Post,
    row: str,
) -> None:
    asked = await own(row, house, ann, box)
    method, path = row.split(" ")
    body = {k: v for k, v in asked.items() if f"{{{k}}}" not in path} or None

    known = row != "POST /auth/invitations/accept"
    found = await counted(house, ann, method, path.format(**asked), body, known=known)

    assert {row: found} == {row: OWN[row]}


@pytest.mark.parametrize("kind", ["posts", "brands", "social-accounts"])
async def test_a_page_takes_as_many_however_many_there_are(
    house: House, ann: Person, kind: str
) -> None:
    path, counts = path_of(kind, ann), []
    for more in (1, 60):
        await fill(house, ann, kind, more)
        counts.append(await counted(house, ann, "GET", f"{path}?limit=50"))

    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("operation", ["create_post", "update_post"])
async def test_a_change_takes_as_many_for_five_accounts_as_for_one(
    house: House, door: Door, ann: Person, operation: str
) -> None:
    accounts = [await ann.account() for _ in range(5)]
    counts = []
    for some in (accounts[:1], accounts):
        if operation == "create_post":
            asked = {"brandId": ann.brand, "content": "N"}
        else:
            asked = {"id": (await ann.post())["id"]}
        tags = [f"tag {n}" for n in range(len(some))]
        await ann.rest("GET", "/auth/me")
        async with said(house) as heard:
            (await door.call(ann, operation, **asked, targetAccountIds=some, tags=tags)).ok  # noqa: B018
        counts.append(len(heard))

    assert counts[0] == counts[1] > 0


async def test_a_replay_takes_a_transaction_and_a_look(house: House, ann: Person) -> None:
    path, key = f"/brands/{ann.brand}/posts", {"idempotency-key": str(uuid4())}
    body, counts = {"content": "N", "targetAccountIds": []}, []
    for _ in range(2):
        await ann.rest("GET", "/auth/me")
        async with said(house) as heard:
            await ann.rest("POST", path, body, headers=key)
        counts.append([each.query for each in heard])

    begin, scope, look, end = counts[1]
    assert ("BEGIN" in begin, "set_config" in scope, "key_begin" in look) == (True,) * 3
    assert "COMMIT" in end or "ROLLBACK" in end
    # What a key adds to a change: the look, the key, the answer.
    added = [text for text in counts[0] if "key_begin" in text or "idempotency_keys" in text]
    assert len(added) == 3


def test_every_row_of_the_table_has_its_number() -> None:
    rows = {str(e.route) for e in ENDPOINTS}
    by_door = {OPERATIONS[name].rest.split("?")[0] for name in CHANGES}

    assert rows == by_door | READS.keys() | OWN.keys()
