"""The one way out to addresses that customers set.

A name is resolved once; if any of its addresses is not a public one nobody is connected to, else
the connection goes to the very address that was judged, under the name's own certificate.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import httpcore2
import httpx2
from httpcore2 import SOCKET_OPTION, AsyncNetworkBackend, AsyncNetworkStream

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]
PORTS = (443, 8443)
CONNECT_S, RESOLVE_S, WHOLE_S = 5.0, 5.0, 15.0
LONGEST_ANSWER = 64 * 1024  # bytes
MAX_URL = 2000
MOST_ADDRESSES = 2  # tried one after the other
# A host name as DNS has them; underscores occur. A last label of digits would be an address.
NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,62}")
GLOBAL_UNICAST = IPv6Network("2000::/3")
# IPv4 in another spelling: what is judged is the address inside (RFC 6052).
NAT64 = IPv6Network("64:ff9b::/96")
# What older Pythons take for global: protocols (RFC 6890), tunnels that end who knows where
# (RFC 3056, 4380, 7526), documents (RFC 9637).
NOWHERE = (
    IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv6Network("2001::/23"),
    IPv6Network("2002::/16"), IPv6Network("3fff::/20"),
)  # fmt: skip
ELSEWHERE = "Must lead to the internet"
# Waiting for a name server must not hold up those of others: asyncio's own threads are few.
_THREADS = ThreadPoolExecutor(64, thread_name_prefix="resolver")


class Refused(Exception):
    """An address that nobody is connected to; the message says why, and not what it leads to."""


class NoAnswer(Exception):
    """Nobody answered; `kind` is one word for what went wrong."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes, as read from an address by the one parser."""

    scheme: str
    host: str
    port: int
    target: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, cut to `LONGEST_ANSWER`; where it would redirect nobody goes."""

    status: int
    body: bytes
    retry_after: str | None


def is_public(address: Address) -> bool:
    """Whether an address belongs to somebody on the internet, however it is spelled."""
    if isinstance(address, IPv6Address):
        if inner := _inner(address):
            return is_public(inner)
        if address.scope_id or address not in GLOBAL_UNICAST:
            return False
    if any(address in network for network in NOWHERE):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None


def is_loopback(address: Address) -> bool:
    """Whether an address is this machine."""
    if isinstance(address, IPv6Address):
        return address == IPv6Address("::1") and not address.scope_id
    return address.is_loopback


def check(url: str, *, dev: bool = False) -> Place:
    """Reads an address and judges what needs no name server. Raises Refused."""
    if len(url) > MAX_URL or not re.fullmatch(r"https?://[^\s\\\x00-\x20\x7f]+", url):
        raise Refused("Must be an address such as https://example.com/webhook")
    try:
        read = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise Refused("Must be an address such as https://example.com/webhook") from None
    if read.userinfo:
        raise Refused("Must not hold a user name or a password")
    usual = 443 if read.scheme == "https" else 80
    port = usual if read.port is None else read.port
    place = Place(read.scheme, read.raw_host.decode().lower(), port, read.raw_path)
    if not (dev and _is_here(place.host)):
        _judge(place)
    return place


def _is_here(host: str) -> bool:
    try:
        return is_loopback(ipaddress.ip_address(host))
    except ValueError:
        return host == "localhost"


def _judge(place: Place) -> None:
    if place.scheme != "https":
        raise Refused("Must start with https://")
    if place.port not in PORTS:
        raise Refused(f"Must have no port, or one of {', '.join(map(str, PORTS))}")
    try:
        public = is_public(ipaddress.ip_address(place.host))
    except ValueError:
        if not NAME.fullmatch(place.host):
            raise Refused("Must name a host on the internet") from None
    else:
        if not public:
            raise Refused(ELSEWHERE)


def judge(found: Iterable[str], port: int, *, dev: bool) -> list[Address]:
    """Answers addresses when each of them may be connected to on this port. Raises Refused."""
    addresses = [ipaddress.ip_address(text) for text in found]
    for address in addresses:
        abroad = port in PORTS and is_public(address)
        if not abroad and not (dev and is_loopback(address)):
            raise Refused(ELSEWHERE)
    return addresses


async def resolve(host: str, port: int) -> list[str]:
    """Asks the system for the addresses of a name, in the order it prefers."""
    loop = asyncio.get_running_loop()
    kind = socket.SOCK_STREAM
    found = await loop.run_in_executor(
        _THREADS, lambda: socket.getaddrinfo(host, port, type=kind, proto=socket.IPPROTO_TCP)
    )
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _is_about_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__context__
    return error is not None


class Guard(AsyncNetworkBackend):
    """Connects to what has been judged: the one place where a socket to a customer opens."""

    def __init__(self, resolver: Resolver, sockets: AsyncNetworkBackend, *, dev: bool) -> None:
        self._resolver, self._sockets, self._dev = resolver, sockets, dev

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Resolves, judges every address, connects to the first that answers. Raises Refused."""
        addresses = judge(await self._find(host, port), port, dev=self._dev)
        fault: Exception = NoAnswer("dns")
        for address in addresses[:MOST_ADDRESSES]:
            try:
                stream = await self._sockets.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                fault = error
                continue
            await self._certain(stream, address)
            return stream
        raise fault

    async def _find(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        try:
            async with asyncio.timeout(RESOLVE_S):
                return await self._resolver(host, port)
        except (OSError, UnicodeError):
            raise NoAnswer("dns") from None

    @staticmethod
    async def _certain(stream: AsyncNetworkStream, address: Address) -> None:
        """Raises Refused unless the other end is who was judged."""
        peer = stream.get_extra_info("server_addr")
        if peer is None or ipaddress.ip_address(peer[0]) != address:
            await stream.aclose()
            raise Refused(ELSEWHERE)


class Egress:
    """Sends requests to customers' addresses, none of them longer than 15 s."""

    def __init__(
        self,
        *,
        dev: bool = False,
        resolver: Resolver = resolve,
        sockets: AsyncNetworkBackend | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """Takes what a test puts in the place of name servers, sockets and certificates."""
        self._dev = dev
        guard = Guard(resolver, sockets or httpcore2.AnyIOBackend(), dev=dev)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=trust or httpx2.create_ssl_context(trust_env=False),
            max_connections=None,
            keepalive_expiry=2.0,
            network_backend=guard,
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Posts a body and answers what came back. Raises Refused or NoAnswer."""
        place = check(url, dev=self._dev)
        try:
            async with asyncio.timeout(WHOLE_S):
                return await self._send(place, body, headers)
        except (TimeoutError, httpcore2.TimeoutException):
            raise NoAnswer("timeout") from None
        except httpcore2.ConnectError as error:
            raise NoAnswer("tls" if _is_about_tls(error) else "connection") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError):
            raise NoAnswer("broken") from None

    async def _send(self, place: Place, body: bytes, headers: Mapping[str, str]) -> Answer:
        url = httpcore2.URL(
            scheme=place.scheme, host=place.host, port=place.port, target=place.target
        )
        usual = 443 if place.scheme == "https" else 80
        host = f"[{place.host}]" if ":" in place.host else place.host
        named = host if place.port == usual else f"{host}:{place.port}"
        spelled = [("Host", named), ("Content-Length", str(len(body))), *headers.items()]
        patience = {"connect": CONNECT_S}
        async with self._pool.stream(
            "POST", url, headers=spelled, content=body, extensions={"timeout": patience}
        ) as response:
            read = bytearray()
            async for chunk in response.aiter_stream():
                read += chunk
                if len(read) >= LONGEST_ANSWER:
                    break
            after = [v for k, v in response.headers if k.lower() == b"retry-after"]
            retry_after = after[0].decode("latin-1") if after else None
            return Answer(response.status, bytes(read[:LONGEST_ANSWER]), retry_after)

    async def close(self) -> None:
        """Closes the connections that are kept."""
        await self._pool.aclose()
