"""A playground whose accounts are connected by OAuth 2: it asks for consent and gives tokens.

RFC 6749 (code grant), 7636 (PKCE, which it demands), 7009 (revoking), 9207 (who answers). Somebody
signs in under any name, owns as many accounts as he says, and chooses what their posts meet.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mypost.networks import consent
from mypost.networks.playground import Playground, Viewer, as_json, body_of, now

_TABLES = """
CREATE TABLE IF NOT EXISTS codes (
  code TEXT PRIMARY KEY, redirect TEXT, challenge TEXT, login TEXT, mode TEXT, accounts INTEGER,
  answer TEXT, ends TEXT, used INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS logins (token TEXT PRIMARY KEY, code TEXT, ends TEXT);
CREATE TABLE IF NOT EXISTS owners (token TEXT PRIMARY KEY, code TEXT);
"""
_NEW = "INSERT INTO codes (code, redirect, challenge, login, mode, accounts, answer, ends)"
_LOGIN = "SELECT codes.* FROM logins JOIN codes USING (code) WHERE token = ? AND logins.ends > ?"
_TOKENS = "SELECT token FROM owners WHERE code = ?"
_OF_ANY = """SELECT code FROM owners WHERE token = ?1 UNION SELECT code FROM logins WHERE token = ?1
  UNION SELECT code FROM owners JOIN lives USING (token) WHERE refresh = ?1"""
_CODE_LIFE = timedelta(seconds=60)


class _Refusal(Exception):
    """What an endpoint answers instead: status, error, description (RFC 6749, 5.2)."""


async def _refuse(_: Request, refusal: Exception) -> Response:
    status, code, description = refusal.args
    return _told({"error": code, "error_description": description}, status)


def _told(content: Mapping[str, object], status: int = 200) -> Response:
    return as_json(content, status, {"Cache-Control": "no-store", "Pragma": "no-cache"})


async def _form(request: Request) -> dict[str, str]:
    """Reads a form; what stands in it twice is an error (RFC 6749, 3.2)."""
    pairs = parse_qsl((await body_of(request)).decode("utf-8", "replace"))
    if len(dict(pairs)) != len(pairs):
        raise _Refusal(400, "invalid_request", "a parameter stands there twice")
    return dict(pairs)


class Authority(Playground):
    """The playground behind a consent page."""

    def __init__(
        self,
        folder: Path,
        key: str,
        title: str,
        faults: Callable[[Mapping[str, object]], list[tuple[str, str]]],
        *,
        client: tuple[str, str],
        scopes: tuple[str, ...],
        modes: tuple[str, ...],
    ) -> None:
        super().__init__(folder, key, title, faults)
        self._db.executescript(_TABLES)
        self._client, self._scopes, self._modes = client, scopes, modes
        self.state.redirect = ""  # of the client, letter by letter; nobody is sent anywhere else
        self.add_exception_handler(_Refusal, _refuse)

    def doors(self) -> list[Route]:
        """Answers the routes by which a client gets its tokens."""
        return [
            Route("/authorize", self.ask),
            Route("/authorize", self.decide, methods=["POST"]),
            Route("/token", self.give, methods=["POST"]),
            Route("/revoke", self.revoke, methods=["POST"]),
            Route("/accounts", self.accounts),
        ]

    def _lasts(self, mode: str) -> bool:  # noqa: ARG002 - whatever the mode
        """No token here is without an end."""
        return False

    async def ask(self, request: Request) -> Response:
        """Shows somebody what a client wants; who sends a foreign client on is not followed."""
        given = dict(request.query_params)
        if wrong := self._wrong(given):
            return self._back(request, given, {"error": wrong})
        page = consent.page(self._title, given, self._modes)
        return HTMLResponse(page, headers={"Cache-Control": "no-store"})

    def _wrong(self, given: Mapping[str, str]) -> str | None:
        """Answers what is wrong with an authorization request that may be answered by redirect."""
        if given.get("client_id") != self._client[0]:
            raise _Refusal(400, "invalid_request", "there is no such client")
        if not self.state.redirect or given.get("redirect_uri") != self.state.redirect:
            raise _Refusal(400, "invalid_request", "this redirect_uri is not registered")
        if given.get("response_type") != "code":
            return "unsupported_response_type"
        if given.get("code_challenge_method") != "S256" or not given.get("code_challenge"):
            return "invalid_request"
        known = set(given.get("scope", "").split()) <= set(self._scopes)
        return None if known else "invalid_scope"

    def _back(
        self, request: Request, given: Mapping[str, str], answer: Mapping[str, str]
    ) -> Response:
        """Sends the browser back with an answer, which says who gives it (RFC 9207)."""
        said = {**answer, "state": given.get("state", ""), "iss": _issuer(request)}
        return RedirectResponse(f"{given['redirect_uri']}?{urlencode(said)}", 303)

    async def decide(self, request: Request) -> Response:
        """Takes somebody's decision, and sends him back with a code or a refusal."""
        given = await _form(request)
        if wrong := self._wrong(given):
            return self._back(request, given, {"error": wrong})
        if given.get("decision") != "allow":
            return self._back(request, given, {"error": "access_denied"})
        login, mode = given.get("login", ""), given.get("mode", self._modes[0])
        count = given.get("accounts", "1")
        if self._faults({"handle": login, "mode": mode}) or not count.isdecimal():
            raise _Refusal(400, "invalid_request", "the name is 1 to 50 of a-z, 0-9, _ . -")
        code, many = secrets.token_urlsafe(24), min(consent.MOST, int(count))
        kept = (given["redirect_uri"], given["code_challenge"], login, mode, many)
        values = "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        answer = given.get("answer", "ok")
        await self._run(f"{_NEW} {values}", code, *kept, answer, now(_CODE_LIFE))
        return self._back(request, given, {"code": code})

    async def give(self, request: Request) -> Response:
        """Gives tokens for a code, or a new token for a refresh token, to its client alone."""
        given = await _form(request)
        self._known(request, given)
        match given:
            case {"grant_type": "authorization_code", "code": code}:
                return await self._redeem(code, given)
            case {"grant_type": "refresh_token", "refresh_token": renewal}:
                return await self._renewed(renewal)
        raise _Refusal(400, "unsupported_grant_type", "this is a code or a refresh token")

    def _known(self, request: Request, given: Mapping[str, str]) -> None:
        """Refuses who is not the client, by the header or the form (RFC 6749, 2.3.1)."""
        scheme, _, told = request.headers.get("authorization", "").partition(" ")
        client = given.get("client_id"), given.get("client_secret")
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(told).decode().partition(":")
            except ValueError:
                name = secret = ""
            client = unquote_plus(name), unquote_plus(secret)
        if client != self._client:
            raise _Refusal(401, "invalid_client", "there is no such client")

    async def _redeem(self, code: str, given: Mapping[str, str]) -> Response:
        """A code counts once: with its second use all that it gave ends (RFC 6749, 4.1.2)."""
        use = "UPDATE codes SET used = 1 WHERE code = ? AND used = 0 RETURNING *"
        rows = await self._run(use, code)
        if not rows:
            await self._end(code)
            raise _Refusal(400, "invalid_grant", "this code is used")
        row = rows[0]
        shown = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        right = base64.urlsafe_b64encode(shown).decode().rstrip("=") == row["challenge"]
        if not right or given.get("redirect_uri") != row["redirect"] or row["ends"] <= now():
            raise _Refusal(400, "invalid_grant", "this code is for somebody else")
        if row["answer"] == "slow":
            await asyncio.sleep(self.state.slow_seconds)
        if row["answer"] == "fails":
            raise _Refusal(503, "temporarily_unavailable", f"the code {code} was too much")
        token, life = secrets.token_urlsafe(24), self.state.token_life
        await self._run("INSERT INTO logins VALUES (?, ?, ?)", token, code, now(life))
        scopes = self._scopes[1:] if row["answer"] == "cut" else self._scopes
        return _told(_token(token, life, None, scopes))

    async def _renewed(self, renewal: str) -> Response:
        """Refresh tokens rotate: one that was used is dead."""
        used = await self._used(renewal)
        if used is None:
            raise _Refusal(400, "invalid_grant", "this refresh token is not valid any more")
        old, viewer = used
        made = await self._token(viewer)
        own = "INSERT INTO owners SELECT ?, code FROM owners WHERE token = ?"
        await self._run(own, made["token"], old)
        life, renewed = self.state.token_life, made["refreshToken"]
        return _told(_token(str(made["token"]), life, renewed, self._scopes))

    async def accounts(self, request: Request) -> Response:
        """Lists the accounts of a login, each with tokens of its own."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        rows = await self._run(_LOGIN, token, now())
        if not rows:
            raise _Refusal(401, "invalid_token", "the token is not valid any more")
        row = rows[0]
        listed = []
        for number in range(0 if row["answer"] == "empty" else row["accounts"]):
            handle = f"{row['login']}-{number + 1}" if number else row["login"]
            made = await self._account(Viewer(handle, row["mode"]))
            await self._run("INSERT INTO owners VALUES (?, ?)", made["token"], row["code"])
            given = {name: made[name] for name in ("id", "handle", "name", "kind")}
            life, renewal = self.state.token_life, made["refreshToken"]
            listed.append({**given, **_token(str(made["token"]), life, renewal, self._scopes)})
        return _told({"accounts": listed})

    async def revoke(self, request: Request) -> Response:
        """Ends every token of the consent that a token came from; an unknown one is as good."""
        given = await _form(request)
        self._known(request, given)
        for row in await self._run(_OF_ANY, given.get("token")):
            await self._end(row["code"])
        return _told({})

    async def _end(self, code: str) -> None:
        await self._run(f"DELETE FROM lives WHERE token IN ({_TOKENS})", code)
        await self._run(f"DELETE FROM tokens WHERE token IN ({_TOKENS})", code)
        await self._run("DELETE FROM logins WHERE code = ?", code)


def _issuer(request: Request) -> str:
    """Answers this server's address, as the client knows it."""
    root = request.scope.get("root_path", "")
    return f"{request.url.scheme}://{request.url.netloc}{root}"


def _token(
    token: str, life: timedelta, renewal: str | None, scopes: tuple[str, ...]
) -> dict[str, Any]:
    renewed = {} if renewal is None else {"refresh_token": renewal}
    seconds = int(life.total_seconds())
    said = {"access_token": token, "token_type": "Bearer", "expires_in": seconds}
    return {**said, "scope": " ".join(scopes), **renewed}
