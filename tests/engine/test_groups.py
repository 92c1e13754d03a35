"""Events executed once for many: who belongs to a group, and what becomes of the others."""

import asyncio

import pytest
from graphql import ExecutionResult

from mypost.engine.documents import Documents
from mypost.engine.execute import ask
from mypost.engine.groups import (
    MAX_GROUPS,
    Answer,
    is_personal,
    once,
    variables_key,
    variables_used,
)
from mypost.schema.build import schema

HEARD = "{{ postStatusChanged(brandId: $b, after: $a) {{ {} }} }}"
EVENT = "subscription($b: ID!, $a: String) " + HEARD
CHOSEN = "subscription($b: ID!, $a: String, $all: Boolean!) " + HEARD
POST = "... on PostStatusEvent { cursor type status post { %s } }"


class Happened:
    """An event that may be shared."""

    def __init__(self) -> None:
        self.groups: dict = {}


class Work:
    """Counts executions, which wait until they are let go."""

    def __init__(self) -> None:
        self.count = 0
        self.go = asyncio.Event()

    async def __call__(self) -> Answer:
        self.count += 1
        await self.go.wait()
        return Answer(ExecutionResult({"n": self.count}, None), {})


@pytest.fixture
def documents() -> Documents:
    return Documents(schema._schema)


def asked(documents: Documents, text: str):
    prepared = documents.get(text)
    assert prepared.errors == []
    prepared.sights += 1
    found = ask(prepared, {"b": "x", "all": True}, None)
    return prepared, found, prepared.plan(*found)


@pytest.mark.parametrize(
    ("selection", "personal"),
    [
        (POST % "id content status scheduledLocal { timezone } revision: version", False),
        (POST % "targets { status error { message } account { name } network } tags", False),
        (POST % "brand { name workspace { name } } author { name } approval { status }", False),
        (POST % "brand { workspace { viewerPermissions } }", True),
        (POST % "brand { posts(first: 1) { nodes { id } } }", True),
        ("__typename ... on ResyncRequired { cursor }", False),
    ],
)
def test_what_shows_more_than_columns_and_relations_is_personal(
    documents: Documents, selection: str, personal: bool
) -> None:
    _, _, plan = asked(documents, EVENT.format(selection))

    assert is_personal(plan) is personal


def test_what_is_not_planned_is_personal() -> None:
    assert is_personal(None)


def test_only_variables_of_the_answer_count(documents: Documents) -> None:
    text = CHOSEN.format(POST % "id content @include(if: $all)")
    prepared, found, _ = asked(documents, text)

    names = variables_used(found.ready.operation, prepared.document)

    assert names == {"all"}
    assert variables_key(names, {"a": "7", "b": "x"}) == variables_key(names, {"b": "x"})
    assert variables_key(names, {"all": True}) != variables_key(names, {"all": False})


def test_variables_of_a_fragment_count(documents: Documents) -> None:
    text = CHOSEN.format("...F") + " fragment F on PostStatusEvent { type @skip(if: $all) }"
    prepared, found, _ = asked(documents, text)

    assert variables_used(found.ready.operation, prepared.document) == {"all"}


async def test_a_group_is_executed_once() -> None:
    event, work = Happened(), Work()

    waiting = [asyncio.ensure_future(once(event, "key", work)) for _ in range(5)]
    other = asyncio.ensure_future(once(event, "other", work))
    await asyncio.sleep(0)
    work.go.set()
    answers = await asyncio.gather(*waiting)

    assert len({id(answer) for answer in answers}) == 1
    assert (await other) is not answers[0]
    assert await once(event, "key", work) is answers[0]
    assert work.count == 2


async def test_the_first_of_a_group_may_leave() -> None:
    event, work = Happened(), Work()
    first = asyncio.ensure_future(once(event, "key", work))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(once(event, "key", work))
    await asyncio.sleep(0)

    first.cancel()
    work.go.set()

    assert (await second).data == {"n": 1}


async def test_the_groups_of_an_event_are_bounded() -> None:
    event, work = Happened(), Work()
    work.go.set()

    for key in range(MAX_GROUPS + 5):
        await once(event, key, work)
    again = await once(event, MAX_GROUPS + 1, work)

    assert len(event.groups) == MAX_GROUPS
    assert again.data == {"n": MAX_GROUPS + 6}


async def test_an_event_that_is_not_shared_is_executed_for_each() -> None:
    work = Work()
    work.go.set()

    await once(object(), "key", work)
    await once(object(), "key", work)

    assert work.count == 2
