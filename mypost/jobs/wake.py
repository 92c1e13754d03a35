"""Waking those who sleep: at once by hand, soon by Redis, and by their own poll without it."""

import asyncio

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mypost.events import WAKE_CHANNEL

RECONNECT = 0.5

log = structlog.get_logger()


class Bell:
    """One sleeper's bell; a ring between two waits is not lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Ends the current wait, or the next one."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Sleeps until the bell rings, for so many at most."""
        # call_later instead of a timeout: a cancelled sleeper must not be taken for a woken one.
        alarm = asyncio.get_running_loop().call_later(seconds, self._event.set)
        try:
            await self._event.wait()
        finally:
            alarm.cancel()
        self._event.clear()


class Wake:
    """All bells of a process; without Redis only its own hands ring them."""

    def __init__(self, redis: Redis | None = None) -> None:
        self._redis = redis
        self._bells: list[Bell] = []

    def bell(self) -> Bell:
        """Hangs up one more bell."""
        self._bells.append(Bell())
        return self._bells[-1]

    def set(self) -> None:
        """Rings every bell."""
        for bell in self._bells:
            bell.ring()

    async def listen(self) -> None:
        """Rings for every message on the channel and reconnects for ever."""
        if self._redis is None:
            return
        while True:
            try:
                await self._subscribe(self._redis)
            except (RedisError, OSError) as fault:
                log.warning("wake_lost", reason=type(fault).__name__)
            await asyncio.sleep(RECONNECT)

    async def _subscribe(self, redis: Redis) -> None:
        async with redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(WAKE_CHANNEL)
            self.set()  # what was said while nobody listened
            async for _ in channel.listen():
                self.set()
