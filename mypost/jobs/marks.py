"""What is remembered outside the database: the last transition seen, in a file and in Redis.

A database that was put back to an earlier state does not know the mark any more, and dispatchers
do not send from it until somebody has run `mypost recover`.
"""

import asyncio
import contextlib
from pathlib import Path
from uuid import UUID

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mypost.models.installation import Installation, Mark

FILE = "dispatch.mark"
KEY = "mypost:mark:{}"
PATIENCE = 1.0


class Marks:
    """The memory of one dispatcher; either place may be missing, or both."""

    def __init__(self, folder: Path | None = None, redis: Redis | None = None) -> None:
        self._file = None if folder is None else folder / FILE
        self._redis = redis
        self._kept: Mark | None = None

    async def check(self, installation: Installation) -> str | None:
        """Asks the database for every mark of it that we hold; answers why nothing is sent."""
        place = await installation.place()
        reason = None
        for mark in (self._from_file(), await self._from_redis(str(place))):
            if mark is not None and mark.place == place:
                reason = await installation.remember(mark) or reason
        return reason

    async def keep(self, installation: Installation) -> None:
        """Remembers where the database stands now."""
        mark = await installation.mark()
        if mark is None or mark == self._kept:
            return
        spelled = orjson.dumps([mark.place, str(mark.epoch), mark.pos, str(mark.target)])
        if self._file is not None:
            # A folder that cannot be written leaves the other memory.
            with contextlib.suppress(OSError):
                part = self._file.with_suffix(".part")
                part.write_bytes(spelled)
                part.replace(self._file)
        if self._redis is not None:
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._redis.set(KEY.format(mark.place), spelled)
        self._kept = mark

    def _from_file(self) -> Mark | None:
        with contextlib.suppress(OSError):
            return _read(self._file.read_bytes()) if self._file is not None else None
        return None

    async def _from_redis(self, place: str) -> Mark | None:
        if self._redis is None:
            return None
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                return _read(await self._redis.get(KEY.format(place)))
        return None


def _read(spelled: bytes | None) -> Mark | None:
    """Reads a mark; one that cannot be read is none."""
    try:
        place, epoch, pos, target = orjson.loads(spelled or b"[]")
        return Mark(place, UUID(epoch), pos, UUID(target))
    except (ValueError, TypeError, AttributeError):
        return None
