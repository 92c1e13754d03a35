"""Events get rising numbers and audit rows a chain of seals, from one leader."""

import asyncio
import hashlib

import orjson
import pytest
import redis.asyncio
from redis.exceptions import RedisError

from mypost.events import STREAM, EventType
from mypost.jobs.sequencer import Sequencer
from mypost.jobs.wake import Wake
from tests.jobs.conftest import until


@pytest.fixture
async def client(world):
    made = redis.asyncio.from_url(world.services.redis_url)
    yield made
    await made.aclose()


async def publish_some(world, count=3):
    for number in range(count):
        await world.post(f"n{number}", await world.account())
    await world.dispatcher().drain()


async def test_numbers_rise_and_reach_the_stream(world, client):
    await publish_some(world)
    sequencer = Sequencer(world.pool, client, Wake())
    numbered = await sequencer.run_once()
    rows = await world.owner.fetch("SELECT * FROM events ORDER BY number")
    assert [row["number"] for row in rows] == list(range(1, numbered + 1))
    assert {row["type"] for row in rows} <= set(EventType)
    entries = await client.xrange(STREAM.format(world.workspace))
    assert [name for name, _ in entries] == [f"{row['number']}-0".encode() for row in rows]
    first = orjson.loads(entries[0][1][b"e"])
    assert first == {
        "id": str(rows[0]["id"]),
        "workspaceId": str(world.workspace),
        "number": 1,
        "type": "account.connected",
        "brandId": str(world.brand),
        "occurredAt": rows[0]["occurred_at"].isoformat(),
        "payload": rows[0]["payload"],
    }


async def test_the_chain_of_seals_can_be_computed_again(world):
    await publish_some(world)
    await Sequencer(world.pool, None, Wake()).run_once()
    rows = await world.owner.fetch(
        "SELECT s.number, s.seal, audit_canonical(a) AS text FROM audit_seals s"
        " JOIN audit_events a ON a.id = s.audit_id ORDER BY s.number"
    )
    seal = b""
    for number, row in enumerate(rows, 1):
        seal = hashlib.sha256(seal + row["text"].encode()).digest()
        assert (row["number"], row["seal"]) == (number, seal)
    assert len(rows) == 3
    assert await world.owner.fetchval("SELECT count(*) FROM outbox") == 0


async def test_what_commits_late_is_numbered_late(world):
    await world.account()
    sequencer = Sequencer(world.pool, None, Wake())
    async with world.owner.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO outbox (workspace_id, type) VALUES ($1, 'post.failed')", world.workspace
        )
        await world.account()
        assert await sequencer.run_once() == 2
    assert await sequencer.run_once() == 1
    last = "SELECT type FROM events ORDER BY number DESC LIMIT 1"
    assert await world.owner.fetchval(last) == "post.failed"


async def test_only_one_leads_and_another_takes_over(world):
    await world.account()
    one, two = (Sequencer(world.pool, None, Wake()) for _ in range(2))
    async with one._candidate() as leading:
        assert leading is not None
        assert await two.run_once() is None
        assert await world.owner.fetchval("SELECT count(*) FROM events") == 0

    async def leads() -> bool:
        return await two.run_once() is not None

    await until(leads)
    assert await world.owner.fetchval("SELECT count(*) FROM events") == 1


async def test_numbering_goes_on_without_redis(world, client):
    away = redis.asyncio.from_url("redis://127.0.0.1:1")
    sequencer = Sequencer(world.pool, away, Wake())
    await world.account()
    assert await sequencer.run_once() == 1
    with pytest.raises(RedisError):
        await away.ping()
    await away.aclose()
    sequencer._redis = client
    await world.account()
    await sequencer.run_once()
    entries = await client.xrange(STREAM.format(world.workspace))
    assert [name for name, _ in entries] == [b"1-0", b"2-0"]


async def test_a_loop_numbers_what_a_bell_announces(world):
    wake = Wake()
    running = asyncio.create_task(Sequencer(world.pool, None, wake).run())
    await world.account()
    wake.set()
    await until(lambda: world.owner.fetchval("SELECT count(*) FROM events"))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
