"""A line to Redis that carries many commands at once, for who asks at every request.

A command of the library's client costs about ten times as much CPU.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis
from redis.asyncio.connection import ConnectionPool, SSLConnection, UnixDomainSocketConnection

Answered = Callable[[Any], None]


class Wire(asyncio.Protocol):
    """One connection; what is asked on it is answered in order, by a reply or an exception."""

    def __init__(self, lost: Callable[["Wire"], None]) -> None:
        self._lost = lost
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[float, Answered]] = deque()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hands each reply to who waits for it."""
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._waiting.popleft()[1](reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Says so to the owner and to everybody who waits."""
        del exc
        self._lost(self)
        self.close()

    def ask(self, words: tuple[Any, ...], answered: Answered) -> None:
        """Sends a command; `answered` is called with its reply."""
        self._waiting.append((self._loop.time(), answered))
        self._transport.write(hiredis.pack_command(words))

    async def call(self, *words: Any) -> Any:
        """Sends a command and waits for its reply; raises what Redis refuses it with."""
        future = self._loop.create_future()
        self.ask(words, lambda reply: None if future.done() else future.set_result(reply))
        reply = await future
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def wait(self) -> float:
        """How long the oldest command has been waiting, in seconds."""
        return self._loop.time() - self._waiting[0][0] if self._waiting else 0.0

    def close(self) -> None:
        """Ends the line at once; who still waits is answered with ConnectionError."""
        self._transport.abort()
        waiting, self._waiting = self._waiting, deque()
        for _, answered in waiting:
            answered(ConnectionError("Redis is away"))


async def dial(url: str, lost: Callable[[Wire], None]) -> Wire:
    """Opens a line to the server of a URL as the library reads it: unix, TCP or TLS."""
    to: Any = ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]
    loop = asyncio.get_running_loop()
    if isinstance(to, UnixDomainSocketConnection):
        _, wire = await loop.create_unix_connection(lambda: Wire(lost), to.path)
    else:
        tls = to.ssl_context.get() if isinstance(to, SSLConnection) else None
        _, wire = await loop.create_connection(lambda: Wire(lost), to.host, to.port, ssl=tls)
    try:
        if to.password:
            await wire.call("AUTH", *([to.username] if to.username else []), to.password)
        if to.db:
            await wire.call("SELECT", to.db)
    except BaseException:
        wire.close()
        raise
    return wire
