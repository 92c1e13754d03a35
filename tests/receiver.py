"""A webhook's other end: a plain HTTP server on this machine that keeps what it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from standardwebhooks.webhooks import Webhook as Verifier

Answering = Callable[["Message"], int | tuple[int, dict[str, str]]]


@dataclass(frozen=True)
class Message:
    """One request, as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    def verified(self, secret: str) -> Any:
        """Its body, when the library that receivers use takes it; raises otherwise."""
        return Verifier(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Answers what `answers` says: a status, perhaps with headers; it waits while it is shut."""

    url: str = ""
    answers: Answering = lambda _: 200
    got: list[Message] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.got]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: bytes, reader: Any, writer: Any) -> None:
        _, *lines = head.decode().strip().split("\r\n")
        named = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in named}
        message = Message(headers, await reader.readexactly(int(headers["content-length"])))
        self.got.append(message)
        self.told.set()
        await self.open.wait()
        said = self.answers(message)
        status, extra = said if isinstance(said, tuple) else (said, {})
        more = "".join(f"{name}: {value}\r\n" for name, value in extra.items())
        writer.write(f"HTTP/1.1 {status} X\r\n{more}Content-Length: 4\r\n\r\nsaid".encode())
        await writer.drain()


@asynccontextmanager
async def receiving(answers: Answering = lambda _: 200) -> AsyncIterator[Receiver]:
    """Opens a receiver."""
    receiver = Receiver(answers=answers)
    receiver.open.set()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        receiver.open.set()
        server.close()
        await server.wait_closed()
