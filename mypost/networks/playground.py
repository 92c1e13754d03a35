"""The server of the built-in network: it keeps what it accepted, whatever becomes of ours.

Its protocol is a page of its own in docs. An account's mode decides what its posts meet.
"""

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mypost.networks.options import judge_options
from mypost.networks.text import measure

_TABLES = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, handle TEXT, mode TEXT);
CREATE TABLE IF NOT EXISTS lives (token TEXT PRIMARY KEY, ends TEXT, refresh TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS tries (handle TEXT, key TEXT, UNIQUE (handle, key));
CREATE TABLE IF NOT EXISTS posts (
  number INTEGER PRIMARY KEY, id TEXT UNIQUE, handle TEXT, key TEXT, text TEXT,
  mediaCount INTEGER, createdAt TEXT, acceptedAt TEXT, UNIQUE (handle, key));
CREATE TABLE IF NOT EXISTS containers (
  id TEXT PRIMARY KEY, handle TEXT, text TEXT, mediaCount INTEGER, createdAt TEXT, ends TEXT,
  begun TEXT);
CREATE TABLE IF NOT EXISTS extras (id TEXT PRIMARY KEY, options TEXT);
"""
_POSTS = """SELECT posts.id, key, handle, text, mediaCount, createdAt, acceptedAt, options
  FROM posts LEFT JOIN extras ON extras.id IN (posts.id, posts.key) """
_NEWEST = "ORDER BY number DESC LIMIT max(0, min(CAST(? AS INTEGER), 1000))"
_ACCEPT = """INSERT INTO posts (id, handle, key, text, mediaCount, createdAt, acceptedAt)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (handle, key) DO NOTHING RETURNING id"""
_SINCE = """SELECT number, id, text, mediaCount, createdAt, acceptedAt FROM posts
  WHERE handle = ? AND acceptedAt >= ? AND acceptedAt <= ? AND number < ?
  ORDER BY number DESC LIMIT 101"""
_ONCE = "INSERT INTO tries VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING key"
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_HOURLY = 10
_LISTED = 100
_PAGE = "<!doctype html><meta charset=utf-8><title>{0}</title><h1>{0}</h1>"
_POST = """<article><a href="{url}">{acceptedAt}</a> <b>@{handle}</b> ({mediaCount} media)
<p style="white-space: pre-wrap">{text}</p></article>"""


class _Refusal(Exception):
    """What the server answers instead: status, code, message and perhaps headers."""


class Viewer(NamedTuple):
    """Whose token it is, and what his posts meet."""

    handle: str
    mode: str

    @property
    def kind(self) -> str:
        """The class that the mode is of."""
        return next((k for k in ("two_step", "lookup", "blind") if self.mode.startswith(k)), "key")


class _Content(NamedTuple):
    text: str
    media: int
    created: str
    options: Mapping[str, object] = {}


async def _cut(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Begins an answer and ends without it, upon which uvicorn drops the connection."""
    headers = [(b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def as_json(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answers JSON."""
    return Response(orjson.dumps(content), status, headers, "application/json")


async def _refuse(_: Request, refusal: Exception) -> Response:
    status, code, message, *headers = refusal.args
    return as_json({"code": code, "message": message}, status, *headers)


async def body_of(request: Request) -> bytes:
    """Reads a body; what exceeds 64 KiB is cut off."""
    body = b""
    async for chunk in request.stream():
        body = (body + chunk)[:65_536]
    return body


async def _read(request: Request) -> dict[str, Any]:
    """Reads a JSON object; what was cut off is no JSON any more."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise _Refusal(415, "not_json", "the content type must be application/json")
    try:
        return dict(orjson.loads(await body_of(request)))
    except (ValueError, TypeError) as fault:
        raise _Refusal(400, "not_json", "the body must be a JSON object") from fault


def now(ahead: timedelta = timedelta()) -> str:
    """Answers the time, so that two can be compared as texts."""
    return (datetime.now(UTC) + ahead).isoformat()


def _moment(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except ValueError:
        raise _Refusal(422, "validation", "since must be a time") from None


class Playground(Starlette):
    """One network: its own file holds what it accepted."""

    def __init__(
        self,
        folder: Path,
        key: str,
        title: str,
        faults: Callable[[Mapping[str, object]], list[tuple[str, str]]],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file, self._lock = folder / f"{key}.sqlite3", asyncio.Lock()
        self._db = sqlite3.connect(file, 10, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(_TABLES)
        self._key, self._title, self._faults = key, title, faults
        routes = [
            *self.doors(),
            Route("/posts", self.accept, methods=["POST"]),
            Route("/posts", self.find),
            Route("/containers", self.contain, methods=["POST"]),
            Route("/containers/{id}", self.container),
            Route("/containers/{id}/publish", self.release, methods=["POST"]),
            Route("/posts.json", self.newest),
            Route("/posts/{id}", self.show),
            Route("/", self.newest),
        ]
        super().__init__(routes=routes, exception_handlers={_Refusal: _refuse})
        self.state.slow_seconds = 3.0
        self.state.token_life = _HOUR
        self.state.lag = timedelta()  # by which the list of own posts is behind

    def doors(self) -> list[Route]:
        """Answers the routes by which a client gets its tokens."""
        return [
            Route("/accounts", self.connect, methods=["POST"]),
            Route("/tokens", self.renew, methods=["POST"]),
        ]

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
        if faults := self._faults(given):
            raise _Refusal(422, "validation", "; ".join(map(" ".join, faults)))
        viewer = Viewer(given["handle"], given["mode"])
        return as_json(await self._account(viewer), 201)

    async def _account(self, viewer: Viewer) -> dict[str, str | None]:
        """Answers an account with a new token of its own."""
        account = {"id": viewer.handle, "handle": viewer.handle, "name": viewer.handle.title()}
        return {**account, **await self._token(viewer), "kind": viewer.kind}

    def _lasts(self, mode: str) -> bool:
        """Tells whether the tokens of a mode never end."""
        return mode not in ("renewing", "ending")

    async def _token(self, viewer: Viewer) -> dict[str, str | None]:
        token, ends, renewal = secrets.token_urlsafe(24), None, None
        await self._run("INSERT INTO tokens VALUES (?, ?, ?)", token, *viewer)
        if not self._lasts(viewer.mode):
            ends = now(self.state.token_life)
            renewal = secrets.token_urlsafe(24) if viewer.mode != "ending" else None
            await self._run("INSERT INTO lives VALUES (?, ?, ?)", token, ends, renewal)
        return {"token": token, "expiresAt": ends, "refreshToken": renewal}

    async def renew(self, request: Request) -> Response:
        """Trades a refresh token for a new pair; one that was used is dead."""
        used = await self._used((await _read(request)).get("refreshToken"))
        if used is None:
            raise _Refusal(400, "invalid_grant", "this refresh token is not valid any more")
        return as_json(await self._token(used[1]))

    async def _used(self, refresh: object) -> tuple[str, Viewer] | None:
        """Uses a refresh token up; answers the token it came with and whose it is."""
        use = "UPDATE lives SET refresh = NULL WHERE refresh = ? RETURNING token"
        for used in await self._run(use, refresh):
            find = "SELECT handle, mode FROM tokens WHERE token = ?"
            for row in await self._run(find, used["token"]):
                return used["token"], Viewer(**row)
        return None

    async def _viewer(self, request: Request) -> Viewer:
        """Answers whose the token is; refuses one that is unknown or over, and the mode expired."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        find = "SELECT handle, mode, ends FROM tokens LEFT JOIN lives USING (token) WHERE token = ?"
        rows = await self._run(find, token)
        if not rows or rows[0]["mode"] == "expired" or (rows[0].pop("ends") or "9") <= now():
            raise _Refusal(401, "expired", "the token is not valid any more")
        return Viewer(**rows[0])

    async def _content(self, request: Request, viewer: Viewer) -> _Content:
        """Reads what is to be posted; refuses what breaks the limits or meets a refusing mode."""
        match {"mediaCount": 0} | await _read(request):
            case {"text": str(text), "createdAt": str(created), "mediaCount": int(media), **rest}:
                content = _Content(text, media, created, rest.get("options", {}))
            case _:
                raise _Refusal(422, "validation", "text and createdAt must be strings")
        if not all(each.fits for each in measure(self._key, content.text, content.media)):
            raise _Refusal(422, "too_long", "the text has 1 to 500 graphemes, media are up to 4")
        if not isinstance(content.options, dict) or judge_options(self._key, content.options):
            raise _Refusal(422, "validation", "an option is not one of this network's")
        if viewer.mode == "rejected":
            message = f"the {self._key} refuses every post of this account"
            raise _Refusal(422, "policy", message)
        return content

    async def _told(self, viewer: Viewer) -> dict[str, str]:
        """Answers the headers that tell an account of the mode budget what is left of its hour."""
        if viewer.mode != "budget":
            return {}
        count = "SELECT count(*) AS n FROM posts WHERE handle = ? AND acceptedAt > ?"
        [row] = await self._run(count, viewer.handle, now(-_HOUR))
        left = max(0, _HOURLY - row["n"])
        return {"X-Account-Budget": f"limit={_HOURLY}, remaining={left}, reset=3600"}

    async def accept(self, request: Request) -> ASGIApp:
        """Stores a post; with a key once: a repeat gets the same answer, another text a 409."""
        viewer = await self._viewer(request)
        content = await self._content(request, viewer)
        key = request.headers.get("idempotency-key") if viewer.kind == "key" else None
        attempt = key or f"text:{content.text}"
        if viewer.mode == "rate_limited" and await self._run(_ONCE, viewer.handle, attempt):
            raise _Refusal(429, "rate_limited", "wait for 2 seconds", {"Retry-After": "2"})
        if "remaining=0" in (told := await self._told(viewer)).get("X-Account-Budget", ""):
            pause = {"Retry-After": "3600"}
            raise _Refusal(429, "rate_limited", "the hour's posts are spent", {**told, **pause})
        post, new = await self._store(viewer.handle, key, content)
        if viewer.mode == "slow":
            await asyncio.sleep(self.state.slow_seconds)
        # Only the first answer is lost: a repeat with the same key, or text, gets its own.
        if new and viewer.mode.endswith("lost") and await self._run(_ONCE, viewer.handle, attempt):
            return _cut
        return as_json(_item(request, post), 201, await self._told(viewer))

    async def _store(
        self, handle: str, key: str | None, content: _Content
    ) -> tuple[dict[str, Any], bool]:
        """Answers the post of the key, or a new one, and whether it is new."""
        id_ = secrets.token_hex(8)
        new = await self._run(_ACCEPT, id_, handle, key, *content[:3], now())
        if new:
            await self._note(id_, content)
        where = "WHERE posts.id = ?" if new else "WHERE handle = ? AND key = ?"
        [post] = await self._run(_POSTS + where, *([id_] if new else [handle, key]))
        if post["text"] != content.text:
            raise _Refusal(409, "key_reused", "this key belongs to a post with another text")
        return post, bool(new)

    async def _note(self, id_: str, content: _Content) -> None:
        if content.options:
            said = orjson.dumps(content.options).decode()
            await self._run("INSERT INTO extras VALUES (?, ?)", id_, said)

    async def find(self, request: Request) -> Response:
        """Answers the viewer's post of a key, or his posts since a time, where he may read."""
        viewer = await self._viewer(request)
        if viewer.kind == "blind":
            raise _Refusal(403, "no_read_scope", "this account may not read")
        if viewer.kind == "lookup":
            return await self._list(request, viewer)
        key = request.query_params.get("key", "")
        posts = await self._run(_POSTS + "WHERE handle = ? AND key = ?", viewer.handle, key)
        return as_json({"posts": [_item(request, post) for post in posts]})

    async def _list(self, request: Request, viewer: Viewer) -> Response:
        since = _moment(request.query_params.get("since", now(-_DAY)))
        before = int(request.query_params.get("cursor", "0") or 0) or 2**62
        seen = now(-self.state.lag)
        posts = await self._run(_SINCE, viewer.handle, since, seen, before)
        numbers = [post.pop("number") for post in posts]
        more = str(numbers[_LISTED - 1]) if len(posts) > _LISTED else None
        items = [_item(request, post) for post in posts[:_LISTED]]
        return as_json({"posts": items, "next": more})

    async def contain(self, request: Request) -> Response:
        """Stores the first of two steps; nobody sees it."""
        viewer = await self._viewer(request)
        content = await self._content(request, viewer)
        id_, ends = secrets.token_hex(8), now(_DAY)
        insert = "INSERT INTO containers VALUES (?, ?, ?, ?, ?, ?, NULL)"
        await self._run(insert, id_, viewer.handle, *content[:3], ends)
        await self._note(id_, content)
        return as_json({"id": id_, "status": "ready", "expiresAt": ends}, 201)

    async def release(self, request: Request) -> ASGIApp:
        """Takes the second step, once: a repeat gets the same answer."""
        viewer, row = await self._own(request)
        if viewer.mode in ("two_step_slow", "two_step_failed"):
            begin = "UPDATE containers SET begun = coalesce(begun, ?) WHERE id = ?"
            await self._run(begin, now(), row["id"])
            return as_json({"status": "in_progress"}, 202)
        content = _Content(row["text"], row["mediaCount"], row["createdAt"])
        post, new = await self._store(viewer.handle, row["id"], content)
        return _cut if new and viewer.mode.endswith("lost") else as_json(_item(request, post), 201)

    async def container(self, request: Request) -> Response:
        """Tells how far a container has come; one in progress ends when somebody looks."""
        viewer, row = await self._own(request)
        if row["begun"] and row["begun"] <= now(-timedelta(seconds=self.state.slow_seconds)):
            if viewer.mode == "two_step_failed":
                said = {"status": "failed", "message": "it could not be processed"}
                return as_json({"id": row["id"], "post": None, **said})
            content = _Content(row["text"], row["mediaCount"], row["createdAt"])
            await self._store(viewer.handle, row["id"], content)
        where = "WHERE handle = ? AND key = ?"
        posts = await self._run(_POSTS + where, viewer.handle, row["id"])
        status = "in_progress" if row["begun"] else "ready" if row["ends"] > now() else "expired"
        post = _item(request, posts[0]) if posts else None
        state = {"status": "published" if post else status, "post": post, "message": None}
        return as_json({"id": row["id"], **state})

    async def _own(self, request: Request) -> tuple[Viewer, dict[str, Any]]:
        viewer = await self._viewer(request)
        find = "SELECT * FROM containers WHERE id = ? AND handle = ?"
        rows = await self._run(find, request.path_params["id"], viewer.handle)
        if not rows:
            raise _Refusal(404, "not_found", "there is no such container")
        return viewer, rows[0]

    async def newest(self, request: Request) -> Response:
        """Lists the `limit` newest posts, 50 unless told: JSON under that name, else a page."""
        posts = await self._run(_POSTS + _NEWEST, request.query_params.get("limit", "50"))
        items = [_item(request, post) for post in posts]
        wanted = request.url.path.endswith(".json")
        return as_json({"posts": items}) if wanted else self._page(items)

    async def show(self, request: Request) -> Response:
        """Shows one post, as JSON to those who ask for it."""
        posts = await self._run(_POSTS + "WHERE posts.id = ?", request.path_params["id"])
        if not posts:
            raise _Refusal(404, "not_found", "there is no such post")
        item = _item(request, posts[0])
        wanted = request.headers.get("accept", "")
        return as_json(item) if "application/json" in wanted else self._page([item])

    def _page(self, posts: list[dict[str, Any]]) -> Response:
        """Shows posts to people."""
        safe = [{name: escape(str(value)) for name, value in post.items()} for post in posts]
        head = _PAGE.format(self._title)
        return HTMLResponse(head + "".join(_POST.format(**post) for post in safe))


def _item(request: Request, post: dict[str, Any]) -> dict[str, Any]:
    """Adds a post's address: where the request found this server, wherever it is mounted."""
    if options := post.pop("options", None):
        post["options"] = orjson.loads(options)
    base = f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
    return {**post, "url": f"{base}/posts/{post['id']}"}
