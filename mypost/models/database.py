"""Connecting: Tortoise for the application, a plain pool for the dispatcher; migrating."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from tortoise import Tortoise
from tortoise.connection import get_connection
from tortoise.migrations.api.migrate import migrate as run_migrations
from tortoise.transactions import in_transaction

from mypost import preparation
from mypost.models.base import Row
from mypost.models.reads import Reads
from mypost.settings import BadSettings, credentials

APP = "mypost"
APP_ROLE = "mypost_app"
# Planned for its values, a page of a brand's posts looks rarer than it is (the tenant stands in
# the statement and in the policy) and reads the whole workspace; planned once, it takes the index.
PLANNING = {"plan_cache_mode": "force_generic_plan", "jit": "off"}
# What the last migration that the worker needs has made.
NEWEST_FUNCTION = "deliveries_take"
MIGRATION_LOCK = 0x6D79706F7374


class Pooled(asyncpg.Connection):  # type: ignore[misc]
    """A connection through a pooler that lends a server for one transaction at a time.

    Without a statement cache asyncpg parses and executes in one exchange; the rest is here.
    """

    async def _execute(self, *args: Any, **how: Any) -> Any:
        """Runs a statement and gives the server back, whatever becomes of the statement."""
        try:
            return await super()._execute(*args, **how)
        except TimeoutError:
            raise
        except Exception:
            # Values that do not fit end an exchange that has begun: the pooler waits for the rest.
            if not self.is_closed() and not self.is_in_transaction():
                with contextlib.suppress(Exception):
                    await self.execute("SELECT 1")
            raise

    async def _introspect_types(self, *args: Any) -> Any:
        """Reads types from one server: asyncpg turns its jit off meanwhile, and on again."""
        async with self.transaction():
            return await super()._introspect_types(*args)


def _login(url: str, role: str, *, pooled: bool = False) -> dict[str, Any]:
    """What to connect with; a pooler lets no role through, so there the login is the role."""
    login = credentials(url)
    settings = {"application_name": f"mypost/{role}"}
    if pooled:
        login |= {"connection_class": Pooled, "statement_cache_size": 0}
    elif login["user"] != role:
        settings["role"] = role
    return {**login, "server_settings": settings}


def _config(url: str, role: str, *, pooled: bool = False, **extra: Any) -> dict[str, Any]:
    return {
        "connections": {
            "default": {
                "engine": "tortoise.backends.asyncpg",
                "credentials": {**_login(url, role, pooled=pooled), **extra},
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
async def connect(url: str, size: int = 10, *, pooled: bool = False) -> AsyncIterator[Reads]:
    """Opens Tortoise as `mypost_app` and answers the pool below it, for single statements.

    `pooled` says that a pooler in transaction mode stands before PostgreSQL.
    """
    extra = {"minsize": 1, "maxsize": size, "init": _codecs, "reset": _keep, "record_class": Row}
    config = _config(url, APP_ROLE, pooled=pooled, **extra)
    if not pooled:  # a pooler lets no setting through
        config["connections"]["default"]["credentials"]["server_settings"] |= PLANNING
    await Tortoise.init(config=config, _enable_global_fallback=True)
    try:
        client = get_connection("default")
        await client.create_connection(with_db=True)
        # Under any other role row security would not hold, and nothing else would tell.
        if (found := await client._pool.fetchval("SELECT current_user")) != APP_ROLE:  # noqa: SLF001
            raise BadSettings(f"DATABASE_APP_URL must log in as {APP_ROLE}: it is {found}")
        reads = Reads(client._pool)  # noqa: SLF001 - Tortoise has no accessor
        try:
            yield reads
        finally:
            await reads.close()
    finally:
        await Tortoise.close_connections()


async def pool(url: str, role: str, size: int = 4) -> asyncpg.Pool:
    """Opens a plain pool under one of the database roles; raises OSError until the role exists."""
    login = _login(url, role)
    login["server_settings"]["jit"] = "off"
    try:
        return await asyncpg.create_pool(
            **login, min_size=1, max_size=size, init=_codecs, reset=_keep, record_class=Row
        )
    except asyncpg.InvalidParameterValueError as error:
        raise OSError(str(error)) from None


async def migrated(url: str, size: int) -> asyncpg.Pool:
    """Opens the dispatcher's pool once its functions exist; raises OSError until they do."""
    opened = await pool(url, "mypost_dispatch", size)
    if await opened.fetchval("SELECT to_regproc($1) IS NULL", NEWEST_FUNCTION):
        await opened.close()
        raise OSError("the schema is not there yet")
    return opened


@asynccontextmanager
async def transaction() -> AsyncIterator[asyncpg.Connection]:
    """Opens a Tortoise transaction and answers the raw connection under it."""
    async with in_transaction("default") as client:
        yield client._connection  # noqa: SLF001 - the one place


async def migrate(owner_url: str) -> None:
    """Prepares an empty database and brings the schema up to date, one migrator at a time."""
    try:
        lock = await asyncpg.connect(**credentials(owner_url))
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise BadSettings(f"PostgreSQL refuses DATABASE_URL: {error}") from None
    try:
        await lock.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        await preparation.prepare(lock)
        await run_migrations(config=_config(owner_url, "mypost_owner", minsize=1, maxsize=2))
    finally:
        await lock.close()
        await Tortoise.close_connections()
