"""Reading the bytes of a request body as a JSON object."""

import json
from typing import Any, NoReturn

import orjson
from starlette.requests import ClientDisconnect, Request

from mypost.errors import ApiError, BadRequest, Code

MAX_BODY = 256 * 1024
MAX_DIGITS = 19
NOT_JSON = "The body is not JSON"


class TooLarge(ApiError):
    """The body holds more than MyPost reads."""

    code = Code.PAYLOAD_TOO_LARGE


class WrongType(ApiError):
    """The body is of a type MyPost does not read."""

    code = Code.UNSUPPORTED_MEDIA_TYPE


async def read_body(request: Request) -> dict[str, Any]:
    """Reads the JSON object of a request; a request without a body holds none of its fields."""
    raw = await _bytes(request)
    if not raw:
        return {}
    if not _is_json(request.headers.get("content-type", "")):
        raise WrongType("Send the body as application/json")
    return parse(raw)


async def _bytes(request: Request) -> bytes:
    """Reads a body, counting: a declared length is not to be trusted."""
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY:
                raise TooLarge(f"The body may have at most {MAX_BODY} bytes")
            chunks.append(chunk)
    except ClientDisconnect:
        raise BadRequest("The body broke off") from None
    return b"".join(chunks)


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def parse(raw: bytes) -> dict[str, Any]:
    """Reads a JSON object. Raises BadRequest for anything else."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = _lenient(raw)
    if not isinstance(value, dict):
        raise BadRequest("The body is not a JSON object")
    return value


def _lenient(raw: bytes) -> Any:
    """Reads what orjson refuses only for half a surrogate pair, so that its field can be named."""
    if b"\\ud" not in raw.lower():
        raise BadRequest(NOT_JSON)
    try:
        return json.loads(
            raw.decode(), parse_constant=_refuse, parse_int=_integer, parse_float=_float
        )
    except (ValueError, RecursionError):
        raise BadRequest(NOT_JSON) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else _float(digits)


def _float(digits: str) -> float:
    value = float(digits)
    return _refuse(digits) if value in (float("inf"), float("-inf")) else value
