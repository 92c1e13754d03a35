"""The bench's own PostgreSQL and Valkey, with seed.sql loaded once for each version of it."""

import asyncio
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench import cores
from mypost import embedded
from mypost.models import database

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "bench"
SEED = Path(__file__).parent / "seed.sql"
MIGRATIONS = ROOT / "mypost" / "models" / "migrations"
STATEMENT = (b"LOG:  execute ", b"LOG:  statement: ")


@dataclass(frozen=True, slots=True)
class Database:
    """A loaded database and the processes behind it."""

    services: embedded.Services
    folder: Path
    scale: float

    @property
    def superuser(self) -> str:
        """Who passes every wall: for those who check nothing."""
        return self.services.owner_url.replace("mypost_owner", "postgres", 1)

    @property
    def addresses(self) -> dict[str, str]:
        """What MyPost is told."""
        return {
            "DATABASE_URL": self.services.owner_url,
            "DATABASE_APP_URL": self.services.app_url,
            "REDIS_URL": self.services.redis_url,
            "MYPOST_DATA_DIR": str(self.folder),
        }

    @property
    def postmaster(self) -> int:
        """PostgreSQL's process."""
        return int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0])

    @property
    def valkey(self) -> int:
        """Valkey's process."""
        return int((self.folder / "valkey" / "valkey.pid").read_text())

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Writes every statement to the server's log while the body runs."""
        asyncio.run(_administer(self.superuser, "ALTER SYSTEM SET log_statement = 'all'"))
        try:
            yield
        finally:
            asyncio.run(_administer(self.superuser, "ALTER SYSTEM RESET log_statement"))

    def statements(self) -> int:
        """How many statements the log holds."""
        log = (self.folder / "postgres" / "server.log").read_bytes()
        return sum(log.count(each) for each in STATEMENT)


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
    # A backend reads the new setting before its next command.
    time.sleep(0.5)  # noqa: ASYNC251 - nothing else runs meanwhile


async def _load(services: embedded.Services, superuser: str, scale: float) -> None:
    await database.migrate(services.owner_url)
    connection = await asyncpg.connect(superuser)
    try:
        await connection.execute("SELECT set_config('bench.scale', $1, false)", str(scale))
        await connection.execute(SEED.read_text())
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _forget(superuser: str, keep: str) -> bool:
    """Drops data sets of other versions, and half-loaded ones; answers whether ours is there."""
    connection = await asyncpg.connect(superuser)
    try:
        names = await connection.fetch(
            "SELECT datname, datallowconn FROM pg_database WHERE datname ~ '^bench'"
        )
        for name, _ in names:
            if name != keep:
                await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        return any(name == keep for name, _ in names)
    finally:
        await connection.close()


async def _name(superuser: str, name: str, finished: str) -> None:
    connection = await asyncpg.connect(superuser)
    try:
        await connection.execute(f'ALTER DATABASE "{name}" RENAME TO "{finished}"')
    finally:
        await connection.close()


def version(scale: float) -> str:
    """The name of this data set: its text, the schema's and its size."""
    texts = [SEED, *sorted(MIGRATIONS.glob("*.*"))]
    known = hashlib.sha256(b"".join(path.read_bytes() for path in texts) + str(scale).encode())
    return f"bench_{known.hexdigest()[:12]}"


@contextmanager
def running(scale: float) -> Iterator[Database]:
    """Starts both servers with the data set, loaded when it is not there; stops them again.

    It is loaded under another name and renamed, so that what is cut off is not taken for whole.
    """
    name, loading = version(scale), "benchloading"
    try:
        services = embedded.start(FOLDER, database="postgres", fast=True)
        root = services.owner_url.replace("mypost_owner", "postgres", 1)
        if not asyncio.run(_forget(root, name)):
            fresh = embedded.create_database(services, loading)
            loaded = fresh.owner_url.replace("mypost_owner", "postgres", 1)
            asyncio.run(_load(fresh, loaded, scale))
            asyncio.run(_name(root, loading, name))
        found = Database(embedded.create_database(services, name), FOLDER, scale)
        cores.pin(cores.OTHERS, found.postmaster, *cores.children(found.postmaster), found.valkey)
        yield found
    finally:
        embedded.stop(FOLDER)
