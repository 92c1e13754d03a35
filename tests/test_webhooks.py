"""Webhooks by both doors: made, changed, rotated, tried, sent again; whose they are."""

import base64
from datetime import timedelta
from typing import Any

import orjson
import pytest

from mypost import clock
from mypost.events import WebhookEvent
from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Door

URL = "https://your-server.com/webhook"
PLAIN = "your-signing-secret"
SPELLED = "whsec_" + base64.b64encode(PLAIN.encode()).decode()


async def made(door: Door, who: Person, **given: Any) -> dict[str, Any]:
    asked = {"url": URL, "events": ["post.published", "post.failed"], "secret": PLAIN, **given}
    return (await door.call(who, "create_webhook", **asked)).ok


async def test_it_is_made_as_the_reference_shows(house: House, door: Door, ann: Person) -> None:
    webhook = await made(door, ann)

    assert webhook["url"] == URL
    assert webhook["events"] == ["post.failed", "post.published"]
    assert webhook["active"] is True
    assert webhook["workspaceId"] == ann.workspace
    assert webhook["secret"] == SPELLED
    shown = (await door.call(ann, "webhook", id=webhook["id"])).ok
    assert shown.get("secret") is None
    assert {k: v for k, v in shown.items() if k != "secret"} == {
        k: v for k, v in webhook.items() if k != "secret"
    }
    actions = await house.owner.fetch(
        "SELECT action FROM audit_events WHERE resource_id = $1", webhook["id"]
    )
    assert [row["action"] for row in actions] == ["webhook.created"]


async def test_its_secret_is_nowhere_to_be_read(house: House, door: Door, ann: Person) -> None:
    webhook = await made(door, ann, secret="a secret that is not anywhere else")

    stored = await house.value(
        "SELECT string_agg(s::text, '') FROM (SELECT * FROM webhook_secrets UNION ALL"
        " SELECT id, workspace_id, webhook_id, convert_to(w::text, 'UTF8'), created_at, NULL"
        " FROM (SELECT id, workspace_id, id AS webhook_id, created_at, url FROM webhooks) w) s"
    )
    for spelling in (b"not anywhere else", webhook["secret"].encode()):
        assert spelling.hex() not in stored
        assert spelling.decode() not in stored
    heard = await house.value("SELECT coalesce(string_agg(a::text, ''), '') FROM audit_events a")
    assert "not anywhere else" not in heard


async def test_a_secret_is_made_when_none_is_given(door: Door, ann: Person) -> None:
    first, second = [await made(door, ann, secret=None) for _ in range(2)]

    keys = [base64.b64decode(w["secret"].removeprefix("whsec_")) for w in (first, second)]
    assert [len(key) for key in keys] == [32, 32]
    assert keys[0] != keys[1]


async def test_a_secret_of_the_standard_is_taken_as_it_is(door: Door, ann: Person) -> None:
    given = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

    assert (await made(door, ann, secret=given))["secret"] == given


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "http://your-server.com/webhook"),
        ("url", "https://127.0.0.1/webhook"),
        ("url", "https://[::ffff:169.254.169.254]/"),
        ("url", "https://user:secret@your-server.com/"),
        ("url", "https://your-server.com:22/"),
        ("events", []),
        ("secret", "too short"),
        ("secret", "x" * 65),
        ("secret", "whsec_no base64 at all, is it"),
    ],
)
async def test_what_cannot_be_is_refused(
    house: House, door: Door, ann: Person, field: str, value: Any
) -> None:
    webhook = await made(door, ann)
    before = await house.digest()
    good = {"url": URL, "events": ["post.failed"], field: value}

    refused = await door.call(ann, "create_webhook", **good)
    assert (refused.code, refused.paths) == ("VALIDATION_ERROR", {field})
    changing = "rotate_webhook_secret" if field == "secret" else "update_webhook"
    refused = await door.call(ann, changing, id=webhook["id"], **{field: value})
    assert (refused.code, refused.paths) == ("VALIDATION_ERROR", {field})
    assert await house.digest() == before


async def test_the_workspace_is_named_unless_it_is_the_only_one(
    house: House, api: Api, door: Door, ann: Person
) -> None:
    bob = await api.colleague(ann, "Owner")
    assert (await made(door, bob))["workspaceId"] == ann.workspace
    other = (await door.call(bob, "create_workspace", name="Second")).ok["id"]
    before = await house.digest()

    refused = await door.call(bob, "create_webhook", url=URL, events=["post.failed"])
    assert (refused.code, refused.paths) == ("VALIDATION_ERROR", {"workspaceId"})
    assert await house.digest() == before
    assert (await made(door, bob, workspaceId=other))["workspaceId"] == other
    listed = await bob.rest("GET", "/webhooks")
    assert listed.json()["error"]["details"][0]["path"] == "workspaceId"
    listed = await bob.rest("GET", f"/webhooks?workspaceId={other}")
    assert [w["workspaceId"] for w in listed.json()["data"]] == [other]


async def test_it_is_changed_and_deleted(house: House, door: Door, ann: Person) -> None:
    id = (await made(door, ann))["id"]

    changed = (
        await door.call(
            ann, "update_webhook", id=id, url=URL + "/2", events=["account.connected"],
            active=False, expectedVersion=1,
        )
    ).ok  # fmt: skip
    assert (changed["url"], changed["events"], changed["active"], changed["version"]) == (
        URL + "/2", ["account.connected"], False, 2,
    )  # fmt: skip
    stale = await door.call(ann, "update_webhook", id=id, active=True, expectedVersion=1)
    assert stale.code == "PRECONDITION_FAILED"
    assert (await door.call(ann, "delete_webhook", id=id)).ok == id
    assert (await door.call(ann, "webhook", id=id)).body is None
    assert await house.value("SELECT count(*) FROM webhook_secrets WHERE webhook_id = $1", id) == 0


async def test_a_workspace_has_twenty_at_most(house: House, door: Door, ann: Person) -> None:
    await made(door, ann)
    await house.owner.execute(
        "INSERT INTO webhooks (id, workspace_id, url, events, created_by) SELECT mypost_id(15),"
        " workspace_id, url, events, created_by FROM webhooks, generate_series(1, 19)"
        " WHERE workspace_id = $1",
        ann.workspace,
    )
    before = await house.digest()

    refused = await door.call(ann, "create_webhook", url=URL, events=["post.failed"])
    assert refused.code == "VALIDATION_ERROR"
    assert await house.digest() == before


async def test_only_who_has_the_settings_sees_any(
    house: House, api: Api, door: Door, ann: Person, eve: Person
) -> None:
    webhook = await made(door, ann)
    tried = (await door.call(ann, "test_webhook", id=webhook["id"])).ok
    editor = await api.colleague(ann, "Editor")
    before = await house.digest()

    for id in (webhook["id"], tried["id"]):
        asked = "query($id: ID!) { node(id: $id) { id } }"
        assert (await ann.gql(asked, id=id))["data"]["node"] == {"id": id}
        assert (await editor.gql(asked, id=id))["data"]["node"] is None
        assert (await eve.gql(asked, id=id))["data"]["node"] is None
    for who, code in ((editor, "FORBIDDEN"), (eve, "NOT_FOUND")):
        for operation in ("webhook", "test_webhook", "rotate_webhook_secret", "delete_webhook"):
            assert (await door.call(who, operation, id=webhook["id"])).code == code
        assert (await door.call(who, "delivery", id=tried["id"])).code == code
        assert (await door.call(who, "redeliver_delivery", id=tried["id"])).code == code
    assert await house.digest() == before


async def test_a_rotation_keeps_three_secrets_at_most(
    moved: House, door: Door, ann: Person
) -> None:
    id = (await made(door, ann))["id"]
    live = (
        "SELECT count(*) FROM webhook_secrets WHERE webhook_id = $1"
        " AND (expires_at IS NULL OR expires_at > mypost_now())"
    )

    for wanted in (2, 3, 3):
        rotated = (await door.call(ann, "rotate_webhook_secret", id=id)).ok
        assert rotated["secret"].startswith("whsec_")
        assert await moved.value(live, id) == wanted
    await moved.shift(timedelta(hours=24, minutes=1))
    assert await moved.value(live, id) == 1


async def test_trying_writes_a_delivery(door: Door, ann: Person) -> None:
    id = (await made(door, ann, events=["post.failed"]))["id"]

    tried = (await door.call(ann, "test_webhook", id=id)).ok

    assert (tried["event"], tried["status"], tried["attemptCount"], tried["attempts"]) == (
        "webhook.test", "pending", 0, [],
    )  # fmt: skip
    body = orjson.loads(tried["body"])
    assert list(body) == ["event", "timestamp", "data", "id", "type", "sequence"]
    assert body["id"] == tried["id"]
    assert body["data"] == {"webhookId": id}
    listed = (await ann.rest("GET", f"/webhooks/{id}/deliveries?status=pending")).json()["data"]
    assert [each["id"] for each in listed] == [tried["id"]]


async def test_a_key_makes_one_webhook_and_tells_its_secret_once(ann: Person) -> None:
    given = {"url": URL, "events": ["post.failed"]}
    headers = {"idempotency-key": "once"}
    first = await ann.rest("POST", "/webhooks", given, headers=headers)
    again = await ann.rest("POST", "/webhooks", given, headers=headers)

    assert again.headers["idempotency-replayed"] == "true"
    assert first.json()["secret"] is not None
    assert again.json() == {**first.json(), "secret": None}


async def test_what_is_sent_again_lies_within_two_weeks(
    house: House, door: Door, ann: Person
) -> None:
    id = (await made(door, ann))["id"]
    before, now = await house.digest(), clock.now()
    ages = {"from": 15, "to": 16}

    wrong = {name: (now - timedelta(days=age)).isoformat() for name, age in ages.items()}
    refused = await door.call(ann, "redeliver_webhook", id=id, **wrong)
    assert (refused.code, refused.paths) == ("VALIDATION_ERROR", {"from", "to"})
    assert await house.digest() == before


async def test_one_that_is_off_is_sent_nothing_again(house: House, door: Door, ann: Person) -> None:
    id = (await made(door, ann))["id"]
    await door.call(ann, "update_webhook", id=id, active=False)
    before, now = await house.digest(), clock.now()

    days = {"from": now - timedelta(days=1), "to": now}
    given = {name: at.isoformat() for name, at in days.items()}
    refused = await door.call(ann, "redeliver_webhook", id=id, **given)
    assert refused.code == "CONFLICT"
    assert await house.digest() == before


async def test_the_database_knows_the_same_events(house: House) -> None:
    for event in WebhookEvent:
        assert await house.value("SELECT webhook_events($1)", event) == [event]
    assert await house.value("SELECT webhook_events('target.published')") == []
