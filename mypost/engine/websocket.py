"""graphql-transport-ws: the protocol of the graphql-ws library, and no other.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLSchema
from starlette.websockets import WebSocket, WebSocketDisconnect

from mypost.engine.http import (
    Asked,
    Charge,
    Spell,
    Unreadable,
    is_request_error,
    parameters,
    spelled,
    text_of,
)
from mypost.engine.streams import CLOSE_S, Caller, End, Refused, Streams
from mypost.engine.subscribe import subscribe
from mypost.engine.trusted import Trusted

PROTOCOL = "graphql-transport-ws"
INIT_WAIT_S = 5.0
MAX_OPERATIONS = 20
MAX_MESSAGE = 64 * 1024


Connect = Callable[[WebSocket, dict[str, Any]], Awaitable[Caller]]
CODES = {End.EXPIRED: 4403, End.SESSION: 4403, End.RESTART: 1012}


class Close(Exception):
    """Ends the socket with a code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Sockets:
    """Serves WebSockets on one path."""

    def __init__(
        self,
        schema: GraphQLSchema,
        trusted: Trusted,
        connect: Connect,
        spell: Spell,
        origins: frozenset[str],
        charge: Charge,
        streams: Streams,
    ) -> None:
        self.schema = schema
        self.trusted = trusted
        self.connect = connect
        self.spell = spell
        self.origins = origins
        self.charge = charge
        self.streams = streams

    async def serve(self, websocket: WebSocket) -> None:
        """Serves one socket until either side ends it."""
        origin = websocket.headers.get("origin")
        if origin is not None and origin not in self.origins:
            await websocket.close(1008)
            return
        if PROTOCOL not in websocket.scope.get("subprotocols", []):
            await websocket.accept()
            await websocket.close(4406, "Subprotocol not acceptable")
            return
        await websocket.accept(PROTOCOL)
        socket = Socket(self, websocket)
        if self.streams.leaving:
            await socket.end(End.RESTART)
            return
        self.streams.add(socket)
        try:
            await socket.serve()
        finally:
            self.streams.remove(socket)


class Running:
    """One operation of a socket: its context, and the task that answers it."""

    __slots__ = ("context", "task")

    def __init__(self, context: Any) -> None:
        self.context = context
        self.task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Stops answering it."""
        if self.task is not None:
            self.task.cancel()


class Socket:
    """One connection: its caller and its running operations."""

    def __init__(self, served: Sockets, websocket: WebSocket) -> None:
        self.served = served
        self.websocket = websocket
        self.caller: Caller | None = None
        self.operations: dict[str, Running] = {}
        self.closed = False

    async def serve(self) -> None:
        """Reads messages until the socket ends; whatever ends it, every operation ends."""
        try:
            await self._init()
            while True:
                await self._handle(await self._receive())
        except Close as end:
            await self.close(end.code, end.reason)
        except WebSocketDisconnect:
            self.closed = True
        finally:
            await self._stop()

    async def _stop(self) -> None:
        """Ends every operation."""
        tasks = [each.task for each in self.operations.values() if each.task is not None]
        self.operations.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def contexts(self) -> Mapping[str, Any]:
        """The contexts of the operations under way."""
        return {id: each.context for id, each in self.operations.items()}

    async def ping(self) -> None:
        """Tells the client that we are here."""
        await self._send({"type": "ping"})

    async def refuse(self, id: str, error: Exception) -> None:
        """Ends one operation, and says why."""
        running = self.operations.get(id)
        if running is not None:
            running.cancel()
            await self._error(id, GraphQLError(str(error), original_error=error), running.context)

    async def end(self, why: End) -> None:
        """Ends every operation and closes the socket; who does not read cannot hold that up."""
        await self._stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.close(CODES[why], why.value)

    async def close(self, code: int, reason: str) -> None:
        """Closes the socket once."""
        if not self.closed:
            self.closed = True
            with suppress(RuntimeError, WebSocketDisconnect):
                await self.websocket.close(code, reason)

    async def _receive(self) -> dict[str, Any]:
        message = await self.websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        text = message.get("text")
        if text is None:
            raise Close(4400, "Messages are text")
        if len(text) > MAX_MESSAGE:
            raise Close(1009, "The message is too long")
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Close(4400, "Messages are JSON") from None
        if not isinstance(said, dict) or not isinstance(said.get("type"), str):
            raise Close(4400, "Messages are objects with a type")
        return said

    async def _init(self) -> None:
        try:
            async with asyncio.timeout(INIT_WAIT_S):
                said = await self._receive()
                while said["type"] == "ping":
                    await self._send({"type": "pong"})
                    said = await self._receive()
        except TimeoutError:
            raise Close(4408, "Connection initialisation timeout") from None
        if said["type"] == "subscribe":
            raise Close(4401, "Unauthorized")
        if said["type"] != "connection_init":
            raise Close(4400, "The first message is connection_init")
        payload = said.get("payload") or {}
        if not isinstance(payload, dict):
            raise Close(4400, "The payload is an object")
        try:
            self.caller = await self.served.connect(self.websocket, payload)
        except Refused as refused:
            raise Close(4403, str(refused) or "Forbidden") from None
        await self._send({"type": "connection_ack"})

    async def _handle(self, said: dict[str, Any]) -> None:
        kind = said["type"]
        if kind == "ping":
            await self._send({"type": "pong"})
        elif kind == "subscribe":
            self._start(said)
        elif kind == "complete":
            running = self.operations.pop(_id(said), None)
            if running is not None:
                running.cancel()
        elif kind == "connection_init":
            raise Close(4429, "Too many initialisation requests")
        elif kind != "pong":
            raise Close(4400, "Unknown message type")

    def _start(self, said: dict[str, Any]) -> None:
        id, payload = _id(said), said.get("payload")
        if not isinstance(payload, dict):
            raise Close(4400, "The payload is an object")
        try:
            asked = parameters(payload)
        except Unreadable as error:
            raise Close(4400, str(error)) from None
        if id in self.operations:
            raise Close(4409, f"Subscriber for {id} already exists")
        assert self.caller is not None  # noqa: S101 - only after the ack
        running = self.operations[id] = Running(self.caller.context())
        running.task = asyncio.create_task(self._run(id, asked, running.context))

    async def _run(self, id: str, asked: Asked, context: Any) -> None:
        assert self.caller is not None  # noqa: S101 - only after the ack
        if len(self.operations) > MAX_OPERATIONS:
            await self._error(id, GraphQLError("Too many operations on one socket"), context)
            return
        served, caller = self.served, self.caller
        try:
            prepared = served.trusted.find(asked.query, asked.document_id)
            results = subscribe(
                *(served.schema, prepared, asked.variables, context, caller.context),
                *(asked.operation_name, partial(served.charge, context), caller.who),
            )
            async for result in results:
                if not await self._next(id, result, context):
                    return
        except Exception as error:  # noqa: BLE001 - the client is told, the server goes on
            await self._error(id, GraphQLError(str(error), path=[], original_error=error), context)
            return
        self.operations.pop(id, None)
        await self._send({"id": id, "type": "complete"})

    async def _next(self, id: str, result: ExecutionResult, context: Any) -> bool:
        if is_request_error(result):
            answer = spelled(result, self.served.spell, context)
            self.operations.pop(id, None)
            await self._send({"id": id, "type": "error", "payload": answer["errors"]})
            return False
        text = text_of(result, self.served.spell, context)
        name = orjson.dumps(id).decode()
        await self._write(f'{{"id":{name},"type":"next","payload":{text}}}')
        return True

    async def _error(self, id: str, error: GraphQLError, context: Any) -> None:
        self.operations.pop(id, None)
        await self._send(
            {"id": id, "type": "error", "payload": [self.served.spell(error, context)]}
        )

    async def _send(self, message: dict[str, Any]) -> None:
        await self._write(orjson.dumps(message).decode())

    async def _write(self, text: str) -> None:
        if not self.closed:
            with suppress(RuntimeError, WebSocketDisconnect):
                await self.websocket.send_text(text)


def _id(said: dict[str, Any]) -> str:
    id = said.get("id")
    if not isinstance(id, str) or not id:
        raise Close(4400, "The message needs an id")
    return id
