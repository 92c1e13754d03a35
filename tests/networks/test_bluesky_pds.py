"""Through MyPost's API to a real personal data server, and read back from it by plain HTTP."""

import asyncio
import dataclasses
import re
import secrets
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from mypost import clock, networks
from mypost.jobs import outcome
from mypost.models.accounts import seal_grant
from mypost.networks import Absent, Draft, Grant, Published
from mypost.networks.bluesky import Bluesky, record_key

pytestmark = pytest.mark.network
TIMEOUT = Bluesky.timeout + Bluesky.settle + 0.1


@pytest.fixture
async def bluesky(house, pds, monkeypatch):
    """The network of the running installation, facing the test's server."""
    made = networks.configure("bluesky", {"MYPOST_BLUESKY_URL": pds.url}, "")
    monkeypatch.setitem(house.services.networks, "bluesky", made)
    yield made
    await made.close()


async def connect(person, given):
    """Offers credentials and answers what the API says to them."""
    path = f"/brands/{person.brand}/social-accounts"
    offer = (await person.rest("POST", path, {"network": "bluesky"})).json()
    assert [field["name"] for field in offer["fields"]] == ["identifier", "app_password"]
    path = f"/social-connections/{offer['connectionId']}"
    return await person.rest("POST", path, {"credentials": given})


@pytest.fixture
async def account(bluesky, ann, pds):
    """Ann's connection to alice.test."""
    answer = await connect(ann, pds.accounts["alice"].credentials)
    assert answer.status_code == 200, answer.text
    [account] = answer.json()["accounts"]
    assert (account["handle"], account["status"]) == ("alice.test", "active")
    return account["id"]


async def publish(person, account, content, **given):
    post = await person.post(account, content=content, **given)
    answer = await person.rest("POST", f"/posts/{post['id']}/publish")
    assert answer.status_code == 202, answer.text
    return post["id"]


async def target(person, post):
    body = (await person.rest("GET", f"/posts/{post}")).json()
    return body["targets"][0]


async def grant_of(house, account):
    """The account's row, and the grant it holds."""
    row = await house.owner.fetchrow("SELECT * FROM accounts WHERE id = $1", account)
    plain = house.keys.decrypt(row["grant_cipher"], row["workspace_id"], row["id"], "grant")
    assert b"accessJwt" in plain
    holder = dataclasses.make_dataclass("Holder", ["grant_cipher", "workspace_id", "account_id"])
    return row, outcome.grant(
        house.keys, holder(row["grant_cipher"], row["workspace_id"], row["id"])
    )


async def put_grant(house, row, secrets, ends):
    grant = Grant(secrets, ends)
    await house.owner.execute(
        "UPDATE accounts SET grant_cipher = $2, token_expires_at = $3 WHERE id = $1",
        row["id"], seal_grant(house.keys, row["workspace_id"], row["id"], grant), ends,
    )  # fmt: skip


def texts(pds, text, who="alice"):
    """The records of an account with this text."""
    return [r for r in pds.records(pds.accounts[who].did) if r["value"]["text"] == text]


async def test_a_post_is_read_back_from_the_server(house, ann, account, pds):
    bob = pds.accounts["bob"].did
    content = f"🥖 ü @bob.test @nobody.test #bread https://a.example/ö {secrets.token_hex(4)}"
    whole = content.encode()

    post = await publish(ann, account, content)
    await house.work()

    sent = await target(ann, post)
    assert sent["status"] == "published"
    record = pds.record(sent["externalId"]).json()
    value = record["value"]
    assert value["text"] == content
    assert re.fullmatch(r"[2-7a-z]{13}", sent["externalId"].rpartition("/")[2])
    assert sent["externalUrl"].endswith("/post/" + sent["externalId"].rpartition("/")[2])
    due = await house.value("SELECT due_at FROM targets WHERE id = $1", sent["id"])
    assert datetime.fromisoformat(value["createdAt"]) == due.replace(
        microsecond=due.microsecond // 1000 * 1000
    )
    marked = [
        (whole[f["index"]["byteStart"] : f["index"]["byteEnd"]].decode(), f["features"][0])
        for f in value["facets"]
    ]
    kind = "app.bsky.richtext.facet#"
    assert marked == [
        ("@bob.test", {"$type": f"{kind}mention", "did": bob}),
        ("#bread", {"$type": f"{kind}tag", "tag": "bread"}),
        ("https://a.example/ö", {"$type": f"{kind}link", "uri": "https://a.example/ö"}),
    ]
    assert texts(pds, content) == [record]


async def test_the_same_draft_twice_is_one_record(house, account, bluesky, pds):
    _, grant = await grant_of(house, account)
    draft = Draft(key="twice", text=f"twice {secrets.token_hex(4)}", created_at=datetime.now(UTC))

    first = await bluesky.publish(grant, draft)
    [before] = texts(pds, draft.text)
    again = await bluesky.publish(grant, draft)

    assert isinstance(first, Published)
    assert first == again == await bluesky.find_published(grant, draft)
    assert first.external_id.endswith(record_key(draft))
    assert texts(pds, draft.text) == [before]
    assert pds.record(first.external_id).json()["cid"] == before["cid"]
    assert await bluesky.metrics(grant, first.external_id) is None
    await bluesky.delete(grant, first.external_id)
    assert pds.record(first.external_id).status_code == 400
    assert await bluesky.find_published(grant, draft) == Absent()
    await bluesky.delete(grant, first.external_id)


@dataclasses.dataclass
class Proxy:
    """Stands before the server and may cut the answer to a record after it was accepted."""

    pds: str
    url: str = ""
    cutting: bool = True
    cuts: int = 0
    accepted: list[bytes] = dataclasses.field(default_factory=list)

    async def serve(self, reader, writer):
        """Forwards one request, and its answer or nothing."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length else b""
        head = re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head)
        host, port = self.pds.removeprefix("http://").split(":")
        there, back = await asyncio.open_connection(host, int(port))
        back.write(head.replace(b"\r\n", b"\r\nconnection: close\r\n", 1) + body)
        answer = await there.read()
        back.close()
        if self.cutting and b"repo.putRecord" in head:
            self.accepted.append(answer.split(b"\r\n", 1)[0])
            self.cuts += 1
        else:
            writer.write(answer)
        writer.close()


@asynccontextmanager
async def proxied(house, pds, monkeypatch):
    proxy = Proxy(pds.url)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    network = networks.configure("bluesky", {"MYPOST_BLUESKY_URL": proxy.url}, "")
    monkeypatch.setitem(house.services.networks, "bluesky", network)
    async with server:
        yield proxy
        await network.close()


async def test_a_lost_answer_is_looked_up_and_found(moved, ann, account, pds, monkeypatch):
    content = f"lost {secrets.token_hex(4)}"
    async with proxied(moved, pds, monkeypatch) as proxy:
        post = await publish(ann, account, content)
        await moved.work()

        assert (len(proxy.accepted), proxy.cuts) == (1, 1)
        assert b" 200 " in proxy.accepted[0]
        await moved.shift(timedelta(seconds=TIMEOUT))
        await moved.work()

    found = await target(ann, post)
    assert (found["status"], found["attempts"], proxy.cuts) == ("published", 1, 1)
    assert [r["uri"] for r in texts(pds, content)] == [found["externalId"]]
    way = await moved.owner.fetch(
        "SELECT to_state, proof FROM transitions WHERE target_id = $1 ORDER BY pos", found["id"]
    )
    assert [tuple(step) for step in way][-3:] == [
        ("sending", None), ("unknown", None), ("published", "lookup_found"),
    ]  # fmt: skip


@pytest.mark.parametrize("known", [True, False], ids=["end known", "end unknown"])
async def test_an_expired_token_is_renewed_once(house, ann, account, pds, known):
    row, grant = await grant_of(house, account)
    ends = clock.now() - timedelta(hours=1) if known else None
    # A session that the server knows and that cannot write: what an ended one looks like to it.
    await put_grant(house, row, {**grant.secrets, "accessJwt": grant.secrets["refreshJwt"]}, ends)
    content = f"renewed {known} {secrets.token_hex(4)}"

    post = await publish(ann, account, content)
    await house.work()

    sent = await target(ann, post)
    assert (sent["status"], sent["attempts"]) == ("published", 1 if known else 2)
    assert len(texts(pds, content)) == 1
    after, renewed = await grant_of(house, account)
    assert after["grant_version"] == row["grant_version"] + 1
    assert renewed.secrets["refreshJwt"] != grant.secrets["refreshJwt"]
    assert after["token_expires_at"] == renewed.expires_at > clock.now() + timedelta(minutes=5)


async def test_a_dead_refresh_token_asks_the_owner(house, ann, account, pds):
    row, grant = await grant_of(house, account)
    ended = pds.post("com.atproto.server.deleteSession", token=grant.secrets["refreshJwt"])
    assert ended.status_code == 200
    await put_grant(house, row, grant.secrets, clock.now() + timedelta(seconds=5))
    content = f"dead {secrets.token_hex(4)}"

    post = await publish(ann, account, content)
    await house.work()

    held = await target(ann, post)
    assert (held["status"], held["risk"], held["error"]) == ("scheduled", "reconnect", None)
    assert texts(pds, content) == []
    listed = (await ann.rest("GET", f"/brands/{ann.brand}/social-accounts")).json()["data"]
    assert [each["status"] for each in listed] == ["needs_reauth"]
    again = await connect(ann, pds.accounts["alice"].credentials)
    assert [a["id"] for a in again.json()["accounts"]] == [account]
    await house.work()
    assert len(texts(pds, content)) == 1
    assert (await target(ann, post))["status"] == "published"


async def test_301_graphemes_are_refused_when_saved(ann, account):
    family = "👨‍👩‍👧‍👦"
    body = {"content": family * 100 + "x" * 201, "targetAccountIds": [account]}

    answer = await ann.rest("POST", f"/brands/{ann.brand}/posts", body)

    assert answer.status_code == 400
    [fault] = answer.json()["error"]["details"]
    assert "alice.test" in fault["message"]
    assert "300" in fault["message"]
    assert "301" in fault["message"]


async def test_a_wrong_app_password_is_named(bluesky, ann, pds):
    given = {**pds.accounts["alice"].credentials, "app_password": "aaaa-bbbb-cccc-dddd"}

    answer = await connect(ann, given)

    assert answer.status_code == 400
    [fault] = answer.json()["error"]["details"]
    assert fault["path"] == "credentials.app_password"
    assert "password" in fault["message"]
