"""A fake network for trying things out: the client, and the server it talks to."""

import asyncio
import secrets
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mypost import networks
from mypost.networks.text import measure

_MODES = ("ok", "slow", "rate_limited", "rejected", "lost", "expired")
_HANDLE = (r"[a-z0-9_.-]{1,50}", "1 to 50 of a-z, 0-9, _ . -")


class Sandbox(networks.Client, networks.Network):
    """The client; the rules it follows are the server's below."""

    key: ClassVar[str] = "sandbox"
    title: ClassVar[str] = "Sandbox"
    kind: ClassVar[networks.Kind] = networks.Kind.KEY
    built_in: ClassVar[bool] = True
    timeout: ClassVar[float] = 10.0
    settle: ClassVar[float] = 1.0
    example: ClassVar[Mapping[str, str]] = {"handle": "corner-bakery", "mode": "ok"}
    fields: ClassVar[tuple[networks.Field, ...]] = (
        networks.Field("handle", "Handle", secret=False, help=_HANDLE[1], pattern=_HANDLE[0]),
        networks.Field("mode", "Mode", secret=False, help="what its posts meet", choices=_MODES),
    )

    def measure(self, text: str, media_count: int = 0) -> list[networks.Measure]:
        """Counts graphemes and media against the section in rules.toml."""
        return measure(self.key, text, media_count)

    async def connect(self, credentials: Mapping[str, str]) -> networks.Profile:
        """Opens an account; raises Refused naming every faulty field, or Unavailable."""
        if faults := self.faults(credentials):
            raise networks.Refused(faults)
        try:
            response = await self.send("POST", "/accounts", json=dict(credentials))
        except networks.NoAnswer as fault:
            raise networks.Unavailable(str(fault)) from fault
        match networks.read_object(response):
            case {"id": str(id_), "handle": str(handle), "name": str(name), "token": str(token)}:
                grant = networks.Grant({"token": token})
                return networks.Profile(id_, handle, name, None, ("publish",), grant, None)
        raise networks.Unavailable(f"no account in the answer {response.status_code}")

    async def publish(self, grant: networks.Grant, draft: networks.Draft) -> networks.Answer:
        """Sends key, text, time (ISO 8601) and the number of media; raises nothing."""
        body = {"key": draft.key, "text": draft.text, "mediaCount": len(draft.media)}
        body["createdAt"] = draft.created_at.isoformat()
        try:
            response = await self.send("POST", "/posts", grant, json=body)
        except networks.NoAnswer as fault:
            return fault.proves
        given = networks.read_object(response)
        message = str(given.get("message", f"the network answered {response.status_code}"))
        match response.status_code, given:
            case 200 | 201, {"id": str(id_), "url": str(url)}:
                return networks.Published(id_, url)
            case 503, _ if response.headers.get("x-accepted") == "no":
                return networks.NotSent(message)
        return networks.judge(response, message, given.get("code"))

    async def find_published(
        self, grant: networks.Grant, draft: networks.Draft
    ) -> networks.Finding:
        """Reads the account's post of the draft's key; raises nothing."""
        try:
            response = await self.send("GET", "/posts", grant, params={"key": draft.key})
        except networks.NoAnswer as fault:
            return networks.Unreadable(str(fault))
        match response.status_code, networks.read_object(response):
            case 200, {"posts": []}:
                return networks.Absent()
            case 200, {"posts": [{"id": str(id_), "url": str(url)}]}:
                return networks.Published(id_, url)
        return networks.Unreadable(f"no list in the answer {response.status_code}")

    @staticmethod
    def server(folder: Path) -> Starlette:
        """Makes the server with its file in `folder`; `state.slow_seconds` is its delay."""
        return _Server(folder)


_TABLES = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, handle TEXT, mode TEXT);
CREATE TABLE IF NOT EXISTS tries (handle TEXT, key TEXT, UNIQUE (handle, key));
CREATE TABLE IF NOT EXISTS posts (
  number INTEGER PRIMARY KEY, id TEXT UNIQUE, handle TEXT, key TEXT, text TEXT,
  mediaCount INTEGER, createdAt TEXT, acceptedAt TEXT, UNIQUE (handle, key));
"""
_POSTS = "SELECT id, key, handle, text, mediaCount, createdAt, acceptedAt FROM posts "
_NEWEST = "ORDER BY number DESC LIMIT max(0, min(CAST(? AS INTEGER), 1000))"
_ACCEPT = """INSERT INTO posts (id, handle, key, text, mediaCount, createdAt, acceptedAt)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (handle, key) DO NOTHING RETURNING id"""
_PAGE = "<!doctype html><meta charset=utf-8><title>Sandbox</title><h1>Sandbox</h1>"
_POST = """<article><a href="{url}">{acceptedAt}</a> <b>@{handle}</b> ({mediaCount} media)
<p style="white-space: pre-wrap">{text}</p></article>"""


class _Refusal(Exception):
    """What the server answers instead: status, code, message and perhaps headers."""


async def _cut(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Begins an answer and ends without it, upon which uvicorn drops the connection."""
    headers = [(b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def _json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, "application/json")


async def _refuse(_: Request, refusal: Exception) -> Response:
    status, code, message, *headers = refusal.args
    return _json({"code": code, "message": message}, status, *headers)


async def _read(request: Request) -> dict[str, Any]:
    """Reads a JSON object; what exceeds 64 KiB is cut off and so no JSON any more."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise _Refusal(415, "not_json", "the content type must be application/json")
    body = b""
    async for chunk in request.stream():
        body = (body + chunk)[:65_536]
    try:
        return dict(orjson.loads(body))
    except (ValueError, TypeError) as fault:
        raise _Refusal(400, "not_json", "the body must be a JSON object") from fault


def _item(request: Request, post: dict[str, Any]) -> dict[str, Any]:
    """Adds a post's address: where the request found this server, wherever it is mounted."""
    base = f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
    return {**post, "url": f"{base}/posts/{post['id']}"}


def _page(posts: list[dict[str, Any]]) -> Response:
    """Shows posts to people."""
    safe = [{name: escape(str(value)) for name, value in post.items()} for post in posts]
    return HTMLResponse(_PAGE + "".join(_POST.format(**post) for post in safe))


class _Server(Starlette):
    """The network itself: its own file holds what it accepted, whatever happens to ours."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file, self._lock = folder / "sandbox.sqlite3", asyncio.Lock()
        self._db = sqlite3.connect(file, 10, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(_TABLES)
        routes = [
            Route("/accounts", self.connect, methods=["POST"]),
            Route("/posts", self.accept, methods=["POST"]),
            Route("/posts", self.find),
            Route("/posts.json", self.newest),
            Route("/posts/{id}", self.show),
            Route("/", self.newest),
        ]
        super().__init__(routes=routes, exception_handlers={_Refusal: _refuse})
        self.state.slow_seconds = 3.0

    def __del__(self) -> None:
        self._db.close()

    async def _run(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Commits one statement, in a thread, and answers its rows."""
        async with self._lock:
            rows = await asyncio.to_thread(lambda: self._db.execute(statement, values).fetchall())
        return [dict(row) for row in rows]

    async def connect(self, request: Request) -> Response:
        """Gives a token that carries the mode; the handle is the account's id."""
        given = await _read(request)
        if faults := Sandbox.faults(given):
            raise _Refusal(422, "validation", "; ".join(map(" ".join, faults)))
        handle, token = given["handle"], secrets.token_urlsafe(24)
        await self._run("INSERT INTO tokens VALUES (?, ?, ?)", token, handle, given["mode"])
        account = {"id": handle, "handle": handle, "name": handle.title(), "token": token}
        return _json({**account, "expiresAt": None}, 201)

    async def _viewer(self, request: Request) -> tuple[str, str]:
        """Answers the token's handle and mode; refuses an unknown token and the mode expired."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        rows = await self._run("SELECT handle, mode FROM tokens WHERE token = ?", token)
        if not rows or rows[0]["mode"] == "expired":
            raise _Refusal(401, "expired", "the token is not valid any more")
        return rows[0]["handle"], rows[0]["mode"]

    async def accept(self, request: Request) -> ASGIApp:
        """Stores a post once per key: a repeat gets the same answer, another text a 409."""
        handle, mode = await self._viewer(request)
        match {"mediaCount": 0} | await _read(request):
            case {"key": str(key), "text": str(), "createdAt": str(), "mediaCount": int()} as given:
                text, media, created = given["text"], given["mediaCount"], given["createdAt"]
            case _:
                raise _Refusal(422, "validation", "key, text and createdAt must be strings")
        if not all(each.fits for each in measure(Sandbox.key, text, media)):
            raise _Refusal(422, "too_long", "the text has 1 to 500 graphemes, media are up to 4")
        if mode == "rejected":
            raise _Refusal(422, "policy", "the sandbox refuses every post of this account")
        once = "INSERT INTO tries VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING key"
        if mode == "rate_limited" and await self._run(once, handle, key):
            raise _Refusal(429, "rate_limited", "wait for 2 seconds", {"Retry-After": "2"})
        values = (secrets.token_hex(8), handle, key, text, media, created)
        new = await self._run(_ACCEPT, *values, datetime.now(UTC).isoformat())
        [post] = await self._run(_POSTS + "WHERE handle = ? AND key = ?", handle, key)
        if post["text"] != text:
            raise _Refusal(409, "key_reused", "this key belongs to a post with another text")
        if mode == "slow":
            await asyncio.sleep(self.state.slow_seconds)
        # Only the first answer is lost, so that a repeat with the same key settles it.
        return _cut if mode == "lost" and new else _json(_item(request, post), 201)

    async def find(self, request: Request) -> Response:
        """Answers the viewer's post of a key, or an empty list."""
        handle, _ = await self._viewer(request)
        key = request.query_params.get("key", "")
        posts = await self._run(_POSTS + "WHERE handle = ? AND key = ?", handle, key)
        return _json({"posts": [_item(request, post) for post in posts]})

    async def newest(self, request: Request) -> Response:
        """Lists the `limit` newest posts, 50 unless told: JSON under that name, else a page."""
        posts = await self._run(_POSTS + _NEWEST, request.query_params.get("limit", "50"))
        items = [_item(request, post) for post in posts]
        return _json({"posts": items}) if request.url.path.endswith(".json") else _page(items)

    async def show(self, request: Request) -> Response:
        """Shows one post, as JSON to those who ask for it."""
        posts = await self._run(_POSTS + "WHERE id = ?", request.path_params["id"])
        if not posts:
            raise _Refusal(404, "not_found", "there is no such post")
        item = _item(request, posts[0])
        wanted = request.headers.get("accept", "")
        return _json(item) if "application/json" in wanted else _page([item])
