"""What every network keeps to, tried against its own server on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from mypost import networks
from mypost.networks import (
    Absent,
    Draft,
    Grant,
    NotSent,
    Published,
    RateLimited,
    Rejected,
    Unknown,
    Unreadable,
)
from mypost.networks.oauth import challenge_of
from tests.client import plain
from tests.consent import consent, query_of

DISCOVERED = networks.discover()
BY_CREDENTIALS = [key for key, network in DISCOVERED.items() if not network.oauth]
SERVED = [key for key, network in DISCOVERED.items() if hasattr(network, "server")]
# Networks whose own server somebody else wrote: tests/networks/conftest.py starts it.
OUTSIDE = [
    pytest.param(key, marks=pytest.mark.network)
    for key, network in DISCOVERED.items()
    if not hasattr(network, "server") and not network.oauth
]
BY_CREDENTIALS_AND_SERVED = [key for key in SERVED if key in BY_CREDENTIALS]
GRANT = Grant(
    {
        "token": "t",
        "did": "did:plc:a",
        "accessJwt": "t",
        "refreshJwt": "t",
        "refreshToken": "t",
        "page": "1",
    }
)
_numbers = count()


@dataclass
class Place:
    """One network whose server runs at `base`, with a client that talks to it."""

    key: str
    network: networks.Network
    server: Starlette
    base: str

    async def grant(self, mode="ok", handle="brand"):
        return (await self.profile(mode, handle)).grant

    async def profile(self, mode="ok", handle="brand"):
        return await connected(self.network, credentials(self.key, mode, handle))

    async def get(self, path, **request):
        async with plain() as client:
            return await client.get(self.base + path, **request)


REDIRECT, VERIFIER = "http://127.0.0.1:9/api/v1/oauth/callback/{}", "v" * 43


def served(key, folder):
    """A network's own server, that sends people back to the tests."""
    server = networks.servers([key], folder)[key]
    server.state.redirect = REDIRECT.format(key)
    return server


def credentials(key, mode="ok", handle="brand"):
    if DISCOVERED[key].oauth:
        return {"login": handle, "mode": mode}
    fields = DISCOVERED[key].fields
    return {field.name: mode if field.choices else handle for field in fields}


async def connected(network, given):
    """The first account that a network answers to credentials, or to somebody's consent."""
    if not network.oauth:
        return await network.connect(given)
    redirect = REDIRECT.format(network.key)
    async with plain() as browser:
        page = network.authorize(redirect, "s", challenge_of(VERIFIER))
        answer = query_of(await consent(browser, page, **given))
    return (await network.exchange(answer["code"], VERIFIER, redirect))[0]


def draft(text="hello", **changes):
    key = f"k{next(_numbers)}"
    return replace(Draft(key=key, text=text, created_at=datetime.now(UTC)), **changes)


async def asked(network):
    """Asks the network who somebody is, as its kind of connection does."""
    if network.oauth:
        return await network.exchange("code", VERIFIER, REDIRECT.format(network.key))
    return await network.connect(credentials(network.key))


@asynccontextmanager
async def running(app):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@pytest.fixture(scope="module", params=SERVED)
async def place(request, tmp_path_factory) -> AsyncIterator[Place]:
    key = request.param
    server = served(key, tmp_path_factory.mktemp(key))
    server.state.slow_seconds = 0.0
    async with running(Starlette(routes=[Mount(f"/networks/{key}", app=server)])) as origin:
        network = networks.configure(key, {}, origin)
        yield Place(key, network, server, f"{origin}/networks/{key}")
        await network.close()


@pytest.fixture(params=DISCOVERED)
async def facing(request):
    """Makes the network talk to a server that gives one prepared answer and hangs up."""
    async with asyncio.TaskGroup() as group:
        stop, key = asyncio.Event(), request.param

        async def face(answer):
            async def reply(reader, writer):
                await reader.readuntil(b"\r\n\r\n")
                if answer is None:
                    await stop.wait()
                writer.write(answer or b"")
                writer.close()

            server = await asyncio.start_server(reply, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            url = {f"MYPOST_{key.upper()}_URL": f"http://127.0.0.1:{port}"}
            network = networks.configure(key, url, "http://127.0.0.1:9")

            async def end():
                await stop.wait()
                await network.close()
                server.close()

            group.create_task(end())
            return network

        yield face
        stop.set()


def http(status, body="{}", *headers):
    lines = (f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers)
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def facing_nobody(key):
    """Makes a network whose address refuses every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    return networks.configure(key, {f"MYPOST_{key.upper()}_URL": url}, "http://127.0.0.1:9")


@pytest.fixture(params=[*SERVED, *OUTSIDE])
async def held(request, tmp_path):
    """A network beside its own server, and credentials which that takes."""
    key = request.param
    async with AsyncExitStack() as stack:
        if key in SERVED:
            server = served(key, tmp_path)
            mount = Mount(f"/networks/{key}", app=server)
            origin = await stack.enter_async_context(running(Starlette(routes=[mount])))
            network, given = networks.configure(key, {}, origin), credentials(key)
        else:
            url, given = request.getfixturevalue(f"{key}_server")
            network = networks.configure(key, {f"MYPOST_{key.upper()}_URL": url}, "")
        stack.push_async_callback(network.close)
        yield network, given


async def test_what_is_published_is_found_under_its_key_once(held):
    network, given = held
    profile, sent = await connected(network, given), draft("hello everywhere")

    assert await network.find_published(profile.grant, sent) == Absent()
    answers = await asyncio.gather(*(network.publish(profile.grant, sent) for _ in range(4)))
    found = await network.find_published(profile.grant, sent)

    assert isinstance(found, Published)
    assert set(answers) == {found}
    assert await network.find_published(profile.grant, draft("hello everywhere")) == Absent()
    assert await network.publish(profile.grant, sent) == found


async def test_the_limits_are_the_networks_own(held):
    network, given = held
    grant = (await connected(network, given)).grant
    limit = network.measure("")[0].limit

    assert isinstance(await network.publish(grant, draft("ä" * limit)), Published)
    assert isinstance(await network.publish(grant, draft("ä" * (limit + 1))), Rejected)


async def test_a_grant_the_network_does_not_know_has_expired(held):
    network, _ = held

    assert isinstance(await network.publish(GRANT, draft()), networks.Expired)


async def test_what_a_network_renews_and_deletes(held):
    network, given = held
    grant, sent = (await connected(network, given)).grant, draft("short-lived")
    published = await network.publish(grant, sent)

    if network.terms(grant).renews:
        assert grant.expires_at is not None
        renewed = await network.refresh(grant)
        assert renewed.secrets != grant.secrets
        assert await network.find_published(renewed, sent) == published
        with pytest.raises(networks.Refused):
            await network.refresh(GRANT)
    else:
        with pytest.raises(networks.Unsupported):
            await network.refresh(grant)
    try:
        await network.delete(grant, published.external_id)
        await network.delete(grant, published.external_id)
    except networks.Unsupported:
        return
    assert await network.find_published(grant, sent) == Absent()
    with pytest.raises(networks.Refused):
        await network.delete(GRANT, published.external_id)


@pytest.mark.parametrize("key", DISCOVERED)
def test_a_network_declares_itself(key):
    network = DISCOVERED[key]

    assert network.key == key == network.__module__.rpartition(".")[2]
    assert network.title
    assert network.kind in networks.Kind
    assert isinstance(network.built_in, bool)
    assert 0 < network.timeout <= 60
    assert 0 <= network.settle <= 60
    assert len({field.name for field in network.fields}) == len(network.fields)


@pytest.mark.parametrize("key", DISCOVERED)
def test_a_text_is_measured_by_every_counter(key):
    network = networks.configure(key, {}, "http://127.0.0.1:9")

    assert all(measure.unit and measure.limit >= 0 for measure in network.measure("hello"))
    assert not all(measure.fits for measure in network.measure("x" * 1_000_000))
    assert not all(measure.fits for measure in network.measure(""))
    assert not all(measure.fits for measure in network.measure("hello", 1000))


def test_a_network_is_known_by_its_key_and_a_built_in_one_is_asked_for():
    built_in = {key for key, network in DISCOVERED.items() if network.built_in}

    with pytest.raises(KeyError):
        networks.configure("nowhere", {}, "http://127.0.0.1:9")
    assert list(DISCOVERED) == sorted(DISCOVERED)
    assert networks.enabled({}, embedded=True) == tuple(DISCOVERED)
    assert built_in.isdisjoint(networks.enabled({}, embedded=False))
    for key in built_in:
        assert key in networks.enabled({f"MYPOST_{key.upper()}": "1"}, embedded=False)
        assert key not in networks.enabled({f"MYPOST_{key.upper()}": "0"}, embedded=False)


def test_a_grant_never_shows_its_secrets():
    assert "s3cret" not in repr(Grant({"token": "s3cret"}))


@pytest.mark.parametrize("key", BY_CREDENTIALS)
@pytest.mark.parametrize("value", ["", "\n", None, 7])
async def test_bad_credentials_name_every_faulty_field(key, value):
    network = facing_nobody(key)
    names = [field.name for field in DISCOVERED[key].fields]

    for given in ({}, dict.fromkeys(names, value)):
        with pytest.raises(networks.Refused) as refused:
            await network.connect(given)
        assert [name for name, _ in refused.value.faults] == names


async def test_an_account_is_connected(place):
    profile = await place.profile(handle="a.b-c_9")
    again = await place.profile("rejected", "a.b-c_9")

    assert profile.external_id == again.external_id
    assert profile.handle == "a.b-c_9"
    assert profile.name
    assert profile.grant.secrets != again.grant.secrets


@pytest.mark.parametrize("place", BY_CREDENTIALS_AND_SERVED, indirect=True)
@pytest.mark.parametrize("handle", ["Upper", "with space", "x" * 51, "ü", "a/b", "ok\n"])
async def test_a_bad_handle_is_refused_on_both_sides(place, handle):
    given = credentials(place.key, handle=handle)

    with pytest.raises(networks.Refused):
        await place.network.connect(given)
    async with plain() as client:
        answer = await client.post(f"{place.base}/accounts", json=given)
    assert answer.status_code == 422


@pytest.mark.parametrize("mode", ["ok", "slow"])
async def test_a_published_post_is_found(place, mode):
    grant, sent = await place.grant(mode), draft()

    assert await place.network.find_published(grant, sent) == Absent()
    published = await place.network.publish(grant, sent)

    assert isinstance(published, Published)
    assert published.external_url == f"{place.base}/posts/{published.external_id}"
    assert await place.network.find_published(grant, sent) == published


async def test_the_same_key_is_published_once(place):
    grant, sent = await place.grant(), draft()

    answers = await asyncio.gather(*(place.network.publish(grant, sent) for _ in range(8)))

    assert len(set(answers)) == 1
    listed = (await place.get("/posts.json?limit=1000")).json()["posts"]
    assert [post["key"] for post in listed].count(sent.key) == 1


async def test_a_key_is_not_reused_for_another_text(place):
    grant, sent = await place.grant(), draft()
    published = await place.network.publish(grant, sent)

    answer = await place.network.publish(grant, replace(sent, text="another"))

    assert isinstance(answer, Rejected)
    assert answer.network_code == "key_reused"
    assert await place.network.find_published(grant, sent) == published


async def test_a_lost_answer_is_unknown_and_then_found(place):
    grant, sent = await place.grant("lost"), draft()

    answer = await place.network.publish(grant, sent)
    found = await place.network.find_published(grant, sent)

    assert answer == Unknown("no answer (RemoteProtocolError)")
    assert isinstance(found, Published)
    assert await place.network.publish(grant, sent) == found


async def test_a_rejected_post_is_absent(place):
    grant, sent = await place.grant("rejected"), draft()

    answer = await place.network.publish(grant, sent)

    assert isinstance(answer, Rejected)
    assert (answer.category, answer.network_code) == ("validation", "policy")
    assert answer.message
    assert not answer.retryable
    assert await place.network.find_published(grant, sent) == Absent()


async def test_a_rate_limit_lets_the_second_try_pass(place):
    grant, sent = await place.grant("rate_limited"), draft()

    assert await place.network.publish(grant, sent) == RateLimited(2.0)
    assert await place.network.find_published(grant, sent) == Absent()
    assert isinstance(await place.network.publish(grant, sent), Published)


async def test_an_expired_grant_says_so(place):
    grant, sent = await place.grant("expired"), draft()

    assert isinstance(await place.network.publish(grant, sent), networks.Expired)
    assert isinstance(await place.network.publish(GRANT, sent), networks.Expired)
    assert isinstance(await place.network.find_published(grant, sent), Unreadable)


@pytest.mark.parametrize("key", DISCOVERED)
async def test_a_refused_connection_is_not_sent(key):
    network = facing_nobody(key)

    assert isinstance(await network.publish(GRANT, draft()), NotSent)
    assert await network.metrics(GRANT, "x") is None
    assert isinstance(await network.find_published(GRANT, draft()), Unreadable)
    with pytest.raises(networks.Unavailable):
        await asked(network)
    await network.close()


GARBLED = [b"", b"nonsense\r\n\r\n", http(200, "{}")[:-1], http(200), http(200, "[]")]
GARBLED += [http(200, "{"), http(201, '{"id": 1, "url": null}'), http(302, "", "Location: /x")]


@pytest.mark.parametrize("answer", [*GARBLED, http(500), http(502, "<html>"), http(503)])
async def test_an_unreadable_answer_proves_nothing(facing, answer):
    network = await facing(answer)

    assert isinstance(await network.publish(GRANT, draft()), Unknown)
    assert isinstance(await network.find_published(GRANT, draft()), Unreadable)
    with pytest.raises(networks.Unavailable):
        await asked(network)


async def test_silence_proves_nothing(facing, monkeypatch):
    network = await facing(None)
    monkeypatch.setattr(type(network), "timeout", 0.05)

    assert isinstance(await network.publish(GRANT, draft()), Unknown)
    assert isinstance(await network.find_published(GRANT, draft()), Unreadable)


async def test_a_missing_page_is_not_an_absent_post(facing):
    network = await facing(http(404, '{"posts": []}'))

    assert isinstance(await network.find_published(GRANT, draft()), Unreadable)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("nan", 60.0), ("-1", 60.0), ("Tue, 24 Nov 2026", 60.0)]
)
async def test_a_pause_is_a_number_of_seconds(facing, header, seconds):
    network = await facing(http(429, "{}", f"Retry-After: {header}"))

    assert await network.publish(GRANT, draft()) == RateLimited(seconds)


@pytest.mark.parametrize("facing", SERVED, indirect=True)
async def test_a_refusal_before_acceptance_is_not_sent(facing):
    network = await facing(http(503, "{}", "X-Accepted: no"))

    assert isinstance(await network.publish(GRANT, draft()), NotSent)


async def test_the_server_takes_500_graphemes_of_any_script(place):
    grant = await place.grant()

    assert isinstance(await place.network.publish(grant, draft("👨‍👩‍👧‍👦" * 500)), Published)
    for text in ("x" * 501, "", "x" * 70_000):
        assert isinstance(await place.network.publish(grant, draft(text)), Rejected)


async def test_the_server_takes_json_only(place):
    grant = await place.grant()
    headers = {"Authorization": f"Bearer {grant.secrets['token']}"}
    url, post = f"{place.base}/posts", {"text": "t", "createdAt": "now"}

    async with plain(headers={**headers, "idempotency-key": "json"}) as client:
        assert (await client.post(url, data=post)).status_code == 415
        assert (await client.post(url, json=["key"])).status_code == 400
        assert (await client.post(url, json={**post, "text": 1})).status_code == 422
        assert (
            await client.post(url, json=post, headers={"authorization": "x"})
        ).status_code == 401
        assert (await client.get(f"{url}?key=json")).json() == {"posts": []}
        assert (await client.post(url, json=post)).status_code == 201


async def test_people_can_read_what_was_accepted(place):
    grant, sent = await place.grant(handle="reader"), draft("<script>alert('x')</script>")
    published = await place.network.publish(grant, sent)
    path = f"/posts/{published.external_id}"

    for page in (await place.get("/"), await place.get(path, headers={"accept": "text/html"})):
        assert page.headers["content-type"].startswith("text/html")
        assert "&lt;script&gt;" in page.text
        assert "<script" not in page.text
        assert published.external_url in page.text
        assert "@reader" in page.text
    assert (await place.get("/posts/nowhere")).status_code == 404


async def test_machines_can_read_what_was_accepted(place):
    grant, sent = await place.grant(handle="machine"), draft(media=("a", "b"))
    published = await place.network.publish(grant, sent)

    [newest] = (await place.get("/posts.json?limit=1")).json()["posts"]
    one = await place.get(f"/posts/{published.external_id}", headers={"accept": "application/json"})

    assert one.json() == newest
    assert newest.pop("acceptedAt")
    assert newest == {
        "id": published.external_id,
        "key": sent.key,
        "handle": "machine",
        "text": "hello",
        "mediaCount": 2,
        "createdAt": sent.created_at.isoformat(),
        "url": published.external_url,
    }
    assert (await place.get("/posts.json?limit=none")).json() == {"posts": []}


@pytest.mark.parametrize("key", SERVED)
async def test_what_a_server_accepted_outlives_it(key, tmp_path):
    sent = draft()
    found = []
    for _ in range(2):
        server = served(key, tmp_path)
        async with running(Mount(f"/networks/{key}", app=server)) as origin:
            network = networks.configure(key, {}, origin)
            if not found:
                grant = (await connected(network, credentials(key))).grant
                await network.publish(grant, sent)
            found.append(await network.find_published(grant, sent))
            await network.close()

    assert isinstance(found[0], Published)
    assert found[0].external_id == found[1].external_id
