"""A restored backup is a double-post machine: nothing is sent from it until somebody says so."""

import dataclasses
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from uuid import uuid4

import orjson
import pytest

from mypost import clock, embedded
from mypost.jobs.marks import FILE, KEY, Marks
from mypost.jobs.recover import NOTHING, recover
from mypost.models import database
from mypost.models.installation import Installation
from mypost.settings import read
from tests.jobs.conftest import KEYS, _populate

REASON = "SELECT quarantine_reason FROM installation"
OFFSET = "INSERT INTO clock_offset (by) VALUES ($1) ON CONFLICT (one) DO UPDATE SET by = $1"


def settings(world, folder):
    return read(
        {
            "DATABASE_URL": world.services.owner_url,
            "DATABASE_DISPATCH_URL": world.services.dispatch_url,
            "REDIS_URL": world.services.redis_url,
            "MYPOST_SECRET": KEYS.secret.hex(),
            "MYPOST_DATA_DIR": str(folder),
        }
    )


@asynccontextmanager
async def connected(world, services):
    """The same world with its rows in another database."""
    urls = ((services.owner_url, "mypost_owner"), (services.dispatch_url, "mypost_dispatch"))
    async with AsyncExitStack() as stack:
        owner, pool = [
            await stack.enter_async_context(await database.pool(*url, 8)) for url in urls
        ]
        yield dataclasses.replace(world, services=services, owner=owner, pool=pool)


@contextmanager
def made(services, template):
    """A database of its own, copied from one to which nobody is connected."""
    name, deadline = f"r{uuid4().hex[:8]}", time.monotonic() + 20
    while True:
        try:
            copy = embedded.create_database(services, name, template)
            break
        except embedded.Failed:  # the last session of the original is still on its way out
            assert time.monotonic() < deadline
    yield copy, name
    embedded.drop_database(services, name)


@pytest.mark.parametrize("mode", ["ok", "lookup", "two_step"])
async def test_the_restore_drill(world, mode, tmp_path):
    """Posts go out after the backup was made; the backup is restored, and none goes out again."""
    with made(world.services, "template") as (original, name):
        async with connected(world, original) as before:
            row = await _populate(before.owner)
            before.workspace, before.brand, before.user = row
            accounts = [await before.account(mode) for _ in range(6)]
            for number, account in enumerate(accounts):
                await before.post(f"n{number}", account, due_in=60 + 1000 * (number // 3))
            await before.dispatcher().drain()  # takes the first steps where there are two
        with made(world.services, name) as (backup, _):
            clock.shift(timedelta(seconds=61))
            async with connected(world, original) as after:
                await after.owner.execute(OFFSET, timedelta(seconds=61))
                await after.dispatcher().drain()
                assert len(await world.sent()) == 3
            async with connected(world, backup) as restored:
                await _restored(world, restored, tmp_path)


async def _restored(world, restored, tmp_path):
    async def later(seconds):
        clock.shift(timedelta(seconds=seconds))
        await restored.owner.execute(OFFSET, timedelta(seconds=seconds))
        return await restored.dispatcher().drain()

    assert await later(61) == 0
    assert "restored" in await restored.owner.fetchval(REASON)
    said = await recover(settings(restored, tmp_path))
    assert "since the backup: 3." in said
    assert await recover(settings(restored, tmp_path)) == NOTHING
    for seconds in (62, 75, 105, 120, 160):
        await later(seconds)
    assert sorted(await world.sent()) == ["n0", "n1", "n2"]
    proofs = await restored.owner.fetch(
        "SELECT proof FROM transitions WHERE needs_proof ORDER BY pos"
    )
    assert [row["proof"] for row in proofs] == ["restored"] * 3 + ["lookup_found"] * 3
    # What was not due yet goes out when it is.
    await later(1100)
    assert sorted(await world.sent()) == [f"n{number}" for number in range(6)]


async def test_what_was_due_and_had_not_gone_out_goes_out_after_two_readings(world, tmp_path):
    [target] = await world.post("x", await world.account())
    await world.owner.execute("UPDATE installation SET timeline = timeline + 1")
    assert await world.dispatcher().drain() == 0
    assert await world.states(target) == ["scheduled"]
    await recover(settings(world, tmp_path))
    for seconds in (0, 11.1, 14):
        await world.travel(seconds)
        await world.dispatcher().drain()
    assert await world.states(target) == ["published"]
    assert await world.sent() == ["x"]


async def test_a_blind_account_leaves_the_question_to_a_person(world, tmp_path):
    [target] = await world.post("x", await world.account("blind"))
    await world.owner.execute("UPDATE installation SET database = 1")
    await recover(settings(world, tmp_path))
    await world.dispatcher().drain()
    assert await world.states(target) == ["needs_confirmation"]
    assert await world.sent() == []


async def test_a_day_in_quarantine_makes_nothing_too_late(world):
    [target] = await world.post("x", await world.account())
    await world.owner.execute("UPDATE installation SET timeline = timeline + 1")
    await world.travel(90_000)
    await world.dispatcher().drain()
    assert await world.states(target) == ["scheduled"]
    assert await world.lanes.wait() is None


async def test_a_server_nobody_has_looked_at_is_not_sent_from(world):
    """It was restarted: it may be another by now, so somebody arrives first."""
    await world.post("x", await world.account())
    await world.owner.execute("UPDATE installation SET started_at = started_at - interval '1 s'")
    assert await world.lanes.claim(uuid4(), 10) == []
    await world.dispatcher().drain()
    assert await world.sent() == ["x"]


@pytest.fixture
async def redis(world):
    from redis.asyncio import Redis

    client = Redis.from_url(world.services.redis_url)
    yield client
    await client.aclose()


async def test_a_database_that_forgot_is_found_out_by_either_memory(world, redis, tmp_path):
    await world.post("x", await world.account())
    installation = Installation(world.pool)
    kept = Marks(tmp_path, redis)
    await kept.keep(installation)
    assert await kept.check(installation) is None
    for memory in (Marks(tmp_path), Marks(None, redis)):
        mark = await installation.mark()
        later = orjson.dumps([mark.place, str(mark.epoch), mark.pos + 9, str(mark.target)])
        (tmp_path / FILE).write_bytes(later)
        await redis.set(KEY.format(mark.place), later)
        assert "forgotten" in await memory.check(installation)
        assert await world.dispatcher().run_once() == 0
        await installation.recover()
        # That somebody has ended the quarantine holds for every memory of before.
        assert await memory.check(installation) is None
        (tmp_path / FILE).unlink()
    stranger = orjson.dumps([mark.place, str(uuid4()), 1, str(mark.target)])
    (tmp_path / FILE).write_bytes(stranger)
    assert "forgotten" in await Marks(tmp_path).check(installation)


@pytest.mark.parametrize("spelled", [b"", b"{", b"[]", b"[1, 2, 3, 4]", b'["x", "y", 1, "z"]'])
async def test_a_memory_that_cannot_be_read_is_none(world, tmp_path, spelled):
    (tmp_path / FILE).write_bytes(spelled)
    assert await Marks(tmp_path).check(Installation(world.pool)) is None


async def test_a_mark_of_another_database_says_nothing(world, tmp_path):
    (tmp_path / FILE).write_bytes(orjson.dumps(["1.2", str(uuid4()), 5, str(uuid4())]))
    assert await Marks(tmp_path).check(Installation(world.pool)) is None
