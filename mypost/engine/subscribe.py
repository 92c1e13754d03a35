"""Runs subscriptions: a stream of events, each executed with a fresh context, or once for many."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from inspect import isawaitable
from typing import Any

from graphql import (
    ExecutionResult,
    Executor,
    GraphQLError,
    GraphQLSchema,
    OperationType,
    create_source_event_stream,
    execute_subscription_event,
)
from graphql.execution.async_iterables import aclosing

from mypost.engine.documents import Prepared
from mypost.engine.execute import Asked, Charge, Variables, ask, execute
from mypost.engine.groups import (
    Answer,
    Who,
    is_personal,
    once,
    variables_key,
    variables_used,
)
from mypost.engine.run import Run


class Stream:
    """A subscription under way: iterated, it answers one event after the other.

    `fresh` makes the context of an event; `who` says what distinguishes the caller from others
    who may be given the same answer.
    """

    def __init__(
        self,
        prepared: Prepared,
        asked: Asked,
        executor: Executor[Any],
        events: Any,
        variables: Variables,
    ) -> None:
        self._prepared = prepared
        self._asked = asked
        self._executor = executor
        self._events = events
        assert prepared.document is not None  # noqa: S101 - the operation is of it
        names = variables_used(asked.ready.operation, prepared.document)
        self._variables = variables_key(names, variables)
        self._personal: bool | None = None

    async def answers(
        self, fresh: Callable[[], object], who: Who | None = None
    ) -> AsyncIterator[ExecutionResult]:
        """Yields one answer per event."""
        try:
            async with aclosing(aiter(self._events)) as events:
                async for event in events:
                    execute = partial(self._execute, event, fresh)
                    if who is None:
                        yield await execute()
                    else:
                        yield await once(event, self._key(who), execute)
        except Exception as error:  # noqa: BLE001 - the gate of a subscription speaks at its first event
            yield ExecutionResult(None, [GraphQLError(str(error), path=[], original_error=error)])

    def _key(self, who: Who) -> Any:
        if self._personal is None:
            self._personal = is_personal(self._plan())
        return self._asked.ready, self._variables, self._personal, who(self._personal)

    def _plan(self) -> Any:
        """The plan of an event: a stream comes back, so it is worth one."""
        self._prepared.sights += 1
        return self._prepared.plan(*self._asked)

    async def _execute(self, event: object, fresh: Callable[[], object]) -> Answer:
        counts, plan, context = self._prepared.compiler.counts, self._plan(), fresh()
        if plan is not None:
            counts.compiled += 1
            try:
                told = await Run(plan, self._asked.values, context, event).answer()
                return Answer(told, self._asked.extensions)
            except Exception as error:  # noqa: BLE001 - graphql-core tells this event
                self._prepared.compiler.give_up(error)
        counts.interpreted += 1
        executor = self._executor.build_per_event_executor(event)
        executor.context_value = context
        result = execute_subscription_event(executor)
        return Answer(await result if isawaitable(result) else result, self._asked.extensions)


async def begin(
    schema: GraphQLSchema,
    prepared: Prepared,
    variables: Variables,
    context: object,
    operation_name: str | None = None,
    charge: Charge | None = None,
) -> Stream | ExecutionResult:
    """Begins a stream, or answers at once: a request error, or a query or mutation."""
    asked = ask(prepared, variables, operation_name)
    if isinstance(asked, ExecutionResult):
        return asked
    if asked.ready.operation.operation is not OperationType.SUBSCRIPTION:
        return await execute(schema, prepared, variables, context, operation_name, charge)
    if charge is not None:
        await charge(asked.cost)
    assert prepared.document is not None  # noqa: S101 - chosen from it
    executor = Executor.build(
        schema, prepared.document, None, context, variables, operation_name, hide_suggestions=True
    )
    if isinstance(executor, list):
        return ExecutionResult(None, executor)
    stream = create_source_event_stream(executor)
    stream = await stream if isawaitable(stream) else stream
    if isinstance(stream, ExecutionResult):
        return stream
    return Stream(prepared, asked, executor, stream, variables)


async def subscribe(
    schema: GraphQLSchema,
    prepared: Prepared,
    variables: Variables,
    context: object,
    fresh: Callable[[], object],
    operation_name: str | None = None,
    charge: Charge | None = None,
    who: Who | None = None,
) -> AsyncIterator[ExecutionResult]:
    """Yields one result per event, each executed with a context of its own.

    What needs no stream is the only result; of a request error `data` is None.
    """
    begun = await begin(schema, prepared, variables, context, operation_name, charge)
    if isinstance(begun, ExecutionResult):
        yield begun
        return
    async with aclosing(begun.answers(fresh, who)) as answers:
        async for told in answers:
            yield told
