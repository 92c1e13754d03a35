"""Two walls between tenants: the gate, and row security under a role that cannot bypass it."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from mypost.models import database
from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Door

TABLES = [
    "workspaces",
    "roles",
    "members",
    "brands",
    "accounts",
    "connections",
    "posts",
    "post_tags",
    "targets",
    "approvals",
    "lanes",
    "transitions",
    "audit_events",
    "events",
    "audit_seals",
]


async def app_fetch(house: House, scope: list[str] | None, sql: str) -> list[asyncpg.Record]:
    async with house.services.pool.acquire() as connection, connection.transaction():
        if scope is not None:
            await connection.execute(
                "SELECT set_config('mypost.ws', $1::uuid[]::text, true)", scope
            )
        return await connection.fetch(sql)


async def everything(person: Person) -> None:
    """A row in every table."""
    account = await person.account()
    await person.post(account, scheduledAt="2031-01-01T00:00:00Z", tags=["spring"])
    draft = (await person.post(account))["id"]
    assert (await person.rest("POST", f"/posts/{draft}/approvals")).status_code == 201


async def test_the_roles_are_who_they_should_be(house: House) -> None:
    dispatch = await database.pool(str(house.settings.dispatch_url), "mypost_dispatch", 1)
    async with dispatch:
        assert await house.services.pool.fetchval("SELECT current_user") == "mypost_app"
        assert await house.owner.fetchval("SELECT current_user") == "mypost_owner"
        assert await dispatch.fetchval("SELECT current_user") == "mypost_dispatch"
    powers = await house.owner.fetch(
        "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname LIKE 'mypost%'"
    )
    assert [(r.rolsuper, r.rolbypassrls) for r in powers] == [(False, False)] * 3


async def test_the_application_owns_nothing(house: House) -> None:
    owned = await house.value(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relowner = 'mypost_app'::regrole"
    )

    assert owned == 0


async def test_the_dispatcher_reads_no_table(house: House) -> None:
    dispatch = await database.pool(str(house.settings.dispatch_url), "mypost_dispatch", 1)
    async with dispatch:
        for table in [*TABLES, "users", "sessions", "outbox"]:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await dispatch.fetch(f"SELECT 1 FROM {table} LIMIT 1")


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_scope_there_are_no_rows(house: House, ann: Person, table: str) -> None:
    await everything(ann)
    await house.tell()

    assert await app_fetch(house, None, f"SELECT * FROM {table}") == []


@pytest.mark.parametrize("table", TABLES)
async def test_a_scope_shows_its_own_rows_only(
    house: House, ann: Person, eve: Person, table: str
) -> None:
    for person in (ann, eve):
        await everything(person)
    await house.tell()

    column = "id" if table == "workspaces" else "workspace_id"
    rows = await app_fetch(house, [ann.workspace], f"SELECT {column} AS w FROM {table}")

    assert {str(row.w) for row in rows} == {ann.workspace}


async def test_a_scope_does_not_outlive_its_transaction(house: House, ann: Person) -> None:
    async with house.services.pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute(
                "SELECT set_config('mypost.ws', $1::uuid[]::text, true)", [ann.workspace]
            )
            assert await connection.fetchval("SELECT count(*) FROM brands") == 1
        assert await connection.fetchval("SELECT count(*) FROM brands") == 0


async def test_a_row_cannot_name_another_tenants_row(
    house: House, ann: Person, eve: Person
) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await house.owner.execute(
            "INSERT INTO posts (id, workspace_id, brand_id, content, created_by)"
            " VALUES (mypost_id(9), $1, $2, 'x', $3)",
            ann.workspace,
            eve.brand,
            ann.id,
        )


async def test_passwords_are_out_of_the_applications_reach(house: House) -> None:
    for sql in (
        "SELECT password_hash FROM users",
        "SELECT * FROM sessions",
        "SELECT * FROM refresh_tokens",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app_fetch(house, None, sql)


@pytest.mark.parametrize("operation", ["brand", "post", "workspace", "connection"])
async def test_another_tenants_object_does_not_exist(
    door: Door, ann: Person, eve: Person, operation: str
) -> None:
    offer = (await door.call(eve, "connect", brandId=eve.brand, network="sandbox")).ok
    foreign = {
        "brand": eve.brand,
        "workspace": eve.workspace,
        "post": (await eve.post())["id"],
        "connection": offer["connectionId"],
    }[operation]
    missing = foreign[:-4] + "0000"

    theirs = await door.call(ann, operation, id=foreign)
    nobodys = await door.call(ann, operation, id=missing)

    assert theirs.code == nobodys.code == "NOT_FOUND"


async def test_another_tenants_object_cannot_be_changed(
    door: Door, house: House, ann: Person, eve: Person
) -> None:
    post = (await eve.post(await eve.account()))["id"]
    before = await house.digest()

    for answer in (
        await door.call(ann, "update_post", id=post, content="Mine now"),
        await door.call(ann, "publish_post", id=post),
        await door.call(ann, "schedule_post", id=post, scheduledAt="2031-01-01T00:00:00Z"),
        await door.call(ann, "delete_post", id=post),
        await door.call(ann, "update_brand", id=eve.brand, name="Mine now"),
        await door.call(ann, "delete_brand", id=eve.brand, force="true")
        if door.name == "rest"
        else await door.call(ann, "delete_brand", id=eve.brand, force=True),
        await door.call(ann, "create_post", brandId=eve.brand, content="x", targetAccountIds=[]),
        await door.call(ann, "create_brand", workspaceId=eve.workspace, name="Mine now"),
    ):
        assert answer.code == "NOT_FOUND"

    assert await house.digest() == before


async def test_a_node_of_another_tenant_is_null(api: Api, ann: Person, eve: Person) -> None:
    post = await eve.post(await eve.account())
    wanted = [eve.brand, eve.workspace, eve.id, post["id"], post["targets"][0]["id"], ann.brand]

    said = await ann.gql("query($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }", ids=wanted)

    assert said["data"]["nodes"] == [None] * 5 + [{"id": ann.brand, "__typename": "Brand"}]


async def test_a_crowd_at_a_missing_object_drains_no_pool(ann: Person, eve: Person) -> None:
    """More at once than the pool has connections: none may wait for a second one."""
    post = (await eve.post())["id"]

    async with asyncio.timeout(20):
        answers = await asyncio.gather(
            *(ann.rest("POST", f"/posts/{post}/publish") for _ in range(30))
        )

    assert {answer.status_code for answer in answers} == {404}


async def test_a_token_that_has_ended_keeps_nobody_from_renewing_it(
    moved: House, door: Door, ann: Person
) -> None:
    await moved.shift(timedelta(seconds=1000))

    refused = await door.call(ann, "brand", id=ann.brand)
    renewed = await door.call(ann, "refresh", refreshToken=ann.refresh_token)

    assert refused.code == "UNAUTHORIZED"
    ann.token = renewed.ok["accessToken"]
    assert (await door.call(ann, "brand", id=ann.brand)).ok["id"] == ann.brand
