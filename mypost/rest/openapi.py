"""The OpenAPI 3.1 description of the REST door: derived from the table and the schema.

https://spec.openapis.org/oas/v3.1.1
"""

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from graphql import get_named_type, is_required_input_field

from mypost.errors import STATUS, Code
from mypost.models.paging import DEFAULT_PAGE, MAX_PAGE
from mypost.once import MAX_KEY
from mypost.rest.binding import PARAMETER, Parameter
from mypost.rest.codec import ENDPOINTS, Endpoint
from mypost.rest.routes import BASE
from mypost.rest.shapes import Shape, Shapes

JSON = "application/json"
TAGS = {
    "auth": "Sign-in", "workspaces": "Workspaces", "brands": "Brands",
    "roles": "Team", "invitations": "Team", "permissions": "Team",
    "social-accounts": "Social accounts", "social-connections": "Social accounts",
    "posts": "Posts", "approvals": "Approvals",
    "webhooks": "Webhooks", "deliveries": "Webhooks",
}  # fmt: skip
REASONS = {
    Code.VALIDATION_ERROR: "Something in the request is wrong: `details` names every field",
    Code.UNAUTHORIZED: "Nobody is signed in, or the token does not hold",
    Code.FORBIDDEN: "The caller may see the object, but not do this",
    Code.NOT_FOUND: "There is no such object for the caller",
    Code.CONFLICT: "The object's state forbids this",
    Code.PRECONDITION_FAILED: "The caller edited an older version",
    Code.IDEMPOTENCY_MISMATCH: "The `Idempotency-Key` was used with another request",
    Code.PAYLOAD_TOO_LARGE: "The body is too large",
    Code.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON",
    Code.RATE_LIMITED: "Too many requests: `Retry-After` says when to come back",
    Code.INTERNAL_ERROR: "Something went wrong on our side",
}
ALWAYS = (Code.VALIDATION_ERROR, Code.RATE_LIMITED, Code.INTERNAL_ERROR)
ERROR: Shape = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "requestId"],
            "properties": {
                "code": {"type": "string", "enum": sorted(code.value for code in Code)},
                "message": {"type": "string"},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["path", "message"],
                        "properties": {
                            "path": {"type": "string", "examples": ["targetAccountIds.0"]},
                            "message": {"type": "string"},
                        },
                    },
                },
                "requestId": {"type": "string", "pattern": "^req_"},
            },
        }
    },
}
PAGE: Shape = {
    "type": "object",
    "required": ["nextCursor", "hasMore", "limit"],
    "properties": {
        "nextCursor": {"type": ["string", "null"], "pattern": "^[A-Za-z0-9_-]+$"},
        "hasMore": {"type": "boolean"},
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE},
    },
}


def document() -> dict[str, Any]:
    """Builds the description of every endpoint."""
    shapes = Shapes()
    shapes.name("Error", ERROR, "What went wrong, in one form everywhere.")
    shapes.name("Page", PAGE, "How to go on from a page.")
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        operations = paths.setdefault(endpoint.route.path, {})
        operations[endpoint.route.method.lower()] = _operation(endpoint, shapes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MyPost",
            "version": version("mypost"),
            "description": "The REST compatibility layer; the same operations as GraphQL.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": BASE}],
        "security": [{"bearer": []}],
        "tags": [{"name": name} for name in dict.fromkeys(TAGS.values())],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {code.value: _refusal(REASONS[code]) for code in REASONS},
            "schemas": dict(sorted(shapes.named.items())),
        },
    }


def _operation(endpoint: Endpoint, shapes: Shapes) -> dict[str, Any]:
    route, operation = endpoint.route, endpoint.operation
    said: dict[str, Any] = {
        "operationId": _name(route.field),
        "summary": (operation.resolver.__doc__ or route.field).split("\n", maxsplit=1)[0],
        "tags": [TAGS[route.path.split("/")[1]]],
        "parameters": list(_parameters(endpoint, shapes)),
        "responses": _responses(endpoint, shapes),
    }
    if operation.requires:
        said["description"] = f"Needs the permission `{operation.requires.value}`."
    if endpoint.public:
        said["security"] = []
    if endpoint.binding.reads_body:
        body = _body(endpoint, shapes)
        if body is not None:
            said["requestBody"] = body
    return said


def _name(path: str) -> str:
    """Names an operation as the schema does: `brand.posts` is brandPosts."""
    head, *rest = path.split(".")
    return head + "".join(word[0].upper() + word[1:] for word in rest)


def _parameters(endpoint: Endpoint, shapes: Shapes) -> Iterator[dict[str, Any]]:
    binding = endpoint.binding
    for name in PARAMETER.findall(endpoint.route.path):
        shape = shapes.parameter(binding.path[name].type)
        if get_named_type(binding.path[name].type).name == "ID":
            shape = {**shape, "format": "uuid"}
        yield {"name": name, "in": "path", "required": True, "schema": shape}
    for name, parameter in binding.query.items():
        yield {"name": name, "in": "query", "schema": _query(name, parameter, shapes)}
    if binding.versioned:
        said = "The version to change, as its `ETag` says: another one is 412."
        yield {"name": "If-Match", "in": "header", "description": said, "schema": _text()}
    if binding.keyed:
        said = "Sent again within 24 h, the request changes nothing and is answered as before."
        shape = {**_text(), "maxLength": MAX_KEY}
        yield {"name": "Idempotency-Key", "in": "header", "description": said, "schema": shape}


def _query(name: str, parameter: Parameter, shapes: Shapes) -> Shape:
    if name == "limit":
        bounds = {"minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE}
        return {"type": "integer", **bounds}
    return shapes.parameter(parameter.type)


def _body(endpoint: Endpoint, shapes: Shapes) -> dict[str, Any] | None:
    reader = endpoint.binding.input
    assert reader is not None  # noqa: S101 - a body is read by one
    fields = {n: f for n, f in reader.type.fields.items() if n not in endpoint.binding.elsewhere}
    if not fields:
        return None
    shape = shapes.input(reader.type, frozenset(endpoint.binding.elsewhere))
    return {
        "required": any(is_required_input_field(f) for f in fields.values()),
        "content": {JSON: {"schema": shape}},
    }


def _responses(endpoint: Endpoint, shapes: Shapes) -> dict[str, Any]:
    route = endpoint.route
    found: dict[str, Any] = {str(route.status): _success(endpoint, shapes)}
    for code in _refusals(endpoint):
        found[str(STATUS[code])] = {"$ref": f"#/components/responses/{code.value}"}
    return found


def _refusals(endpoint: Endpoint) -> Iterator[Code]:
    """The codes an endpoint may answer, in the order of their status."""
    binding = endpoint.binding
    codes = {*ALWAYS}
    if not endpoint.public or endpoint.route.path.startswith("/auth/"):
        codes.add(Code.UNAUTHORIZED)
    if binding.path:
        codes |= {Code.NOT_FOUND}
    if endpoint.operation.kind == "mutation":
        codes |= {Code.CONFLICT, Code.FORBIDDEN}
    if endpoint.operation.requires:
        codes.add(Code.FORBIDDEN)
    if binding.versioned:
        codes.add(Code.PRECONDITION_FAILED)
    if binding.keyed:
        codes.add(Code.IDEMPOTENCY_MISMATCH)
    if binding.reads_body:
        codes |= {Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE}
    return iter(sorted(codes, key=STATUS.__getitem__))


def _success(endpoint: Endpoint, shapes: Shapes) -> dict[str, Any]:
    answer, selection = endpoint.answer, endpoint.selection
    if answer is None or selection is None:
        return {"description": "Done; there is nothing to answer"}
    shape = shapes.object(selection, answer.optional)
    if answer.listed:
        properties = {
            "data": {"type": "array", "items": shape},
            "page": {"$ref": "#/components/schemas/Page"},
        }
        shape = {"type": "object", "required": ["data", "page"], "properties": properties}
    headers = {}
    if endpoint.binding.keyed:
        said = "`true` when the answer is that of an earlier request with this key."
        headers["Idempotency-Replayed"] = {"description": said, "schema": _text()}
    if answer.versioned:
        headers["ETag"] = {"description": "The version, for `If-Match`.", "schema": _text()}
    if answer.location:
        headers["Location"] = {"description": "Where it stands.", "schema": _text()}
    done: dict[str, Any] = {"description": "Done", "content": {JSON: {"schema": shape}}}
    return {**done, "headers": headers} if headers else done


def _refusal(reason: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": re.sub(r"\s+", " ", reason), "content": {JSON: {"schema": schema}}}


def _text() -> Shape:
    return {"type": "string"}
