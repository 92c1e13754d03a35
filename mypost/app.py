"""The ASGI application: what a process holds, the middleware in order, the doors."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from graphql import GraphQLError
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, WebSocketRoute
from starlette.websockets import WebSocket

from mypost import callback, networks, pages, probes
from mypost.context import Caller, Context, Services
from mypost.crypto import Keys
from mypost.engine.documents import Documents
from mypost.engine.endpoint import Endpoint
from mypost.engine.http import MODERN
from mypost.engine.streams import Refused, Streams
from mypost.engine.trusted import Trusted, Unusable, load
from mypost.engine.websocket import Sockets
from mypost.errors import STATUS, ApiError, Code, Unauthorized
from mypost.feed import Feed
from mypost.limits import Limiter
from mypost.meter import TOLD, Meter, units
from mypost.metrics import Metrics
from mypost.middleware import RateLimits, RequestIds, request_id_of
from mypost.models import database
from mypost.nudges import Nudges
from mypost.resolvers.auth import REFRESH_COOKIE
from mypost.resolvers.redeeming import CALLBACK
from mypost.rest import door
from mypost.rest.again import REPLAYED
from mypost.rest.cookies import set_cookies
from mypost.schema.build import schema
from mypost.settings import BadSettings, Settings
from mypost.spelling import spell
from mypost.subscriber import Subscriber, look_after
from mypost.throttle import Throttle
from mypost.tokens import Passwords, Sessions
from mypost.windows import Rates


class Held:
    """What the doors reach once the process has started."""

    services: Services


def caller_of(connection: HTTPConnection, settings: Settings) -> Caller:
    """What the transport knows of a request."""
    origin = connection.headers.get("origin")
    return Caller(
        request_id=request_id_of(connection.scope),
        ip=connection.client.host if connection.client else None,
        refresh_cookie=connection.cookies.get(REFRESH_COOKIE),
        trusted_origin=origin in settings.allowed_origins
        and "x-requested-with" in connection.headers,
    )


def bearer(value: str | None) -> str | None:
    """The token of an Authorization header; raises Unauthorized for any other scheme."""
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Send Authorization: Bearer and the access token")
    return token.strip()


def context_maker(held: Held) -> Callable[[Request], Awaitable[Context]]:
    """Makes the context of an HTTP request; a token that does not hold is as good as none.

    Who must be signed in hears why he is not, when his operation asks for him.
    """

    async def make(request: Request) -> Context:
        services = held.services
        caller, viewer, refused = caller_of(request, services.settings), None, None
        meter: Meter = request.scope["meter"]
        meter.identify(None)
        try:
            token = bearer(request.headers.get("authorization"))
            viewer = await services.sessions.viewer(token) if token else None
        except Unauthorized as error:
            refused = error
        if viewer is not None:
            meter.identify(viewer.id)
        return Context(services, caller, viewer, meter, refused=refused)

    return make


def charged(make: Callable[[Request], Awaitable[Context]]) -> Callable[[Request], Any]:
    """Makes the context of a REST request, which counts as one."""

    async def made(request: Request) -> Context:
        context = await make(request)
        await context.meter.charge(1)
        return context

    return made


def checked(make: Callable[[Request], Awaitable[Context]]) -> Callable[[Request], Any]:
    """Makes the context of a GraphQL request, unless it is refused before its text is read."""

    async def made(request: Request) -> Context:
        context = await make(request)
        context.meter.check()
        return context

    return made


async def charge(ctx: Context, cost: int) -> None:
    """Charges a GraphQL operation by its cost, before it runs."""
    await ctx.meter.charge(units(cost), cost)


def connector(held: Held) -> Callable[[WebSocket, dict[str, Any]], Awaitable[Subscriber]]:
    """Lets a socket in by the token of its `connection_init`: `authorization` or `accessToken`."""

    async def connect(websocket: WebSocket, payload: dict[str, Any]) -> Subscriber:
        services = held.services
        said = payload.get("authorization") or payload.get("Authorization")
        try:
            token = bearer(said) if isinstance(said, str) else payload.get("accessToken")
            if not isinstance(token, str):
                raise Unauthorized  # noqa: TRY301 - one refusal for every cause
            viewer = await services.sessions.viewer(token)
        except Unauthorized as refused:
            raise Refused(refused.message) from None
        caller = caller_of(websocket, services.settings)
        return Subscriber(services, caller, viewer, services.sessions.expires(token))

    return connect


def listener(held: Held) -> Callable[[Request, Context], Subscriber]:
    """Lets a stream of events begin for whoever is signed in. Raises Unauthorized."""

    def listen(request: Request, context: Context) -> Subscriber:
        viewer, sessions = context.viewer, held.services.sessions
        token = bearer(request.headers.get("authorization")) or ""
        return Subscriber(held.services, context.caller, viewer, sessions.expires(token))

    return listen


def finish(response: Response, ctx: Context, answer: dict[str, Any]) -> None:
    """Gives a GraphQL answer its cookies, and the status of what has refused all of it."""
    set_cookies(response, ctx)
    if ctx.caller.replayed:
        response.headers[REPLAYED] = "true"
    if ctx.turned_away:
        response.status_code = STATUS[Code.UNAUTHORIZED]
    elif (wait := wait_of(answer)) is not None:
        response.status_code = STATUS[Code.RATE_LIMITED]
        response.headers["retry-after"] = str(wait)


def wait_of(answer: dict[str, Any]) -> int | None:
    """How long to wait before asking again, when the whole answer was refused for its number."""
    limited = [
        error["extensions"].get("retryAfter", 1)
        for error in answer.get("errors", ())
        if error["extensions"]["code"] == Code.RATE_LIMITED
    ]
    if not limited or any(value is not None for value in (answer.get("data") or {}).values()):
        return None
    return int(max(limited))


def told(error: GraphQLError, where: Any) -> dict[str, Any]:
    """Spells a GraphQL error with the request's id."""
    request_id = (
        where.caller.request_id if isinstance(where, Context) else request_id_of(where.scope)
    )
    return spell(error, request_id)


async def refuse(request: Request, error: Exception) -> Response:
    """Spells a refusal that came before the operation: as its door does."""
    assert isinstance(error, ApiError)  # noqa: S101 - registered for nothing else
    if request.url.path == "/graphql":
        body = {"errors": [told(GraphQLError(error.message, original_error=error), request)]}
        headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
        modern = MODERN in request.headers.get("accept", "")
        return JSONResponse(body, STATUS[error.code], headers, MODERN if modern else None)
    return door.refusal(request, error)


def trusted(documents: Documents, settings: Settings) -> Trusted:
    """Prepares the documents that are known beforehand. Raises BadSettings."""
    path = settings.trusted_documents
    try:
        return Trusted(documents, load(path) if path else {}, only=settings.trusted_only)
    except Unusable as error:
        raise BadSettings(f"MYPOST_TRUSTED_DOCUMENTS: {error}") from None


def build(
    settings: Settings,
    keys: Keys,
    *,
    passwords: Passwords | None = None,
    throttle: Throttle | None = None,
) -> Starlette:
    """Assembles the application for settings whose database and Redis addresses are filled in."""
    held = Held()
    core = schema._schema  # noqa: SLF001 - Strawberry has no accessor
    documents = Documents(core, compiles=settings.engine == "compiled", pushes=settings.pushdown)
    rates = Rates(settings.rate_user, settings.rate_workspace, settings.rate_global)
    limiter = Limiter(str(settings.redis_url), rates)
    metrics = Metrics(documents, limiter)
    make = context_maker(held)
    origins = frozenset({*settings.allowed_origins, settings.origin})
    known = trusted(documents, settings)
    streams = Streams(look_after(lambda: held.services))
    sockets = Sockets(core, known, connector(held), told, origins, charge, streams)
    shown = core, known, checked(make), told, finish, charge
    endpoint = Endpoint(*shown, listener(held), streams)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        guards = limiter, throttle or Throttle()
        async with hold(settings, keys, passwords, *guards) as services:
            held.services = app.state.services = services
            streams.start()
            yield
            await streams.shutdown()
            await streams.close()

    servers = _servers(settings)
    routes: list[BaseRoute] = [
        *pages.routes(servers),
        pages.graphql(endpoint.answer),
        WebSocketRoute("/graphql", sockets.serve),
        *probes.routes(lambda: held.services, metrics),
        callback.route(charged(make), settings.connected_url),
        *door.routes(core, documents, charged(make)),
        *(Mount(f"/networks/{key}", app=server) for key, server in servers.items()),
    ]
    handlers: Any = {ApiError: refuse, 404: door.not_found, 405: door.method_not_allowed}
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(RequestIds, metrics),
            _cors(settings),
            Middleware(RateLimits, limiter, make, refuse),
        ],
        exception_handlers=handlers,
        lifespan=lifespan,
    )
    app.state.streams = streams
    return app


def _servers(settings: Settings) -> dict[str, Starlette]:
    """Makes the servers of the built-in networks, which know where they may send people back to."""
    keys = networks.enabled(settings.environment, embedded=settings.embedded)
    servers = networks.servers(keys, settings.data_dir / "networks")
    for key, server in servers.items():
        server.state.redirect = settings.origin + CALLBACK.format(key)
    return servers


def _cors(settings: Settings) -> Middleware:
    """Lets the pages of allowed origins call, with the headers the doors read and tell."""
    return Middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST", "PATCH", "DELETE", "PUT"],
        allow_headers=[
            "authorization",
            "content-type",
            "if-match",
            "x-requested-with",
            "idempotency-key",
        ],
        expose_headers=["etag", "location", "x-request-id", "retry-after", REPLAYED, *TOLD],
        allow_credentials=True,
    )


@asynccontextmanager
async def hold(
    settings: Settings,
    keys: Keys,
    passwords: Passwords | None,
    limiter: Limiter,
    throttle: Throttle,
) -> AsyncIterator[Services]:
    """Opens what a process holds for its whole life, and closes it in the end."""
    assert settings.app_url is not None  # noqa: S101 - filled in before
    assert settings.redis_url is not None  # noqa: S101
    async with AsyncExitStack() as stack:
        opened = database.connect(settings.app_url, pooled=settings.pooled)
        pool = await stack.enter_async_context(opened)
        redis: Any = Redis.from_url(settings.redis_url, socket_connect_timeout=1)
        stack.push_async_callback(redis.aclose)
        await limiter.start()
        stack.push_async_callback(limiter.close)
        feed = Feed(pool, redis)
        feed.start()
        stack.push_async_callback(feed.close)
        passwords = passwords or Passwords()
        stack.callback(passwords.close)
        chosen = {
            key: networks.configure(key, settings.environment, settings.origin)
            for key in networks.enabled(settings.environment, embedded=settings.embedded)
        }
        for network in chosen.values():
            stack.push_async_callback(network.close)
        sessions, nudges = Sessions(keys, pool), Nudges(redis)
        yield Services(
            *(settings, keys, pool, nudges, chosen, passwords, sessions, feed, limiter, throttle)
        )
