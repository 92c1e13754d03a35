"""The worker survives its children, and its children do not survive it."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import asyncpg
import orjson
import pytest

import mypost
from mypost import settings
from mypost.jobs import arq_worker, worker
from mypost.jobs.wake import Wake
from mypost.models import database
from tests.jobs.conftest import KEYS, until

# arq 0.28 closes its pool by a name that redis-py has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated close")
ROOT = Path(mypost.__file__).parents[1]
# Stands in for the command line: a child that notes its pid and ends with its stdin.
CHILD = """
import asyncio, os, pathlib, sys
from mypost.jobs import worker
async def main():
    stop = worker._told(watch_parent=True)
    pathlib.Path(sys.argv[1], f"{sys.argv[3]}.{os.getpid()}").touch()
    await stop.wait()
asyncio.run(main())
"""
PARENT = """
import asyncio, sys
from mypost.jobs import worker
command = [sys.executable, "-c", sys.argv[2], sys.argv[1]]
asyncio.run(worker.supervise(command=command))
"""


def alive(pid: int) -> bool:
    # A zombie answers signals; only its parent's wait, which is not ours, clears it.
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def children(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for path in folder.iterdir():
        found.setdefault(path.stem, []).append(int(path.suffix[1:]))
    return found


@pytest.fixture
async def parent(tmp_path: Path):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(tmp_path), CHILD),
        env={"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(lambda: len(children(tmp_path)) == len(worker.CHILDREN), 30)
        yield process
    finally:
        # However the test or the start has ended: a child ends with its supervisor.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        pids = [pid for each in children(tmp_path).values() for pid in each]
        await until(lambda: not any(map(alive, pids)))


async def test_a_killed_supervisor_leaves_no_child(parent, tmp_path):
    pids = [pid for each in children(tmp_path).values() for pid in each]
    assert all(map(alive, pids))
    parent.kill()
    await until(lambda: not any(map(alive, pids)))


async def test_a_terminated_supervisor_ends_its_children_first(parent, tmp_path):
    pids = [pid for each in children(tmp_path).values() for pid in each]
    parent.terminate()
    assert await parent.wait() == 0
    assert not any(map(alive, pids))


async def test_a_child_that_dies_is_started_again(parent, tmp_path):
    [first] = children(tmp_path)["dispatcher"]
    os.kill(first, signal.SIGKILL)
    await until(lambda: len(children(tmp_path)["dispatcher"]) == 2)
    assert parent.returncode is None


@pytest.fixture
def environment(world):
    return {
        "DATABASE_URL": world.services.owner_url,
        "DATABASE_DISPATCH_URL": world.services.dispatch_url,
        "REDIS_URL": world.services.redis_url,
        "MYPOST_SECRET": KEYS.secret.hex(),
        "MYPOST_SANDBOX": "1",
        "MYPOST_SANDBOX_URL": world.url,
    }


@pytest.fixture
def configured(environment):
    return settings.read(environment)


def offspring(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_real_command_sends_and_leaves_nothing_when_killed(world, environment, tmp_path):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mypost", "worker", "--data-dir", str(tmp_path / "data")),
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(lambda: len(offspring(process.pid)) == len(worker.CHILDREN), 30)
        pids = offspring(process.pid)
        [target] = await world.post("by a child", await world.account())

        async def out() -> bool:
            return await world.states(target) == ["published"]

        await until(out, 30)
    finally:
        process.kill()
        await process.wait()
    await until(lambda: not any(map(alive, pids)))


async def end_sessions(world) -> None:
    superuser = world.services.owner_url.replace("mypost_owner@", "postgres@", 1)
    connection = await asyncpg.connect(**database.credentials(superuser))
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = 'mypost_dispatch'"
    )
    await connection.close()


@pytest.fixture
async def queue(world):
    made = await arq_worker.queue(world.services.redis_url)
    yield made
    await made.aclose(close_connection_pool=True)


async def test_the_dispatcher_process_sends_and_numbers(world, configured):
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run_dispatcher(configured, KEYS, stop=stop))
    [target] = await world.post("hello", await world.account())

    async def done() -> bool:
        events = await world.owner.fetch("SELECT type FROM events")
        return "post.published" in [row["type"] for row in events]

    await until(done)
    assert await world.states(target) == ["published"]
    # Every session ends, as when the server restarts: the loops go on with new ones.
    await end_sessions(world)
    [second] = await world.post("again", await world.account())

    async def gone_out() -> bool:
        return await world.states(second) == ["published"]

    await until(gone_out)
    numbered = "SELECT count(*) FROM outbox"

    async def all_numbered() -> bool:
        return await world.owner.fetchval(numbered) == 0

    await until(all_numbered)
    stop.set()
    async with asyncio.timeout(5):
        await running


async def test_wake_rings_for_a_message_and_is_quick(queue):
    wake = Wake(queue)
    bell = wake.bell()
    listening = asyncio.create_task(wake.listen())
    await bell.wait(5)  # subscribed
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await queue.publish("mypost:wake", "")
    await bell.wait(5)
    assert loop.time() - begun < 1
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_arq_runs_a_job_by_its_name(queue, configured):
    await queue.enqueue_job("forget_sessions")
    await queue.enqueue_job("forget_connections")
    made = arq_worker.worker(configured, burst=True, poll_delay=0.01)
    await made.async_run()
    assert made.jobs_complete >= 2  # the minute may bring another
    assert made.jobs_failed == 0
    await made.close()
    assert await queue.keys("arq:result*") == []


async def test_arq_stops_when_told(configured):
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run_arq(configured, stop=stop))
    stop.set()
    async with asyncio.timeout(5):
        await running


def test_a_job_is_json_and_an_exception_its_text():
    packed = arq_worker.pack({"r": ValueError("no"), "a": (1, "x")})
    assert arq_worker.unpack(packed) == {"r": "ValueError: no", "a": [1, "x"]}
    assert orjson.loads(packed)
