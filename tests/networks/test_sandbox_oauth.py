"""The consent page of our own playground: an OAuth 2 server that refuses what it must."""

from datetime import timedelta

import httpx2
import pytest

from mypost.networks import Expired, Published, Refused, Unavailable
from mypost.networks.oauth import challenge_of
from mypost.networks.sandbox_oauth import SandboxOAuth
from tests.client import plain
from tests.consent import consent, query_of
from tests.networks.test_contract import draft, running

REDIRECT, VERIFIER = "http://127.0.0.1:9/api/v1/oauth/callback/sandbox_oauth", "v" * 64


@pytest.fixture
async def box(tmp_path):
    """The network, the server's state, and a browser."""
    server = SandboxOAuth.server(tmp_path)
    server.state.slow_seconds, server.state.redirect = 0.0, REDIRECT
    async with running(server) as url, plain() as browser:
        network = SandboxOAuth({"MYPOST_SANDBOX_OAUTH_URL": url}, "")
        network.state, network.browser = server.state, browser
        yield network
        await network.close()


def page(box, **changes):
    """The consent page's address, with other parameters; None takes one away."""
    asked = query_of(box.authorize(REDIRECT, "state", challenge_of(VERIFIER)))
    given = {name: value for name, value in {**asked, **changes}.items() if value is not None}
    return str(httpx2.URL(f"{box.base}/authorize", params=given))


async def code_of(box, **filled):
    return query_of(await consent(box.browser, page(box), **filled))["code"]


async def accounts(box, **filled):
    return await box.exchange(await code_of(box, **filled), VERIFIER, REDIRECT)


async def token(box, **form):
    client = {"client_id": box.client_id, "client_secret": box.client_secret}
    return await box.browser.post(f"{box.base}/token", data={**client, **form})


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "other"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "https://evil.example/?x=/oauth/callback/sandbox_oauth"},
        {"redirect_uri": "https://evil.example/api/v1/oauth/callback/sandbox_oauth"},
        {"redirect_uri": f"{REDIRECT}?next=https://evil.example/"},
        {"redirect_uri": None},
    ],
)
async def test_nobody_is_sent_on_for_a_foreign_client(box, changes):
    answer = await box.browser.get(page(box, **changes))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "publish delete"}, "invalid_scope"),
    ],
)
async def test_a_weaker_request_is_sent_back(box, changes, error):
    answer = await box.browser.get(page(box, **changes))

    told = query_of(answer.headers["location"])
    assert told == {"error": error, "state": "state", "iss": box.base}


async def test_a_page_repeats_nothing_as_markup(box):
    asked = page(box, state='"><script>alert(1)</script>')
    shown = (await box.browser.get(asked)).text

    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 64},
        {"code_verifier": ""},
        {"redirect_uri": REDIRECT.replace("9", "8")},
        {"code": "other"},
    ],
)
async def test_a_code_is_for_one_client_one_address_and_one_verifier(box, changes):
    given = {"code": await code_of(box), "redirect_uri": REDIRECT, "code_verifier": VERIFIER}

    answer = await token(box, grant_type="authorization_code", **{**given, **changes})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_client_without_its_secret_gets_nothing(box):
    code = await code_of(box)
    box.client_secret = "guessed"

    with pytest.raises(Unavailable, match="no token in the answer 401 invalid_client"):
        await box.exchange(code, VERIFIER, REDIRECT)
    answer = await box.browser.post(f"{box.base}/revoke", data={"token": "t"})
    assert answer.status_code == 401


async def test_a_client_may_show_its_secret_in_the_header(box):
    for secret, status in ((box.client_secret, 200), ("guessed", 401)):
        auth = httpx2.BasicAuth(box.client_id, secret)
        answer = await box.browser.post(f"{box.base}/revoke", data={"token": "t"}, auth=auth)
        assert answer.status_code == status
    for header in ("Basic !", "Basic", "Bearer x"):
        given = {"data": {"token": "t"}, "headers": {"authorization": header}}
        assert (await box.browser.post(f"{box.base}/revoke", **given)).status_code == 401


async def test_a_code_that_is_used_twice_ends_all_it_gave(box):
    code = await code_of(box)
    first, second = await box.exchange(code, VERIFIER, REDIRECT)
    assert isinstance(await box.publish(first.grant, draft()), Published)

    with pytest.raises(Refused):
        await box.exchange(code, VERIFIER, REDIRECT)

    for profile in (first, second):
        assert isinstance(await box.publish(profile.grant, draft()), Expired)
        with pytest.raises(Refused):
            await box.refresh(profile.grant)


async def test_each_account_is_renewed_for_itself(box):
    first, second = await accounts(box)

    renewed = await box.refresh(first.grant)

    assert isinstance(await box.publish(renewed, draft()), Published)
    assert isinstance(await box.publish(second.grant, draft()), Published)
    assert renewed.secrets["refreshToken"] != first.grant.secrets["refreshToken"]
    with pytest.raises(Refused):
        await box.refresh(first.grant)
    assert await box.refresh(second.grant) != second.grant


async def test_a_consent_that_is_taken_back_ends_what_was_renewed_as_well(box):
    first, second = await accounts(box)
    renewed = await box.refresh(first.grant)
    client = {"client_id": box.client_id, "client_secret": box.client_secret}
    held = {"token": second.grant.secrets["refreshToken"], **client}

    assert (await box.browser.post(f"{box.base}/revoke", data=held)).status_code == 200

    for grant in (renewed, second.grant):
        assert isinstance(await box.publish(grant, draft()), Expired)
        with pytest.raises(Refused):
            await box.refresh(grant)


async def test_a_token_that_is_over_is_renewed(box):
    (profile,) = await accounts(box, accounts=1)
    box.state.token_life = timedelta()
    over = await box.refresh(profile.grant)
    assert isinstance(await box.publish(over, draft()), Expired)
    box.state.token_life = timedelta(hours=2)

    renewed = await box.refresh(over)

    assert renewed.expires_at - over.expires_at > timedelta(hours=1)
    assert renewed.ends_at is None
    assert isinstance(await box.publish(renewed, draft()), Published)


@pytest.mark.parametrize("form", [{}, {"grant_type": "password"}, {"grant_type": "refresh_token"}])
async def test_what_no_grant_is_gets_no_token(box, form):
    answer = await token(box, **form)

    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
    assert answer.headers["cache-control"] == "no-store"


async def test_what_stands_there_twice_is_refused(box):
    body = f"client_id={box.client_id}&client_secret={box.client_secret}&code=a&code=b"

    answer = await box.browser.post(f"{box.base}/token", content=body)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("filled", [{"login": "Not A Name"}, {"mode": "other"}, {"accounts": "x"}])
async def test_a_faulty_form_is_refused(box, filled):
    with pytest.raises(AssertionError, match="invalid_request"):
        await consent(box.browser, page(box), **filled)
