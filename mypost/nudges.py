"""Waking others after a commit. A nudge may be lost: a row is the truth, a sweep finds it."""

import asyncio
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mypost.events import WAKE_CHANNEL

log = structlog.get_logger()
PATIENCE_S = 0.25


class Nudges:
    """Sends nudges by name through Redis; never raises and never waits long."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    async def send(self, name: str, *args: Any) -> None:
        """Sends one nudge; when Redis is away, says so in the log and goes on."""
        try:
            async with asyncio.timeout(PATIENCE_S):
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
