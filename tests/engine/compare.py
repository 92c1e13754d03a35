"""What makes two answers equal.

`spelled` is exact: data with the order of its keys and the classes of its values, errors in their
order with message, path, locations, extensions and cause. It is what the engine is held to, with
graphql-core over the synchronous schema as the oracle.

`alike` is what graphql-core over the asynchronous schema is held to. Which of several errors in
a part of the answer that became null it tells, and in which order, depends on timing. So errors are
taken as sets, one for each null of the answer they stand at or beneath; where one of them stands
beneath, any is as good as another. An error that brought a path of its own says nothing of the null
it has caused: with one of these, data alone is compared.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from graphql import ExecutionResult, GraphQLError

# A value shown in a message: how a list is made differs between the schemas that are compared.
SHOWN = re.compile("cannot represent|but got|with value")
LISTS = re.compile(
    r"\[.*\]|\(.*\)|<(deque|Streams?|Plain|dict_values) instance>|<(async[_ ])?generator \w+>"
)


def spelled(answer: ExecutionResult) -> dict[str, Any]:
    """An answer as texts that are equal when it is the same."""
    return {"data": _text(answer.data), "errors": [spelled_error(e) for e in answer.errors or ()]}


def spelled_error(error: GraphQLError) -> str:
    """An error as a text."""
    cause = error.original_error
    told = {**error.formatted, "cause": f"{type(cause).__name__}: {cause}"}
    if SHOWN.search(error.message):
        told |= {name: LISTS.sub("a list", str(told[name])) for name in ("message", "cause")}
    return _text(told)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


def alike(one: ExecutionResult, other: ExecutionResult) -> bool:
    """Whether two answers are those of one operation, whatever the timing."""
    if _text(one.data) != _text(other.data):
        return False
    mine, theirs = _by_null(one), _by_null(other)
    if mine is None or theirs is None:
        return True
    if mine.keys() != theirs.keys():
        return False
    return all(mine[null] == theirs[null] or None in mine[null] | theirs[null] for null in mine)


def _by_null(answer: ExecutionResult) -> dict[str, set[str | None]] | None:
    """The errors at each null of an answer; None in the place of one that stands beneath it."""
    found: dict[str, set[str | None]] = {}
    for error in answer.errors or ():
        path = error.path or []
        length = reached(answer.data, path)
        if length is None:
            return None
        own = spelled_error(error) if length == len(path) else None
        found.setdefault(_text(path[:length]), set()).add(own)
    return found


def reached(data: Any, path: Sequence[str | int]) -> int | None:
    """How far a path leads into the answer before a null; None when it leads elsewhere."""
    for length, key in enumerate(path):
        if data is None:
            return length
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return len(path) if data is None else None


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The parts in which two spelled answers differ."""
    return [part for part in one if one[part] != other.get(part)]
