"""Connecting: Tortoise for the application, a plain pool for the dispatcher; migrating."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from tortoise import Tortoise
from tortoise.connection import get_connection
from tortoise.migrations.api.migrate import migrate as run_migrations
from tortoise.transactions import in_transaction

from mypost.models.base import Row
from mypost.settings import credentials

APP = "mypost"
MIGRATION_LOCK = 0x6D79706F7374
STATEMENT_TIMEOUT = "10s"


def _config(url: str, role: str, **extra: Any) -> dict[str, Any]:
    settings = {"application_name": f"mypost/{role}"}
    login = credentials(url)
    if login["user"] != role:
        settings["role"] = role
    return {
        "connections": {
            "default": {
                "engine": "tortoise.backends.asyncpg",
                "credentials": {**login, "server_settings": settings, **extra},
            }
        },
        "apps": {
            APP: {
                "models": ["mypost.models"],
                "default_connection": "default",
                "migrations": "mypost.models.migrations",
            }
        },
        "use_tz": True,
        "timezone": "UTC",
    }


async def _codecs(connection: asyncpg.Connection) -> None:
    """Makes jsonb read and write as Python values."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: value if isinstance(value, str) else orjson.dumps(value).decode(),
        decoder=orjson.loads,
    )


async def _keep(connection: asyncpg.Connection) -> None:
    """Skips asyncpg's reset on release: nothing here sets session state."""


@asynccontextmanager
async def connect(url: str, size: int = 10) -> AsyncIterator[asyncpg.Pool]:
    """Opens Tortoise as `mypost_app` and answers the pool below it."""
    extra = {"minsize": 1, "maxsize": size, "init": _codecs, "reset": _keep, "record_class": Row}
    await Tortoise.init(config=_config(url, "mypost_app", **extra), _enable_global_fallback=True)
    try:
        client = get_connection("default")
        await client.create_connection(with_db=True)
        yield client._pool  # noqa: SLF001 - Tortoise has no accessor
    finally:
        await Tortoise.close_connections()


async def pool(url: str, role: str, size: int = 4) -> asyncpg.Pool:
    """Opens a plain pool under one of the database roles."""
    login = credentials(url)
    settings = {"application_name": f"mypost/{role}", "jit": "off"}
    if login["user"] != role:
        settings["role"] = role
    return await asyncpg.create_pool(
        **login,
        min_size=1,
        max_size=size,
        init=_codecs,
        reset=_keep,
        record_class=Row,
        server_settings=settings,
    )


async def migrated(url: str, size: int) -> asyncpg.Pool:
    """Opens the dispatcher's pool once its functions exist; raises OSError until they do."""
    opened = await pool(url, "mypost_dispatch", size)
    if await opened.fetchval("SELECT to_regprocedure('dispatch_wait()') IS NULL"):
        await opened.close()
        raise OSError("the schema is not there yet")
    return opened


@asynccontextmanager
async def transaction() -> AsyncIterator[asyncpg.Connection]:
    """Opens a Tortoise transaction and answers the raw connection under it."""
    async with in_transaction("default") as client:
        yield client._connection  # noqa: SLF001 - the one place


async def migrate(owner_url: str) -> None:
    """Brings the schema up to date, one migrator at a time."""
    lock = await asyncpg.connect(**credentials(owner_url))
    try:
        await lock.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        await run_migrations(config=_config(owner_url, "mypost_owner", minsize=1, maxsize=2))
    finally:
        await lock.close()
        await Tortoise.close_connections()
