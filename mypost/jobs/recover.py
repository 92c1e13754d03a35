"""Going on after a restore, by somebody's word: `mypost recover`."""

from contextlib import AsyncExitStack

from redis.asyncio import Redis

from mypost.jobs.marks import Marks
from mypost.models import database
from mypost.models.installation import Installation
from mypost.settings import Settings

NOTHING = "There is no quarantine: posts go out."
DONE = (
    "The quarantine is over. Targets that may have gone out since the backup: {}. Each is looked"
    " up, and sent only when it is proven not to be there. All others go out when they are due."
)


async def recover(settings: Settings) -> str:
    """Puts what may have gone out to a lookup and ends the quarantine; answers what was done."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            await database.migrated(str(settings.dispatch_url), 1)
        )
        redis = Redis.from_url(settings.redis_url) if settings.redis_url else None
        if redis is not None:
            stack.push_async_callback(redis.aclose)
        installation = Installation(pool)
        # No dispatcher may have arrived since the restore: what it would find, we look for.
        await installation.arrive()
        await Marks(settings.data_dir, redis).check(installation)
        found = await installation.recover()
    return NOTHING if found is None else DONE.format(found)
