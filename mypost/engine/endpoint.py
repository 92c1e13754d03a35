"""GraphQL over HTTP: a request and its answer, or a subscription's stream of events."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLSchema, OperationType
from starlette.requests import Request
from starlette.responses import Response

from mypost.engine.documents import Prepared
from mypost.engine.execute import execute
from mypost.engine.http import (
    MODERN,
    PLAIN,
    Asked,
    Charge,
    Spell,
    Unreadable,
    body,
    read,
    read_address,
    spelled,
)
from mypost.engine.sse import COMPLETE, EVENTS, EventStream, told
from mypost.engine.streams import Caller, Streams
from mypost.engine.subscribe import begin
from mypost.engine.trusted import Trusted

MakeContext = Callable[[Request], Awaitable[Any]]
Finish = Callable[[Response, Any, dict[str, Any]], None]
Listen = Callable[[Request, Any], Caller]
ANY_JSON = ("application/", "*/*")


class Endpoint:
    """Answers requests on one path: POST, and GET for what changes nothing."""

    def __init__(
        self,
        schema: GraphQLSchema,
        trusted: Trusted,
        make_context: MakeContext,
        spell: Spell,
        finish: Finish,
        charge: Charge,
        listen: Listen,
        streams: Streams,
    ) -> None:
        self.schema = schema
        self.trusted = trusted
        self.make_context = make_context
        self.spell = spell
        self.finish = finish
        self.charge = charge
        self.listen = listen
        self.streams = streams

    async def answer(self, request: Request) -> Response:
        """Reads, runs and spells one operation."""
        accept = request.headers.get("accept", "")
        try:
            asked = await self._asked(request)
            # Whoever asks too much is refused before anything is parsed for him.
            context = await self.make_context(request)
            prepared = self.trusted.find(asked.query, asked.document_id)
            kind = _kind(prepared, asked)
            if request.method == "GET" and kind is OperationType.MUTATION:
                raise Unreadable(405, "A change is asked for by POST")  # noqa: TRY301 - as below
        except Unreadable as error:
            return self._refuse(request, error, modern=MODERN in accept)
        if kind is OperationType.SUBSCRIPTION and EVENTS in accept:
            result = await self._begin(request, prepared, asked, context)
            if isinstance(result, Response):
                return result
        else:
            charge = partial(self.charge, context)
            result = await execute(
                *(self.schema, prepared, asked.variables, context),
                *(asked.operation_name, charge),
            )
        return self._told(result, context, accept)

    async def _begin(
        self, request: Request, prepared: Prepared, asked: Asked, context: Any
    ) -> Response | ExecutionResult:
        caller = self.listen(request, context)
        begun = await begin(
            *(self.schema, prepared, asked.variables, context),
            *(asked.operation_name, partial(self.charge, context)),
        )
        if isinstance(begun, ExecutionResult):
            return begun
        return EventStream(self.streams, begun, caller, context, self.spell)

    def _told(self, result: ExecutionResult, context: Any, accept: str) -> Response:
        answer = spelled(result, self.spell, context)
        if EVENTS in accept and not any(kind in accept for kind in ANY_JSON):
            text = told(orjson.dumps(answer).decode()) + COMPLETE
            response = Response(text, media_type=EVENTS)
        else:
            modern = MODERN in accept
            response = _json(answer, 400 if modern and "data" not in answer else 200, modern=modern)
        self.finish(response, context, answer)
        return response

    async def _asked(self, request: Request) -> Asked:
        if request.method == "GET":
            return read_address(request.query_params)
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != PLAIN:
            raise Unreadable(415, "Send application/json")
        return read(await body(request))

    def _refuse(self, request: Request, error: Unreadable, *, modern: bool) -> Response:
        said = GraphQLError(str(error), extensions={"status": error.status})
        response = _json({"errors": [self.spell(said, request)]}, error.status, modern=modern)
        if error.status == 405:  # noqa: PLR2004 - method not allowed
            response.headers["allow"] = "POST"
        return response


def _kind(prepared: Prepared, asked: Asked) -> OperationType | None:
    """What is asked for, or None when that cannot be told."""
    if prepared.document is None:
        return None
    try:
        return prepared.operation(asked.operation_name).operation.operation
    except GraphQLError:
        return None


def _json(answer: dict[str, Any], status: int, *, modern: bool) -> Response:
    media = f"{MODERN if modern else PLAIN}; charset=utf-8"
    return Response(orjson.dumps(answer), status, headers={"content-type": media})
