"""Every field of every operation, spoiled in every way: refused by name, and nothing changes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mypost.operation import OPERATIONS, Access, camel
from tests.client import Api, Person, Socket
from tests.conftest import House
from tests.doors import Answer
from tests.samples import SAMPLES, Setting
from tests.spoil import MISSING, WRONG, Field, fields, heard, spoiled
from tests.table import ROWS, Row, bare

HEARD = {camel(name) for name, o in OPERATIONS.items() if o.kind == "subscription"}
ASKED = {row.route.field: row for row in ROWS.values()}
ASKED |= {name: bare(name) for name in SAMPLES if name not in ASKED and name not in HEARD}
PUBLIC = {camel(name) for name, o in OPERATIONS.items() if o.access is Access.PUBLIC}
# These answer null for an id that leads nowhere, as Relay asks.
LENIENT = {"node", "nodes"}


def whole(given: dict[str, Any], field: Field, value: Any) -> dict[str, Any]:
    """A good call with one field spoiled."""
    rest = {key: item for key, item in given.items() if key != field.name}
    return rest if value is MISSING else {**rest, field.name: value}


def names(answer: Answer, field: Field) -> bool:
    """Whether a refusal tells this field, and no other."""
    if answer.details:
        return {path.split(".")[0] for path, _ in answer.details} <= {field.name, field.argument}
    return field.argument in str(answer.request_id) or field.name in str(answer.request_id)


def faults(body: Any) -> list[dict[str, Any]]:
    """What an answer that is no refusal tells all the same: validating, or one of many."""
    if isinstance(body, list):
        return [fault for item in body for fault in faults(item)]
    if not isinstance(body, dict):
        return []
    return [*(body.get("faults") or ()), *faults([v for k, v in body.items() if k != "faults"])]


def refused(answer: Answer, row: Row, field: Field, value: Any) -> bool:
    """Whether an answer is the refusal a spoiled field deserves."""
    if told := faults(answer.body):
        return {fault["path"].split(".")[0] for fault in told} == {field.name}
    lost = answer.code == "NOT_FOUND" and field.id and not isinstance(value, dict)
    own = field.place == "path" or field.required
    return (lost and own) or (answer.code == "VALIDATION_ERROR" and names(answer, field))


@pytest.fixture
async def calls(house: House, api: Api, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """A good call of an operation, and the same of a stranger; afterwards nothing has changed."""
    name = request.node.callspec.params["name"]
    ann, eve = await Setting.fresh(house, api), await Setting.fresh(house, api)
    given, foreign = await SAMPLES[name](ann), await SAMPLES[name](eve)
    before = await house.digest()
    yield (None if name in PUBLIC else ann.ann), given, foreign
    assert await house.digest() == before


@pytest.mark.parametrize("name", ASKED)
async def test_a_spoiled_field_is_refused_by_name(api: Api, calls: Any, name: str) -> None:
    row, (who, given, foreign) = ASKED[name], calls
    wrong = []

    for field in fields(row):
        for value in spoiled(field, given.get(field.name), foreign.get(field.name)):
            call = whole(given, field, value)
            for door in doors(row, field, value):
                answer = await door(api, who, call)
                if not refused(answer, row, field, value) and name not in LENIENT:
                    wrong.append((door.__name__, field.name, repr(value)[:60], answer))

    assert not wrong, "\n".join(map(str, wrong))


def doors(row: Row, field: Field, value: Any) -> list[Any]:
    """The doors a value fits through."""
    if not row.served or field.place == "input":
        return [row.by_graphql]
    return [row.by_rest, row.by_graphql]


def hidden(found: list[Field], name: str) -> bool:
    """Whether only GraphQL has a field."""
    return any(field.name == name and field.place == "input" for field in found)


@pytest.mark.parametrize("name", [name for name, row in ASKED.items() if row.mutation])
async def test_every_faulty_field_is_named_at_once(api: Api, calls: Any, name: str) -> None:
    row, (who, given, _) = ASKED[name], calls
    found = [f for f in fields(row) if f.place in ("body", "input") and f.shape.get("type")]
    call = {**given, **{f.name: WRONG for f in found}, "nope": 1}
    wanted = {"nope", *(f.name for f in found)}

    if row.served and row.route.method in ("POST", "PATCH"):
        asked = {name: value for name, value in call.items() if not hidden(found, name)}
        answer = await row.by_rest(api, who, asked)
        told = {path.split(".")[0] for path in answer.paths}
        assert (answer.code, told) == ("VALIDATION_ERROR", wanted & asked.keys())
    text, variables = row.spelled(call)
    said = await api.gql(text, variables, token=who.token if who else None)
    messages = " ".join(error["message"] for error in said["errors"])
    assert {field for field in wanted if field in messages} == wanted
    assert {error["extensions"]["code"] for error in said["errors"]} == {"VALIDATION_ERROR"}


@pytest.mark.parametrize("name", sorted(HEARD))
async def test_a_spoiled_subscription_is_refused(
    house: House, api: Api, live: Socket, ann: Person, name: str
) -> None:
    setting, eve = Setting(house, api, ann), await Setting.fresh(house, api)
    given, foreign = await SAMPLES[name](setting), await SAMPLES[name](eve)
    before = await house.digest()

    asked = list(heard(name))
    head = ", ".join(f"${field.argument}: {field.type}" for field in asked)
    inner = ", ".join(f"{field.argument}: ${field.argument}" for field in asked)
    text = f"subscription({head}) {{ {name}({inner}) {{ __typename }} }}"
    for field in asked:
        for value in spoiled(field, given.get(field.name), foreign.get(field.name)):
            await live.subscribe(text, **whole(given, field, value))
            message = live.seen.pop() if live.seen else await live.receive()
            assert message["type"] == "error", (field.name, value, message)
            (error, *_) = message["payload"]
            assert error["extensions"]["code"] in ("VALIDATION_ERROR", "NOT_FOUND"), value
    assert await house.digest() == before


def test_another_answer_would_be_noticed() -> None:
    row = ASKED["createBrand"]
    (field,) = [field for field in fields(row) if field.name == "name"]
    wrong = (("timezone", "Not an IANA time zone"),)

    assert refused(
        Answer(None, "VALIDATION_ERROR", (("name", "Must not be empty"),)), row, field, ""
    )
    for answer in (
        Answer({"id": "x"}), Answer(None, "INTERNAL_ERROR"), Answer(None, "NOT_FOUND"),
        Answer(None, "VALIDATION_ERROR", wrong), Answer(None, "VALIDATION_ERROR", (), "Syntax"),
    ):  # fmt: skip
        assert not refused(answer, row, field, "")
