"""A first post, from signing up to being read on the network, told while it happens."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from websockets.asyncio.client import ClientConnection, connect

from mypost import clock, networks
from mypost import settings as configuration

EMAIL, PASSWORD = "demo@example.com", "a demo of mypost"
STARTS_S, LIFE_S, AHEAD = 60, 60, timedelta(seconds=2)
LOGIN = (
    "mutation Login($input: LoginInput!) { login(input: $input)"
    " { accessToken expiresIn user { name email } userErrors { message path } } }"
)
REGISTER = LOGIN.replace(
    "Login($input: LoginInput!) { login", "Register($input: RegisterInput!) { register"
)
HOME = "{ viewer { workspaces { id } } }"
BRANDS = (
    "query($id: ID!) { workspace(id: $id) { brands(first: 1) { nodes"
    " { id name socialAccounts { nodes { id network status } } } } } }"
)
BRAND = (
    "mutation($input: CreateBrandInput!) { createBrand(input: $input)"
    " { brand { id name } userErrors { message path } } }"
)
CONNECT = (
    "mutation($input: ConnectSocialAccountInput!) { connectSocialAccount(input: $input)"
    " { connection { connectionId } userErrors { message path } } }"
)
COMPLETE = (
    "mutation($input: CompleteConnectionInput!) { completeConnection(input: $input)"
    " { connection { accounts { id name } } userErrors { message path } } }"
)
CREATE = (
    "mutation CreatePost($input: CreatePostInput!) { createPost(input: $input)"
    " { post { id status phase scheduledAt } userErrors { code message path } } }"
)
LIVE = (
    "subscription($brandId: ID!) { postStatusChanged(brandId: $brandId) { ... on PostStatusEvent"
    " { type previousPhase phase post { id } target { externalUrl error { message } } } } }"
)
console = Console(highlight=False, soft_wrap=True)


def say(text: str, **style: Any) -> None:
    """Prints one line of the transcript."""
    console.print(text, markup=False, **style)


class Client:
    """A client of the demo: GraphQL and REST over real sockets."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.http = httpx2.AsyncClient(base_url=origin, timeout=10)
        self.token: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Who is calling."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Runs one GraphQL operation and answers its data."""
        body = {"query": query, "variables": variables or {}}
        answer = await self.http.post("/graphql", json=body, headers=self.headers)
        if answer.status_code == 429:  # noqa: PLR2004 - Too Many Requests
            await asyncio.sleep(int(answer.headers["retry-after"]))
            return await self.ask(query, variables)
        said = answer.json()
        if "errors" in said:
            raise OSError(f"the demo was refused: {said['errors'][0]['message']}")
        return said["data"]

    async def change(self, query: str, given: Mapping[str, Any]) -> Any:
        """Runs one mutation and answers its payload."""
        (payload,) = (await self.ask(query, {"input": given})).values()
        return payload


def run(data_dir: Path | None, network: str | None, port: int, *, once: bool) -> None:
    """Serves and plays the demo; ends after one post, or with Ctrl-C."""
    begun = time.monotonic()
    key = network or next(k for k, n in networks.discover().items() if n.built_in)
    if networks.discover()[key].oauth:
        raise OSError(f"{key} is connected on a page of its own, where the demo cannot click")
    with _served(data_dir, _free(port)) as origin:
        asyncio.run(_play(origin, key, begun))
        if once:
            return
        say("\nServing until Ctrl-C.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            say("Stopping.")


def _free(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _served(data_dir: Path | None, port: int) -> Iterator[str]:
    """Runs `mypost serve` as anyone would, and ends it."""
    command = [sys.executable, "-m", "mypost", "serve", "--port", str(port)]
    if data_dir is not None:
        command += ["--data-dir", str(data_dir)]
    extra = {"MYPOST_LOG": "warning", "MYPOST_DEV_EGRESS": "1"}
    with subprocess.Popen(command, env=configuration.inherited(extra)) as server:
        try:
            _await_ready(server, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(STARTS_S)


def _await_ready(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + STARTS_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise OSError("the server did not start; its own words are above")
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200:  # noqa: PLR2004
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise OSError("the server did not become ready")


async def _play(origin: str, key: str, begun: float) -> None:
    client = Client(origin)
    async with client.http:
        say(f"MyPost serves {origin} after {time.monotonic() - begun:.1f} s")
        say(f"Sign in with {EMAIL} and the password “{PASSWORD}”\n")
        await _sign_in(client)
        brand, account = await _prepare(client, key)
        async with _listening(client, brand) as events:
            post_id = await _publish(client, brand, account)
            await _watch(events, post_id)
        await _read_back(client, post_id)
        say("\nWhere to click")
        say(f"  {origin}/                     this installation")
        if hasattr(networks.discover()[key], "server"):
            say(f"  {origin}/networks/{key}/    what the network holds")
        say(f"\nThe whole demo took {time.monotonic() - begun:.1f} s")


async def _sign_in(client: Client) -> None:
    given = {"email": EMAIL, "password": PASSWORD, "refreshTokenIn": "BODY"}
    try:
        payload = await client.change(LOGIN, given)
    except OSError:
        newcomer = {**given, "name": "Demo", "workspaceName": "Demo workspace"}
        payload = await client.change(REGISTER, newcomer)
        say("POST /graphql  register → a person, his workspace, a session")
        client.token = payload["accessToken"]
        payload = await client.change(LOGIN, given)
    client.token = payload["accessToken"]
    say(f"POST /graphql  login → {payload['user']['name']}, token for {payload['expiresIn']} s")


async def _prepare(client: Client, key: str) -> tuple[str, str]:
    """Finds or makes the brand and the account of the demo."""
    told = configuration.read().environment.get("MYPOST_DEMO_CREDENTIALS")
    credentials = json.loads(told) if told else dict(networks.discover()[key].example)
    (home, *_) = (await client.ask(HOME))["viewer"]["workspaces"]
    found = (await client.ask(BRANDS, {"id": home["id"]}))["workspace"]["brands"]["nodes"]
    if found:
        brand = found[0]
        mine = [
            account
            for account in brand["socialAccounts"]["nodes"]
            if account["network"] == key.upper() and account["status"] == "ACTIVE"
        ]
        if mine and not told:
            return brand["id"], mine[0]["id"]
    else:
        given = {"workspaceId": home["id"], "name": "Corner Bakery"}
        brand = (await client.change(BRAND, given))["brand"]
        say(f"POST /graphql  createBrand → {brand['name']}")
    offer = await client.change(CONNECT, {"brandId": brand["id"], "network": key.upper()})
    given = {"id": offer["connection"]["connectionId"], "credentials": credentials}
    (account, *_) = (await client.change(COMPLETE, given))["connection"]["accounts"]
    say(f"POST /graphql  connectSocialAccount, completeConnection → {account['name']} on {key}")
    return brand["id"], account["id"]


@asynccontextmanager
async def _listening(client: Client, brand: str) -> AsyncIterator[ClientConnection]:
    """Subscribes to the brand's posts over graphql-transport-ws."""
    address = client.origin.replace("http", "ws", 1) + "/graphql"
    async with connect(address, subprotocols=["graphql-transport-ws"]) as socket_:  # type: ignore[list-item]
        payload = {"authorization": f"Bearer {client.token}"}
        await socket_.send(json.dumps({"type": "connection_init", "payload": payload}))
        await socket_.recv()
        asked = {"query": LIVE, "variables": {"brandId": brand}}
        await socket_.send(json.dumps({"id": "1", "type": "subscribe", "payload": asked}))
        say("WS   /graphql  subscription postStatusChanged is open\n")
        yield socket_


async def _publish(client: Client, brand: str, account: str) -> str:
    due = clock.now() + AHEAD
    given = {
        "brandId": brand,
        "content": f"Fresh bread at seven. {due:%H:%M:%S} 🥖",
        "targetAccountIds": [account],
        "scheduledAt": due.isoformat(timespec="milliseconds"),
    }
    say(CREATE)
    say(json.dumps({"input": given}, ensure_ascii=False))
    payload = await client.change(CREATE, given)
    say(f"→ {json.dumps(payload, ensure_ascii=False)}\n")
    return str(payload["post"]["id"])


async def _watch(events: ClientConnection, post_id: str) -> None:
    """Tells each event of the post until it is settled."""
    begun = time.monotonic()
    async with asyncio.timeout(LIFE_S):
        while True:
            said = json.loads(await events.recv())
            if said["type"] == "ping":
                await events.send(json.dumps({"type": "pong"}))
            if said["type"] != "next":
                continue
            event = said["payload"]["data"]["postStatusChanged"]
            if event["post"]["id"] != post_id:
                continue
            target = event["target"] or {}
            where = target.get("externalUrl") or (target.get("error") or {}).get("message") or ""
            moved = f"{event['previousPhase'].lower()} → {event['phase'].lower()}"
            at = time.monotonic() - begun
            say(f"live {at:6.3f} s  {event['type']:<20} {moved}  {where}".rstrip())
            if event["type"].startswith("post.") and event["phase"] not in (
                "SCHEDULED",
                "PUBLISHING",
            ):
                return


async def _read_back(client: Client, post_id: str) -> None:
    path = f"/api/v1/posts/{post_id}"
    answer = await client.http.get(path, headers=client.headers)
    say(f"\nGET {path} → {answer.status_code}")
    say(json.dumps(answer.json(), indent=2, ensure_ascii=False))
    if answer.json()["status"] != "published":
        raise OSError("the first post was not published")
