"""How each door spells an error; what nobody foresaw is masked by both."""

from collections.abc import Iterable
from typing import Any

import structlog
from graphql import GraphQLError

from mypost.engine.traces import place_of
from mypost.errors import ApiError, Code, Fault, Invalid

log = structlog.get_logger()
OF_STATUS = {
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.PAYLOAD_TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
}
MASKED = "Something went wrong on our side"


def envelope(
    code: Code, message: str, request_id: str, details: Iterable[Fault] = ()
) -> dict[str, Any]:
    """Spells an error as REST does."""
    return {
        "error": {
            "code": code.value,
            "message": message,
            "details": [{"path": f.dotted, "message": f.message} for f in details],
            "requestId": request_id,
        }
    }


def spell(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """Spells a top-level GraphQL error: `extensions {code requestId}`, anything unknown masked."""
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    extensions: dict[str, Any] = {"requestId": request_id}
    if isinstance(cause, ApiError):
        message, extensions["code"] = cause.message, cause.code.value
        if cause.retry_after is not None:
            extensions["retryAfter"] = cause.retry_after
    elif isinstance(cause, Invalid):
        message, extensions["code"] = str(cause), Code.VALIDATION_ERROR.value
        extensions["details"] = [{"path": f.dotted, "message": f.message} for f in cause.faults]
    elif error.path is None:
        # The document or its variables are at fault, and graphql-core has said how.
        said = error.extensions or {}
        code = OF_STATUS.get(said.get("status", 400), Code.VALIDATION_ERROR).value
        message, extensions["code"] = error.message, said.get("code", code)
    else:
        mask(cause or error, request_id)
        message, extensions["code"] = MASKED, Code.INTERNAL_ERROR.value
    told: dict[str, Any] = {"message": message, "extensions": extensions}
    if error.locations:
        told["locations"] = [location.formatted for location in error.locations]
    if error.path:
        told["path"] = error.path
    return told


def mask(error: BaseException, request_id: str) -> None:
    """Notes an unforeseen error for us: its class and place, never its values."""
    name, place = type(error).__name__, place_of(error)
    log.error("error.unforeseen", request_id=request_id, error=name, place=place)
