"""The outermost layer: a request id, one log line, and no exception that escapes."""

import re
import secrets
import time

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mypost.errors import REQUEST_ID_PREFIX, Code
from mypost.metrics import Metrics
from mypost.spelling import MASKED, envelope, mask

log = structlog.get_logger()
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
                await _apologise(tell, request_id)
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


async def _apologise(send: Send, request_id: str) -> None:
    said = orjson.dumps(envelope(Code.INTERNAL_ERROR, MASKED, request_id))
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": said})
