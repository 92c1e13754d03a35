"""Requests that may be sent again: the answer is kept in the commit of its change."""

from collections.abc import Awaitable, Callable
from typing import Any

from graphql import GraphQLError
from starlette.responses import Response

from mypost.context import Context
from mypost.models.idempotency import Answer, Known

KEY_HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"
REFUSED = 400
KEPT = ("cache-control", "content-type", "etag", "location")

Run = Callable[[dict[str, Any], Context], Awaitable[Response]]


class _Undone(Exception):
    """The request was refused: nothing of it stays."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


async def answer_once(
    ctx: Context, run: Run, variables: dict[str, Any], *, transaction: bool
) -> Response:
    """Answers a request with a key: as the first one was answered, or in one commit with it.

    A change that talks to a network has a transaction of its own; its answer is kept after it.
    """
    ctx.caller.repeats = True
    if not transaction:
        response = await run(variables, ctx)
        once, ctx.once = ctx.once, None
        if once is not None and once.kept and response.status_code < REFUSED:
            async with ctx.transaction() as inside:
                await once.answered(inside.db, _kept(response))
        return _told(response, ctx)
    try:
        async with ctx.transaction() as inside:
            response = _done(await run(variables, inside))
            if inside.once is not None:
                await inside.once.answered(inside.db, _kept(response))
    except _Undone as undone:
        return undone.response
    await ctx.release()
    return _told(response, ctx)


def _done(response: Response) -> Response:
    """Answers what is no refusal. Raises _Undone for one, which takes the transaction back."""
    if response.status_code >= REFUSED:
        raise _Undone(response)
    return response


def _kept(response: Response) -> Answer:
    headers = {name: response.headers[name] for name in KEPT if name in response.headers}
    return Answer(response.status_code, headers, bytes(response.body))


def _told(response: Response, ctx: Context) -> Response:
    if ctx.caller.replayed:
        response.headers[REPLAYED] = "true"
    return response


def known_of(errors: list[GraphQLError]) -> Response | None:
    """Answers what an earlier request was answered, when that is what ended this one."""
    cause: BaseException | None = errors[0]
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if not isinstance(cause, Known) or cause.answer is None:
        return None
    said = cause.answer
    return Response(said.body, said.status, said.headers)
