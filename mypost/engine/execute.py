"""Runs prepared documents: by their plan where there is one, else by graphql-core."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, NamedTuple

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, OperationType
from graphql import execute as interpret
from graphql.execution.values import VariableValues

from mypost.engine.cost import MAX_COST
from mypost.engine.documents import Prepared, Ready, cost_of
from mypost.engine.run import Run

Variables = dict[str, Any] | None
Charge = Callable[[int], Awaitable[None]]
NEEDS_STREAM = "Subscriptions need a WebSocket, or Accept: text/event-stream"


async def execute(
    schema: GraphQLSchema,
    prepared: Prepared,
    variables: Variables,
    context: object,
    operation_name: str | None = None,
    charge: Charge | None = None,
) -> ExecutionResult:
    """Runs a query or mutation; a result whose `data` was never begun has `data` None.

    `charge` is told the cost before anything runs, and may raise.
    """
    asked = ask(prepared, variables, operation_name)
    if isinstance(asked, ExecutionResult):
        return asked
    if asked.ready.operation.operation is OperationType.SUBSCRIPTION:
        return ExecutionResult(None, [GraphQLError(NEEDS_STREAM)])
    if charge is not None:
        await charge(asked.cost)
    result = await _run(schema, prepared, asked, context, operation_name, variables)
    result.extensions = asked.extensions
    return result


class Asked(NamedTuple):
    """An operation with its variables, and what it costs with them."""

    ready: Ready
    values: VariableValues
    cost: int

    @property
    def extensions(self) -> dict[str, Any]:
        """What the answer says of it."""
        return {"cost": {"requested": self.cost, "maximum": MAX_COST}}


def ask(prepared: Prepared, variables: Variables, name: str | None) -> Asked | ExecutionResult:
    """Answers what is to be run, or the request error that keeps it from running."""
    if prepared.document is None:
        return ExecutionResult(None, prepared.errors)
    try:
        ready = prepared.operation(name)
    except GraphQLError as error:
        return ExecutionResult(None, [error])
    values = ready.variables.coerce(variables)
    if isinstance(values, list):
        return ExecutionResult(None, values)
    asked = Asked(ready, values, cost_of(ready, values))
    if asked.cost > MAX_COST:
        said = f"This costs {asked.cost}, more than {MAX_COST}: ask for less"
        return ExecutionResult(None, [GraphQLError(said)], asked.extensions)
    return asked


async def _run(
    schema: GraphQLSchema,
    prepared: Prepared,
    asked: Asked,
    context: object,
    operation_name: str | None,
    variables: Variables,
) -> ExecutionResult:
    counts, plan = prepared.compiler.counts, prepared.plan(*asked)
    if plan is not None:
        counts.compiled += 1
        try:
            pushes = prepared.compiler.pushes_down(plan)
            return await Run(plan, asked.values, context, None, pushes=pushes).answer()
        except Exception as error:
            # What a mutation has done it must not do again.
            if asked.ready.operation.operation is OperationType.MUTATION:
                raise
            prepared.compiler.give_up(error)
    counts.interpreted += 1
    return await _interpreted(schema, prepared, variables, context, operation_name)


async def _interpreted(
    schema: GraphQLSchema,
    prepared: Prepared,
    variables: Variables,
    context: object,
    operation_name: str | None,
) -> ExecutionResult:
    assert prepared.document is not None  # noqa: S101 - looked at before
    result = interpret(
        schema,
        prepared.document,
        context_value=context,
        variable_values=variables,
        operation_name=operation_name,
        hide_suggestions=True,
    )
    return await result if isawaitable(result) else result
