"""The OAuth 2 half of a network, to inherit: the code grant with PKCE (RFC 6749, 7636, 9700)."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

import httpx2

from mypost import clock
from mypost.networks.answers import Grant, NoAnswer, Refused, Unavailable, Unsupported
from mypost.networks.client import Client, Field, read_object

# RFC 6749, 4.1.2.1 and 5.2. Any other word of an answer may be anybody's, and is not repeated.
CODES = frozenset({
    "access_denied", "invalid_client", "invalid_grant", "invalid_request", "invalid_scope",
    "server_error", "temporarily_unavailable", "unauthorized_client", "unsupported_grant_type",
    "unsupported_response_type",
})  # fmt: skip
_LONGEST = 10 * 365 * 86_400


def challenge_of(verifier: str) -> str:
    """Answers what an authorization request shows of a verifier (RFC 7636, 4.2, S256)."""
    hashed = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(hashed).decode().rstrip("=")


class OAuth(Client):
    """Accounts are connected on a page of the network's own, where somebody allows it.

    A network says where its endpoints are, which scopes it needs, and how the accounts of a login
    are listed; each of them has a grant of its own, or refreshing one would end another's.
    """

    oauth: ClassVar[bool] = True
    fields: ClassVar[tuple[Field, ...]] = ()
    scopes: ClassVar[tuple[str, ...]]  # what is asked for; without one of them nothing works
    exchange_path: str  # of the token endpoint
    separator: ClassVar[str] = " "  # of scopes
    besides: ClassVar[Mapping[str, str]] = {}  # what a network wants to be asked as well

    def __init__(self, environment: Mapping[str, str], origin: str) -> None:
        """Takes MYPOST_<KEY>_CLIENT_ID and MYPOST_<KEY>_CLIENT_SECRET besides."""
        super().__init__(environment, origin)
        names = [f"MYPOST_{self.key.upper()}_CLIENT_{each}" for each in ("ID", "SECRET")]
        self.client_id, self.client_secret = (environment.get(name, "") for name in names)
        self.missing = tuple(name for name in names if not environment.get(name))

    @property
    def authorization_endpoint(self) -> str:
        """The address of the page on which somebody allows it."""
        return f"{self.base}/authorize"

    def authorize(self, redirect: str, state: str, challenge: str) -> str:
        """Answers the address to send somebody to (RFC 6749, 4.1.1; RFC 7636, 4.3)."""
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect,
            "scope": self.separator.join(self.scopes),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **self.besides,
        }
        return f"{self.authorization_endpoint}?{urlencode(asked)}"

    async def redeem(self, code: str, verifier: str, redirect: str) -> dict[str, Any]:
        """Trades a code for tokens (RFC 6749, 4.1.3); raises Refused or Unavailable."""
        given = {"code": code, "code_verifier": verifier, "redirect_uri": redirect}
        return await self.tokens({"grant_type": "authorization_code", **given})

    async def refresh(self, grant: Grant) -> Grant:
        """Trades the refresh token for a new token; raises Refused, Unavailable or Unsupported.

        A network that sends no new refresh token lets the old one live (RFC 6749, 6).
        """
        if "refreshToken" not in grant.secrets:
            raise Unsupported("this account's token is not renewed")
        renewal = grant.secrets["refreshToken"]
        given = await self.tokens({"grant_type": "refresh_token", "refresh_token": renewal})
        return grant_of(given, grant.secrets)

    async def tokens(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Makes one call to the token endpoint; the client's secret goes in the body.

        Raises Refused for a grant that is dead, Unavailable for whatever else is no token.
        """
        client = {"client_id": self.client_id, "client_secret": self.client_secret}
        response = await self.ask("POST", self.exchange_path, data={**form, **client})
        given = read_object(response)
        match response.status_code, given:
            case 200, {"access_token": str(token)} if token:
                return given
            case _ if response.is_client_error and self.is_dead(given):
                raise Refused([("grant", "is used up, ended, or not for this installation")])
        code = next((each for each in CODES if each == given.get("error")), "")
        raise Unavailable(f"no token in the answer {response.status_code} {code}".rstrip())

    def is_dead(self, given: Mapping[str, Any]) -> bool:
        """Tells whether a refusal is about the code or refresh token, and so for ever."""
        return given.get("error") == "invalid_grant"

    def granted(self, given: Mapping[str, Any]) -> tuple[str, ...]:
        """Answers the scopes of a token, all that were asked for when it says nothing.

        Raises Refused naming those that somebody took away on the way (RFC 6749, 5.1).
        """
        said = given.get("scope")
        granted = said.split(self.separator) if isinstance(said, str) else self.scopes
        return demand(self.scopes, granted)

    async def ask(
        self, method: str, path: str, grant: Grant | None = None, **request: Any
    ) -> httpx2.Response:
        """Makes one request; raises Unavailable without an answer."""
        try:
            return await self.send(method, path, grant, **request)
        except NoAnswer as fault:
            raise Unavailable(str(fault)) from fault


def demand(needed: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """Answers the scopes that were granted; raises Refused when one that is needed is not."""
    held = tuple(dict.fromkeys(each for each in granted if each))
    if lacking := [scope for scope in needed if scope not in held]:
        raise Refused([("scope", f"lacks {', '.join(lacking)}: allow all that is asked for")])
    return held


def grant_of(given: Mapping[str, Any], held: Mapping[str, str]) -> Grant:
    """Reads a token answer (RFC 6749, 5.1) into a grant; what `held` knows besides stays."""
    secrets = {**held, "token": str(given["access_token"])}
    if isinstance(renewal := given.get("refresh_token"), str) and renewal:
        secrets["refreshToken"] = renewal
    ends, seconds = None, str(given.get("expires_in", ""))
    if seconds.isdecimal() and int(seconds) < _LONGEST:
        ends = clock.now() + timedelta(seconds=int(seconds))
    return Grant(secrets, ends, ends_at=None if "refreshToken" in secrets else ends)
