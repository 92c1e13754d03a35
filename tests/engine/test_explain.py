"""`mypost explain`: the plan of a document and the Python it becomes, or why there is none."""

import io
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import strawberry
from graphql import GraphQLSchema, build_schema

from mypost.__main__ import app
from mypost.engine.declare import ENGINE, Load
from mypost.engine.explain import explain

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "engine.md").read_text()
PLAIN = build_schema("""
interface Node { id: ID! }
type User implements Node { id: ID! name: String }
type Post implements Node { id: ID! text: String! }
type Query { node(id: ID!): Node nodes: [[Node!]]! a: Int }
""")


async def _loaded(_context: Any, parents: Sequence[Any]) -> list[Any]:
    return [[] for _ in parents]


@strawberry.type
class Leaf:
    word: str


@strawberry.type
class Tree:
    height: int
    root: Leaf

    @strawberry.field
    def rings(self) -> int:
        return 7

    @strawberry.field
    def cut(self, at: int) -> float | None:
        return at / 2

    @strawberry.field(metadata={ENGINE: Load(_loaded)})
    def leaves(self) -> list[Leaf]:
        return []


@strawberry.type
class Query:
    @strawberry.field
    def tree(self) -> Tree | None:
        return None


STRAWBERRY: GraphQLSchema = strawberry.Schema(Query)._schema


def tree_of(told: str) -> list[str]:
    """The plan's lines, without the Python."""
    return told.split("\n\n", maxsplit=1)[0].splitlines()


def test_each_field_says_how_it_gets_its_values():
    asked = "{ tree { height again: rings cut(at: 3) root { word } leaves { word __typename } } }"

    assert tree_of(explain(STRAWBERRY, asked)) == [
        "query",
        "  tree: Tree · computed for each parent",
        "    height: Int! · read in place",
        "    again: rings: Int! · computed for each parent",
        "    cut: Float · called for each parent",
        "    root: Leaf! · read before",
        "      word: String! · read in place",
        "    leaves: [Leaf!]! · loaded for all parents at once",
        "      word: String! · read in place",
        "      __typename: the name of the type",
    ]


def test_each_type_of_an_abstract_field_has_a_plan_of_its_own():
    asked = "{ nodes { id ... on Post { text } ... on User { name } } }"

    assert tree_of(explain(PLAIN, asked)) == [
        "query",
        "  nodes: [[Node!]]! · called for each parent",
        "    … on User",
        "      id: ID! · called for each parent",
        "      name: String · called for each parent",
        "    … on Post",
        "      id: ID! · called for each parent",
        "      text: String! · called for each parent",
    ]


def test_the_python_is_what_runs():
    told = explain(STRAWBERRY, "{ tree { height rings } }")

    assert told.split("\n\n", 1)[1] == (
        "def Tree_0(parents, c0):\n"
        "    return [{'height': (v if (v := o.height).__class__ is int"
        " and -2147483648 <= v <= 2147483647 else L0(v)), 'rings': (v if (v := x0).__class__ is int"
        " and -2147483648 <= v <= 2147483647 else L0(v))} for o, x0 in zip(parents, c0)]\n"
        "\n"
        "def Query_1(parents, c0):\n"
        "    return [{'tree': x0} for o, x0 in zip(parents, c0)]"
    )
    compile(told.split("\n\n", 1)[1], "<told>", "exec")


def test_variables_decide_what_conditions_leave():
    asked = "query ($on: Boolean!) { a @include(if: $on) b: a @skip(if: $on) }"

    assert tree_of(explain(PLAIN, asked, {"on": True})) == [
        "query", "  a: Int · called for each parent"
    ]  # fmt: skip
    assert tree_of(explain(PLAIN, asked, {"on": False})) == [
        "query", "  b: a: Int · called for each parent"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "variables", "told"),
    [
        ("{ unheardOf }", None, "Cannot query field 'unheardOf' on type 'Query'."),
        ("{ a", None, "Syntax Error: Expected Name, found <EOF>."),
        ("query ($on: Boolean!) { a @skip(if: $on) }", None,
         ("Variable '$on' has invalid value: Expected a value of non-null type 'Boolean!'"
         " to be provided.")),
        ("query A { a } query B { a }", None,
         "Name one of the operations in operationName"),
        ("query ($on: Boolean = true) { a @skip(if: $on) }", {"on": None},
         "graphql-core runs this: a condition without a value"),
    ],
)  # fmt: skip
def test_what_has_no_plan_says_why(asked, variables, told):
    assert explain(PLAIN, asked, variables).splitlines()[0] == told


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line and answers its code and what it printed."""

    def run(*words: str) -> tuple[int, str, str]:
        try:
            app(words)
        except SystemExit as end:
            return int(end.code or 0), *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


def test_the_command_tells_what_the_page_shows(command):
    shown = re.compile(r"## See it\n\n.*?```sh\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)
    (typed, answer) = shown.search(PAGE).groups()
    program, *words = shlex.split(typed)

    assert program == ".venv/bin/mypost"
    assert command(*words) == (0, answer, "")


def test_the_command_reads_a_document_that_is_typed(command, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("{ __typename }"))

    code, told, _ = command("explain", "-", "--variables", "{}")

    assert code == 0
    assert told.splitlines()[:2] == ["query", "  __typename: the name of the type"]


def test_the_command_wants_to_know_which_of_several_operations(command):
    text = "query A { __typename } query B { brand(id: 1) { name } }"

    assert command("explain", text)[1] == "Name one of the operations in operationName\n"
    assert command("explain", text, "--operation", "C")[1] == "There is no operation named C\n"
    told = command("explain", text, "--operation", "B")[1]
    assert told.splitlines()[:2] == ["query", "  brand: Brand · called for each parent"]


@pytest.mark.parametrize("variables", ["{", "[1]", "7", "null"])
def test_the_command_wants_variables_that_are_an_object(command, variables):
    said = "mypost: --variables is not a JSON object\n"

    assert command("explain", "{ __typename }", "--variables", variables) == (1, "", said)
