"""Real PostgreSQL and Valkey, a real server on a real socket, one fresh workspace per test."""

import asyncio
import dataclasses
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import uvicorn
from starlette.applications import Starlette

from mypost import clock, crypto, embedded, logs, settings
from mypost.app import build
from mypost.engine.streams import Streams
from mypost.jobs.dispatcher import Dispatcher
from mypost.jobs.sequencer import Sequencer
from mypost.jobs.wake import Wake
from mypost.models import database
from mypost.models.lanes import Lanes
from mypost.process import Server
from mypost.settings import Settings
from mypost.throttle import Throttle
from mypost.tokens import Passwords
from tests.client import PASSWORD, Api, Person, Socket, plain
from tests.doors import Door, GraphQLDoor, RestDoor

logs.configure("critical")
# What tests do has nothing to do with people; `tests/test_limits.py` has a house of its own.
PLENTY = {f"MYPOST_RATE_{scope}": "1000000" for scope in ("USER", "WORKSPACE", "GLOBAL")}


def _outside(given: dict[str, str]) -> embedded.Services | None:
    """The servers that `make outside` has started, if it runs us."""
    if not (owner := given.get("MYPOST_TEST_DATABASE_URL")):
        return None
    app, dispatch = (given.get(f"MYPOST_TEST_{n}_URL", owner) for n in ("APP", "DISPATCH"))
    return embedded.Services(owner, app, dispatch, given["MYPOST_TEST_REDIS_URL"])


@pytest.fixture(scope="session")
def installation() -> Iterator[Settings]:
    """Embedded services, or outside ones, with a migrated database and a folder of our own."""
    folder = Path(tempfile.mkdtemp(prefix="mypost-test-"))
    given = settings.inherited({})
    services = _outside(given) or embedded.start(folder, fast=True)
    try:
        asyncio.run(database.migrate(services.owner_url))
        plain = settings.read({"MYPOST_DATA_DIR": str(folder), **PLENTY})
        yield dataclasses.replace(
            plain,
            owner_url=services.owner_url,
            app_url=services.app_url,
            dispatch_url=services.dispatch_url,
            redis_url=services.redis_url,
            pooled=given.get("MYPOST_TEST_POOLER") == "transaction",
            origin="http://127.0.0.1:0",
        )
    finally:
        embedded.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


async def _nobody(_: object) -> None:
    """Looks after no streams."""


@asynccontextmanager
async def served(app: Starlette, listening: socket.socket) -> AsyncIterator[Server]:
    """Runs an application on a socket that is already bound."""
    config = uvicorn.Config(
        app, lifespan="on", ws="websockets-sansio", ws_per_message_deflate=False,
        access_log=False, log_level="error", timeout_graceful_shutdown=2,
    )  # fmt: skip
    streams = getattr(app.state, "streams", None) or Streams(_nobody)
    server = Server(config, streams.shutdown)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server
    finally:
        server.should_exit = True
        await running


@dataclasses.dataclass
class House:
    """The running installation and the means to look behind it."""

    settings: Settings
    keys: crypto.Keys
    app: Starlette
    owner: asyncpg.Pool
    dispatcher: Dispatcher
    sequencer: Sequencer
    password_hash: str

    @property
    def services(self) -> Any:
        return self.app.state.services

    async def work(self) -> None:
        """Lets the dispatcher and the sequencer do everything that is due now."""
        await self.dispatcher.drain()
        await self.tell()

    async def tell(self) -> None:
        """Lets the sequencer number everything that has committed."""
        while await self.sequencer.run_once():
            pass

    async def value(self, sql: str, *args: object) -> Any:
        """Reads one value as the owner."""
        return await self.owner.fetchval(sql, *args)

    async def digest(self) -> str:
        """A fingerprint of every row that a refused operation could have changed."""
        tables = (
            "users", "access_tokens", "sessions", "workspaces", "roles", "members", "brands",
            "accounts", "connections", "posts", "post_tags", "targets", "transitions", "outbox",
            "events", "audit_events", "invitations", "approvals", "mails", "password_resets",
            "idempotency_keys", "webhooks", "webhook_secrets", "deliveries",
        )  # fmt: skip
        # Whatever writes a row, be it the same values, makes a version with a place (ctid) and a
        # transaction (xmin) of its own. To read those two is a tenth of the cost of the values.
        parts = ", ".join(
            f"(SELECT sum(hashtidextended(ctid, xmin::text::bigint)) FROM {t})" for t in tables
        )
        return str(await self.value(f"SELECT ARRAY[{parts}]::text"))

    async def shift(self, by: timedelta) -> None:
        """Moves both clocks to real time plus `by`."""
        clock.shift(by)
        await self.owner.execute(
            "INSERT INTO clock_offset (by) VALUES ($1) ON CONFLICT (one) DO UPDATE SET by = $1", by
        )


@pytest.fixture(scope="session")
async def house(installation: Settings) -> AsyncIterator[House]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    told = dataclasses.replace(installation, origin=origin, allowed_origins=(origin,))
    keys = crypto.load(None, told.data_dir)
    passwords, throttle = (
        Passwords(memory_kib=8, passes=1),
        Throttle(per_address=1_000_000, per_recipient=1_000_000),
    )
    app = build(told, keys, passwords=passwords, throttle=throttle)
    async with served(app, listening):
        services = app.state.services
        wake = Wake(None)
        owner = await database.pool(str(told.owner_url), "mypost_owner")
        dispatch = await database.pool(str(told.dispatch_url), "mypost_dispatch")
        sequencer = Sequencer(dispatch, services.nudges.redis, wake)
        dispatcher = Dispatcher(Lanes(dispatch), keys, services.networks, wake)
        async with owner, dispatch:
            yield House(
                told,
                keys,
                app,
                owner,
                dispatcher,
                sequencer,
                await services.passwords.hash(PASSWORD),
            )


@pytest.fixture
async def moved(house: House) -> AsyncIterator[House]:
    """The house for a test that moves the clock; afterwards it is right again."""
    yield house
    await house.shift(timedelta())


@pytest.fixture
async def api(house: House) -> AsyncIterator[Api]:
    async with plain(base_url=house.settings.origin, timeout=10) as http:
        yield Api(http, house)


@pytest.fixture
async def ann(api: Api) -> Person:
    """The owner of a fresh workspace with one brand."""
    return await api.person("Ann")


@pytest.fixture
async def eve(api: Api) -> Person:
    """The owner of another workspace."""
    return await api.person("Eve")


@pytest.fixture(params=["graphql", "rest"])
def door(request: pytest.FixtureRequest, api: Api) -> Door:
    """The same operations by both doors."""
    return GraphQLDoor(api) if request.param == "graphql" else RestDoor(api)


@pytest.fixture
async def live(house: House, ann: Person) -> AsyncIterator[Socket]:
    """A subscriber's socket, signed in as Ann."""
    async with Socket.open(house.settings.origin, ann.token) as opened:
        yield opened
