"""P12: a thousand attempts of the application to move a target where only others may.

The targets are put into their states past all rules, so that only the move itself is at fault.
Which moves the application may make is told here once more, in words that share nothing.
"""

import asyncio
import random
import tempfile
from pathlib import Path
from uuid import UUID

import asyncpg

from bench.burst import place
from bench.result import Asked, Result
from mypost import embedded, ids
from mypost.ids import Tag
from mypost.models import database
from mypost.settings import credentials

ATTEMPTS = 1_000
MAY = {
    "pending": ("scheduled", "cancelled"),
    "scheduled": ("pending", "cancelled"),
    "claimed": ("pending", "scheduled", "cancelled"),
    "failed": ("scheduled",),
    "needs_confirmation": ("scheduled",),
}
STATES = (*MAY, "sending", "confirming", "published", "unknown", "cancelled")
REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)
# What a row of each state holds; a move takes over what it finds.
FACTS = """
  due_at = mypost_now(), sent_at = mypost_now(), handle = 'h', fence = 3, attempts = 1,
  lease_until = CASE WHEN $2::text IN ('claimed', 'sending') THEN mypost_now() + interval '1 h' END,
  lease_owner = CASE WHEN $2::text IN ('claimed', 'sending') THEN id END,
  external_id = CASE WHEN $2::text = 'published' THEN id::text END,
  published_at = CASE WHEN $2::text = 'published' THEN mypost_now() END,
  error = CASE WHEN $2::text IN ('failed', 'needs_confirmation')
          THEN '{"message": "x"}'::jsonb END"""
MOVE = (
    "UPDATE targets SET state = $2::text,"
    " lease_until = CASE WHEN $2::text IN ('claimed', 'sending')"
    " THEN mypost_now() + interval '1 h' END,"
    " lease_owner = CASE WHEN $2::text IN ('claimed', 'sending') THEN id END WHERE id = $1"
)
ATTACKS = (
    "UPDATE targets SET external_id = 'x', state = 'published'",
    "UPDATE targets SET proof = 'remote_id'",
    "UPDATE targets SET fence = fence - 1",
    "UPDATE targets SET sent_at = NULL",
    "UPDATE targets SET generation = generation + 1",
    "UPDATE posts SET phase = 'published'",
    "DELETE FROM targets",
    "DELETE FROM transitions",
    "INSERT INTO transitions (fence) VALUES (1)",
    "UPDATE transition_rules SET by_app = true",
    "UPDATE lanes SET fence = 0",
    "SELECT dispatch_claim(gen_random_uuid(), 1)",
    "SELECT dispatch_outcomes('[]')",
    "SELECT dispatch_recover()",
)
# The control: somebody has made the application's moves of everybody's.
BREAK = "UPDATE transition_rules SET by_app = true, needs_proof = false"


async def _written(owner: asyncpg.Pool, url: str) -> tuple[UUID, dict[str, UUID]]:
    """Puts one target into each state."""
    workspace, brand, user = await place(owner)
    targets: dict[str, UUID] = {}
    connection = await asyncpg.connect(**credentials(url))
    for state in STATES:
        account, post, target = ids.new(Tag.ACCOUNT), ids.new(Tag.POST), ids.new(Tag.TARGET)
        targets[state] = target
        await owner.execute(
            "INSERT INTO accounts (id, workspace_id, brand_id, network, external_id, handle, name,"
            " grant_cipher) VALUES ($1, $2, $3, 'sandbox', $4, $4, $4, 'x')",
            *(account, workspace, brand, state),
        )
        await owner.execute(
            "INSERT INTO posts (id, workspace_id, brand_id, content, created_by)"
            " VALUES ($1, $2, $3, 'x', $4)",
            *(post, workspace, brand, user),
        )
        await owner.execute(
            "INSERT INTO targets (id, workspace_id, post_id, account_id, dispatch_key)"
            " VALUES ($1, $2, $3, $4, $1)",
            *(target, workspace, post, account),
        )
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(
                f"UPDATE targets SET state = $2::text, {FACTS} WHERE id = $1", target, state
            )
    await connection.close()
    return workspace, targets


async def _attempt(
    connection: asyncpg.Connection, workspace: UUID, words: tuple[object, ...]
) -> bool:
    """Tries one thing in a transaction that is undone; answers whether it was refused."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        scope = f"{{{workspace}}}"
        await connection.execute("SELECT set_config('mypost.ws', $1, true)", scope)
        await connection.execute(*words)
    except REFUSED:
        return True
    finally:
        await attempt.rollback()
    return False


async def _measure(asked: Asked) -> int:
    chance = random.Random(f"refusals:{asked.seed or 7}")  # noqa: S311 - drawn from a seed
    moves = [(a, b) for a in STATES for b in STATES if a != b and b not in MAY.get(a, ())]
    with tempfile.TemporaryDirectory(prefix="mypost-refuse-") as folder:
        try:
            services = await asyncio.to_thread(embedded.start, Path(folder), fast=True)
            await database.migrate(services.owner_url)
            async with (
                await database.pool(services.owner_url, "mypost_owner") as owner,
                await database.pool(services.app_url, "mypost_app") as app,
            ):
                superuser = services.owner_url.replace("mypost_owner@", "postgres@", 1)
                workspace, targets = await _written(owner, superuser)
                if asked.broken:
                    await owner.execute(BREAK)
                refused = 0
                async with app.acquire() as connection:
                    for number in range(asked.cases or ATTEMPTS):
                        move = chance.choice(moves)
                        words = (MOVE, targets[move[0]], move[1])
                        words = words if number % 4 else (chance.choice(ATTACKS),)
                        refused += await _attempt(connection, workspace, words)
                return refused
        finally:
            await asyncio.to_thread(embedded.stop, Path(folder))


def figure(asked: Asked) -> Result:
    """Counts what was refused."""
    wanted = asked.cases or ATTEMPTS
    refused = asyncio.run(_measure(asked))
    return Result(f"refused={refused}/{wanted}", f"refused={wanted}", refused == wanted)
