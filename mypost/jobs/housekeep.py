"""What the hour brings: forgetting what nobody may keep."""

from typing import Any

import structlog

log = structlog.get_logger()


async def forget_sessions(ctx: dict[str, Any]) -> int:
    """Deletes sessions that ended more than 30 days ago; answers how many."""
    gone = int(await ctx["pool"].fetchval("SELECT sessions_forget()"))
    log.info("sessions_forgotten", count=gone)
    return gone
