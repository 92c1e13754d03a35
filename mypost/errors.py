"""What can go wrong, and how each door spells it.

Resolvers only raise. `Fault`s are what the caller can mend (userErrors / 400, 409, 412, 422);
every other `ApiError` is a refusal of the whole request. Anything else is masked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog
from graphql import GraphQLError

log = structlog.get_logger()
REQUEST_ID_PREFIX = "req_"


class Code(StrEnum):
    """Codes of the REST envelope and of top-level GraphQL errors."""

    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    RATE_LIMITED = "RATE_LIMITED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    CONFLICT = "CONFLICT"
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"


STATUS: Mapping[Code, int] = {
    Code.UNAUTHORIZED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.VALIDATION_ERROR: 400,
    Code.RATE_LIMITED: 429,
    Code.INTERNAL_ERROR: 500,
    Code.CONFLICT: 409,
    Code.PRECONDITION_FAILED: 412,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.IDEMPOTENCY_MISMATCH: 422,
}


class FaultCode(StrEnum):
    """Codes of userErrors: what the caller can mend."""

    REQUIRED = "REQUIRED"
    INVALID = "INVALID"
    TOO_LONG = "TOO_LONG"
    TOO_MANY = "TOO_MANY"
    TAKEN = "TAKEN"
    NOT_FOUND = "NOT_FOUND"
    IN_THE_PAST = "IN_THE_PAST"
    INVALID_STATE = "INVALID_STATE"
    STALE_VERSION = "STALE_VERSION"
    LIMIT_REACHED = "LIMIT_REACHED"
    KEY_REUSED = "KEY_REUSED"


FAULT_CODE: Mapping[FaultCode, Code] = {
    FaultCode.INVALID_STATE: Code.CONFLICT,
    FaultCode.STALE_VERSION: Code.PRECONDITION_FAILED,
    FaultCode.KEY_REUSED: Code.IDEMPOTENCY_MISMATCH,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing the caller can mend, at one place of his input."""

    path: tuple[str, ...]
    message: str
    code: FaultCode = FaultCode.INVALID

    @property
    def dotted(self) -> str:
        """The place as REST spells it: `targetAccountIds.0`."""
        return ".".join(self.path)


class ApiError(Exception):
    """A refusal of the whole request, with a code both doors spell."""

    code = Code.INTERNAL_ERROR

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class Unauthorized(ApiError):
    """Nobody is signed in, or the token does not hold."""

    code = Code.UNAUTHORIZED

    def __init__(self, message: str = "Sign in first") -> None:
        super().__init__(message)


class Forbidden(ApiError):
    """The viewer may see the object but not do this."""

    code = Code.FORBIDDEN

    def __init__(self, permission: str | None = None, message: str | None = None) -> None:
        super().__init__(message or f"This needs the permission {permission}")


class NotFound(ApiError):
    """There is no such object for this viewer."""

    code = Code.NOT_FOUND

    def __init__(self, noun: str = "object") -> None:
        super().__init__(f"There is no such {noun}")


class RateLimited(ApiError):
    """Too many requests; `retry_after` says when to come back, in seconds."""

    code = Code.RATE_LIMITED


class BadRequest(ApiError):
    """The request cannot be read; the message says where."""

    code = Code.VALIDATION_ERROR


class Invalid(Exception):
    """Faults the caller can mend; nothing was written."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(f"{f.dotted}: {f.message}" for f in self.faults))


def invalid(path: str, message: str, code: FaultCode = FaultCode.INVALID) -> Invalid:
    """Builds the common case: one fault at a dotted path."""
    return Invalid([Fault(tuple(path.split(".")) if path else (), message, code)])


class IllegalState(Invalid):
    """The object's state forbids this."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(invalid(path, message, FaultCode.INVALID_STATE).faults)


class Stale(Invalid):
    """The caller edited an older version."""

    def __init__(self, current: int) -> None:
        message = f"The current version is {current}"
        super().__init__(invalid("expectedVersion", message, FaultCode.STALE_VERSION).faults)


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
    elif error.path is None and (cause is None or isinstance(cause, GraphQLError)):
        # The document or its variables are at fault, and graphql-core has said how.
        message, extensions["code"] = error.message, Code.VALIDATION_ERROR.value
    else:
        mask(cause or error, request_id)
        message, extensions["code"] = MASKED, Code.INTERNAL_ERROR.value
    told: dict[str, Any] = {"message": message, "extensions": extensions}
    if error.locations:
        told["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        told["path"] = error.path
    return told


MASKED = "Something went wrong on our side"


def mask(error: BaseException, request_id: str) -> None:
    """Notes an unforeseen error for us: its class and place, never its values."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else None
    log.error("error.unforeseen", request_id=request_id, error=type(error).__name__, place=place)
