"""Null where it may not stand: it empties the nearest place where it may."""

from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    build_schema,
)

from tests.engine.cases.both import both, fault

SCHEMA = build_schema("""
schema { query: Data }
type Data {
  sync: String
  syncNonNull: String!
  async: String
  asyncNonNull: String!
  syncNest: Data
  syncNonNullNest: Data!
  asyncNest: Data
  asyncNonNullNest: Data!
}
""")


class Nulling:
    """Answers null for every leaf, at once or when waited for."""

    def leaf(self, _name: str) -> Any:
        return None

    def __getattr__(self, name: str) -> Any:
        if not name.startswith(("sync", "async")):
            raise AttributeError(name)

        def at_once(_info: Any) -> Any:
            return type(self)() if name.endswith("Nest") else self.leaf(name)

        async def when_waited_for(info: Any) -> Any:
            return at_once(info)

        return at_once if name.startswith("sync") else when_waited_for


class Throwing(Nulling):
    """Raises for every leaf."""

    def leaf(self, name: str) -> Any:
        raise RuntimeError(name)


def said(root: type[Nulling], field: str) -> str:
    """What is said of a leaf that null or an error keeps from its place."""
    null = f"Cannot return null for non-nullable field Data.{field}."
    return field if root is Throwing else null


either_root = pytest.mark.parametrize("root", [Nulling, Throwing])
either_way = pytest.mark.parametrize("way", ["sync", "async"])


@either_way
async def test_a_nullable_leaf_is_null(way):
    asked, error = f"{{ {way} }}", fault(way, (1, 3), way)

    await both(SCHEMA, asked, {way: None}, root=Nulling)
    await both(SCHEMA, asked, {way: None}, error, root=Throwing)


@either_root
@either_way
@pytest.mark.parametrize("nest", ["sync", "async"])
async def test_an_object_is_nulled_by_its_leaf(root, way, nest):
    leaf, around = f"{way}NonNull", f"{nest}Nest"
    error = fault(said(root, leaf), (1, len(around) + 6), around, leaf)

    await both(SCHEMA, f"{{ {around} {{ {leaf} }} }}", {around: None}, error, root=root)


@either_root
@either_way
async def test_the_answer_is_nulled_by_a_root_field(root, way):
    leaf = f"{way}NonNull"

    await both(SCHEMA, f"{{ {leaf} }}", None, fault(said(root, leaf), (1, 3), leaf), root=root)


TREE = """{
  syncNest { sync async syncNest { sync async } asyncNest { sync async } }
  asyncNest { sync async syncNest { sync async } asyncNest { sync async } }
}"""
EMPTY = {"sync": None, "async": None}
BRANCH = {**EMPTY, "syncNest": EMPTY, "asyncNest": EMPTY}


async def test_nullable_leaves_of_a_tree_are_null():
    await both(SCHEMA, TREE, {"syncNest": BRANCH, "asyncNest": BRANCH}, root=Nulling)


async def test_each_error_of_a_tree_is_told_in_the_order_of_the_document():
    errors = {
        (around, *path): fault(path[-1], (line, column), around, *path)
        for around, line, shift in (("syncNest", 2, 0), ("asyncNest", 3, 1))
        for path, column in (
            (("sync",), 14 + shift), (("async",), 19 + shift),
            (("syncNest", "sync"), 36 + shift), (("syncNest", "async"), 41 + shift),
            (("asyncNest", "sync"), 61 + shift), (("asyncNest", "async"), 66 + shift),
        )
    }  # fmt: skip
    by_time = [
        ("syncNest", "sync"), ("syncNest", "syncNest", "sync"),
        ("asyncNest", "sync"), ("asyncNest", "syncNest", "sync"),
        ("syncNest", "async"), ("syncNest", "syncNest", "async"),
        ("syncNest", "asyncNest", "sync"), ("syncNest", "asyncNest", "async"),
        ("asyncNest", "async"), ("asyncNest", "syncNest", "async"),
        ("asyncNest", "asyncNest", "sync"), ("asyncNest", "asyncNest", "async"),
    ]  # fmt: skip

    await both(
        SCHEMA, TREE, {"syncNest": BRANCH, "asyncNest": BRANCH}, *errors.values(),
        core=[errors[path] for path in by_time], root=Throwing,
    )  # fmt: skip


CHAIN = ["syncNonNullNest", "asyncNonNullNest", "syncNonNullNest", "asyncNonNullNest"]
STARTS = [
    ("syncNest", "syncNest", "syncNonNull"),
    ("asyncNest", "asyncNest", "syncNonNull"),
    ("anotherNest", "anotherNest: syncNest", "asyncNonNull"),
    ("anotherAsyncNest", "anotherAsyncNest: asyncNest", "asyncNonNull"),
]


def chain(start: str, leaf: str) -> str:
    return f"  {start} {{ {' { '.join(CHAIN)} {{ {leaf} }} }} }} }} }}"


@either_root
async def test_the_first_nullable_object_above_a_long_chain_is_null(root):
    lines = [chain(start, leaf) for _, start, leaf in STARTS]
    errors = [
        fault(said(root, leaf), (2 + row, lines[row].index(f"{leaf} }}") + 1), key, *CHAIN, leaf)
        for row, (key, _, leaf) in enumerate(STARTS)
    ]

    await both(
        SCHEMA, "\n".join(["{", *lines, "}"]), dict.fromkeys(key for key, *_ in STARTS),
        *errors, root=root,
    )  # fmt: skip


# graphql-core tells both errors of a nulled region when the later one was there first.
@pytest.mark.parametrize(
    ("asked", "data", "first", "second"),
    [
        ("{ asyncNonNullNest { syncNonNull } asyncNest { syncNonNull } }", None,
         fault("syncNonNull", (1, 22), "asyncNonNullNest", "syncNonNull"),
         fault("syncNonNull", (1, 48), "asyncNest", "syncNonNull")),
        ("{ asyncNonNullNest { syncNonNull } asyncNest { asyncNonNull } }", None,
         fault("syncNonNull", (1, 22), "asyncNonNullNest", "syncNonNull"),
         fault("asyncNonNull", (1, 48), "asyncNest", "asyncNonNull")),
        ("{ syncNest { asyncNonNullNest { syncNonNull } asyncNest { syncNonNull } } }",
         {"syncNest": None},
         fault("syncNonNull", (1, 33), "syncNest", "asyncNonNullNest", "syncNonNull"),
         fault("syncNonNull", (1, 59), "syncNest", "asyncNest", "syncNonNull")),
        (("{ syncNest { asyncNonNullNest { syncNonNull } asyncNest { asyncNest { asyncNest"
         " { asyncNonNull } } } } }"), {"syncNest": None},
         fault("syncNonNull", (1, 33), "syncNest", "asyncNonNullNest", "syncNonNull"),
         fault("asyncNonNull", (1, 83), "syncNest", "asyncNest", "asyncNest", "asyncNest",
               "asyncNonNull")),
    ],
)  # fmt: skip
async def test_what_comes_after_the_error_that_nulls_its_region_is_not_told(
    asked, data, first, second
):
    await both(SCHEMA, asked, data, first, core=[second, first], root=Throwing)


async def test_what_comes_before_the_error_that_nulls_its_region_is_told():
    asked = "{ syncNest { sync async asyncNonNull } sync }"
    errors = [
        fault("sync", (1, 14), "syncNest", "sync"),
        fault("async", (1, 19), "syncNest", "async"),
        fault("asyncNonNull", (1, 25), "syncNest", "asyncNonNull"),
        fault("sync", (1, 40), "sync"),
    ]
    by_time = [errors[0], errors[3], errors[1], errors[2]]

    await both(
        SCHEMA, asked, {"syncNest": None, "sync": None}, *errors, core=by_time, root=Throwing
    )


PASSING = GraphQLSchema(
    GraphQLObjectType(
        "Query",
        {
            "field": GraphQLField(
                GraphQLString,
                args={"given": GraphQLArgument(GraphQLNonNull(GraphQLString))},
                resolve=lambda _obj, _info, given: f"Passed: {given}",
            )
        },
    )
)
INVALID = "Argument 'given' has invalid value: Expected "


@pytest.mark.parametrize(
    ("asked", "variables", "value"),
    [
        ('{ field(given: "literal") }', None, "literal"),
        ("query ($v: String!) { field(given: $v) }", {"v": "variable"}, "variable"),
        ('query ($v: String = "default") { field(given: $v) }', {}, "default"),
    ],
)
async def test_an_argument_that_may_not_be_null_is_given(asked, variables, value):
    await both(PASSING, asked, {"field": f"Passed: {value}"}, variables=variables)


@pytest.mark.parametrize(
    ("asked", "variables", "message", "at"),
    [
        ("{ field }", None,
         "Argument 'given' of required type 'String!' was not provided.", (1, 3)),
        ("{ field(given: null) }", None,
         f"{INVALID}value of non-null type 'String!' not to be None.", (1, 16)),
        ("query ($v: String) { field(given: $v) }", {},
         f"{INVALID}variable '$v' provided to type 'String!' to provide a runtime value.", (1, 35)),
        ('query ($v: String = "default") { field(given: $v) }', {"v": None},
         f"{INVALID}variable '$v' provided to non-null type 'String!' not to be None.", (1, 47)),
    ],
)  # fmt: skip
async def test_an_argument_that_may_not_be_null_and_is_fails_its_field(
    asked, variables, message, at
):
    await both(PASSING, asked, {"field": None}, fault(message, at, "field"), variables=variables)
