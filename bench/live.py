"""P14: 500 subscribers, 2,000 transitions, Redis killed three times; what each has heard.

A real server with its workers, and subscribers who are nothing but a socket. What PostgreSQL holds
in the end is what each of them has to have heard: each number once, in order, and in time.
"""

import asyncio
import base64
import os
import re
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import psutil
from websockets.asyncio.client import ClientConnection, connect

from bench.burst import place
from bench.crash.processes import Kept, python
from bench.crash.services import Services
from bench.crash.stage import LIMITS
from bench.result import Asked, Result
from mypost import crypto, ids
from mypost.ids import Tag
from mypost.models import database
from mypost.models.base import Db
from mypost.settings import inherited
from mypost.tokens import Sessions

SUBSCRIBERS, SESSIONS, TRANSITIONS = 500, 50, 2000
SECONDS = 100.0
KILLS, AWAY_S = 3, 2.0
PATIENCE = 60.0
LATE_S = 1.0
HEARD = re.compile(r'"cursor":"(\d+)","occurredAt":"([^"]+)"')
QUERY = """subscription($b: ID!) { postStatusChanged(brandId: $b) {
  ... on PostStatusEvent { cursor occurredAt type phase } ... on ResyncRequired { reason } } }"""
LIMIT = "each transition once, in order; p99 <= 1 s"


@dataclass
class Subscriber:
    """What one has heard: numbers in the order they came, and how late each was."""

    numbers: list[int] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    async def listen(self, connection: ClientConnection) -> None:
        """Hears until the socket ends."""
        async for text in connection:
            now = time.time()
            if found := HEARD.search(str(text)):
                self.numbers.append(int(found[1]))
                self.late.append(now - datetime.fromisoformat(found[2]).timestamp())
            elif '"ping"' in str(text):
                await connection.send('{"type":"pong"}')


@dataclass
class Stage:
    """A running installation, one brand in it, and tokens of somebody who may hear it."""

    services: Services
    owner: asyncpg.Pool
    address: str
    workspace: UUID
    brand: UUID
    user: UUID
    account: UUID
    tokens: list[str]

    async def move(self) -> None:
        """Schedules one post: two transitions in one commit."""
        post, target = ids.new(Tag.POST), ids.new(Tag.TARGET)
        async with self.owner.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO posts (id, workspace_id, brand_id, content, stage, created_by)"
                " VALUES ($1, $2, $3, 'x', 'scheduled', $4)",
                *(post, self.workspace, self.brand, self.user),
            )
            await connection.execute(
                "INSERT INTO targets (id, workspace_id, post_id, account_id, dispatch_key)"
                " VALUES ($1, $2, $3, $4, $1)",
                *(target, self.workspace, post, self.account),
            )
            await connection.execute(
                "UPDATE targets SET state = 'scheduled', due_at = $2 WHERE id = $1",
                *(target, datetime.now(UTC) + timedelta(days=30)),
            )

    async def happened(self) -> list[int]:
        """The numbers that everybody has to have heard."""
        rows = await self.owner.fetch(
            "SELECT number FROM events WHERE brand_id = $1 AND type ~ '^(post|target)[.]'"
            " ORDER BY number",
            self.brand,
        )
        return [row["number"] for row in rows]


async def _home(owner: asyncpg.Pool, pool: Any, secret: str, folder: Path) -> dict[str, Any]:
    """A brand with an account, its owner, and sessions of his."""
    workspace, brand, user = await place(owner)
    role, account = ids.new(Tag.ROLE), ids.new(Tag.ACCOUNT)
    await owner.execute(
        "INSERT INTO roles (id, workspace_id, name, permissions, system) VALUES"
        " ($1, $2, 'Owner', '{posts.create}', true)",
        *(role, workspace),
    )
    await owner.execute(
        "INSERT INTO members (id, workspace_id, user_id, role_id) VALUES ($1, $2, $3, $4)",
        *(ids.new(Tag.MEMBER), workspace, user, role),
    )
    await owner.execute(
        "INSERT INTO accounts (id, workspace_id, brand_id, network, external_id, handle, name,"
        " grant_cipher) VALUES ($1, $2, $3, 'sandbox', 'x', 'x', 'x', 'x')",
        *(account, workspace, brand),
    )
    sessions = Sessions(crypto.load(secret, folder), pool)
    issued = [await sessions.open(Db(pool), user) for _ in range(SESSIONS)]
    tokens = [each.access_token for each in issued]
    ours = {"workspace": workspace, "brand": brand, "user": user, "account": account}
    return {**ours, "tokens": tokens}


@asynccontextmanager
async def staged(folder: Path, *, broken: bool) -> AsyncIterator[Stage]:
    """Runs everything in a folder of its own."""
    services, secret = Services(folder), base64.b64encode(os.urandom(32)).decode()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(services.end)
        found = await services.start()
        await database.migrate(found.owner_url)
        owner = await stack.enter_async_context(
            await database.pool(found.owner_url, "mypost_owner")
        )
        pool = await stack.enter_async_context(await database.pool(found.app_url, "mypost_app"))
        home = await _home(owner, pool, secret, folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        data = folder / "mypost"
        given = {**services.addresses(found), "MYPOST_SECRET": secret, "MYPOST_SANDBOX": "1"}
        given |= dict.fromkeys(LIMITS, "1000000")  # five hundred begin at once
        serve = ("mypost", "serve", "--port", str(port), "--data-dir", str(data))
        words = python(*(("bench.forgetful", str(port), str(data)) if broken else serve))
        server = Kept("server", words, inherited(given), folder)
        await server.start()
        stack.push_async_callback(server.end)
        await _up(port)
        yield Stage(services, owner, f"ws://127.0.0.1:{port}/graphql", **home)


async def _up(port: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


async def subscribed(stage: Stage, token: str, stack: AsyncExitStack) -> ClientConnection:
    """One socket whose subscription the server has taken up."""
    opening = connect(stage.address, subprotocols=["graphql-transport-ws"], compression=None)  # type: ignore[list-item]
    connection = await stack.enter_async_context(opening)
    said = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
    await connection.send(orjson.dumps(said).decode())
    await connection.recv()
    payload = {"query": QUERY, "variables": {"b": str(stage.brand)}}
    asked = {"id": "1", "type": "subscribe", "payload": payload}
    await connection.send(orjson.dumps(asked).decode())
    await connection.send('{"type":"ping"}')
    while '"pong"' not in (said_back := str(await connection.recv())):
        if '"error"' in said_back:
            raise RuntimeError(said_back)
    return connection


async def _move(stage: Stage, transitions: int, seconds: float) -> None:
    """Moves posts at an even rate, and kills Redis on the way."""
    began, moves = time.monotonic(), transitions // 2
    kills = [moves * (n + 1) // (KILLS + 1) for n in range(KILLS)]
    losing: list[asyncio.Task[None]] = []
    for number in range(moves):
        await asyncio.sleep(began + number * seconds / moves - time.monotonic())
        if number in kills:
            losing.append(asyncio.create_task(stage.services.lose_redis(AWAY_S)))
        await stage.move()
    await asyncio.gather(*losing)


async def measure(
    transitions: int, seconds: float, *, broken: bool
) -> tuple[list[int], list[Subscriber]]:
    """Answers what has happened, and what each subscriber has heard of it."""
    with tempfile.TemporaryDirectory(prefix="mypost-live-") as place_:
        async with staged(Path(place_), broken=broken) as stage, AsyncExitStack() as stack:
            everybody = [Subscriber() for _ in range(SUBSCRIBERS)]
            listening = []
            for number, each in enumerate(everybody):
                token = stage.tokens[number % SESSIONS]
                connection = await subscribed(stage, token, stack)
                listening.append(asyncio.create_task(each.listen(connection)))
            await asyncio.sleep(1)
            await _move(stage, transitions, seconds)
            deadline = time.monotonic() + (5 if broken else PATIENCE)
            while time.monotonic() < deadline:
                happened = await stage.happened()
                if len(happened) >= transitions and all(
                    len(each.numbers) >= len(happened) for each in everybody
                ):
                    break
                await asyncio.sleep(0.2)
            for task in listening:
                task.cancel()
            return happened, everybody


def figure(asked: Asked) -> Result:
    """Runs P14, or its control."""
    transitions = asked.cases or TRANSITIONS
    happened, everybody = asyncio.run(
        measure(transitions, asked.seconds or SECONDS, broken=asked.broken)
    )
    wrong = sum(each.numbers != happened for each in everybody)
    missed = sum(len(set(happened) - set(each.numbers)) for each in everybody)
    late = sorted(value for each in everybody for value in each.late) or [0.0]
    p50, p99 = (late[int(len(late) * share)] for share in (0.5, 0.99))
    load = psutil.getloadavg()[0]
    said = (
        f"{len(happened)} transitions, {len(everybody)} subscribers: {wrong} heard otherwise,"
        f" {missed} missed; p50 {p50:.3f} s, p99 {p99:.3f} s, load {load:.0f}"
    )
    whole = len(happened) >= transitions
    return Result(said, LIMIT, whole and not wrong and p99 <= LATE_S)
