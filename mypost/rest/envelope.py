"""Errors as REST spells them: a status, the envelope, and nothing about the inside."""

import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import orjson
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response

from mypost.errors import (
    FAULT_CODE,
    REQUEST_ID_PREFIX,
    STATUS,
    ApiError,
    Code,
    Fault,
    FaultCode,
    Invalid,
    NotFound,
)
from mypost.rest.binding import INPUT, PAGING
from mypost.spelling import MASKED, envelope, mask

SEVERAL = "Some fields are not valid"
WRAPPERS = {INPUT, "filter"}


def respond(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """Answers JSON that no cache keeps: every answer is somebody's own."""
    return Response(
        orjson.dumps(body),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )


def refuse(
    code: Code,
    message: str,
    request_id: str,
    details: Iterable[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answers the error envelope."""
    extra = dict(headers or {})
    if code is Code.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Bearer"
    return respond(STATUS[code], envelope(code, message, request_id, details), extra)


def request_id_of(request: Request) -> str:
    """The id the middleware gave this request, or a new one where none ran."""
    known = request.scope.get("request_id")
    return known if isinstance(known, str) else REQUEST_ID_PREFIX + secrets.token_hex(8)


def from_error(
    error: BaseException, request_id: str, noun: str = "object", bound: Collection[str] = ()
) -> Response:
    """Answers what was raised; what is neither a refusal nor a fault is logged and masked.

    `bound` names the input fields that stand in the address: an unknown id there is a 404.
    """
    if isinstance(error, Invalid):
        return from_faults(error.faults, request_id, noun, bound)
    if isinstance(error, ApiError):
        wait = error.retry_after
        headers = {} if wait is None else {"Retry-After": str(wait)}
        return refuse(error.code, error.message, request_id, headers=headers)
    mask(error, request_id)
    return refuse(Code.INTERNAL_ERROR, MASKED, request_id)


def from_graphql(
    errors: list[GraphQLError], request_id: str, noun: str, bound: Collection[str]
) -> Response:
    """Answers the first error of a result, by what was raised beneath it."""
    first = errors[0]
    cause: BaseException = first
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, GraphQLError) and first.path is None:
        return refuse(Code.VALIDATION_ERROR, first.message, request_id)
    return from_error(cause, request_id, noun, bound)


def from_user_errors(
    errors: list[dict[str, Any]], request_id: str, noun: str, bound: Collection[str]
) -> Response:
    """Answers the userErrors of a payload."""
    faults = [Fault(tuple(e["path"]), e["message"], FaultCode(e["code"])) for e in errors]
    return from_faults(faults, request_id, noun, bound)


def from_faults(
    faults: list[Fault], request_id: str, noun: str, bound: Collection[str]
) -> Response:
    """Answers what the caller can mend: 400 as soon as one fault is that, else the first's code."""
    own = [Fault(_spelled(f.path), f.message, f.code) for f in faults]
    if any(f.code is FaultCode.NOT_FOUND and f.dotted in bound for f in own):
        return refuse(Code.NOT_FOUND, NotFound(noun).message, request_id)
    codes = [FAULT_CODE.get(f.code, Code.VALIDATION_ERROR) for f in own]
    code = Code.VALIDATION_ERROR if Code.VALIDATION_ERROR in codes else codes[0]
    message = own[0].message if len(own) == 1 else SEVERAL
    # A fault of the whole object, such as its state, has no place to name.
    return refuse(code, message, request_id, [f for f in own if f.path or len(own) > 1])


def _spelled(path: tuple[str, ...]) -> tuple[str, ...]:
    """Spells a place as REST does: without what wraps it in GraphQL, `limit` for `first`."""
    inner = path[1:] if len(path) > 1 and path[0] in WRAPPERS else path
    return (PAGING[inner[0]],) if len(inner) == 1 and inner[0] in PAGING else inner
