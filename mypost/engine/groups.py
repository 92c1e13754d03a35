"""Events executed once for all who ask the same: the same document, the same reach, the same bytes.

An event that may be shared carries its `groups`; what was executed for it lives as long as it does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    Node,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)

from mypost.engine.declare import Sql
from mypost.engine.fetch import Attribute, Computed, Loaded, declared_of
from mypost.engine.plan import Plan

MAX_GROUPS = 64

Groups = dict[Hashable, "asyncio.Task[Answer]"]
# What distinguishes the caller: with True everything, with False only what he may reach.
Who = Callable[[bool], Hashable]


class Answer(ExecutionResult):
    """The answer to an event; `text` is its JSON, once somebody has asked for it."""

    __slots__ = ("text",)

    def __init__(self, result: ExecutionResult, extensions: dict[str, Any]) -> None:
        super().__init__(result.data, result.errors, extensions)
        self.text: str | None = None


async def once(event: object, key: Hashable, execute: Callable[[], Awaitable[Answer]]) -> Answer:
    """Executes an event for the first of a group; the others are given his answer.

    Of more groups than an event may have each executes on its own.
    """
    groups: Groups | None = getattr(event, "groups", None)
    if groups is None:
        return await execute()
    running = groups.get(key)
    if running is None:
        if len(groups) >= MAX_GROUPS:
            return await execute()
        # A task of its own: the first of a group may leave before it is done.
        running = groups[key] = asyncio.ensure_future(execute())
    return running.result() if running.done() else await asyncio.shield(running)


def is_personal(plan: Plan | None) -> bool:
    """Whether an answer may depend on more than what its caller may reach."""
    if plan is None:
        return True
    return not all(
        isinstance(field, str) or _is_declared(field.fetch, field.definition)
        for selection in plan.selections
        if selection is not plan.root  # the event itself
        for field in selection.fields
    )


def _is_declared(fetch: Any, definition: Any) -> bool:
    if isinstance(fetch, Computed):
        return fetch.info is None and isinstance(declared_of(definition), Sql)
    return isinstance(fetch, Attribute | Loaded)


class _Names(Visitor):
    """Collects the names of variables."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        """Notes one."""
        self.found.add(node.name.value)


def variables_used(operation: OperationDefinitionNode, document: DocumentNode) -> frozenset[str]:
    """Names the variables an event's answer may depend on.

    Those that only choose the events, arguments of the root field, are left out.
    """
    nodes: list[Node] = [
        *(operation.directives or ()),
        *(d for d in document.definitions if isinstance(d, FragmentDefinitionNode)),
    ]
    for root in operation.selection_set.selections:
        if isinstance(root, FieldNode):
            nodes += [*(root.directives or ()), *filter(None, [root.selection_set])]
        else:
            nodes.append(root)
    names = _Names()
    for node in nodes:
        visit(node, names)
    return frozenset(names.found)


def variables_key(names: frozenset[str], given: dict[str, Any] | None) -> bytes:
    """Spells the variables that matter, so that equal ones are equal bytes."""
    chosen = {name: value for name, value in (given or {}).items() if name in names}
    return orjson.dumps(chosen, option=orjson.OPT_SORT_KEYS)
