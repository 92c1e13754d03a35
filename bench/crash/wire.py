"""The least of HTTP/1.1 that a fake network needs, and the ways in which an answer gets lost."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

LARGEST = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """Answers the body's object, empty when it is none."""
        try:
            given = json.loads(self.body)
        except ValueError:
            return {}
        return given if isinstance(given, dict) else {}


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: all of it, or `torn` after the first half."""

    status: int
    content: object = None
    headers: dict[str, str] = field(default_factory=dict)
    torn: bool = False

    def spelled(self) -> bytes:
        """Answers the bytes; content that is text goes out as it stands."""
        content = self.content
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        said = {"content-type": "application/json", "content-length": str(len(body))}
        lines = [f"HTTP/1.1 {self.status} -"]
        lines += [f"{name}: {value}" for name, value in (said | self.headers).items()]
        whole = "\r\n".join([*lines, "", ""]).encode() + body
        return whole[: len(whole) // 2] if self.torn else whole


# None cuts the connection without a byte.
Handler = Callable[[Request], Awaitable[Reply | None]]


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """Reads one request, or None at the end of the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length", "0"))
    if length > LARGEST:
        return None
    parts = urlsplit(target)
    body = await reader.readexactly(length)
    return Request(method, parts.path, dict(parse_qsl(parts.query)), headers, body)


async def _converse(
    handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    gone = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)
    with contextlib.suppress(*gone):
        while (request := await _read(reader)) is not None:
            reply = await handler(request)
            if reply is None:
                writer.transport.abort()
                break
            writer.write(reply.spelled())
            await writer.drain()
            if reply.torn:
                break
    writer.close()


async def listen(handler: Handler, port: int) -> asyncio.Server:
    """Serves on loopback; port 0 takes a free one."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _converse(handler, reader, writer)

    return await asyncio.start_server(converse, "127.0.0.1", port)
