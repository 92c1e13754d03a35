"""The HTTP half of a network, to inherit: one connection pool, no retries, no redirects."""

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import httpx2
import orjson

from mypost.networks.answers import (
    Answer,
    Budget,
    Draft,
    Expired,
    Grant,
    Kind,
    Metrics,
    NoAnswer,
    NotSent,
    Profile,
    RateLimited,
    Rejected,
    Step,
    Terms,
    Unknown,
    Unsupported,
)
from mypost.networks.options import judge_options

LONGEST_ANSWER = 2**20  # bytes
_BUDGET = re.compile(r"limit=([0-9]{1,9}), *remaining=([0-9]{1,9}), *reset=([0-9]{1,9})")
# What httpcore calls the moment at which the whole request has been written.
_WRITTEN = "http11.send_request_body.complete"


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


class Client:
    """One connection pool, and what most networks have in common."""

    key: ClassVar[str]
    kind: ClassVar[Kind]
    timeout: ClassVar[float]
    settle: ClassVar[float]
    apart: ClassVar[float] = 2.0
    fields: ClassVar[tuple[Field, ...]]
    example: ClassVar[Mapping[str, str]] = {}  # credentials that a demo connects with
    oauth: ClassVar[bool] = False
    home: ClassVar[str | None] = None  # where the network answers; None: where it is mounted here
    bearer: ClassVar[str] = "token"  # the secret that goes out as bearer
    renews: ClassVar[bool] = False

    def __init__(self, environment: Mapping[str, str], origin: str) -> None:
        """Takes MYPOST_<KEY>_URL, else the network's home, else this installation's mount."""
        url = environment.get(f"MYPOST_{self.key.upper()}_URL") or self.home
        self.base = (url or f"{origin}/networks/{self.key}").rstrip("/")
        self.missing: tuple[str, ...] = ()
        self.issuer: str | None = None
        self.written: Callable[[], None] | None = None  # told when a request is on its way
        self._http: httpx2.AsyncClient | None = None

    @classmethod
    def faults(cls, given: Mapping[str, object]) -> list[tuple[str, str]]:
        """Names every field that is missing, faulty or not asked for, with what is wrong."""
        checked = ((each.name, each.fault(given.get(each.name))) for each in cls.fields)
        unknown = [name for name in given if name not in {each.name for each in cls.fields}]
        faulty = [(name, fault) for name, fault in checked if fault is not None]
        return faulty + [(name, "is not asked for") for name in unknown]

    def judge_options(self, given: Mapping[str, object]) -> list[tuple[str, str]]:
        """Names every option that the section in rules.toml does not take, with what is wrong."""
        return judge_options(self.key, given)

    def terms(self, grant: Grant) -> Terms:  # noqa: ARG002 - to be overridden
        """Answers what the class says; a network whose accounts differ looks at the grant."""
        return Terms(self.kind, self.settle, self.apart, self.renews)

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
        if self.written is not None:
            request["extensions"] = {"trace": self._traced}
        try:
            async with (
                asyncio.timeout(self.timeout),
                self._open().stream(method, self.base + path, **request) as response,
            ):
                return await _whole(response)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as fault:
            raise NoAnswer(NotSent(f"no connection ({type(fault).__name__})")) from fault
        except (httpx2.HTTPError, TimeoutError) as fault:
            raise NoAnswer(Unknown(f"no answer ({type(fault).__name__})")) from fault

    async def _traced(self, event: str, _info: Mapping[str, Any]) -> None:
        if event == _WRITTEN and self.written is not None:
            self.written()

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
                verify=_authorities(),
            )
        return self._http

    async def connect(self, credentials: Mapping[str, str]) -> Profile:  # noqa: ARG002
        """Raises Unsupported: this network takes no credentials."""
        raise Unsupported(f"{self.key} is connected on a page of its own")

    def authorize(self, redirect: str, state: str, challenge: str) -> str:  # noqa: ARG002
        """Raises Unsupported: this network is connected by credentials."""
        raise Unsupported(f"{self.key} is connected by credentials")

    async def exchange(self, code: str, verifier: str, redirect: str) -> list[Profile]:  # noqa: ARG002
        """Raises Unsupported: this network is connected by credentials."""
        raise Unsupported(f"{self.key} is connected by credentials")

    async def prepare(self, grant: Grant, draft: Draft) -> Step:  # noqa: ARG002 - to be overridden
        """Raises Unsupported: this network has no first step."""
        raise Unsupported(f"{self.key} publishes in one step")

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


@cache
def _authorities() -> ssl.SSLContext:
    """Reads the authorities whose certificates are believed; it takes 40 ms, so once for all."""
    return httpx2.create_ssl_context(trust_env=False)


async def _whole(response: httpx2.Response) -> httpx2.Response:
    """Reads an answer to its end; raises HTTPError when it is longer than any network's."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LONGEST_ANSWER:
            raise httpx2.HTTPError("the answer is too long")
    # What was packed is unpacked now.
    kept = [(k, v) for k, v in response.headers.multi_items() if k != "content-encoding"]
    return httpx2.Response(response.status_code, headers=kept, content=bytes(body))


def read_object(response: httpx2.Response) -> dict[str, Any]:
    """Answers the JSON object an answer holds, empty when it holds none."""
    try:
        body = orjson.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def read_budgets(response: httpx2.Response, names: Mapping[str, str]) -> tuple[Budget, ...]:
    """Reads `limit=…, remaining=…, reset=…` out of the header that `names` has for each scope."""
    said = ((scope, response.headers.get(name, "")) for scope, name in names.items())
    found = ((scope, _BUDGET.fullmatch(text)) for scope, text in said)
    return tuple(Budget(scope, int(m[1]), int(m[2]), float(m[3])) for scope, m in found if m)


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
