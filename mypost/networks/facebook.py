"""Facebook pages over the Graph API (https://developers.facebook.com/docs/graph-api).

Login: https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow, with the
PKCE of https://developers.facebook.com/docs/facebook-login/guides/advanced/oidc-token.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

import httpx2

from mypost import networks
from mypost.networks.oauth import OAuth, demand
from mypost.networks.text import measure, normal

_DIALOG = "https://www.facebook.com"
_TASK = "CREATE_CONTENT"
_PAGES = 10
_BEFORE_DUE = timedelta(seconds=60)
# https://developers.facebook.com/docs/graph-api/guides/error-handling
_EXPIRED = (102, 190)
_LIMITED = {4: True, 17: False, 32: False, 341: True, 613: False}  # whether everybody has to wait
_PAUSE = 900.0
_EVIDENCE = (1, 2, 506)  # it may be live: trouble on their side, or posted before
_CATEGORIES = {**dict.fromkeys((3, 10, *range(200, 300)), "missing_scope"), 368: "account_issue"}


class Facebook(OAuth, networks.Network):
    """A post is a message in a page's feed; what the page has published can be listed."""

    key: ClassVar[str] = "facebook"
    title: ClassVar[str] = "Facebook"
    kind: ClassVar[networks.Kind] = networks.Kind.LOOKUP
    built_in: ClassVar[bool] = False
    timeout: ClassVar[float] = 20.0
    settle: ClassVar[float] = 30.0
    apart: ClassVar[float] = 10.0
    home: ClassVar[str | None] = "https://graph.facebook.com"
    scopes: ClassVar[tuple[str, ...]] = (
        "pages_show_list", "pages_read_engagement", "pages_manage_posts",
    )  # fmt: skip
    separator: ClassVar[str] = ","
    # Without it the dialog never asks again for what somebody has left out once.
    besides: ClassVar[Mapping[str, str]] = {"auth_type": "rerequest"}

    def __init__(self, environment: Mapping[str, str], origin: str) -> None:
        """Takes MYPOST_FACEBOOK_VERSION besides; another address is the dialog's as well."""
        super().__init__(environment, origin)
        self._version = environment.get("MYPOST_FACEBOOK_VERSION", "v26.0")
        self._dialog = self.base if environment.get("MYPOST_FACEBOOK_URL") else _DIALOG
        self.exchange_path = f"/{self._version}/oauth/access_token"

    @property
    def authorization_endpoint(self) -> str:
        """The login dialog."""
        return f"{self._dialog}/{self._version}/dialog/oauth"

    def measure(self, text: str, media_count: int = 0) -> list[networks.Measure]:
        """Counts characters and media against the section in rules.toml."""
        return measure(self.key, text, media_count)

    def is_dead(self, given: Mapping[str, Any]) -> bool:
        """Tells whether the code is used, ended or malformed: all of it is an error 100."""
        return _code(given) == 100  # noqa: PLR2004 - "Invalid parameter", with subcodes

    async def exchange(self, code: str, verifier: str, redirect: str) -> list[networks.Profile]:
        """Trades a code for the pages that somebody may post to; raises Refused or Unavailable.

        The token of a page lasts as long as its consent when it is asked for with a long-lived
        one (https://developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived).
        """
        short = await self.redeem(code, verifier, redirect)
        asked = {"grant_type": "fb_exchange_token", "fb_exchange_token": short["access_token"]}
        login = networks.Grant({"token": (await self.tokens(asked))["access_token"]})
        given = await self._listed(login, "me/permissions", {})
        granted = [each.get("permission") for each in given if each.get("status") == "granted"]
        scopes = demand(self.scopes, map(str, granted))
        fields = {"fields": "id,name,username,access_token,tasks,picture{url}", "limit": "100"}
        pages = await self._listed(login, "me/accounts", fields)
        return [_profile(page, scopes) for page in pages if _TASK in (page.get("tasks") or [])]

    async def publish(self, grant: networks.Grant, draft: networks.Draft) -> networks.Answer:
        """Posts to the page's feed (https://developers.facebook.com/docs/pages-api/posts)."""
        path = f"/{self._version}/{grant.secrets['page']}/feed"
        form = {"message": draft.text, "appsecret_proof": self._proof(grant)}
        try:
            response = await self.send("POST", path, grant, data=form)
        except networks.NoAnswer as fault:
            return fault.proves
        match response.status_code, networks.read_object(response):
            case 200, {"id": str(id_)}:
                return networks.Published(id_, f"{_DIALOG}/{id_}")
        return _judged(response)

    async def find_published(
        self, grant: networks.Grant, draft: networks.Draft
    ) -> networks.Finding:
        """Looks for the text among what the page has published since before it was due."""
        since = int((draft.created_at - _BEFORE_DUE).timestamp())
        asked = {"fields": "id,message,permalink_url", "since": str(since), "limit": "100"}
        path = f"{grant.secrets['page']}/published_posts"
        try:
            posts = await self._listed(grant, path, asked)
        except (networks.Unavailable, networks.Refused) as fault:
            return networks.Unreadable(str(fault))
        wanted = normal(draft.text)
        hits = {
            post["id"]: post["permalink_url"]
            for post in posts
            # A photo or a share has no words of its own.
            if all(isinstance(post.get(name), str) for name in ("id", "message", "permalink_url"))
            and normal(post["message"]) == wanted
            and post["id"] not in draft.others
        }
        if len(hits) > 1:
            return networks.Several(len(hits))
        return next((networks.Published(*each) for each in hits.items()), networks.Absent())

    async def _listed(
        self, grant: networks.Grant, path: str, asked: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Reads a list to its end (https://developers.facebook.com/docs/graph-api/results).

        Raises Refused when the token is dead, Unavailable for every other answer that is no list.
        """
        found: list[dict[str, Any]] = []
        params = {**asked, "appsecret_proof": self._proof(grant)}
        for _ in range(_PAGES):
            response = await self.ask("GET", f"/{self._version}/{path}", grant, params=params)
            given = networks.read_object(response)
            match response.status_code, given:
                case 200, {"data": list(rows)}:
                    found += [row for row in rows if isinstance(row, dict)]
                case _ if _code(given) in _EXPIRED:
                    raise networks.Refused([("grant", "is not valid any more")])
                case _:
                    raise networks.Unavailable(f"no list in the answer {response.status_code}")
            match given.get("paging"):
                case {"next": str(), "cursors": {"after": str(after)}}:
                    params["after"] = after
                case _:
                    return found
        raise networks.Unavailable(f"a list of more than {_PAGES} pages")

    def _proof(self, grant: networks.Grant) -> str:
        """Proves that the app itself asks, and not who has found its token.

        https://developers.facebook.com/docs/graph-api/guides/secure-requests
        """
        key, token = self.client_secret.encode(), grant.secrets["token"].encode()
        return hmac.digest(key, token, hashlib.sha256).hex()


def _code(given: Mapping[str, Any]) -> int | None:
    match given.get("error"):
        case {"code": int(code)}:
            return code
    return None


def _judged(response: httpx2.Response) -> networks.Answer:
    """Answers what a refusal proves, by its code; one without a code by its status."""
    given = networks.read_object(response)
    code = _code(given)
    if code is None:
        return networks.judge(response, f"the network answered {response.status_code}")
    said, name = str(given["error"].get("message") or f"error {code}"), str(code)
    if code in _EXPIRED:
        return networks.Expired(said)
    if code in _LIMITED:
        return networks.RateLimited(_PAUSE, everybody=_LIMITED[code])
    if code in _EVIDENCE:
        return networks.Unknown(said)
    if category := _CATEGORIES.get(code):
        return networks.Rejected(category, said, name)
    return networks.judge(response, said, name)


def _profile(page: Mapping[str, Any], scopes: Iterable[str]) -> networks.Profile:
    match page:
        case {"id": str(id_), "name": str(name), "access_token": str(token)}:
            grant = networks.Grant({"token": token, "page": id_})
            handle = str(page.get("username") or name)
            return networks.Profile(id_, handle, name, _picture(page), tuple(scopes), grant, None)
    raise networks.Unavailable("no page in the answer")


def _picture(page: Mapping[str, Any]) -> str | None:
    match page.get("picture"):
        case {"data": {"url": str(url)}} if url.startswith("https://"):
            return url
    return None
