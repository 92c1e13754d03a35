"""The house: imports go downward, files are small, no network is named outside its file."""

import ast
import re
from pathlib import Path

import pytest

from mypost import networks

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mypost"
FILES = sorted(p for p in PACKAGE.rglob("*.py") if "migrations" not in p.parts)

# A file belongs to the first layer that names it, and imports from that layer and below.
LAYERS = [
    ("__main__", "demo"),
    ("process", "people"),
    ("app", "jobs"),
    ("callback",),
    ("pages", "probes"),
    ("rest",),
    ("schema.build", "schema.query", "schema.mutation", "schema.subscription"),
    ("resolvers",),
    ("schema",),
    ("operation",),
    ("once",),
    ("subscriber",),
    ("context",),
    ("middleware",),
    ("metrics",),
    ("meter",),
    ("tokens", "feed", "limits", "nudges", "throttle", "embedded", "egress"),
    ("wire", "windows"),
    ("viewer",),
    ("models",),
    ("networks",),
    ("spelling",),
    (
        "events",
        "crypto",
        "signatures",
        "errors",
        "ids",
        "permissions",
        "preparation",
        "settings",
        "logs",
        "clock",
        "zones",
    ),
    ("engine",),
]
# `jobs` stands beside `rest`: these it must not know, whatever the order says.
FORBIDDEN = {
    "jobs": ("resolvers", "schema", "rest", "app"),
    "networks": ("models", "context", "events", "settings"),
}


def name_of(path: Path) -> str:
    """The module's name below `mypost`, without a trailing package marker."""
    words = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


def layer_of(module: str) -> int | None:
    for height, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return height
    return None


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    modules = {name_of(p) for p in FILES}
    return {m for f in found if (m := f.removeprefix("mypost.")) in modules and f != m and m}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_downward_only(path: Path) -> None:
    module = name_of(path)
    if not module:
        return
    mine = layer_of(module)
    assert mine is not None, f"{module} belongs to no layer"

    for other in imports_of(path):
        theirs = layer_of(other)
        assert theirs is not None, f"{other} belongs to no layer"
        assert theirs >= mine, f"{module} imports {other}, which stands above it"
        for name in FORBIDDEN.get(module.split(".")[0], ()):
            assert other.split(".")[0] != name, f"{module} must not know {other}"


def test_the_engine_knows_nothing_of_mypost() -> None:
    for path in (PACKAGE / "engine").glob("*.py"):
        assert all(m.startswith("engine") for m in imports_of(path)), path


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_the_median_file_has_fewer_than_100_lines() -> None:
    lengths = sorted(len(path.read_text().splitlines()) for path in FILES)

    assert lengths[len(lengths) // 2] < 100


@pytest.mark.parametrize("key", sorted(networks.discover()))
def test_a_network_is_named_in_its_own_file_only(key: str) -> None:
    word = re.compile(rf"\b{key}\b", re.IGNORECASE)

    for path in FILES:
        if path.name != f"{key}.py":
            assert not word.search(path.read_text()), f"{path} names {key}"


def test_only_settings_reads_the_environment() -> None:
    for path in FILES:
        if path.name != "settings.py":
            assert "os.environ" not in path.read_text(), path
            assert "getenv" not in path.read_text(), path


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b|NotImplementedError")

    for path in [*FILES, *(ROOT / "tests").rglob("*.py")]:
        if path != Path(__file__):
            assert not marks.search(path.read_text()), path


def test_the_tree_is_the_one_the_design_draws() -> None:
    for name in [
        "__main__.py",
        "app.py",
        "settings.py",
        "embedded.py",
        "errors.py",
        "ids.py",
        "permissions.py",
        "context.py",
        "operation.py",
        "tokens.py",
        "events.py",
        "crypto.py",
        "engine",
        "models",
        "models/migrations",
        "schema",
        "resolvers",
        "rest",
        "rest/routes.py",
        "jobs",
        "networks",
        "networks/rules.toml",
        "web",
    ]:
        assert (PACKAGE / name).exists(), name
    for name in [
        "tests",
        "bench",
        "docs",
        "schema.graphql",
        "pyproject.toml",
        "Makefile",
        ".ci/run",
        "CONTRIBUTING.md",
    ]:
        assert (ROOT / name).exists(), name
