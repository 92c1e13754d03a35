"""Connecting by OAuth: a consent page, a callback that connects nothing, a choice that does."""

import asyncio
import contextvars
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from mypost import callback, logs, settings
from mypost.context import Caller, Context
from mypost.meter import Meter
from mypost.models.accounts import open_grant
from mypost.models.choices import open_verifier
from mypost.networks.oauth import challenge_of
from mypost.networks.sandbox_oauth import SandboxOAuth
from mypost.resolvers import redeeming
from mypost.settings import BadSettings
from mypost.windows import of_address
from tests.client import Api, Person
from tests.conftest import House
from tests.consent import consent, query_of
from tests.doors import Answer, Door

NETWORK, TITLE = "sandbox_oauth", "OAuth playground"


async def offered(door: Door, who: Person, brand: str | None = None) -> dict:
    given = {"brandId": brand or who.brand, "network": NETWORK}
    return (await door.call(who, "connect", **given)).ok


async def allowed(door: Door, who: Person, offer: dict | None = None, **filled) -> dict:
    """Somebody allows it at the network's page; answers the connection as it is then."""
    offer = offer or await offered(door, who)
    await who.api.http.get(await consent(who.api.http, offer["authorizationUrl"], **filled))
    return (await door.call(who, "connection", id=offer["connectionId"])).ok


async def connected(door: Door, who: Person, *ids: str, **filled) -> list[dict]:
    connection = await allowed(door, who, **filled)
    given = list(ids) or [each["id"] for each in connection["choices"]]
    return (await choose(door, who, connection, *given)).ok["accounts"]


async def choose(door: Door, who: Person, connection: dict, *ids: str) -> Answer:
    return await door.call(who, "complete", id=connection["id"], accountIds=list(ids))


async def secrets_of(house: House, account: str) -> dict:
    found = await house.owner.fetchrow("SELECT * FROM accounts WHERE id = $1", account)
    grant = open_grant(house.keys, UUID(str(found.workspace_id)), UUID(account), found.grant_cipher)
    return {} if grant is None else dict(grant.secrets)


def changed(address: str, **given: str | None) -> str:
    """An address with other parameters; None takes one away."""
    query = {**query_of(address), **given}
    kept = {name: value for name, value in query.items() if value is not None}
    return urlunsplit(urlsplit(address)._replace(query=urlencode(kept)))


async def test_an_offer_says_where_to_go(door: Door, house: House, ann: Person) -> None:
    offer = await offered(door, ann)

    assert (offer["kind"], offer["fields"]) == ("oauth", None)
    assert len(offer["state"]) == 43
    asked = query_of(offer["authorizationUrl"])
    assert asked.pop("code_challenge")
    assert asked == {
        "response_type": "code",
        "client_id": "mypost",
        "redirect_uri": f"{house.settings.origin}/api/v1/oauth/callback/{NETWORK}",
        "scope": "publish read",
        "state": offer["state"],
        "code_challenge_method": "S256",
    }
    begun = (await door.call(ann, "connection", id=offer["connectionId"])).ok
    assert (begun["status"], begun["accounts"], begun["error"]) == ("pending", [], None)
    assert begun["expiresAt"] == offer["expiresAt"]


async def test_an_offer_by_rest_has_the_documented_keys(ann: Person) -> None:
    path = f"/brands/{ann.brand}/social-accounts"
    answer = await ann.rest("POST", path, {"network": NETWORK})

    assert answer.status_code == 201
    keys = {"connectionId", "kind", "authorizationUrl", "fields", "state", "expiresAt"}
    assert answer.json().keys() == keys


async def test_from_consent_to_a_post(door: Door, house: House, ann: Person) -> None:
    offer = await offered(door, ann)
    back = await consent(ann.api.http, offer["authorizationUrl"], login="baker", accounts=3)
    page = await ann.api.http.get(back)

    assert page.status_code == 200
    assert "choose what to connect" in page.text
    found = (await door.call(ann, "connection", id=offer["connectionId"])).ok
    assert found["status"] == "choose_account"
    assert [(c["id"], c["handle"], c["name"]) for c in found["choices"]] == [
        ("baker", "baker", "Baker"), ("baker-2", "baker-2", "Baker-2"),
        ("baker-3", "baker-3", "Baker-3"),
    ]  # fmt: skip
    assert await house.value("SELECT count(*) FROM accounts WHERE brand_id = $1", ann.brand) == 0
    done = (await choose(door, ann, found, "baker-3", "baker")).ok
    assert (done["status"], done.get("choices"), done["error"]) == ("connected", None, None)
    assert [a["externalId"] for a in done["accounts"]] == ["baker-3", "baker"]
    for account in done["accounts"]:
        assert (account["network"], account["status"]) == (NETWORK, "active")
        assert account["scopes"] == ["publish", "read"]
        assert account["tokenExpiresAt"]
    post = await ann.post(*(a["id"] for a in done["accounts"]))
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()
    told = (await door.call(ann, "post", id=post["id"])).ok
    assert told["phase"] == "published"
    for target in told["targets"]:
        shown = await ann.api.http.get(target["externalUrl"], headers={"accept": "text/html"})
        assert "Hello" in shown.text


async def test_what_was_chosen_is_refreshed_by_the_dispatcher(
    door: Door, moved: House, ann: Person
) -> None:
    (account,) = await connected(door, ann, login="renewed", accounts=1)
    before = await secrets_of(moved, account["id"])
    await moved.owner.execute(
        "UPDATE accounts SET token_expires_at = mypost_now() + interval '20 s' WHERE id = $1",
        account["id"],
    )
    post = await ann.post(account["id"])
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await moved.work()

    after = await secrets_of(moved, account["id"])
    assert (await door.call(ann, "post", id=post["id"])).ok["phase"] == "published"
    assert after["kind"] == before["kind"] == "key"
    assert after["token"] != before["token"]
    assert after["refreshToken"] != before["refreshToken"]


async def test_a_consent_taken_back_is_told_and_a_reconnect_mends_it(
    door: Door, house: House, ann: Person
) -> None:
    (account,) = await connected(door, ann, login="moody", accounts=1)
    held = await secrets_of(house, account["id"])
    network = house.services.networks[NETWORK]
    client = {"client_id": network.client_id, "client_secret": network.client_secret}
    await ann.api.http.post(f"{network.base}/revoke", data={"token": held["token"], **client})
    post = await ann.post(account["id"])
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()

    path = f"/brands/{ann.brand}/social-accounts"
    (broken,) = (await ann.rest("GET", path)).json()["data"]
    assert broken["status"] == "needs_reauth"
    offer = (await door.call(ann, "reconnect", id=account["id"])).ok
    connection = await allowed(door, ann, offer, login="moody", accounts=2)
    assert [c["id"] for c in connection["choices"]] == ["moody"]
    (mended,) = (await choose(door, ann, connection, "moody")).ok["accounts"]
    assert (mended["id"], mended["status"]) == (account["id"], "active")


async def test_a_reconnect_takes_no_other_account(door: Door, house: House, ann: Person) -> None:
    (account,) = await connected(door, ann, login="first", accounts=1)
    before = await secrets_of(house, account["id"])
    offer = (await door.call(ann, "reconnect", id=account["id"])).ok

    given = {"login": "second", "accounts": 2}
    page = await ann.api.http.get(await consent(ann.api.http, offer["authorizationUrl"], **given))
    connection = (await door.call(ann, "connection", id=offer["connectionId"])).ok

    # Whoever signs in there need not be one of ours: the page names his accounts alone.
    assert "second, second-2 and not for the account to reconnect" in page.text
    assert "first" not in page.text
    assert connection["status"] == "failed"
    assert connection["error"] == f"{TITLE} answered for second, second-2 and not for first"
    assert await secrets_of(house, account["id"]) == before
    unchanged = await house.digest()
    assert (await choose(door, ann, connection, "second")).code == "CONFLICT"
    assert await house.digest() == unchanged


async def test_an_account_without_a_new_refresh_token_keeps_the_old(
    door: Door, house: House, ann: Person
) -> None:
    (account,) = await connected(door, ann, login="keeper", accounts=1)
    before = await secrets_of(house, account["id"])

    await connected(door, ann, login="keeper", accounts=1, mode="ending")

    after = await secrets_of(house, account["id"])
    assert after["token"] != before["token"]
    assert after["refreshToken"] == before["refreshToken"]


@pytest.mark.parametrize(
    ("filled", "why"),
    [
        ({"decision": "deny"}, "It was not allowed on {}"),
        ({"answer": "fails"}, "{} cannot be reached: no token in the answer 503 {busy}"),
        ({"answer": "cut"}, "{} refused the connection: scope lacks publish: {all}"),
        ({"answer": "empty"}, "{} names no account that could be connected"),
    ],
)
async def test_what_fails_says_why(
    door: Door, house: House, ann: Person, filled: dict, why: str
) -> None:
    words = {"busy": "temporarily_unavailable; start again", "all": "allow all that is asked for"}
    why = why.format(TITLE, **words)
    offer = await offered(door, ann)
    page = await ann.api.http.get(await consent(ann.api.http, offer["authorizationUrl"], **filled))
    connection = (await door.call(ann, "connection", id=offer["connectionId"])).ok

    assert (page.status_code, why in page.text) == (400, True)
    assert (connection["status"], connection["error"]) == ("failed", why)
    assert connection.get("choices") is None
    kept = await house.owner.fetchrow(
        "SELECT verifier, found FROM connections WHERE id = $1", offer["connectionId"]
    )
    assert tuple(kept) == (None, None)
    event = await house.owner.fetchrow(
        "SELECT * FROM audit_events WHERE resource_id = $1 AND action = $2",
        offer["connectionId"], "social_connection.failed",
    )  # fmt: skip
    assert (str(event.user_id), event.actor_type) == (ann.id, "system")
    assert event.metadata == {"network": NETWORK, "reason": why}


@pytest.fixture
def slow(house: House) -> Iterator[Callable[[float], None]]:
    """Slows the network's server down, until the test is over."""
    (server,) = [each.app for each in house.app.routes if each.path == f"/networks/{NETWORK}"]
    usual = server.state.slow_seconds

    def be(seconds: float) -> None:
        server.state.slow_seconds = seconds

    yield be
    be(usual)


async def test_a_network_that_takes_its_time_is_waited_for(
    door: Door, slow: Callable[[float], None], ann: Person
) -> None:
    slow(0.2)
    connection = await allowed(door, ann, login="snail", answer="slow")

    assert connection["status"] == "choose_account"


@pytest.mark.parametrize(
    "why", ["state", "malformed", "issuer", "none", "twice", "network", "code"]
)
async def test_an_answer_that_nobody_waits_for_changes_nothing(
    door: Door, house: House, ann: Person, eve: Person, why: str
) -> None:
    offer, other = await offered(door, ann), await offered(door, eve)
    good = await consent(ann.api.http, offer["authorizationUrl"])
    theirs = await consent(ann.api.http, other["authorizationUrl"])
    bad = {
        "state": changed(good, state="x" * 43),
        "malformed": changed(good, state=query_of(good)["state"][:-1] + "%"),
        "issuer": changed(good, iss="http://127.0.0.1:9"),
        "none": changed(good, state=None),
        "twice": f"{good}&code={query_of(theirs)['code']}",
        "network": good.replace(f"callback/{NETWORK}", "callback/facebook"),
        "code": changed(good, code=None),
    }[why]
    before = await house.digest()

    answer = await ann.api.http.get(bad)

    assert (answer.status_code, "Nothing was connected" in answer.text) == (400, True)
    assert await house.digest() == before
    await ann.api.http.get(good)
    found = (await door.call(ann, "connection", id=offer["connectionId"])).ok
    assert found["status"] == "choose_account"


async def test_a_code_is_of_use_only_with_its_own_state(
    door: Door, house: House, ann: Person, eve: Person
) -> None:
    mine, theirs = await offered(door, ann), await offered(door, eve)
    stolen = query_of(await consent(ann.api.http, mine["authorizationUrl"]))["code"]
    back = await consent(ann.api.http, theirs["authorizationUrl"])

    await ann.api.http.get(changed(back, code=stolen))

    found = (await door.call(eve, "connection", id=theirs["connectionId"])).ok
    assert found["status"] == "failed"
    assert found["error"].endswith("grant is used up, ended, or not for this installation")


async def test_a_state_counts_once(door: Door, house: House, ann: Person) -> None:
    offer = await offered(door, ann)
    back = await consent(ann.api.http, offer["authorizationUrl"])
    await ann.api.http.get(back)
    before = await house.digest()

    again = await ann.api.http.get(back)
    other = await ann.api.http.get(await consent(ann.api.http, offer["authorizationUrl"]))

    assert (again.status_code, other.status_code) == (400, 400)
    assert await house.digest() == before


async def test_an_answer_that_comes_twice_at_once_counts_once(
    door: Door, house: House, ann: Person
) -> None:
    offer = await offered(door, ann)
    back = await consent(ann.api.http, offer["authorizationUrl"])

    answers = await asyncio.gather(*(ann.api.http.get(back) for _ in range(4)))

    assert sorted(a.status_code for a in answers) == [200, 400, 400, 400]
    found = (await door.call(ann, "connection", id=offer["connectionId"])).ok
    assert found["status"] == "choose_account"
    answers = await asyncio.gather(*(choose(door, ann, found, "baker") for _ in range(4)))
    assert sorted(str(a.code) for a in answers) == ["CONFLICT", "CONFLICT", "CONFLICT", "None"]
    assert await house.value("SELECT count(*) FROM accounts WHERE brand_id = $1", ann.brand) == 1


async def test_a_preview_does_not_use_the_state_up(house: House, door: Door, ann: Person) -> None:
    offer = await offered(door, ann)
    back = await consent(ann.api.http, offer["authorizationUrl"])
    before = await house.digest()

    assert (await ann.api.http.head(back)).status_code == 405
    assert (await ann.api.http.post(back)).status_code == 405
    assert await house.digest() == before
    assert (await ann.api.http.get(back)).status_code == 200


async def test_a_state_ends_after_ten_minutes(door: Door, moved: House, ann: Person) -> None:
    offer = await offered(door, ann)
    back = await consent(ann.api.http, offer["authorizationUrl"])
    await moved.shift(timedelta(minutes=11))
    before = await moved.digest()

    answer = await ann.api.http.get(back)
    late = (await door.call(ann, "connection", id=offer["connectionId"])).ok

    assert answer.status_code == 400
    assert (late["status"], late["error"]) == ("failed", "This connection has ended; start again")
    assert await moved.digest() == before


async def test_a_choice_ends_with_its_connection_and_is_forgotten(
    door: Door, moved: House, ann: Person
) -> None:
    connection = await allowed(door, ann)
    await moved.shift(timedelta(minutes=11))
    before = await moved.digest()

    late = await choose(door, ann, connection, "baker")
    told = (await door.call(ann, "connection", id=connection["id"])).ok

    assert late.code == "CONFLICT"
    assert (told["status"], told.get("choices")) == ("failed", None)
    assert await moved.digest() == before
    await moved.owner.execute("SELECT connections_forget()")
    held = "SELECT found FROM connections WHERE id = $1"
    assert await moved.value(held, connection["id"]) is None
    await moved.shift(timedelta(days=8))
    await moved.owner.execute("SELECT connections_forget()")
    assert await moved.value("SELECT id FROM connections WHERE id = $1", connection["id"]) is None


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"accountIds": ["stranger"]}, {"accountIds.0"}),
        ({"accountIds": ["baker", "a", "b"]}, {"accountIds.1", "accountIds.2"}),
        ({"accountIds": []}, {"accountIds"}),
        ({"accountIds": None}, {"accountIds"}),
        ({}, {"accountIds"}),
        ({"accountIds": ["x"] * 51}, {"accountIds"}),
        ({"credentials": {"handle": "baker", "mode": "ok"}}, {"credentials"}),
    ],
)
async def test_a_bad_choice_is_named_and_may_be_mended(
    door: Door, house: House, ann: Person, given: dict, paths: set[str]
) -> None:
    connection = await allowed(door, ann)
    before = await house.digest()

    answer = await door.call(ann, "complete", id=connection["id"], **given)

    assert (answer.code, answer.paths) == ("VALIDATION_ERROR", paths)
    assert await house.digest() == before
    assert (await choose(door, ann, connection, "baker", "baker")).ok["status"] == "connected"
    assert (await choose(door, ann, connection, "baker")).code == "CONFLICT"


async def test_nothing_is_chosen_before_the_network_has_answered(
    door: Door, house: House, ann: Person
) -> None:
    offer = await offered(door, ann)
    before = await house.digest()

    answer = await door.call(ann, "complete", id=offer["connectionId"], accountIds=["baker"])

    assert answer.code == "CONFLICT"
    assert await house.digest() == before


async def test_only_who_has_begun_sees_and_chooses(
    door: Door, house: House, api: Api, ann: Person, eve: Person
) -> None:
    connection = await allowed(door, ann)
    admin = await api.colleague(ann, "Admin")
    before = await house.digest()

    assert (await choose(door, admin, connection, "baker")).code == "FORBIDDEN"
    assert (await choose(door, eve, connection, "baker")).code == "NOT_FOUND"
    seen = (await door.call(admin, "connection", id=connection["id"])).ok
    assert (seen["status"], seen.get("choices")) == ("choose_account", None)
    assert await house.digest() == before


async def test_who_has_left_connects_nothing(
    door: Door, house: House, api: Api, ann: Person
) -> None:
    admin = await api.colleague(ann, "Admin")
    offer = await offered(door, admin)
    back = await consent(api.http, offer["authorizationUrl"])
    await house.owner.execute("DELETE FROM members WHERE user_id = $1", admin.id)
    before = await house.digest()

    assert (await api.http.get(back)).status_code == 400
    assert await house.digest() == before


async def test_another_brands_account_is_not_taken(door: Door, house: House, ann: Person) -> None:
    other = (await door.call(ann, "create_brand", workspaceId=ann.workspace, name="Other")).ok["id"]
    await connected(door, ann, "baker")
    connection = await allowed(door, ann, await offered(door, ann, other))
    before = await house.digest()

    answer = await choose(door, ann, connection, "baker-2", "baker")

    assert (answer.code, answer.paths) == ("VALIDATION_ERROR", {"accountIds.1"})
    assert await house.digest() == before


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure("debug", stream=stream)
    yield stream
    logs.configure("critical")


async def test_a_verifier_is_kept_encrypted_and_wiped(
    door: Door, house: House, ann: Person
) -> None:
    offer = await offered(door, ann)
    kept = await house.owner.fetchrow(
        "SELECT * FROM connections WHERE id = $1", offer["connectionId"]
    )

    verifier = open_verifier(house.keys, kept)
    assert len(verifier) == 64
    assert verifier.encode() not in kept.verifier
    assert query_of(offer["authorizationUrl"])["code_challenge"] == challenge_of(verifier)
    await allowed(door, ann, offer)
    left = "SELECT verifier FROM connections WHERE id = $1"
    assert await house.value(left, offer["connectionId"]) is None


async def test_a_brand_that_is_gone_takes_no_answer(door: Door, house: House, ann: Person) -> None:
    offer = await offered(door, ann)
    back = await consent(ann.api.http, offer["authorizationUrl"])
    await door.call(ann, "delete_brand", id=ann.brand)
    before = await house.digest()

    assert (await ann.api.http.get(back)).status_code == 400
    assert await house.digest() == before


async def test_a_secret_is_seen_nowhere(
    written: io.StringIO, door: Door, house: House, api: Api, ann: Person
) -> None:
    answers: list[str] = []

    async def keep(response: httpx2.Response) -> None:
        if response.request.url.path.startswith(("/api/", "/graphql")):
            answers.append(str(response.headers) + (await response.aread()).decode())

    offer = await offered(door, ann)
    back = await consent(api.http, offer["authorizationUrl"], login="secretive", accounts=1)
    failing = await offered(door, ann)
    lost = await consent(api.http, failing["authorizationUrl"], answer="fails")
    api.http.event_hooks["response"] = [keep]
    for address in (back, lost, back):
        await api.http.get(address)
    connection = (await door.call(ann, "connection", id=offer["connectionId"])).ok
    (account,) = (await choose(door, ann, connection, "secretive")).ok["accounts"]
    await door.call(ann, "connection", id=failing["connectionId"])
    await house.tell()

    held = await secrets_of(house, account["id"])
    hidden = [query_of(back)["code"], query_of(lost)["code"], held["token"], held["refreshToken"]]
    hidden += [offer["state"], failing["state"], house.services.networks[NETWORK].client_secret]
    tables = await house.owner.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    assert len(answers) >= 5
    assert '"connection_answered"' in written.getvalue()
    for secret in hidden:
        assert secret not in written.getvalue()
        assert secret not in "".join(answers)
        for table in tables:
            sql = f"SELECT count(*) FROM {table.relname} t WHERE t::text LIKE ANY ($1)"
            found = await house.value(sql, [f"%{secret}%", f"%{secret.encode().hex()}%"])
            assert found == 0, (table.relname, json.dumps(hidden.index(secret)))


async def test_the_page_loads_nothing_and_tells_no_other_server(ann: Person, door: Door) -> None:
    offer = await offered(door, ann)
    page = await ann.api.http.get(await consent(ann.api.http, offer["authorizationUrl"]))

    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "http" not in page.text


async def test_people_go_on_to_the_one_address_that_is_set(house: House, ann: Person) -> None:
    offers = [
        (
            await ann.rest("POST", f"/brands/{ann.brand}/social-accounts", {"network": NETWORK})
        ).json()
        for _ in range(2)
    ]

    async def make(_: Request) -> Context:
        meter = Meter(house.services.limiter, of_address("127.0.0.1"))
        return Context(house.services, Caller("req_onward"), None, meter)

    app = Starlette(routes=[callback.route(make, "https://app.example.com/done?tab=accounts#top")])
    transport = httpx2.ASGITransport(app)
    sent = []
    async with httpx2.AsyncClient(transport=transport) as http:
        for offer, decision in zip(offers, ("allow", "deny"), strict=True):
            back = await consent(ann.api.http, offer["authorizationUrl"], decision=decision)
            for address in (back, f"{back}&next=https://evil.example"):
                # A test that migrates leaves its closed connection behind in our context.
                asked = asyncio.create_task(http.get(address), context=contextvars.Context())
                sent.append(await asked)

    first, again, denied, _ = (each.headers["location"] for each in sent)
    assert {each.status_code for each in sent} == {303}
    home, done = "https://app.example.com/done?tab=accounts", offers[0]["connectionId"]
    assert first == f"{home}&connectionId={done}&status=choose_account#top"
    assert again == f"{home}&status=refused#top"
    assert denied == f"{home}&connectionId={offers[1]['connectionId']}&status=failed#top"


async def test_a_network_that_is_not_set_up_names_what_it_lacks(
    door: Door, house: House, ann: Person
) -> None:
    before = await house.digest()

    answer = await door.call(ann, "connect", brandId=ann.brand, network="facebook")

    lacking = "MYPOST_FACEBOOK_CLIENT_ID and MYPOST_FACEBOOK_CLIENT_SECRET"
    assert answer.code == "CONFLICT"
    assert answer.details == (("network", f"Facebook is not set up here; set {lacking}"),)
    assert await house.digest() == before
    path = "/api/v1/oauth/callback/facebook?code=c&state=" + "x" * 43
    assert (await ann.api.http.get(path)).status_code == 400
    assert await house.digest() == before


async def test_who_waits_too_long_is_told(
    door: Door, slow: Callable[[float], None], ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redeeming, "PATIENCE", 0.05)
    slow(0.5)

    connection = await allowed(door, ann, answer="slow")

    assert connection["error"] == f"{TITLE} takes too long; start again"


async def test_a_fault_of_ours_ends_the_connection_and_tells_nothing(
    door: Door, house: House, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object, code: str, *_given: str) -> None:
        raise RuntimeError(f"canary {code}")

    monkeypatch.setattr(SandboxOAuth, "exchange", broken)
    offer = await offered(door, ann)
    answer = await ann.api.http.get(await consent(ann.api.http, offer["authorizationUrl"]))

    assert answer.status_code == 500
    assert "canary" not in answer.text
    connection = (await door.call(ann, "connection", id=offer["connectionId"])).ok
    assert connection["status"] == "failed"
    assert connection["error"] == f"{TITLE} was not understood; start again"


@pytest.mark.parametrize("address", ["app.example.com", "javascript:alert(1)", "https://", ""])
def test_an_address_to_go_on_to_is_a_web_address(address: str) -> None:
    with pytest.raises(BadSettings, match="MYPOST_CONNECTED_URL must start with http"):
        settings.read({"MYPOST_CONNECTED_URL": address})


AGAIN = (
    "mutation($i: ConnectSocialAccountInput!) { connectSocialAccount(input: $i)"
    " { connection { connectionId state authorizationUrl } userErrors { code } } }"
)


async def asked_again(ann: Person, by: str) -> list[dict]:
    """What an offer is answered, twice, with one key."""
    if by == "graphql":
        given = {"brandId": ann.brand, "network": NETWORK.upper(), "idempotencyKey": "once"}
        told = [(await ann.gql(AGAIN, i=given))["data"] for _ in range(2)]
        return [each["connectSocialAccount"]["connection"] for each in told]
    path, key = f"/brands/{ann.brand}/social-accounts", {"idempotency-key": "once"}
    sent = [await ann.rest("POST", path, {"network": NETWORK}, headers=key) for _ in range(2)]
    assert [each.status_code for each in sent] == [201, 201]
    assert sent[1].headers["idempotency-replayed"] == "true"
    assert sent[1].headers["location"] == sent[0].headers["location"]
    return [each.json() for each in sent]


@pytest.mark.parametrize("by", ["graphql", "rest"])
async def test_an_offer_that_is_asked_for_again_has_a_new_state(
    house: House, ann: Person, by: str
) -> None:
    first, again = await asked_again(ann, by)
    old, new = [await consent(ann.api.http, each["authorizationUrl"]) for each in (first, again)]

    assert again["connectionId"] == first["connectionId"]
    assert again["state"] != first["state"]
    kept = await house.owner.fetch("SELECT k::text FROM idempotency_keys k")
    for state in (first["state"], again["state"]):
        assert not [each for (each,) in kept if state in each or state.encode().hex() in each]
    before = await house.digest()
    assert (await ann.api.http.get(old)).status_code == 400
    assert await house.digest() == before
    assert (await ann.api.http.get(new)).status_code == 200
