"""Facebook against the answers that its documentation shows, over HTTP."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from mypost.networks import (
    Absent,
    Draft,
    Expired,
    Grant,
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
from mypost.networks.facebook import Facebook
from mypost.networks.oauth import challenge_of
from tests.consent import query_of
from tests.networks.graph import APP, GRANTED, SECRET, VERSION, Graph, error
from tests.networks.test_contract import running

REDIRECT, VERIFIER = "https://post.example.com/api/v1/oauth/callback/facebook", "v" * 64
CLIENT = {"MYPOST_FACEBOOK_CLIENT_ID": APP, "MYPOST_FACEBOOK_CLIENT_SECRET": SECRET}
PAGE = Grant({"token": "page-7-canary", "page": "7"})


@pytest.fixture
async def held():
    """The network before a Graph API, with one code to redeem."""
    graph = Graph(codes={"code-canary": (challenge_of(VERIFIER), REDIRECT)})
    graph.page("7", "Bakery", "CREATE_CONTENT", "MANAGE", username="bakery")
    async with running(graph.app()) as url:
        network = Facebook({**CLIENT, "MYPOST_FACEBOOK_URL": url}, "")
        yield network, graph
        await network.close()


def draft(text="Hello"):
    return Draft(key="k", text=text, created_at=datetime.now(UTC))


def test_the_dialog_is_asked_for_what_a_page_takes():
    page = Facebook(CLIENT, "").authorize(REDIRECT, "state", challenge_of(VERIFIER))

    parts = urlsplit(page)
    assert (parts.scheme, parts.netloc, parts.path) == (
        "https", "www.facebook.com", f"/{VERSION}/dialog/oauth",
    )  # fmt: skip
    assert query_of(page) == {
        "response_type": "code",
        "client_id": APP,
        "redirect_uri": REDIRECT,
        "scope": "pages_show_list,pages_read_engagement,pages_manage_posts",
        "state": "state",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "auth_type": "rerequest",
    }
    assert SECRET not in page


def test_the_version_is_a_setting_and_what_is_missing_is_named():
    other = Facebook({**CLIENT, "MYPOST_FACEBOOK_VERSION": "v31.0"}, "")

    assert "/v31.0/dialog/oauth?" in other.authorize(REDIRECT, "s", "c")
    assert Facebook({}, "").missing == tuple(CLIENT)
    assert Facebook(CLIENT, "").missing == ()


async def test_a_code_becomes_the_pages_that_may_be_posted_to(held):
    network, graph = held
    graph.page("8", "Cafe", "ANALYZE")
    picture = {"data": {"url": "https://scontent.example/9.jpg"}}
    graph.page("9", "Deli", "CREATE_CONTENT", picture=picture)

    found = await network.exchange("code-canary", VERIFIER, REDIRECT)

    assert [(p.external_id, p.handle, p.name, p.profile_image_url) for p in found] == [
        ("7", "bakery", "Bakery", None), ("9", "Deli", "Deli", "https://scontent.example/9.jpg"),
    ]  # fmt: skip
    assert found[0].scopes == GRANTED
    assert found[0].grant.secrets == PAGE.secrets
    assert (found[0].token_expires_at, found[0].grant.ends_at) == (None, None)
    assert not network.terms(found[0].grant).renews


async def test_no_secret_stands_in_an_address(held):
    network, graph = held
    (found,) = await network.exchange("code-canary", VERIFIER, REDIRECT)
    await network.publish(found.grant, draft())
    await network.find_published(found.grant, draft())

    assert len(graph.asked) == 6
    assert "canary" not in "".join(graph.asked)


@pytest.mark.parametrize("given", [("other", VERIFIER), ("code-canary", "w" * 64)])
async def test_a_code_that_does_not_hold_is_refused(held, given):
    network, _ = held

    with pytest.raises(Refused) as refused:
        await network.exchange(*given, REDIRECT)
    assert "canary" not in str(refused.value)


async def test_an_app_that_is_not_known_is_no_fault_of_the_persons(held):
    network, graph = held
    network.client_secret = "wrong"

    with pytest.raises(Unavailable) as fault:
        await network.exchange("code-canary", VERIFIER, REDIRECT)
    assert str(fault.value) == "no token in the answer 400"
    assert graph.codes


async def test_a_permission_that_was_left_out_is_named(held):
    network, graph = held
    graph.granted = GRANTED[:-1]

    with pytest.raises(Refused) as refused:
        await network.exchange("code-canary", VERIFIER, REDIRECT)
    assert str(refused.value).startswith("scope lacks pages_manage_posts:")


async def test_a_post_is_found_by_its_text_in_all_that_was_published(held):
    network, _ = held
    first = draft("Fresh  bread\nat seven")

    assert await network.find_published(PAGE, first) == Absent()
    published = await network.publish(PAGE, first)
    for n in range(4):
        await network.publish(PAGE, draft(f"n{n}"))

    assert published == Published("7_1", "https://www.facebook.com/7_1")
    assert await network.find_published(PAGE, first) == published
    assert await network.find_published(PAGE, replace(first, others=frozenset({"7_1"}))) == Absent()
    await network.publish(PAGE, first)
    assert await network.find_published(PAGE, first) == Several(2)


async def test_a_list_without_an_end_proves_nothing(held):
    network, graph = held
    graph.per_page = 1
    graph.posts = [{"id": str(n), "message": "x", "permalink_url": "u"} for n in range(11)]

    assert isinstance(await network.find_published(PAGE, draft()), Unreadable)


@pytest.mark.parametrize(
    ("status", "said", "meant"),
    [
        (401, error(190, "Session has expired", 463), Expired("Session has expired")),
        (400, error(102), Expired("said")),
        (400, error(4), RateLimited(900.0, everybody=True)),
        (400, error(32), RateLimited(900.0)),
        (400, error(506, "Duplicate"), Unknown("Duplicate")),
        (400, error(2), Unknown("said")),
        (500, error(1), Unknown("said")),
        (403, error(200, "No permission"), Rejected("missing_scope", "No permission", "200")),
        (400, error(368), Rejected("account_issue", "said", "368")),
        (400, error(100, "Too long"), Rejected("validation", "Too long", "100")),
        (400, {}, Rejected("validation", "the network answered 400", None)),
        (500, {}, Unknown("the network answered 500")),
    ],
)
async def test_what_a_refusal_proves(held, status, said, meant):
    network, graph = held
    graph.refusal = (status, said)

    assert await network.publish(PAGE, draft()) == meant


async def test_a_page_token_that_is_dead_says_so(held):
    network, _ = held
    dead = Grant({"token": "dead", "page": "7"})

    assert isinstance(await network.publish(dead, draft()), Expired)
    assert isinstance(await network.find_published(dead, draft()), Unreadable)
    with pytest.raises(Unsupported):
        await network.refresh(dead)
