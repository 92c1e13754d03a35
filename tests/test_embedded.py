import os
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio
from arq import create_pool
from arq.connections import RedisSettings

from mypost import embedded
from mypost.embedded import Services, credentials


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    folders: list[Path] = []

    def make(name: str) -> Path:
        folders.append(tmp_path_factory.mktemp("embedded") / name)
        return folders[-1]

    yield make
    for folder in folders:
        embedded.stop(folder)


@pytest.fixture(scope="module")
def folder(made: Callable[[str], Path]) -> Path:
    folder = made("data")
    embedded.start(folder)
    return folder


def pids(folder: Path) -> dict[str, int]:
    files = {"postgres": "postgres/postmaster.pid", "valkey": "valkey/valkey.pid"}
    return {name: int((folder / file).read_text().split()[0]) for name, file in files.items()}


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).cmdline())  # a zombie has none
    except psutil.Error:
        return False


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def kill(pid: int) -> None:
    psutil.Process(pid).kill()
    assert gone(pid)


def sockets(services: Services) -> dict[str, Path]:
    return {
        "postgres": Path(credentials(services.app_url)["host"]) / ".s.PGSQL.5432",
        "valkey": Path(services.redis_url.removeprefix("unix://")),
    }


@contextmanager
def stranger_as_owner_of(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    found = path.stat()
    root = {"user": found.st_uid, "group": found.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "60"], **root) as stranger:
        yield stranger
        stranger.kill()


async def remember(services: Services, word: str) -> None:
    connection = await asyncpg.connect(services.owner_url)
    await connection.execute("CREATE TABLE IF NOT EXISTS memory (word text)")
    await connection.execute("INSERT INTO memory VALUES ($1)", word)
    await connection.close()
    client = redis.asyncio.from_url(services.redis_url)
    await client.rpush("memory", word)
    await client.aclose()


async def recall(services: Services) -> tuple[str, str]:
    connection = await asyncpg.connect(services.owner_url)
    row = await connection.fetchval("SELECT word FROM memory ORDER BY ctid DESC LIMIT 1")
    await connection.close()
    client = redis.asyncio.from_url(services.redis_url)
    last = await client.lindex("memory", -1)
    await client.aclose()
    return row, last.decode()


async def test_each_login_is_who_it_says_and_no_superuser(folder: Path) -> None:
    services = embedded.start(folder)
    for url, login in (
        (services.owner_url, "mypost_owner"),
        (services.app_url, "mypost_app"),
        (services.dispatch_url, "mypost_dispatch"),
    ):
        for connection in (await asyncpg.connect(url), await asyncpg.connect(**credentials(url))):
            row = await connection.fetchrow(
                "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, current_database() "
                "FROM pg_roles WHERE rolname = current_user"
            )
            assert tuple(row) == (login, False, False, login == "mypost_owner", "mypost")
            await connection.close()


async def test_only_the_owner_creates_in_public(folder: Path) -> None:
    services = embedded.start(folder)
    app = await asyncpg.connect(services.app_url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE TABLE mine ()")
    await app.close()
    owner = await asyncpg.connect(services.owner_url)
    name = await owner.fetchval("SELECT nspowner::regrole::text FROM pg_namespace WHERE oid = 2200")
    assert name == "mypost_owner"
    await owner.close()


async def test_it_keeps_its_promises_of_durability(folder: Path) -> None:
    services = embedded.start(folder)
    connection = await asyncpg.connect(services.app_url)
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await connection.fetchval("SELECT current_setting($1)", setting) == "on"
    assert await connection.fetchval("SHOW listen_addresses") == ""
    assert await connection.fetchval("SHOW timezone") == "UTC"
    await connection.close()
    client = redis.asyncio.from_url(services.redis_url)
    assert (await client.config_get("append*"))["appendfsync"] == "everysec"
    assert (await client.config_get("appendonly"))["appendonly"] == "yes"
    assert (await client.config_get("port"))["port"] == "0"
    await client.aclose()


async def test_arq_takes_the_address(folder: Path) -> None:
    pool = await create_pool(RedisSettings.from_dsn(embedded.start(folder).redis_url))
    assert await pool.ping()
    await pool.aclose()


def test_a_second_start_adopts_what_runs(folder: Path) -> None:
    before = pids(folder)
    begun = time.monotonic()
    services = embedded.start(folder)
    assert time.monotonic() - begun < 1
    assert pids(folder) == before
    assert embedded.attach(folder) == services


async def test_data_survives_stop_and_start(folder: Path) -> None:
    await remember(embedded.start(folder), "stopped")
    before = pids(folder)
    embedded.stop(folder)
    assert all(gone(pid) for pid in before.values())
    with pytest.raises(embedded.NotRunning, match="start it first"):
        embedded.attach(folder)
    assert await recall(embedded.start(folder)) == ("stopped", "stopped")


async def test_data_survives_a_kill_of_everything(folder: Path) -> None:
    services = embedded.start(folder)
    await remember(services, "killed")
    session = await asyncpg.connect(services.app_url)  # it outlives its postmaster for a moment
    for pid in pids(folder).values():
        kill(pid)
    with pytest.raises(embedded.NotRunning, match="does not answer"):
        embedded.attach(folder)
    assert await recall(embedded.start(folder)) == ("killed", "killed")
    session.terminate()


@pytest.mark.parametrize("server", ["postgres", "valkey"])
async def test_one_killed_server_comes_back_and_the_other_stays(folder: Path, server: str) -> None:
    await remember(embedded.start(folder), server)
    before = pids(folder)
    kill(before[server])
    assert await recall(embedded.start(folder)) == (server, server)
    assert {name for name, pid in pids(folder).items() if pid != before[name]} == {server}


async def test_stale_pids_may_belong_to_others(folder: Path) -> None:
    await remember(embedded.start(folder), "stale")
    before = pids(folder)
    with stranger_as_owner_of(folder / "postgres") as stranger:
        for pid in before.values():
            kill(pid)
        for name in ("postgres/postmaster.pid", "postgres/.s.PGSQL.5432.lock", "valkey/valkey.pid"):
            if (file := folder / name).exists():
                file.write_text("\n".join([str(stranger.pid), *file.read_text().split("\n")[1:]]))
        assert await recall(embedded.start(folder)) == ("stale", "stale")
        embedded.stop(folder)
        assert stranger.poll() is None


async def test_a_lost_socket_is_made_again(folder: Path) -> None:
    services = embedded.start(folder)
    await remember(services, "lost")
    for socket in sockets(services).values():
        socket.unlink()
    assert await recall(embedded.start(folder)) == ("lost", "lost")


async def test_a_long_and_odd_path(made: Callable[[str], Path]) -> None:
    folder = made("an odd näme/" + "x" * 60 + "/" + "y" * 60)
    services = embedded.start(folder, fast=True)
    await remember(services, "long")
    outside = [socket.parent for socket in sockets(services).values()]
    assert all(place.stat().st_mode & 0o777 == 0o700 for place in outside)
    for pid in pids(folder).values():
        kill(pid)
    assert embedded.start(folder, fast=True) == services
    embedded.stop(folder)
    assert not any(place.exists() for place in outside)


def test_a_stranger_may_not_hold_our_socket_folder(
    made: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = made("z" * 120)
    folder.mkdir()
    planted = embedded._outside(folder / "valkey")
    planted.symlink_to(tmp_path)
    try:
        with pytest.raises(embedded.Failed, match="someone else"):
            embedded.start(folder)
    finally:
        planted.unlink()


def test_a_half_made_cluster_is_made_again(made: Callable[[str], Path]) -> None:
    folder = made("half")
    (folder / "postgres.new").mkdir(parents=True)
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    embedded.start(folder, fast=True)
    assert not (folder / "postgres.new").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends its servers to another user")
def test_folders_above_are_opened_to_pass_and_not_to_read(made: Callable[[str], Path]) -> None:
    folder = made("secret/data")
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    embedded.start(folder, fast=True)
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o701
    assert stat.S_IMODE((folder / "postgres").stat().st_mode) == 0o700
    assert psutil.Process(pids(folder)["postgres"]).uids().real != 0


async def test_databases_are_cloned_and_dropped(folder: Path) -> None:
    services = embedded.start(folder)
    await remember(services, "template")
    clone = embedded.create_database(services, "a clone", "mypost")
    assert await recall(clone) == ("template", "template")
    session = await asyncpg.connect(clone.app_url)
    embedded.drop_database(services, "a clone")
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await session.fetchval("SELECT 1")
    session.terminate()
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(clone.app_url)


def test_one_serve_holds_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "held"
    with embedded.hold(folder), pytest.raises(embedded.Busy, match=str(folder)):
        embedded.hold(folder).__enter__()
    with embedded.hold(folder):
        pass


def test_nothing_to_stop_and_nothing_to_attach(tmp_path: Path) -> None:
    embedded.stop(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(embedded.NotRunning, match="start it first"):
        embedded.attach(tmp_path / "none")


def test_ctrl_c_reaches_neither_server(folder: Path) -> None:
    embedded.start(folder)
    for pid in pids(folder).values():
        assert os.getpgid(pid) != os.getpgid(0)
        assert os.getsid(pid) != os.getsid(0)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40ss@db.example/x", ("db.example", 5432, "u", "p@ss", "x")),
        ("postgres://u@[::1]:6432/x", ("::1", 6432, "u", None, "x")),
        ("postgresql:///x?host=/run/pg&user=u", ("/run/pg", 5432, "u", None, "x")),
        ("postgresql://u@%2Frun%2FPG:5433/x", ("/run/PG", 5433, "u", None, "x")),
        ("postgresql://u@/a%20b?host=/run/a%20b&port=1", ("/run/a b", 1, "u", None, "a b")),
        ("postgresql://localhost", ("localhost", 5432, None, None, None)),
    ],
)
def test_credentials(url: str, expected: tuple[object, ...]) -> None:
    assert tuple(credentials(url).values()) == expected


def test_credentials_keep_tls() -> None:
    assert credentials("postgresql://u@h/x?sslmode=require")["ssl"] == "require"
