"""Lists: what counts as one, what keeps it from being read, and where null may stand in it."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema

from tests.engine.cases.both import both, fault, later, null_at, same

AT = (1, 3)
ASKED = "{ listField }"
NOT_ITERABLE = "Expected Iterable, but did not find one for field 'Query.listField'."


def lists(type_: str = "[String]") -> GraphQLSchema:
    return build_schema(f"type Query {{ listField: {type_} }}")


def holding(make: Callable[[], Any]) -> Callable[[], dict[str, Any]]:
    return lambda: {"listField": make()}


def generated() -> Iterator[Any]:
    yield "one"
    yield 2
    yield True


async def generated_later() -> AsyncIterator[Any]:
    yield "two"
    yield 4
    yield False


class Words:
    """Two words, to be iterated over or waited for."""

    def __init__(self) -> None:
        self.left = ["world", "hello"]

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self.left:
            raise StopIteration
        return self.left.pop()


class WordsLater(Words):
    """The same words, as an asynchronous iterable."""

    __iter__ = None  # type: ignore[assignment]

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


class WordsEither(WordsLater):
    """Words that may be read both ways, as Django's QuerySet may."""

    def __iter__(self) -> Iterator[str]:
        return iter(["read", "at", "once"])


@pytest.mark.parametrize(
    ("make", "answer"),
    [
        (list, []),
        (lambda: ["just an apple"], ["just an apple"]),
        (lambda: ["apple", "banana", "coconut"], ["apple", "banana", "coconut"]),
        (lambda: ("apple", "banana", "coconut"), ["apple", "banana", "coconut"]),
        (lambda: {"apple"}, ["apple"]),
        (lambda: dict.fromkeys(("apple", "banana")).keys(), ["apple", "banana"]),
        (generated, ["one", "2", "true"]),
        (Words, ["hello", "world"]),
        (generated_later, ["two", "4", "false"]),
        (WordsLater, ["hello", "world"]),
        (WordsEither, ["hello", "world"]),
    ],
)
async def test_what_can_be_iterated_over_is_a_list(make, answer):
    await both(lists(), ASKED, {"listField": answer}, root=holding(make))


@pytest.mark.parametrize("value", [{1: "one", 2: "two"}, "Singular", b"bytes", 7])
async def test_what_is_not_iterable_or_is_one_value_is_no_list(value):
    expected = fault(NOT_ITERABLE, AT, "listField")

    await both(lists(), ASKED, {"listField": None}, expected, root=holding(lambda: value))


class Counting:
    """Hands out values, raises what is an exception, and counts how often it is asked."""

    def __init__(self, *values: Any) -> None:
        self.values = values
        self.asked = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.asked += 1
        if self.asked > len(self.values):
            raise StopIteration
        value = self.values[self.asked - 1]
        if isinstance(value, LookupError):
            raise value
        return value() if callable(value) else value


class CountingLater(Counting):
    """The same, to be waited for."""

    __iter__ = None  # type: ignore[assignment]

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return self.__next__()
        except StopIteration:
            raise StopAsyncIteration from None


async def failing() -> str:
    raise RuntimeError("later bad")


KINDS = pytest.mark.parametrize("kind", [Counting, CountingLater])


@KINDS
@pytest.mark.parametrize(
    ("type_", "values", "data", "expected"),
    [
        ("[String]", ["ok", LookupError("bad"), "never"], {"listField": None},
         fault("bad", AT, "listField")),
        ("[String]!", ["ok", LookupError("bad")], None, fault("bad", AT, "listField")),
        ("[Int]", [1, LookupError("bad"), failing], {"listField": None},
         fault("bad", AT, "listField")),
        ("[Int!]", [1, None, 2], {"listField": None},
         null_at(AT, "Query.listField", "listField", 1)),
        ("[Int!]!", [1, None, LookupError("too late")], None,
         null_at(AT, "Query.listField", "listField", 1)),
        ("[String]", ["two", {}, 4], {"listField": ["two", None, "4"]},
         fault("String cannot represent value: {}", AT, "listField", 1)),
    ],
)  # fmt: skip
async def test_a_list_that_cannot_be_read_on_is_null(kind, type_, values, data, expected):
    await both(lists(type_), ASKED, data, expected, root=holding(lambda: kind(*values)))


async def test_graphql_core_reads_a_broken_list_to_its_end_and_the_engine_stops():
    kept: list[Counting] = []

    def root() -> dict[str, Any]:
        kept.append(Counting("ok", LookupError("bad"), "never"))
        return {"listField": kept[-1]}

    await both(lists(), ASKED, {"listField": None}, fault("bad", AT, "listField"), root=root)

    assert [each.asked for each in kept] == [2, 2, 4]


async def test_an_item_that_had_to_be_waited_for_is_told_though_a_later_one_is_null():
    values = [failing, None]
    first = fault("later bad", AT, "listField", 0)
    null = null_at(AT, "Query.listField", "listField", 1)

    await both(
        lists("[String!]!"), ASKED, None, first, core=[null],
        root=holding(lambda: Counting(*values)),
    )  # fmt: skip


ITEMS = {
    "values": ([1, 2], [1, 2], None),
    "null": ([1, None, 2], [1, None, 2], null_at(AT, "Query.listField", "listField", 1)),
    "error": ([1, RuntimeError("bad"), 2], [1, None, 2], fault("bad", AT, "listField", 1)),
}


def each_later(values: list[Any]) -> list[Any]:
    return [later(lambda value=value: value)() for value in values]


def one_by_one(values: list[Any]) -> CountingLater:
    return CountingLater(*values)


async def mixed(values: list[Any]) -> list[Any]:
    return [values[0], *each_later(values[1:])]


WAYS = pytest.mark.parametrize("way", [same(list), later(list), each_later, mixed, one_by_one])


@WAYS
@pytest.mark.parametrize("name", ITEMS)
@pytest.mark.parametrize("type_", ["[Int]", "[Int]!", "[Int!]", "[Int!]!"])
async def test_items_obey_where_null_may_stand(way, name, type_):
    values, full, expected = ITEMS[name]
    nulled = expected is not None and "Int!" in type_
    told = () if expected is None or (name == "null" and not nulled) else (expected,)
    data = {"listField": None if nulled else full}

    await both(
        lists(type_), ASKED, None if nulled and type_.endswith("]!") else data, *told,
        root=holding(lambda: way(values)),
    )  # fmt: skip


@pytest.mark.parametrize("when", [same, later])
@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "Cannot return null for non-nullable field Query.listField."),
     (RuntimeError("bad"), "bad")],
)  # fmt: skip
@pytest.mark.parametrize("type_", ["[Int]", "[Int]!", "[Int!]", "[Int!]!"])
async def test_the_list_itself_obeys_where_null_may_stand(when, value, said, type_):
    required = type_.endswith("]!")
    told = (fault(said, AT, "listField"),) if required or value is not None else ()

    await both(
        lists(type_), ASKED, None if required else {"listField": None}, *told,
        root=holding(when(lambda: value)),
    )  # fmt: skip


OBJECTS = """
type Query { plain: [Item] strict: [Item!] }
type Item { index: String! }
"""


def items(*indices: Any) -> Callable[[], Any]:
    async def listed(_info: Any) -> AsyncIterator[dict[str, Any]]:
        for index in indices:
            yield {"index": index}

    return lambda: {"plain": listed, "strict": listed}


def called(answer: Any) -> Callable[[Any], Any]:
    def resolve(_info: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return resolve


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_objects_of_an_asynchronous_list_wait_for_their_fields(count):
    answer = [{"index": str(number)} for number in range(count)]
    resolvers = [later(called(number)) for number in range(count)]

    await both(
        build_schema(OBJECTS), "{ plain { index } }", {"plain": answer}, root=items(*resolvers)
    )


async def test_an_object_of_an_asynchronous_list_is_nulled_by_its_field():
    resolvers = [called(0), later(called(1)), later(called(RuntimeError("bad")))]

    await both(
        build_schema(OBJECTS), "{ plain { index } }",
        {"plain": [{"index": "0"}, {"index": "1"}, None]},
        fault("bad", (1, 11), "plain", 2, "index"),
        root=items(*resolvers),
    )  # fmt: skip


async def test_the_first_error_of_a_nulled_list_is_told_even_when_it_comes_later():
    bad, also = RuntimeError("bad"), RuntimeError("also bad")
    first = fault("bad", (1, 12), "strict", 0, "index")
    second = fault("also bad", (1, 12), "strict", 1, "index")

    await both(
        build_schema(OBJECTS), "{ strict { index } }", {"strict": None}, first, core=[second],
        root=items(later(called(bad)), called(also)),
    )  # fmt: skip


async def test_graphql_core_closes_an_iterator_it_leaves_and_the_engine_reads_it_to_its_end():
    class Closing(CountingLater):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    kept: list[Closing] = []

    def root() -> dict[str, Any]:
        kept.append(Closing(1, None, 2))
        return {"listField": kept[-1]}

    expected = null_at(AT, "Query.listField", "listField", 1)
    await both(lists("[Int!]"), ASKED, {"listField": None}, expected, root=root)

    assert [(each.asked, each.closed) for each in kept] == [(4, False), (4, False), (2, True)]
