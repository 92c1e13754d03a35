"""Many clients over one server connection of a pooler: nothing of one reaches another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from mypost.models import database
from mypost.models.base import SCOPED
from tests.client import Person
from tests.conftest import House

READS = 200


async def backends(pool: asyncpg.Pool, clients: int) -> set[int]:
    """The server processes behind this many clients at once."""
    async with AsyncExitStack() as stack:
        held = [await stack.enter_async_context(pool.acquire()) for _ in range(clients)]
        assert len({id(client) for client in held}) == clients
        return {await client.fetchval("SELECT pg_backend_pid()") for client in held}


async def test_every_client_shares_one_server_connection(house: House) -> None:
    assert len(await backends(house.services.pool, 5)) == 1


async def test_two_viewers_see_their_own_rows_only(house: House, ann: Person, eve: Person) -> None:
    own = {person.id: (await person.post(content=person.email))["id"] for person in (ann, eve)}

    async def read(person: Person) -> tuple[str, list[str]]:
        page = (await person.rest("GET", f"/brands/{person.brand}/posts")).json()
        return person.id, [post["id"] for post in page["data"]]

    for _ in range(READS // 20):
        found = await asyncio.gather(*(read((ann, eve)[n % 2]) for n in range(20)))
        assert all(posts == [own[person]] for person, posts in found)
    assert len(await backends(house.services.pool, 2)) == 1


async def test_a_scope_ends_with_its_statement(house: House, ann: Person, eve: Person) -> None:
    sql = SCOPED.format("SELECT id, workspace_id FROM brands WHERE $1::uuid[] IS NOT NULL")

    async def read(person: Person) -> None:
        rows = await house.services.pool.fetch(sql, [person.workspace])
        assert {str(row.workspace_id) for row in rows} == {person.workspace}

    async def look() -> None:
        assert not await house.services.pool.fetchval("SELECT current_setting('mypost.ws', true)")
        assert await house.services.pool.fetchval("SELECT count(*) FROM brands") == 0

    await asyncio.gather(*(work for _ in range(READS // 2) for work in (read(ann), look())))


@asynccontextmanager
async def clients(house: House, **how: Any) -> AsyncIterator[asyncpg.Pool]:
    """Other clients of the pooler, which differ from ours as given."""
    login = database._login(str(house.settings.app_url), "mypost_app", pooled=True)
    made = {**login, "min_size": 1, "max_size": 2, "reset": database._keep, **how}
    async with asyncpg.create_pool(**made) as pool:
        yield pool


async def test_a_statement_that_fails_gives_the_server_back(house: House) -> None:
    async with clients(house) as one, clients(house) as two:
        with pytest.raises(asyncpg.DataError):
            await one.fetchval("SELECT $1::int", "no number")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await one.fetchval("SELECT 1 / $1::int", 0)
        with pytest.raises(TimeoutError):
            await one.fetchval("SELECT pg_sleep(5)", timeout=0.1)

        assert await two.fetchval("SELECT $1::int", 1, timeout=2) == 1


async def test_a_plain_client_would_keep_it(house: House) -> None:
    async with clients(house, connection_class=asyncpg.Connection) as one, clients(house) as two:
        with pytest.raises(asyncpg.DataError):
            await one.fetchval("SELECT $1::int", "no number")
        waiting = asyncio.create_task(two.fetchval("SELECT 1"))
        assert (await asyncio.wait([waiting], timeout=0.3))[0] == set()
        await one.execute("SELECT 1")
        assert await waiting == 1


async def test_reading_types_leaves_no_setting_behind(house: House) -> None:
    async with clients(house) as one:
        before = await one.fetchval("SELECT current_setting('jit')")
        async with clients(house) as two:
            found = await asyncio.gather(
                *(two.fetchval("SELECT $1::macaddr[]", []), one.fetchval("SELECT $1::uuid[]", []))
            )
        assert found == [[], []]
        assert await one.fetchval("SELECT current_setting('jit')") == before
