"""The arq worker and its queue: JSON instead of pickle, and patience with a Redis that restarts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import arq
import orjson
from arq.connections import ArqRedis, RedisSettings
from arq.typing import WorkerCoroutine
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import TimeoutError as TimedOut

from mypost import crypto
from mypost.jobs import housekeep, mail
from mypost.models import database
from mypost.settings import Settings

# Every job by the name it is nudged with; its first argument is arq's context, with `pool`.
JOBS: Mapping[str, WorkerCoroutine] = {
    "forget_connections": housekeep.forget_connections,
    "forget_sessions": housekeep.forget_sessions,
    "forget_keys": housekeep.forget_keys,
    "forget_deliveries": housekeep.forget_deliveries,
    "mail": mail.send,
}
JOB_TIMEOUT = 60
RECONNECTS = 30


def pack(value: Any) -> bytes:
    """Spells a job or a result as JSON; an exception becomes its text, as pickle is not safe."""
    return orjson.dumps(value, default=_text)


def unpack(data: bytes) -> Any:
    """Reads what `pack` spelled."""
    return orjson.loads(data)


def _text(value: Any) -> str:
    return f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else str(value)


def redis_settings(url: str) -> RedisSettings:
    """Reads an address and adds the retries without which one lost connection ends a worker."""
    return replace(
        RedisSettings.from_dsn(url),
        retry=Retry(ExponentialBackoff(cap=2, base=0.1), RECONNECTS),
        retry_on_error=[Disconnected, TimedOut, OSError],
    )


async def queue(url: str) -> ArqRedis:
    """Opens the queue for those who enqueue."""
    return await arq.create_pool(redis_settings(url), job_serializer=pack, job_deserializer=unpack)


def worker(settings: Settings, **options: Any) -> arq.Worker:
    """Makes the worker; it opens its own database pool when it starts and closes it at the end."""

    async def open_pool(ctx: dict[str, Any]) -> None:
        ctx["pool"] = await database.pool(str(settings.dispatch_url), "mypost_dispatch", 2)
        ctx["mailer"] = mail.Mailer(settings, crypto.load(settings.secret, settings.data_dir))

    async def close_pool(ctx: dict[str, Any]) -> None:
        if pool := ctx.pop("pool", None):
            await pool.close()

    made: dict[str, Any] = {
        "functions": [arq.func(job, name=name, keep_result=0) for name, job in JOBS.items()],
        "cron_jobs": [
            arq.cron(housekeep.forget_sessions, minute=0, second=0, keep_result=0),
            arq.cron(mail.send, second={0, 15, 30, 45}, keep_result=0),
            arq.cron(housekeep.forget_connections, minute=set(range(0, 60, 10)), keep_result=0),
            arq.cron(housekeep.forget_keys, minute=5, second=0, keep_result=0),
            arq.cron(housekeep.forget_deliveries, minute=10, second=0, keep_result=0),
        ],
        "redis_settings": redis_settings(str(settings.redis_url)),
        "on_startup": open_pool,
        "on_shutdown": close_pool,
        "job_serializer": pack,
        "job_deserializer": unpack,
        "job_timeout": JOB_TIMEOUT,
        "keep_result": 0,
        "poll_delay": 0.1,
        "handle_signals": False,
    }
    return arq.Worker(**{**made, **options})
