"""The client of the server in playground.py; the protocol is a page of its own in docs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx2

from mypost import networks
from mypost.networks.text import measure, normal

MODES = {
    **dict.fromkeys(
        ("ok", "slow", "rate_limited", "rejected", "lost", "expired", "renewing", "ending"),
        networks.Kind.KEY,
    ),
    "budget": networks.Kind.KEY,
    **dict.fromkeys(
        ("two_step", "two_step_lost", "two_step_slow", "two_step_failed"), networks.Kind.TWO_STEP
    ),
    **dict.fromkeys(("lookup", "lookup_lost"), networks.Kind.LOOKUP),
    **dict.fromkeys(("blind", "blind_lost"), networks.Kind.BLIND),
}
_SETTLE = {networks.Kind.LOOKUP: 30.0, networks.Kind.BLIND: 0.0}
_BUDGETS = {"account": "x-account-budget", "app": "x-app-budget"}
_HANDLE = (r"[a-z0-9_.-]{1,50}", "1 to 50 of a-z, 0-9, _ . -")
_PAGES = 10
_BEFORE_DUE = timedelta(seconds=60)
FIELDS = (
    networks.Field("handle", "Handle", secret=False, help=_HANDLE[1], pattern=_HANDLE[0]),
    networks.Field("mode", "Mode", secret=False, help="what its posts meet", choices=tuple(MODES)),
)


class Player(networks.Client):
    """Publishes and looks up as the class of each account asks for; an account's mode chose it."""

    kind: ClassVar[networks.Kind]
    timeout: ClassVar[float] = 10.0
    settle: ClassVar[float] = 1.0
    renews: ClassVar[bool] = True

    def measure(self, text: str, media_count: int = 0) -> list[networks.Measure]:
        """Counts graphemes and media against the section in rules.toml."""
        return measure(self.key, text, media_count)

    def terms(self, grant: networks.Grant) -> networks.Terms:
        """Answers the class that the server told when the account was connected."""
        kind = networks.Kind(grant.secrets.get("kind", self.kind))
        apart = 10.0 if kind is networks.Kind.LOOKUP else self.apart
        renews = "refreshToken" in grant.secrets
        return networks.Terms(kind, _SETTLE.get(kind, self.settle), apart, renews)

    async def prepare(self, grant: networks.Grant, draft: networks.Draft) -> networks.Step:
        """Makes a container; raises nothing but Unsupported."""
        if self.terms(grant).kind is not networks.Kind.TWO_STEP:
            raise networks.Unsupported("this account publishes in one step")
        try:
            response = await self.send("POST", "/containers", grant, json=_body(draft))
        except networks.NoAnswer as fault:
            return fault.proves
        match response.status_code, networks.read_object(response):
            case 200 | 201, {"id": str(id_), **rest}:
                budgets = networks.read_budgets(response, _BUDGETS)
                return networks.Prepared(id_, _time(rest.get("expiresAt")), budgets=budgets)
        judged = _judged(response)
        assert not isinstance(judged, networks.Published | networks.Pending)  # noqa: S101 - no post
        return judged

    async def publish(self, grant: networks.Grant, draft: networks.Draft) -> networks.Answer:
        """Makes the last call of the account's class; raises nothing."""
        kind, request = self.terms(grant).kind, {"json": _body(draft)}
        path = "/posts"
        if kind is networks.Kind.KEY:
            request["headers"] = {"Idempotency-Key": draft.key}
        elif kind is networks.Kind.TWO_STEP:
            path, request = f"/containers/{draft.handle}/publish", {}
        try:
            return _judged(await self.send("POST", path, grant, **request), draft.handle)
        except networks.NoAnswer as fault:
            return fault.proves

    async def find_published(
        self, grant: networks.Grant, draft: networks.Draft
    ) -> networks.Finding:
        """Reads what the account's class lets us read of the draft; raises nothing."""
        try:
            match self.terms(grant).kind:
                case networks.Kind.KEY:
                    return await self._of_key(grant, draft)
                case networks.Kind.TWO_STEP:
                    return await self._of_handle(grant, draft)
                case networks.Kind.LOOKUP:
                    return await self._of_list(grant, draft)
        except networks.NoAnswer as fault:
            return networks.Unreadable(str(fault))
        return networks.Unreadable("this account cannot be read")

    async def _of_key(self, grant: networks.Grant, draft: networks.Draft) -> networks.Finding:
        response = await self.send("GET", "/posts", grant, params={"key": draft.key})
        match response.status_code, networks.read_object(response):
            case 200, {"posts": []}:
                return networks.Absent()
            case 200, {"posts": [{"id": str(id_), "url": str(url)}]}:
                return networks.Published(id_, url)
        return networks.Unreadable(f"no list in the answer {response.status_code}")

    async def _of_handle(self, grant: networks.Grant, draft: networks.Draft) -> networks.Finding:
        """A draft without a handle was never published: its handle is stored before that."""
        if draft.handle is None:
            return networks.Absent()
        response = await self.send("GET", f"/containers/{draft.handle}", grant)
        match response.status_code, networks.read_object(response):
            case 200, {"status": "published", "post": {"id": str(id_), "url": str(url)}}:
                return networks.Published(id_, url)
            case 200, {"status": "in_progress"}:
                return networks.Pending(draft.handle)
            case 200, {"status": "ready" | "expired"}:
                return networks.Absent()
            case 200, {"status": "failed", "message": message}:
                return networks.Rejected("platform_error", str(message), "failed")
        return networks.Unreadable(f"no container in the answer {response.status_code}")

    async def _of_list(self, grant: networks.Grant, draft: networks.Draft) -> networks.Finding:
        """Looks for the text among the account's own posts since before the draft was due."""
        asked = {"since": (draft.created_at - _BEFORE_DUE).isoformat()}
        wanted, hits = (normal(draft.text), len(draft.media)), {}
        for _ in range(_PAGES):
            response = await self.send("GET", "/posts", grant, params=asked)
            given = networks.read_object(response)
            match response.status_code, given:
                case 200, {"posts": list(posts), "next": str() | None}:
                    for post in posts:
                        if (normal(post["text"]), post["mediaCount"]) == wanted:
                            hits[post["id"]] = post["url"]
                case _:
                    break
            if given["next"] is None:
                return _hit({id_: url for id_, url in hits.items() if id_ not in draft.others})
            asked["cursor"] = given["next"]
        return networks.Unreadable(f"no whole list, the last answer was {response.status_code}")


def _body(draft: networks.Draft) -> dict[str, object]:
    created = draft.created_at.isoformat()
    body = {"text": draft.text, "mediaCount": len(draft.media), "createdAt": created}
    return {**body, "options": dict(draft.options)} if draft.options else body


def _time(given: object) -> datetime | None:
    return datetime.fromisoformat(given) if isinstance(given, str) else None


def grant_of(given: Mapping[str, Any]) -> networks.Grant:
    """Reads tokens; without a refresh token nobody can renew what ends."""
    names = ("token", "kind", "refreshToken")
    held = {name: str(given[name]) for name in names if given.get(name) is not None}
    ends = _time(given.get("expiresAt"))
    return networks.Grant(held, ends, ends_at=None if "refreshToken" in held else ends)


def _judged(response: httpx2.Response, handle: str | None = None) -> networks.Answer:
    """Answers what a response to a posting call proves, with the budgets it tells."""
    given, budgets = networks.read_object(response), networks.read_budgets(response, _BUDGETS)
    message = str(given.get("message", f"the network answered {response.status_code}"))
    answer = networks.judge(response, message, given.get("code"))
    match response.status_code, given:
        case 200 | 201, {"id": str(id_), "url": str(url)}:
            answer = networks.Published(id_, url)
        case 202, {"status": "in_progress"} if handle is not None:
            answer = networks.Pending(handle)
        case 503, _ if response.headers.get("x-accepted") == "no":
            answer = networks.NotSent(message)
        case 429, {"code": "app_rate_limited"} if isinstance(answer, networks.RateLimited):
            answer = replace(answer, everybody=True)
        case _, {"code": "duplicate"} if response.is_client_error:
            answer = networks.Unknown(message)  # evidence, no proof: it names no post
    return replace(answer, budgets=budgets)


def _hit(hits: Mapping[str, str]) -> networks.Finding:
    if len(hits) > 1:
        return networks.Several(len(hits))
    return next((networks.Published(*each) for each in hits.items()), networks.Absent())
