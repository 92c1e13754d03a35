"""graphql-sse: a subscription as server-sent events, one request each (distinct connections).

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from graphql import ExecutionResult, GraphQLError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mypost.engine.http import Spell, text_of
from mypost.engine.streams import CLOSE_S, Caller, End, Streams
from mypost.engine.subscribe import Stream

EVENTS = "text/event-stream"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
COMPLETE = "event: complete\ndata:\n\n"


def told(text: str) -> str:
    """Frames one answer."""
    return f"event: next\ndata: {text}\n\n"


class EventStream(Response):
    """A subscription answered event by event, until either side ends it."""

    def __init__(
        self, streams: Streams, stream: Stream, caller: Caller, context: Any, spell: Spell
    ) -> None:
        self.status_code, self.background, self.raw_headers = 200, None, list(HEADERS)
        self.streams = streams
        self.stream = stream
        self.caller = caller
        self.context = context
        self.spell = spell
        self._answering: asyncio.Task[None] | None = None
        self._last = COMPLETE
        self._over = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the stream."""
        del scope
        self._send = send
        self.streams.add(self)
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await send(start)
            # Headers leave with the first bytes, and clients wait for them.
            await self._write(":\n\n")
            self._answering = asyncio.ensure_future(self._answer())
            if self.streams.leaving:
                self._answering.cancel()
            await asyncio.wait({self._answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.streams.remove(self)
            left = gone.done()
            await _ended(*filter(None, (gone, self._answering)))
            if not left:
                await self._finish()
            self._over.set()

    async def _answer(self) -> None:
        async for result in self.stream.answers(self.caller.context, self.caller.who):
            await self._write(told(text_of(result, self.spell, self.context)))

    async def _write(self, text: str, *, more: bool = True) -> None:
        body = {"type": "http.response.body", "body": text.encode(), "more_body": more}
        await self._send(body)

    async def _finish(self) -> None:
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_S):
                await self._write(self._last, more=False)

    def contexts(self) -> Mapping[str, Any]:
        """The context of the one operation."""
        return {"": self.context}

    async def ping(self) -> None:
        """Sends a comment, so that nobody on the way takes the connection for dead."""
        await self._write(":\n\n")

    async def refuse(self, id: str, error: Exception) -> None:
        """Ends the stream, and says why."""
        del id
        why = GraphQLError(str(error), path=[], original_error=error)
        self._last = (
            told(text_of(ExecutionResult(None, [why]), self.spell, self.context)) + COMPLETE
        )
        await self._end()

    async def end(self, why: End) -> None:
        """Ends the stream; its client asks again, and is told then what is wrong."""
        del why
        await self._end()

    async def _end(self) -> None:
        if self._answering is not None:
            self._answering.cancel()
            await self._over.wait()


async def _gone(receive: Receive) -> None:
    """Waits until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _ended(*tasks: asyncio.Future[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
