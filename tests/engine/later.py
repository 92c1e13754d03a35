"""Values that have to be waited for, in every shape that graphql-core waits for."""

import asyncio
import types
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from typing import Any


async def later(value: Any, turns: int) -> Any:
    """Answers, or raises, after some turns of the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
    if isinstance(value, Raised):
        raise value.error
    return value


class Raised:
    """An exception to raise, where a value would be answered."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class Soon:
    """An awaitable that is neither coroutine nor future."""

    def __init__(self, value: Any, turns: int) -> None:
        self.value = value
        self.turns = turns

    def __await__(self) -> Generator[Any, None, Any]:
        return later(self.value, self.turns).__await__()


@types.coroutine
def old(value: Any, turns: int) -> Generator[Any, None, Any]:
    """A coroutine as generators once were."""
    return (yield from later(value, turns).__await__())


def settled(value: Any, turns: int) -> Awaitable[Any]:
    """A future that is done."""
    future = asyncio.get_running_loop().create_future()
    if isinstance(value, Raised):
        future.set_exception(value.error)
    else:
        future.set_result(value)
    return future


def running(value: Any, turns: int) -> Awaitable[Any]:
    """A task."""
    return asyncio.ensure_future(later(value, turns))


WAYS: list[Callable[[Any, int], Awaitable[Any]]] = [later, Soon, settled, running, old]


AGAIN = [settled, running]  # what can be waited for twice


class Plain:
    """Something to iterate over that is no collection."""

    def __init__(self, items: Iterable[Any], error: Exception | None = None) -> None:
        self.items = items
        self.error = error

    def __iter__(self) -> Iterator[Any]:
        return generator(self.items, self.error)


def generator(items: Iterable[Any], error: Exception | None = None) -> Iterator[Any]:
    """A generator, which may break off."""
    yield from items
    if error is not None:
        raise error


async def stream(items: Iterable[Any], error: Exception | None, turns: int) -> AsyncIterator[Any]:
    """An asynchronous generator, which may break off."""
    for item in items:
        for _ in range(turns):
            await asyncio.sleep(0)
        yield item
    if error is not None:
        raise error


class Stream:
    """An asynchronous iterator that cannot be closed."""

    def __init__(self, items: Iterable[Any], error: Exception | None, turns: int) -> None:
        self.inner = stream(items, error, turns)

    def __aiter__(self) -> "Stream":
        return self

    def __anext__(self) -> Awaitable[Any]:
        return self.inner.__anext__()


class Streams:
    """Something to iterate over asynchronously, more than once."""

    def __init__(self, *given: Any) -> None:
        self.given = given

    def __aiter__(self) -> AsyncIterator[Any]:
        return stream(*self.given)


SYNC: list[Callable[[list[Any]], Iterable[Any]]] = [
    list, tuple, generator, deque, Plain, lambda items: dict(enumerate(items)).values(),
]  # fmt: skip
SYNC_AGAIN = [list, tuple, deque, Plain]
