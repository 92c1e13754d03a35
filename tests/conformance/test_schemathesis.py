"""Schemathesis against what we publish: no error of ours, no answer otherwise than described."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mypost.schema.build import sdl
from tests.client import Api
from tests.conformance.suite import (
    GRAPHQL,
    REST,
    Config,
    Verdict,
    copied,
    places,
    run,
    with_example,
)
from tests.conftest import House
from tests.samples import SAMPLES, Setting
from tests.table import CORE, ROWS, Row

pytestmark = pytest.mark.conformance
ROOTS = {"Query": CORE.query_type, "Mutation": CORE.mutation_type}
POST = ROWS["GET /posts/{id}"]
INVITATIONS = ROWS["GET /workspaces/{workspaceId}/invitations"]


async def described(house: House, api: Api, folder: Path, rows: Iterable[Row]) -> dict[str, Any]:
    """Prepares somebody for each row, and the description with a good call in it."""
    config, document = Config(), copied()
    for row in rows:
        setting = await Setting.fresh(house, api)
        given = await SAMPLES[row.route.field](setting)
        with_example(document, row, given)
        known = places({k: v for k, v in given.items() if k in row.names}, "path.")
        known |= places({k: v for k, v in given.items() if k not in row.names}, "body.")
        config.add(str(row.route), setting, known)
    config.write(folder)
    return document


async def rest(house: House, folder: Path, document: dict[str, Any], *only: str) -> Verdict:
    (folder / "openapi.json").write_text(json.dumps(document))
    return await run(folder, "openapi.json", f"{house.settings.origin}/api/v1", REST, *only)


async def graphql(house: House, api: Api, folder: Path, text: str, *names: str) -> Verdict:
    config = Config()
    for kind, root in ROOTS.items():
        for name in root.fields:  # type: ignore[union-attr]
            label = f"{kind}.{name}"
            if label in names or not names:
                setting = await Setting.fresh(house, api)
                inside = "input." if kind == "Mutation" else ""
                given = places(await SAMPLES[name](setting), f"{label}.{inside}")
                config.add(label, setting, given)
    config.write(folder)
    (folder / "schema.graphql").write_text(text)
    only = [word for name in names for word in ("--include-name", name)]
    url = f"{house.settings.origin}/graphql"
    return await run(folder, "schema.graphql", url, GRAPHQL, *only)


async def test_rest_does_what_openapi_says(house: House, api: Api, tmp_path: Path) -> None:
    document = await described(house, api, tmp_path, ROWS.values())

    (await rest(house, tmp_path, document)).holds(len(ROWS))


async def test_graphql_does_what_the_schema_says(house: House, api: Api, tmp_path: Path) -> None:
    verdict = await graphql(house, api, tmp_path, sdl())

    verdict.holds(sum(len(root.fields) for root in ROOTS.values()))  # type: ignore[union-attr]


async def test_another_description_would_be_noticed(house: House, api: Api, tmp_path: Path) -> None:
    document = await described(house, api, tmp_path, [POST])
    document["components"]["schemas"]["Post"]["properties"]["content"] = {"type": "integer"}

    verdict = await rest(house, tmp_path, document, "--include-name", str(POST.route))

    assert verdict.kinds == {"Response violates schema"}, verdict.said


async def test_an_error_of_ours_would_be_noticed(house: House, api: Api, tmp_path: Path) -> None:
    document = await described(house, api, tmp_path, [INVITATIONS])
    await house.owner.execute("REVOKE SELECT ON invitations FROM mypost_app")
    try:
        verdict = await rest(house, tmp_path, document, "--include-name", str(INVITATIONS.route))
    finally:
        await house.owner.execute("GRANT SELECT ON invitations TO mypost_app")

    assert verdict.kinds == {"Server error"}, verdict.said


async def test_another_schema_would_be_noticed(house: House, api: Api, tmp_path: Path) -> None:
    text = sdl().replace("  slug: String!", "  slug: Int!")

    verdict = await graphql(house, api, tmp_path, text, "Query.workspace")

    assert verdict.kinds == {"Custom check failed: `graphql_answer`"}, verdict.said
