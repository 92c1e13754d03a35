"""Every row of the table through both doors: the same outcome, field by field and code by code."""

import re
from typing import Any
from uuid import uuid4

import pytest

from mypost.operation import OPERATIONS, Access, Operation, camel
from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Answer
from tests.samples import SAMPLES, Setting
from tests.table import ROWS, Row, resolved

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What no two calls share: moments, secrets, and the addresses of people.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
SECRET = re.compile(r"[\w.-]{32,}|[\w-]+-[0-9a-f]{6,}")
KEPT = {"2031-01-01T00:00:00Z"}


def alike(value: Any, seen: dict[str, str] | None = None) -> Any:
    """An answer with ids named in the order of their appearance, and moments and secrets masked."""
    seen = {} if seen is None else seen
    if isinstance(value, dict):
        return {key: alike(value[key], seen) for key in sorted(value)}
    if isinstance(value, list):
        return [alike(item, seen) for item in value]
    if not isinstance(value, str) or value in KEPT:
        return value
    text = UUID.sub(lambda found: seen.setdefault(found[0], f"#{len(seen)}"), value)
    return SECRET.sub("<secret>", TIME.sub("<time>", text))


def operation_of(row: Row) -> Operation:
    name = row.route.field.split(".")[0]
    return OPERATIONS[re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)]


def compared(rest: Answer, graphql: Answer) -> tuple[Any, Any]:
    """What has to be equal; REST alone repeats the limit of a page."""
    bodies = [alike(rest.body), alike(graphql.body)]
    if bodies[0] and "page" in bodies[0]:
        bodies[0]["page"].pop("limit")
    return (bodies[0], rest.code, rest.details), (bodies[1], graphql.code, graphql.details)


def test_every_operation_has_a_sample() -> None:
    fields = {row.route.field for row in ROWS.values()}
    bare = {name.split(".")[0] for name in SAMPLES}

    assert fields <= SAMPLES.keys()
    assert {camel(name) for name in OPERATIONS} == bare


@pytest.mark.parametrize("name", ROWS)
async def test_a_row_answers_the_same_by_both_doors(house: House, api: Api, name: str) -> None:
    row = ROWS[name]
    public = operation_of(row).access is Access.PUBLIC
    answers: list[Answer] = []
    for send in (row.by_rest, row.by_graphql):
        if row.mutation or not answers:  # what is only read is the very same thing
            setting = await Setting.fresh(house, api)
            given = await SAMPLES[row.route.field](setting)
        answers.append(await send(api, None if public else setting.ann, given))

    rest, graphql = compared(*answers)
    assert rest == graphql
    assert rest[1] is None
    assert (rest[0] is None) is (row.shape is None)


def test_a_difference_would_be_seen() -> None:
    same = {"id": str(uuid4()), "at": "2026-01-01T00:00:00Z", "n": None}
    for other in ({**same, "n": 0}, {**same, "at": None}, {"id": same["id"], "n": None}):
        rest, graphql = compared(Answer(same), Answer(other))
        assert rest != graphql
    rest, graphql = compared(Answer(same), Answer({**same, "id": str(uuid4())}))
    assert rest == graphql


async def refusals(
    row: Row, setting: Setting, eve: Person
) -> list[tuple[str, Person | None, dict[str, Any]]]:
    """Whom a row refuses, and what it refuses."""
    operation, given = operation_of(row), await SAMPLES[row.route.field](setting)
    found: list[tuple[str, Person | None, dict[str, Any]]] = []
    if operation.access is not Access.PUBLIC:
        found.append(("UNAUTHORIZED", None, given))
    if operation.on is not None:
        code = "VALIDATION_ERROR" if operation.on.only else "NOT_FOUND"
        found.append((code, eve, given))
    if operation.requires is not None:
        found.append(("FORBIDDEN", await setting.guest(), given))
    caller = None if operation.access is Access.PUBLIC else setting.ann
    for field, shape in row.fields.items():
        if (most := resolved(shape).get("maxLength")) is not None:
            found.append(("VALIDATION_ERROR", caller, {**given, field: "x" * (most + 1)}))
    return found


@pytest.mark.parametrize("name", ROWS)
async def test_a_row_refuses_the_same_by_both_doors(
    house: House, api: Api, eve: Person, name: str
) -> None:
    row, setting = ROWS[name], await Setting.fresh(house, api)
    asked = await refusals(row, setting, eve)
    assert asked or row.route.field == "permissions"
    before = await house.digest()

    for code, who, given in asked:
        rest = await row.by_rest(api, who, given)
        graphql = await row.by_graphql(api, who, given)
        # A query's fault has its place in its message: it has no userErrors.
        message = str(graphql.request_id).removeprefix("workspaceId: ")
        assert (rest.code, rest.details, rest.request_id) == (
            graphql.code, graphql.details, message,
        ), code  # fmt: skip
        assert rest.code == code
    assert await house.digest() == before
