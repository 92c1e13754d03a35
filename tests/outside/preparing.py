"""What `mypost migrate` makes of an empty database, under each kind of login."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from mypost.models import database
from mypost.settings import inherited

ROLES = ("mypost_owner", "mypost_app", "mypost_dispatch")
PASSWORD = "let me in"


@dataclass
class Server:
    """A PostgreSQL without MyPost's roles, and an empty database in it."""

    superuser: str

    def url(self, login: str | None = None) -> str:
        parts = urlsplit(self.superuser)
        who = (
            parts.netloc
            if login is None
            else f"{login}:{quote(PASSWORD)}@{parts.netloc.split('@')[1]}"
        )
        return parts._replace(netloc=who, path="/empty").geturl()

    async def run(self, *statements: str, url: str | None = None) -> None:
        connection = await asyncpg.connect(url or self.superuser)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    async def login(self, name: str, *, may: str = "", owns: bool = True) -> str:
        await self.run(f"CREATE ROLE {name} LOGIN {may} PASSWORD '{PASSWORD}'")
        if owns:
            await self.run(f"ALTER DATABASE empty OWNER TO {name}")
        return self.url(name)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server(inherited({})["MYPOST_TEST_SERVER"])
    await made.run("CREATE DATABASE empty")
    yield made
    await made.run("DROP DATABASE empty WITH (FORCE)")
    await made.run(*(f"DROP ROLE IF EXISTS {role}" for role in (*ROLES, "pat", "alice")))


async def migrate(url: str) -> tuple[int | None, str]:
    """The exit code and what is said on standard error."""
    given = {"DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1", "MYPOST_SECRET": "ab" * 32}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mypost", "migrate"),
        env=inherited(given),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def stands(url: str) -> None:
    """Everything belongs to mypost_owner, and this login can be each of the roles."""
    for role in ROLES:
        async with await database.pool(url, role, 1) as pool:
            assert await pool.fetchval("SELECT current_user") == role
    async with await database.pool(url, "mypost_owner", 1) as pool:
        owners = await pool.fetch(
            "SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace UNION"
            " SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'public'"
        )
        powers = await pool.fetch(
            "SELECT DISTINCT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles"
            " WHERE rolname LIKE 'mypost%'"
        )
    assert [row.owner for row in owners] == ["mypost_owner"]
    assert [tuple(row) for row in powers] == [(False, False, False, False)]


async def test_a_superuser_prepares_it(server: Server) -> None:
    assert await migrate(server.url()) == (0, "")
    assert await migrate(server.url()) == (0, "")

    await stands(server.url())


async def test_the_databases_owner_prepares_it_when_he_may_create_roles(server: Server) -> None:
    pat = await server.login("pat", may="CREATEROLE")

    assert await migrate(pat) == (0, "")
    assert await migrate(pat) == (0, "")

    await stands(pat)


@pytest.mark.parametrize(("may", "owns"), [("", True), ("CREATEROLE", False), ("", False)])
async def test_who_may_not_is_told_what_to_run(server: Server, may: str, owns: bool) -> None:
    alice = await server.login("alice", may=may, owns=owns)

    code, said = await migrate(alice)

    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("mypost: The login alice may not prepare this database")
    statements = said.partition("run in it: ")[2]
    await server.run(statements, url=server.url())
    assert await migrate(alice) == (0, "")
    await stands(alice)


async def test_a_second_database_needs_no_new_roles(server: Server) -> None:
    await migrate(server.url())
    alice = await server.login("alice", owns=False)

    code, said = await migrate(alice)

    assert code == 1
    assert "CREATE ROLE" not in said
    assert "GRANT mypost_owner TO alice;" in said


async def test_a_login_that_is_refused_is_one_sentence(server: Server) -> None:
    for url in (server.url("nobody"), server.url().replace("/empty", "/nowhere")):
        code, said = await migrate(url)

        assert (code, said.count("\n")) == (1, 1)
        assert said.startswith("mypost: PostgreSQL refuses DATABASE_URL")
