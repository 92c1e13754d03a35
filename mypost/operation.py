"""The one gate: what an operation needs, declared once, executed here and read by the build.

A root field exists for the engine only with an `Operation` record; `tests/test_operations.py`
fails the build for one without.
"""

import math
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

from strawberry import Some

from mypost import ids
from mypost.context import Context, Hears, workspace_of
from mypost.errors import Fault, FaultCode, Invalid, NotFound, Stale
from mypost.models.idempotency import Known, Once
from mypost.models.relations import Relation
from mypost.once import Again, once, refer, restore
from mypost.permissions import Permission

# PostgreSQL stores no NUL, UTF-8 no lone surrogate.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
TEXT_FAULT = "Must not contain NUL or half a surrogate pair"
MAX_DEPTH = 32


class Access(Enum):
    """Who may call an operation at all."""

    PUBLIC = "anyone, signed in or not"
    VIEWER = "anyone signed in"
    MEMBER = "a member of the object's workspace"


@dataclass(frozen=True, slots=True)
class On:
    """The object an operation works on: where its id stands, and how it is read."""

    relation: Relation[Any]
    noun: str
    argument: str = "id"
    lock: bool = False
    keep: bool = False
    only: bool = False  # one that is not named is the viewer's only workspace

    @property
    def own(self) -> bool:
        """Whether the argument is the object's own id: unknown is then NOT_FOUND, not a fault."""
        return self.argument == "id"


@dataclass(frozen=True, slots=True)
class Operation:
    """One root field's declaration: executed around its resolver, compiled by the engine."""

    name: str
    kind: str
    access: Access
    resolver: Callable[..., Any]
    on: On | None = None
    requires: Permission | None = None
    audit: str | None = None
    transaction: bool = True
    again: Again | None = None

    async def target(self, ctx: Context, id: object) -> Any:
        """Fetches and authorises the object this call names."""
        assert self.on is not None  # noqa: S101 - callers look first
        on, hold = self.on, {"lock": self.on.lock, "keep": self.on.keep}
        if on.only and id is None:
            id = only_workspace(ctx, on.argument)
        try:
            return await ctx.get(on.relation, ids.parse(id), on.noun, self.requires, **hold)
        except NotFound as error:
            if not on.only and (on.own or self.kind != "mutation"):
                raise
            fault = Fault((camel(on.argument),), error.message, FaultCode.NOT_FOUND)
            raise Invalid([fault]) from None


def only_workspace(ctx: Context, argument: str) -> UUID:
    """The viewer's only workspace. Raises Invalid when he has another number of them."""
    mine = ctx.scope()
    if len(mine) != 1:
        message = f"You belong to {len(mine)} workspaces: name one"
        raise Invalid([Fault((camel(argument),), message, FaultCode.REQUIRED)])
    return mine[0]


OPERATIONS: dict[str, Operation] = {}


class Rule(Protocol):
    """A constraint declared beside an input field; answers what is wrong, or None."""

    def __call__(self, value: Any) -> tuple[str, FaultCode] | None:
        """Answers what is wrong with a value, or None."""


def _declare(kind: str, access: Access, **record: Any) -> Callable[[Callable[..., Any]], Any]:
    def decorate(resolver: Callable[..., Any]) -> Callable[..., Any]:
        name = resolver.__name__
        if name in OPERATIONS:
            raise RuntimeError(f"two operations are named {name}")
        OPERATIONS[name] = Operation(name, kind, access, resolver, **record)
        return resolver

    return decorate


def query(
    access: Access = Access.VIEWER, on: On | None = None, requires: Permission | None = None
) -> Callable[..., Any]:
    """Declares a query; with `on`, the gate hands the resolver a row the viewer may see."""
    return _declare("query", Access.MEMBER if on else access, on=on, requires=requires)


def mutation(
    access: Access = Access.VIEWER,
    *,
    on: On | None = None,
    requires: Permission | None = None,
    audit: str | None = None,
    transaction: bool = True,
    again: Again | None = None,
) -> Callable[..., Any]:
    """Declares a mutation: its object, its permission, what it is called in the audit."""
    return _declare(
        "mutation",
        Access.MEMBER if on else access,
        on=on,
        requires=requires,
        audit=audit,
        transaction=transaction,
        again=again,
    )


def subscription(on: On, requires: Permission | None = None) -> Callable[..., Any]:
    """Declares a subscription on an object the viewer may see."""
    return _declare("subscription", Access.MEMBER, on=on, requires=requires)


async def ask(operation: Operation, ctx: Context, arguments: Mapping[str, Any]) -> Any:
    """Runs a query's resolver behind its gate; opens no transaction."""
    if operation.access is not Access.PUBLIC:
        ctx.viewer  # noqa: B018 - raises when nobody is signed in
    check_arguments(arguments)
    if operation.on is None:
        return await operation.resolver(ctx, **arguments)
    rest = {k: v for k, v in arguments.items() if k != operation.on.argument}
    row = await operation.target(ctx, arguments.get(operation.on.argument))
    return await operation.resolver(ctx, row, **rest)


async def listen(
    operation: Operation, ctx: Context, arguments: Mapping[str, Any]
) -> AsyncIterator[Any]:
    """Runs a subscription's resolver behind its gate, for as long as the viewer may hear it.

    Raises what whoever may not any more would hear who asked now.
    """
    assert operation.on is not None  # noqa: S101 - every subscription is on an object
    check_arguments(arguments)
    rest = {k: v for k, v in arguments.items() if k != operation.on.argument}
    row = await operation.target(ctx, arguments[operation.on.argument])
    ctx.hears = Hears(workspace_of(row), operation.on.noun, operation.requires)
    async for event in operation.resolver(ctx, row, **rest):
        await ctx.look()
        yield event


async def change(operation: Operation, ctx: Context, input: Any) -> Any:
    """Runs a mutation's resolver behind its gate, in a transaction, and releases its effects.

    Raises Invalid with every fault; nothing is then written. An operation that talks to a network
    or hashes a password opens its own, shorter transaction.
    """
    if operation.access is not Access.PUBLIC:
        ctx.viewer  # noqa: B018 - raises when nobody is signed in
    ctx.once = None
    using = once(operation.name, ctx, input)
    if using is not None:
        answer = await _change_once(operation, ctx, input, using)
    elif operation.transaction:
        async with ctx.transaction() as inside:
            answer = await _resolve(operation, inside, input)
    else:
        answer = await _resolve(operation, ctx, input)
    await ctx.release()
    return answer


async def _change_once(operation: Operation, ctx: Context, input: Any, using: Once) -> Any:
    """Makes a change and keeps its key in one transaction; or answers again what it made."""
    using.secret = operation.again is not None
    try:
        async with ctx.transaction() as inside:
            await using.begin(inside.db)
            # What the key has made may be a workspace that nobody here knows of yet.
            if operation.on is None and await inside.look_again():
                await using.begin(inside.db)
            if operation.transaction:
                answer = await _resolve(operation, inside, input, using)
                using.reference = refer(answer, operation.again)
                await using.keep(inside.db)
        ctx.once = using
        return answer if operation.transaction else await _resolve(operation, ctx, input, using)
    except Known as known:
        ctx.caller.replayed, ctx.once = True, None
        if known.answer is not None and ctx.caller.repeats:
            raise
        async with ctx.transaction() as inside:
            if operation.on is None:
                await inside.look_again()
            return await restore(inside, known.reference, operation.again)


async def _resolve(
    operation: Operation, ctx: Context, input: Any, using: Once | None = None
) -> Any:
    if operation.on is None:
        check(input)
        answer = row = await operation.resolver(ctx, input)
    else:
        row = await operation.target(ctx, getattr(input, operation.on.argument))
        if using is not None:
            using.workspace_id, using.reference = workspace_of(row), {"id": str(row.id)}
        check(input)
        if operation.on.lock:
            expect(row, input)
        answer = await operation.resolver(ctx, row, input)
    if using is not None and using.workspace_id is None:
        using.workspace_id = workspace_of(row)
    if operation.audit:
        await ctx.audit(operation.audit, answer)
    return answer


def expect(row: Any, input: Any) -> None:
    """Raises Stale when the caller edited another version than the one under lock."""
    expected = getattr(input, "expected_version", None)
    if expected is not None and expected != row.version:
        raise Stale(row.version)


def check(input: Any) -> None:
    """Raises Invalid naming every field of the input that breaks its own rules."""
    faults = faults_of(input)
    if faults:
        raise Invalid(faults)


def faults_of(input: Any) -> list[Fault]:
    """Names every field of an input that breaks its own rules."""
    return _faults(input, ())


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Raises Invalid naming every argument that holds text no database can store."""
    faults = [f for name, value in arguments.items() for f in _faults(value, (camel(name),))]
    if faults:
        raise Invalid(faults)


def unstorable(value: Any) -> str | None:
    """Answers why a JSON value cannot be kept, or None; never recurses."""
    level, depth = [value], 0
    while level:
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str) and UNSTORABLE.search(item):
                return TEXT_FAULT
            if isinstance(item, float) and not math.isfinite(item):
                return "Must not contain infinite numbers"
            if isinstance(item, dict):
                deeper += [*item, *item.values()]
            elif isinstance(item, list):
                deeper += item
        level, depth = deeper, depth + 1
        if depth > MAX_DEPTH:
            return f"Must not be nested deeper than {MAX_DEPTH} levels"
    return None


def _faults(value: Any, path: tuple[str, ...]) -> list[Fault]:
    if isinstance(value, Some):  # of a field that tells absent from null
        return _faults(value.value, path)
    if isinstance(value, str) and UNSTORABLE.search(value):
        return [Fault(path, TEXT_FAULT)]
    if isinstance(value, list):
        return [f for i, item in enumerate(value) for f in _faults(item, (*path, str(i)))]
    if not is_dataclass(value):
        return []
    found: list[Fault] = []
    for each in fields(value):
        item, place = getattr(value, each.name), (*path, camel(each.name))
        for rule in each.metadata.get("rules", ()):
            if item is not None and (fault := rule(item)):
                found.append(Fault(place, fault[0], fault[1]))
                break
        else:
            if not each.metadata.get("apart"):
                found += _faults(item, place)
    return found


def camel(name: str) -> str:
    """Spells a Python name as the contract does."""
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)
