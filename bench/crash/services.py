"""PostgreSQL and Valkey of a run: durable, in a folder of their own, stopped without warning."""

import asyncio
import os
import signal
import time
from dataclasses import asdict
from pathlib import Path

import psutil
from redis import Redis

from mypost import embedded

PATIENCE = 30.0


class Services:
    """Both servers; one thing is done to them at a time, since either start looks after both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._turn = asyncio.Lock()
        self._pids: set[int] = set()

    async def start(self) -> embedded.Services:
        """Starts whatever does not run."""
        found = await asyncio.to_thread(embedded.start, self.folder)
        self._pids |= {self._pid(name) for name in ("postgres", "valkey")}
        return found

    def addresses(self, services: embedded.Services) -> dict[str, str]:
        """The variables that lead a process there."""
        urls = asdict(services)
        return {
            "DATABASE_URL": urls["owner_url"],
            "DATABASE_APP_URL": urls["app_url"],
            "DATABASE_DISPATCH_URL": urls["dispatch_url"],
            "REDIS_URL": urls["redis_url"],
        }

    def _pid(self, name: str) -> int:
        file = "postmaster.pid" if name == "postgres" else "valkey.pid"
        return int((self.folder / name / file).read_text().split(maxsplit=1)[0])

    async def lose_redis(self, seconds: float) -> None:
        """Kills Valkey, starts it again after a while, and empties it."""
        async with self._turn:
            await _end(self._pid("valkey"), signal.SIGKILL)
            await asyncio.sleep(seconds)
            services = await self.start()
            with Redis.from_url(services.redis_url) as client:
                client.flushall()

    async def take_redis(self) -> None:
        """Kills Valkey for good."""
        async with self._turn:
            await _end(self._pid("valkey"), signal.SIGKILL)

    async def stop_postgres(self, seconds: float) -> None:
        """Stops PostgreSQL as `pg_ctl stop -m immediate` does; it starts by recovering."""
        async with self._turn:
            await _end(self._pid("postgres"), signal.SIGQUIT)
            await asyncio.sleep(seconds)
            await self.start()

    async def end(self) -> None:
        """Stops both."""
        await asyncio.to_thread(embedded.stop, self.folder)

    def left(self) -> list[int]:
        """Those of our servers that are still there."""
        return [pid for pid in self._pids if _is_server(pid, self.folder)]


def _is_server(pid: int, folder: Path) -> bool:
    try:
        return str(folder) in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


async def _end(pid: int, number: signal.Signals) -> None:
    os.kill(pid, number)
    deadline = time.monotonic() + PATIENCE
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {pid} does not end")
        await asyncio.sleep(0.02)
