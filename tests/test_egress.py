"""Where nobody is connected to, in every spelling; and that what was judged is what is reached."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import httpcore2
import pytest

from mypost import egress
from mypost.egress import Answer, Egress, NoAnswer, Refused, check

PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.7"
# 127.0.0.1, as systems and languages spell it.
HERE = [
    "127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "127.000.000.001", "0177.0.0.1", "0177.0.0.01",
    "0x7f.0.0.1", "0x7f.1", "0x7f000001", "0X7F000001", "2130706433", "02130706433", "017700000001",
    "127.0.0.1%00", "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "127。0。0。1", "①②⑦.⓪.⓪.①", "127.0.0.1 ",
    "127.127.127.127", "localhost", "LOCALHOST", "localhost.", "localhost.localdomain.",
    "ip6-localhost",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::1%25lo]", "[::1%lo]", "[::]", "0", "0x0",
    "0.0.0.0",  # noqa: S104
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "[2002:7f00:0001::1]", "[2001:0:7f00:1::80ff:fffe]", "[::ffff:0:127.0.0.1]",
]  # fmt: skip
ELSEWHERE = [
    "10.0.0.7", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.1.1", "3232235777",
    "0xc0a80101", "0300.0250.1.1", "192.168.257", "169.254.169.254", "2852039166", "0xa9fea9fe",
    "0251.0376.0251.0376", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]",
    "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.9", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "0.1.2.3",
    "[fe80::1]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]",
    "[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]", "[64:ff9b::10.0.0.7]",
    "[::ffff:10.0.0.7]", "metadata", "intranet", "metadata.google.internal.", "a..b",
    "-a.example.com",
]  # fmt: skip
WHOLE = [
    "https://user@example.com/", "https://user:secret@example.com/", "https://example.com@127.0.0.1/",
    "https://127.0.0.1#@example.com/", "https://127.0.0.1\\@example.com/", "https://example.com\\@127.0.0.1",
    "https://example.com:22/", "https://example.com:6379/", "https://example.com:0/", "https://example.com:80",
    "https://example.com:99999/", "http://example.com/", "http://example.com:443/", "ftp://example.com/",
    "file:///etc/passwd", "gopher://example.com/", "//example.com/", "https:example.com", "https:///a",
    "https://", "https://exa mple.com/", "https://example.com/\r\nHost: a", "https://example.com/\x00",
    "HTTPS://EXAMPLE.COM:25/", "https://[::1", "https://[example.com]/",
    "https://" + "a" * 2000 + ".com",
]  # fmt: skip
SPELLINGS = [f"https://{host}/x" for host in (*HERE, *ELSEWHERE)] + WHOLE
FINE = [
    "https://your-server.com/webhook", "https://example.com:8443/a?b=c", "https://bücher.example/x",
    "https://8.8.8.8/", "https://[2606:4700::1111]/", "https://[64:ff9b::8.8.8.8]/", "https://a_b.example.com",
    "https://xn--bcher-kva.example/",
]  # fmt: skip


class Near(httpcore2.AnyIOBackend):
    """Sockets to this machine, and to no other."""

    async def connect_tcp(self, host, *how):
        if not egress.is_loopback(ip_address(host)):
            raise httpcore2.ConnectError
        return await super().connect_tcp(host, *how)


class Dialled(httpcore2.AsyncNetworkBackend):
    """Sockets that only note where they would have gone."""

    def __init__(self) -> None:
        self.to: list[str] = []

    async def connect_tcp(self, host, port, *how):
        self.to.append(host)
        raise httpcore2.ConnectError


def answering(*answers: list[str]):
    """A name server that answers one thing after the other."""
    turns = itertools.cycle(answers)

    async def resolver(_host: str, _port: int) -> list[str]:
        return next(turns)

    return resolver


@asynccontextmanager
async def listeners() -> AsyncIterator[list[str]]:
    """Whoever connects to this machine by either protocol, on ports people would try."""
    seen: list[str] = []

    async def note(_reader, writer) -> None:
        seen.append("connected")
        writer.close()

    servers = []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as free:
            free.bind((host, 0))
            port = free.getsockname()[1]
        servers.append((await asyncio.start_server(note, host, port), port))
    try:
        yield seen, [port for _, port in servers]
    finally:
        for server, _ in servers:
            server.close()
            await server.wait_closed()


@pytest.mark.parametrize("url", FINE)
def test_an_address_on_the_internet_is_taken(url: str) -> None:
    assert check(url).scheme == "https"


def test_no_spelling_leads_elsewhere() -> None:
    assert len(SPELLINGS) >= 80
    taken = []
    for url in SPELLINGS:
        for dev in (False, True):
            try:
                place = check(url, dev=dev)
            except Refused:
                continue
            taken.append((url, dev, place.host))

    here = {"127.0.0.1", "127.127.127.127", "localhost", "::1", "0:0:0:0:0:0:0:1", "0000::0001"}
    assert {host for _, _, host in taken} == here
    assert all(dev for _, dev, _ in taken)


async def test_nobody_is_connected_to_whatever_the_spelling(monkeypatch) -> None:
    async with listeners() as (seen, ports):
        # The guard itself, as if nothing had looked at the address before; the ports are fine.
        monkeypatch.setattr(egress, "PORTS", tuple(ports))
        sockets = Near()
        guard = egress.Guard(egress.resolve, sockets, dev=False)
        for host, port in itertools.product(HERE, ports):
            with pytest.raises((Refused, NoAnswer, httpcore2.ConnectError)):
                await guard.connect_tcp(host.strip("[]"), port)
        out = Egress(resolver=answering(["127.0.0.1"]), sockets=sockets)
        for url in (f"https://{h}:{p}/" for h, p in itertools.product(("a.com", *HERE), ports)):
            with pytest.raises((Refused, NoAnswer)):
                await out.post(url, b"{}", {})
        assert seen == []
        # They would have seen it.
        await (await sockets.connect_tcp("127.0.0.1", ports[0])).aclose()
        await asyncio.sleep(0)
        while not seen:
            await asyncio.sleep(0.001)
        await out.close()


async def test_a_name_that_leads_elsewhere_the_second_time_is_asked_once() -> None:
    dialled = Dialled()
    out = Egress(resolver=answering([PUBLIC], [PRIVATE]), sockets=dialled)
    told = []
    for _ in range(1000):
        with pytest.raises((Refused, NoAnswer)) as refused:
            await out.post("https://flips.example.com/", b"{}", {})
        told.append(refused.type)

    assert dialled.to == [PUBLIC] * 500
    assert told == [NoAnswer, Refused] * 500
    await out.close()


@pytest.mark.parametrize("answers", [[PUBLIC, PRIVATE], [PRIVATE, PUBLIC], ["::ffff:10.0.0.7"]])
async def test_one_private_address_among_many_is_enough(answers: list[str]) -> None:
    dialled = Dialled()
    out = Egress(resolver=answering(answers), sockets=dialled)

    with pytest.raises(Refused):
        await out.post("https://mixed.example.com/", b"{}", {})
    assert dialled.to == []
    await out.close()


async def test_a_name_that_nobody_knows_is_no_answer() -> None:
    async def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror

    out = Egress(resolver=unknown, sockets=Dialled())
    with pytest.raises(NoAnswer) as told:
        await out.post("https://nowhere.example.com/", b"{}", {})
    assert told.value.kind == "dns"
    await out.close()


@asynccontextmanager
async def server(
    answer: bytes, asks: bytes = b"\r\n\r\n{}"
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A plain server on this machine that answers these bytes to everything."""
    asked: list[bytes] = []

    async def serve(reader, writer) -> None:
        asked.append(await reader.readuntil(asks) if asks else await reader.read(9000))
        writer.write(answer)
        if not answer:
            await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/hook?a=b", asked
    finally:
        listening.close()
        await listening.wait_closed()


async def posted(answer: bytes) -> tuple[Answer, bytes]:
    out = Egress(dev=True)
    async with server(answer) as (url, asked):
        try:
            return await out.post(url, b"{}", {"webhook-id": "x"}), asked[0]
        finally:
            await out.close()


async def test_a_request_goes_out_as_it_was_meant() -> None:
    answer, asked = await posted(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    assert (answer.status, answer.body) == (200, b"ok")
    head = asked.decode().splitlines()
    assert head[0] == "POST /hook?a=b HTTP/1.1"
    assert head[1].startswith("Host: 127.0.0.1:")
    assert "webhook-id: x" in head
    assert head[-1] == "{}"


async def test_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"

    assert (await posted(moved))[0].status == 307


async def test_an_endless_answer_is_cut() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 300_000

    assert len((await posted(endless))[0].body) == egress.LONGEST_ANSWER


@pytest.mark.parametrize(
    ("answer", "kind"), [(b"what is this?\r\n\r\n", "broken"), (b"", "timeout")]
)
async def test_what_is_no_answer_has_a_word(
    answer: bytes, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "WHOLE_S", 0.3)

    with pytest.raises(NoAnswer) as told:
        await posted(answer)
    assert told.value.kind == kind


async def test_a_closed_port_and_a_wrong_certificate_have_words() -> None:
    out = Egress(dev=True)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(NoAnswer) as told:
            await out.post(f"https://127.0.0.1:{closed.getsockname()[1]}/", b"{}", {})
    assert told.value.kind == "connection"
    async with server(b"no TLS at all", asks=b"") as (url, _):
        with pytest.raises(NoAnswer) as told:
            await out.post(url.replace("http", "https"), b"{}", {})
    assert told.value.kind == "tls"
    await out.close()
