"""The bare floors: `rows` by hand in Python, `json` as one statement that PostgreSQL spells.

They check nothing: no sign-in, no tenant, no limits, no log.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.environment import read
from bench.servers import rest_rows, rows, statements

POOL = 10
Answer = Callable[[rows.Fetch, str], Awaitable[rows.Json | None]]
Handler = Callable[[Request], Awaitable[Response]]


class Connection(asyncpg.Connection):  # type: ignore[misc]
    """Leaves nothing behind, so releasing it needs no exchange."""

    def get_reset_query(self) -> str:
        """Resets nothing."""
        return ""


class Held:
    """What the process holds."""

    pool: asyncpg.Pool


held = Held()


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Opens the pool."""
    held.pool = await asyncpg.create_pool(
        read("BENCH_DSN"), min_size=POOL, max_size=POOL, connection_class=Connection
    )
    async with held.pool:
        yield


def bare(sql: str) -> str:
    """A statement without a check."""
    return sql.format(key="$1", tenant="true")


def respond(body: bytes, status: int = 200) -> Response:
    """Answers JSON."""
    return Response(body, status, media_type="application/json")


async def asked(request: Request) -> str:
    """The id in a GraphQL request's variables."""
    return str(orjson.loads(await request.body())["variables"]["id"])


async def _by_hand(answer: Answer, key: str) -> rows.Json | None:
    async with held.pool.acquire() as connection:
        return await answer(lambda sql, value: connection.fetch(_spelled(sql), value), key)


def _spelled(sql: str, known: dict[str, str] = {}) -> str:  # noqa: B006 - it is the cache
    return known.get(sql) or known.setdefault(sql, bare(sql))


def graphql(answer: Answer, name: str) -> Handler:
    """A GraphQL answer from rows."""

    async def handle(request: Request) -> Response:
        return respond(rows.write({"data": {name: await _by_hand(answer, await asked(request))}}))

    return handle


def rest(answer: Answer) -> Handler:
    """A REST answer from rows."""

    async def handle(request: Request) -> Response:
        found = await _by_hand(answer, request.path_params["id"])
        return respond(rows.write(found)) if found else respond(b"{}", 404)

    return handle


def whole(sql: str) -> Handler:
    """An answer that PostgreSQL spells."""

    async def handle(request: Request) -> Response:
        key = request.path_params.get("id") or await asked(request)
        text = await held.pool.fetchval(sql, key)
        return respond(text.encode()) if text else respond(b"{}", 404)

    return handle


def routes(prefix: str, handlers: dict[str, Handler]) -> list[Route]:
    """The four addresses of a floor."""
    return [
        Route(f"/{prefix}/dashboard", handlers["dashboard"], methods=["POST"]),
        Route(f"/{prefix}/post", handlers["post"], methods=["POST"]),
        Route(f"/{prefix}/brands/{{id}}/posts", handlers["rest_list"]),
        Route(f"/{prefix}/posts/{{id}}", handlers["rest_post"]),
    ]


BY_HAND: dict[str, Handler] = {
    "dashboard": graphql(rows.dashboard, "brand"),
    "post": graphql(rows.post, "post"),
    "rest_list": rest(rest_rows.rest_list),
    "rest_post": rest(rest_rows.rest_post),
}
WHOLE = {name: whole(sql) for name, sql in statements.ALL.items()}
app = Starlette(lifespan=lifespan, routes=[*routes("rows", BY_HAND), *routes("json", WHOLE)])
