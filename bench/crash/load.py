"""People who schedule posts and change their minds; what the API acknowledged goes to a ledger."""

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bench.crash import history
from bench.crash.client import OK, REFUSED, UNKNOWN, Client, Said
from bench.crash.journal import Journal
from bench.crash.plan import BRANDS, LEAD, MODES, Account, Action, Planned

AT_ONCE = 12
LOOKS = 3
PATIENCE = 30.0
NEWEST = 50
PAGE = 100
RESCHEDULES = ("reschedule", "cancel_and_back")


def _spelled(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


class Load:
    """Everything that people do in one run."""

    def __init__(self, client: Client, ledger: Journal) -> None:
        self._client, self._ledger = client, ledger
        self._brands: list[str] = []
        self._accounts: dict[str, str] = {}  # handle -> id
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._begin = 0.0
        self._stopping = False
        self.last_due = 0.0

    def stop(self) -> None:
        """Schedules nothing more; what has begun is finished."""
        self._stopping = True

    async def settle_in(self, accounts: Sequence[Account]) -> None:
        """Registers, makes two workspaces with three brands each, and connects the accounts."""
        await self._client.register()
        names = ("First", "Second")
        workspaces = [(await self._made("/workspaces", {"name": name}))["id"] for name in names]
        for number in range(BRANDS):
            path = f"/workspaces/{workspaces[number % len(workspaces)]}/brands"
            self._brands.append((await self._made(path, {"name": f"Brand {number}"}))["id"])
        for account in accounts:
            self._accounts[account.handle] = await self._connect(account)

    async def _connect(self, account: Account) -> str:
        path = f"/brands/{self._brands[account.brand]}/social-accounts"
        offer = await self._made(path, {"network": "sandbox"})
        given = {"credentials": {"handle": account.handle, "mode": MODES[account.kind]}}
        made = await self._made(f"/social-connections/{offer['connectionId']}", given)
        return str(made["accounts"][0]["id"])

    async def _made(self, path: str, given: Any) -> Any:
        """Makes one thing; each API process needs some seconds to see a new workspace."""
        async with asyncio.timeout(PATIENCE):
            while True:
                said = await self._client.ask("POST", path, given)
                if said.outcome == OK:
                    return said.body
                await asyncio.sleep(0.5)

    async def run(
        self, posts: Sequence[Planned], accounts: Mapping[str, Account], begin: float
    ) -> None:
        """Does all of it, each at its time; returns when the last is answered."""
        self._begin = begin
        async with asyncio.TaskGroup() as group:
            for post in posts:
                await self._until(post.at)
                if self._stopping:
                    break
                group.create_task(self._one(post, accounts[post.accounts[0]].brand))

    async def _until(self, offset: float) -> None:
        await asyncio.sleep(max(0.0, self._begin + offset - time.time()))

    async def _one(self, post: Planned, brand: int) -> None:
        id_, slip = await self._create(post, self._brands[brand])
        if id_ is not None and (action := post.action) is not None:
            action = replace(action, at=action.at + slip, due=action.due + slip)
            await self._until(action.at)
            await self._act(post.number, id_, action)

    async def _create(self, post: Planned, brand: str) -> tuple[str | None, float]:
        """Schedules a post; when the answer is lost, looks for it among the newest.

        Who comes late, because an API or the machine was slow, plans for as much later: answers by
        how many seconds.
        """
        async with self._gate:
            due = max(self._begin + post.due, round(time.time() + LEAD, 3))
            self.last_due = max(self.last_due, due)
            given = {
                "content": post.text,
                "targetAccountIds": [self._accounts[handle] for handle in post.accounts],
                "scheduledAt": _spelled(due),
            }
            said = await self._client.ask("POST", f"/brands/{brand}/posts", given)
            id_ = said.body["id"] if said.outcome == OK else None
            for _ in range(LOOKS if said.outcome == UNKNOWN else 0):
                await asyncio.sleep(1)
                id_ = id_ or await self._find(brand, post.number)
        outcome = OK if id_ is not None else said.outcome
        facts = {"id": id_, "due": due, "text": post.text, "accounts": list(post.accounts)}
        self._write(post.number, "create", outcome, said, **facts)
        return id_, due - self._begin - post.due

    async def _find(self, brand: str, number: int) -> str | None:
        found = await self._client.read(f"/brands/{brand}/posts?limit={NEWEST}")
        for post in found["data"]:
            if history.number_of(post["content"]) == number:
                return str(post["id"])
        return None

    def _write(self, number: int, did: str, outcome: str, said: Said, **facts: Any) -> None:
        """Writes down what the API said, or what reading back has shown."""
        known = outcome != said.outcome
        why = said.body if outcome == REFUSED else None
        self._ledger.write(
            post=number, did=did, outcome=outcome, status=said.status, read=known, why=why, **facts
        )

    async def _act(self, number: int, id_: str, action: Action) -> None:
        due = self._begin + action.due
        self.last_due = max(self.last_due, due if action.did in RESCHEDULES else 0)
        path = f"/posts/{id_}"
        match action.did:
            case "edit":
                given = {"content": action.text}
                await self._change(number, id_, "edit", ("PATCH", path, given), text=action.text)
            case "reschedule":
                await self._reschedule(number, id_, due)
            case "delete":
                await self._change(number, id_, "delete", ("DELETE", path, None))
            case _:
                done = await self._change(number, id_, "cancel", ("POST", f"{path}/cancel", None))
                if action.did == "cancel_and_back" and done:
                    await self._reschedule(number, id_, due)

    async def _reschedule(self, number: int, id_: str, due: float) -> None:
        asked = ("POST", f"/posts/{id_}/schedule", {"scheduledAt": _spelled(due)})
        await self._change(number, id_, "reschedule", asked, due=due)

    async def _change(
        self, number: int, id_: str, did: str, asked: tuple[str, str, Any], **facts: Any
    ) -> bool:
        """Changes a post; when the answer is lost, reads back whether the change is there."""
        async with self._gate:
            said = await self._client.ask(*asked)
            outcome = said.outcome
            for _ in range(LOOKS if outcome == UNKNOWN else 0):
                await asyncio.sleep(1)
                if outcome == UNKNOWN and await self._shows(id_, did, facts):
                    outcome = OK
        self._write(number, did, outcome, said, id=id_, **facts)
        return outcome == OK

    async def _shows(self, id_: str, did: str, facts: Mapping[str, Any]) -> bool:
        found = await self._client.read(f"/posts/{id_}")
        match did:
            case "delete":
                return found is None
            case "cancel":
                return found is not None and found["phase"] == "draft"
            case "edit":
                return found is not None and found["content"] == facts["text"]
        at = found["scheduledAt"] if found is not None else None
        return at is not None and abs(_moment(at) - facts["due"]) < 0.001  # noqa: PLR2004

    async def unsettled(self) -> list[int]:
        """The numbers of posts on their way, as far as one page of each brand tells."""
        phases = itertools.product(self._brands, ("scheduled", "publishing"))
        pages = [
            await self._client.read(f"/brands/{brand}/posts?phase={phase}&limit={PAGE}")
            for brand, phase in phases
        ]
        posts = [post for page in pages for post in page["data"]]
        return sorted(history.number_of(post["content"]) for post in posts)

    async def states(self) -> list[dict[str, Any]]:
        """Reads every post of every brand as the API shows it now."""
        handles = {id_: handle for handle, id_ in self._accounts.items()}
        found = []
        for brand in self._brands:
            cursor: str | None = ""
            while cursor is not None:
                more = f"&cursor={cursor}" if cursor else ""
                page = await self._client.read(f"/brands/{brand}/posts?limit={PAGE}{more}")
                found += [_state(post, handles) for post in page["data"]]
                cursor = page["page"]["nextCursor"]
        return found


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _state(post: Mapping[str, Any], handles: Mapping[str, str]) -> dict[str, Any]:
    targets = [
        {
            "account": handles[target["accountId"]],
            "status": target["status"],
            "externalId": target["externalId"],
            "error": target["error"],
            "publishedAt": target["publishedAt"],
        }
        for target in post["targets"]
    ]
    number = history.number_of(post["content"])
    facts = {"id": post["id"], "phase": post["phase"], "updatedAt": post["updatedAt"]}
    return {"post": number, **facts, "targets": targets}
