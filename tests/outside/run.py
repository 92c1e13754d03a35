"""Runs the smoke suite on servers of the system: directly, then with the API behind pgbouncer.

Given words are run as a command instead, with MYPOST_TEST_* naming a fresh database.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import asyncpg

from mypost.settings import inherited

ROOT = Path(__file__).parents[2]
PATIENCE = 30
# No server inherits a variable that would change it.
CLEAN = {"PATH": f"{os.defpath}:/usr/sbin:/sbin", "LC_ALL": "C"}
SMOKE = (
    *("tests/test_tenancy.py", "tests/test_status.py", "tests/test_health.py"),
    *("tests/test_crypto.py", "tests/test_migrations.py", "tests/test_posts.py"),
    *("tests/test_operations.py", "tests/test_feed.py", "tests/rest/test_door.py"),
)
PASSES = {
    "direct": SMOKE,
    "behind_pgbouncer": SMOKE,
    "one_connection": ("tests/outside/pooling.py",),
}
PROCESSES = (
    "tests/test_process.py::test_a_killed_server_loses_nothing",
    "tests/test_process.py::test_a_server_that_is_asked_to_end_leaves_nothing_behind",
)
POSTGRES = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
fsync = off
shared_buffers = 128MB
"""
# `one_connection` has a single one for every client: what can leak from one to another does.
PGBOUNCER = """
[databases]
one_connection = host=127.0.0.1 port={postgres} pool_size=1
* = host=127.0.0.1 port={postgres} pool_size=4
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
max_client_conn = 200
"""


@dataclass(frozen=True)
class Servers:
    """The three running servers and one password for every login."""

    postgres: int
    redis: int
    pgbouncer: int
    password: str

    def url(self, login: str, database: str, *, pooled: bool = False) -> str:
        port = self.pgbouncer if pooled else self.postgres
        return f"postgresql://{login}:{self.password}@127.0.0.1:{port}/{database}"

    def redis_url(self, database: int) -> str:
        return f"redis://127.0.0.1:{self.redis}/{database}"

    async def administer(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.url("postgres", "postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def database(self, name: str) -> str:
        """Creates a database and answers the address of its owner, who is no superuser."""
        asyncio.run(self.administer(f"CREATE DATABASE {name} OWNER publisher"))
        return self.url("publisher", name)

    def pooled(self, name: str) -> str:
        """Migrates a database, lets mypost_app log in, and answers its address at pgbouncer."""
        given = {"DATABASE_URL": self.database(name), "REDIS_URL": self.redis_url(0)}
        environment = inherited({**given, "MYPOST_SECRET": secrets.token_hex(32)})
        command = [sys.executable, "-m", "mypost", "migrate"]
        subprocess.run(command, env=environment, cwd=ROOT, check=True)
        asyncio.run(self.administer(f"ALTER ROLE mypost_app LOGIN PASSWORD '{self.password}'"))
        return self.url("mypost_app", name, pooled=True)


def programs() -> dict[str, Path]:
    """Finds the newest PostgreSQL that Debian keeps, Redis and pgbouncer."""
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    path = ":".join([*map(str, reversed(kept)), CLEAN["PATH"]])
    found = {
        name: shutil.which(name, path=path)
        for name in ("initdb", "postgres", "redis-server", "pgbouncer")
    }
    if missing := [name for name, place in found.items() if place is None]:
        sys.exit(f"Missing: {', '.join(missing)}. Run: make outside, as root")
    return {name: Path(str(place)) for name, place in found.items()}


def unprivileged() -> dict[str, int]:
    """The user the servers run as: PostgreSQL and pgbouncer refuse root."""
    if os.geteuid() != 0:
        return {}
    found = pwd.getpwnam("nobody")
    return {"user": found.pw_uid, "group": found.pw_gid}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(folder: Path, *words: object, end: int = signal.SIGTERM) -> Iterator[None]:
    """Runs a server until the body ends, and ends it by its id."""
    log = folder / f"{Path(str(words[0])).name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            list(map(str, words)), stdout=output, stderr=output, env=CLEAN, cwd=folder,
            start_new_session=True, extra_groups=[] if os.geteuid() == 0 else None,
            **unprivileged(),
        )  # fmt: skip
    try:
        yield
    except BaseException:
        sys.stderr.write(log.read_text(errors="replace")[-2000:])
        raise
    finally:
        process.send_signal(end)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def ready(servers: Servers) -> None:
    """Waits until all three answer; PostgreSQL listens before it lets anybody in."""
    async with asyncio.timeout(PATIENCE):
        for port in (servers.redis, servers.pgbouncer, servers.postgres):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    if port == servers.postgres:
                        await servers.administer()
                    break
                except (OSError, asyncpg.CannotConnectNowError):
                    await asyncio.sleep(0.05)


def initialise(folder: Path, found: dict[str, Path], servers: Servers) -> Path:
    """Makes a cluster and the servers' configuration."""
    (folder / "password").write_text(servers.password)
    (folder / "users").write_text(f'"mypost_app" "{servers.password}"\n')
    place = {"folder": folder, "postgres": servers.postgres, "port": servers.pgbouncer}
    (folder / "pgbouncer.ini").write_text(PGBOUNCER.format(**place))
    who = unprivileged()
    for path in (folder, *folder.iterdir()):
        os.chown(path, who.get("user", -1), who.get("group", -1))
    words = ["-U", "postgres", "--auth=scram-sha-256", "--pwfile", str(folder / "password")]
    subprocess.run(
        [found["initdb"], "-D", folder / "data", "-E", "UTF8", "--no-sync", *words],
        env=CLEAN, check=True, stdout=subprocess.DEVNULL, cwd=folder,
        extra_groups=[] if who else None, **who,
    )  # fmt: skip
    with (folder / "data" / "postgresql.conf").open("a") as settings:
        settings.write(POSTGRES.format(port=servers.postgres))
    return folder / "data"


@contextmanager
def started(found: dict[str, Path]) -> Iterator[Servers]:
    """Starts the three servers under a folder that goes when they have ended."""
    servers = Servers(free_port(), free_port(), free_port(), secrets.token_hex(8))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mypost-outside-")))
        data = initialise(folder, found, servers)
        redis = ["--bind", "127.0.0.1", "--port", servers.redis, "--save", "", "--appendonly", "no"]
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
        for words, end in (
            ([found["postgres"], "-D", data], signal.SIGINT),
            ([found["redis-server"], *redis], signal.SIGTERM),
            ([found["pgbouncer"], folder / "pgbouncer.ini"], signal.SIGTERM),
        ):
            stack.enter_context(running(folder, *words, end=end))
        asyncio.run(ready(servers))
        yield servers


def pytest(title: str, files: tuple[str, ...], **given: str) -> int:
    """Runs test files under these variables and answers pytest's exit code."""
    sys.stdout.write(f"--- {title}\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files]
    return subprocess.run(command, env=inherited(given), cwd=ROOT, check=False).returncode


def suites(servers: Servers) -> int:
    """Runs everything and answers how many runs have failed."""
    superuser = servers.url("postgres", "postgres")
    codes = [
        pytest("an empty database", ("tests/outside/preparing.py",), MYPOST_TEST_SERVER=superuser)
    ]
    for number, (name, files) in enumerate(PASSES.items()):
        pooled = name != "direct"
        given = {
            "MYPOST_TEST_APP_URL": servers.pooled(name) if pooled else servers.database(name),
            "MYPOST_TEST_DATABASE_URL": servers.url("publisher", name),
            "MYPOST_TEST_REDIS_URL": servers.redis_url(number),
            "MYPOST_TEST_POOLER": "transaction" if pooled else "none",
        }
        codes.append(pytest(name.replace("_", " "), files, **given))
    common = {
        "MYPOST_SECRET": secrets.token_hex(32),
        "MYPOST_SANDBOX": "1",
        "MYPOST_REGISTRATION": "open",
    }
    given = {"DATABASE_URL": servers.database("served"), "REDIS_URL": servers.redis_url(8)}
    codes.append(pytest("mypost serve", PROCESSES, **common, **given))
    given = {"DATABASE_APP_URL": servers.pooled("apart"), "MYPOST_POOLER": "transaction"}
    given |= {"DATABASE_URL": servers.url("publisher", "apart"), "REDIS_URL": servers.redis_url(9)}
    codes.append(pytest("API and worker apart", ("tests/outside/apart.py",), **common, **given))
    return sum(code != 0 for code in codes)


def command(servers: Servers, words: list[str]) -> int:
    """Runs a command on a fresh database."""
    given = {
        "MYPOST_TEST_DATABASE_URL": servers.database("given"),
        "MYPOST_TEST_REDIS_URL": servers.redis_url(0),
    }
    return subprocess.run(words, env=inherited(given), cwd=ROOT, check=False).returncode


def leave(*_: object) -> NoReturn:
    raise SystemExit("told to end")


def main() -> int:
    signal.signal(signal.SIGTERM, leave)
    found = programs()
    for name in ("postgres", "redis-server", "pgbouncer"):
        said = subprocess.run(
            [found[name], "--version"], capture_output=True, text=True, check=True
        )
        sys.stdout.write(f"{said.stdout.splitlines()[0]}\n")
    with started(found) as servers:
        login = f"CREATE ROLE publisher LOGIN CREATEROLE PASSWORD '{servers.password}'"
        asyncio.run(servers.administer(login))
        return command(servers, sys.argv[1:]) if sys.argv[1:] else suites(servers)


if __name__ == "__main__":
    sys.exit(main())
