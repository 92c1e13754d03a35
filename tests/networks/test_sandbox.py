"""The built-in network in each of its four classes, over HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mypost import networks
from mypost.networks import (
    Absent,
    Expired,
    Kind,
    Pending,
    Prepared,
    Published,
    RateLimited,
    Refused,
    Rejected,
    Several,
    Unavailable,
    Unknown,
    Unreadable,
    Unsupported,
)
from mypost.networks.client import LONGEST_ANSWER
from mypost.networks.sandbox import Sandbox
from tests.client import plain
from tests.networks.test_contract import draft, http, running


@pytest.fixture
async def box(tmp_path):
    """The network, and the server's state."""
    server = Sandbox.server(tmp_path)
    server.state.slow_seconds = 0.0
    async with running(server) as url:
        network = Sandbox({"MYPOST_SANDBOX_URL": url}, "")
        network.state = server.state
        yield network
        await network.close()


async def granted(box, mode, handle="brand"):
    return (await box.connect({"handle": handle, "mode": mode})).grant


async def live(box):
    async with plain() as client:
        return (await client.get(f"{box.base}/posts.json")).json()["posts"]


@pytest.mark.parametrize(
    ("mode", "kind", "settle"),
    [
        ("ok", Kind.KEY, 1), ("two_step_slow", Kind.TWO_STEP, 1),
        ("lookup", Kind.LOOKUP, 30), ("blind_lost", Kind.BLIND, 0),
    ],
)  # fmt: skip
async def test_the_mode_chooses_the_class(box, mode, kind, settle):
    terms = box.terms(await granted(box, mode))

    assert (terms.kind, terms.settle, terms.renews) == (kind, settle, False)
    assert terms.apart == (10 if kind is Kind.LOOKUP else 2)


async def test_of_two_steps_the_first_is_invisible(box):
    grant, sent = await granted(box, "two_step"), draft("two")

    ready = await box.prepare(grant, sent)
    assert isinstance(ready, Prepared)
    assert ready.expires_at > datetime.now(UTC) + timedelta(hours=23)
    held = networks.Draft(key=sent.key, text="two", created_at=sent.created_at, handle=ready.handle)
    assert await live(box) == []
    assert await box.find_published(grant, sent) == Absent()
    assert await box.find_published(grant, held) == Absent()
    answers = await asyncio.gather(*(box.publish(grant, held) for _ in range(4)))

    assert len(await live(box)) == 1
    assert set(answers) == {await box.find_published(grant, held)}
    assert isinstance(answers[0], Published)


@pytest.mark.parametrize("mode", ["two_step_slow", "two_step_failed"])
async def test_a_step_that_takes_its_time_is_pending(box, mode):
    box.state.slow_seconds = 3600
    grant, sent = await granted(box, mode), draft("slow")
    handle = (await box.prepare(grant, sent)).handle
    held = networks.Draft(key="k", text="slow", created_at=sent.created_at, handle=handle)

    assert await box.publish(grant, held) == Pending(handle)
    assert await box.find_published(grant, held) == Pending(handle)
    box.state.slow_seconds = 0
    ended = await box.find_published(grant, held)

    expected = Published if mode == "two_step_slow" else Rejected
    assert isinstance(ended, expected)
    assert len(await live(box)) == (expected is Published)


async def test_an_unknown_container_is_not_an_absent_post(box):
    grant = await granted(box, "two_step")
    held = networks.Draft(key="k", text="x", created_at=datetime.now(UTC), handle="nowhere")

    assert isinstance(await box.publish(grant, held), Rejected)
    assert isinstance(await box.find_published(grant, held), Unreadable)


@pytest.mark.parametrize("mode", ["ok", "lookup", "blind"])
async def test_one_step_is_not_prepared(box, mode):
    with pytest.raises(Unsupported):
        await box.prepare(await granted(box, mode), draft())


async def test_without_a_key_a_repeat_is_a_second_post(box):
    for mode in ("lookup", "blind"):
        grant, sent = await granted(box, mode, mode), draft(mode)
        first, second = [await box.publish(grant, sent) for _ in range(2)]
        assert first != second


async def test_a_listed_post_is_found_by_its_text(box):
    grant, sent = await granted(box, "lookup"), draft("one  \n two e\u0301")
    other = await box.publish(grant, draft("other"))

    assert await box.find_published(grant, sent) == Absent()
    published = await box.publish(grant, sent)

    assert await box.find_published(grant, sent) == published
    same = draft("one two é")
    assert await box.find_published(grant, same) == published
    known = networks.Draft(
        key="k", text=sent.text, created_at=sent.created_at,
        others=frozenset({published.external_id, other.external_id}),
    )  # fmt: skip
    assert await box.find_published(grant, known) == Absent()
    await box.publish(grant, sent)
    assert await box.find_published(grant, sent) == Several(2)


async def test_a_post_from_before_it_was_due_is_another(box):
    grant, sent = await granted(box, "lookup"), draft("again")
    await box.publish(grant, sent)

    later = networks.Draft(key="k", text="again", created_at=sent.created_at + timedelta(hours=1))

    assert await box.find_published(grant, later) == Absent()


async def test_a_long_list_is_read_to_its_end(box):
    grant, sent = await granted(box, "lookup"), draft("first of many")
    published = await box.publish(grant, sent)
    await asyncio.gather(*(box.publish(grant, draft(f"n{n}")) for n in range(150)))

    assert await box.find_published(grant, sent) == published


async def test_a_list_that_is_behind_shows_the_post_later(box):
    box.state.lag = timedelta(hours=1)
    grant, sent = await granted(box, "lookup"), draft("behind")
    published = await box.publish(grant, sent)

    assert await box.find_published(grant, sent) == Absent()
    box.state.lag = timedelta()
    assert await box.find_published(grant, sent) == published


async def test_a_blind_account_reads_nothing(box):
    grant, sent = await granted(box, "blind"), draft()
    await box.publish(grant, sent)

    assert isinstance(await box.find_published(grant, sent), Unreadable)
    headers = {"authorization": f"Bearer {grant.secrets['token']}"}
    async with plain() as client:
        answer = await client.get(f"{box.base}/posts?since=2026-01-01T00:00:00Z", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "no_read_scope")


@pytest.mark.parametrize("mode", ["lookup_lost", "blind_lost", "two_step_lost"])
async def test_the_first_answer_is_lost_and_the_post_is_live(box, mode):
    grant, sent = await granted(box, mode), draft("gone")
    if mode == "two_step_lost":
        handle = (await box.prepare(grant, sent)).handle
        sent = networks.Draft(key="k", text="gone", created_at=sent.created_at, handle=handle)

    assert isinstance(await box.publish(grant, sent), Unknown)
    assert len(await live(box)) == 1


async def test_a_token_is_renewed_and_the_old_refresh_token_is_dead(box):
    profile = await box.connect({"handle": "brand", "mode": "renewing"})
    first = profile.grant
    assert profile.token_expires_at == first.expires_at > datetime.now(UTC)
    assert (first.ends_at, box.terms(first).renews) == (None, True)

    second = await box.refresh(first)

    assert second.secrets["token"] != first.secrets["token"]
    assert box.terms(second) == box.terms(first)
    with pytest.raises(Refused):
        await box.refresh(first)
    assert isinstance(await box.publish(second, draft()), Published)


async def test_a_token_that_ends_says_when_and_then_has_expired(box):
    box.state.token_life = timedelta(seconds=-1)
    grant = await granted(box, "ending")

    assert grant.ends_at == grant.expires_at
    assert isinstance(await box.publish(grant, draft()), Expired)
    with pytest.raises(Unsupported):
        await box.refresh(grant)


async def test_the_budget_is_told_and_kept(box):
    grant = await granted(box, "budget")

    answers = [await box.publish(grant, draft(f"n{n}")) for n in range(11)]

    left = [answer.budgets[0].remaining for answer in answers]
    assert left == [*range(9, -1, -1), 0]
    assert answers[0].budgets[0] == networks.Budget("account", 10, 9, 3600.0)
    assert answers[-1] == RateLimited(3600.0)


REFUSALS = [
    (http(429, '{"code": "app_rate_limited"}', "Retry-After: 9"), RateLimited(9.0, everybody=True)),
    (http(403, '{"code": "duplicate", "message": "twice"}'), Unknown("twice")),
    (http(202, '{"status": "in_progress"}'), Unknown("the network answered 202")),
]


@pytest.fixture
async def facing():
    """The network before a server that gives one prepared answer."""
    async with asyncio.TaskGroup() as group:
        stop = asyncio.Event()

        async def face(answer):
            async def reply(reader, writer):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                writer.close()

            server = await asyncio.start_server(reply, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            network = Sandbox({"MYPOST_SANDBOX_URL": f"http://127.0.0.1:{port}"}, "")

            async def end():
                await stop.wait()
                await network.close()
                server.close()

            group.create_task(end())
            return network

        yield face
        stop.set()


@pytest.mark.parametrize(("said", "meant"), REFUSALS)
async def test_what_a_refusal_proves(facing, said, meant):
    network = await facing(said)

    assert await network.publish(networks.Grant({"token": "t"}), draft()) == meant


async def test_an_app_budget_is_read_beside_the_accounts(facing):
    answer = http(
        201, '{"id": "1", "url": "http://x"}',
        "X-App-Budget: limit=5, remaining=4, reset=60", "X-Account-Budget: nonsense",
    )  # fmt: skip
    network = await facing(answer)

    published = await network.publish(networks.Grant({"token": "t"}), draft())

    assert published.budgets == (networks.Budget("app", 5, 4, 60.0),)


async def test_the_written_request_is_told_before_the_answer_is_read(box):
    told = []
    grant = await granted(box, "ok")
    box.written = lambda: told.append("written")

    await box.publish(grant, draft())

    assert told == ["written"]


@pytest.mark.parametrize("answer", [http(500), http(200, "{}"), http(403, '{"code": "other"}')])
async def test_a_refresh_that_is_not_answered_is_not_final(facing, answer):
    network = await facing(answer)

    with pytest.raises(Unavailable):
        await network.refresh(networks.Grant({"token": "t", "refreshToken": "r"}))


@pytest.mark.parametrize("kind", ["two_step", "lookup", "key"])
@pytest.mark.parametrize(
    "answer", [http(500), http(404), http(200, "{}"), http(200, '{"posts": 1}')]
)
async def test_a_reading_that_failed_proves_nothing(facing, kind, answer):
    network = await facing(answer)
    grant = networks.Grant({"token": "t", "kind": kind})
    held = networks.Draft(key="k", text="x", created_at=datetime.now(UTC), handle="h")

    assert isinstance(await network.find_published(grant, held), Unreadable)


async def test_an_answer_that_does_not_end_proves_nothing(facing):
    network = await facing(http(201, "x" * (LONGEST_ANSWER + 1)))

    assert await network.publish(networks.Grant({"token": "t"}), draft()) == Unknown(
        "no answer (HTTPError)"
    )
