"""Variables and arguments: what a resolver is given, and what is refused."""

from math import nan
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLDefaultInput,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLError,
    GraphQLField,
    GraphQLFloat,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    StringValueNode,
    Undefined,
    ValueNode,
    parse,
    value_from_ast_untyped,
)

from tests.engine.cases.both import both, by_core, by_engine, fault


def faulty(_value: Any) -> str:
    raise GraphQLError("Faulty", extensions={"code": "FAULTY"})


def internal(value: str) -> str:
    assert value == "External"
    return "Internal"


def internal_literal(ast: ValueNode) -> str:
    assert isinstance(ast, StringValueNode)
    return internal(ast.value)


FAULTY = GraphQLScalarType("Faulty", coerce_input_value=faulty, coerce_input_literal=faulty)
COMPLEX = GraphQLScalarType(
    "Complex", coerce_input_value=internal, coerce_input_literal=internal_literal
)
JSON = GraphQLScalarType(
    "JSON", coerce_input_value=lambda value: value, coerce_input_literal=value_from_ast_untyped
)
STRING = GraphQLInputField(GraphQLString)
REQUIRED = GraphQLInputField(GraphQLNonNull(GraphQLString))
INPUT = GraphQLInputObjectType(
    "Input",
    {
        "a": STRING,
        "b": GraphQLInputField(GraphQLList(GraphQLString)),
        "c": REQUIRED,
        "d": GraphQLInputField(COMPLEX),
        "e": GraphQLInputField(FAULTY),
    },
)
POINT = GraphQLInputObjectType(
    "Point",
    {"x": GraphQLInputField(GraphQLFloat), "y": GraphQLInputField(GraphQLFloat)},
    out_type=lambda value: f"(x|y) = ({value['x']}|{value['y']})",
)
SIZE = GraphQLInputObjectType(
    "Size", {"w": GraphQLInputField(GraphQLFloat)}, out_type=lambda value: f"w = {value.get('w')}"
)
ONE_OF = GraphQLInputObjectType("OneOf", {"a": STRING, "b": STRING}, is_one_of=True)
NESTED = GraphQLInputObjectType(
    "Nested", {"na": GraphQLInputField(GraphQLNonNull(INPUT)), "nb": REQUIRED}
)
ENUM = GraphQLEnumType(
    "Enum",
    {"NULL": None, "UNDEFINED": Undefined, "NAN": nan, "FALSE": False, "CUSTOM": "custom value",
     "DEFAULT_VALUE": GraphQLEnumValue()},
)  # fmt: skip
HELLO = GraphQLDefaultInput(value="Hello World")


def given(_obj: Any, _info: Any, **args: Any) -> str | None:
    return repr(args["input"]) if "input" in args else None


def field(type_: Any, **options: Any) -> GraphQLField:
    return GraphQLField(
        GraphQLString, args={"input": GraphQLArgument(type_, **options)}, resolve=given
    )


SCHEMA = GraphQLSchema(
    GraphQLObjectType(
        "Query",
        {
            "enum": field(ENUM),
            "enumNN": field(GraphQLNonNull(ENUM)),
            "object": field(INPUT),
            "oneOf": field(ONE_OF),
            "point": field(POINT),
            "size": field(SIZE),
            "string": field(GraphQLString),
            "stringNN": field(GraphQLNonNull(GraphQLString)),
            "default": field(GraphQLString, default=HELLO),
            "defaultNN": field(GraphQLNonNull(GraphQLString), default=HELLO),
            "nested": field(NESTED),
            "json": field(JSON),
            "list": field(GraphQLList(GraphQLString)),
            "nnList": field(GraphQLNonNull(GraphQLList(GraphQLString))),
            "listNN": field(GraphQLList(GraphQLNonNull(GraphQLString))),
            "nnListNN": field(GraphQLNonNull(GraphQLList(GraphQLNonNull(GraphQLString)))),
        },
    )
)
BAR = "{'a': 'foo', 'b': ['bar'], 'c': 'baz'}"
FOO = {"a": "foo", "b": ["bar"], "c": "baz"}


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ('object(input: {a: "foo", b: ["bar"], c: "baz"})', BAR),
        ('object(input: {a: "foo", b: "bar", c: "baz"})', BAR),
        ('object(input: {a: null, b: null, c: "C", d: null})',
         "{'a': None, 'b': None, 'c': 'C', 'd': None}"),
        ('object(input: {b: ["A", null, "C"], c: "C"})', "{'b': ['A', None, 'C'], 'c': 'C'}"),
        ('object(input: {c: "foo", d: "External"})', "{'c': 'foo', 'd': 'Internal'}"),
        ("point(input: {x: -3.0, y: 4.5})", "'(x|y) = (-3.0|4.5)'"),
        ('oneOf(input: {a: "A"})', "{'a': 'A'}"),
        ('json(input: {a: "foo", b: ["bar"], c: "baz"})', BAR),
        ("enum(input: NULL)", "None"),
        ("enum(input: NAN)", "nan"),
        ("enum(input: FALSE)", "False"),
        ("enum(input: CUSTOM)", "'custom value'"),
        ("enum(input: DEFAULT_VALUE)", "None"),
        ("enumNN(input: NULL)", "None"),
        ("string", None),
        ('string(input: "a")', "'a'"),
        ('stringNN(input: "a")', "'a'"),
        ("default", "'Hello World'"),
        ("default(input: null)", "None"),
        ("defaultNN", "'Hello World'"),
        ("list", None),
        ('list(input: "A")', "['A']"),
        ('nnListNN(input: ["A", "B"])', "['A', 'B']"),
    ],
)  # fmt: skip
async def test_a_literal_is_given(asked, answer):
    await both(SCHEMA, f"{{ field: {asked} }}", {"field": answer})


INVALID = "Argument 'input' has invalid value"


@pytest.mark.parametrize(
    ("asked", "message", "column", "extensions"),
    [
        ('object(input: ["foo", "bar"])',
         f'{INVALID}: Expected value of type \'Input\' to be an object, found: ["foo", "bar"].',
         24, {}),
        ('object(input: {c: "foo", e: "bar"})', f"{INVALID} at .e: Faulty", 3, {"code": "FAULTY"}),
        ("stringNN", "Argument 'input' of required type 'String!' was not provided.", 3, {}),
        ("default(input: WRONG_TYPE)",
         f"{INVALID}: String cannot represent a non string value: WRONG_TYPE", 25, {}),
        ('oneOf(input: {a: "A", b: "B"})',
         (f"{INVALID}: Within OneOf Input Object type 'OneOf', exactly one field must be specified,"
         " and the value for that field must be non-null."), 23, {}),
    ],
)  # fmt: skip
async def test_a_literal_that_does_not_fit_fails_its_field(asked, message, column, extensions):
    error = fault(message, (1, column), "field", **extensions)

    await both(SCHEMA, f"{{ field: {asked} }}", {"field": None}, error)


@pytest.mark.parametrize(
    ("declared", "asked", "variables", "answer"),
    [
        ("$v: Input", "object(input: $v)", {"v": FOO}, BAR),
        ("$v: Input", "object(input: $v)", {"v": {**FOO, "b": "bar"}}, BAR),
        ("$v: Input", "object(input: $v)", {"v": {"c": "foo", "d": "External"}},
         "{'c': 'foo', 'd': 'Internal'}"),
        ('$v: Input = {a: "foo", b: ["bar"], c: "baz"}', "object(input: $v)", None, BAR),
        ("$v: String", 'object(input: {a: $v, c: "baz"})', {"v": None}, "{'a': None, 'c': 'baz'}"),
        ("$v: String", 'object(input: {a: $v, c: "baz"})', {}, "{'c': 'baz'}"),
        ("$v: String", 'list(input: ["A", $v])', {"v": "B"}, "['A', 'B']"),
        ("$v: String", 'list(input: ["A", $v])', {}, "['A', None]"),
        ("$v: String", "string(input: $v)", {}, None),
        ("$v: String", "string(input: $v)", {"v": None}, "None"),
        ("$v: String", "string(input: $v)", {"v": "a"}, "'a'"),
        ('$v: String = "Default"', "string(input: $v)", {"v": "Value"}, "'Value'"),
        ('$v: String = "Default"', "string(input: $v)", {"v": None}, "None"),
        ('$v: String = "Default"', "string(input: $v)", {"v": Undefined}, "'Default'"),
        ("$v: String = null", "string(input: $v)", {}, "None"),
        ('$v: String! = "default"', "string(input: $v)", None, "'default'"),
        ('$v: String = "default"', "stringNN(input: $v)", None, "'default'"),
        ("$v: String!", "stringNN(input: $v)", {"v": "a"}, "'a'"),
        ("$v: String", "default(input: $v)", None, "'Hello World'"),
        ("$v: String", "defaultNN(input: $v)", None, "'Hello World'"),
        ("$other: String", "string(input: $v)", {"v": "unlisted"}, None),
        ("$v: JSON", "json(input: $v)", {"v": FOO}, BAR),
        ("$v: String", 'json(input: {a: $v, b: ["bar"], c: "baz"})', {"v": "foo"}, BAR),
        ("$v: Enum", "enum(input: $v)", {"v": "CUSTOM"}, "'custom value'"),
        ("$v: Float", "point(input: {x: 1, y: $v})", {"v": 2.5}, "'(x|y) = (1.0|2.5)'"),
        ("$v: Float", "size(input: {w: $v})", {"v": 2.5}, "'w = 2.5'"),
        ("$v: OneOf", "oneOf(input: $v)", {"v": {"b": "B"}}, "{'b': 'B'}"),
        ("$v: String!", "oneOf(input: {a: $v})", {"v": "A"}, "{'a': 'A'}"),
        ("$v: [String]", "list(input: $v)", {"v": None}, "None"),
        ("$v: [String]", "list(input: $v)", {"v": ["A"]}, "['A']"),
        ("$v: [String]", "list(input: $v)", {"v": ["A", None, "B"]}, "['A', None, 'B']"),
        ("$v: [String]!", "nnList(input: $v)", {"v": ["A", None]}, "['A', None]"),
        ("$v: [String!]", "listNN(input: $v)", {"v": None}, "None"),
        ("$v: [String!]", "listNN(input: $v)", {"v": ["A"]}, "['A']"),
        ("$v: [String!]!", "nnListNN(input: $v)", {"v": ["A"]}, "['A']"),
    ],
)  # fmt: skip
async def test_a_variable_is_given(declared, asked, variables, answer):
    await both(
        SCHEMA, f"query ({declared}) {{ field: {asked} }}", {"field": answer}, variables=variables
    )


NOT_NULL = "Variable '$v' has invalid value{}: Expected value of non-null type '{}' not to be None."
NO_STRING = "String cannot represent a non string value:"
TYPE = "Variable '$v' has invalid value{}: Expected value of type "
NOT_INPUT = "Variable '$v' expected value of type '{}' which cannot be used as an input type."


@pytest.mark.parametrize(
    ("declared", "asked", "value", "messages"),
    [
        ("Input", "object", {"c": "foo", "e": "bar"},
         ["Variable '$v' has invalid value at .e: Faulty"]),
        ("Input", "object", {"a": "foo", "c": None}, [NOT_NULL.format(" at .c", "String!")]),
        ("Input", "object", "foo bar",
         [f"{TYPE.format('')}'Input' to be an object, found: 'foo bar'."]),
        ("Input", "object", {"a": "foo"},
         [f"{TYPE.format('')}'Input' to include required field 'c', found: {{'a': 'foo'}}."]),
        ("Nested", "nested", {"na": {"a": "foo"}},
         [f"{TYPE.format(' at .na')}'Input' to include required field 'c', found: {{'a': 'foo'}}.",
          (f"{TYPE.format('')}'Nested' to include required field 'nb',"
          " found: {'na': {'a': 'foo'}}.")]),
        ("Input", "object", {"c": "baz", "extra": "dog"},
         [(f"{TYPE.format('')}'Input' not to include unknown field 'extra',"
          " found: {'c': 'baz', 'extra': 'dog'}.")]),
        ("String!", "stringNN", Undefined,
         [("Variable '$v' has invalid value: Expected a value of non-null type 'String!'"
          " to be provided.")]),
        ("String!", "stringNN", None, [NOT_NULL.format("", "String!")]),
        ("String!", "stringNN", [1, 2, 3],
         [f"Variable '$v' has invalid value: {NO_STRING} [1, 2, 3]"]),
        ("[String]!", "nnList", None, [NOT_NULL.format("", "[String]!")]),
        ("[String!]", "listNN", ["A", None, "B"], [NOT_NULL.format(" at [1]", "String!")]),
        ("[String!]!", "nnListNN", None, [NOT_NULL.format("", "[String!]!")]),
        ("[String!]!", "nnListNN", ["A", None, "B"], [NOT_NULL.format(" at [1]", "String!")]),
        ("Query!", "object", {"list": ["A"]}, [NOT_INPUT.format("Query!")]),
        ("Unheard!", "object", "whoKnows", [NOT_INPUT.format("Unheard!")]),
    ],
)  # fmt: skip
async def test_a_variable_that_does_not_fit_refuses_the_request(declared, asked, value, messages):
    """There is no `path`, and no field has run."""
    column = 12 if "cannot be used" in messages[0] else 8
    extensions = {"code": "FAULTY"} if messages[0].endswith("Faulty") else {}

    await both(
        SCHEMA, f"query ($v: {declared}) {{ {asked}(input: $v) }}", None,
        *(fault(message, (1, column), **extensions) for message in messages),
        variables={"v": value},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "asked", "message"),
    [
        ("String = 123", "string", "String cannot represent a non string value: 123"),
        ('Input = {c: "ok", aa: "x"}', "object",
         ("Expected value of type 'Input' not to include unknown field 'aa',"
         ' found: { c: "ok", aa: "x" }.')),
    ],
)  # fmt: skip
async def test_a_default_value_that_does_not_fit_refuses_the_request(declared, asked, message):
    error = fault(f"Variable '$v' has invalid default value: {message}", (1, 8))

    await both(SCHEMA, f"query ($v: {declared}) {{ {asked}(input: $v) }}", None, error)


@pytest.mark.parametrize(
    ("asked", "column"),
    [
        ("{ field: point(input: {x: 1}) }", 3),
        ("query ($v: Float) { field: point(input: {x: 1, y: $v}) }", 21),
    ],
)
async def test_an_input_object_that_raises_when_it_is_made_fails_its_field(asked, column):
    await both(SCHEMA, asked, {"field": None}, fault("'y'", (1, column), "field"))


async def test_a_variable_nobody_declared_fails_the_field_that_needs_it():
    message = f"{INVALID}: Expected variable '$v' provided to type 'String!' to provide a runtime"

    await both(
        SCHEMA, "{ stringNN(input: $v) }", {"stringNN": None},
        fault(f"{message} value.", (1, 19), "stringNN"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (GraphQLArgument(GraphQLString, default=GraphQLDefaultInput(value=123)),
         "String cannot represent a non string value: 123"),
        (GraphQLArgument(
            GraphQLInputObjectType("Invalid", {
                "foo": GraphQLInputField(GraphQLString, default=GraphQLDefaultInput(value=123)),
            }), default=GraphQLDefaultInput(value={})),
         "Expected value of type 'String' to be valid, found: 123."),
    ],
)  # fmt: skip
async def test_a_default_of_the_schema_that_does_not_fit_fails_its_field(argument, message):
    field = GraphQLField(GraphQLString, args={"input": argument}, resolve=given)
    schema = GraphQLSchema(GraphQLObjectType("Query", {"field": field}), assume_valid=True)
    error = fault(f"Argument 'input' has invalid default value: {message}", (1, 3), "field")

    await both(schema, "{ field }", {"field": None}, error)


@pytest.mark.parametrize(("count", "told"), [(3, 3), (50, 50), (51, 51), (80, 51)])
async def test_no_more_than_fifty_faults_of_variables_are_told(count, told):
    document = parse("query ($v: [String!]) { listNN(input: $v) }")
    said = (
        "Variable '$v' has invalid value at [{0}]: String cannot represent a non string value: {0}"
    )
    enough = "Too many errors processing variables, error limit reached. Execution aborted."

    for run in (by_engine, by_core):
        result = await run(SCHEMA, document, variables={"v": list(range(count))})

        assert result.data is None
        assert [error.message for error in result.errors] == [
            said.format(index) if index < 50 else enough for index in range(told)
        ]
        assert all(error.path is None for error in result.errors)
        assert result.errors[0].original_error is not None
