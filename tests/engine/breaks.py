"""Faults to build into the engine: what the comparison must notice, one by one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from graphql import GraphQLError
from graphql.execution.values import VariableValues

from mypost.engine import compiled, complete, fetch, leaves, places, planner, run

Patch = tuple[Any, str, Any]
DEFAULT = "argument"


def _told(change: Callable[[list[GraphQLError]], list[GraphQLError]]) -> Patch:
    """Changes the errors of an answer."""
    told = places.told
    return run, "told", lambda faults: change(told(faults))


def _unlocated(errors: list[GraphQLError]) -> list[GraphQLError]:
    return [
        GraphQLError(e.message, path=e.path, original_error=e.original_error) if i == 0 else e
        for i, e in enumerate(errors)
    ]


def _swapped(collect: Any) -> Any:
    """Collects fields as if each condition were its opposite."""

    def swapped(
        schema: Any, fragments: Any, variables: VariableValues, *more: Any, **rest: Any
    ) -> Any:
        turned = {k: (not v if isinstance(v, bool) else v) for k, v in variables.coerced.items()}
        return collect(schema, fragments, VariableValues(variables.sources, turned), *more, **rest)

    return swapped


def _twice(start: Any) -> Any:
    def twice(self: Any, *asked: Any) -> Any:
        start(self, *asked)
        return start(self, *asked)

    return twice


async def _at_once(self: Any, selection: Any, place: Any) -> Any:
    (row,) = await self.select(selection, [self.root], place)
    return row


async def _unasked(*asked: Any) -> Any:
    return asked[6]


async def _forgiving(field: Any, value: Any) -> Any:
    read, error = await READ(field, value)
    return (read, None) if read is not None else (read, error)


def _reversed(self: Any, *asked: Any) -> Any:
    selection = SELECTION(self, *asked)
    selection.fields.reverse()
    return selection


def _one_further(self: Any, index: int) -> Any:
    *above, last = STEPS(self, index)
    return [*above, last._replace(key=last.key + 1)]


READ = complete._read
SELECTION = planner.Planner._selection
STEPS = places.Items.steps
BREAKS: dict[str, list[Patch]] = {
    "argument": [(planner, "_varies", lambda _: False)],
    "location": [_told(_unlocated)],
    "condition": [
        (planner, "collect_fields", _swapped(planner.collect_fields)),
        (planner, "collect_subfields", _swapped(planner.collect_subfields)),
    ],
    "choice": [(compiled.Compiled, "_choice", lambda *_: (True,))],
    "order of errors": [_told(lambda errors: errors[::-1])],
    "errors beneath": [(places, "_emptied", len)],
    "index": [(places.Items, "steps", _one_further)],
    "twice": [(fetch.Called, "start", _twice(fetch.Called.start))],
    "merged fields": [(planner, "to_nodes", lambda details: [details[0].node])],
    "serial": [(run.Run, "_serially", _at_once)],
    "predicate": [(complete, "_of_type", _unasked)],
    "awaitable items": [(complete, "has_odd", lambda _: False)],
    "null": [(complete, "_absent", lambda *_: None)],
    "order of keys": [(planner.Planner, "_selection", _reversed)],
    "broken list": [(complete, "_read", _forgiving)],
    "empty": [(complete, "_emptied", lambda _: None)],
}


async def _misplaced(self: Any, *asked: Any) -> Any:
    return [*(await VALUES(self, *asked))[1:], None]


def _unlooked(self: Any, value: str, _names: Any) -> str:
    return value


VALUES = fetch.Loaded.values
STRAWBERRY: dict[str, list[Patch]] = {
    "load": [(fetch.Loaded, "values", _misplaced)],
    "expression": [(leaves.Leaf, "expression", _unlooked)],
    "parent": [(fetch, "each", lambda function, parents: [function(p) for p in parents[::-1]])],
    "trust": [(planner, "is_trusted", lambda _: True)],
    "lost load": [(fetch.Loaded, "values", lambda _, __, p: _nothing(p))],
}


async def _nothing(parents: Any) -> Any:
    return [None] * len(parents)


@contextmanager
def applied(name: str | None) -> Iterator[None]:
    """Builds a fault in, for a while."""
    patches = {**BREAKS, **STRAWBERRY}[name] if name else []
    before = [(owner, attribute, getattr(owner, attribute)) for owner, attribute, _ in patches]
    try:
        for owner, attribute, wrong in patches:
            setattr(owner, attribute, wrong)
        yield
    finally:
        for owner, attribute, right in before:
            setattr(owner, attribute, right)
