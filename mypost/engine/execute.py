"""Runs prepared documents. For now by graphql-core; what compiles will run compiled."""

from collections.abc import AsyncIterator, Callable
from inspect import isawaitable
from typing import Any

from graphql import (
    ExecutionResult,
    Executor,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    create_source_event_stream,
    execute_subscription_event,
)
from graphql import execute as run

from mypost.engine.documents import Prepared


def _chosen(prepared: Prepared, name: str | None) -> OperationDefinitionNode | ExecutionResult:
    if prepared.document is None:
        return ExecutionResult(None, prepared.errors)
    try:
        return prepared.operation(name)
    except GraphQLError as error:
        return ExecutionResult(None, [error])


async def execute(
    schema: GraphQLSchema,
    prepared: Prepared,
    variables: dict[str, Any] | None,
    context: object,
    operation_name: str | None = None,
) -> ExecutionResult:
    """Runs a query or mutation; a result whose `data` was never begun has `data` None."""
    operation = _chosen(prepared, operation_name)
    if isinstance(operation, ExecutionResult):
        return operation
    if operation.operation is OperationType.SUBSCRIPTION:
        return ExecutionResult(None, [GraphQLError("Subscriptions need a WebSocket")])
    assert prepared.document is not None  # noqa: S101 - chosen from it
    result = run(
        schema,
        prepared.document,
        context_value=context,
        variable_values=variables,
        operation_name=operation_name,
        hide_suggestions=True,
    )
    return await result if isawaitable(result) else result


async def subscribe(
    schema: GraphQLSchema,
    prepared: Prepared,
    variables: dict[str, Any] | None,
    context: object,
    fresh: Callable[[], object],
    operation_name: str | None = None,
) -> AsyncIterator[ExecutionResult]:
    """Yields one result per event, each executed with a context of its own.

    A request error is the only result, with `data` None.
    """
    operation = _chosen(prepared, operation_name)
    if isinstance(operation, ExecutionResult):
        yield operation
        return
    if operation.operation is not OperationType.SUBSCRIPTION:
        yield await execute(schema, prepared, variables, context, operation_name)
        return
    assert prepared.document is not None  # noqa: S101 - chosen from it
    asked = (variables, operation_name)
    executor = Executor.build(
        schema, prepared.document, None, context, *asked, hide_suggestions=True
    )
    if isinstance(executor, list):
        yield ExecutionResult(None, executor)
        return
    stream = create_source_event_stream(executor)
    stream = await stream if isawaitable(stream) else stream
    if isinstance(stream, ExecutionResult):
        yield stream
        return
    try:
        async for event in stream:
            once = Executor.build(schema, prepared.document, event, fresh(), *asked)
            assert isinstance(once, Executor)  # noqa: S101 - the same variables held before
            result = execute_subscription_event(once)
            yield await result if isawaitable(result) else result
    except Exception as error:  # noqa: BLE001 - the gate of a subscription speaks at its first event
        yield ExecutionResult(None, [GraphQLError(str(error), path=[], original_error=error)])
    finally:
        await stream.aclose()  # type: ignore[attr-defined]
