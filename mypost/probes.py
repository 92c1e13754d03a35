"""What a process tells those who run it: that it lives, works and counts; keys and contract."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mypost.context import Services
from mypost.metrics import Metrics
from mypost.rest.openapi import document

DESCRIPTION = orjson.dumps(document())
GAUGES_S = 2.0
Ask = Callable[[], Services]
Handler = Callable[[Request], Awaitable[Response]]


def routes(services: Ask, metrics: Metrics) -> list[Route]:
    """Answers the routes; the services are there once the process has started."""

    async def keys(_: Request) -> Response:
        return JSONResponse(services().sessions.jwks())

    return [
        Route("/healthz", healthy),
        Route("/readyz", readiness(services)),
        Route("/metrics", measured(services, metrics)),
        Route("/.well-known/jwks.json", keys),
        Route("/openapi.json", described),
    ]


async def healthy(_: Request) -> Response:
    """Answers that this process lives."""
    return JSONResponse({"status": "ok"})


async def described(_: Request) -> Response:
    """Answers the OpenAPI description of the REST door."""
    return Response(DESCRIPTION, media_type="application/json")


def measured(services: Ask, metrics: Metrics) -> Handler:
    """Answers what this process has counted, and how publishing is doing."""

    async def tell(_: Request) -> Response:
        # Without PostgreSQL its own counts are still worth telling.
        rows: list[Any] = []
        with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with asyncio.timeout(GAUGES_S):
                rows = await services().pool.fetch("SELECT * FROM publishing_gauges()")
        return Response(metrics.text(rows), media_type="text/plain; version=0.0.4")

    return tell


def readiness(services: Ask) -> Handler:
    """Answers whether this process can work, through the same pool as the work."""

    async def ready(_: Request) -> Response:
        try:
            await services().pool.fetchval("SELECT 1", timeout=2)
        except Exception:  # noqa: BLE001 - whatever the cause, we are not ready
            return JSONResponse({"status": "down", "postgres": "down"}, 503)
        redis = await services().nudges.reachable()
        return JSONResponse(
            {"status": "ok" if redis else "degraded", "redis": "ok" if redis else "down"}
        )

    return ready
