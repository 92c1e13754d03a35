"""Small wrongs done to an answer: what the comparison must tell from the right one."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from graphql import ExecutionResult, GraphQLError

Corrupt = Callable[[ExecutionResult], ExecutionResult | None]


def _objects(data: Any) -> list[dict[str, Any]]:
    """The objects of an answer, outermost first."""
    if isinstance(data, dict):
        return [data, *(each for value in data.values() for each in _objects(value))]
    if isinstance(data, list):
        return [each for value in data for each in _objects(value)]
    return []


def _in_object(change: Callable[[dict[str, Any]], bool]) -> Corrupt:
    """Changes the first object that can be changed."""

    def corrupt(answer: ExecutionResult) -> ExecutionResult | None:
        data = deepcopy(answer.data)
        changed = any(change(each) for each in _objects(data))
        return ExecutionResult(data, answer.errors) if changed else None

    return corrupt


def _value(wanted: Callable[[Any], bool], change: Callable[[Any], Any]) -> Corrupt:
    """Changes the first value that is wanted."""

    def in_object(each: dict[str, Any]) -> bool:
        for key, value in each.items():
            if wanted(value):
                each[key] = change(value)
                return True
        return False

    return _in_object(in_object)


def _swapped_keys(each: dict[str, Any]) -> bool:
    if len(each) < 2:
        return False
    first = next(iter(each))
    each[first] = each.pop(first)
    return True


def _lost_key(each: dict[str, Any]) -> bool:
    return bool(each) and each.popitem() is not None


def _further_key(each: dict[str, Any]) -> bool:
    each["further"] = None
    return True


def _errors(change: Callable[[list[GraphQLError]], list[GraphQLError] | None]) -> Corrupt:
    def corrupt(answer: ExecutionResult) -> ExecutionResult | None:
        changed = change(list(answer.errors)) if answer.errors else None
        return None if changed is None else ExecutionResult(answer.data, changed)

    return corrupt


def _last_error(wanted: Callable[[GraphQLError], Any], **other: Any) -> Corrupt:
    """Spells the last error that is wanted otherwise."""

    def change(errors: list[GraphQLError]) -> list[GraphQLError] | None:
        for i, error in reversed(list(enumerate(errors))):
            if wanted(error):
                told = {
                    "message": error.message, "nodes": error.nodes, "path": error.path,
                    "original_error": error.original_error, "extensions": error.extensions,
                }  # fmt: skip
                return [*errors[:i], GraphQLError(**{**told, **other}), *errors[i + 1 :]]
        return None

    return _errors(change)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


CORRUPTIONS: dict[str, Corrupt] = {
    "an error is lost": _errors(lambda errors: errors[:-1]),
    "an error is told twice": _errors(lambda errors: [*errors, errors[-1]]),
    "errors are swapped": _errors(
        lambda errors: errors[::-1] if len({e.message for e in errors}) > 1 else None
    ),
    "a location is lost": _last_error(lambda error: error.locations, nodes=None),
    "a path is lost": _last_error(lambda error: error.path, path=None),
    "a path leads elsewhere": _last_error(lambda error: error.path, path=["elsewhere"]),
    "a message differs": _last_error(lambda _: True, message="Something went wrong"),
    "extensions are lost": _last_error(lambda error: error.extensions, extensions={}),
    "a cause is lost": _last_error(lambda error: error.original_error, original_error=None),
    "keys are swapped": _in_object(_swapped_keys),
    "a key is lost": _in_object(_lost_key),
    "a key is added": _in_object(_further_key),
    "a value is null": _value(lambda value: value is not None, lambda _: None),
    "a null is empty": _value(lambda value: value is None, lambda _: []),
    "an item is lost": _value(lambda v: isinstance(v, list) and v != [], lambda v: v[1:]),
    "an item is told twice": _value(lambda v: isinstance(v, list) and v != [], lambda v: v[:1] + v),
    "true is 1": _value(lambda value: value is True, lambda _: 1),
    "a number is a text": _value(lambda value: type(value) is int, str),
    "1.0 is 1": _value(lambda value: type(value) is float, int),
    "a text differs": _value(_is_word, lambda value: value[:-1]),
    "all data is lost": lambda a: ExecutionResult(None, a.errors) if a.data else None,
}  # fmt: skip
