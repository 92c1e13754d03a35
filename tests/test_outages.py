"""Losing Redis costs a moment, losing PostgreSQL a pause, and neither costs a post."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx2
from redis.asyncio import Redis

from mypost import clock, embedded
from tests.client import Socket
from tests.test_process import Running, _until, serve
from tests.test_status import LIVE


def stop_redis(folder: Path) -> None:
    embedded._stop_valkey(folder / "valkey")


def stop_postgres(folder: Path) -> None:
    """Ends every session at once and leaves what is in the log, as a crash does."""
    pgdata = folder / "postgres"
    done = embedded._pg("pg_ctl", pgdata, "stop", "-wst", "30", "-m", "immediate")
    assert done.returncode == 0, done.stderr


async def home(running: Running) -> tuple[str, str]:
    """A brand with one account."""
    await running.sign_in("/auth/register", name="Ann", workspaceName="Ann's")
    workspace = (await running.call("GET", "/workspaces"))["data"][0]["id"]
    brand = await running.call("POST", f"/workspaces/{workspace}/brands", {"name": "Bread"})
    path = f"/brands/{brand['id']}/social-accounts"
    offer = await running.call("POST", path, {"network": "sandbox"})
    given = {"credentials": {"handle": "bread", "mode": "ok"}}
    done = await running.call("POST", f"/social-connections/{offer['connectionId']}", given)
    return brand["id"], done["accounts"][0]["id"]


async def planned(running: Running, at_home: tuple[str, str], text: str, ahead: float) -> str:
    brand, account = at_home
    when = (clock.now() + timedelta(seconds=ahead)).isoformat()
    given = {"content": text, "targetAccountIds": [account], "scheduledAt": when}
    return (await running.call("POST", f"/brands/{brand}/posts", given))["id"]


async def held(running: Running) -> list[str]:
    """The texts that the network holds."""
    listed = (await running.http.get("/networks/sandbox/posts.json?limit=1000")).json()
    return [post["text"] for post in listed["posts"]]


async def test_without_redis_posts_are_taken_sent_and_told(tmp_path_factory) -> None:
    """Takes some seconds: real processes, and Valkey stopped below them."""
    folder = tmp_path_factory.mktemp("noredis")
    async with serve(folder) as running:
        mine = await home(running)
        origin = str(running.http.base_url).rstrip("/")
        token = running.http.headers["authorization"].removeprefix("Bearer ")
        async with Socket.open(origin, token) as live:
            await live.subscribe(LIVE, brandId=mine[0])
            stop_redis(folder)
            post = await planned(running, mine, "without", 1)
            told = set()
            async with asyncio.timeout(30):
                while "post.published" not in told:
                    told.add((await live.next())["postStatusChanged"]["type"])
        assert await held(running) == ["without"]
        found = await running.call("GET", f"/posts/{post}")
        assert found["phase"] == "published"
        late = (_time(found["publishedAt"]) - _time(found["scheduledAt"])).total_seconds()
        assert 0 <= late < 5
        assert (await running.http.get("/readyz")).json()["status"] == "degraded"

        # It comes back empty: nothing that counts was in it.
        services = embedded.start(folder)
        async with Redis.from_url(services.redis_url) as redis:
            await redis.flushall()
        await planned(running, mine, "with", 0.5)

        async def back() -> bool:
            return sorted(await held(running)) == ["with", "without"]

        await _until(back)


async def test_a_crash_of_postgresql_costs_a_pause(tmp_path_factory) -> None:
    """Posts fall due before it, while it is away, and after; nobody restarts a process."""
    folder = tmp_path_factory.mktemp("crash")
    async with serve(folder) as running:
        mine = await home(running)
        texts = [f"{uuid4()}" for _ in range(9)]
        posts = [await planned(running, mine, text, n / 2) for n, text in enumerate(texts)]
        family = {process.pid for process in running.family()}

        async def some() -> list[str]:
            return await held(running)

        await _until(some)
        for _ in range(2):
            stop_postgres(folder)
            assert (await running.http.get("/readyz")).status_code == 503
            embedded.start(folder)
            await _until(lambda: _answers(running))

        async def settled() -> bool:
            found = [await running.call("GET", f"/posts/{post}") for post in posts]
            return {post["phase"] for post in found} == {"published"}

        await _until(settled)
        assert sorted(await held(running)) == sorted(texts)
        assert {process.pid for process in running.family()} == family


async def _answers(running: Running) -> bool:
    try:
        return (await running.http.get("/readyz")).status_code == 200
    except httpx2.TransportError:
        return False


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
