"""SEAL: `mypost audit verify` over 100,000 sealed rows, as the command it is.

In the control somebody has rewritten one row of them behind the triggers: a fast walk that does
not find it would be no walk.
"""

import asyncio
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import asyncpg
import structlog

from bench.crash.services import Services
from bench.result import Asked, Result
from mypost.jobs.sequencer import Sequencer
from mypost.jobs.wake import Wake
from mypost.models import database
from mypost.settings import credentials, inherited

ROWS, WORKSPACES = 100_000, 10
SECONDS = 10.0
FILL = """
WITH homes AS (INSERT INTO workspaces (id, name, slug)
    SELECT mypost_id(3), 'Seal', 'seal-' || n FROM generate_series(1, $2::int) n RETURNING id)
INSERT INTO audit_events (id, workspace_id, action, user_id, actor_type, resource_type,
    resource_id, metadata, ip, request_id)
  SELECT mypost_id(13), h.id, 'post.updated', mypost_id(1), 'user', 'post', mypost_id(9),
    jsonb_build_object('number', n), '192.0.2.7', 'req_' || md5(n::text)
  FROM homes h, generate_series(1, $1::int / $2::int) n"""
REWRITE = (
    "UPDATE audit_events SET user_id = mypost_id(1) WHERE id ="
    " (SELECT audit_id FROM audit_seals WHERE number = 77 LIMIT 1)"
)


async def _filled(owner: asyncpg.Pool, dispatch: asyncpg.Pool, rows: int) -> None:
    """Writes the rows, and seals them as they are sealed always."""
    await owner.execute(FILL, rows, WORKSPACES)
    await owner.execute("ANALYZE audit_events, outbox")
    sequencer = Sequencer(dispatch, None, Wake(None))
    while await owner.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
        await sequencer.run_once()


async def _rewritten(owner_url: str) -> None:
    url = owner_url.replace("mypost_owner@", "postgres@", 1)
    connection = await asyncpg.connect(**credentials(url))
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(REWRITE)
    await connection.close()


async def _verified(told: dict[str, str]) -> tuple[float, str, str]:
    """Runs the command; answers how long it took, and what it said."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mypost", "audit", "verify",
        stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=inherited(told),
    )  # fmt: skip
    said, wrong = await process.communicate()
    return time.monotonic() - began, said.decode().strip(), wrong.decode().strip()


async def _measure(rows: int, *, broken: bool) -> tuple[float, str, str]:
    with tempfile.TemporaryDirectory(prefix="mypost-seal-") as folder:
        services = Services(Path(folder) / "services")
        try:
            found = await services.start()
            await database.migrate(found.owner_url)
            async with (
                await database.pool(found.owner_url, "mypost_owner") as owner,
                await database.pool(found.dispatch_url, "mypost_dispatch") as dispatch,
            ):
                await _filled(owner, dispatch, rows)
            if broken:
                await _rewritten(found.owner_url)
            return await _verified(services.addresses(found) | {"MYPOST_SECRET": "5e" * 32})
        finally:
            await services.end()


def figure(asked: Asked) -> Result:
    """Times the command; the control has a row that it must find."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    rows = asked.cases or ROWS
    seconds, said, wrong = asyncio.run(_measure(rows, broken=asked.broken))
    found = len(wrong.splitlines())
    whole = said == f"{rows} events of {WORKSPACES} workspaces"
    measured = f"rows={said.split(' ')[0]},seconds={seconds:.2f},rewritten={found}"
    held = whole and seconds <= SECONDS and not found
    return Result(measured, f"rows={rows},seconds<={SECONDS:.0f},rewritten=0", held)
