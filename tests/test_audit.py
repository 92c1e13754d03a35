"""The audit trail: one row for each change, none for a refusal, and nobody can rewrite it."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from mypost.models.audit import verify
from tests.client import PASSWORD, Api, Person
from tests.conftest import House
from tests.doors import Answer, Door

NEW_YEAR = "2031-01-01T00:00:00Z"
GOOD = {"handle": "corner-bakery", "mode": "ok"}


class Ready:
    """Ann's things, made ready for one change."""

    def __init__(self, door: Door, ann: Person) -> None:
        self.door, self.ann = door, ann

    async def nothing(self) -> dict[str, Any]:
        return {}

    async def workspace(self) -> dict[str, Any]:
        return {"id": self.ann.workspace, "name": "New name"}

    async def in_workspace(self) -> dict[str, Any]:
        return {"workspaceId": self.ann.workspace, "name": "New brand"}

    async def brand(self) -> dict[str, Any]:
        return {"id": self.ann.brand}

    async def renamed_brand(self) -> dict[str, Any]:
        return {"id": self.ann.brand, "name": "New name"}

    async def network(self) -> dict[str, Any]:
        return {"brandId": self.ann.brand, "network": "sandbox"}

    async def account(self) -> dict[str, Any]:
        return {"id": await self.ann.account()}

    async def credentials(self) -> dict[str, Any]:
        offer = (await self.door.call(self.ann, "connect", **await self.network())).ok
        return {"id": offer["connectionId"], "credentials": GOOD}

    async def content(self) -> dict[str, Any]:
        return {"brandId": self.ann.brand, "content": "Hello", "targetAccountIds": []}

    async def new_role(self) -> dict[str, Any]:
        return {"workspaceId": self.ann.workspace, "name": "Guest", "permissions": []}

    async def role(self) -> dict[str, Any]:
        path = f"/workspaces/{self.ann.workspace}/roles"
        made = await self.ann.rest("POST", path, {"name": "Guest", "permissions": []})
        return {"id": made.json()["id"]}

    async def member(self) -> dict[str, Any]:
        bob = await self.ann.api.colleague(self.ann, "Editor")
        return {"workspaceId": self.ann.workspace, "userId": bob.id}

    async def moved_member(self) -> dict[str, Any]:
        return {**await self.member(), "roleId": (await self.role())["id"]}

    async def newcomer(self) -> dict[str, Any]:
        role = (await self.role())["id"]
        return {"workspaceId": self.ann.workspace, "email": "new@example.com", "roleId": role}

    async def invitation(self) -> dict[str, Any]:
        given = await self.newcomer()
        path = f"/workspaces/{given.pop('workspaceId')}/users/invite"
        return {"id": (await self.ann.rest("POST", path, given)).json()["id"]}

    async def post(self) -> dict[str, Any]:
        return {"id": (await self.ann.post(await self.ann.account()))["id"]}

    async def new_content(self) -> dict[str, Any]:
        return {**await self.post(), "content": "Hello again"}

    async def time(self) -> dict[str, Any]:
        return {**await self.post(), "scheduledAt": NEW_YEAR}

    async def scheduled(self) -> dict[str, Any]:
        return {"id": (await self.ann.post(await self.ann.account(), scheduledAt=NEW_YEAR))["id"]}


Make = Callable[[Ready], Awaitable[dict[str, Any]]]
# Each change, what it needs, what the trail calls it, and the kind of thing it changes.
CHANGES: dict[str, tuple[Make, str, str]] = {
    "update_workspace": (Ready.workspace, "workspace.updated", "workspace"),
    "create_brand": (Ready.in_workspace, "brand.created", "brand"),
    "update_brand": (Ready.renamed_brand, "brand.updated", "brand"),
    "delete_brand": (Ready.brand, "brand.deleted", "brand"),
    "create_role": (Ready.new_role, "role.created", "role"),
    "update_role": (Ready.role, "role.updated", "role"),
    "delete_role": (Ready.role, "role.deleted", "role"),
    "update_member": (Ready.moved_member, "user.role_changed", "user"),
    "remove_member": (Ready.member, "user.removed", "user"),
    "invite_user": (Ready.newcomer, "user.invited", "invitation"),
    "resend_invitation": (Ready.invitation, "user.invited", "invitation"),
    "revoke_invitation": (Ready.invitation, "user.invitation_revoked", "invitation"),
    "connect": (Ready.network, "social_connection.started", "connection"),
    "complete": (Ready.credentials, "social_account.connected", "account"),
    "reconnect": (Ready.account, "social_connection.started", "connection"),
    "disconnect": (Ready.account, "social_account.disconnected", "account"),
    "create_post": (Ready.content, "post.created", "post"),
    "update_post": (Ready.new_content, "post.updated", "post"),
    "schedule_post": (Ready.time, "post.scheduled", "post"),
    "publish_post": (Ready.post, "post.publish_requested", "post"),
    "cancel_post": (Ready.scheduled, "post.cancelled", "post"),
    "delete_post": (Ready.post, "post.deleted", "post"),
}


async def rows(house: House, workspace: str) -> list[asyncpg.Record]:
    return await house.owner.fetch(
        "SELECT *, user_id::text AS who, resource_id::text AS what FROM audit_events"
        " WHERE workspace_id = $1 ORDER BY created_at, id", workspace,
    )  # fmt: skip


def changed(answer: Answer, operation: str, given: dict[str, Any]) -> str:
    """The id of what a change made or changed."""
    if operation in ("connect", "reconnect"):
        return answer.ok["connectionId"]
    if operation == "complete":
        return answer.ok["accounts"][0]["id"]
    return given.get("id") or given.get("userId") or answer.ok["id"]


@pytest.mark.parametrize("operation", CHANGES)
async def test_a_change_is_one_row_of_who_did_what_to_what(
    door: Door, house: House, api: Api, ann: Person, operation: str
) -> None:
    make, action, kind = CHANGES[operation]
    given = await make(Ready(door, ann))
    before = await rows(house, ann.workspace)
    api.http.headers["x-request-id"] = f"req_{secrets.token_hex(8)}"

    answer = await door.call(ann, operation, **given)

    after = await rows(house, ann.workspace)
    known = {row.id for row in before}
    (row,) = [row for row in after if row.id not in known]
    assert (row.action, row.resource_type) == (action, kind)
    assert row.what == changed(answer, operation, given)
    assert (row.actor_type, row.who, row.ip) == ("user", ann.id, "127.0.0.1")
    assert row.request_id == api.http.headers["x-request-id"]


async def test_a_new_workspace_begins_its_own_trail(door: Door, house: House, ann: Person) -> None:
    made = (await door.call(ann, "create_workspace", name="Second")).ok

    (row,) = await rows(house, made["id"])
    assert (row.action, row.who, row.what) == ("workspace.created", ann.id, made["id"])


async def test_registering_with_a_workspace_begins_its_trail(door: Door, house: House) -> None:
    email = f"trail-{door.name}@example.com"
    given = {"email": email, "password": PASSWORD, "name": "Tia", "workspaceName": "Tia's"}

    person = (await door.call(None, "register", **given)).ok["user"]["id"]

    sql = "SELECT workspace_id::text FROM members WHERE user_id = $1"
    workspace = await house.value(sql, person)
    (row,) = await rows(house, workspace)
    assert (row.action, row.who, row.what) == ("workspace.created", person, workspace)


@pytest.mark.parametrize("operation", CHANGES)
async def test_a_refusal_leaves_no_row(
    door: Door, house: House, api: Api, ann: Person, eve: Person, operation: str
) -> None:
    given = await CHANGES[operation][0](Ready(door, ann))
    analyst = await api.colleague(ann, "Analyst")
    before = await house.digest()

    forbidden = await door.call(analyst, operation, **given)
    hidden = await door.call(eve, operation, **given)
    nobody = await door.call(None, operation, **given)

    assert (forbidden.code, hidden.code, nobody.code) == ("FORBIDDEN", "NOT_FOUND", "UNAUTHORIZED")
    assert await house.digest() == before


async def test_a_forced_deletion_tells_how_much_it_cancelled(house: House, ann: Person) -> None:
    account = await ann.account()
    for _ in range(2):
        await ann.post(account, scheduledAt=NEW_YEAR)

    await ann.rest("DELETE", f"/brands/{ann.brand}?force=true")

    row = (await rows(house, ann.workspace))[-1]
    assert (row.action, row.metadata) == ("brand.deleted", {"cancelled": 2})


@pytest.mark.parametrize(
    ("mode", "action"), [("ok", "post.published"), ("rejected", "post.failed")]
)
async def test_an_outcome_is_the_systems_in_the_name_of_who_scheduled(
    door: Door, house: House, api: Api, ann: Person, mode: str, action: str
) -> None:
    manager = await api.colleague(ann, "Manager")
    post = await ann.post(await ann.account(mode))
    (await door.call(manager, "publish_post", id=post["id"])).ok  # noqa: B018

    await house.work()

    asked, outcome = (await rows(house, ann.workspace))[-2:]
    assert (asked.action, asked.actor_type, asked.who) == (
        "post.publish_requested", "user", manager.id,
    )  # fmt: skip
    assert (outcome.action, outcome.actor_type, outcome.who) == (action, "system", manager.id)
    assert (outcome.resource_type, outcome.what) == ("post", post["id"])
    assert (outcome.ip, outcome.request_id) == (None, None)


async def test_the_trail_tells_the_time_of_the_change(moved: House, api: Api) -> None:
    await moved.shift(timedelta(days=400))
    ann = await api.person("Ann")
    await ann.post()

    trail = await rows(moved, ann.workspace)
    assert trail
    for row in trail:
        assert row.created_at - await moved.value("SELECT now()") > timedelta(days=399)


@pytest.mark.parametrize("table", ["audit_events", "audit_seals"])
async def test_not_even_the_owner_rewrites_the_trail(house: House, ann: Person, table: str) -> None:
    await ann.post()
    await house.tell()
    before = await house.digest()

    for sql in (
        f"UPDATE {table} SET workspace_id = workspace_id WHERE workspace_id = '{ann.workspace}'",
        f"DELETE FROM {table} WHERE workspace_id = '{ann.workspace}'",
        f"TRUNCATE {table} CASCADE",
    ):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await house.owner.execute(sql)

    assert await house.digest() == before


@pytest.mark.parametrize("table", ["audit_events", "audit_seals"])
async def test_the_application_has_no_right_to_try(house: House, ann: Person, table: str) -> None:
    for sql in (
        f"UPDATE {table} SET workspace_id = workspace_id",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
    ):
        async with house.services.pool.acquire() as connection, connection.transaction():
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute(sql)


async def test_the_application_seals_nothing_itself(house: House, ann: Person) -> None:
    async with house.services.pool.acquire() as connection, connection.transaction():
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute("INSERT INTO audit_seals DEFAULT VALUES")


async def test_each_row_is_sealed_upon_the_one_before(house: House, ann: Person) -> None:
    post = await ann.post(await ann.account())
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()

    chain = await house.owner.fetch(
        "SELECT s.number, s.seal, audit_canonical(a) AS text FROM audit_seals s"
        " JOIN audit_events a ON a.id = s.audit_id WHERE s.workspace_id = $1 ORDER BY s.number",
        ann.workspace,
    )
    written = await rows(house, ann.workspace)
    assert len(chain) == len(written) >= 4
    assert [link.number for link in chain] == list(range(1, len(chain) + 1))
    seal = b""
    for link in chain:
        seal = hashlib.sha256(seal + link.text.encode()).digest()
        assert link.seal == seal
    last = "SELECT seal FROM counters WHERE workspace_id = $1"
    assert await house.value(last, ann.workspace) == seal


async def test_a_seal_covers_every_column_of_its_row(house: House, ann: Person) -> None:
    await ann.post()
    columns = await house.owner.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'audit_events'::regclass"
        " AND attnum > 0 AND NOT attisdropped"
    )
    sealed = await house.owner.fetch(
        "SELECT jsonb_object_keys(audit_canonical(a)::jsonb) AS key FROM audit_events a"
        " WHERE workspace_id = $1 LIMIT 1000", ann.workspace,
    )  # fmt: skip

    spelled = {"".join(w.title() if i else w for i, w in enumerate(c.attname.split("_")))
               for c in columns}  # fmt: skip
    assert {s.key for s in sealed} == spelled


async def listed(ann: Person, door: str, **filter: Any) -> list[dict[str, Any]]:
    """The events of Ann's workspace by a door, newest first."""
    if door == "rest":
        path = f"/workspaces/{ann.workspace}/audit-events"
        answer = await ann.rest("GET", path, params=filter)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]
    shown = (
        "id action userId actor { type } resourceType resourceId metadata ip requestId createdAt"
    )
    said = await ann.gql(
        "query($w: ID!, $f: AuditFilter) { auditEvents(workspaceId: $w, filter: $f)"
        f" {{ nodes {{ {shown} }} }} }}",
        w=ann.workspace, f=filter,
    )  # fmt: skip
    return said["data"]["auditEvents"]["nodes"]


@pytest.mark.parametrize("door", ["graphql", "rest"])
async def test_the_trail_is_read_and_filtered(ann: Person, door: str) -> None:
    post = await ann.post(await ann.account())
    every = await listed(ann, door)

    assert every[0]["action"] == "post.created"
    assert every[0]["userId"] == ann.id
    assert every[0]["actor"] == {"type": "user"}
    assert (every[0]["resourceType"], every[0]["resourceId"]) == ("post", post["id"])
    assert every[0]["requestId"].startswith("req_")
    assert await listed(ann, door, action="post.created") == every[:1]
    assert await listed(ann, door, resourceId=post["id"]) == every[:1]
    assert await listed(ann, door, userId=ann.id, resourceType="post") == every[:1]
    assert await listed(ann, door, to="2020-01-01T00:00:00Z") == []
    assert await listed(ann, door, **{"from": "2020-01-01T00:00:00Z"}) == every


async def test_the_trail_is_for_those_who_lead_the_workspace(
    api: Api, ann: Person, eve: Person
) -> None:
    path = f"/workspaces/{ann.workspace}/audit-events"
    manager = await api.colleague(ann, "Manager")

    assert (await manager.rest("GET", path)).status_code == 403
    assert (await eve.rest("GET", path)).status_code == 404
    wrong = await ann.rest("GET", path, params={"userId": "x", "resourceId": "y"})
    assert {d["path"] for d in wrong.json()["error"]["details"]} == {"userId", "resourceId"}


async def test_the_seals_hold_and_tell_what_was_rewritten(house: House, ann: Person) -> None:
    post = await ann.post(await ann.account())
    await house.tell()
    async with house.owner.acquire() as connection:
        assert (await verify(connection)).wrong == []

        spoil = connection.transaction()
        await spoil.start()
        await connection.execute("ALTER TABLE audit_events DISABLE TRIGGER append_only")
        await connection.execute(
            "UPDATE audit_events SET user_id = NULL WHERE resource_id = $1", post["id"]
        )
        changed = await verify(connection)
        await connection.execute("ALTER TABLE audit_seals DISABLE TRIGGER append_only")
        await connection.execute(
            "DELETE FROM audit_seals WHERE workspace_id = $1 AND number > 1", ann.workspace
        )
        cut = await verify(connection)
        await spoil.rollback()

    assert [line for line in changed.wrong if "not what was sealed" in line]
    assert [line for line in cut.wrong if ann.workspace in line and "are gone" in line]
    async with house.owner.acquire() as connection:
        assert (await verify(connection)).wrong == []
