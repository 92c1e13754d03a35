"""A Graph API that answers what its documentation shows; the pages are named in the network."""

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from mypost.networks.oauth import challenge_of

APP, SECRET, VERSION = "1234567890", "app-secret-canary", "v26.0"
SHORT, LONG = "short-canary", "long-canary"
GRANTED = ("public_profile", "pages_show_list", "pages_read_engagement", "pages_manage_posts")


def error(code: int, message: str = "said", subcode: int | None = None) -> dict[str, Any]:
    """An error as the guide on handling errors shows it."""
    return {
        "error": {
            "message": message,
            "type": "OAuthException",
            "code": code,
            "error_subcode": subcode,
            "fbtrace_id": "EJplcsCHuLu",
        }
    }


@dataclass
class Graph:
    """What it was asked, and what it knows."""

    codes: dict[str, tuple[str, str]] = field(default_factory=dict)  # code: challenge, redirect
    denied: bool = False
    granted: tuple[str, ...] = GRANTED
    pages: list[dict[str, Any]] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    refusal: tuple[int, dict[str, Any]] | None = None  # to the next post
    asked: list[str] = field(default_factory=list)
    per_page: int = 2

    def page(self, id: str, name: str, *tasks: str, **more: Any) -> None:
        token = f"page-{id}-canary"
        given = {"id": id, "name": name, "access_token": token, "tasks": list(tasks)}
        self.pages.append({**given, **more})

    def app(self) -> Starlette:
        paths = {
            "/dialog/oauth": (self.dialog, ["GET"]),
            "/oauth/access_token": (self.token, ["POST"]),
            "/me/permissions": (self.permissions, ["GET"]),
            "/me/accounts": (self.accounts, ["GET"]),
            "/{page}/feed": (self.feed, ["POST"]),
            "/{page}/published_posts": (self.published, ["GET"]),
        }
        return Starlette(
            routes=[Route(f"/{VERSION}{p}", f, methods=m) for p, (f, m) in paths.items()]
        )

    async def dialog(self, request: Request) -> Response:
        """Somebody who allows it, or does not, without being asked."""
        asked = request.query_params
        assert (asked["client_id"], asked["response_type"]) == (APP, "code")
        told = {"code": f"code-{len(self.codes)}-canary"}
        if self.denied:
            told = {"error": "access_denied", "error_reason": "user_denied"}
            told["error_description"] = "Permissions error"
        else:
            self.codes[told["code"]] = (asked["code_challenge"], asked["redirect_uri"])
        query = urlencode({**told, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{query}")

    async def token(self, request: Request) -> Response:
        self.asked.append(str(request.url))
        match dict(parse_qsl((await request.body()).decode())):
            case {"client_id": app, "client_secret": secret} if (app, secret) != (APP, SECRET):
                said = error(1, "Error validating client secret.")
            case {"code": code, "code_verifier": verifier, "redirect_uri": redirect}:
                if self.codes.pop(code, None) == (challenge_of(verifier), redirect):
                    return self._given(SHORT, 5400)
                said = error(100, "This authorization code has been used.", 36009)
            case {"grant_type": "fb_exchange_token", "fb_exchange_token": token} if token == SHORT:
                return self._given(LONG, 5183944)
            case _:
                said = error(100, "Invalid parameter")
        return JSONResponse(said, 400)

    @staticmethod
    def _given(token: str, seconds: int) -> Response:
        return JSONResponse({"access_token": token, "token_type": "bearer", "expires_in": seconds})

    def _refused(self, request: Request, proof: str | None, *tokens: str) -> Response | None:
        self.asked.append(str(request.url))
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        right = hmac.new(SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()
        if token not in tokens:
            return JSONResponse(error(190, "Invalid OAuth access token."), 401)
        if proof != right:
            return JSONResponse(error(100, "Invalid appsecret_proof provided"), 400)
        return None

    async def permissions(self, request: Request) -> Response:
        proof = request.query_params.get("appsecret_proof")
        rows = [{"permission": each, "status": "granted"} for each in self.granted]
        rows += [
            {"permission": each, "status": "declined"}
            for each in GRANTED
            if each not in self.granted
        ]
        return self._refused(request, proof, LONG) or JSONResponse({"data": rows})

    async def accounts(self, request: Request) -> Response:
        proof = request.query_params.get("appsecret_proof")
        refused = self._refused(request, proof, LONG)
        return refused or self._paged(request, self.pages)

    def _paged(self, request: Request, rows: list[dict[str, Any]]) -> Response:
        begin = int(request.query_params.get("after", "0"))
        end = begin + self.per_page
        paging: dict[str, Any] = {"cursors": {"before": str(begin), "after": str(end)}}
        if end < len(rows):
            paging["next"] = f"{request.url}&after={end}"
        return JSONResponse({"data": rows[begin:end], "paging": paging})

    async def feed(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        page = request.path_params["page"]
        proof = form.get("appsecret_proof")
        if refused := self._refused(request, proof, f"page-{page}-canary"):
            return refused
        if self.refusal is not None:
            status, said = self.refusal
            return Response(json.dumps(said), status, media_type="application/json")
        id = f"{page}_{len(self.posts) + 1}"
        link = f"https://www.facebook.com/{id}"
        self.posts.insert(0, {"id": id, "message": form["message"], "permalink_url": link})
        return JSONResponse({"id": id})

    async def published(self, request: Request) -> Response:
        proof = request.query_params.get("appsecret_proof")
        page = request.path_params["page"]
        refused = self._refused(request, proof, f"page-{page}-canary")
        return refused or self._paged(request, self.posts)
