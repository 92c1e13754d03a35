"""Turns an operation's record into a root field: its arguments, its gate, its description."""

import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import fields
from typing import Any

import strawberry

from mypost.engine.cost import Cost, ListSize
from mypost.errors import Invalid
from mypost.operation import OPERATIONS, Operation, ask, change, listen
from mypost.schema.common import Info, Requires, UserError

# With what it answers a change stays under 100: it is charged once, as a REST call is.
CHANGE = Cost(weight="80")


def asked(name: str, size: ListSize | None = None) -> Any:
    """A query's root field; a list says its size."""
    operation = OPERATIONS[name]

    async def resolve(info: Info, **arguments: Any) -> Any:
        return await ask(operation, info.context, arguments)

    field = _field(operation, resolve, _arguments(operation))
    field.directives += [size] if size else []
    return field


def changed(name: str, payload: type[Any]) -> Any:
    """A mutation's root field: one `input`, answered in a payload with its userErrors."""
    operation = OPERATIONS[name]

    async def resolve(info: Info, input: Any) -> Any:
        try:
            answer = await change(operation, info.context, input)
        except Invalid as refused:
            return _refusal(payload, refused)
        return _answer(payload, answer)

    resolve.__annotations__["return"] = payload
    declared = inspect.signature(operation.resolver).parameters["input"]
    field = _field(operation, resolve, [declared], payload)
    field.directives.append(CHANGE)
    return field


def heard(name: str) -> Any:
    """A subscription's root field."""
    operation = OPERATIONS[name]

    async def resolve(info: Info, **arguments: Any) -> AsyncIterator[Any]:
        async for event in listen(operation, info.context, arguments):
            yield event

    returns = inspect.signature(operation.resolver).return_annotation
    return strawberry.subscription(
        resolver=_signed(resolve, _arguments(operation), returns),
        description=operation.resolver.__doc__,
        directives=_directives(operation),
    )


def _field(
    operation: Operation,
    resolve: Callable[..., Any],
    arguments: list[inspect.Parameter],
    returns: Any = inspect.Signature.empty,
) -> Any:
    return strawberry.field(
        resolver=_signed(resolve, arguments, returns),
        description=operation.resolver.__doc__,
        directives=_directives(operation),
    )


def _directives(operation: Operation) -> list[object]:
    return [Requires(permission=operation.requires)] if operation.requires else []


def _arguments(operation: Operation) -> list[inspect.Parameter]:
    """The field's arguments: the object's id first, then what the resolver asks for."""
    _, *rest = inspect.signature(operation.resolver).parameters.values()
    if operation.on is None:
        return rest
    loose: dict[str, Any] = {"annotation": strawberry.ID}
    if operation.on.only:
        loose = {"annotation": strawberry.ID | None, "default": None}
    id = inspect.Parameter(operation.on.argument, inspect.Parameter.KEYWORD_ONLY, **loose)
    return [id, *rest[1:]]


def _signed(
    resolve: Callable[..., Any], arguments: list[inspect.Parameter], returns: Any
) -> Callable[..., Any]:
    """Gives a generic resolver the signature Strawberry reads the field's arguments from."""
    keyword = [a.replace(kind=inspect.Parameter.KEYWORD_ONLY) for a in arguments]
    info = inspect.Parameter("info", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Info)
    signature = inspect.Signature([info, *keyword], return_annotation=returns)
    resolve.__signature__ = signature  # type: ignore[attr-defined]
    resolve.__annotations__ = {p.name: p.annotation for p in (info, *keyword)}
    if returns is not inspect.Signature.empty:
        resolve.__annotations__["return"] = returns
    return resolve


def _refusal(payload: type[Any], refused: Invalid) -> Any:
    empty = {f.name: None for f in fields(payload) if f.name != "user_errors" and f.init}
    errors = [UserError(code=f.code, message=f.message, path=list(f.path)) for f in refused.faults]
    return payload(**empty, user_errors=errors)


def _answer(payload: type[Any], answer: Any) -> Any:
    if isinstance(answer, payload):
        return answer
    (name,) = [f.name for f in fields(payload) if f.name != "user_errors" and f.init]
    return payload(**{name: answer}, user_errors=[])
