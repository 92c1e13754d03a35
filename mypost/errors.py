"""What can go wrong; `spelling.py` says it as each door does.

Resolvers only raise. `Fault`s are what the caller can mend (userErrors / 400, 409, 412, 422);
every other `ApiError` is a refusal of the whole request. Anything else is masked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

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


class Busy(ApiError):
    """Another request is doing the same right now."""

    code = Code.CONFLICT

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=1)


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


class KeyReused(Invalid):
    """The idempotency key belongs to another input."""

    def __init__(self) -> None:
        message = "This key was used with another input"
        super().__init__(invalid("idempotencyKey", message, FaultCode.KEY_REUSED).faults)
