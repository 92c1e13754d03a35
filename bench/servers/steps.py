"""MyPost's door, one layer more in each application: what every step costs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.servers import rows
from bench.servers.checked import Door, scoped
from mypost import app as mypost
from mypost.context import Context
from mypost.engine import http
from mypost.middleware import RequestIds

PATH = "/graphql"
CONTEXT = "caller, context, cookies"
SAID = b'{"data":null}'
KIND = (b"content-type", b"application/json; charset=utf-8")
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Step:
    """A layer, and the application that ends with it; it includes all before it, or `after`."""

    name: str
    app: ASGIApp
    after: str | None = None


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body and answers a constant: what ASGI itself costs."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [KIND]})
    await send({"type": "http.response.body", "body": SAID})


def answered(_: object = None) -> Response:
    """A constant."""
    return Response(SAID, media_type="application/json")


def _behind(app: Starlette, handler: Handler, layers: list[Middleware]) -> ASGIApp:
    """A handler at MyPost's place in its list of routes, behind these layers."""
    place = next(i for i, route in enumerate(app.routes) if getattr(route, "path", "") == PATH)
    routes = [*app.routes[:place], Route(PATH, handler, methods=["POST"])]
    return Starlette(
        routes=routes, middleware=layers, exception_handlers=dict(app.exception_handlers)
    )


def steps(app: Starlette) -> list[Step]:
    """The steps to MyPost's dashboard, from a bare route on."""
    services: Any = app.state  # holds `services` once the application has started
    make = mypost.context_maker(services)
    first, others = app.user_middleware[:1], app.user_middleware[1:]
    assert first[0].cls is RequestIds  # noqa: S101 - the step's name says so
    brand = scoped(rows.BRAND)

    async def constant(request: Request) -> Response:
        await request.body()
        return answered()

    async def read(request: Request) -> Response:
        http.read(await http.body(request))
        return answered()

    async def signed_in(request: Request) -> Response:
        http.read(await http.body(request))
        token = mypost.bearer(request.headers.get("authorization"))
        await services.services.sessions.viewer(str(token))
        return answered()

    async def with_context(request: Request) -> Response:
        http.read(await http.body(request))
        ctx: Context = await make(request)
        response = answered(ctx.viewer)
        mypost.finish(response, ctx)
        return response

    async def with_statement(request: Request) -> Response:
        asked = http.read(await http.body(request))
        ctx: Context = await make(request)
        pool = ctx.services.pool
        await pool.fetch(brand, ctx.scope(), (asked.variables or {})["id"])
        response = answered(ctx.viewer)
        mypost.finish(response, ctx)
        return response

    by_hand = Door(app).graphql(rows.dashboard, "brand")
    layers = [*first, *others]
    return [
        Step("ASGI: read the body, answer", nothing),
        Step("Starlette: route, Request, Response", _behind(app, constant, [])),
        Step("request id, metrics, log line", _behind(app, constant, first)),
        *(
            Step(layer.cls.__name__, _behind(app, constant, [*first, *others[: i + 1]]))  # type: ignore[attr-defined]
            for i, layer in enumerate(others)
        ),
        Step("GraphQL's parameters read", _behind(app, read, layers)),
        Step("sign-in: token, viewer", _behind(app, signed_in, layers)),
        Step(CONTEXT, _behind(app, with_context, layers)),
        Step("one scoped statement", _behind(app, with_statement, layers)),
        Step("the dashboard by hand, 4 statements", _behind(app, by_hand, layers), CONTEXT),
        Step("the dashboard by MyPost", app, CONTEXT),
    ]
