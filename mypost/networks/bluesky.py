"""Bluesky over its XRPC calls (https://docs.bsky.app/docs/api), with an app password."""

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx2
import orjson

from mypost import clock, networks
from mypost.networks.spans import spans
from mypost.networks.text import measure

_POSTS = "app.bsky.feed.post"
_HANDLE = (r"@?[^\s@]{1,253}(@[^\s@]{1,253})?", "a handle such as name.bsky.social, or an email")
_PASSWORD = (r"\S{4,256}", "an app password, made under Settings, App passwords")
_EXPIRED = ("ExpiredToken", "InvalidToken")
_FINAL = (*_EXPIRED, "AccountTakedown", "AuthMissing")
_RESOLVING = 3.0  # seconds of a publish that resolving its mentions may take
_SORTABLE = "234567abcdefghijklmnopqrstuvwxyz"
_Answer = tuple[httpx2.Response, dict[str, Any]]
_FACETS = {"link": "uri", "tag": "tag", "mention": "did"}


def record_key(draft: networks.Draft) -> str:
    """Answers the draft's TID: 13 letters, the same for the same draft.

    53 bits are microseconds since 1970, 10 bits a clock's id: https://atproto.com/specs/tid.
    Posts fall due on whole minutes, so the draft's hash fills the microseconds below the second
    besides the clock's id: two posts of one second would else meet at one key in a thousand, and
    the later would replace the earlier.
    """
    hashed = int.from_bytes(hashlib.sha256(draft.key.encode()).digest()[:8])
    seconds = int(draft.created_at.timestamp())
    number = (seconds * 1_000_000 + hashed % 1_000_000) << 10 | hashed >> 54
    return "".join(_SORTABLE[number >> shift & 31] for shift in range(60, -1, -5))


def facets(text: str, handles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Answers what in a text is a link, tag or mention, by offsets in bytes of its UTF-8.

    `handles` names the DID of every mention that is one; any other stays text.
    Source: https://docs.bsky.app/docs/advanced-guides/post-richtext.
    """
    found = []
    for span in spans(text):
        value = handles.get(span.value) if span.kind == "mention" else span.value
        if value is not None:
            feature = {"$type": f"app.bsky.richtext.facet#{span.kind}", _FACETS[span.kind]: value}
            index = {"byteStart": span.start, "byteEnd": span.end}
            found.append({"index": index, "features": [feature]})
    return found


def _expiry(token: str) -> datetime | None:
    """Reads when a token ends (RFC 7519, 4.1.4); the signature is the network's business."""
    try:
        body = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError):
        return None


def _session(response: httpx2.Response, given: Mapping[str, Any]) -> networks.Grant:
    """Reads the tokens of a session out of an answer; raises Unavailable."""
    match response.status_code, given:
        case 200, {"did": str(did), "accessJwt": str(access), "refreshJwt": str(renewal)}:
            secrets = {"did": did, "accessJwt": access, "refreshJwt": renewal}
            return networks.Grant(secrets, _expiry(access))
    raise networks.Unavailable(f"no session in the answer {response.status_code}")


def _said(response: httpx2.Response, given: Mapping[str, Any]) -> str:
    return str(given.get("message") or f"the network answered {response.status_code}")


def _pause(response: httpx2.Response) -> float | None:
    """Reads the seconds until a rate limit ends, at least 1; the header counts from 1970."""
    reset = response.headers.get("ratelimit-reset", "")
    if not re.fullmatch(r"[0-9]{1,12}", reset):
        return None
    return max(1.0, int(reset) - clock.now().timestamp())


def _again(response: httpx2.Response, given: Mapping[str, Any]) -> networks.Refused:
    return networks.Refused([("app_password", f"is needed again: {_said(response, given)}")])


def _found(grant: networks.Grant, uri: str) -> networks.Published:
    page = f"https://bsky.app/profile/{grant.secrets['did']}/post/{uri.rpartition('/')[2]}"
    return networks.Published(uri, page)


class Bluesky(networks.Client, networks.Network):
    """A post is a record at an address that is known before it is sent."""

    key: ClassVar[str] = "bluesky"
    title: ClassVar[str] = "Bluesky"
    kind: ClassVar[networks.Kind] = networks.Kind.KEY
    built_in: ClassVar[bool] = False
    timeout: ClassVar[float] = 10.0
    settle: ClassVar[float] = 1.0
    home: ClassVar[str | None] = "https://bsky.social"
    bearer: ClassVar[str] = "accessJwt"
    renews: ClassVar[bool] = True
    fields: ClassVar[tuple[networks.Field, ...]] = (
        networks.Field(
            "identifier", "Handle or email", secret=False, help=_HANDLE[1], pattern=_HANDLE[0]
        ),
        networks.Field(
            "app_password", "App password", secret=True, help=_PASSWORD[1], pattern=_PASSWORD[0]
        ),
    )

    def measure(self, text: str, media_count: int = 0) -> list[networks.Measure]:
        """Counts graphemes, bytes of UTF-8 and media against the section in rules.toml."""
        return measure(self.key, text, media_count)

    async def connect(self, credentials: Mapping[str, str]) -> networks.Profile:
        """Opens a session (com.atproto.server.createSession); raises Refused or Unavailable.

        401 is about the password, 400 about the identifier.
        """
        if faults := self.faults(credentials):
            raise networks.Refused(faults)
        identifier = credentials["identifier"].removeprefix("@")
        body = {"identifier": identifier, "password": credentials["app_password"]}
        response, given = await self._ask("com.atproto.server.createSession", json=body)
        if response.status_code in {400, 401}:
            named = {400: "identifier", 401: "app_password"}[response.status_code]
            raise networks.Refused([(named, f"was refused: {_said(response, given)}")])
        grant = _session(response, given)
        did, handle = grant.secrets["did"], str(given.get("handle") or grant.secrets["did"])
        return networks.Profile(did, handle, handle, None, (), grant, grant.expires_at)

    async def refresh(self, grant: networks.Grant) -> networks.Grant:
        """Trades the refresh token for a new pair (com.atproto.server.refreshSession).

        Raises Refused when the token is dead, Unavailable for every other answer and for none.
        """
        renewal = {"Authorization": f"Bearer {grant.secrets['refreshJwt']}"}
        response, given = await self._ask("com.atproto.server.refreshSession", headers=renewal)
        if response.is_client_error and given.get("error") in _FINAL:
            raise _again(response, given)
        return _session(response, given)

    async def publish(self, grant: networks.Grant, draft: networks.Draft) -> networks.Answer:
        """Puts the record at its known address (com.atproto.repo.putRecord); raises nothing.

        The same record again changes nothing; mentions are resolved before it is sent.
        """
        created = draft.created_at.astimezone(UTC).isoformat(timespec="milliseconds")
        created = created.replace("+00:00", "Z")
        record: dict[str, Any] = {"$type": _POSTS, "text": draft.text, "createdAt": created}
        if languages := draft.options.get("languages"):
            record["langs"] = languages
        if marked := facets(draft.text, await self._resolved(draft.text)):
            record["facets"] = marked
        body = {**self._place(grant, record_key(draft)), "record": record}
        try:
            response = await self.send("POST", "/xrpc/com.atproto.repo.putRecord", grant, json=body)
        except networks.NoAnswer as fault:
            return fault.proves
        given = networks.read_object(response)
        match response.status_code, given:
            case 200, {"uri": str(uri)}:
                return _found(grant, uri)
            case 400, {"error": code} if code in _EXPIRED:
                return networks.Expired(_said(response, given))
            case 429, _ if "retry-after" not in response.headers and (pause := _pause(response)):
                return networks.RateLimited(pause)
        code = given.get("error")
        return networks.judge(response, _said(response, given), code and str(code))

    async def find_published(
        self, grant: networks.Grant, draft: networks.Draft
    ) -> networks.Finding:
        """Reads the record at its known address (com.atproto.repo.getRecord); raises nothing."""
        place = self._place(grant, record_key(draft))
        try:
            response, given = await self._ask("com.atproto.repo.getRecord", grant, params=place)
        except networks.Unavailable as fault:
            return networks.Unreadable(str(fault))
        match response.status_code, given:
            case 200, {"uri": str(uri)}:
                return _found(grant, uri)
            case 400, {"error": "RecordNotFound"}:
                return networks.Absent()
        return networks.Unreadable(f"no record in the answer {response.status_code}")

    async def delete(self, grant: networks.Grant, external_id: str) -> None:
        """Deletes the record of an at-uri (com.atproto.repo.deleteRecord), if it is there.

        Raises Refused when the grant is not valid, Unavailable for every other failure.
        """
        body = self._place(grant, external_id.rpartition("/")[2])
        response, given = await self._ask("com.atproto.repo.deleteRecord", grant, json=body)
        if response.status_code == httpx2.codes.UNAUTHORIZED or given.get("error") in _EXPIRED:
            raise _again(response, given)
        if response.status_code != httpx2.codes.OK:
            raise networks.Unavailable(_said(response, given))

    async def metrics(self, grant: networks.Grant, external_id: str) -> networks.Metrics | None:
        """Reads a post's counts (app.bsky.feed.getPosts), None when nobody answers with them."""
        try:
            asked = {"uris": external_id}
            response, given = await self._ask("app.bsky.feed.getPosts", grant, params=asked)
        except networks.Unavailable:
            return None
        match response.status_code, given:
            case 200, {"posts": [dict(post)]}:
                names = ("likeCount", "repostCount", "replyCount", "quoteCount")
                return networks.Metrics(*map(post.get, names))
        return None

    async def _ask(self, call: str, grant: networks.Grant | None = None, **request: Any) -> _Answer:
        """Makes one call, a query when it has params; raises Unavailable without an answer."""
        method = "GET" if "params" in request else "POST"
        try:
            response = await self.send(method, f"/xrpc/{call}", grant, **request)
        except networks.NoAnswer as fault:
            raise networks.Unavailable(str(fault)) from fault
        return response, networks.read_object(response)

    async def _resolved(self, text: str) -> dict[str, str]:
        """Answers the DID of every handle a text mentions (com.atproto.identity.resolveHandle)."""
        found: dict[str, str] = {}

        async def resolve(handle: str) -> None:
            with contextlib.suppress(networks.Unavailable):
                call, asked = "com.atproto.identity.resolveHandle", {"handle": handle}
                _, given = await self._ask(call, params=asked)
                if isinstance(did := given.get("did"), str):
                    found[handle] = did

        handles = {span.value for span in spans(text) if span.kind == "mention"}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RESOLVING), asyncio.TaskGroup() as group:
                for handle in handles:
                    group.create_task(resolve(handle))
        return found

    @staticmethod
    def _place(grant: networks.Grant, record: str) -> dict[str, str]:
        return {"repo": grant.secrets["did"], "collection": _POSTS, "rkey": record}
