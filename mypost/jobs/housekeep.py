"""What the hour brings: forgetting what nobody may keep."""

from typing import Any

import structlog

log = structlog.get_logger()


async def forget_sessions(ctx: dict[str, Any]) -> int:
    """Deletes sessions that ended more than 30 days ago; answers how many."""
    gone = int(await ctx["pool"].fetchval("SELECT sessions_forget()"))
    log.info("sessions_forgotten", count=gone)
    return gone


async def forget_connections(ctx: dict[str, Any]) -> int:
    """Wipes what attempts to connect held once they end, and the attempts after a week."""
    gone = int(await ctx["pool"].fetchval("SELECT connections_forget()"))
    log.info("connections_forgotten", count=gone)
    return gone


async def forget_deliveries(ctx: dict[str, Any]) -> int:
    """Deletes what webhooks were told more than 30 days ago; answers how many."""
    gone = int(await ctx["pool"].fetchval("SELECT deliveries_forget()"))
    log.info("deliveries_forgotten", count=gone)
    return gone


async def forget_keys(ctx: dict[str, Any]) -> int:
    """Deletes idempotency keys that are older than a day; answers how many."""
    gone = int(await ctx["pool"].fetchval("SELECT keys_forget()"))
    log.info("keys_forgotten", count=gone)
    return gone
