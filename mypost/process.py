"""What a process does from its start to its end: serve, and work."""

import asyncio
import dataclasses
import gc
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import NoReturn

import structlog
import uvicorn

from mypost import crypto, embedded, logs
from mypost import settings as configuration
from mypost.jobs import worker as workers
from mypost.models import database
from mypost.settings import Settings

log = structlog.get_logger()
GRACE_S = 10
MAX_WS_MESSAGE = 64 * 1024
# An answer of many rows makes thousands of objects and no cycle; looking for one costs a fifth.
RARELY = (50_000, 20, 50)


def read(data_dir: Path | None, **environment: str) -> Settings:
    """Reads the settings, with what the command line says on top."""
    settings = configuration.read()
    extra: Mapping[str, str] = {**settings.environment, **environment}
    settings = dataclasses.replace(settings, environment=extra)
    return (
        settings
        if data_dir is None
        else dataclasses.replace(settings, data_dir=data_dir.absolute())
    )


def _at(settings: Settings, services: embedded.Services) -> Settings:
    return dataclasses.replace(
        settings,
        owner_url=services.owner_url,
        app_url=services.app_url,
        dispatch_url=services.dispatch_url,
        redis_url=services.redis_url,
    )


def attached(settings: Settings) -> Settings:
    """Fills in the addresses of the embedded services that a running `serve` has started."""
    return _at(settings, embedded.attach(settings.data_dir)) if settings.embedded else settings


@contextmanager
def _services(settings: Settings) -> Iterator[Settings]:
    """Starts what no address is set for, and stops it again."""
    if not settings.embedded:
        yield settings
        return
    with embedded.hold(settings.data_dir):
        services = embedded.start(settings.data_dir)
        try:
            yield _at(settings, services)
        finally:
            embedded.stop(settings.data_dir)


def serve(host: str, port: int, data_dir: Path | None, *, worker: bool) -> None:
    """Serves the API until a signal, with the worker as a child."""
    settings = read(data_dir)
    logs.configure(settings.log_level)
    # uvicorn raises its signal again when it is done: the services still have to be stopped then.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, _leave)
    with _listen(host, port) as listening, _services(settings) as started:
        address = f"http://{_name(host)}:{listening.getsockname()[1]}"
        ready = _addressed(started, address)
        keys = crypto.load(ready.secret, ready.data_dir)
        # The worker waits for the schema; its start takes as long as a migration.
        with _worker(ready, wanted=worker):
            asyncio.run(database.migrate(str(ready.owner_url)))
            log.info("serving", port=listening.getsockname()[1], state=address)
            _run(ready, keys, listening)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


def _run(settings: Settings, keys: crypto.Keys, listening: socket.socket) -> None:
    from mypost.app import build  # noqa: PLC0415 - the worker has no use for the schema

    app = build(settings, keys)
    config = uvicorn.Config(
        app,
        lifespan="on",
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_WS_MESSAGE,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=GRACE_S,
        access_log=False,
        server_header=False,
        log_level="error",
    )
    settle()
    Server(config, app.state.streams.shutdown).run(sockets=[listening])


class Server(uvicorn.Server):
    """Ends its streams before it waits for requests to end: those of a stream never would."""

    def __init__(self, config: uvicorn.Config, leave: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self.leave = leave

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Says goodbye to every subscriber, then ends as uvicorn does."""
        await self.leave()
        await super().shutdown(sockets)


def settle() -> None:
    """Tells the collector to leave alone what lives as long as the process, and to come rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*RARELY)


def _addressed(settings: Settings, address: str) -> Settings:
    """Without MYPOST_ORIGIN, the address we listen on is our origin."""
    if "MYPOST_ORIGIN" in settings.environment:
        return settings
    origins = settings.allowed_origins
    own = origins if "MYPOST_ALLOWED_ORIGINS" in settings.environment else (address,)
    environment = {**settings.environment, "MYPOST_ORIGIN": address}
    return dataclasses.replace(
        settings, origin=address, allowed_origins=own, environment=environment
    )


def _name(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        listening.set_inheritable(False)
        yield listening


@contextmanager
def _worker(settings: Settings, *, wanted: bool) -> Iterator[None]:
    """Supervises the worker's processes beside us; however we end, they do."""
    if not wanted:
        yield
        return
    words = ["--watch-parent", "--data-dir", str(settings.data_dir)]
    environment = configuration.inherited(settings.environment)
    told: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def supervise() -> None:
        stop = asyncio.Event()
        told.set_result((asyncio.get_running_loop(), stop))
        await workers.supervise(words, environment, stop=stop)

    thread = Thread(target=asyncio.run, args=(supervise(),), name="supervisor")
    thread.start()
    loop, stop = told.result()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def work(data_dir: Path | None, only: str | None, *, watch_parent: bool) -> None:
    """Runs the worker: the supervisor, or one of its children."""
    settings = read(data_dir)
    logs.configure(settings.log_level)
    if only is None:
        words = ["--watch-parent", "--data-dir", str(settings.data_dir)]
        asyncio.run(workers.supervise(words, watch_parent=watch_parent))
        return
    ready = attached(settings)
    if only == "arq":
        asyncio.run(workers.run_arq(ready, watch_parent=watch_parent))
        return
    keys = crypto.load(ready.secret, ready.data_dir)
    runs = workers.run_deliverer if only == "deliverer" else workers.run_dispatcher
    asyncio.run(runs(ready, keys, watch_parent=watch_parent))
