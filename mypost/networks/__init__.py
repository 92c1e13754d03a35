"""What a social network is to the rest of the product; each network is one file beside this one."""

import asyncio
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Protocol

import httpx2
import orjson
from starlette.types import ASGIApp


class Kind(StrEnum):
    """How a network lets us settle a send whose answer was lost."""

    KEY = "key"  # it drops repeats of our dispatch key
    TWO_STEP = "two_step"  # the first step is invisible and gives a readable handle
    LOOKUP = "lookup"  # own recent posts can be listed
    BLIND = "blind"  # nothing can be read back


@dataclass(frozen=True, slots=True)
class Field:
    """One value a person types to connect an account by credentials."""

    name: str
    label: str
    secret: bool
    help: str = ""
    choices: tuple[str, ...] = ()
    pattern: str = r".+"  # the whole value matches it, when there are no choices

    def fault(self, value: object) -> str | None:
        """Answers what is wrong with a value, in words that follow the field's name."""
        if self.choices:
            return None if value in self.choices else f"must be one of {', '.join(self.choices)}"
        if isinstance(value, str) and re.fullmatch(self.pattern, value, re.DOTALL):
            return None
        return f"must be {self.help or 'given'}"


@dataclass(frozen=True, slots=True)
class Grant:
    """A network's tokens for one account; its repr never shows them."""

    secrets: Mapping[str, str] = field(repr=False)
    expires_at: datetime | None = None
    renewed_at: datetime | None = None  # None until it has been renewed


@dataclass(frozen=True, slots=True)
class Profile:
    """The account a network says the credentials belong to."""

    external_id: str
    handle: str
    name: str
    profile_image_url: str | None
    scopes: tuple[str, ...]
    grant: Grant
    token_expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One post as it is sent: frozen before the first byte, so that a resend is the same."""

    key: str
    text: str
    created_at: datetime
    media: tuple[object, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """The post is live and the network names it."""

    external_id: str
    external_url: str


@dataclass(frozen=True, slots=True)
class Pending:
    """The first step was accepted; the handle can be read until the post is live."""

    handle: str


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Nothing was accepted; the network asks for a pause of so many seconds."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing was accepted and the network says why."""

    category: str
    message: str
    network_code: str | None
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Expired:
    """Nothing was accepted because the grant is no longer valid."""

    message: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """It is proven that nothing was accepted: refused connection, or refused before acceptance."""

    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The post may or may not be live: timeout, reset, 5xx or an answer nobody can parse."""

    message: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The read succeeded and the post is not there."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The read failed, so nothing is known."""

    message: str


Answer = Published | Pending | RateLimited | Rejected | Expired | NotSent | Unknown
Finding = Published | Absent | Unreadable


@dataclass(frozen=True, slots=True)
class Metrics:
    """How often a post was liked, reposted, answered and quoted; None is not reported."""

    likes: int | None = None
    reposts: int | None = None
    replies: int | None = None
    quotes: int | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """One counter of a text or its media against the network's limits, both inclusive."""

    unit: str
    length: int
    limit: int
    minimum: int = 0

    @property
    def fits(self) -> bool:
        """Tells whether the network takes this length."""
        return self.minimum <= self.length <= self.limit


class Refused(Exception):
    """The credentials are faulty; every faulty field is named."""

    def __init__(self, faults: Iterable[tuple[str, str]]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(f"{name} {message}" for name, message in self.faults))


class Unavailable(Exception):
    """The network could not be asked, so the credentials are neither good nor bad."""


class Unsupported(Exception):
    """The network offers no such call."""


class NoAnswer(Exception):
    """No whole answer came back in time; `proves` is what that means for a send."""

    def __init__(self, proves: NotSent | Unknown) -> None:
        self.proves = proves
        super().__init__(proves.message)


class Client:
    """The HTTP half of a network, to inherit: one connection pool, no retries, no redirects."""

    key: ClassVar[str]
    timeout: ClassVar[float]
    fields: ClassVar[tuple[Field, ...]]
    example: ClassVar[Mapping[str, str]] = {}  # credentials that a demo connects with
    home: ClassVar[str | None] = None  # where the network answers; None: where it is mounted here
    bearer: ClassVar[str] = "token"  # the secret that goes out as bearer
    renews: ClassVar[bool] = False

    def __init__(self, environment: Mapping[str, str], origin: str) -> None:
        """Takes MYPOST_<KEY>_URL, else the network's home, else this installation's mount."""
        url = environment.get(f"MYPOST_{self.key.upper()}_URL") or self.home
        self.base = (url or f"{origin}/networks/{self.key}").rstrip("/")
        self._http: httpx2.AsyncClient | None = None

    @classmethod
    def faults(cls, given: Mapping[str, object]) -> list[tuple[str, str]]:
        """Names every field that is missing, faulty or not asked for, with what is wrong."""
        checked = ((each.name, each.fault(given.get(each.name))) for each in cls.fields)
        unknown = [name for name in given if name not in {each.name for each in cls.fields}]
        faulty = [(name, fault) for name, fault in checked if fault is not None]
        return faulty + [(name, "is not asked for") for name in unknown]

    async def send(
        self, method: str, path: str, grant: Grant | None = None, **request: Any
    ) -> httpx2.Response:
        """Makes one request within the timeout; raises NoAnswer.

        A grant's secret `bearer` goes out as such (RFC 6750, 2.1); `request` is what httpx2
        takes: json, params, headers. Connecting may take half of the timeout, so that a connection
        that never came is told apart from a lost answer.
        """
        if grant is not None:
            bearer = {"Authorization": f"Bearer {grant.secrets[self.bearer]}"}
            request["headers"] = {**request.get("headers", {}), **bearer}
        try:
            async with asyncio.timeout(self.timeout):
                return await self._open().request(method, self.base + path, **request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as fault:
            raise NoAnswer(NotSent(f"no connection ({type(fault).__name__})")) from fault
        except (httpx2.HTTPError, TimeoutError) as fault:
            raise NoAnswer(Unknown(f"no answer ({type(fault).__name__})")) from fault

    def _open(self) -> httpx2.AsyncClient:
        """Opens the pool inside the running loop, once."""
        if self._http is None:
            half = self.timeout / 2
            self._http = httpx2.AsyncClient(
                timeout=httpx2.Timeout(self.timeout, connect=half, pool=half),
                # Below the usual 5 s of servers: a connection closed under a send is a lost answer.
                limits=httpx2.Limits(keepalive_expiry=2.0),
                follow_redirects=False,
                trust_env=False,
            )
        return self._http

    async def refresh(self, grant: Grant) -> Grant:  # noqa: ARG002 - to be overridden
        """Raises Unsupported: grants of this network last."""
        raise Unsupported(f"{self.key} renews no grants")

    async def delete(self, grant: Grant, external_id: str) -> None:  # noqa: ARG002
        """Raises Unsupported: nothing can be taken back."""
        raise Unsupported(f"{self.key} deletes no posts")

    async def metrics(self, grant: Grant, external_id: str) -> Metrics | None:  # noqa: ARG002
        """Answers None: this network counts nothing."""
        return None

    async def close(self) -> None:
        """Closes the pool; a later send opens a new one."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()


def read_object(response: httpx2.Response) -> dict[str, Any]:
    """Answers the JSON object an answer holds, empty when it holds none."""
    try:
        body = orjson.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def judge(response: httpx2.Response, message: str, code: str | None = None) -> Answer:
    """Answers what a status that names no post proves, for networks without rules of their own.

    Status codes: RFC 9110, 15.5 and 15.6; a 5xx or a 2xx that cannot be read proves nothing.
    Retry-After (10.2.3) counts in whole seconds; 60 s stand in for any other spelling.
    """
    if response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
        pause = response.headers.get("retry-after", "")
        return RateLimited(float(pause) if re.fullmatch(r"[0-9]{1,6}", pause) else 60.0)
    if response.status_code == httpx2.codes.UNAUTHORIZED:
        return Expired(message)
    if response.is_client_error:
        return Rejected("validation", message, code)
    return Unknown(message)


class Network(Protocol):
    """One social network; an instance belongs to one event loop and keeps one HTTP client."""

    key: ClassVar[str]  # address, SDL and database value
    title: ClassVar[str]  # what people read
    kind: ClassVar[Kind]
    built_in: ClassVar[bool]  # comes with MyPost and is off in production unless asked for
    timeout: ClassVar[float]  # seconds one request may take, everything included
    settle: ClassVar[float]  # seconds after sent_at + timeout before a read proves absence
    renews: ClassVar[bool]  # grants end and `refresh` renews them
    fields: ClassVar[tuple[Field, ...]]
    example: ClassVar[Mapping[str, str]]  # credentials that a demo connects with

    def __init__(self, environment: Mapping[str, str], origin: str) -> None: ...

    def measure(self, text: str, media_count: int = 0) -> list[Measure]:
        """Answers every counter that applies to this text with so many media."""

    async def connect(self, credentials: Mapping[str, str]) -> Profile:
        """Exchanges credentials for a profile; raises Refused or Unavailable."""

    async def publish(self, grant: Grant, draft: Draft) -> Answer:
        """Sends the draft with one request: no retry, no redirect, no exception for an answer."""

    async def find_published(self, grant: Grant, draft: Draft) -> Finding:
        """Reads whether the draft is live; repeating it is always safe."""

    async def refresh(self, grant: Grant) -> Grant:
        """Renews a grant; raises Refused when none will ever come, or Unavailable."""

    async def delete(self, grant: Grant, external_id: str) -> None:
        """Takes a post back, also one that is gone; raises Refused, Unavailable, Unsupported."""

    async def metrics(self, grant: Grant, external_id: str) -> Metrics | None:
        """Counts what people did with a post, or answers None when nobody counts."""

    async def close(self) -> None:
        """Closes the HTTP client; a later call opens a new one."""


def discover() -> dict[str, type[Network]]:
    """Imports every sibling module and answers its network by key, in the order of the keys.

    Raises TypeError when a module defines two networks: one network is one file.
    """
    found: dict[str, type[Network]] = {}
    for module in pkgutil.iter_modules(__path__):
        for network in _defined(importlib.import_module(f"{__name__}.{module.name}")):
            found[network.key] = network
    return dict(sorted(found.items()))


def _defined(module: ModuleType) -> list[type[Network]]:
    """Answers the module's own network, if it has one."""
    members: list[tuple[str, Any]] = inspect.getmembers(module, inspect.isclass)
    networks: list[type[Network]] = [
        each
        for _, each in members
        if each.__module__ == module.__name__ and isinstance(getattr(each, "kind", None), Kind)
    ]
    if len(networks) > 1:
        raise TypeError(f"{module.__name__} defines {len(networks)} networks")
    return networks


def configure(key: str, environment: Mapping[str, str], origin: str) -> Network:
    """Makes the network `key` from the MYPOST_* variables and this installation's address.

    Raises KeyError for a key that discover() does not know.
    """
    return discover()[key](environment, origin)


def enabled(environment: Mapping[str, str], *, embedded: bool) -> tuple[str, ...]:
    """Answers the keys on offer: a built-in one only when embedded or when MYPOST_<KEY>=1."""
    return tuple(
        key
        for key, network in discover().items()
        if not network.built_in or embedded or environment.get(f"MYPOST_{key.upper()}") == "1"
    )


def servers(keys: Iterable[str], folder: Path) -> dict[str, ASGIApp]:
    """Makes the servers to mount at /networks/<key>, each keeping its files in `folder`."""
    networks = discover()
    made = {key: getattr(networks[key], "server", None) for key in keys}
    return {key: server(folder) for key, server in made.items() if server is not None}
