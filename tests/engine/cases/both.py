"""Runs a document by graphql-core and by the engine, and expects a literal answer of both."""

import json
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

import pytest
from graphql import DocumentNode, ExecutionResult, GraphQLSchema, execute, parse

from mypost.engine.compiled import Unsupported, compile_operation

Fault = dict[str, Any]


def fault(
    message: str, at: tuple[int, int] | None = None, *path: str | int, **extensions: Any
) -> Fault:
    """An error as an answer spells it."""
    told: Fault = {"message": message}
    if at is not None:
        told["locations"] = [{"line": at[0], "column": at[1]}]
    if path:
        told["path"] = list(path)
    if extensions:
        told["extensions"] = extensions
    return told


def null_at(at: tuple[int, int], field: str, *path: str | int) -> Fault:
    """The error of a null where `field` allows none."""
    return fault(f"Cannot return null for non-nullable field {field}.", at, *path)


def nothing() -> None:
    """The root of an operation that needs none."""


def later(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """The same function, which has to be waited for."""

    async def called(*args: Any, **named: Any) -> Any:
        return function(*args, **named)

    return called


def same(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function."""
    return function


now_and_later = pytest.mark.parametrize("when", [same, later], ids=["now", "later"])


def spelled(data: Any, errors: Any) -> list[str]:
    """An answer as lines: the order of keys counts, and 1 is neither true nor 1.0."""
    return json.dumps({"data": data, "errors": list(errors)}, indent=1).splitlines()


def told(result: ExecutionResult) -> list[str]:
    """What a result says, as lines."""
    return spelled(result.data, [error.formatted for error in result.errors or ()])


async def by_core(
    schema: GraphQLSchema,
    document: DocumentNode,
    *,
    root: Callable[[], Any] = nothing,
    variables: dict[str, Any] | None = None,
    context: Any = None,
    name: str | None = None,
) -> ExecutionResult:
    """What graphql-core answers."""
    result = execute(schema, document, root(), context, variables, name, hide_suggestions=True)
    return await result if isawaitable(result) else result


async def by_engine(
    schema: GraphQLSchema,
    document: DocumentNode,
    *,
    root: Callable[[], Any] = nothing,
    variables: dict[str, Any] | None = None,
    context: Any = None,
    name: str | None = None,
) -> ExecutionResult:
    """What the engine answers; the same when its plan is used again, with a root made anew."""
    compiled = compile_operation(schema, document, name)
    first = await compiled.run(variables, context, root())
    again = await compiled.run(variables, context, root())
    assert told(again) == told(first)
    return again


async def both(
    schema: GraphQLSchema,
    asked: str | DocumentNode,
    data: Any,
    *errors: Fault,
    core: list[Fault] | None = None,
    **given: Any,
) -> None:
    """Expects this answer of the engine and of graphql-core.

    `core` are graphql-core's errors where they are others: it tells what had to be waited for in
    the order of its coming, and may choose another error of a region that is nulled.
    """
    document = parse(asked) if isinstance(asked, str) else asked

    assert told(await by_engine(schema, document, **given)) == spelled(data, errors)
    assert told(await by_core(schema, document, **given)) == spelled(data, core or errors)


async def refused(schema: GraphQLSchema, document: DocumentNode, **given: Any) -> str:
    """Expects that the engine does not run this, and answers why."""
    with pytest.raises(Unsupported) as unsupported:
        await by_engine(schema, document, **given)
    return str(unsupported.value)


async def core_alone(
    schema: GraphQLSchema,
    asked: str | DocumentNode,
    reason: str,
    data: Any,
    *errors: Fault,
    **given: Any,
) -> None:
    """Expects that the engine refuses for this reason, and the answer graphql-core then gives."""
    document = parse(asked) if isinstance(asked, str) else asked

    assert await refused(schema, document, **given) == reason
    assert told(await by_core(schema, document, **given)) == spelled(data, errors)
