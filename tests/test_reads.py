"""Connections at hand: a lost one is replaced, and nobody waits for one that lies idle."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from mypost.models import database
from mypost.models.reads import Reads
from tests.conftest import House

SIZE = 4


@pytest.fixture
async def pool(house: House) -> AsyncIterator[asyncpg.Pool]:
    opened = await database.pool(str(house.settings.app_url), "mypost_app", SIZE)
    yield opened
    await opened.close()


async def test_a_lost_connection_is_replaced(house: House, pool: asyncpg.Pool) -> None:
    reads = Reads(pool)
    seen = set()
    for _ in range(3):
        seen.add(pid := await reads.fetchval("SELECT pg_backend_pid()"))
        connection = reads._at_hand[0]._con
        await house.owner.execute("SELECT pg_terminate_backend($1)", pid)
        async with asyncio.timeout(5):
            while not connection.is_closed():
                await asyncio.sleep(0)

    assert await reads.fetchval("SELECT 1") == 1
    assert len(seen) == 3
    await reads.close()


async def test_nobody_waits_for_what_lies_at_hand(pool: asyncpg.Pool) -> None:
    reads = Reads(pool)
    await asyncio.gather(*(reads.fetchval("SELECT 1") for _ in range(SIZE * 3)))

    async with asyncio.timeout(5):
        held = [await pool.acquire() for _ in range(SIZE)]

    for connection in held:
        await pool.release(connection)
    await reads.close()


async def test_a_refused_statement_costs_no_connection(pool: asyncpg.Pool) -> None:
    reads = Reads(pool)
    for _ in range(SIZE * 2):
        with pytest.raises(asyncpg.PostgresError):
            await reads.fetch("SELECT 1 / 0")

    assert await reads.fetchval("SELECT 1") == 1
    await reads.close()
