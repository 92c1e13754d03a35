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
from bench.servers.checked import COST, Door, scoped
from mypost import app as mypost
from mypost.context import Context
from mypost.engine import http
from mypost.middleware import RequestIds

PATH = "/graphql"
CONTEXT = "caller, context, cookies"
CHARGES = "charges: caller, everybody, workspace"
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


def answered(request: Request) -> Response:
    """A constant; what has charged nothing says it has, or the middleware would do it now."""
    if meter := request.scope.get("meter"):
        meter.weight = meter.weight or 1
    return Response(SAID, media_type="application/json")


def finished(request: Request, ctx: Context) -> Response:
    """A constant for somebody who is signed in."""
    assert ctx.viewer  # noqa: S101 - raises when nobody is
    response = answered(request)
    mypost.finish(response, ctx, {})
    return response


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
        return answered(request)

    async def read(request: Request) -> Response:
        http.read(await http.body(request))
        return answered(request)

    async def signed_in(request: Request) -> Response:
        http.read(await http.body(request))
        token = mypost.bearer(request.headers.get("authorization"))
        await services.services.sessions.viewer(str(token))
        return answered(request)

    async def with_context(request: Request) -> Response:
        http.read(await http.body(request))
        return finished(request, await make(request))

    async def with_charges(request: Request) -> Response:
        http.read(await http.body(request))
        ctx: Context = await make(request)
        await mypost.charge(ctx, COST)
        await ctx.meter.enter(ctx.scope()[0])
        return finished(request, ctx)

    async def with_statement(request: Request) -> Response:
        asked = http.read(await http.body(request))
        ctx: Context = await make(request)
        await mypost.charge(ctx, COST)
        await ctx.meter.enter(ctx.scope()[0])
        await ctx.services.pool.fetch(brand, ctx.scope(), (asked.variables or {})["id"])
        return finished(request, ctx)

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
        Step(CHARGES, _behind(app, with_charges, layers)),
        Step("one scoped statement", _behind(app, with_statement, layers)),
        Step("the dashboard by hand, 4 statements", _behind(app, by_hand, layers), CHARGES),
        Step("the dashboard by MyPost", app, CHARGES),
    ]
