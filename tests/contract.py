"""The reference as data: what each section shows, and how an answer is held against it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2

from tests.client import Api, Person
from tests.conftest import House

TEXT = (Path(__file__).parent / "reference.txt").read_text()
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
NOW, FAR = "2026-01-01T12:00:00Z", "2026-01-15T14:00:00Z"
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
LINE = re.compile(r"(?:GET|POST|PATCH|PUT|DELETE) /api/v1(/\S+)")


@dataclass(frozen=True)
class Example:
    """One section: the line, what is sent, the status, and what comes back at the least.

    `:id` in the line is the stage's `of`; words such as `account-uuid` are ids of the stage.
    """

    line: str
    sent: Any = None
    status: int = 200
    answer: Any = None
    of: str = ""

    @property
    def row(self) -> tuple[str, str]:
        """The row of the table that serves it, names of parameters aside."""
        method, path = self.line.split("?")[0].split(" ")
        return method, re.sub(r":\w+", "{}", path)


@dataclass(frozen=True)
class Section:
    """A section of the reference: its line and its JSON, as printed."""

    line: str | None
    blocks: tuple[Any, ...]


def sections() -> dict[str, Section]:
    """Every headline of the reference, and what is printed beneath it."""
    parts = re.split(r"^(.+)¶\n", TEXT, flags=re.MULTILINE)[1:]
    named = zip(parts[::2], parts[1::2], strict=True)
    return {name: Section(_line(text), tuple(_blocks(text))) for name, text in named}


def _line(text: str) -> str | None:
    found = LINE.search(text)
    return found[0].replace("/api/v1", "") if found else None


def _blocks(text: str) -> Iterator[Any]:
    decoder, place = json.JSONDecoder(), 0
    while (place := text.find("{\n", place)) >= 0:
        block, place = decoder.raw_decode(text, place)
        yield block


def table(name: str) -> list[tuple[str, ...]]:
    """The rows of the table beneath a headline, without its head."""
    head, _, body = TEXT.partition(f"{name}¶\n")[2].partition("|\n")
    text = body.partition("---|\n")[2].partition(":\n")[0].partition("¶")[0]
    cells = [cell.strip() for cell in text.rpartition("|")[0].split("|") if cell.strip()]
    width = head.count("|")
    return list(zip(*[iter(cells)] * width, strict=True))


def filled(value: Any, ids: dict[str, str]) -> Any:
    """A body of the reference with the stage's ids in the place of its words."""
    if isinstance(value, dict):
        return {key: filled(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, ids) for item in value]
    return ids.get(value, value) if isinstance(value, str) else value


def differences(shown: Any, real: Any, place: str = "") -> Iterator[str]:
    """Where an answer is not what the reference shows; it may hold more."""
    if isinstance(shown, dict) and isinstance(real, dict):
        for key, item in shown.items():
            if key in real:
                yield from differences(item, real[key], f"{place}.{key}")
            else:
                yield f"{place}.{key} is missing"
    elif isinstance(shown, list) and isinstance(real, list) and len(shown) == len(real):
        for index, item in enumerate(shown):
            yield from differences(item, real[index], f"{place}.{index}")
    elif not _same(shown, real):
        yield f"{place} is {real!r}, not {shown!r}"


def _same(shown: Any, real: Any) -> bool:
    if not isinstance(shown, str) or not isinstance(real, str):
        return type(shown) is type(real) and bool(shown == real)
    if shown == "uuid":
        return str(UUID(real)) == real
    if shown.startswith("eyJ"):
        return TOKEN.fullmatch(real) is not None
    if shown.endswith("..."):
        return real.startswith(shown.removesuffix("...")) and len(real) > len(shown) - 3
    if shown == NOW:  # and the moment the example took
        return INSTANT.fullmatch(real) is not None and real[:15] == shown[:15]
    return shown == real or (shown.startswith("req_") and real.startswith("req_"))


class Stage:
    """What the reference's words stand for: an owner, a colleague, a brand, its one account."""

    def __init__(self, house: House, john: Person, ids: dict[str, str]) -> None:
        self.house, self.john, self.ids = house, john, ids

    @classmethod
    async def set(cls, house: House, api: Api) -> "Stage":
        john, sql = await api.person("John Doe"), house.owner
        await sql.execute("UPDATE users SET email = id WHERE email = 'user@example.com'")
        await sql.execute(
            "UPDATE users SET email = 'user@example.com', password_hash = $1 WHERE id = $2",
            await house.services.passwords.hash("password123"), john.id,
        )  # fmt: skip
        bob = await api.colleague(john, "Editor")
        await sql.execute(
            "UPDATE users SET name = 'Bob', email = 'bob' || email WHERE id = $1", bob.id
        )
        account = await john.account()
        await sql.execute(
            "UPDATE accounts SET name = 'My Page', profile_image_url = 'https://example.com/a.png',"
            " network = 'facebook', token_expires_at = '2026-02-01T00:00:00Z' WHERE id = $1",
            account,
        )  # fmt: skip
        await sql.execute("UPDATE lanes SET network = 'facebook' WHERE account_id = $1", account)
        find = "SELECT id::text FROM roles WHERE workspace_id = $1 AND name = $2"
        editor, manager = [
            await house.value(find, john.workspace, n) for n in ("Editor", "Manager")
        ]
        ids = {
            "brandId": john.brand, "brand-uuid": john.brand, "workspaceId": john.workspace,
            "workspace-uuid": john.workspace, "userId": bob.id, "other-uuid": bob.id,
            "user-uuid": john.id, "accountId": account, "account-uuid": account,
            "role-uuid": editor, "new-role-uuid": manager,
            "refresh-token": john.refresh_token,
        }  # fmt: skip
        return cls(house, john, ids)

    async def post(self, **given: Any) -> str:
        made = await self.john.post(self.ids["accountId"], content="Hello world! 👋", **given)
        self.ids["postId"] = self.ids["post-uuid"] = made["id"]
        return made["id"]

    async def role(self) -> str:
        path = f"/workspaces/{self.john.workspace}/roles"
        given = {"name": "Guest", "permissions": ["posts.edit"]}
        return (await self.john.rest("POST", path, given)).json()["id"]

    async def scheduled(self) -> str:
        return await self.post(scheduledAt=FAR)

    async def published(self) -> str:
        """Two posts that went out."""
        account = await self.john.account()
        for id in [(await self.john.post(account))["id"] for _ in range(2)]:
            await self.john.rest("POST", f"/posts/{id}/publish")
        await self.house.work()
        return id

    async def approval(self) -> str:
        """One that the colleague has asked for."""
        bob = await self.john.api.again(Person(self.john.api, self.ids["other-uuid"], "", "", ""))
        made = await bob.rest("POST", f"/posts/{await self.post()}/approvals")
        return made.json()["id"]

    async def send(self, example: Example) -> httpx2.Response:
        if ":postId" in example.line:
            await self.post()
        if example.of:
            self.ids["id"] = await getattr(self, example.of)()
        method, path = example.line.split(" ")
        path = re.sub(r":(\w+)", lambda found: self.ids[found[1]], path)
        return await self.john.rest(method, path, filled(example.sent, self.ids))
