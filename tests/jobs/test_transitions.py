"""The database itself refuses what no role may do."""

import asyncpg
import pytest

STATES = (
    *("pending", "scheduled", "claimed", "sending", "confirming", "published"),
    *("failed", "unknown", "needs_confirmation", "cancelled"),
)
APP_MAY = {
    ("pending", "scheduled"),
    ("pending", "cancelled"),
    ("scheduled", "pending"),
    ("scheduled", "cancelled"),
    ("claimed", "pending"),
    ("claimed", "cancelled"),
    ("claimed", "scheduled"),
    ("needs_confirmation", "scheduled"),
    ("needs_confirmation", "failed"),
    ("failed", "scheduled"),
}
# What puts a row into a state, so that only the transition itself can be at fault.
WAYS = {
    "pending": [],
    "scheduled": ["scheduled"],
    "cancelled": ["cancelled"],
    "claimed": ["scheduled", "claimed"],
    "needs_confirmation": ["scheduled", "needs_confirmation"],
    **{
        state: ["scheduled", "claimed", "sending", state]
        for state in ("published", "failed", "unknown", "confirming")
    },
    "sending": ["scheduled", "claimed", "sending"],
}
MOVE = """UPDATE targets SET state = $2::text, fence = fence + 1, proof = 'remote_id',
  due_at = mypost_now(), sent_at = mypost_now(), error = '{}',
  external_id = CASE WHEN $2::text = 'published' THEN id::text END,
  lease_owner = CASE WHEN $2::text IN ('claimed', 'sending') THEN id END,
  lease_until = CASE WHEN $2::text IN ('claimed', 'sending') THEN mypost_now() END WHERE id = $1"""

# What the world answered is out of the application's reach: these columns are not granted to it.
ANSWERED = ("proof", "proof_read_at", "sent_at", "external_id", "external_url", "published_at")
APP_MOVE = """UPDATE targets SET state = $2::text, fence = fence + 1, due_at = mypost_now(),
  error = '{}',
  lease_owner = CASE WHEN $2::text IN ('claimed', 'sending') THEN id END,
  lease_until = CASE WHEN $2::text IN ('claimed', 'sending') THEN mypost_now() END WHERE id = $1"""


@pytest.mark.parametrize("came_from", STATES)
async def test_the_application_moves_a_target_only_where_it_may(world, came_from):
    [target] = await world.post("x", await world.account())
    await world.owner.execute("UPDATE targets SET state = 'pending', due_at = NULL")
    for state in WAYS[came_from]:
        await world.owner.execute(MOVE, target, state)
    allowed = set()
    async with world.app.acquire() as connection:
        for goes_to in STATES:
            attempt = connection.transaction()
            await attempt.start()
            scope = f"{{{world.workspace}}}"
            await connection.execute("SELECT set_config('mypost.ws', $1, true)", scope)
            try:
                assert await connection.execute(APP_MOVE, target, goes_to) == "UPDATE 1"
                allowed.add(goes_to)
            except asyncpg.IntegrityConstraintViolationError:
                pass
            await attempt.rollback()
    assert allowed == {came_from} | {to for start, to in APP_MAY if start == came_from}


@pytest.mark.parametrize("column", ANSWERED)
async def test_the_application_writes_no_answer_of_the_world(world, column):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.app.execute(f"UPDATE targets SET {column} = {column}")


async def test_the_application_derives_no_phase(world):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.app.execute("UPDATE posts SET phase = 'published'")


async def test_the_dispatcher_role_reads_no_table(world):
    for table in ("targets", "posts", "accounts", "lanes", "outbox", "events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.pool.fetch(f"SELECT * FROM {table}")
