"""The REST door: one handler for every row of the table."""

from collections.abc import Awaitable, Callable
from typing import Any

from graphql import ExecutionResult, GraphQLSchema
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mypost.context import Context
from mypost.engine.compiled import compile_operation
from mypost.engine.documents import Documents
from mypost.errors import Code, NotFound
from mypost.rest.again import KEY_HEADER, answer_once, known_of
from mypost.rest.body import read_body
from mypost.rest.codec import ENDPOINTS, Endpoint
from mypost.rest.cookies import set_cookies
from mypost.rest.envelope import (
    from_error,
    from_graphql,
    from_user_errors,
    refuse,
    request_id_of,
    respond,
)
from mypost.rest.routes import BASE
from mypost.rest.selection import USER_ERRORS

MakeContext = Callable[[Request], Awaitable[Context]]
UNKNOWN_PATH = "There is nothing at this address"


class Serving:
    """One endpoint at work."""

    def __init__(
        self, endpoint: Endpoint, schema: GraphQLSchema, documents: Documents, context: MakeContext
    ) -> None:
        self.endpoint = endpoint
        self.make_context = context
        prepared = documents.get(endpoint.text)
        if prepared.document is None:
            raise prepared.errors[0]
        self.operation = compile_operation(
            schema, prepared.document, by_value=True, pushes=documents.compiler.pushes
        )

    async def answer(self, request: Request) -> Response:
        """Answers a request, whatever becomes of it."""
        ctx: Context | None = None
        binding, request_id = self.endpoint.binding, request_id_of(request)
        try:
            ctx = await self.make_context(request)
            request_id = ctx.caller.request_id
            response = await self._serve(request, ctx)
        except Exception as error:  # noqa: BLE001 - the outermost place: every error gets its envelope
            response = from_error(error, request_id, binding.noun, binding.path.keys())
        if ctx is not None:
            set_cookies(response, ctx)
        return response

    async def _serve(self, request: Request, ctx: Context) -> Response:
        endpoint, binding = self.endpoint, self.endpoint.binding
        if not endpoint.public:
            ctx.viewer  # noqa: B018 - raises when nobody is signed in
        binding.find(request.path_params)
        variables = binding.bind(
            request.path_params,
            request.query_params.multi_items(),
            await read_body(request) if binding.reads_body else {},
            ", ".join(request.headers.getlist("if-match")) or None,
            request.headers.get(KEY_HEADER),
        )
        if binding.keyed and KEY_HEADER in request.headers:
            return await answer_once(
                ctx, self._run, variables, transaction=endpoint.operation.transaction
            )
        return await self._run(variables, ctx)

    async def _run(self, variables: dict[str, Any], ctx: Context) -> Response:
        result = await self.operation.run(variables, ctx)
        return self._spell(result, variables, ctx.caller.request_id)

    def _spell(
        self, result: ExecutionResult, variables: dict[str, Any], request_id: str
    ) -> Response:
        endpoint, bound = self.endpoint, self.endpoint.binding.path.keys()
        noun, answer = endpoint.binding.noun, endpoint.answer
        if result.errors:
            if (known := known_of(result.errors)) is not None:
                return known
            return from_graphql(result.errors, request_id, noun, bound)
        data: dict[str, Any] = result.data or {}
        payload = data.get(endpoint.route.field)
        if payload and (wrong := payload.pop(USER_ERRORS, None)):
            return from_user_errors(wrong, request_id, noun, bound)
        if answer is None:
            return Response(status_code=endpoint.route.status)
        resource = answer.resource(data)
        if resource is None:
            raise NotFound(noun)
        body = answer.body(resource, variables.get("first"))
        return respond(endpoint.route.status, body, answer.headers(body))


class Path:
    """Everything at one path, by method; HEAD is GET, and the server drops the body."""

    def __init__(self, methods: dict[str, Serving]) -> None:
        self.methods = methods
        self.allow = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        request = Request(scope, receive, send)
        serving = self.methods.get("GET" if request.method == "HEAD" else request.method)
        if serving is None:
            response = _not_allowed(request, self.allow)
        else:
            response = await serving.answer(request)
        await response(scope, receive, send)


def routes(schema: GraphQLSchema, documents: Documents, make_context: MakeContext) -> list[Route]:
    """Answers the routes of the table, one for each path."""
    paths: dict[str, dict[str, Serving]] = {}
    for endpoint in ENDPOINTS:
        serving = Serving(endpoint, schema, documents, make_context)
        paths.setdefault(endpoint.route.path, {})[endpoint.route.method] = serving
    # Sorted, words come before parameters: /posts/bulk is not taken for a post.
    return [Route(BASE + path, Path(paths[path]), name=path) for path in sorted(paths)]


def _not_allowed(request: Request, allow: str) -> Response:
    message = f"{request.method} is not possible here"
    return refuse(
        Code.METHOD_NOT_ALLOWED, message, request_id_of(request), headers={"Allow": allow}
    )


async def not_found(request: Request, error: Exception) -> Response:
    """Answers a path nothing stands at."""
    del error
    return refuse(Code.NOT_FOUND, UNKNOWN_PATH, request_id_of(request))


async def method_not_allowed(request: Request, error: Exception) -> Response:
    """Answers a method its path does not know."""
    headers = (error.headers if isinstance(error, HTTPException) else None) or {}
    return _not_allowed(request, ", ".join(sorted(headers.get("Allow", "").split(", "))))


def refusal(request: Request, error: Exception) -> Response:
    """Answers what was raised before an operation began; what nobody foresaw is masked."""
    return from_error(error, request_id_of(request))


async def server_error(request: Request, error: Exception) -> Response:
    """Answers, logs and masks what nobody foresaw."""
    return refusal(request, error)
