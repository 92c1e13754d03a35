"""The processes as people start them: serve, its worker, and what a kill leaves."""

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import psutil

from mypost import clock, embedded
from mypost.settings import inherited
from tests.client import PASSWORD, Api, plain
from tests.conftest import PLENTY, House

DEADLINE = 60


@dataclass
class Running:
    """A `mypost serve` and a client signed in to it."""

    process: asyncio.subprocess.Process
    http: httpx2.AsyncClient

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.http.request(method, f"/api/v1{path}", json=body)
        assert answer.status_code < 400, answer.text
        return answer.json() if answer.content else None

    async def sign_in(self, path: str, **more: str) -> None:
        given = {"email": "ann@example.com", "password": PASSWORD, **more}
        session = await self.call("POST", path, given)
        self.http.headers["authorization"] = f"Bearer {session['accessToken']}"

    def family(self) -> list[psutil.Process]:
        """The processes below this one."""
        return psutil.Process(self.process.pid).children(recursive=True)


@asynccontextmanager
async def serve(folder: Path, *options: str, **more: str) -> AsyncIterator[Running]:
    """Runs `mypost serve` on a free port until it says that it serves; ends it by its id."""
    command = [sys.executable, "-m", "mypost", "serve", "--port", "0", "--data-dir", str(folder)]
    process = await asyncio.create_subprocess_exec(
        *command,
        *options,
        stderr=asyncio.subprocess.PIPE,
        env=inherited({**PLENTY, **more}),
    )
    try:
        async with asyncio.timeout(DEADLINE):
            port = await _port(process)
        drain = asyncio.create_task(_drain(process))
        async with plain(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            await _until(lambda: _ready(http))
            yield Running(process, http)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await drain


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stderr is not None
    async for line in process.stderr:
        assert line.startswith(b"{"), line.decode()
        said = json.loads(line)
        if said["event"] == "serving":
            return int(said["port"])
    raise AssertionError("the server ended before it served")


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    async for _ in process.stderr:
        pass


async def _until(condition: Any) -> Any:
    async with asyncio.timeout(DEADLINE):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.02)


async def _ready(http: httpx2.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx2.TransportError:
        return False


async def _scheduled(running: Running, ahead: timedelta) -> str:
    """Schedules one post from scratch and answers its id."""
    await running.sign_in("/auth/register", name="Ann", workspaceName="Ann's")
    workspace = (await running.call("GET", "/workspaces"))["data"][0]["id"]
    brand = await running.call("POST", f"/workspaces/{workspace}/brands", {"name": "Bread"})
    path = f"/brands/{brand['id']}"
    offer = await running.call("POST", f"{path}/social-accounts", {"network": "sandbox"})
    connection = await running.call(
        "POST",
        f"/social-connections/{offer['connectionId']}",
        {"credentials": {"handle": "bread", "mode": "ok"}},
    )
    given = {
        "content": "Hello",
        "targetAccountIds": [connection["accounts"][0]["id"]],
        "scheduledAt": (clock.now() + ahead).isoformat(),
    }
    return (await running.call("POST", f"{path}/posts", given))["id"]


async def test_a_killed_server_loses_nothing(tmp_path_factory) -> None:
    """Takes some seconds: real processes start, die and start again."""
    folder = tmp_path_factory.mktemp("kept")
    try:
        async with serve(folder) as first:
            post = await _scheduled(first, timedelta(seconds=2.5))
            mine = [p for p in first.family() if "mypost" in p.cmdline()]
            os.kill(first.process.pid, signal.SIGKILL)
            await first.process.wait()
            # The worker's processes end with their parent: nothing is sent while nobody serves.
            _, alive = psutil.wait_procs(mine, timeout=DEADLINE)
            assert (len(mine), alive) == (3, [])

        async with serve(folder) as second:
            await second.sign_in("/auth/login")

            async def published() -> Any:
                found = await second.call("GET", f"/posts/{post}")
                return found if found["status"] == "published" else None

            await _until(published)
            held = (await second.http.get("/networks/sandbox/posts.json")).json()["posts"]
            assert [p["text"] for p in held] == ["Hello"]
    finally:
        embedded.stop(folder)


async def test_a_server_that_is_asked_to_end_leaves_nothing_behind(tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("ended")

    async with serve(folder) as running:
        family = running.family()
        running.process.terminate()
        await running.process.wait()

    _, alive = psutil.wait_procs(family, timeout=DEADLINE)
    assert alive == []
    assert running.process.returncode == 0
    assert not (folder / "services.json").exists()


async def test_a_server_runs_the_trusted_documents_it_is_given(tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("trusted")
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"kind": "{ __typename }"}))
    given = {"MYPOST_TRUSTED_DOCUMENTS": str(manifest), "MYPOST_TRUSTED_ONLY": "1"}

    async with serve(folder / "data", **given) as running:
        known = await running.http.post("/graphql", json={"documentId": "kind"})
        other = await running.http.post("/graphql", json={"query": "{ viewer { id } }"})

    assert known.json()["data"] == {"__typename": "Query"}
    assert other.json()["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_ONLY"


async def test_a_folder_is_served_once(tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("held")

    with embedded.hold(folder):
        command = [
            sys.executable,
            "-m",
            "mypost",
            "serve",
            "--port",
            "0",
            "--data-dir",
            str(folder),
        ]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, said = await process.communicate()

    assert process.returncode == 1
    assert str(folder) in said.decode()
    assert "Traceback" not in said.decode()


async def test_a_person_can_be_added_by_the_command_line(house: House, api: Api) -> None:
    email = f"added-{secrets.token_hex(4)}@example.com"
    words = ["user", email, "--name", "Added", "--data-dir", str(house.settings.data_dir)]

    first = await command(words, f"{PASSWORD}\n")
    again = await command(words, f"{PASSWORD}\n")
    weak = await command(words, "short\n")

    assert first == (0, f"{email} can sign in\n", "")
    assert again == (1, "", f"mypost: {email} is there already\n")
    assert weak == (1, "", "mypost: Must have 8 to 128 characters\n")
    given = {"email": email, "password": PASSWORD}
    assert (await api.rest("POST", "/auth/login", given)).status_code == 200


async def command(words: list[str], typed: str) -> tuple[int | None, str, str]:
    """Runs `mypost` with words and what is typed; answers its code and what it said."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mypost", *words, stdin=pipe, stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate(typed.encode())
    return process.returncode, out.decode(), err.decode()
