"""The API behind a pooler and the worker beside it, as two programs that share addresses only."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from mypost.settings import inherited
from tests.conftest import PLENTY
from tests.outside.run import free_port
from tests.test_process import Running, _ready, _scheduled, _until

ALONE_S = 1.0


@asynccontextmanager
async def program(folder: Path, origin: str, *words: str) -> AsyncIterator[Any]:
    """Runs `mypost` with these words; ends it by its id."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mypost", *words, "--data-dir", str(folder)),
        env=inherited({"MYPOST_ORIGIN": origin, "MYPOST_LOG": "warning", **PLENTY}),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_a_worker_elsewhere_publishes_what_the_api_has_taken(tmp_path: Path) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    serve = ("serve", "--no-worker", "--port", str(port))
    async with (
        program(tmp_path / "api", origin, *serve) as api,
        httpx2.AsyncClient(base_url=origin, timeout=10) as http,
    ):
        await _until(lambda: _ready(http))
        running = Running(api, http)
        assert running.family() == []
        post = await _scheduled(running, timedelta(seconds=0.2))

        async def published() -> bool:
            return (await running.call("GET", f"/posts/{post}"))["status"] == "published"

        await asyncio.sleep(ALONE_S)
        assert not await published()
        async with program(tmp_path / "worker", origin, "worker") as worker:
            assert await _until(published)

        assert worker.returncode == 0
    assert api.returncode == 0


async def test_an_api_that_would_not_be_mypost_app_does_not_start(tmp_path: Path) -> None:
    owner = inherited({})["DATABASE_URL"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mypost", "serve", "--no-worker", "--port", "0"),
        *("--data-dir", str(tmp_path)),
        env=inherited({"DATABASE_APP_URL": owner}),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()

    assert process.returncode
    assert "DATABASE_APP_URL must log in as mypost_app: it is publisher" in said.decode()
