"""Documents are prepared once, and however many come, what is held stays within its bounds."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from graphql.execution.values import VariableValues

from mypost.engine import documents as held
from mypost.engine.cache import Cache
from mypost.engine.documents import Documents, Prepared
from mypost.schema.build import schema

CORE = schema._schema
OURS = 300_000  # Python's own cache of attributes, which graphql-core's visitors fill
HOT = "{ viewer { id name } }"
WIDE = " ".join(
    f"a{n}: brand(id: 1) {{ id posts(first: 1) {{ nodes {{ id }} }} }}" for n in range(18)
)
# What keeps most for each of its characters: fields, and errors with a tree behind each.
KINDS: dict[str, Callable[[int], str]] = {
    "fields": lambda n: f"query Q{n} {{ viewer {{ " + "id " * 60 + "} }",
    "plans": lambda n: f"query Q{n} {{ {WIDE} }}",
    "refused": lambda n: "{ viewer { " + " ".join(f"x{n}y{m}" for m in range(400)) + " } }",
    "cut off": lambda n: f"query Q{n} {{ " + "a { b " * 60,
    "long": lambda n: "#" + "x" * 30_000 + f"\n{{ __typename a{n}: __typename }}",
}


@contextmanager
def measured() -> Iterator[Callable[[], int]]:
    """Answers how many bytes are held more than at the beginning."""
    gc.collect()
    tracemalloc.start()
    begin = tracemalloc.get_traced_memory()[0]

    def more() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - begin

    try:
        yield more
    finally:
        tracemalloc.stop()


def run(documents: Documents, text: str) -> Prepared:
    """Takes a document as far as its plan, where it has one."""
    prepared = documents.get(text)
    if prepared.document is not None:
        prepared.plan(prepared.operation(None), VariableValues({}, {}), 100)
    return prepared


def test_a_text_is_prepared_once() -> None:
    documents = Documents(CORE)

    first = documents.get(HOT)
    assert documents.get(HOT) is documents.get(HOT) is first
    assert documents.get("{ nobody }") is documents.get("{ nobody }")
    counts = documents.compiler.counts
    assert (counts.misses, counts.hits, documents.size[0]) == (2, 3, 2)


def test_a_flood_drives_out_nothing_that_is_in_use() -> None:
    documents = Documents(CORE)
    hot = [documents.get(HOT), documents.get(HOT)][0]

    for n in range(20_000):
        documents.get(f"{{ x{n}" if n % 8 else f"{{ __typename }} # {n}")
        assert documents.size[0] <= held.MAX_ONCE + 1

    assert documents.get(HOT) is hot
    assert documents.size[1] <= held.MAX_ONCE_BYTES + held.MAX_KEPT_BYTES


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_held_weighs_no_more_than_is_said(kind: str) -> None:
    documents = Documents(CORE)
    run(documents, KINDS[kind](0))

    with measured() as more:
        for n in range(1, 25):
            run(documents, KINDS[kind](n))
        really, said = more(), documents.size[1]

    assert really <= said + OURS
    assert said <= min(held.MAX_ONCE_BYTES, 3 * really)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_grow(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MAX_ONCE", 10)
    documents = Documents(CORE)
    for n in range(20):
        run(documents, KINDS[kind](n))

    with measured() as more:
        for n in range(20, 50):
            run(documents, KINDS[kind](n))
        assert documents.size[0] == 10
        assert more() <= documents.size[1] + OURS


def test_a_plan_is_weighed_when_it_is_made() -> None:
    documents = Documents(CORE)
    documents.get(text := KINDS["plans"](0))
    before = documents.size[1]

    prepared = run(documents, text)

    ready = prepared.operation(None)
    assert ready.compiled is not None
    assert documents.size[1] - before == ready.compiled.fields * held.BYTES_A_FIELD > 0


def test_an_operation_is_ready_once_by_whatever_name() -> None:
    prepared = Documents(CORE).get("query A { viewer { id } }")

    assert prepared.operation(None) is prepared.operation("A")


def test_a_refusal_keeps_neither_tree_nor_frames() -> None:
    for text in (
        KINDS["refused"](1),
        KINDS["cut off"](1),
        "{ " * 900,
        "query A { a } query A { b }",
    ):
        for error in Documents(CORE).get(text).errors:
            assert error.nodes is None
            assert error.__traceback__ is None
            assert error.__context__ is None


def test_a_message_is_cut() -> None:
    (error, *_) = Documents(CORE).get("{ viewer { " + "x" * 9000 + " } }").errors

    assert len(error.message) == held.MAX_MESSAGE + 1


def test_a_cache_keeps_what_was_used_last() -> None:
    cache: Cache[str] = Cache(3, 100)
    for key in "abc":
        cache.put(key, key, 10)
    assert cache.get("a") == "a"

    cache.put("d", "d", 70)
    assert [cache.get(key) for key in "abcd"] == ["a", None, "c", "d"]
    assert (len(cache), cache.bytes) == (3, 90)

    cache.put("c", "c", 30)
    assert [cache.get(key) for key in "acd"] == [None, "c", "d"]

    cache.put("d", "d", 101)
    assert (cache.get("d"), len(cache), cache.bytes) == (None, 1, 30)
    assert (cache.pop("c"), cache.pop("c"), cache.bytes) == ("c", None, 0)
