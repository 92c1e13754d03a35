"""What a social network is to the rest of the product; each network is one file beside this one."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Protocol

from starlette.applications import Starlette

from mypost.networks.answers import (
    Absent,
    Answer,
    Budget,
    Draft,
    Expired,
    Finding,
    Grant,
    Kind,
    Measure,
    Metrics,
    NoAnswer,
    NotSent,
    Pending,
    Prepared,
    Profile,
    Published,
    RateLimited,
    Refused,
    Rejected,
    Several,
    Step,
    Terms,
    Unavailable,
    Unknown,
    Unreadable,
    Unsupported,
)
from mypost.networks.client import Client, Field, judge, read_budgets, read_object

__all__ = [
    "Absent", "Answer", "Budget", "Client", "Draft", "Expired", "Field", "Finding", "Grant", "Kind",
    "Measure", "Metrics", "Network", "NoAnswer", "NotSent", "Pending", "Prepared", "Profile",
    "Published", "RateLimited", "Refused", "Rejected", "Several", "Step", "Terms", "Unavailable",
    "Unknown", "Unreadable", "Unsupported", "configure", "discover", "enabled", "judge",
    "read_budgets", "read_object", "servers",
]  # fmt: skip


class Network(Protocol):
    """One social network; an instance belongs to one event loop and keeps one HTTP client."""

    key: ClassVar[str]  # address, SDL and database value
    title: ClassVar[str]  # what people read
    kind: ClassVar[Kind]
    built_in: ClassVar[bool]  # comes with MyPost and is off in production unless asked for
    timeout: ClassVar[float]  # seconds one request may take, everything included
    settle: ClassVar[float]  # seconds after sent_at + timeout before a read proves absence
    apart: ClassVar[float]  # seconds between the two reads that it takes
    renews: ClassVar[bool]  # grants end and `refresh` renews them
    fields: ClassVar[tuple[Field, ...]]
    example: ClassVar[Mapping[str, str]]  # credentials that a demo connects with
    oauth: ClassVar[bool]  # accounts are connected on a page of the network's own
    missing: tuple[str, ...]  # settings without which no account can be connected
    issuer: str | None  # who says so in its answer to an authorization (RFC 9207)
    written: Callable[[], None] | None  # told when a request is on its way

    def __init__(self, environment: Mapping[str, str], origin: str) -> None: ...

    def measure(self, text: str, media_count: int = 0) -> list[Measure]:
        """Answers every counter that applies to this text with so many media."""

    def judge_options(self, given: Mapping[str, object]) -> list[tuple[str, str]]:
        """Names every option of a post that this network does not take, with what is wrong."""

    async def connect(self, credentials: Mapping[str, str]) -> Profile:
        """Exchanges credentials for a profile; raises Refused, Unavailable or Unsupported."""

    def authorize(self, redirect: str, state: str, challenge: str) -> str:
        """Answers the address of the page on which somebody allows it; raises Unsupported."""

    async def exchange(self, code: str, verifier: str, redirect: str) -> list[Profile]:
        """Exchanges what that page gave for the login's accounts; raises as `connect` does."""

    def terms(self, grant: Grant) -> Terms:
        """Answers how a lost answer of the grant's account is settled."""

    async def prepare(self, grant: Grant, draft: Draft) -> Step:
        """Takes the invisible first of two steps; repeating it is always safe."""

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


def servers(keys: Iterable[str], folder: Path) -> dict[str, Starlette]:
    """Makes the servers to mount at /networks/<key>, each keeping its files in `folder`."""
    networks = discover()
    made = {key: getattr(networks[key], "server", None) for key in keys}
    return {key: server(folder) for key, server in made.items() if server is not None}
