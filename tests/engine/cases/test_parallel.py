"""What can be waited for together is; and what becomes of the rest when one fails."""

import asyncio
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema, parse

from tests.engine.cases.both import both, by_core, by_engine, fault

PATIENCE = 5


class Barrier:
    """Lets nobody pass before so many have come; what it counts is begun and done work."""

    def __init__(self, number: int) -> None:
        self.missing = number
        self.open = asyncio.Event()
        self.done = 0

    async def wait(self, *_: Any) -> bool:
        self.missing -= 1
        if not self.missing:
            self.open.set()
        await self.open.wait()
        self.done += 1
        return True


async def in_time(schema: GraphQLSchema, asked: str, data: Any, **given: Any) -> None:
    """Expects an answer that only comes when things are waited for together."""
    async with asyncio.timeout(PATIENCE):
        await both(schema, asked, data, **given)


async def test_a_field_alone_is_waited_for():
    schema = build_schema("type Query { foo: Boolean }")

    await in_time(schema, "{ foo }", {"foo": True}, root=lambda: {"foo": Barrier(1).wait})


async def test_fields_are_waited_for_together():
    schema = build_schema("type Query { foo: Boolean bar: Boolean }")

    def root() -> dict[str, Any]:
        barrier = Barrier(2)
        return {"foo": barrier.wait, "bar": barrier.wait}

    await in_time(schema, "{ foo bar }", {"foo": True, "bar": True}, root=root)


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_items_are_waited_for_together(count):
    schema = build_schema("type Query { foo: [Boolean] }")

    async def listed(_info: Any) -> list[Any]:
        barrier = Barrier(count)
        return [barrier.wait() for _ in range(count)]

    await in_time(schema, "{ foo }", {"foo": [True] * count}, root=lambda: {"foo": listed})


async def test_branches_are_waited_for_together_to_their_leaves():
    schema = build_schema("type Query { foo: Query bar: Query leaf: Boolean }")

    def root() -> dict[str, Any]:
        barrier = Barrier(4)
        leaf = {"leaf": barrier.wait}
        return {"foo": {"foo": leaf, "bar": leaf}, "bar": {"foo": leaf, "bar": leaf}}

    leaf = {"leaf": True}
    await in_time(
        schema, "{ foo { foo { leaf } bar { leaf } } bar { foo { leaf } bar { leaf } } }",
        {"foo": {"foo": leaf, "bar": leaf}, "bar": {"foo": leaf, "bar": leaf}}, root=root,
    )  # fmt: skip


async def test_types_are_waited_for_together():
    barriers: list[Barrier] = []
    schema = build_schema("""
    interface Foo { foo: String }
    type Bar implements Foo { foo: String foobar: Int }
    type Baz implements Foo { foo: String foobaz: Int }
    type Query { foo: [Foo] }
    """)

    def is_named(name: str) -> Any:
        async def is_type_of(value: Any, *_: Any) -> bool:
            await barriers[-1].wait()
            return bool(value["foo"] == name)

        return is_type_of

    for name in ("bar", "baz"):
        schema.type_map[name.capitalize()].is_type_of = is_named(name)  # type: ignore[attr-defined]

    def root() -> dict[str, Any]:
        # Two values are asked two types each; then the type found is asked again.
        barriers.append(Barrier(4))
        return {"foo": [{"foo": "bar", "foobar": 1}, {"foo": "baz", "foobaz": 2}]}

    await in_time(
        schema, "{ foo { foo ... on Bar { foobar } ... on Baz { foobaz } } }",
        {"foo": [{"foo": "bar", "foobar": 1}, {"foo": "baz", "foobaz": 2}]}, root=root,
    )  # fmt: skip


async def oops(*_: Any) -> bool:
    raise RuntimeError("Oops")


def fields(barrier: Barrier) -> dict[str, Any]:
    return {"foo": oops, "bar": barrier.wait}


def listed(barrier: Barrier) -> dict[str, Any]:
    return {"foo": lambda _info: [oops(), barrier.wait()]}


def listed_later(barrier: Barrier) -> dict[str, Any]:
    async def each(_info: Any) -> Any:
        yield oops()
        yield barrier.wait()

    return {"foo": each}


@pytest.mark.parametrize(
    ("sdl", "asked", "make", "data", "path"),
    [
        ("type Query { foo: Boolean! bar: Boolean }", "{ foo bar }", fields, None, ["foo"]),
        ("type Query { foo: [Boolean!] }", "{ foo }", listed, {"foo": None}, ["foo", 0]),
        ("type Query { foo: [Boolean!] }", "{ foo }", listed_later, {"foo": None}, ["foo", 0]),
    ],
)
async def test_graphql_core_breaks_off_the_rest_of_a_nulled_region_and_the_engine_lets_it_end(
    sdl, asked, make, data, path
):
    """A resolver that is cut off in the middle may hold a connection; so none is."""
    schema, document = build_schema(sdl), parse(asked)
    expected = [fault("Oops", (1, 3), *path)]

    async with asyncio.timeout(PATIENCE):
        cut = Barrier(2)
        result = await by_core(schema, document, root=lambda: make(cut))
        await cut.wait()
        await asyncio.sleep(0)
    assert (result.data, [error.formatted for error in result.errors]) == (data, expected)
    assert cut.done == 1  # that was us

    barriers: list[Barrier] = []

    def root() -> dict[str, Any]:
        barriers.append(Barrier(1))
        return make(barriers[-1])

    result = await by_engine(schema, document, root=root)
    assert (result.data, [error.formatted for error in result.errors]) == (data, expected)
    assert [barrier.done for barrier in barriers] == [1, 1]


async def test_what_was_begun_before_an_error_at_once_ends_in_the_engines_answer():
    """graphql-core answers at once, and lets it end in the background."""
    schema = build_schema("type Query { later: String! atOnce: String! }")
    ended: list[str] = []

    async def later(_info: Any) -> None:
        await asyncio.sleep(0)
        ended.append("later")

    null = "Cannot return null for non-nullable field Query.{}."
    await both(
        schema, "{ later atOnce }", None, fault(null.format("later"), (1, 3), "later"),
        core=[fault(null.format("atOnce"), (1, 9), "atOnce")],
        root=lambda: {"later": later, "atOnce": None},
    )  # fmt: skip

    assert ended == ["later", "later"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ended == ["later", "later", "later"]
