"""The clients that tests speak with: plain HTTP, plain WebSocket, nothing of the server."""

import json
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from mypost import ids
from mypost.ids import Tag
from mypost.models.base import Db
from mypost.permissions import DEFAULT_ROLES

if TYPE_CHECKING:
    from tests.conftest import House

PASSWORD = "correct horse battery"
# A client that is given none reads every authority of the world: 40 ms a test.
NO_AUTHORITY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ROLES = [
    {"name": role.name, "permissions": sorted(role.permissions), "own": role.own_posts_only}
    for role in DEFAULT_ROLES
]
# What registering and making a brand write, in one statement.
HOME = """
WITH w AS (INSERT INTO workspaces (id, name, slug)
  VALUES ($1::uuid, $2, 'ws-' || $1::uuid::text) RETURNING id),
r AS (INSERT INTO roles (id, workspace_id, name, permissions, system, own_posts_only)
  SELECT mypost_id(4), $1::uuid, x ->> 'name',
         ARRAY(SELECT jsonb_array_elements_text(x -> 'permissions')), true, (x ->> 'own')::boolean
  FROM jsonb_array_elements($5::jsonb) x RETURNING id, name),
m AS (INSERT INTO members (id, workspace_id, user_id, role_id)
  SELECT mypost_id(5), $1::uuid, $3::uuid, id FROM r WHERE name = 'Owner')
INSERT INTO brands (id, workspace_id, name) VALUES ($4::uuid, $1::uuid, $2 || ' brand')"""
CONNECT = (
    "mutation($i: ConnectSocialAccountInput!) { connectSocialAccount(input: $i)"
    " { connection { connectionId } userErrors { message } } }"
)
COMPLETE = (
    "mutation($i: CompleteConnectionInput!) { completeConnection(input: $i)"
    " { connection { accounts { id } } userErrors { path message } } }"
)


def plain(**given: Any) -> httpx2.AsyncClient:
    """A client for plain HTTP, which is all that tests speak."""
    return httpx2.AsyncClient(verify=NO_AUTHORITY, trust_env=False, **given)


@dataclass
class Person:
    """Somebody signed in: his token, his workspace, his brand."""

    api: "Api"
    id: str
    email: str
    token: str
    refresh_token: str
    workspace: str = ""
    brand: str = ""

    async def gql(self, query: str, **variables: Any) -> dict[str, Any]:
        return await self.api.gql(query, variables, token=self.token)

    async def rest(self, method: str, path: str, json: Any = None, **kw: Any) -> httpx2.Response:
        return await self.api.rest(method, path, json, token=self.token, **kw)

    async def account(
        self, mode: str = "ok", handle: str | None = None, brand: str | None = None
    ) -> str:
        """Connects a sandbox account and answers its id."""
        given = {"brandId": brand or self.brand, "network": "SANDBOX"}
        offer = await self.gql(CONNECT, i=given)
        id = offer["data"]["connectSocialAccount"]["connection"]["connectionId"]
        name = handle or f"{mode.replace('_', '-')}-{secrets.token_hex(4)}"
        done = await self.gql(COMPLETE, i={"id": id, "credentials": {"handle": name, "mode": mode}})
        return done["data"]["completeConnection"]["connection"]["accounts"][0]["id"]

    async def post(self, *accounts: str, content: str = "Hello", **given: Any) -> dict[str, Any]:
        """Writes a post by REST and answers its body."""
        body = {"content": content, "targetAccountIds": list(accounts), **given}
        answer = await self.rest("POST", f"/brands/{self.brand}/posts", body)
        assert answer.status_code == 201, answer.text
        return answer.json()


@dataclass
class Api:
    """The two doors, spoken to by plain HTTP."""

    http: httpx2.AsyncClient
    house: "House"

    @staticmethod
    def _headers(token: str | None, given: dict[str, str] | None) -> dict[str, str]:
        return {**({"authorization": f"Bearer {token}"} if token else {}), **(given or {})}

    async def gql(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        body = {"query": query, "variables": variables or {}}
        answer = await self.http.post("/graphql", json=body, headers=self._headers(token, headers))
        return answer.json()

    async def rest(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **kw: Any,
    ) -> httpx2.Response:
        if json is not None:
            kw["json"] = json
        return await self.http.request(
            method, f"/api/v1{path}", headers=self._headers(token, headers), **kw
        )

    async def person(self, name: str, *, workspace: bool = True) -> Person:
        """Somebody who has signed up, with a workspace and a brand; by SQL, for speed."""
        email = f"{name.lower()}-{secrets.token_hex(5)}@example.com"
        user, home, brand = (ids.new(tag) for tag in (Tag.USER, Tag.WORKSPACE, Tag.BRAND))
        await self.house.owner.execute(
            "INSERT INTO users (id, email, name, password_hash) VALUES ($1, $2, $3, $4)",
            user, email, name, self.house.password_hash,
        )  # fmt: skip
        if workspace:
            await self.house.owner.execute(HOME, home, f"{name}'s", user, brand, ROLES)
        issued = await self.house.services.sessions.open(Db(self.house.services.pool), user)
        person = Person(self, str(user), email, issued.access_token, issued.refresh_token)
        if workspace:
            person.workspace, person.brand = str(home), str(brand)
        return person

    async def again(self, person: Person) -> Person:
        """The same person in a new session: what a cache knew of him does not count."""
        issued = await self.house.services.sessions.open(
            Db(self.house.services.pool), UUID(person.id)
        )
        return replace(person, token=issued.access_token, refresh_token=issued.refresh_token)

    async def colleague(self, owner: Person, role: str) -> Person:
        """Somebody with a default role in the owner's workspace."""
        person = await self.person(role, workspace=False)
        await self.house.owner.execute(
            "INSERT INTO members (id, workspace_id, user_id, role_id)"
            " SELECT mypost_id(5), $1, $2, id FROM roles WHERE workspace_id = $1 AND name = $3",
            owner.workspace, person.id, role,
        )  # fmt: skip
        person.workspace, person.brand = owner.workspace, owner.brand
        return person


@dataclass
class Socket:
    """A graphql-transport-ws client."""

    connection: ClientConnection
    ids: int = 0
    seen: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, origin: str, token: str) -> AsyncIterator["Socket"]:
        address = origin.replace("http", "ws", 1) + "/graphql"
        async with connect(address, subprotocols=["graphql-transport-ws"]) as connection:  # type: ignore[list-item]
            socket = cls(connection)
            await socket.send(
                {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
            )
            assert (await socket.receive())["type"] == "connection_ack"
            yield socket

    async def send(self, message: dict[str, Any]) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        return json.loads(await self.connection.recv())

    async def subscribe(self, query: str, **variables: Any) -> str:
        self.ids += 1
        payload = {"query": query, "variables": variables}
        await self.send({"id": str(self.ids), "type": "subscribe", "payload": payload})
        # An answered ping says that the server has taken the subscription up.
        await self.send({"type": "ping"})
        while (message := await self.receive())["type"] != "pong":
            self.seen.append(message)
        return str(self.ids)

    async def next(self) -> dict[str, Any]:
        """The next event's data."""
        while True:
            message = self.seen.pop(0) if self.seen else await self.receive()
            if message["type"] == "ping":
                await self.send({"type": "pong"})
            elif message["type"] == "next":
                return message["payload"]["data"]
            else:
                raise AssertionError(message)
