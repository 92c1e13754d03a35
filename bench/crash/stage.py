"""Everything that runs in one run: two servers, a network, API processes and workers."""

import asyncio
import base64
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench.crash import sabotage
from bench.crash.plan import APIS, WORKERS, Plan
from bench.crash.processes import Kept, python
from bench.crash.services import Services
from mypost.settings import inherited

UP = 90.0  # seconds until an API answers
MANY = "1000000"
LIMITS = ("MYPOST_RATE_USER", "MYPOST_RATE_WORKSPACE", "MYPOST_RATE_GLOBAL")
NOWHERE = "unix:///nonexistent/mypost-crash.sock"


@dataclass
class Stage:
    """What runs, and where the API is reached."""

    services: Services
    recorder: Kept
    apis: list[Kept]
    workers: list[Kept]
    addresses: list[str]

    @property
    def kept(self) -> list[Kept]:
        """All processes that are kept alive."""
        return [*self.workers, *self.apis, self.recorder]

    def left(self) -> list[int]:
        """Whatever is there and should not be."""
        return [pid for kept in self.kept for pid in kept.left()] + self.services.left()


def free_ports(count: int) -> list[int]:
    """Finds free ports that stay the same for restarted servers."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _environment(plan: Plan, found: dict[str, str], network: int, data: Path) -> dict[str, str]:
    if plan.weather.without_redis:
        found = found | {"REDIS_URL": NOWHERE}
    return inherited(
        found
        | dict.fromkeys(LIMITS, MANY)
        | {
            "MYPOST_SECRET": base64.b64encode(os.urandom(32)).decode(),
            "MYPOST_SANDBOX": "1",
            "MYPOST_SANDBOX_URL": f"http://127.0.0.1:{network}",
            "MYPOST_REGISTRATION": "open",
            "MYPOST_DATA_DIR": str(data / "mypost"),
        }
    )


def _recorder(plan: Plan, folder: Path, port: int, logs: Path) -> Kept:
    weather = plan.weather
    words = [str(folder / "recorder.jsonl"), "--port", str(port), "--seed", str(plan.seed)]
    words += ["--faults", str(weather.faults), "--most-lost", str(weather.most_lost)]
    return Kept("recorder", python("bench.crash.recorder", *words), inherited({}), logs)


def _stage(
    plan: Plan, folder: Path, data: Path, services: Services, found: dict[str, str]
) -> Stage:
    logs = folder / "logs"
    logs.mkdir()
    network, *ports = free_ports(1 + APIS)
    environment = _environment(plan, found, network, data)
    serve = ("mypost", "serve", "--no-worker", "--port")
    apis = [
        Kept(f"api{n}", python(*serve, str(port)), environment, logs)
        for n, port in enumerate(ports)
    ]
    # The first is the whole worker, with arq and a supervisor; the others only send.
    work, only = ("mypost", "worker"), ("--only", "dispatcher")
    count = 1 if plan.weather.points_runs else WORKERS
    words = [(*work, *only) if n or count == 1 else work for n in range(count)]
    workers = [Kept(f"worker{n}", python(*each), environment, logs) for n, each in enumerate(words)]
    origins = [f"http://127.0.0.1:{port}" for port in ports]
    return Stage(services, _recorder(plan, folder, network, logs), apis, workers, origins)


@asynccontextmanager
async def staged(plan: Plan, folder: Path, broken: str | None) -> AsyncIterator[Stage]:
    """Starts everything, and ends all of it; raises when something is left."""
    with tempfile.TemporaryDirectory(prefix="mypost-crash-") as place:
        services = Services(Path(place) / "services")
        stage = None
        try:
            found = await services.start()
            addresses = services.addresses(found)
            stage = _stage(plan, folder, Path(place), services, addresses)
            await stage.recorder.start()
            await asyncio.gather(*(api.start() for api in stage.apis))
            await _up(stage.addresses)
            if broken is not None:
                await sabotage.install(found.owner_url, broken)
            await asyncio.gather(*(worker.start() for worker in stage.workers))
            yield stage
        finally:
            if stage is not None:
                await asyncio.gather(*(kept.end() for kept in stage.kept))
            await services.end()
        if left := stage.left():
            raise RuntimeError(f"processes are left: {left}")


async def _up(addresses: list[str]) -> None:
    async with asyncio.timeout(UP), httpx2.AsyncClient(trust_env=False) as http:
        for address in addresses:
            while True:
                if await _ready(http, address):
                    break
                await asyncio.sleep(0.1)


async def _ready(http: httpx2.AsyncClient, address: str) -> bool:
    try:
        return (await http.get(f"{address}/readyz")).is_success
    except httpx2.TransportError:
        return False
