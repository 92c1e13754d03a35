"""Subscriptions: how a stream is begun, what each event answers, and how a stream ends.

Each runs through graphql-core and twice through the engine: events by plans, and left to
graphql-core. The stream itself is graphql-core's in both.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from graphql import (
    ExecutionResult,
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    build_schema,
    parse,
)
from graphql import subscribe as core_subscribe

from mypost.engine.documents import Documents, Prepared
from mypost.engine.subscribe import subscribe
from tests.engine.cases.both import Fault, fault, later, now_and_later, same, spelled, told

Subscribe = Callable[..., Any]
QUERY = GraphQLObjectType("Query", {"dummy": GraphQLField(GraphQLString)})
ASKED = "subscription { foo }"


def streaming(subscribing: Subscribe | None = None, **options: Any) -> GraphQLSchema:
    field = GraphQLField(GraphQLString, subscribe=subscribing, **options)
    bar = GraphQLField(GraphQLString)
    return GraphQLSchema(QUERY, None, GraphQLObjectType("Subscription", {"foo": field, "bar": bar}))


async def foo(*_: Any, **__: Any) -> AsyncIterator[dict[str, str]]:
    yield {"foo": "FooValue"}


def by_engine(
    schema: GraphQLSchema,
    asked: str,
    variables: dict[str, Any] | None,
    *,
    compiles: bool,
    valid: bool = True,
) -> AsyncIterator[ExecutionResult]:
    documents = Documents(schema, compiles=compiles)
    prepared = documents.get(asked)
    if not valid:
        prepared = Prepared(asked, parse(asked), [], documents.compiler)
    return subscribe(schema, prepared, variables, None, lambda: None)


async def by_core(
    schema: GraphQLSchema, asked: str, variables: dict[str, Any] | None
) -> AsyncIterator[ExecutionResult]:
    stream = core_subscribe(schema, parse(asked), variable_values=variables, hide_suggestions=True)
    stream = await stream if asyncio.iscoroutine(stream) else stream
    if isinstance(stream, ExecutionResult):
        yield stream
        return
    async with aclosing(stream) as results:
        async for result in results:
            yield result


async def all_ways(
    schema: GraphQLSchema,
    asked: str,
    *expected: tuple[Any, Fault | None],
    variables: dict[str, Any] | None = None,
    valid: bool = True,
) -> None:
    """Expects one answer for each event; None stands for no error."""
    answers = [spelled(data, [] if error is None else [error]) for data, error in expected]
    for stream in (
        by_engine(schema, asked, variables, compiles=True, valid=valid),
        by_engine(schema, asked, variables, compiles=False, valid=valid),
        by_core(schema, asked, variables),
    ):
        assert [told(result) async for result in stream] == answers


@now_and_later
async def test_a_stream_is_begun_at_once_or_when_waited_for(when):
    await all_ways(streaming(when(foo)), ASKED, ({"foo": "FooValue"}, None))


async def test_only_the_first_field_of_several_is_subscribed_to():
    """Several are not valid."""
    began = []

    async def first(*_: Any) -> AsyncIterator[dict[str, str]]:
        began.append("foo")
        yield {"foo": "FooValue"}

    schema = streaming(first)
    schema.type_map["Subscription"].fields["bar"].subscribe = lambda *_: began.append("bar")  # type: ignore[attr-defined]

    await all_ways(
        schema, "subscription { foo bar }", ({"foo": "FooValue", "bar": None}, None), valid=False
    )
    assert began == ["foo"] * 3


async def test_a_schema_without_subscriptions_refuses():
    said = fault("Schema is not configured to execute subscription operation.", (1, 1))

    await all_ways(GraphQLSchema(QUERY), "subscription { foo }", (None, said), valid=False)


async def test_a_field_that_is_not_there_is_refused():
    said = fault("The subscription field 'unheardOf' is not defined.", (1, 16))

    await all_ways(streaming(), "subscription { unheardOf }", (None, said), valid=False)


@now_and_later
@pytest.mark.parametrize("value", ["test", None, ["list"]])
async def test_what_is_no_stream_is_told(when, value):
    said = f"Subscription field must return AsyncIterable. Received: {value!r}."

    await all_ways(streaming(when(lambda *_: value)), ASKED, (None, fault(said, (1, 16), "foo")))


@now_and_later
@pytest.mark.parametrize("returned", [False, True])
async def test_an_error_of_the_subscriber_is_told(when, returned):
    def subscribing(*_: Any) -> Any:
        error = TypeError("test error")
        if returned:
            return error
        raise error

    await all_ways(streaming(when(subscribing)), ASKED, (None, fault("test error", (1, 16), "foo")))


TAKING = {"args": {"arg": GraphQLArgument(GraphQLInt)}}


async def test_a_variable_that_does_not_fit_refuses_the_subscription():
    said = "Variable '$arg' has invalid value: Int cannot represent non-integer value: 'meow'"

    await all_ways(
        streaming(foo, **TAKING), "subscription ($arg: Int) { foo(arg: $arg) }",
        (None, fault(said, (1, 15))), variables={"arg": "meow"},
    )  # fmt: skip


async def test_the_subscriber_is_given_the_arguments():
    async def subscribing(_root: Any, _info: Any, arg: int) -> AsyncIterator[dict[str, int]]:
        for number in range(arg):
            yield {"foo": number}

    schema = streaming(subscribing, **TAKING)
    events = [({"foo": str(number)}, None) for number in range(3)]

    await all_ways(schema, "subscription { foo(arg: 3) }", *events)
    await all_ways(schema, "subscription ($n: Int) { foo(arg: $n) }", *events, variables={"n": 3})


async def test_a_query_is_no_stream_for_graphql_core_and_one_answer_for_the_engine():
    """graphql-transport-ws lets every operation run."""
    schema = GraphQLSchema(QUERY)

    with pytest.raises(GraphQLError, match=r"^Expected subscription operation\.$"):
        core_subscribe(schema, parse("{ dummy }"))

    stream = by_engine(schema, "{ dummy }", None, compiles=True)
    assert [told(result) async for result in stream] == [spelled({"dummy": None}, [])]


INBOX = build_schema("""
type Query { inbox: Inbox }
type Subscription { importantEmail: Event }
type Event { email: Email inbox: Inbox }
type Inbox { total: Int unread: Int emails: [Email] }
type Email { from: String subject: String laterSubject: String unread: Boolean }
""")
IMPORTANT = """subscription ($later: Boolean = false) { importantEmail {
  email { from subject ... @include(if: $later) { laterSubject } }
  inbox { unread total }
} }"""


class Inbox:
    """Mails, and who waits for the next."""

    def __init__(self) -> None:
        self.emails: list[dict[str, Any]] = [{"from": "joe", "subject": "Hello", "unread": False}]
        self.readers: list[asyncio.Queue[Any]] = []

    def total(self, _info: Any) -> int:
        return len(self.emails)

    def unread(self, _info: Any) -> int:
        return sum(email["unread"] for email in self.emails)

    def send(self, sender: str, subject: str) -> int:
        email = {"from": sender, "subject": subject, "unread": True}
        email["laterSubject"] = later(lambda _info: subject)
        self.emails.append(email)
        for reader in self.readers:
            reader.put_nowait({"importantEmail": {"email": email, "inbox": self}})
        return len(self.readers)

    async def stream(self, *_: Any) -> AsyncIterator[Any]:
        reader: asyncio.Queue[Any] = asyncio.Queue()
        self.readers.append(reader)
        try:
            while True:
                yield await reader.get()
        finally:
            self.readers.remove(reader)


WAYS = pytest.mark.parametrize(
    "way",
    [lambda *given: by_engine(*given, compiles=True),
     lambda *given: by_engine(*given, compiles=False), by_core],
    ids=["compiled", "interpreted", "core"],
)  # fmt: skip


@pytest.fixture
def inbox() -> Inbox:
    made = Inbox()
    INBOX.type_map["Subscription"].fields["importantEmail"].subscribe = made.stream  # type: ignore[attr-defined]
    return made


def important(sender: str, subject: str, unread: int, **more: str) -> list[str]:
    email = {"from": sender, "subject": subject, **more}
    inbox = {"unread": unread, "total": unread + 1}
    return spelled({"importantEmail": {"email": email, "inbox": inbox}}, [])


async def listening(stream: AsyncIterator[Any], inbox: Inbox, readers: int) -> asyncio.Task[Any]:
    """Begins to wait for the next event, and answers when the stream listens."""
    waiting = asyncio.create_task(anext(stream))
    while len(inbox.readers) < readers:
        await asyncio.sleep(0)
    return waiting


@WAYS
async def test_each_event_is_an_answer_of_its_own(way, inbox):
    stream = way(INBOX, IMPORTANT, None)
    waiting = await listening(stream, inbox, 1)

    assert inbox.send("yuzhi", "Alright") == 1
    assert told(await waiting) == important("yuzhi", "Alright", 1)

    # Two events come before the next is asked for: what they look at is as it is then.
    inbox.send("hyo", "Tools")
    inbox.send("adam", "Important")
    assert told(await anext(stream)) == important("hyo", "Tools", 3)
    assert told(await anext(stream)) == important("adam", "Important", 3)

    await stream.aclose()
    assert inbox.send("eve", "Too late") == 0
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@WAYS
async def test_a_field_of_an_event_may_have_to_be_waited_for(way, inbox):
    stream = way(INBOX, IMPORTANT, {"later": True})
    waiting = await listening(stream, inbox, 1)
    inbox.send("yuzhi", "Alright")

    assert told(await waiting) == important("yuzhi", "Alright", 1, laterSubject="Alright")
    await stream.aclose()


@WAYS
async def test_each_subscriber_has_every_event(way, inbox):
    streams = [way(INBOX, IMPORTANT, None) for _ in range(2)]
    waiting = [await listening(each, inbox, n) for n, each in enumerate(streams, 1)]

    assert inbox.send("yuzhi", "Alright") == 2

    assert [told(await each) for each in waiting] == [important("yuzhi", "Alright", 1)] * 2
    for each in streams:
        await each.aclose()


async def greetings(*_: Any) -> AsyncIterator[str]:
    for word in ("Hello", "Goodbye", "Bonjour"):
        yield word


@now_and_later
async def test_an_error_of_one_event_does_not_end_the_stream(when):
    def resolve(word: str, _info: Any) -> str:
        if word == "Goodbye":
            raise RuntimeError("Never leave.")
        return word

    await all_ways(
        streaming(greetings, resolve=when(resolve)), ASKED,
        ({"foo": "Hello"}, None), ({"foo": None}, fault("Never leave.", (1, 16), "foo")),
        ({"foo": "Bonjour"}, None),
    )  # fmt: skip


async def test_an_error_of_the_stream_ends_it():
    """graphql-core raises it; the engine tells it, so that the caller hears of it once."""

    async def breaking(*_: Any) -> AsyncIterator[str]:
        yield "Hello"
        raise RuntimeError("test error")

    schema = streaming(breaking, resolve=lambda word, _info: word)
    stream = by_core(schema, ASKED, None)
    assert told(await anext(stream)) == spelled({"foo": "Hello"}, [])
    with pytest.raises(RuntimeError, match="test error"):
        await anext(stream)

    hello, broken = [each async for each in by_engine(schema, ASKED, None, compiles=True)]
    assert told(hello) == spelled({"foo": "Hello"}, [])
    assert (broken.data, [e.message for e in broken.errors or ()]) == (None, ["test error"])


class Words:
    """An iterator of our own; it is closed when `closes` says so."""

    def __init__(self, *words: str) -> None:
        self.words = list(words)
        self.closed = False

    def __aiter__(self) -> "Words":
        return self

    async def __anext__(self) -> str:
        await asyncio.sleep(0)
        if not self.words:
            raise StopAsyncIteration
        return self.words.pop(0)


class ClosableWords(Words):
    async def aclose(self) -> None:
        self.closed = True


class Shelf:
    """An iterable whose iterator is another object."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def __aiter__(self) -> Words:
        return self.words


@pytest.mark.parametrize("kind", [Words, ClosableWords])
@pytest.mark.parametrize("held", [same(lambda words: words), Shelf], ids=["itself", "held"])
@now_and_later
async def test_an_iterator_of_our_own_is_read_to_its_end_and_closed(when, held, kind):
    made: list[Words] = []

    def subscribing(*_: Any) -> Any:
        made.append(kind("Hello", "Dolly"))
        return held(made[-1])

    await all_ways(
        streaming(subscribing, resolve=when(lambda word, _info: f"{word}!")), ASKED,
        ({"foo": "Hello!"}, None), ({"foo": "Dolly!"}, None),
    )  # fmt: skip

    assert [words.closed for words in made] == [kind is ClosableWords] * 3


@pytest.mark.parametrize("held", [same(lambda words: words), Shelf], ids=["itself", "held"])
@pytest.mark.parametrize("compiles", [True, False])
async def test_a_stream_that_is_left_closes_its_iterator(held, compiles):
    words = ClosableWords("Hello", "Dolly")
    schema = streaming(lambda *_: held(words), resolve=lambda word, _info: word)
    stream = by_engine(schema, ASKED, None, compiles=compiles)

    assert told(await anext(stream)) == spelled({"foo": "Hello"}, [])
    assert not words.closed

    await stream.aclose()  # type: ignore[attr-defined]
    assert words.closed
    assert words.words == ["Dolly"]
