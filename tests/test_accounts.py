"""Social accounts: connected, let go, renewed; their tokens stay where they are."""

import asyncio
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from mypost import logs
from mypost.models.accounts import GRANT_COLUMN
from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Answer, Door

ACCOUNT = {
    "id", "brandId", "network", "name", "handle", "externalId", "profileImageUrl", "status",
    "scopes", "tokenExpiresAt", "lastError", "limits", "hold",
    "budget", "createdAt", "updatedAt",
}  # fmt: skip
NEW_YEAR = "2031-01-01T00:00:00Z"
GOOD = {"handle": "corner-bakery", "mode": "ok"}


async def offered(door: Door, who: Person, brand: str | None = None) -> str:
    answer = await door.call(who, "connect", brandId=brand or who.brand, network="sandbox")
    return answer.ok["connectionId"]


async def connect(door: Door, who: Person, handle: str, brand: str | None = None) -> Answer:
    id = await offered(door, who, brand)
    return await door.call(who, "complete", id=id, credentials={"handle": handle, "mode": "ok"})


async def row(house: House, account: str):
    return await house.owner.fetchrow("SELECT * FROM accounts WHERE id = $1", account)


async def token_of(house: House, account: str) -> str:
    """The token the network gave, which nobody but the dispatcher should see."""
    found = await row(house, account)
    plain = house.keys.decrypt(
        found.grant_cipher, UUID(str(found.workspace_id)), UUID(account), GRANT_COLUMN
    )
    return json.loads(plain)["secrets"]["token"]


async def test_connecting_asks_for_what_the_network_needs(door: Door, ann: Person) -> None:
    offer = (await door.call(ann, "connect", brandId=ann.brand, network="sandbox")).ok

    assert offer["kind"] == "credentials"
    assert offer.get("authorizationUrl") is None
    assert [(f["name"], f["secret"]) for f in offer["fields"]] == [
        ("handle", False), ("mode", False),
    ]  # fmt: skip
    assert offer["fields"][1]["choices"][:6] == [
        "ok", "slow", "rate_limited", "rejected", "lost", "expired",
    ]  # fmt: skip
    assert len(offer["state"]) >= 43
    begun = (await door.call(ann, "connection", id=offer["connectionId"])).ok
    assert (begun["status"], begun["accounts"], begun["error"]) == ("pending", [], None)
    assert begun["expiresAt"] == offer["expiresAt"]


async def test_an_offer_says_where_it_stands(ann: Person) -> None:
    path = f"/brands/{ann.brand}/social-accounts"
    answer = await ann.rest("POST", path, {"network": "sandbox"})

    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/social-connections/{body['connectionId']}"
    assert body.keys() == {"connectionId", "kind", "fields", "state", "expiresAt"}


async def test_right_credentials_connect_an_account(door: Door, ann: Person) -> None:
    id = await offered(door, ann)

    done = (await door.call(ann, "complete", id=id, credentials=GOOD)).ok

    (account,) = done["accounts"]
    assert (done["id"], done["status"], done["error"]) == (id, "connected", None)
    assert account.keys() == ACCOUNT
    assert (account["network"], account["status"], account["brandId"]) == (
        "sandbox", "active", ann.brand,
    )  # fmt: skip
    assert (account["name"], account["handle"], account["externalId"]) == (
        "Corner-Bakery", "corner-bakery", "corner-bakery",
    )  # fmt: skip
    assert account["limits"]["text"][0] == {"unit": "graphemes", "max": 500}
    assert (await door.call(ann, "connection", id=id)).ok == done


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"handle": "Not A Handle", "mode": "ok"}, {"credentials.handle"}),
        ({"handle": "fine", "mode": "other"}, {"credentials.mode"}),
        ({"handle": "Not A Handle", "mode": "other"}, {"credentials.handle", "credentials.mode"}),
        ({"handle": "fine"}, {"credentials.mode"}),
        ({}, {"credentials.handle", "credentials.mode"}),
        ({"handle": 7, "mode": ["ok"]}, {"credentials.handle", "credentials.mode"}),
        ({**GOOD, "password": "x"}, {"credentials.password"}),
        ({**GOOD, "age": 7, "more": {}}, {"credentials.age", "credentials.more"}),
        ("corner-bakery", {"credentials"}),
        ([GOOD], {"credentials"}),
        (None, {"credentials"}),
    ],
)
async def test_every_faulty_credential_is_named(
    door: Door, house: House, ann: Person, given: object, paths: set[str]
) -> None:
    id = await offered(door, ann)
    before = await house.digest()

    answer = await door.call(ann, "complete", id=id, credentials=given)

    assert answer.code == "VALIDATION_ERROR"
    assert answer.paths == paths
    assert await house.digest() == before
    assert (await door.call(ann, "complete", id=id, credentials=GOOD)).ok["status"] == "connected"


async def test_a_connection_counts_once(door: Door, house: House, ann: Person) -> None:
    id = await offered(door, ann)
    await door.call(ann, "complete", id=id, credentials=GOOD)
    before = await house.digest()

    again = await door.call(ann, "complete", id=id, credentials=GOOD)

    assert again.code == "CONFLICT"
    assert await house.digest() == before


async def test_a_connection_ends_after_ten_minutes(door: Door, moved: House, ann: Person) -> None:
    id = await offered(door, ann)
    await moved.shift(timedelta(minutes=11))
    before = await moved.digest()

    late = await door.call(ann, "complete", id=id, credentials=GOOD)

    assert late.code == "CONFLICT"
    assert await moved.digest() == before


async def test_one_account_connected_twice_at_once_is_one_row(
    door: Door, house: House, ann: Person
) -> None:
    answers = await asyncio.gather(*(connect(door, ann, "twin") for _ in range(4)))

    assert {a.code for a in answers} <= {None, "CONFLICT"}
    assert {a.body["accounts"][0]["handle"] for a in answers if a.code is None} == {"twin"}
    sql = "SELECT count(*) FROM accounts WHERE workspace_id = $1"
    assert await house.value(sql, ann.workspace) == 1


async def test_connecting_again_renews_the_same_account(
    door: Door, house: House, ann: Person
) -> None:
    first = (await connect(door, ann, "corner-bakery")).ok["accounts"][0]["id"]
    token = await token_of(house, first)

    again = (await connect(door, ann, "corner-bakery")).ok["accounts"][0]["id"]

    assert again == first
    assert await token_of(house, first) != token


async def test_a_network_that_does_not_exist_is_named(house: House, ann: Person) -> None:
    before = await house.digest()
    path = f"/brands/{ann.brand}/social-accounts"

    for network in ("myspace", "SANDBOX", "", 7, None):
        answer = await ann.rest("POST", path, {"network": network})
        assert answer.status_code == 400
        assert [d["path"] for d in answer.json()["error"]["details"]] == ["network"]
    said = await ann.gql(
        "mutation($i: ConnectSocialAccountInput!)"
        " { connectSocialAccount(input: $i) { userErrors { code } } }",
        i={"brandId": ann.brand, "network": "MYSPACE"},
    )

    assert said["errors"][0]["extensions"]["code"] == "VALIDATION_ERROR"
    assert await house.digest() == before


async def test_an_account_belongs_to_one_brand_of_a_workspace(
    door: Door, house: House, ann: Person, eve: Person
) -> None:
    other = (await door.call(ann, "create_brand", workspaceId=ann.workspace, name="Other")).ok["id"]
    mine = (await connect(door, ann, "corner-bakery")).ok["accounts"][0]["id"]

    id = await offered(door, ann, other)
    before = await house.digest()
    refused = await door.call(ann, "complete", id=id, credentials=GOOD)
    assert (refused.code, refused.paths) == ("VALIDATION_ERROR", {"credentials"})
    assert await house.digest() == before

    theirs = (await connect(door, eve, "corner-bakery")).ok["accounts"][0]["id"]
    assert theirs != mine


async def test_accounts_are_listed_page_by_page_newest_first(ann: Person, eve: Person) -> None:
    path = f"/brands/{ann.brand}/social-accounts"
    ids: list[str] = []
    for _ in range(3):
        ids.insert(0, await ann.account())

    one = (await ann.rest("GET", f"{path}?limit=2")).json()
    two = (await ann.rest("GET", f"{path}?limit=2&cursor={one['page']['nextCursor']}")).json()

    assert [a["id"] for a in one["data"]] == ids[:2]
    assert one["data"][0].keys() == ACCOUNT
    assert one["page"].items() >= {"hasMore": True, "limit": 2}.items()
    assert [a["id"] for a in two["data"]] == ids[2:]
    assert two["page"] == {"nextCursor": None, "hasMore": False, "limit": 2}
    assert (await eve.rest("GET", path)).status_code == 404


async def test_letting_an_account_go_wipes_its_tokens_and_twice_is_as_good_as_once(
    door: Door, house: House, ann: Person
) -> None:
    account = await ann.account()
    assert (await row(house, account)).grant_cipher

    for _ in range(2):
        assert (await door.call(ann, "disconnect", id=account)).code is None

    found = await row(house, account)
    assert (found.status, found.grant_cipher, found.token_expires_at) == (
        "disconnected", None, None,
    )  # fmt: skip
    answer = await ann.rest("DELETE", f"/social-accounts/{account}")
    assert (answer.status_code, answer.content) == (204, b"")


async def test_letting_an_account_go_cancels_what_waits_for_it(
    door: Door, house: House, ann: Person
) -> None:
    gone, stays = await ann.account(), await ann.account()
    both = await ann.post(gone, stays, scheduledAt=NEW_YEAR)
    alone = await ann.post(gone, scheduledAt=NEW_YEAR)
    draft = await ann.post(gone)

    await door.call(ann, "disconnect", id=gone)

    posts = [(await door.call(ann, "post", id=p["id"])).ok for p in (both, alone, draft)]
    assert [(p["phase"], p["status"]) for p in posts] == [
        ("scheduled", "scheduled"), ("draft", "draft"), ("draft", "draft"),
    ]  # fmt: skip
    assert [p["scheduledAt"] for p in posts] == [NEW_YEAR, None, None]
    for post in posts:
        (target,) = [t for t in post["targets"] if t["accountId"] == gone]
        assert target["status"] == "cancelled"
        assert target["error"]["message"] == "The account was disconnected"
        assert target["error"]["category"] == "account_issue"
    assert [t["status"] for t in posts[0]["targets"] if t["accountId"] == stays] == ["scheduled"]
    assert await house.value("SELECT next_due_at FROM lanes WHERE account_id = $1", gone) is None


async def test_nothing_is_scheduled_for_an_account_that_is_gone(
    door: Door, house: House, ann: Person
) -> None:
    account = await ann.account()
    await door.call(ann, "disconnect", id=account)
    before = await house.digest()

    answer = await door.call(
        ann,
        "create_post",
        brandId=ann.brand,
        content="Hello",
        targetAccountIds=[account],
        scheduledAt=NEW_YEAR,
    )

    assert answer.paths == {"targetAccountIds.0"}
    assert await house.digest() == before


async def test_reconnecting_revives_the_same_account(door: Door, house: House, ann: Person) -> None:
    account = (await connect(door, ann, "corner-bakery")).ok["accounts"][0]["id"]
    await door.call(ann, "disconnect", id=account)

    offer = (await door.call(ann, "reconnect", id=account)).ok
    done = (await door.call(ann, "complete", id=offer["connectionId"], credentials=GOOD)).ok

    assert [(a["id"], a["status"]) for a in done["accounts"]] == [(account, "active")]
    post = await ann.post(account)
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()
    assert (await door.call(ann, "post", id=post["id"])).ok["phase"] == "published"


async def test_reconnecting_takes_no_other_accounts_credentials(
    door: Door, house: House, ann: Person
) -> None:
    account, _ = await ann.account(handle="first"), await ann.account(handle="second")
    id = (await door.call(ann, "reconnect", id=account)).ok["connectionId"]
    before = await house.digest()

    for handle in ("second", "third"):
        given = {"handle": handle, "mode": "ok"}
        answer = await door.call(ann, "complete", id=id, credentials=given)
        assert (answer.code, answer.paths) == ("VALIDATION_ERROR", {"credentials"})

    assert await house.digest() == before


@pytest.mark.parametrize(
    ("role", "may"), [("Admin", True), ("Manager", True), ("Editor", False), ("Analyst", False)]
)
async def test_a_role_says_who_connects_and_disconnects(
    door: Door, house: House, api: Api, ann: Person, role: str, may: bool
) -> None:
    account = await ann.account(handle="corner-bakery")
    id = await offered(door, ann)
    person = await api.colleague(ann, role)

    for operation, given in (
        ("connect", {"brandId": ann.brand, "network": "sandbox"}),
        ("complete", {"id": id, "credentials": GOOD}),
        ("reconnect", {"id": account}),
        ("disconnect", {"id": account}),
    ):
        before = await house.digest()
        answer = await door.call(person, operation, **given)
        assert answer.code == (None if may else "FORBIDDEN"), operation
        assert (await house.digest() == before) is not may


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure("debug", stream=stream)
    yield stream
    logs.configure("critical")


async def test_a_token_is_seen_nowhere(
    written: io.StringIO, door: Door, house: House, api: Api, ann: Person
) -> None:
    answers: list[str] = []

    async def keep(response) -> None:
        answers.append(str(response.headers) + (await response.aread()).decode())

    api.http.event_hooks["response"] = [keep]
    account = (await connect(door, ann, "corner-bakery")).ok["accounts"][0]["id"]
    token = await token_of(house, account)
    await ann.rest("GET", f"/brands/{ann.brand}/social-accounts")
    post = await ann.post(account)
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()
    await ann.rest("GET", f"/posts/{post['id']}")
    await door.call(ann, "disconnect", id=account)
    await house.tell()

    assert len(answers) >= 7
    assert account in "".join(answers)
    assert token not in "".join(answers)
    assert '"event":"request"' in written.getvalue()
    assert token not in written.getvalue()
    tables = await house.owner.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    for table in tables:
        sql = f"SELECT count(*) FROM {table.relname} t WHERE t::text LIKE ANY ($1)"
        found = await house.value(sql, [f"%{token}%", f"%{token.encode().hex()}%"])
        assert found == 0, table.relname


async def test_a_post_that_waits_for_a_reconnect_can_be_edited(
    house: House, door: Door, ann: Person
) -> None:
    account = await ann.account()
    post = await ann.post(account, scheduledAt="2031-01-01T00:00:00Z")
    broken = "UPDATE accounts SET status = 'needs_reauth' WHERE id = $1"
    await house.owner.execute(broken, account)

    edited = (await door.call(ann, "update_post", id=post["id"], content="Better")).ok
    again = await door.call(ann, "update_post", id=post["id"], targetAccountIds=[account])

    assert (edited["content"], edited["phase"]) == ("Better", "scheduled")
    assert again.paths == {"targetAccountIds.0"}
