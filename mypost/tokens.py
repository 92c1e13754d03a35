"""Signing in: password hashes, access tokens, rotating refresh tokens, and the session check."""

import asyncio
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from mypost import clock, ids, viewer
from mypost.crypto import Keys, digest
from mypost.errors import RateLimited, Unauthorized
from mypost.models.base import Db, Row
from mypost.models.reads import Reads
from mypost.viewer import Viewer

ACCESS_S = 900
REFRESH_IDLE = timedelta(days=30)
SESSION_LIFE = timedelta(days=90)
VIEWER_CACHE_S = 5.0
CACHED = 10_000
AT_ONCE = 500  # sessions read in one statement
ISSUER = "mypost"
AUDIENCE = "mypost-api"
ALGORITHM = "EdDSA"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068's name of the type
MAX_WAITING = 20
LEEWAY_S = 30
PREFIX = "mypost_"  # of a personal access token


class Passwords:
    """argon2id (19 MiB, t=2, p=1: OWASP) in two threads, so that hashing never stalls the API."""

    def __init__(self, *, memory_kib: int = 19 * 1024, passes: int = 2) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
        self._waiting = 0
        # Verified against when the address is unknown, so that both cases take the same time.
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def _run(self, work: Any, *args: str) -> Any:
        if self._waiting >= MAX_WAITING:
            raise RateLimited("Too many sign-ins at once", retry_after=1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        """Hashes a new password."""
        return str(await self._run(self._hasher.hash, password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Compares in the same time whether the person exists or not."""
        return bool(await self._run(self._verify, stored or self._nobody, password)) and bool(
            stored
        )

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with weaker settings than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False)


@dataclass(frozen=True, slots=True)
class Issued:
    """A pair of tokens for one session; the refresh token is told once."""

    session_id: UUID
    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


class Sessions:
    """Issues and checks tokens; a session revoked anywhere is refused here within 5 s."""

    def __init__(self, keys: Keys, pool: Reads) -> None:
        self.keys = keys
        self.pool = pool
        self._public = keys.signing.public_key()
        self._viewers: OrderedDict[UUID, tuple[float, Viewer | None]] = OrderedDict()
        self._claims: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._found: OrderedDict[bytes, tuple[float, UUID | None]] = OrderedDict()

    def access_token(self, user_id: UUID, session_id: UUID) -> str:
        """Signs an access token of 900 s; it carries no roles (RFC 9068)."""
        now = int(clock.now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": secrets.token_hex(8),
            "iat": now,
            "exp": now + ACCESS_S,
        }
        headers = {"typ": TOKEN_TYPE, "kid": self.keys.key_id}
        return jwt.encode(claims, self.keys.signing, algorithm=ALGORITHM, headers=headers)

    def read(self, token: str) -> dict[str, Any]:
        """Verifies a token's signature, type and times; raises Unauthorized."""
        claims = self._claims.get(token) or self._verified(token)
        if clock.now().timestamp() >= claims["exp"]:
            raise Unauthorized("The access token has expired")
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        options: Any = {
            "require": ["exp", "iat", "sub", "sid"],
            "verify_exp": False,
            "verify_iat": False,
        }
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != TOKEN_TYPE or header.get("kid") != self.keys.key_id:
                raise Unauthorized("The access token is not one of ours")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY_S,
                options=options,
            )
            if not isinstance(claims["exp"], int) or ids.parse(claims["sid"]) is None:
                raise Unauthorized("The access token is not one of ours")
        except jwt.PyJWTError as error:
            raise Unauthorized("The access token does not hold") from error
        _remember(self._claims, token, claims)
        return claims

    async def viewer(self, token: str) -> Viewer:
        """Answers who holds this access token; raises Unauthorized when nobody does any more."""
        personal = token.startswith(PREFIX)
        id = await self._personal(token) if personal else UUID(self.read(token)["sid"])
        found = await self.holder(id) if id else None
        if found is None:
            raise Unauthorized("The token does not hold" if personal else "The session has ended")
        return found

    async def _personal(self, token: str) -> UUID | None:
        """Finds a personal access token by its hash, from a cache of at most 5 s."""
        key = digest(token)
        at, known = self._found.get(key, (0.0, None))
        if time.monotonic() - at < VIEWER_CACHE_S:
            return known
        found: UUID | None = await Db(self.pool).value("SELECT access_token_find($1)", key)
        _remember(self._found, key, (time.monotonic(), found))
        return found

    def expires(self, token: str) -> float:
        """When a token that holds ends of itself, in seconds since 1970."""
        return math.inf if token.startswith(PREFIX) else float(self.read(token)["exp"])

    async def holder(
        self, session_id: UUID, *, fresh: bool = False, db: Db | None = None
    ) -> Viewer | None:
        """Answers who holds a session, from a cache of at most 5 s.

        A transaction passes its own `db`: waiting for a second connection could wait for ever.
        """
        at, known = self._viewers.get(session_id, (0.0, None))
        if not fresh and time.monotonic() - at < VIEWER_CACHE_S:
            return known
        personal = ids.tag_of(session_id) is ids.Tag.ACCESS_TOKEN
        sql = f"SELECT * FROM {'token' if personal else 'session'}_viewer($1)"
        record = await (db or Db(self.pool)).record(sql, session_id)
        found = None if record is None else viewer.build(session_id, record)
        _remember(self._viewers, session_id, (time.monotonic(), found))
        return found

    def known(self, viewer: Viewer) -> Viewer | None:
        """Answers who holds his session as the last look told; himself if none has."""
        at, found = self._viewers.get(viewer.session_id, (0.0, None))
        return found if at else viewer

    async def look(self, session_ids: Iterable[UUID]) -> None:
        """Reads at once who holds each of these sessions."""
        personal: dict[bool, list[UUID]] = {True: [], False: []}
        for id in set(session_ids):
            personal[ids.tag_of(id) is ids.Tag.ACCESS_TOKEN].append(id)
        for mine, sought in personal.items():
            for begin in range(0, len(sought), AT_ONCE):
                await self._look(sought[begin : begin + AT_ONCE], personal=mine)

    async def _look(self, sought: list[UUID], *, personal: bool) -> None:
        sql = (
            "SELECT s.id AS session_id, v.* FROM unnest($1::uuid[]) AS s (id)"
            f" CROSS JOIN LATERAL {'token' if personal else 'session'}_viewer(s.id) v"
        )
        at = time.monotonic()
        rows = {r.session_id: r for r in await self.pool.fetch(sql, sought, record_class=Row)}
        for id in sought:
            found = viewer.build(id, rows[id]) if id in rows else None
            _remember(self._viewers, id, (at, found))

    def forget(self, session_id: UUID) -> None:
        """Drops a session from the cache: it changed in this process."""
        self._viewers.pop(session_id, None)

    def forget_workspace(self, workspace_id: UUID) -> None:
        """Drops everybody who belonged to a workspace from the cache: it is no more."""
        for session, (_, known) in list(self._viewers.items()):
            if known is not None and workspace_id in known.memberships:
                self.forget(session)

    async def open(self, db: Db, user_id: UUID) -> Issued:
        """Opens a session and issues its first pair of tokens."""
        session, token, refresh, ends = _chain()
        await db.value(
            "SELECT session_open($1, $2, $3, $4, $5, $6)",
            session, user_id, clock.now() + SESSION_LIFE, token, digest(refresh), ends,
        )  # fmt: skip
        return self._issued(session, user_id, refresh, ends)

    async def rotate(self, db: Db, refresh_token: str) -> tuple[str, UUID | None, Issued | None]:
        """Exchanges a refresh token for a new pair; answers the outcome and the user."""
        _, token, refresh, ends = _chain()
        found = await db.record(
            "SELECT * FROM session_rotate($1, $2, $3, $4)",
            digest(refresh_token), token, digest(refresh), ends,
        )  # fmt: skip
        if found.outcome != "rotated":
            if found.session:
                self.forget(found.session)
            return found.outcome, found.owner, None
        return (
            found.outcome,
            found.owner,
            self._issued(found.session, found.owner, refresh, found.ends),
        )

    def _issued(self, session: UUID, user_id: UUID, refresh: str, ends: datetime) -> Issued:
        left = round((ends - clock.now()).total_seconds())
        return Issued(session, self.access_token(user_id, session), ACCESS_S, refresh, left)

    def jwks(self) -> dict[str, Any]:
        """The public key, for those who verify tokens themselves (RFC 7517, RFC 8037)."""
        key = jwt.algorithms.OKPAlgorithm.to_jwk(self._public, as_dict=True)
        return {"keys": [{**key, "kid": self.keys.key_id, "alg": ALGORITHM, "use": "sig"}]}


def _chain() -> tuple[UUID, UUID, str, datetime]:
    refresh = secrets.token_urlsafe(32)
    return ids.new(ids.Tag.SESSION), ids.new(ids.Tag.TOKEN), refresh, clock.now() + REFRESH_IDLE


def _remember(cache: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    cache[key] = value
    cache.move_to_end(key)
    if len(cache) > CACHED:
        cache.popitem(last=False)
