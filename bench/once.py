"""ONCE: fifty at once ask two API processes for the same post with one key, by both doors.

One of them makes it; the others are told its id, or that the key is in use right now.
"""

import asyncio
import base64
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from bench.crash.processes import Kept, python
from bench.crash.services import Services
from bench.crash.stage import LIMITS, MANY, free_ports
from bench.result import Asked, Result
from mypost.settings import inherited

ROUNDS, AT_ONCE, APIS = 200, 50, 2
UP = 90.0  # seconds until an API answers
BUSY = "busy"
CREATE = "mutation($i: CreatePostInput!) { createPost(input: $i) { post { id } } }"
PERSON = {"email": "once@example.org", "password": "correct horse battery", "name": "Once"}


class Crowd:
    """One person who asks for each post fifty times at once."""

    def __init__(self, http: httpx2.AsyncClient, origins: list[str], *, keyed: bool) -> None:
        self._http, self._origins, self._keyed = http, origins, keyed
        self._brand = ""
        self.told: Counter[str] = Counter()

    async def settle_in(self) -> None:
        """Registers, and makes a brand."""
        for origin in self._origins:
            await self._up(origin)
        made = await self._made("/auth/register", {**PERSON, "workspaceName": "Once"})
        self._http.headers["authorization"] = f"Bearer {made['accessToken']}"
        me = await self._http.get(f"{self._origins[0]}/api/v1/auth/me")
        workspace = me.json()["workspaces"][0]["id"]
        self._brand = (await self._made(f"/workspaces/{workspace}/brands", {"name": "Once"}))["id"]

    async def _up(self, origin: str) -> None:
        async with asyncio.timeout(UP):
            while True:
                try:
                    if (await self._http.get(f"{origin}/readyz")).is_success:
                        return
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)

    async def _made(self, path: str, given: dict[str, Any]) -> Any:
        answer = await self._http.post(f"{self._origins[0]}/api/v1{path}", json=given)
        return answer.raise_for_status().json()

    async def round(self, number: int) -> bool:
        """Asks for one post; answers whether exactly one was made, and all were told of it."""
        given = {"content": f"Round {number}", "targetAccountIds": []}
        key = f"round {number}" if self._keyed else None
        doors = itertools.product(self._origins, (self._by_rest, self._by_graphql))
        asked = itertools.islice(itertools.cycle(list(doors)), AT_ONCE)
        said = await asyncio.gather(*(ask(origin, given, key) for origin, ask in asked))
        self.told.update("busy" if each == BUSY else "made" for each in said)
        return len({each for each in said if each != BUSY}) == 1

    async def _by_rest(self, origin: str, given: dict[str, Any], key: str | None) -> str:
        headers = {} if key is None else {"idempotency-key": key}
        path = f"{origin}/api/v1/brands/{self._brand}/posts"
        answer = await self._http.post(path, json=given, headers=headers)
        return BUSY if answer.status_code == httpx2.codes.CONFLICT else str(answer.json()["id"])

    async def _by_graphql(self, origin: str, given: dict[str, Any], key: str | None) -> str:
        wanted = {**given, "brandId": self._brand, "idempotencyKey": key}
        body = {"query": CREATE, "variables": {"i": wanted}}
        said = (await self._http.post(f"{origin}/graphql", json=body)).json()
        codes = {error["extensions"]["code"] for error in said.get("errors", ())}
        return BUSY if codes == {"CONFLICT"} else str(said["data"]["createPost"]["post"]["id"])

    async def posts(self) -> Counter[str]:
        """How many posts there are of each text."""
        found: Counter[str] = Counter()
        path, cursor = f"{self._origins[0]}/api/v1/brands/{self._brand}/posts?limit=100", ""
        while True:
            page = (await self._http.get(path + cursor)).raise_for_status().json()
            found.update(post["content"] for post in page["data"])
            if not page["page"]["hasMore"]:
                return found
            cursor = f"&cursor={page['page']['nextCursor']}"


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[list[str]]:
    """Runs two API processes on a fresh installation of its own; answers where they are."""
    services, ports = Services(folder / "services"), free_ports(APIS)
    try:
        found = services.addresses(await services.start())
        secret = base64.b64encode(os.urandom(32)).decode()
        told = found | dict.fromkeys(LIMITS, MANY) | {"MYPOST_SECRET": secret}
        told |= {"MYPOST_REGISTRATION": "open", "MYPOST_DATA_DIR": str(folder / "mypost")}
        words = [python("mypost", "serve", "--no-worker", "--port", str(port)) for port in ports]
        apis = [Kept(f"api{n}", each, inherited(told), folder) for n, each in enumerate(words)]
        try:
            for api in apis:
                await api.start()
            yield [f"http://127.0.0.1:{port}" for port in ports]
        finally:
            await asyncio.gather(*(api.end() for api in apis))
    finally:
        await services.end()


async def _measure(rounds: int, *, keyed: bool) -> tuple[int, Counter[str], Counter[str]]:
    limits = httpx2.Limits(max_connections=AT_ONCE)
    with tempfile.TemporaryDirectory(prefix="mypost-once-") as folder:
        async with (
            _served(Path(folder)) as origins,
            httpx2.AsyncClient(timeout=60, trust_env=False, limits=limits) as http,
        ):
            crowd = Crowd(http, origins, keyed=keyed)
            await crowd.settle_in()
            right = sum([await crowd.round(number) for number in range(rounds)])
            return right, await crowd.posts(), crowd.told


def figure(asked: Asked) -> Result:
    """Counts the posts; the control asks without a key."""
    rounds = asked.cases or ROUNDS
    right, posts, told = asyncio.run(_measure(rounds, keyed=not asked.broken))
    made = f"rounds={rounds},posts={posts.total()},made={told['made']},busy={told['busy']}"
    held = right == rounds and len(posts) == rounds and set(posts.values()) == {1}
    return Result(f"{made},agreed={right}", f"posts={rounds},agreed={rounds}", held)
