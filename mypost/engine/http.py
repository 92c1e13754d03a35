"""How requests are read and answers spelled, whatever carries them (graphql-over-http draft)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError
from starlette.requests import Request

from mypost.engine.groups import Answer
from mypost.engine.trusted import SHA256

MAX_BODY = 256 * 1024
URL_OBJECTS = ("variables", "extensions")
PARAMETERS = (
    ("query", str, "a string"),
    ("documentId", str, "a string"),
    ("operationName", str, "a string"),
    ("variables", dict, "an object"),
    ("extensions", dict, "an object"),
)
MODERN = "application/graphql-response+json"
PLAIN = "application/json"

Spell = Callable[[GraphQLError, Any], dict[str, Any]]
Charge = Callable[[Any, int], Awaitable[None]]


class Unreadable(Exception):
    """The request cannot be read as GraphQL; carries the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for: a text, the id of a trusted document, or both."""

    query: str | None
    document_id: str | None
    variables: dict[str, Any] | None
    operation_name: str | None


async def body(request: Request, most: int = MAX_BODY) -> bytes:
    """Reads a body, counting: a declared length is not to be trusted."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise Unreadable(413, f"A body may have at most {most} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def read(raw: bytes) -> Asked:
    """Reads the JSON parameters; raises Unreadable."""
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Unreadable(400, "The body is not JSON") from error
    if not isinstance(given, dict):
        raise Unreadable(400, "The body is not a JSON object")
    return parameters(given)


def read_address(given: Mapping[str, str]) -> Asked:
    """Reads the parameters of an address; raises Unreadable."""
    said: dict[str, Any] = dict(given)
    for name in URL_OBJECTS:
        if name in said:
            try:
                said[name] = orjson.loads(said[name])
            except orjson.JSONDecodeError as error:
                raise Unreadable(400, f"`{name}` is not JSON") from error
    return parameters(said)


def parameters(given: dict[str, Any]) -> Asked:
    """Reads the parameters of a request or of a socket's `subscribe`; raises Unreadable."""
    for name, kind, what in PARAMETERS:
        if not isinstance(given.get(name), kind | None):
            raise Unreadable(400, f"`{name}` must be {what}")
    query, id = given.get("query"), document_id(given)
    if query is None and id is None:
        raise Unreadable(400, "`query` or `documentId` must be a string")
    return Asked(query, id, given.get("variables"), given.get("operationName") or None)


def document_id(given: dict[str, Any]) -> str | None:
    """The id of a trusted document, by either convention; raises Unreadable."""
    id, apollo = given.get("documentId"), (given.get("extensions") or {}).get("persistedQuery")
    if apollo is None:
        return id
    if not isinstance(apollo, dict) or apollo.get("version") != 1:
        raise Unreadable(400, "`persistedQuery` must be an object of version 1")
    digest = apollo.get("sha256Hash")
    if not isinstance(digest, str):
        raise Unreadable(400, "`sha256Hash` must be a string")
    if id not in (None, SHA256 + digest):
        raise Unreadable(400, "`documentId` and `sha256Hash` name two documents")
    return SHA256 + digest


def spelled(result: ExecutionResult, spell: Spell, context: Any) -> dict[str, Any]:
    """Spells a result; `data` is left out when execution never began."""
    told: dict[str, Any] = {"extensions": result.extensions} if result.extensions else {}
    if not result.errors:
        return {"data": result.data, **told}
    errors = [spell(error, context) for error in result.errors]
    if is_request_error(result):
        return {"errors": errors, **told}
    return {"errors": errors, "data": result.data, **told}


def is_request_error(result: ExecutionResult) -> bool:
    """Whether execution never began."""
    return result.data is None and not any(error.path for error in result.errors or ())


def text_of(result: ExecutionResult, spell: Spell, context: Any) -> str:
    """The JSON of a result; what went well is spelled once for all who are given it."""
    if result.errors or not isinstance(result, Answer):
        return orjson.dumps(spelled(result, spell, context)).decode()
    if result.text is None:
        result.text = orjson.dumps(spelled(result, spell, context)).decode()
    return result.text
