"""A real PostgreSQL, a real sandbox server, and a world of one workspace per test."""

import asyncio
import inspect
import itertools
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
import uvicorn
from starlette.applications import Starlette

from mypost import clock, embedded, ids
from mypost.crypto import Keys
from mypost.ids import Tag
from mypost.jobs.dispatcher import Dispatcher
from mypost.jobs.wake import Wake
from mypost.models import database
from mypost.models.accounts import seal_grant
from mypost.models.installation import Installation
from mypost.models.lanes import Lanes, Sending
from mypost.networks import Kind, Unreadable
from mypost.networks.sandbox import Sandbox
from tests.client import plain

KEYS = Keys(b"k" * 32)
NUMBERS = itertools.count(1)


def free_socket() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


async def until(condition, seconds: float = 10) -> None:
    """Waits for something another task or process does."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(app, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listener]))
    await until(lambda: server.started)
    try:
        yield
    finally:
        server.should_exit = True
        await task


@dataclass
class World:
    """One workspace with its brand, and everything that sends for it."""

    services: embedded.Services
    owner: asyncpg.Pool
    app: asyncpg.Pool
    pool: asyncpg.Pool
    network: Sandbox
    server: Starlette
    url: str
    workspace: UUID
    brand: UUID
    user: UUID
    wake: Wake = field(default_factory=Wake)

    @property
    def lanes(self) -> Lanes:
        return Lanes(self.pool)

    def dispatcher(self) -> Dispatcher:
        return Dispatcher(self.lanes, KEYS, {"sandbox": self.network}, self.wake)

    async def account(self, mode: str = "ok") -> UUID:
        account, handle = ids.new(Tag.ACCOUNT), f"a{next(NUMBERS)}"
        profile = await self.network.connect({"handle": handle, "mode": mode})
        grant = profile.grant
        await self.owner.execute(
            "INSERT INTO accounts (id, workspace_id, brand_id, network, external_id, handle, name,"
            " grant_cipher, token_expires_at, grant_ends_at, two_step)"
            " VALUES ($1, $2, $3, 'sandbox', $4, $4, $4, $5, $6, $7, $8)",
            account,
            self.workspace,
            self.brand,
            handle,
            seal_grant(KEYS, self.workspace, account, grant),
            grant.expires_at,
            grant.ends_at,
            self.network.terms(grant).kind is Kind.TWO_STEP,
        )
        return account

    async def post(self, text: str, *accounts: UUID, due_in: float = -1) -> list[UUID]:
        """Schedules a post and answers its targets."""
        post, targets = ids.new(Tag.POST), []
        async with self.owner.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO posts (id, workspace_id, brand_id, content, created_by, scheduled_by)"
                " VALUES ($1, $2, $3, $4, $5, $5)",
                *(post, self.workspace, self.brand, text, self.user),
            )
            for account in accounts:
                targets.append(ids.new(Tag.TARGET))
                await connection.execute(
                    "INSERT INTO targets (id, workspace_id, post_id, account_id, dispatch_key)"
                    " VALUES ($1, $2, $3, $4, gen_random_uuid())",
                    *(targets[-1], self.workspace, post, account),
                )
            await connection.execute("UPDATE posts SET stage = 'scheduled' WHERE id = $1", post)
            await connection.execute(
                "UPDATE targets SET state = 'scheduled', due_at = mypost_now() + $2"
                " WHERE post_id = $1",
                *(post, timedelta(seconds=due_in)),
            )
        return targets

    async def target(self, target: UUID) -> asyncpg.Record:
        return await self.owner.fetchrow(
            "SELECT t.*, p.phase, l.hold_reason, l.hold_until FROM targets t"
            " JOIN posts p ON p.id = t.post_id JOIN lanes l USING (account_id) WHERE t.id = $1",
            target,
        )

    async def states(self, *targets: UUID) -> list[str]:
        return [(await self.target(target))["state"] for target in targets]

    async def sent(self) -> list[str]:
        """The texts the network has accepted, oldest first."""
        async with plain() as client:
            page = await client.get(f"{self.url}/posts.json", params={"limit": "1000"})
        return [post["text"] for post in reversed(orjson.loads(page.content)["posts"])]

    async def travel(self, seconds: float) -> None:
        """Moves both clocks forward."""
        offset = clock._Clock.offset + timedelta(seconds=seconds)
        await self.owner.execute(
            "INSERT INTO clock_offset (by) VALUES ($1) ON CONFLICT (one) DO UPDATE SET by = $1",
            offset,
        )
        clock.shift(offset)

    async def types(self) -> list[str]:
        rows = await self.owner.fetch(
            "SELECT type FROM (SELECT pos, type FROM outbox UNION ALL"
            " SELECT number, type FROM events) e ORDER BY pos"
        )
        return [row["type"] for row in rows]


@pytest.fixture(scope="session")
def services() -> Iterator[embedded.Services]:
    with tempfile.TemporaryDirectory(prefix="mypost-jobs-") as folder:
        try:
            yield embedded.start(Path(folder), database="template", fast=True)
        finally:
            embedded.stop(Path(folder))


@pytest.fixture(scope="session")
async def template(services: embedded.Services) -> embedded.Services:
    await database.migrate(services.owner_url)
    return services


@pytest.fixture
async def world(template: embedded.Services, tmp_path: Path) -> AsyncIterator[World]:
    listener = free_socket()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    mine = embedded.create_database(template, f"w{next(NUMBERS)}", "template")
    network = Sandbox({"MYPOST_SANDBOX_URL": url}, "http://127.0.0.1")
    server = Sandbox.server(tmp_path)
    server.state.slow_seconds = 0.3
    async with (
        serving(server, listener),
        await database.pool(mine.owner_url, "mypost_owner") as owner,
        await database.pool(mine.app_url, "mypost_app") as app,
        await database.pool(mine.dispatch_url, "mypost_dispatch", 8) as pool,
    ):
        made = await _populate(owner)
        await Installation(pool).arrive()
        try:
            yield World(mine, owner, app, pool, network, server, url, *made)
        finally:
            clock.shift(timedelta())
            await network.close()
    embedded.drop_database(template, database.credentials(mine.owner_url)["database"])


async def _populate(owner: asyncpg.Pool) -> tuple[UUID, UUID, UUID]:
    workspace, brand, user = ids.new(Tag.WORKSPACE), ids.new(Tag.BRAND), ids.new(Tag.USER)
    await owner.execute(
        "INSERT INTO users (id, email, name, password_hash) VALUES ($1, 'a@example.org', 'A', '')",
        user,
    )
    await owner.execute(
        "INSERT INTO workspaces (id, name, slug) VALUES ($1, 'W', $2)", workspace, str(workspace)
    )
    await owner.execute(
        "INSERT INTO brands (id, workspace_id, name) VALUES ($1, $2, 'B')", brand, workspace
    )
    return workspace, brand, user


async def begun(world: World, target: UUID, worker: UUID | None = None) -> Sending:
    """A target whose dispatcher has written the intent and then vanished."""
    worker = worker or uuid4()
    claims = await world.lanes.claim(worker, 10)
    [sending] = await world.lanes.begin(worker, claims, [15.0])
    assert sending.target_id == target
    return sending


class Strange(Sandbox):
    """A network that answers what the test wants."""

    answer = finding = None

    async def publish(self, _grant, _draft):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def find_published(self, _grant, _draft):
        return self.finding


@pytest.fixture
async def strange(world: World) -> AsyncIterator[Strange]:
    """The strange network, in the place of the real one."""
    home, world.network = world.network, Strange({"MYPOST_SANDBOX_URL": world.url}, "")
    world.network.finding = Unreadable("503")
    yield world.network
    await world.network.close()
    world.network = home
