"""Where a value comes from: the parent, by name, or a resolver; and what the resolver is given."""

from collections import ChainMap
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLDefaultInput,
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    parse,
)

from tests.engine.cases.both import both, by_core, by_engine, fault, now_and_later


def asking(field: GraphQLField) -> GraphQLSchema:
    return GraphQLSchema(GraphQLObjectType("Query", {"test": field}))


def echo(source: Any, _info: Any, **given: Any) -> str:
    return repr([source, given])


class WithAttribute:
    test = "value"


class WithSlot:
    __slots__ = ("test",)

    def __init__(self) -> None:
        self.test = "value"


class WithProperty:
    @property
    def test(self) -> str:
        return "value"


class WithMethod:
    _secret = "value"

    def test(self, _info: Any) -> str:
        return self._secret


@pytest.mark.parametrize(
    "root",
    [WithAttribute, WithSlot, WithProperty, WithMethod, lambda: {"test": "value"},
     lambda: ChainMap({}, {"test": "value"}), lambda: {"test": lambda _info: "value"}],
)  # fmt: skip
async def test_the_parent_has_the_value(root):
    await both(asking(GraphQLField(GraphQLString)), "{ test }", {"test": "value"}, root=root)


@pytest.mark.parametrize("root", [dict, object, lambda: None, lambda: {"test": None}])
async def test_what_the_parent_does_not_have_is_null(root):
    await both(asking(GraphQLField(GraphQLString)), "{ test }", {"test": None}, root=root)


class Raising:
    @property
    def test(self) -> str:
        raise ValueError("no value")


async def test_an_attribute_that_raises_is_told():
    error = fault("no value", (1, 3), "test")

    await both(asking(GraphQLField(GraphQLString)), "{ test }", {"test": None}, error, root=Raising)


@now_and_later
async def test_a_method_is_given_arguments_and_context(when):
    def test(info: Any, addend: int) -> int:
        return 700 + addend + info.context["addend"]

    schema = asking(GraphQLField(GraphQLInt, args={"addend": GraphQLArgument(GraphQLInt)}))

    await both(
        schema, "{ test(addend: 80) }", {"test": 789}, root=lambda: {"test": when(test)},
        context={"addend": 9},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "source", "answer"),
    [
        ("{ test }", None, "[None, {}]"),
        ("{ test }", "Source!", "['Source!', {}]"),
        ('{ test(aStr: "String!") }', "Source!", "['Source!', {'a_str': 'String!'}]"),
        ('{ test(aInt: -123, aStr: "String!") }', "Source!",
         "['Source!', {'a_str': 'String!', 'aInt': -123}]"),
        ("{ test(aStr: null) }", "Source!", "['Source!', {'a_str': None}]"),
    ],
)  # fmt: skip
async def test_a_resolver_is_given_the_arguments_that_were_set(asked, source, answer):
    args = {
        "aStr": GraphQLArgument(GraphQLString, out_name="a_str"),
        "aInt": GraphQLArgument(GraphQLInt),
    }

    await both(
        asking(GraphQLField(GraphQLString, args=args, resolve=echo)), asked, {"test": answer},
        root=lambda: source,
    )  # fmt: skip


RECURSIVE = GraphQLInputObjectType(
    "Recursive",
    lambda: {
        "one": GraphQLInputField(GraphQLString, out_name="input_one"),
        "more": GraphQLInputField(RECURSIVE, out_name="input_more"),
    },
)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("{ test }", "{}"),
        ('{ test(aInput: {one: "S"}) }', "{'a_input': {'input_one': 'S'}}"),
        ('{ test(aInput: {more: {one: "S"}}) }', "{'a_input': {'input_more': {'input_one': 'S'}}}"),
    ],
)
async def test_input_objects_have_names_of_their_own(asked, given):
    args = {"aInput": GraphQLArgument(RECURSIVE, out_name="a_input")}

    await both(
        asking(GraphQLField(GraphQLString, args=args, resolve=echo)), asked,
        {"test": f"[None, {given}]"},
    )  # fmt: skip


FILTERS = GraphQLInputObjectType(
    "Filters", {"pageSize": GraphQLInputField(GraphQLInt, out_name="page_size")}
)


@pytest.mark.parametrize(
    ("asked", "variables", "size"),
    [
        ("{ test { id } }", None, 10),
        ("{ test(filters: {pageSize: 25}) { id } }", None, 25),
        ("query ($f: Filters) { test(filters: $f) { id } }", None, 10),
        ("query ($f: Filters) { test(filters: $f) { id } }", {"f": {"pageSize": 25}}, 25),
        ("query ($f: Filters = {pageSize: 25}) { test(filters: $f) { id } }", None, 25),
        ("query ($n: Int) { test(filters: {pageSize: $n}) { id } }", {"n": 25}, 25),
    ],
)
async def test_a_default_value_has_names_of_its_own_too(asked, variables, size):
    seen = []

    def search(_obj: Any, _info: Any, **given: Any) -> list[dict[str, str]]:
        seen.append(given)
        return [{"id": "42"}]

    default = GraphQLDefaultInput(value={"pageSize": 10})
    found = GraphQLObjectType("Found", {"id": GraphQLField(GraphQLID)})
    args = {"filters": GraphQLArgument(FILTERS, default=default, out_name="search_filters")}
    schema = asking(GraphQLField(GraphQLList(found), args=args, resolve=search))

    await both(schema, asked, {"test": [{"id": "42"}]}, variables=variables)

    assert seen == [{"search_filters": {"page_size": size}}] * 3


async def test_resolvers_do_not_share_the_arguments_they_are_given():
    def spoil(_obj: Any, _info: Any, filters: Any, names: Any) -> str:
        names.append(len(names))
        filters["more"] = len(filters)
        return repr((filters, names))

    args = {
        "filters": GraphQLArgument(FILTERS),
        "names": GraphQLArgument(GraphQLList(GraphQLString)),
    }
    schema = asking(GraphQLField(GraphQLString, args=args, resolve=spoil))
    answer = "({'page_size': 1, 'more': 1}, ['a', 1])"

    await both(
        schema, '{ test(filters: {pageSize: 1}, names: ["a"]) b: test(filters: {pageSize: 1}, '
        'names: ["a"]) }', {"test": answer, "b": answer},
    )  # fmt: skip


@now_and_later
async def test_an_error_of_a_resolver_keeps_what_it_was(when):
    raised = ValueError("Some error")

    def resolve(_obj: Any, _info: Any) -> str:
        raise raised

    schema = asking(GraphQLField(GraphQLString, resolve=when(resolve)))
    for run in (by_engine, by_core):
        result = await run(schema, parse("{ test }"))
        [error] = result.errors

        assert result.data == {"test": None}
        assert isinstance(error, GraphQLError)
        assert str(error) == "Some error\n\nGraphQL request:1:3\n1 | { test }\n  |   ^"
        assert (error.positions, error.locations, error.path) == ([2], [(1, 3)], ["test"])
        assert error.original_error is raised


@now_and_later
@pytest.mark.parametrize("returned", [False, True])
async def test_a_located_error_keeps_its_own_path_and_extensions(when, returned):
    def resolve(_obj: Any, _info: Any) -> Any:
        error = GraphQLError("mine", path=["elsewhere", 1], extensions={"code": "MINE"})
        if returned:
            return error
        raise error

    await both(
        asking(GraphQLField(GraphQLString, resolve=when(resolve))), "{ test }", {"test": None},
        {"message": "mine", "path": ["elsewhere", 1], "extensions": {"code": "MINE"}},
    )  # fmt: skip
