"""Strawberry's own ASGI view over Tortoise; tuned, with orjson and the collector told to rest."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.routing import Mount
from strawberry.asgi import GraphQL
from tortoise import Tortoise

from bench.environment import read
from bench.peers.strawberry_tortoise.loaders import Loaders
from bench.peers.strawberry_tortoise.schema import TUNED, schema
from mypost.settings import credentials

POOL = 10


class View(GraphQL[Loaders, None]):
    """Strawberry's view, with dataloaders as its context."""

    async def get_context(self, request: Any, response: Any = None) -> Loaders:  # noqa: ARG002
        """Fresh loaders for each request."""
        return Loaders()

    def encode_json(self, data: object) -> str | bytes:
        """Writes JSON."""
        return orjson.dumps(data) if TUNED else super().encode_json(data)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Opens Tortoise."""
    login = {**credentials(read("BENCH_DSN")), "minsize": POOL, "maxsize": POOL}
    engine = {"engine": "tortoise.backends.asyncpg", "credentials": login}
    named = ["bench.peers.strawberry_tortoise.models"]
    config = {
        "connections": {"default": engine},
        "apps": {"bench": {"models": named, "default_connection": "default"}},
        "use_tz": True,
        "timezone": "UTC",
    }
    await Tortoise.init(config=config, _enable_global_fallback=True)
    if TUNED:
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
    yield
    await Tortoise.close_connections()


app = Starlette(routes=[Mount("/graphql", View(schema))], lifespan=lifespan)
