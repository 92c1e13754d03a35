"""The contract: `schema.graphql` is current, only grew, and describes itself."""

import subprocess
from pathlib import Path

import pytest
from graphql import build_schema, is_introspection_type, is_specified_scalar_type
from graphql.utilities import find_breaking_changes

from mypost.schema.build import schema, sdl

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "schema.graphql"
CORE = schema._schema


def versions() -> list[str]:
    """Every version of the schema that was ever committed, newest first."""
    asked = ["git", "-C", str(ROOT), "log", "--format=%H", "--", COMMITTED.name]
    commits = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    shown = [["git", "-C", str(ROOT), "show", f"{commit}:{COMMITTED.name}"] for commit in commits]
    return [subprocess.run(s, capture_output=True, text=True, check=True).stdout for s in shown]


def test_the_committed_schema_is_current() -> None:
    assert COMMITTED.read_text() == sdl()


def test_the_schema_only_grows() -> None:
    now = build_schema(sdl())

    for before in versions():
        broken = find_breaking_changes(build_schema(before), now)
        assert [change.description for change in broken] == []


def test_a_removed_field_would_be_noticed() -> None:
    smaller = sdl().replace("  slug: String!\n", "")

    broken = find_breaking_changes(build_schema(sdl()), build_schema(smaller))

    assert [change.description for change in broken] == ["Field Workspace.slug was removed."]


@pytest.mark.parametrize(
    "name",
    [
        n
        for n, t in CORE.type_map.items()
        if not is_introspection_type(t) and not is_specified_scalar_type(t)
    ],
)
def test_every_type_has_a_description(name: str) -> None:
    kind = CORE.type_map[name]

    assert kind.description or name.endswith(("Connection", "Edge"))


def test_every_root_field_has_a_description() -> None:
    for root in (CORE.query_type, CORE.mutation_type, CORE.subscription_type):
        assert root is not None
        for name, field in root.fields.items():
            assert field.description, name


def test_every_mutation_takes_one_input_and_answers_a_payload() -> None:
    assert CORE.mutation_type is not None
    for name, field in CORE.mutation_type.fields.items():
        assert list(field.args) == ["input"], name
        payload = field.type.of_type  # type: ignore[union-attr]
        assert "userErrors" in payload.fields, name
