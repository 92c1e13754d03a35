"""Invitations and lost passwords by both doors; letters are read as a mail server gets them."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from mypost.jobs import mail
from tests.client import PASSWORD, Api, Person
from tests.conftest import House
from tests.doors import Door
from tests.test_team import members, role_of

NEW = "a much longer secret"


class Post:
    """A mail server's letter box, and the job that fills it."""

    def __init__(self, house: House, **settings: Any) -> None:
        told = SimpleNamespace(**{
            "smtp_url": None, "mail_from": "MyPost <no-reply@example.com>",
            "origin": house.settings.origin, "data_dir": house.settings.data_dir, **settings,
        })  # fmt: skip
        self.house = house
        self.letters: list[EmailMessage] = []
        self.context = {
            "pool": house.sequencer._pool,
            "mailer": mail.Mailer(told, house.keys),
        }

    @classmethod
    @asynccontextmanager
    async def open(cls, house: House) -> AsyncIterator["Post"]:
        """A real SMTP server on loopback that the job hands letters to."""
        await house.owner.execute("DELETE FROM mails")
        box = cls(house)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(box), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        box.context["mailer"].settings.smtp_url = f"smtp://127.0.0.1:{port}"
        async with server:
            yield box

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.letters.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"

    async def work(self) -> int:
        """Lets the job send what is due."""
        return await mail.send(self.context)

    async def token(self, address: str) -> str:
        """The token of the newest letter to an address."""
        await self.work()
        (letter,) = [each for each in self.letters if each["To"] == address][-1:]
        found = re.search(r"/#/\w+/([\w-]{43})", letter.get_content())
        assert found
        return found[1]


@pytest.fixture
async def post(house: House) -> AsyncIterator[Post]:
    async with Post.open(house) as box:
        yield box


async def invite(ann: Person, email: str, role: str = "Editor") -> dict[str, Any]:
    body = {"email": email, "roleId": await role_of(ann, role)}
    answer = await ann.rest("POST", f"/workspaces/{ann.workspace}/users/invite", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def accept(api: Api, token: str, **given: Any) -> Any:
    return await api.rest("POST", "/auth/invitations/accept", {"token": token, **given})


async def test_an_invitation_is_as_documented(ann: Person, door: Door, post: Post) -> None:
    role = await role_of(ann, "Editor")
    made = await door.call(
        ann,
        "invite_user",
        workspaceId=ann.workspace,
        email=" Bob@Example.com ".strip(),
        roleId=role,
    )

    assert (made.ok["email"], made.ok["roleId"]) == ("bob@example.com", role)
    assert made.ok["status"] == "pending"
    assert made.ok["expiresAt"]
    assert await post.work() == 1
    (letter,) = post.letters
    assert (letter["To"], letter["From"]) == ("bob@example.com", "MyPost <no-reply@example.com>")
    assert "Ann invites you" in letter.get_content()


async def test_a_newcomer_joins(api: Api, house: House, ann: Person, post: Post) -> None:
    await invite(ann, "new@example.com")
    token = await post.token("new@example.com")
    joined = await accept(api, token, name="Newt", password=NEW, refreshTokenIn="body")

    assert joined.status_code == 200
    body = joined.json()
    assert (body["user"]["email"], body["user"]["name"]) == ("new@example.com", "Newt")
    assert body["refreshToken"]
    assert (await members(ann))[body["user"]["id"]] == "Editor"
    me = await api.rest("GET", "/auth/me", token=body["accessToken"])
    assert me.json()["workspaces"][0]["id"] == ann.workspace
    again = await accept(api, token, name="Newt", password=NEW)
    assert (again.status_code, again.json()["error"]["details"][0]["path"]) == (400, "token")
    await house.owner.execute(
        "UPDATE users SET email = 'gone-' || id WHERE email = 'new@example.com'"
    )


async def test_somebody_with_an_account_shows_that_it_is_his(
    api: Api, house: House, ann: Person, eve: Person, post: Post
) -> None:
    bob = await api.person("Bob")
    await invite(ann, bob.email)
    token = await post.token(bob.email)
    before = await house.digest()

    assert (await accept(api, token)).status_code == 401
    assert (await accept(api, token, password="wrong")).status_code == 401
    body = {"token": token}
    stranger = await eve.rest("POST", "/auth/invitations/accept", body)
    assert stranger.status_code == 403
    assert await house.digest() == before
    assert (await bob.rest("POST", "/auth/invitations/accept", body)).status_code == 200
    assert (await members(ann))[bob.id] == "Editor"


async def test_guessing_by_an_invitation_is_slow(
    api: Api, house: House, ann: Person, post: Post
) -> None:
    bob = await api.person("Bob")
    await invite(ann, bob.email)
    token, throttle = await post.token(bob.email), house.services.throttle

    for _ in range(throttle.per_email):
        assert (await accept(api, token, password="wrong")).status_code == 401
    before = await house.digest()
    refused = await accept(api, token, password=PASSWORD)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 1
    assert await house.digest() == before


async def test_a_newcomer_hears_of_everything_that_is_missing(
    api: Api, house: House, ann: Person, post: Post
) -> None:
    await invite(ann, "new@example.com")
    token, before = await post.token("new@example.com"), await house.digest()

    answer = await accept(api, token)
    assert answer.status_code == 400
    assert {d["path"] for d in answer.json()["error"]["details"]} == {"name", "password"}
    assert await house.digest() == before


async def test_his_password_will_do_as_well(api: Api, ann: Person, post: Post) -> None:
    bob = await api.person("Bob")
    await invite(ann, bob.email)

    answer = await accept(api, await post.token(bob.email), password=PASSWORD)
    assert answer.status_code == 200
    assert bob.id in await members(ann)


async def test_an_invitation_sent_again_voids_the_first_token(
    api: Api, ann: Person, post: Post, door: Door
) -> None:
    bob = await api.person("Bob")
    made = await invite(ann, bob.email)
    first = await post.token(bob.email)
    assert (await door.call(ann, "resend_invitation", id=made["id"])).code is None
    second = await post.token(bob.email)

    assert first != second
    assert (await accept(api, first, password=PASSWORD)).status_code == 400
    assert (await accept(api, second, password=PASSWORD)).status_code == 200
    assert (await door.call(ann, "resend_invitation", id=made["id"])).code == "CONFLICT"


async def test_a_revoked_or_old_invitation_does_not_hold(
    api: Api, ann: Person, moved: House, post: Post, door: Door
) -> None:
    bob, cat = await api.person("Bob"), await api.person("Cat")
    made, late = await invite(ann, bob.email), await invite(ann, cat.email)
    revoked, old = await post.token(bob.email), await post.token(cat.email)
    assert (await door.call(ann, "revoke_invitation", id=made["id"])).code is None
    await moved.shift(timedelta(days=7, minutes=1))

    assert (await accept(api, revoked, password=PASSWORD)).status_code == 400
    assert (await accept(api, old, password=PASSWORD)).status_code == 400
    fresh = await api.again(ann)
    listed = (await fresh.rest("GET", f"/workspaces/{ann.workspace}/invitations")).json()["data"]
    assert {each["id"]: each["status"] for each in listed} == {
        made["id"]: "revoked", late["id"]: "expired",
    }  # fmt: skip
    await invite(fresh, cat.email)


async def test_an_address_is_invited_once(
    api: Api, house: House, ann: Person, post: Post, door: Door
) -> None:
    bob = await api.colleague(ann, "Editor")
    await invite(ann, "cat@example.com")
    role, before = await role_of(ann, "Editor"), await house.digest()

    for email in (bob.email, "CAT@example.com"):
        answer = await door.call(
            ann, "invite_user", workspaceId=ann.workspace, email=email, roleId=role
        )
        assert (answer.code, answer.paths) == ("VALIDATION_ERROR", {"email"})
    assert await house.digest() == before


async def test_nobody_invites_beyond_his_own_role(
    api: Api, house: House, ann: Person, post: Post, door: Door
) -> None:
    manager, before = await api.colleague(ann, "Manager"), await house.digest()

    for role in ("Admin", "Owner"):
        answer = await door.call(
            manager, "invite_user", workspaceId=ann.workspace, email="x@example.com",
            roleId=await role_of(ann, role),
        )  # fmt: skip
        assert answer.code == "FORBIDDEN", role
    assert await house.digest() == before


async def test_a_lost_password_is_set_anew(
    api: Api, house: House, ann: Person, post: Post, door: Door
) -> None:
    assert (await door.call(None, "forgot", email=ann.email.upper())).code is None
    token = await post.token(ann.email)
    assert (await door.call(None, "reset", token=token, password=NEW)).code is None

    for session in list(house.services.sessions._viewers):
        house.services.sessions.forget(session)
    assert (await ann.rest("GET", "/auth/me")).status_code == 401
    login = {"email": ann.email, "password": NEW}
    assert (await api.rest("POST", "/auth/login", login)).status_code == 200
    again = await door.call(None, "reset", token=token, password=NEW)
    assert (again.code, again.paths) == ("VALIDATION_ERROR", {"token"})


async def test_a_changed_password_voids_the_letter(
    api: Api, ann: Person, post: Post, door: Door
) -> None:
    await door.call(None, "forgot", email=ann.email)
    token = await post.token(ann.email)
    changed = await ann.rest("POST", "/auth/password", {"current": PASSWORD, "new": NEW})
    assert changed.status_code == 204

    late = await door.call(None, "reset", token=token, password=PASSWORD)
    assert (late.code, late.paths) == ("VALIDATION_ERROR", {"token"})
    login = {"email": ann.email, "password": NEW}
    assert (await api.rest("POST", "/auth/login", login)).status_code == 200


async def test_an_unknown_address_is_answered_alike(api: Api, ann: Person, post: Post) -> None:
    known = await api.rest("POST", "/auth/password/forgot", {"email": ann.email})
    unknown = await api.rest("POST", "/auth/password/forgot", {"email": "nobody@example.com"})

    assert known.status_code == unknown.status_code == 202
    assert known.content == unknown.content
    assert await post.work() == 1


async def test_a_letter_that_is_not_taken_is_tried_again(
    ann: Person, moved: House, post: Post
) -> None:
    url = post.context["mailer"].settings.smtp_url
    post.context["mailer"].settings.smtp_url = "smtp://127.0.0.1:1"
    await invite(ann, "bob@example.com")

    assert await post.work() == 0
    assert await moved.value("SELECT error FROM mails") is not None
    post.context["mailer"].settings.smtp_url = url
    assert await post.work() == 0
    await moved.shift(timedelta(seconds=61))
    assert await post.work() == 1
    assert await post.work() == 0
    assert await moved.value("SELECT length(body) FROM mails") == 0


async def test_without_a_mail_server_a_letter_is_a_file(
    ann: Person, post: Post, tmp_path: Path
) -> None:
    post.context["mailer"].settings.smtp_url = None
    post.context["mailer"].settings.data_dir = tmp_path
    await invite(ann, "bob@example.com")

    assert await post.work() == 1
    (kept,) = (tmp_path / "mails").iterdir()
    assert b"To: bob@example.com" in kept.read_bytes()
    assert kept.parent.stat().st_mode & 0o077 == 0


async def test_the_text_of_a_letter_is_not_to_be_read_in_the_database(
    house: House, ann: Person, post: Post
) -> None:
    await invite(ann, "bob@example.com")
    body = await house.value("SELECT body FROM mails")

    assert b"invit" not in body
    token = await post.token("bob@example.com")
    kept = await house.owner.fetch(
        "SELECT m::text FROM mails m UNION ALL SELECT i::text FROM invitations i"
    )
    assert all(token not in row[0] for row in kept)


async def test_a_letter_that_cannot_be_written_keeps_no_other_back(
    api: Api, house: House, ann: Person, post: Post
) -> None:
    role = await role_of(ann, "Editor")
    odd = ("a:b;@example.com", "=?utf-8?q?=0a?=@example.com", "a,bob@example.com")
    for number, address in enumerate(odd):
        body = {"email": f"{number}@example.com", "roleId": role}
        await ann.rest("POST", f"/workspaces/{ann.workspace}/users/invite", body)
        # No door takes such an address any more, but it may have been written before.
        await house.owner.execute(
            "UPDATE mails SET address = $2 WHERE address = $1", body["email"], address
        )
    await api.rest("POST", "/auth/password/forgot", {"email": ann.email})

    await post.work()
    told = await house.owner.fetch("SELECT address, sent_at IS NOT NULL AS sent, error FROM mails")
    assert {row.address for row in told} == {*odd, ann.email}
    assert [row.error for row in told if row.address == ann.email and not row.sent] == []
    assert ann.email in {letter["To"] for letter in post.letters}
    assert "bob@example.com" not in {letter["To"] for letter in post.letters}


async def test_a_name_of_several_lines_is_one_line_of_a_subject(
    house: House, ann: Person, post: Post
) -> None:
    """No door takes such a name any more, but it may have been written before."""
    name = "Evil\r\nBcc: all@example.com"
    await house.owner.execute("UPDATE workspaces SET name = $2 WHERE id = $1", ann.workspace, name)
    await invite(ann, "lines@example.com")

    assert await post.work() == 1
    (letter,) = post.letters
    assert (letter["Subject"], letter["Bcc"]) == ("Join Evil Bcc: all@example.com on MyPost", None)


async def test_a_role_somebody_is_invited_to_stays(
    house: House, ann: Person, post: Post, door: Door
) -> None:
    body = {"name": "Guest", "permissions": []}
    role = (await ann.rest("POST", f"/workspaces/{ann.workspace}/roles", body)).json()["id"]
    made, before = await invite(ann, "guest@example.com", "Guest"), await house.digest()

    assert (await door.call(ann, "delete_role", id=role)).code == "CONFLICT"
    assert await house.digest() == before
    assert (await door.call(ann, "revoke_invitation", id=made["id"])).code is None
    assert (await door.call(ann, "delete_role", id=role)).code is None


async def test_a_role_that_is_deleted_while_somebody_is_invited_to_it(
    ann: Person, post: Post
) -> None:
    for round in range(8):
        body = {"name": f"Guest {round}", "permissions": []}
        role = (await ann.rest("POST", f"/workspaces/{ann.workspace}/roles", body)).json()["id"]
        asked = {"email": f"guest{round}@example.com", "roleId": role}
        invited, gone = await asyncio.gather(
            ann.rest("POST", f"/workspaces/{ann.workspace}/users/invite", asked),
            ann.rest("DELETE", f"/roles/{role}"),
        )
        assert (invited.status_code, gone.status_code) in {(201, 409), (400, 204)}


async def test_a_password_set_anew_ends_every_personal_access_token(
    api: Api, house: House, ann: Person, post: Post
) -> None:
    made = await ann.rest("POST", "/auth/tokens", {"name": "Script", "permissions": []})
    await api.rest("POST", "/auth/password/forgot", {"email": ann.email})
    body = {"token": await post.token(ann.email), "password": NEW}
    assert (await api.rest("POST", "/auth/password/reset", body)).status_code == 204

    answer = await api.rest("GET", "/auth/me", token=made.json()["token"])
    assert answer.status_code == 401
