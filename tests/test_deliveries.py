"""What webhooks are told: signed, at least once, at their own pace, until nobody is there."""

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from mypost import clock, signatures
from mypost.egress import Egress
from mypost.events import WebhookEvent
from mypost.jobs import deliver, letters, worker
from mypost.jobs.deliver import Deliverer
from mypost.jobs.wake import Wake
from mypost.models import database
from tests.client import Person
from tests.conftest import House
from tests.doors import Door
from tests.jobs.conftest import until
from tests.receiver import Receiver, receiving

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
VECTOR = (
    b'{"event":"post.published","timestamp":"2026-01-01T12:00:00Z","data":{"postId":'
    b'"6f0d7c1e-0000-4000-8000-000000000001","brandId":"6f0d7c1e-0000-4000-8000-0000000000b1",'
    b'"publishedAt":"2026-01-01T12:00:00Z"}}'
)
WAITS = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
QUIET = (
    "UPDATE deliveries SET status = 'failed', due_at = NULL WHERE status = 'pending';"
    "UPDATE webhook_lanes SET next_due_at = NULL"
)


async def nowhere(_host: str, _port: int) -> list[str]:
    raise socket.gaierror


@pytest.fixture
async def deliverer(moved: House) -> AsyncIterator[Deliverer]:
    """A deliverer for this test's webhooks alone; no name leads anywhere."""
    await moved.tell()
    await moved.owner.execute(QUIET)
    pool = await database.pool(str(moved.settings.dispatch_url), "mypost_dispatch")
    out = Egress(dev=True, resolver=nowhere)
    async with pool:
        yield Deliverer(pool, moved.keys, out, Wake(None), poll=0.01)
    await out.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


async def webhook(house: House, ann: Person, url: str, *events: str) -> str:
    """A webhook with the secret of the vector; its address is this machine's."""
    given = {"url": "https://your-server.com/", "events": list(events) or ["post.failed"]}
    made = await ann.rest("POST", "/webhooks", {**given, "secret": SECRET})
    id = str(made.json()["id"])
    await house.owner.execute("UPDATE webhooks SET url = $2 WHERE id = $1", id, url)
    return id


async def happen(house: House, ann: Person, type: str = "post.failed", count: int = 1) -> None:
    """Has something happen so many times, and be numbered."""
    await house.owner.execute(
        "INSERT INTO outbox (workspace_id, type, brand_id, payload) SELECT $1::uuid, $2, $3::uuid,"
        " jsonb_build_object('postId', mypost_id(9), 'brandId', $3::uuid, 'phase', 'failed',"
        " 'scheduledAt', NULL, 'publishedAt', mypost_now()) FROM generate_series(1, $4)",
        ann.workspace, type, ann.brand, count,
    )  # fmt: skip
    await house.tell()


async def row(house: House, webhook: str) -> Any:
    sql = "SELECT * FROM deliveries WHERE webhook_id = $1 ORDER BY created_at DESC LIMIT 1"
    return await house.owner.fetchrow(sql, webhook)


async def lane(house: House, webhook: str) -> Any:
    return await house.owner.fetchrow(
        "SELECT * FROM webhook_lanes l JOIN webhooks w ON w.id = l.webhook_id WHERE w.id = $1",
        webhook,
    )


def test_a_signature_is_the_standards_to_the_byte() -> None:
    key = signatures.read_key(SECRET)

    made = signatures.sign([key], "msg_01JGFJJZ00EXAMPLE0000000", 1767268805, VECTOR)
    assert made == "v1,Xtu8oZz5r4r2TfTetSyoSoVU7ki4fSjwNkFXa0JXw1c="
    at = datetime.fromtimestamp(1767268805, UTC)
    assert Verifier(SECRET).sign("msg_01JGFJJZ00EXAMPLE0000000", at, VECTOR.decode()) == made


async def test_a_published_post_is_told_as_the_reference_shows(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    account = await ann.account()
    id = await webhook(moved, ann, receiver.url, "post.published", "post.publishing")
    post = (await ann.post(account))["id"]
    await ann.rest("POST", f"/posts/{post}/publish")
    await moved.work()
    await deliverer.drain()

    told = {message.json["event"]: message for message in receiver.got}
    assert told.keys() == {"post.publishing", "post.published"}
    said = told["post.published"].verified(SECRET)
    assert list(said) == ["event", "timestamp", "data", "id", "type", "sequence"]
    assert said["type"] == "post.published"
    assert said["id"] == told["post.published"].id
    assert said["data"]["postId"] == post
    assert said["data"]["brandId"] == ann.brand
    assert said["timestamp"].endswith("Z")
    shown = (await ann.rest("GET", f"/posts/{post}")).json()
    assert said["data"]["publishedAt"] == shown["publishedAt"]
    (target,) = said["data"]["targets"]
    assert target == {
        "targetId": shown["targets"][0]["id"], "accountId": account, "status": "published",
        "externalUrl": shown["targets"][0]["externalUrl"], "error": None,
    }  # fmt: skip
    assert b": " not in told["post.published"].body
    assert told["post.publishing"].json["sequence"] < said["sequence"]
    listed = (await ann.rest("GET", f"/webhooks/{id}/deliveries?status=delivered")).json()["data"]
    assert {each["id"] for each in listed} == set(receiver.ids)
    (attempt,) = listed[0]["attempts"]
    assert (attempt["statusCode"], attempt["error"], attempt["answer"]) == (200, None, "said")


async def test_every_event_is_told_to_who_asks_for_it(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    await webhook(moved, ann, receiver.url, *WebhookEvent)
    async with receiving() as other:
        await webhook(moved, ann, other.url, "account.expiring")
        for type in (*WebhookEvent, "target.published", "post.draft", "approval.voided"):
            await happen(moved, ann, type)
        await deliverer.drain()

        assert sorted(m.json["event"] for m in receiver.got) == sorted(WebhookEvent)
        assert [m.json["event"] for m in other.got] == ["account.expiring"]
    assert all(message.verified(SECRET) for message in receiver.got)


async def test_what_went_out_in_part_is_told_as_both(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    await webhook(moved, ann, receiver.url, "post.published", "post.failed")
    await happen(moved, ann, "post.partially_published")
    await deliverer.drain()

    assert sorted(m.json["event"] for m in receiver.got) == ["post.failed", "post.published"]
    assert len(set(receiver.ids)) == 2


async def test_nobody_is_told_of_another_workspace(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person, eve: Person
) -> None:
    await webhook(moved, ann, receiver.url)
    await happen(moved, eve)
    await deliverer.drain()

    assert receiver.got == []


async def test_it_is_tried_ten_times_at_longer_and_longer_distances(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    receiver.answers = lambda _: 500
    id = await webhook(moved, ann, receiver.url)
    await happen(moved, ann)
    offset, bodies = timedelta(), set()
    for wait in WAITS:
        await deliverer.drain()
        due = (await row(moved, id))["due_at"]
        left = (due - clock.now()).total_seconds()
        assert wait * 0.9 - 2 <= left <= wait * 1.1
        count = len(receiver.got)
        offset += timedelta(seconds=left - 3)
        await moved.shift(offset)
        await deliverer.drain()
        assert len(receiver.got) == count
        offset += timedelta(seconds=3.5)
        await moved.shift(offset)
    await deliverer.drain()

    assert len(receiver.got) == 10
    assert len(set(receiver.ids)) == 1
    assert len({m.body for m in receiver.got}) == 1
    assert len({m.headers["webhook-timestamp"] for m in receiver.got}) == 10
    bodies.update(m.headers["webhook-signature"] for m in receiver.got)
    assert len(bodies) == 10
    last = await row(moved, id)
    assert (last["status"], last["due_at"], len(last["log"])) == ("failed", None, 10)


async def test_one_that_says_it_is_gone_is_switched_off(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    receiver.answers = lambda _: 410
    id = await webhook(moved, ann, receiver.url)
    await happen(moved, ann)
    await deliverer.drain()

    shown = (await ann.rest("GET", f"/webhooks/{id}")).json()
    assert (shown["active"], shown["disabledReason"]) == (False, "gone")
    audited = await moved.owner.fetch(
        "SELECT action, actor_type FROM audit_events WHERE resource_id = $1 ORDER BY id", id
    )
    assert [tuple(each) for each in audited][-1] == ("webhook.disabled", "system")
    written = "SELECT notice FROM mails WHERE address = $1 AND notice IS NOT NULL"
    (notice,) = [each["notice"] for each in await moved.owner.fetch(written, ann.email)]
    assert (notice["kind"], notice["reason"], notice["url"]) == (
        "webhook.disabled", "gone", receiver.url,
    )  # fmt: skip
    assert "said that it is gone (410)" in letters.notice(notice, "https://x")[1]
    await happen(moved, ann)
    await moved.shift(timedelta(minutes=10))
    await deliverer.drain()
    assert len(receiver.got) == 1
    assert (await row(moved, id))["status"] == "failed"


async def test_one_that_fails_for_five_days_is_switched_off_and_told_before(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    receiver.answers = lambda _: 500
    id = await webhook(moved, ann, receiver.url)
    kinds = "SELECT notice ->> 'kind' FROM mails WHERE address = $1 AND notice ->> 'webhookId' = $2"
    told: list[list[str]] = []
    for hours in (0, 12, 25, 50, 75, 100, 119, 121, 122):
        await moved.shift(timedelta(hours=hours))
        await happen(moved, ann)
        await deliverer.drain()
        told.append([each[0] for each in await moved.owner.fetch(kinds, ann.email, id)])
        if hours == 119:
            assert (await lane(moved, id))["active"]

    failing, off = ["webhook.failing"], ["webhook.failing", "webhook.disabled"]
    assert told == [[], [], failing, failing, failing, failing, failing, off, off]
    letter = await moved.value("SELECT notice FROM mails WHERE notice ->> 'webhookId' = $1", id)
    subject, text = letters.notice(letter, "https://post.example.com")
    assert subject == "A webhook of Ann's does not answer"
    assert receiver.url in text
    assert f"https://post.example.com/#/webhook/{id}" in text
    await moved.shift(timedelta())
    shown = (await ann.rest("GET", f"/webhooks/{id}")).json()
    assert (shown["active"], shown["disabledReason"]) == (False, "failing")
    on = (await ann.rest("PATCH", f"/webhooks/{id}", {"active": True})).json()
    assert (on["active"], on["disabledReason"], on["failingSince"]) == (True, None, None)


async def test_one_success_begins_the_count_anew(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    id = await webhook(moved, ann, receiver.url)
    for hours in range(0, 240, 20):
        receiver.answers = lambda _, fine=hours == 100: 200 if fine else 500
        await moved.shift(timedelta(hours=hours))
        await happen(moved, ann)
        await deliverer.drain()

    kept = await lane(moved, id)
    assert kept["active"]
    assert kept["failures"] > 5


@pytest.mark.parametrize(
    ("status", "headers", "least"),
    [(429, {"Retry-After": "600"}, 590), (503, {}, 4), (504, {"Retry-After": "nonsense"}, 4)],
)
async def test_one_that_asks_for_time_gets_it(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person, status, headers, least
) -> None:
    receiver.answers = lambda _: (status, headers)
    id = await webhook(moved, ann, receiver.url)
    await happen(moved, ann)
    await deliverer.drain()
    await happen(moved, ann)
    await deliverer.drain()

    assert len(receiver.got) == 1
    assert ((await lane(moved, id))["hold_until"] - clock.now()).total_seconds() > least


def test_retry_after_is_read_in_both_spellings() -> None:
    soon = (clock.now() + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    assert deliver.pause("17") == 17
    assert 85 <= (deliver.pause(soon) or 0) <= 90
    assert deliver.pause("999999999") == deliver.LONGEST_PAUSE
    assert [deliver.pause(text) for text in (None, "soon", "-1", "1.5")] == [None] * 4


async def test_a_slow_one_delays_no_other(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    async with receiving() as slow:
        slow.open.clear()
        await webhook(moved, ann, slow.url)
        await webhook(moved, ann, receiver.url)
        await happen(moved, ann, count=40)
        running = asyncio.create_task(deliverer.run())
        await until(lambda: len(receiver.got) == 40)
        await until(lambda: len(slow.got) == 10)
        assert len(set(receiver.ids)) == 40
        slow.open.set()
        await until(lambda: len(set(slow.ids)) == 40)
        deliverer.stop()
        await running


async def test_what_a_killed_worker_had_is_sent_with_the_same_id(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    id = await webhook(moved, ann, receiver.url)
    await happen(moved, ann)
    (taken,) = await deliverer._pool.fetch(deliver.TAKE, 10, [], [])
    await deliverer.drain()
    assert receiver.got == []

    await moved.shift(timedelta(seconds=31))
    await deliverer.drain()
    assert receiver.ids == [str(taken["id"])]
    # Whoever had it comes back: his word no longer counts.
    await deliverer._note(taken, deliver.Outcome("timeout"), 1)
    last = await row(moved, id)
    assert (last["status"], last["attempts"], len(last["log"])) == ("delivered", 2, 1)


async def test_for_a_day_after_a_rotation_old_and_new_verify(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    id = await webhook(moved, ann, receiver.url)
    new = (await ann.rest("POST", f"/webhooks/{id}/rotate-secret")).json()["secret"]
    await happen(moved, ann)
    await deliverer.drain()
    await moved.shift(timedelta(hours=24, seconds=1))
    await happen(moved, ann)
    await deliverer.drain()

    during, after = receiver.got
    assert during.verified(SECRET) == during.verified(new)
    signed = datetime.fromtimestamp(int(after.headers["webhook-timestamp"]), UTC)
    assert after.headers["webhook-signature"] == Verifier(new).sign(
        after.id, signed, after.body.decode()
    )
    changed = dataclasses.replace(during, body=during.body.replace(b"failed", b"failad"))
    with pytest.raises(WebhookVerificationError):
        changed.verified(new)


async def test_what_failed_is_sent_again_by_both_doors(
    moved: House, deliverer: Deliverer, receiver: Receiver, door: Door, ann: Person
) -> None:
    id = await webhook(moved, ann, receiver.url)
    await happen(moved, ann)
    await deliverer.drain()
    receiver.answers = lambda _: 400
    await happen(moved, ann, count=2)
    await deliverer.drain()
    lost = "UPDATE deliveries SET status = 'failed', due_at = NULL WHERE status = 'pending'"
    await moved.owner.execute(lost)
    (arrived, *failed), receiver.got = receiver.got, []
    receiver.answers = lambda _: 200
    await moved.shift(timedelta(minutes=1))

    now = clock.now()
    days = {"from": now - timedelta(days=13), "to": now + timedelta(hours=1)}
    given = {name: at.isoformat() for name, at in days.items()}
    assert (await door.call(ann, "redeliver_webhook", id=id, **given)).ok == {"queued": 2}
    await deliverer.drain()
    assert sorted(receiver.ids) == sorted(m.id for m in failed)
    assert {m.body for m in receiver.got} == {m.body for m in failed}
    stamps = [{m.headers["webhook-timestamp"] for m in all} for all in (receiver.got, failed)]
    assert stamps[0].isdisjoint(stamps[1])
    again = (await door.call(ann, "redeliver_delivery", id=arrived.id)).ok
    assert again["status"] == "pending"
    await deliverer.drain()
    assert receiver.ids[-1] == arrived.id
    shown = (await door.call(ann, "delivery", id=arrived.id)).ok
    assert (shown["status"], shown["attemptCount"], len(shown["attempts"])) == ("delivered", 2, 2)


async def test_a_try_reaches_one_that_is_off_once(
    moved: House, deliverer: Deliverer, receiver: Receiver, door: Door, ann: Person
) -> None:
    receiver.answers = lambda _: 500
    id = await webhook(moved, ann, receiver.url)
    await happen(moved, ann)
    await door.call(ann, "update_webhook", id=id, active=False)
    tried = (await door.call(ann, "test_webhook", id=id)).ok
    await deliverer.drain()
    await moved.shift(timedelta(days=1))
    await deliverer.drain()
    await moved.shift(timedelta())

    assert receiver.ids == [tried["id"]]
    assert receiver.got[0].json["event"] == "webhook.test"
    shown = (await door.call(ann, "delivery", id=tried["id"])).ok
    assert (shown["status"], shown["attempts"][0]["error"]) == ("failed", "status")
    assert (await lane(moved, id))["failures"] == 0


async def test_nobody_is_connected_to_who_has_moved_inside(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    out = Egress(dev=False, resolver=nowhere)
    strict = Deliverer(deliverer._pool, moved.keys, out, Wake(None))
    id = await webhook(moved, ann, receiver.url.replace("http:", "https:"))
    await happen(moved, ann)
    await strict.drain()
    await out.close()

    assert receiver.got == []
    assert (await row(moved, id))["log"][0]["error"] == "refused"


async def test_the_process_needs_no_redis(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    await webhook(moved, ann, receiver.url)
    await happen(moved, ann)
    alone = dataclasses.replace(moved.settings, redis_url=None, dev_egress=True)
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run_deliverer(alone, moved.keys, stop=stop))
    await asyncio.wait_for(receiver.told.wait(), 10)
    stop.set()
    await running

    assert receiver.got[0].verified(SECRET)["event"] == "post.failed"


async def test_what_was_told_is_forgotten_after_thirty_days(
    moved: House, deliverer: Deliverer, receiver: Receiver, ann: Person
) -> None:
    id = await webhook(moved, ann, receiver.url)
    await happen(moved, ann)
    await deliverer.drain()
    for days, left in ((29, 1), (31, 0)):
        await moved.shift(timedelta(days=days))
        await deliverer._pool.fetchval("SELECT deliveries_forget()")
        sql = "SELECT count(*) FROM deliveries WHERE webhook_id = $1"
        assert await moved.value(sql, id) == left


async def test_a_deleted_webhook_is_told_nothing(
    moved: House, deliverer: Deliverer, receiver: Receiver, door: Door, ann: Person
) -> None:
    id = await webhook(moved, ann, receiver.url)
    await happen(moved, ann)
    await door.call(ann, "delete_webhook", id=id)
    await happen(moved, ann)
    await deliverer.drain()

    assert receiver.got == []
    known = await moved.owner.fetch("SELECT status FROM deliveries WHERE webhook_id = $1", id)
    assert [each["status"] for each in known] == ["failed"]
    assert (await door.call(ann, "redeliver_delivery", id=str(uuid4()))).code == "NOT_FOUND"


async def test_kills_and_faults_lose_nothing(
    moved: House, deliverer: Deliverer, ann: Person
) -> None:
    count = {"faulty": 0}

    def faulty(_message: Any) -> int:
        count["faulty"] += 1
        return 500 if count["faulty"] % 5 == 0 else 200

    async with receiving() as fine, receiving(faulty) as some, receiving(lambda _: 503) as down:
        hooks = [await webhook(moved, ann, each.url) for each in (fine, some, down)]
        await happen(moved, ann, count=30)
        offset = timedelta()
        for turn in range(5):
            killed = Deliverer(deliverer._pool, moved.keys, deliverer._egress, Wake(None))
            begun = len(fine.got) + len(some.got) + len(down.got)
            running = asyncio.create_task(killed.run())
            await until(lambda b=begun: len(fine.got) + len(some.got) + len(down.got) > b)
            doomed = [running, *killed._tasks]
            for task in doomed:
                task.cancel()
            await asyncio.gather(*doomed, return_exceptions=True)
            offset += timedelta(seconds=31)
            await moved.shift(offset)
            if turn == 3:
                down.answers = lambda _: 200
        for _ in range(4):
            await deliverer.drain()
            offset += timedelta(minutes=6)
            await moved.shift(offset)
        wanted = "SELECT id::text FROM deliveries WHERE webhook_id = $1 AND status = 'delivered'"
        for each, hook in zip((fine, some, down), hooks, strict=True):
            known = {row["id"] for row in await moved.owner.fetch(wanted, hook)}
            assert len(known) == 30
            assert set(each.ids) == known
            assert {m.json["id"] for m in each.got} == known
            assert len({m.body for m in each.got}) == 30
