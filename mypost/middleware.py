"""The outermost layers: a request id, one log line, no exception that escapes; rate limits."""

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mypost.errors import REQUEST_ID_PREFIX, Code, RateLimited
from mypost.limits import Limiter
from mypost.meter import Meter
from mypost.metrics import Metrics
from mypost.spelling import MASKED, envelope, mask
from mypost.windows import of_address

log = structlog.get_logger()
DOORS = ("/graphql", "/api/")
WELL_FORMED = re.compile(REQUEST_ID_PREFIX + r"[A-Za-z0-9_-]{8,64}")


def request_id_of(scope: Scope) -> str:
    """The id this request has been given."""
    return str(scope["request_id"])


def _choose(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if WELL_FORMED.fullmatch(text):
                return str(text)
    return f"{REQUEST_ID_PREFIX}{secrets.token_hex(12)}"


class RequestIds:
    """Gives each request an id, tells it in the answer, counts and logs the request once."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        scope["request_id"] = request_id = _choose(scope)
        began, status = time.perf_counter(), 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        try:
            await self.app(scope, receive, tell)
        except Exception as error:  # noqa: BLE001 - the last place where it can be masked
            mask(error, request_id)
            if scope["type"] == "http" and not status:
                await _apologise(tell, request_id, scope.get("meter"))
        finally:
            seconds = time.perf_counter() - began
            self.metrics.request(scope["path"], status, seconds)
            log.info(
                "request",
                request_id=request_id,
                method=scope.get("method", "WS"),
                path=scope["path"],
                status=status,
                ms=round(seconds * 1000, 1),
            )


async def _apologise(send: Send, request_id: str, meter: Meter | None) -> None:
    said = orjson.dumps(envelope(Code.INTERNAL_ERROR, MASKED, request_id))
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    if meter is not None:
        headers += meter.headers()
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": said})


class RateLimits:
    """Meters each request to the doors, and tells in its answer what is left."""

    def __init__(
        self,
        app: ASGIApp,
        limiter: Limiter,
        identify: Callable[[Request], Awaitable[Any]],
        refuse: Callable[[Request, Exception], Awaitable[Response]],
    ) -> None:
        self.app = app
        self.limiter = limiter
        self.identify = identify
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or not scope["path"].startswith(DOORS):
            await self.app(scope, receive, send)
            return
        client = scope.get("client")
        meter = Meter(self.limiter, of_address(client[0] if client else None))
        scope["meter"] = meter
        replaced = False

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == HTTPStatus.TOO_MANY_REQUESTS:
                    meter.give_back()
                message["headers"] = [*message.get("headers", ()), *meter.headers()]
            await send(message)

        async def tell(message: Message) -> None:
            nonlocal replaced
            if not meter.weight and (refusal := await self._settle(scope, meter)):
                replaced = True
                await refusal(scope, receive, told)
            if not replaced:
                await told(message)

        await self.app(scope, receive, tell)

    async def _settle(self, scope: Scope, meter: Meter) -> Response | None:
        """Charges a request that has not come as far as its operation: errors are not free."""
        request = Request(scope)
        # Whoever cannot be told is counted by his address.
        if not meter.identified:
            with suppress(Exception):
                await self.identify(request)
        try:
            await meter.charge(1)
        except RateLimited as error:
            return await self.refuse(request, error)
        return None
