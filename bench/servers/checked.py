"""The floor in Python behind MyPost's own door: its middleware, sign-in, context and walls.

What is left between this and MyPost is the engine alone.
"""

from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.servers import rest_rows, rows
from bench.servers.floor import Answer, Handler, respond
from mypost import app as mypost
from mypost import crypto, logs, settings
from mypost.context import Context
from mypost.engine import http
from mypost.models.base import SCOPED
from mypost.models.relations import TENANT
from mypost.rest.envelope import respond as rest_respond

COST = 1000  # what MyPost charges is no dearer when it is more
BELOW = "/api/checked"  # what is not below a door is not metered


def scoped(sql: str) -> str:
    """A statement behind both walls: the tenant predicate and row security."""
    return SCOPED.format(sql.format(key="$2", tenant=f"r.{TENANT}"))


def _spelled(sql: str, known: dict[str, str] = {}) -> str:  # noqa: B006 - it is the cache
    return known.get(sql) or known.setdefault(sql, scoped(sql))


async def _by_hand(answer: Answer, ctx: Context, key: str) -> rows.Json | None:
    scope = ctx.scope()
    await ctx.meter.enter(scope[0])  # everybody here is in one workspace
    async with ctx.services.pool.acquire() as connection:

        async def fetch(sql: str, value: Any) -> list[Any]:
            found: list[Any] = await connection.fetch(_spelled(sql), scope, value)
            return found

        return await answer(fetch, key)


class Door:
    """The hand-written handlers, with the context that MyPost makes for its own."""

    def __init__(self, app: Starlette) -> None:
        held: Any = app.state  # where the application puts its services once it has started
        self._context = mypost.context_maker(held)
        self._charged = mypost.charged(self._context)

    def graphql(self, answer: Answer, name: str) -> Handler:
        """A GraphQL answer behind the checks."""

        async def handle(request: Request) -> Response:
            asked = http.read(await http.body(request))
            ctx = await self._context(request)
            await mypost.charge(ctx, COST)
            found = await _by_hand(answer, ctx, str((asked.variables or {})["id"]))
            response = respond(rows.write({"data": {name: found}}))
            mypost.finish(response, ctx, {})
            return response

        return handle

    def rest(self, answer: Answer) -> Handler:
        """A REST answer behind the checks."""

        async def handle(request: Request) -> Response:
            ctx = await self._charged(request)
            found = await _by_hand(answer, ctx, request.path_params["id"])
            if found is None:
                return rest_respond(404, {})
            body = orjson.Fragment(rows.write(found))
            return rest_respond(200, body)

        return handle


def build() -> Starlette:
    """MyPost's application with the measured addresses taken over."""
    told = settings.read()
    logs.configure(told.log_level)
    app = mypost.build(told, crypto.load(told.secret, told.data_dir))
    door = Door(app)
    app.router.routes[:0] = [
        Route(f"{BELOW}/dashboard", door.graphql(rows.dashboard, "brand"), methods=["POST"]),
        Route(f"{BELOW}/post", door.graphql(rows.post, "post"), methods=["POST"]),
        Route(BELOW + "/brands/{id}/posts", door.rest(rest_rows.rest_list)),
        Route(BELOW + "/posts/{id}", door.rest(rest_rows.rest_post)),
    ]
    return app


app = build()
