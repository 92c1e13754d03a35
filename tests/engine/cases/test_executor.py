"""Execution itself: what resolvers see, how fragments merge, what is left out, what is wrong."""

from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    Undefined,
    build_schema,
    parse,
)
from graphql.type import GraphQLBoolean, GraphQLInt

from tests.engine.cases.both import (
    both,
    by_core,
    by_engine,
    core_alone,
    fault,
    later,
    now_and_later,
    same,
)

ARBITRARY = build_schema("""
schema { query: Data }
type Data {
  a: String b: String c: String d: String e: String f: String
  pic(size: Int): String deep: Deep promise: Data
}
type Deep { a: String b: String c: [String] deeper: [Data] }
""")


class Data:
    f = "Fish"

    def pic(self, _info: Any, size: int) -> str:
        return f"Pic of size: {size}"

    def deep(self, _info: Any) -> "Deep":
        return Deep()

    async def promise(self, _info: Any) -> "Data":
        return Data()


class Deep:
    a = "Already Been Done"
    b = "Boring"

    def c(self, _info: Any) -> list[str | None]:
        return ["Contrived", None, "Confusing"]

    def deeper(self, _info: Any) -> list[Data | None]:
        return [Data(), None, Data()]


for key, word in zip("abcde", ["Apple", "Banana", "Cookie", "Donut", "Egg"], strict=True):
    setattr(Data, key, lambda _self, _info, word=word: word)


async def test_arbitrary_code_is_executed():
    asked = """
    query ($size: Int) {
      a b x: c ...c f
      ... on Data { pic(size: $size) promise { a } }
      deep { a b c deeper { a b } }
    }
    fragment c on Data { d e }
    """
    fruits = {"a": "Apple", "b": "Banana"}

    await both(ARBITRARY, asked, {
        **fruits, "x": "Cookie", "d": "Donut", "e": "Egg", "f": "Fish",
        "pic": "Pic of size: 100", "promise": {"a": "Apple"},
        "deep": {"a": "Already Been Done", "b": "Boring", "c": ["Contrived", None, "Confusing"],
                 "deeper": [fruits, None, fruits]},
    }, root=Data, variables={"size": 100})  # fmt: skip


TREE = build_schema("type Query { a: String b: String c: String deep: Query }")


def tree() -> dict[str, Any]:
    made: dict[str, Any] = {"a": "Apple", "b": "Banana", "c": "Cherry"}
    made["deep"] = made
    return made


async def test_parallel_fragments_are_merged():
    asked = """
    { a ...One ...Two }
    fragment One on Query { b deep { b deeper: deep { b } } }
    fragment Two on Query { c deep { c deeper: deep { c } } }
    """
    b, c = {"b": "Banana"}, {"c": "Cherry"}

    await both(
        TREE, asked, {"a": "Apple", **b, "deep": {**b, "deeper": {**b, **c}, **c}, **c}, root=tree
    )


async def test_a_fragment_that_spreads_itself_is_not_valid_and_spread_once():
    asked = "query Q { a ...Frag ...Frag } fragment Frag on Query { a ...Frag }"

    await both(TREE, asked, {"a": "Apple"}, root=tree, name="Q")


@pytest.mark.parametrize(
    ("asked", "data"),
    [
        ("{ }", {}),
        ("{ a deep { } ...Frag } fragment Frag on Query { }", {"a": "Apple", "deep": {}}),
        ("{ deep }", {"deep": {}}),
        ("{ deep { deep } }", {"deep": {"deep": {}}}),
    ],
)
async def test_what_asks_for_nothing_is_empty(asked, data):
    await both(TREE, parse(asked, allow_empty_selection_sets=True), data, root=tree)


async def test_the_keys_of_an_answer_have_the_order_of_the_document():
    schema = build_schema("type Query { a: String b: String c: String d: String e: String }")

    def root() -> dict[str, Any]:
        return {key: (later if key in "bd" else same)(lambda _, key=key: key) for key in "abcde"}

    await both(schema, "{ a b c d e }", {key: key for key in "abcde"}, root=root)
    await both(schema, "{ e d __typename a: b c }", {
        "e": "e", "d": "d", "__typename": "Query", "a": "b", "c": "c"
    }, root=root)  # fmt: skip


async def test_a_resolver_sees_the_execution():
    seen = []
    schema = GraphQLSchema(
        GraphQLObjectType(
            "Test", {"test": GraphQLField(GraphQLString, resolve=lambda _, i: seen.append(i))}
        )
    )
    document = parse("query ($var: String) { result: test ...F } fragment F on Test { __typename }")
    root = {"root": "val"}
    for run in (by_engine, by_core):
        await run(schema, document, root=lambda: root, variables={"var": "abc"}, context="ctx")

    assert len(seen) == 3
    for info in seen:
        assert info.field_name == "test"
        assert info.field_nodes == [document.definitions[0].selection_set.selections[0]]
        assert info.return_type is GraphQLString
        assert info.parent_type is schema.query_type
        assert (info.path.as_list(), info.path.typename) == (["result"], "Test")
        assert info.schema is schema
        assert info.fragments == {"F": document.definitions[1]}
        assert info.root_value is root
        assert info.operation is document.definitions[0]
        assert info.variable_values.coerced == {"var": "abc"}
        assert info.variable_values.sources["var"].value == "abc"
        assert info.context == "ctx"
        assert info.abort_signal is None
        waiting = [later(int)(), later(str)()]
        assert [info.is_awaitable(each) for each in (*waiting, 1)] == [True, True, False]
        info.async_helpers.track(["not awaitable"])
        assert list(await info.async_helpers.gather(waiting)) == [0, ""]


async def test_a_path_runs_through_lists_and_abstract_types():
    paths = []
    schema = build_schema("""
    type Query { test: [[Some!]!]! }
    union Some = Thing
    type Thing { test: String }
    """)
    thing: Any = schema.type_map["Thing"]
    thing.fields["test"].resolve = lambda _obj, info: paths.append(info.path)

    await both(
        schema, "{ l1: test { ... on Thing { l2: test } } }",
        {"l1": [[{"l2": None}], [{"l2": None}]]},
        root=lambda: {"test": [[{"__typename": "Thing"}], [{"__typename": "Thing"}]]},
    )  # fmt: skip

    steps = []
    for path in paths:
        steps.append([])
        while path is not None:
            steps[-1].append((path.key, path.typename))
            path = path.prev  # noqa: PLW2901 - one step up
    assert steps == [
        [("l2", "Thing"), (0, None), (outer, None), ("l1", "Query")] for outer in (0, 1)
    ] * 3  # fmt: skip


async def test_arguments_that_were_not_set_are_not_given():
    args = {name: GraphQLArgument(GraphQLBoolean) for name in "abc"}
    args |= {name: GraphQLArgument(GraphQLInt) for name in "de"}
    schema = GraphQLSchema(
        GraphQLObjectType(
            "Query",
            {"field": GraphQLField(GraphQLString, args, resolve=lambda *_, **given: repr(given))},
        )
    )

    await both(
        schema, "{ field(a: true, c: false, e: 0) }",
        {"field": "{'a': True, 'c': False, 'e': 0}"},
    )  # fmt: skip


FAULTS = build_schema("""
type Query {
  ok: String raised: String error: String returned: String listed: [String]
  okLater: String raisedLater: String errorLater: String returnedLater: String told: String
}
""")


class Faulty:
    ok = "ok"
    listed = "a", Exception("listed 1"), "c", GraphQLError("listed 3", extensions={"n": 3})

    def raised(self, _info: Any) -> str:
        raise GraphQLError("raised")

    def error(self, _info: Any) -> str:
        raise RuntimeError("error")

    def returned(self, _info: Any) -> Any:
        return RuntimeError("returned")

    okLater = later(lambda *_: "ok later")  # noqa: N815 - the field's name
    raisedLater = later(raised)  # noqa: N815
    errorLater = later(error)  # noqa: N815
    returnedLater = later(returned)  # noqa: N815

    async def told(self, _info: Any) -> Any:
        return GraphQLError("told", extensions={"foo": "bar"})


async def test_what_fails_is_null_and_the_rest_is_there():
    names = ["raised", "error", "returned", "listed",
             "raisedLater", "errorLater", "returnedLater", "told"]  # fmt: skip
    asked = f"{{ ok {' '.join(names[:4])} okLater {' '.join(names[4:])} }}"

    def at(name: str) -> tuple[int, int]:
        return 1, asked.index(f" {name} ") + 2

    await both(
        FAULTS, asked,
        {"ok": "ok", "raised": None, "error": None, "returned": None,
         "listed": ["a", None, "c", None], "okLater": "ok later", "raisedLater": None,
         "errorLater": None, "returnedLater": None, "told": None},
        fault("raised", at("raised"), "raised"), fault("error", at("error"), "error"),
        fault("returned", at("returned"), "returned"),
        fault("listed 1", at("listed"), "listed", 1),
        fault("listed 3", at("listed"), "listed", 3, n=3),
        fault("raised", at("raisedLater"), "raisedLater"),
        fault("error", at("errorLater"), "errorLater"),
        fault("returned", at("returnedLater"), "returnedLater"),
        fault("told", at("told"), "told", foo="bar"),
        root=Faulty,
    )  # fmt: skip


@now_and_later
async def test_the_whole_path_is_told_of_what_may_not_be_null(when):
    schema = build_schema("""
    type Query { nullableA: A }
    type A { nullableA: A nonNullA: A! throws: A! }
    """)

    def throws(_info: Any) -> Any:
        raise RuntimeError("Catch me if you can")

    a: dict[str, Any] = {"throws": when(throws)}
    a |= dict.fromkeys(("nullableA", "nonNullA"), when(lambda _info: a))
    asked = (
        "{ nullableA { aliasedA: nullableA { nonNullA { anotherA: nonNullA {"
        " throws { __typename } } } } } }"
    )
    path = "nullableA", "aliasedA", "nonNullA", "anotherA", "throws"

    await both(
        schema, asked, {"nullableA": {"aliasedA": None}},
        fault("Catch me if you can", (1, 69), *path), root=lambda: a,
    )  # fmt: skip


async def test_a_later_error_that_nulls_does_not_hide_an_earlier_one_that_does_not():
    schema = build_schema("type Query { first: String second: String! third: String }")

    def root() -> dict[str, Any]:
        def oops(_info: Any) -> str:
            raise RuntimeError("Oops")

        return {"first": later(oops), "second": later(lambda _info: None), "third": later(oops)}

    first = fault("Oops", (1, 3), "first")
    null = fault("Cannot return null for non-nullable field Query.second.", (1, 9), "second")
    third = fault("Oops", (1, 16), "third")

    await both(schema, "{ first second third }", None, first, null,
               core=[first, third, null], root=root)  # fmt: skip


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("spelt", [Undefined, None])
async def test_a_scalar_that_spells_nothing_is_told(required, spelt):
    scalar = GraphQLScalarType("Custom", coerce_output_value=lambda _value: spelt)
    field = GraphQLField(GraphQLNonNull(scalar) if required else scalar, resolve=lambda *_: "X")
    schema = GraphQLSchema(GraphQLObjectType("Query", {"custom": field}))
    said = (
        "Expected `Custom.coerce_output_value('X')` to return non-nullable value, returned:"
        f" {spelt!r}"
    )
    data = None if required else {"custom": None}

    await both(schema, "{ custom }", data, fault(said, (1, 3), "custom"))


async def test_an_enum_is_spelt_by_its_value_and_nothing_else():
    enum = GraphQLEnumType("Kind", {"ONE": 1, "TRUE": "yes", "LIST": [1]})
    schema = GraphQLSchema(GraphQLObjectType("Query", {"kind": GraphQLField(enum)}))

    for value, name in ((1, "ONE"), (1.0, "ONE"), ("yes", "TRUE"), ([1], "LIST")):
        await both(schema, "{ kind }", {"kind": name}, root=lambda value=value: {"kind": value})
    for value, said in (("ONE", "'ONE'"), (2, "2"), ({}, "{}")):
        error = fault(f"Enum 'Kind' cannot represent value: {said}", (1, 3), "kind")
        await both(
            schema, "{ kind }", {"kind": None}, error, root=lambda value=value: {"kind": value}
        )


async def test_errors_that_do_not_propagate_are_graphql_cores():
    schema = build_schema("""
    type Query { foo: Int! }
    directive @experimental_disableErrorPropagation on QUERY | MUTATION | SUBSCRIPTION
    """)
    root, error = (lambda: {"foo": RuntimeError("bar")}), "bar"
    asked = "query {}{{ foo }}"
    directive = "@experimental_disableErrorPropagation "

    await both(schema, asked.format(""), None, fault(error, (1, 9), "foo"), root=root)
    await core_alone(
        schema, asked.format(directive), "errors that do not propagate", {"foo": None},
        fault(error, (1, 47), "foo"), root=root,
    )  # fmt: skip
