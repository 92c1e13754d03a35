"""graphql-transport-ws: the protocol of the graphql-ws library, and no other.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLSchema
from starlette.websockets import WebSocket, WebSocketDisconnect

from mypost.engine.execute import subscribe
from mypost.engine.http import Asked, Charge, Spell, Unreadable, parameters, spelled
from mypost.engine.trusted import Trusted

PROTOCOL = "graphql-transport-ws"
INIT_WAIT_S = 5.0
PING_S = 20.0
CHECK_S = 2.0
MAX_OPERATIONS = 20
MAX_MESSAGE = 64 * 1024


class Refused(Exception):
    """The caller may not connect."""


class Caller(Protocol):
    """Who is behind a socket: contexts for his operations, and how long he may stay."""

    @property
    def seconds_left(self) -> float:
        """How long the credentials still hold."""

    def context(self) -> Any:
        """A context for one operation or one event."""

    async def still_welcome(self) -> bool:
        """Whether he may go on listening."""


Connect = Callable[[WebSocket, dict[str, Any]], Awaitable[Caller]]


class Close(Exception):
    """Ends the socket with a code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Sockets:
    """Serves WebSockets on one path and ends them all at shutdown."""

    def __init__(
        self,
        schema: GraphQLSchema,
        trusted: Trusted,
        connect: Connect,
        spell: Spell,
        origins: frozenset[str],
        charge: Charge,
    ) -> None:
        self.schema = schema
        self.trusted = trusted
        self.connect = connect
        self.spell = spell
        self.origins = origins
        self.charge = charge
        self.open: set[Socket] = set()

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
        self.open.add(socket)
        try:
            await socket.serve()
        finally:
            self.open.discard(socket)

    async def shutdown(self) -> None:
        """Asks every client to come back later (1012)."""
        for socket in list(self.open):
            await socket.close(1012, "Service restart")


class Socket:
    """One connection: its caller and its running operations."""

    def __init__(self, served: Sockets, websocket: WebSocket) -> None:
        self.served = served
        self.websocket = websocket
        self.caller: Caller | None = None
        self.operations: dict[str, asyncio.Task[None]] = {}
        self.keeper: asyncio.Task[None] | None = None
        self.closed = False

    async def serve(self) -> None:
        """Reads messages until the socket ends; whatever ends it, every operation ends."""
        try:
            await self._init()
            self.keeper = asyncio.create_task(self._keep())
            while True:
                await self._handle(await self._receive())
        except Close as end:
            await self.close(end.code, end.reason)
        except WebSocketDisconnect:
            self.closed = True
        finally:
            tasks = [*self.operations.values(), *([self.keeper] if self.keeper else [])]
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError, Exception):
                    await task

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

    async def _keep(self) -> None:
        """Pings, and ends the socket when its token ends or its caller is no longer welcome."""
        assert self.caller is not None  # noqa: S101 - started after the ack
        passed = 0.0
        while True:
            pause = max(min(CHECK_S, self.caller.seconds_left), 0.01)
            await asyncio.sleep(pause)
            if self.caller.seconds_left <= 0:
                await self.close(4403, "Token expired")
                return
            if not await self.caller.still_welcome():
                await self.close(4403, "Session ended")
                return
            passed += pause
            if passed >= PING_S:
                passed = 0.0
                await self._send({"type": "ping"})

    async def _handle(self, said: dict[str, Any]) -> None:
        kind = said["type"]
        if kind == "ping":
            await self._send({"type": "pong"})
        elif kind == "subscribe":
            self._start(said)
        elif kind == "complete":
            task = self.operations.pop(_id(said), None)
            if task is not None:
                task.cancel()
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
        self.operations[id] = asyncio.create_task(self._run(id, asked))

    async def _run(self, id: str, asked: Asked) -> None:
        assert self.caller is not None  # noqa: S101 - only after the ack
        context = self.caller.context()
        if len(self.operations) > MAX_OPERATIONS:
            await self._error(id, GraphQLError("Too many operations on one socket"), context)
            return
        served = self.served
        prepared = served.trusted.find(asked.query, asked.document_id)
        charge, fresh = partial(served.charge, context), self.caller.context
        results = subscribe(
            served.schema, prepared, asked.variables, context, fresh, asked.operation_name, charge
        )
        try:
            async for result in results:
                if not await self._next(id, result, context):
                    return
        except Exception as error:  # noqa: BLE001 - the client is told, the server goes on
            await self._error(id, GraphQLError(str(error), path=[], original_error=error), context)
            return
        self.operations.pop(id, None)
        await self._send({"id": id, "type": "complete"})

    async def _next(self, id: str, result: ExecutionResult, context: Any) -> bool:
        answer = spelled(result, self.served.spell, context)
        if "data" not in answer:
            self.operations.pop(id, None)
            await self._send({"id": id, "type": "error", "payload": answer["errors"]})
            return False
        await self._send({"id": id, "type": "next", "payload": answer})
        return True

    async def _error(self, id: str, error: GraphQLError, context: Any) -> None:
        self.operations.pop(id, None)
        await self._send(
            {"id": id, "type": "error", "payload": [self.served.spell(error, context)]}
        )

    async def _send(self, message: dict[str, Any]) -> None:
        if not self.closed:
            with suppress(RuntimeError, WebSocketDisconnect):
                await self.websocket.send_text(orjson.dumps(message).decode())


def _id(said: dict[str, Any]) -> str:
    id = said.get("id")
    if not isinstance(id, str) or not id:
        raise Close(4400, "The message needs an id")
    return id
