"""Fifty documents written to hurt: each is refused at once, in words, and nothing else happens."""

import gc
import json
import time
import tracemalloc
from typing import Any

import pytest

from mypost.engine.documents import Documents
from mypost.schema.build import schema
from tests.client import Person, Socket
from tests.conftest import House

CORE = schema._schema
MOST_S, MOST_BYTES = 0.050, 5 * 1024 * 1024
YARD_S = 0.014  # what `yard` takes on the quiet machine for which the limit was set
K = 1024


def many(count: int, spelled: str, between: str = " ") -> str:
    """Repeats a piece of a document; `#` is its number."""
    return between.join(spelled.replace("#", str(n)) for n in range(count))


def user(inner: str) -> str:
    return f"{{ viewer {{ {inner} }} }}"


def chain(count: int, inner: str = "id", spread: str = "...F%") -> str:
    """Fragments of which each spreads the next."""
    links = [
        f"fragment F{n} on Viewer {{ {inner} {spread.replace('%', str(n + 1))} }}"
        for n in range(count)
    ]
    return f"{user('...F0')} {' '.join(links)} fragment F{count} on Viewer {{ id }}"


def nest(depth: int, before: str, within: str, after: str) -> str:
    return before * depth + within + after * depth


BRANDS = "workspace { brands { nodes { % } } }"
PAGES = nest(9, "posts { nodes { brand { ", "id", " } } }")
CREATE = "mutation($i: CreatePostInput! = %) { createPost(input: $i) { userErrors { code } } }"
LOOP = nest(6, "fields { type { ", "name", " } }")
TREE = "{ viewer { ...F0 } } " + many(60, "fragment F# on Viewer { ...G# ...G# }")
HOSTILE = {
    # Aliases, fields and directives without end
    "aliases": user(many(300, "a#: id")),
    "aliases of a root": "{ " + many(60, "a#: viewer { id }") + " }",
    "aliases in fragments": user(many(9, "...F#"))
    + many(9, " fragment F# on Viewer { % }").replace("%", many(9, "x#: id")),
    "aliases of pages": "{ brand(id: 1) { " + many(51, "a#: posts { nodes { id } }") + " } }",
    "a field five thousand times": user("id " * 5000),
    "a field nineteen hundred times": user("id " * 1900),
    "fields nobody has": user(many(1900, "x#")),
    "objects again and again": "{ brand(id: 1) { " + "workspace { id name } " * 300 + "} }",
    "two levels of the same": "{ brand(id: 1) { "
    + f"workspace {{ {'brands { nodes { id } } ' * 20} }} " * 9 + "} }",
    "thirty root fields": "{ " + many(30, "a#: viewer { id }") + " }",
    "hidden root fields": "{ ...F } fragment F on Query { ... { " + "viewer { id } " * 30 + "} }",
    "ten changes": "mutation { " + many(10, "a#: logout(input: {}) { userErrors { code } }") + " }",
    "directives": user("id " + "@skip(if: false) " * 200),
    "directives everywhere": user(many(100, "id @include(if: true)")),
    "unknown directives": user("id " + "@a" * 900),
    "directives on variables": "query(" + many(60, "$a#: ID @a") + ") { viewer { id } }",
    # Fragments that lead into each other
    "a fragment in itself": user("...A") + " fragment A on Viewer { ...A }",
    "a cycle of fifty": chain(50).replace("F50 on Viewer { id", "F50 on Viewer { ...F0"),
    "a chain of two hundred": chain(190),
    "a chain of ninety": chain(90, "id name email", "...F% x"),
    "fan-out": user("...F0") + "".join(
        f" fragment F{n} on Viewer {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60)
    ) + " fragment F60 on Viewer { id }",
    "doubling": user("...F0") + "".join(
        f" fragment F{n} on Viewer {{ ...F{n + 1} ... {{ ...F{n + 1} }} }}" for n in range(40)
    ) + " fragment F40 on Viewer { id }",
    "doubling by fields": "{ brand(id: 1) { ...F0 } }" + "".join(
        f" fragment F{n} on Brand {{ a: {BRANDS} b: {BRANDS} }}".replace("%", f"...F{n + 1}")
        for n in range(20)) + " fragment F20 on Brand { id }",
    "many side by side": user(many(150, "...F#")) + many(150, " fragment F# on Viewer { id name }"),
    "ninety side by side": user(many(90, "...F#"))
    + many(90, " fragment F# on Viewer { id name x }"),
    "fragments nobody spreads": user("id") + many(230, " fragment F# on Viewer { id }"),
    "fragments of one name": user("...F") + " fragment F on Viewer { id }" * 90,
    "spreads of nothing": user(many(600, "...F#")),
    "trees that are not there": TREE,
    # Depth
    "deep fields": "{ brand(id: 1) { " + PAGES + " } }",
    "deep beyond the parser": "{ a " * 900 + "}" * 900,
    "deep inline fragments": user(nest(120, "... { ", "id x", " }")),
    "a deep list": "{ node(id: " + nest(400, "[", "1", "]") + ") { id } }",
    "a deep object": "{ node(id: " + nest(300, "{a: ", "1", "}") + ") { id } }",
    "a deep input object": CREATE.replace("%", nest(90, "{brandId: ", "1", "}")),
    "a deep type": "query($a: " + nest(300, "[", "ID", "]") + ") { viewer { id } }",
    # Values without end
    "a string of 200 KiB": '{ node(id: "' + "x" * 200 * K + '") { id } }',
    "a string of 31 KiB": '{ node(ids: "' + "x" * 31 * K + '") { id } }',
    "an integer of 30,000 digits": "{ brand(id: 1) { posts(first: "
    + "9" * 30_000 + ") { nodes { id } } } }",
    "a block string": '{ node(ids: """' + " x\n" * 10 * K + '""") { id } }',
    "escapes": '{ node(ids: "' + "\\u00e9" * 5 * K + '") { id } }',
    "a name of 31 KiB": "{ " + "a" * 31 * K + " }",
    "a list of nulls": "{ nodes(ids: [" + "null " * 1900 + "]) { id } }",
    "a huge literal where nobody looks": user("id")
    + " fragment F on Query { nodes(ids: [" + "{a: 1} " * 300 + "]) { id } }",
    "arguments": "{ brand(" + many(600, "a#: 1") + ") { id } }",
    "an argument again and again": "{ brand(" + "id: 1 " * 600 + ") { id } }",
    "a huge default": CREATE.replace("%", "{" + many(600, "a#: 1") + "}"),
    # Introspection
    "a loop": '{ __type(name: "Post") { ' + LOOP + " } }",
    "a loop by fragment": '{ __type(name: "Post") { ...F } }'
    " fragment F on __Type { fields { type { ...F } } }",
    "everything twenty times": "{ "
    + many(20, "a#: __schema { types { fields { type { name } } } }") + " }",
    "everything, under twenty names": "{ __schema { "
    + many(30, "a#: types { fields { name args { name } } }") + " } }",
    # Definitions without end
    "operations": many(80, "query A#($a: ID!) { node(id: $a) { id } }"),
    "two operations and no name": "query A { viewer { id } } query B { viewer { id } }",
    "operations of one name": "query A { viewer { id } } " * 20,
    "operations times usages": many(20, "query A# { ...F }") + " fragment F on Query { "
    + many(20, "a#: node(id: $a#) { id }") + " }",
    "variables": "query(" + many(450, "$a#: ID") + ") { viewer { id } }",
    "a variable nobody declared": "{ " + many(20, "a#: node(id: $x) { id }") + " }",
    # Characters
    "comments": "#\n" * 15_000 + "{ viewer { id } }",
    "one comment": "#" + "x" * 200 * K + "\n{ a }",
    "white space": " " * 200 * K + "{ a }", "commas": "{ viewer { " + "," * 31 * K + "x } }",
    "line ends": "\r\n" * 15 * K + "{ a }", "an endless string": '{ a(b: "' + "x" * 31 * K,
    "an endless block string": '{ a(b: """' + " \n" * 15 * K, "unbalanced": "{ a " * 190,
    "emoji": "{ " + "👨‍👩‍👧‍👦" * 1000 + " }", "a bidirectional override": "{ viewer { \u202eid } }",
    "a control character": "{ viewer\0 { id } }", "nothing": "", "a null byte": "\0" * 1000,
    "byte order marks": "\ufeff" * 1000 + "{ a }",
    "a lone surrogate": '{ node(id: "\\ud83d") { x } }',
}  # fmt: skip


def spent(text: str) -> tuple[float, int]:
    """The CPU seconds that refusing takes at best, and the bytes it needs at worst.

    Whoever shares the core slows it down: a time over the limit is taken again, and by the
    yardstick of what a piece of plain work takes meanwhile.
    """
    gc.collect()
    seconds = [1.0]
    while min(seconds) > MOST_S and len(seconds) <= 8:
        documents = Documents(CORE)
        began = time.process_time()
        refused(documents, text)
        taken = time.process_time() - began
        seconds.append(taken / max(1.0, yard() / YARD_S) if taken > MOST_S else taken)
    tracemalloc.start()
    try:
        refused(Documents(CORE), text)
        return min(seconds), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def yard() -> float:
    """The CPU seconds of a piece of work that never changes."""
    began = time.process_time()
    assert len({str(number): (number,) for number in range(60_000)}) == 60_000
    return time.process_time() - began


def refused(documents: Documents, text: str) -> None:
    """Takes a document as far as choosing its operation, which is before anything runs."""
    prepared = documents.get(text)
    if prepared.document is not None:
        with pytest.raises(Exception, match="Name one of the operations"):
            prepared.operation(None)


def test_there_are_fifty() -> None:
    assert len(set(HOSTILE.values())) == len(HOSTILE) >= 50


@pytest.mark.parametrize("name", HOSTILE)
def test_refusing_costs_little(name: str) -> None:
    seconds, size = spent(HOSTILE[name])

    assert seconds <= MOST_S
    assert size <= MOST_BYTES


async def test_each_is_refused_in_words(house: House, ann: Person) -> None:
    before = await house.digest()

    for name, text in HOSTILE.items():
        body = json.dumps({"query": text}).encode()
        for kind in ("application/json", "application/graphql-response+json"):
            headers = {"content-type": "application/json", "accept": kind}
            answer = await ann.api.http.post("/graphql", content=body, headers=headers)
            assert answer.status_code == (200 if kind == "application/json" else 400), name
            said = answer.json()
            assert said.keys() == {"errors"}, name
            assert {e["extensions"]["code"] for e in said["errors"]} == {"VALIDATION_ERROR"}, name
            assert all("Did you mean" not in e["message"] for e in said["errors"]), name
            assert len(answer.content) < 32 * K, name
    assert await house.digest() == before


async def test_each_is_refused_by_a_socket(house: House, ann: Person, live: Socket) -> None:
    for name, text in HOSTILE.items():
        if len(json.dumps(text)) > 60 * K:
            continue  # a socket takes no message over 64 KiB
        await live.send({"id": name, "type": "subscribe", "payload": {"query": text}})
        told: Any = await live.receive()
        assert (told["type"], told["id"]) == ("error", name)
        assert {e["extensions"]["code"] for e in told["payload"]} == {"VALIDATION_ERROR"}, name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{ " + "x" * 40_000 + " }", "longer than 32768 characters"),
        (user(many(300, "a#: id")), "More than 50 aliases"),
        ("#\n" * 600 + "{ a }", "more than 500 comments"),
        ("{ node(id: [" + "1 " * 200 + "]) { id } }", "More than 150 values in one literal"),
        (many(21, "query A# { viewer { id } }"), "More than 20 operations"),
        (many(101, "fragment F# on Viewer { id } "), "More than 100 fragments"),
        (user("id " * 1400), "same fields too often"),
        (HOSTILE["everything twenty times"], "More than 25,000 introspected values"),
    ],
)  # fmt: skip
def test_the_refusal_says_which_bound(text: str, words: str) -> None:
    (error, *_) = Documents(CORE).get(text).errors

    assert words in error.message


async def test_huge_variables_are_refused(house: House, ann: Person) -> None:
    before = await house.digest()
    text = CREATE.replace(" = %", "")
    for given in (
        {"brandId": "1", "content": "x", "targetAccountIds": [[[["1"]]]] * 5000},
        {
            "brandId": "1",
            "content": "x",
            "targetAccountIds": [],
            **{f"a{n}": n for n in range(9000)},
        },
        {"brandId": {"a": ["x" * 1000] * 100}, "content": ["x"] * 9000, "targetAccountIds": 1},
    ):
        answer = await ann.gql(text, i=given)
        assert {e["extensions"]["code"] for e in answer["errors"]} == {"VALIDATION_ERROR"}
        assert len(answer["errors"]) <= 51
    assert await house.digest() == before
