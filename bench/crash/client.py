"""A REST client that never guesses: an answer is yes, no, or lost."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx2

TIMEOUT = 5.0
PATIENCE = 90.0
PAUSE = 0.2
PASSWORD = "correct horse battery"  # noqa: S105 - of a database that lives for minutes
OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"


class Said(NamedTuple):
    """What became of one request; `unknown` may have happened or not."""

    outcome: str
    status: int
    body: Any


class Client:
    """One person at several API processes; a request goes to whichever is there."""

    def __init__(self, addresses: Sequence[str]) -> None:
        limits = httpx2.Limits(keepalive_expiry=2.0)
        self._http = httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False, limits=limits)
        self._addresses = itertools.cycle(addresses)
        self._email, self._token, self._turn = "crash@example.org", "", asyncio.Lock()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def register(self) -> None:
        """Makes the person and his first workspace."""
        given = {"email": self._email, "password": PASSWORD, "name": "Crash"}
        said = await self._once("POST", "/auth/register", given)
        self._token = said.body["accessToken"]

    async def _sign_in(self, stale: str) -> None:
        async with self._turn:
            if self._token == stale:
                given = {"email": self._email, "password": PASSWORD}
                said = await self._once("POST", "/auth/login", given)
                if said.outcome == OK:
                    self._token = said.body["accessToken"]

    async def ask(self, method: str, path: str, body: Any = None) -> Said:
        """Sends a request once, as far as anybody can tell: only what surely failed is repeated."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            token = self._token
            said = await self._once(method, path, body)
            if said.status == httpx2.codes.UNAUTHORIZED:
                await self._sign_in(token)
            elif said.status not in (0, httpx2.codes.TOO_MANY_REQUESTS):
                return said
            if loop.time() > deadline:
                return said
            await asyncio.sleep(PAUSE)

    async def read(self, path: str) -> Any:
        """Reads until there is an answer; None where there is nothing."""
        while True:
            said = await self.ask("GET", path)
            if said.outcome == OK:
                return said.body
            if said.status == httpx2.codes.NOT_FOUND:
                return None
            await asyncio.sleep(PAUSE)

    async def _once(self, method: str, path: str, body: Any) -> Said:
        """Status 0 is a connection that never came: nothing has happened."""
        address = next(self._addresses)
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            answer = await self._http.request(
                method, f"{address}/api/v1{path}", json=body, headers=headers
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            return Said(REFUSED, 0, None)
        except httpx2.HTTPError:
            return Said(UNKNOWN, -1, None)
        found = answer.json() if answer.content else None
        if answer.is_success:
            return Said(OK, answer.status_code, found)
        # A server that breaks off in the middle may have committed.
        return Said(UNKNOWN if answer.is_server_error else REFUSED, answer.status_code, found)
