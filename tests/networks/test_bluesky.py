"""What Bluesky is sent, without a server: keys, facets, limits and what its answers mean."""

import asyncio
import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mypost import clock
from mypost.networks import (
    Absent,
    Draft,
    Expired,
    Grant,
    Metrics,
    RateLimited,
    Refused,
    Rejected,
    Unavailable,
    Unknown,
    Unreadable,
)
from mypost.networks.bluesky import Bluesky, facets, record_key
from mypost.networks.spans import LONGEST_TAG, spans

GRANT = Grant({"did": "did:plc:a", "accessJwt": "a", "refreshJwt": "r"})
DRAFT = Draft(key="k", text="hello", created_at=datetime(2026, 11, 24, 9, tzinfo=UTC))
LETTERS = "234567abcdefghijklmnopqrstuvwxyz"


def test_a_record_key_is_a_tid_of_the_second_it_is_due():
    key = record_key(DRAFT)
    number = 0
    for letter in key:
        number = number * 32 + LETTERS.index(letter)

    assert len(key) == 13
    assert key[0] in "234567abcdefghij"
    assert number >> 63 == 0
    assert (number >> 10) // 1_000_000 == DRAFT.created_at.timestamp()


def test_the_same_draft_has_the_same_record_key():
    again = replace(DRAFT, text="another", created_at=DRAFT.created_at.astimezone())

    assert record_key(DRAFT) == record_key(again) == "3n32brr7dpqkd"
    assert record_key(replace(DRAFT, key="l")) != record_key(DRAFT)
    assert record_key(replace(DRAFT, created_at=DRAFT.created_at + timedelta(seconds=1))) > (
        record_key(DRAFT)
    )


def test_posts_of_one_minute_do_not_share_record_keys():
    keys = {record_key(replace(DRAFT, key=str(number))) for number in range(5000)}

    assert len(keys) == 5000


def marked(text):
    """The parts of a text that spans() finds, cut out of its bytes."""
    whole = text.encode()
    return [(each.kind, whole[each.start : each.end].decode(), each.value) for each in spans(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("see https://a.example/x.", [("link", "https://a.example/x", "https://a.example/x")]),
        (
            "ä👨‍👩‍👧 http://ä.example/ö?q=1!",
            [("link", "http://ä.example/ö?q=1", "http://ä.example/ö?q=1")],
        ),
        ("(https://a.example)", [("link", "https://a.example", "https://a.example")]),
        (
            "https://a.example/b_(c)",
            [("link", "https://a.example/b_(c)", "https://a.example/b_(c)")],
        ),
        ("xhttps://a.example ftp://a.example", []),
        ("🥖 #Brot, #bröt!", [("tag", "#Brot", "Brot"), ("tag", "#bröt", "bröt")]),
        ("\uff03日本 x#no #1 #1st #️⃣", [("tag", "\uff03日本", "日本"), ("tag", "#1st", "1st")]),
        ("#" + "x" * (LONGEST_TAG + 1), []),
        (
            "https://a.example/#frag",
            [("link", "https://a.example/#frag", "https://a.example/#frag")],
        ),
        ("é @Alice.test. @bob", [("mention", "@Alice.test", "alice.test")]),
        ("me@alice.test @a.test@b.test", []),
        ("(@a-b.c-d.test)", [("mention", "@a-b.c-d.test", "a-b.c-d.test")]),
    ],
)
def test_spans_count_bytes(text, found):
    assert marked(text) == found


def test_facets_name_links_tags_and_those_mentions_that_are_known():
    text = "🥖 ü @alice.test @nobody.test #bread https://a.example"
    whole = text.encode()

    found = facets(text, {"alice.test": "did:plc:alice"})

    parts = [whole[f["index"]["byteStart"] : f["index"]["byteEnd"]].decode() for f in found]
    assert parts == ["@alice.test", "#bread", "https://a.example"]
    assert [f["features"] for f in found] == [
        [{"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:alice"}],
        [{"$type": "app.bsky.richtext.facet#tag", "tag": "bread"}],
        [{"$type": "app.bsky.richtext.facet#link", "uri": "https://a.example"}],
    ]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("x" * 300, [True, True]),
        ("x" * 301, [False, True]),
        ("👨‍👩‍👧‍👦" * 120, [True, True]),
        ("👨‍👩‍👧‍👦" * 121, [True, False]),
    ],
)
def test_a_text_has_300_graphemes_and_3000_bytes(text, fits):
    measured = Bluesky({}, "").measure(text)[:2]

    assert [each.unit for each in measured] == ["graphemes", "utf8_bytes"]
    assert [each.fits for each in measured] == fits


def test_the_server_is_a_setting():
    assert Bluesky({}, "http://ours").base == "https://bsky.social"
    assert Bluesky({"MYPOST_BLUESKY_URL": "http://pds/"}, "http://ours").base == "http://pds"


def http(status, body, *headers):
    text = json.dumps(body)
    lines = (f"HTTP/1.1 {status} X", f"Content-Length: {len(text)}", "Connection: close", *headers)
    return ("\r\n".join(lines) + "\r\n\r\n" + text).encode()


@pytest.fixture
async def answering():
    """Makes a client whose server gives one prepared answer to everything."""
    opened = []

    async def answer(status, body, *headers):
        async def reply(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(http(status, body, *headers))
            writer.close()

        server = await asyncio.start_server(reply, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        network = Bluesky({"MYPOST_BLUESKY_URL": url}, "")
        opened.append((server, network))
        return network

    yield answer
    for server, network in opened:
        await network.close()
        server.close()


@pytest.mark.parametrize("languages", [None, ["en", "pt-BR"]])
async def test_a_record_says_its_languages_when_the_post_does(languages):
    records = []

    async def reply(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        records.append(json.loads(await reader.readexactly(length))["record"])
        writer.write(http(200, {"uri": "at://did:plc:a/app.bsky.feed.post/3k"}))
        writer.close()

    async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        network = Bluesky({"MYPOST_BLUESKY_URL": url}, "")
        options = {} if languages is None else {"languages": languages}
        await network.publish(GRANT, replace(DRAFT, options=options))
        await network.close()

    assert [record.get("langs") for record in records] == [languages]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, []),
        ({"languages": ["en"]}, []),
        ({"languages": ["en", "pt-BR", "zh-Hant"]}, []),
        ({"languages": ["en", "de", "fr", "it"]}, ["languages"]),
        ({"languages": []}, ["languages"]),
        ({"languages": "en"}, ["languages"]),
        ({"languages": ["english!"]}, ["languages"]),
        ({"languages": [1]}, ["languages"]),
        ({"mood": "good", "languages": ["en"]}, ["mood"]),
    ],
)
def test_options_are_held_against_the_rules(given, named):
    assert [name for name, _ in Bluesky({}, "").judge_options(given)] == named


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "ExpiredToken", Expired),
        (400, "InvalidToken", Expired),
        (401, "AuthMissing", Expired),
        (400, "InvalidRequest", Rejected),
        (400, ["odd"], Rejected),
        (413, "PayloadTooLarge", Rejected),
        (500, "InternalServerError", Unknown),
        (502, "UpstreamFailure", Unknown),
        (200, "what", Unknown),
    ],
)
async def test_an_answer_to_a_record_is_judged(answering, status, error, kind):
    network = await answering(status, {"error": error, "message": "because"})

    answer = await network.publish(GRANT, DRAFT)

    assert isinstance(answer, kind)
    assert "because" in answer.message


async def test_a_rate_limit_ends_when_the_network_says(answering):
    reset = int(clock.now().timestamp()) + 90
    counted = await answering(429, {}, f"RateLimit-Reset: {reset}")
    told = await answering(429, {}, f"RateLimit-Reset: {reset}", "Retry-After: 7")
    past = await answering(429, {}, "RateLimit-Reset: 1")

    answer = await counted.publish(GRANT, DRAFT)

    assert isinstance(answer, RateLimited)
    assert 85 < answer.retry_after <= 90
    assert await told.publish(GRANT, DRAFT) == RateLimited(7.0)
    assert await past.publish(GRANT, DRAFT) == RateLimited(1.0)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "RecordNotFound", Absent),
        (400, "RepoNotFound", Unreadable),
        (400, "ExpiredToken", Unreadable),
        (404, "RecordNotFound", Unreadable),
        (500, "RecordNotFound", Unreadable),
    ],
)
async def test_only_one_answer_means_absent(answering, status, error, kind):
    network = await answering(status, {"error": error})

    assert isinstance(await network.find_published(GRANT, DRAFT), kind)


@pytest.mark.parametrize(
    ("status", "error", "raised"),
    [
        (400, "ExpiredToken", Refused),
        (401, "AccountTakedown", Refused),
        (429, "RateLimitExceeded", Unavailable),
        (500, "ExpiredToken", Unavailable),
        (400, "InvalidRequest", Unavailable),
        (200, "ExpiredToken", Unavailable),
    ],
)
async def test_a_refresh_is_refused_only_for_a_dead_token(answering, status, error, raised):
    network = await answering(status, {"error": error})

    with pytest.raises(raised):
        await network.refresh(GRANT)


def token(claims):
    return "x." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".x"


@pytest.mark.parametrize(
    ("access", "ends"),
    [
        (token({"exp": 1_800_000_000}), datetime.fromtimestamp(1_800_000_000, UTC)),
        (token({"exp": "soon"}), None),
        (token({"exp": 10**30}), None),
        (token([]), None),
        ("opaque", None),
    ],
)
async def test_a_session_ends_when_its_token_says(answering, access, ends):
    session = {"did": "did:plc:a", "handle": "a.test", "accessJwt": access, "refreshJwt": "r"}
    network = await answering(200, session)

    profile = await network.connect({"identifier": "@a.test", "app_password": "abcd"})

    assert (profile.external_id, profile.handle) == ("did:plc:a", "a.test")
    assert profile.grant.expires_at == profile.token_expires_at == ends
    assert (await network.refresh(GRANT)).expires_at == ends


@pytest.mark.parametrize(("status", "name"), [(400, "identifier"), (401, "app_password")])
async def test_refused_credentials_name_the_field(answering, status, name):
    network = await answering(status, {"error": "Auth", "message": "Invalid"})

    with pytest.raises(Refused) as refused:
        await network.connect({"identifier": "a.test", "app_password": "abcd"})
    assert refused.value.faults == [(name, "was refused: Invalid")]


async def test_counts_are_read_where_somebody_counts(answering):
    post = {"likeCount": 3, "repostCount": 2, "replyCount": 1, "quoteCount": 0}
    counting = await answering(200, {"posts": [post]})
    alone = await answering(502, {"error": "UpstreamFailure"})

    assert await counting.metrics(GRANT, "at://x") == Metrics(3, 2, 1, 0)
    assert await alone.metrics(GRANT, "at://x") is None
