"""The database itself refuses what no role may do."""

import itertools
import random
from uuid import UUID

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
    ("failed", "scheduled"),
}
# Every move there is, and the proofs that it takes; an empty set takes none.
RULES = {
    **{move: set() for move in APP_MAY},
    ("scheduled", "claimed"): set(),
    ("scheduled", "needs_confirmation"): set(),
    ("scheduled", "unknown"): {"restored"},
    ("claimed", "sending"): set(),
    ("sending", "published"): {"remote_id"},
    ("sending", "confirming"): {"handle"},
    ("sending", "scheduled"): {"definite_rejection"},
    ("sending", "failed"): {"definite_rejection"},
    ("sending", "unknown"): set(),
    ("confirming", "published"): {"lookup_found", "remote_id"},
    ("confirming", "failed"): {"lookup_found"},
    ("confirming", "unknown"): set(),
    ("unknown", "published"): {"lookup_found", "remote_id"},
    ("unknown", "scheduled"): {"lookup_absent"},
    ("unknown", "needs_confirmation"): set(),
    ("needs_confirmation", "published"): {"person", "remote_id"},
    ("needs_confirmation", "failed"): {"person"},
}
PROOFS = (
    *("remote_id", "handle", "definite_rejection", "idempotent_key"),
    *("lookup_found", "lookup_absent", "person", "restored", None),
)
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
MOVE = """UPDATE targets SET state = $2::text, fence = fence + 1, proof = $3::text,
  due_at = mypost_now(), sent_at = mypost_now() - interval '2 min', error = '{}', handle = 'h',
  settled_at = mypost_now() - interval '1 min', proof_read_at = mypost_now(), absent_reads = 2,
  resolved_by = CASE WHEN $3::text = 'person' THEN id END,
  external_id = CASE WHEN $2::text = 'published' THEN id::text END,
  lease_owner = CASE WHEN $2::text IN ('claimed', 'sending') THEN id END,
  lease_until = CASE WHEN $2::text IN ('claimed', 'sending') THEN mypost_now() END WHERE id = $1"""

# What the world answered is out of the application's reach: these columns are not granted to it.
ANSWERED = (
    *("proof", "proof_read_at", "sent_at", "external_id", "external_url", "published_at"),
    *("handle", "settled_at", "absent_reads", "resolved_by", "risk", "prepare_at"),
)
APP_MOVE = """UPDATE targets SET state = $2::text, fence = fence + 1, due_at = mypost_now(),
  error = '{}',
  lease_owner = CASE WHEN $2::text IN ('claimed', 'sending') THEN id END,
  lease_until = CASE WHEN $2::text IN ('claimed', 'sending') THEN mypost_now() END WHERE id = $1"""


async def put(world, state):
    """A target in this state."""
    [target] = await world.post("x", await world.account())
    await world.owner.execute(
        "UPDATE targets SET state = 'pending', due_at = NULL WHERE id = $1", target
    )
    came_from = "pending"
    for goes_to in WAYS[state]:
        [*proofs] = RULES[came_from, goes_to] or [None]
        await world.owner.execute(MOVE, target, goes_to, min(proofs))
        came_from = goes_to
    return target


@pytest.mark.parametrize("came_from", STATES)
async def test_a_move_is_made_with_its_proof_or_not_at_all(world, came_from):
    """Even the schema's owner makes no other."""
    target, allowed = await put(world, came_from), set()
    for goes_to, proof in itertools.product(STATES, PROOFS):
        async with world.owner.acquire() as connection:
            attempt = connection.transaction()
            await attempt.start()
            try:
                await connection.execute(MOVE, target, goes_to, proof)
                if goes_to != came_from:
                    allowed.add((goes_to, proof))
            except asyncpg.IntegrityConstraintViolationError:
                pass
            await attempt.rollback()
    expected = {
        (to, proof)
        for (start, to), proofs in RULES.items()
        if start == came_from
        for proof in (proofs or PROOFS)
    }
    assert allowed == expected


@pytest.mark.parametrize("came_from", STATES)
async def test_the_application_moves_a_target_only_where_it_may(world, came_from):
    target, allowed = await put(world, came_from), set()
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


async def test_a_thousand_attempts_of_the_application_are_refused(world):
    """Figure P12: moves that are not its own, answers of the world, and rows of history."""
    dice, refused = random.Random(7), 0
    targets = {state: await put(world, state) for state in STATES}
    illegal = [
        (start, to)
        for start, to in itertools.product(STATES, STATES)
        if start != to and (start, to) not in APP_MAY
    ]
    others = [f"UPDATE targets SET {column} = {column}" for column in ANSWERED]
    others += [
        "DELETE FROM targets", "DELETE FROM transitions", "UPDATE lanes SET fence = 0",
        "INSERT INTO transitions (fence) VALUES (1)", "UPDATE gates SET opened = 0",
        "UPDATE posts SET phase = 'published'", "SELECT dispatch_recover()",
        "UPDATE targets SET fence = fence - 1", "UPDATE transition_rules SET by_app = true",
        "UPDATE targets SET generation = generation + 1", "DELETE FROM gates",
        "UPDATE targets SET dispatch_key = gen_random_uuid()", "SELECT * FROM installation",
    ]  # fmt: skip
    async with world.app.acquire() as connection:
        for number in range(1000):
            attempt = connection.transaction()
            await attempt.start()
            scope = f"{{{world.workspace}}}"
            await connection.execute("SELECT set_config('mypost.ws', $1, true)", scope)
            try:
                if number % 4:
                    start, to = dice.choice(illegal)
                    await connection.execute(APP_MOVE, targets[start], to)
                else:
                    await connection.execute(dice.choice(others))
            except (
                asyncpg.IntegrityConstraintViolationError,
                asyncpg.InsufficientPrivilegeError,
            ):
                refused += 1
            await attempt.rollback()
    assert refused == 1000


@pytest.mark.parametrize("column", ANSWERED)
async def test_the_application_writes_no_answer_of_the_world(world, column):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.app.execute(f"UPDATE targets SET {column} = {column}")


async def test_the_application_derives_no_phase(world):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.app.execute("UPDATE posts SET phase = 'published'")


async def test_the_dispatcher_role_reads_no_table(world):
    for table in ("targets", "posts", "accounts", "lanes", "outbox", "events", "gates"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.pool.fetch(f"SELECT * FROM {table}")


async def test_history_is_neither_changed_nor_deleted(world):
    await put(world, "published")
    for statement in ("UPDATE transitions SET proof = NULL", "DELETE FROM transitions"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await world.owner.execute(statement)


async def test_other_words_are_another_generation_once_it_was_sent(world):
    """A key belongs to its words; before the first send there is nothing to part."""
    [fresh] = await world.post("x", await world.account())
    sent = await put(world, "sending")
    await world.owner.execute(MOVE, sent, "scheduled", "definite_rejection")
    before = {t: dict(await world.target(t)) for t in (fresh, sent)}
    await world.owner.execute("UPDATE posts SET content = content || '!'")
    after = {t: await world.target(t) for t in (fresh, sent)}
    assert after[fresh]["dispatch_key"] == before[fresh]["dispatch_key"]
    assert after[sent]["dispatch_key"] != before[sent]["dispatch_key"]
    assert [after[t]["generation"] for t in (fresh, sent)] == [1, 2]
    assert after[sent]["handle"] is None


async def test_a_decision_names_the_person(world):
    target = await put(world, "needs_confirmation")
    nameless = MOVE.replace("CASE WHEN $3::text = 'person' THEN id END", "NULL")
    with pytest.raises(asyncpg.CheckViolationError):
        await world.owner.execute(nameless, target, "failed", "person")


@pytest.mark.parametrize(
    "asked",
    [
        "post_id = $1 AND state NOT IN ('pending', 'cancelled')",
        "post_id = $1",
        "account_id = $1 AND state IN ('pending', 'scheduled', 'claimed')",
    ],
)
async def test_a_move_does_not_read_the_whole_table(world, asked):
    """What a trigger or a lock asks of each move has an index, removed targets included."""
    async with world.owner.acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        plan = await connection.fetch(
            f"EXPLAIN SELECT count(*) FROM targets WHERE {asked}",
            UUID(int=0),
        )
        await connection.execute("RESET enable_seqscan")
    text = "\n".join(row[0] for row in plan)
    assert "Seq Scan" not in text
    assert "Index" in text
