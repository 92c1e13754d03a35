"""Waking others after a commit. A nudge may be lost: a row is the truth, a sweep finds it."""

import asyncio
from functools import cached_property
from typing import Any

import orjson
import structlog
from arq.connections import ArqRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mypost.events import WAKE_CHANNEL

log = structlog.get_logger()
PATIENCE_S = 0.25
# What a job does; every other name wakes the dispatcher.
JOBS = frozenset({"mail"})


def _pack(value: Any) -> bytes:
    return orjson.dumps(value, default=str)


class Nudges:
    """Sends nudges by name through Redis; never raises and never waits long."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    @cached_property
    def queue(self) -> ArqRedis:
        """The job queue, through the same connections."""
        return ArqRedis(self.redis.connection_pool, job_serializer=_pack)

    async def send(self, name: str, *args: Any) -> None:
        """Sends one nudge; when Redis is away, says so in the log and goes on."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                if name in JOBS:
                    await self.queue.enqueue_job(name, *map(str, args))
                else:
                    await self.redis.publish(WAKE_CHANNEL, ":".join([name, *map(str, args)]))
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("nudge.lost", nudge=name, error=type(error).__name__)

    async def reachable(self) -> bool:
        """Whether Redis answers."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return bool(await self.redis.ping())
        except (RedisError, OSError, TimeoutError):
            return False
