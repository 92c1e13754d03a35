"""Completes values for the type of their field (GraphQL §6.4.3), a whole batch at once.

A value that cannot be completed is kept as a fault; in its place stands null, or `FAILED` where
the type allows no null: whoever holds it is then emptied in its turn.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from graphql import GraphQLError, Undefined
from graphql.execution.executor import Executor, default_type_resolver, invalid_return_type_error
from graphql.pyutils import is_async_iterable, is_awaitable, is_iterable

from mypost.engine.fetch import Raw
from mypost.engine.info import Info
from mypost.engine.leaves import odd
from mypost.engine.places import Fault, Items, Place, Some
from mypost.engine.plan import Field, Kind, Selection, Shape

if TYPE_CHECKING:
    from mypost.engine.run import Run


class Failed:
    """What stands where a value failed and null may not."""


FAILED: Final = Failed()
ABSENT = (type(None), type(Undefined))


def has_odd(values: Sequence[Any]) -> bool:
    """Whether some value may be awaitable or an exception."""
    return any(odd(class_) for class_ in {value.__class__ for value in values})


async def settle(values: Raw) -> Raw:
    """Waits for what is awaitable, all at once; an exception takes the place of its value."""
    waiting = [i for i, value in enumerate(values) if is_awaitable(value)]
    if len(waiting) == 1:
        try:
            values[waiting[0]] = await values[waiting[0]]
        except Exception as error:  # noqa: BLE001 - told at the place of this value
            values[waiting[0]] = error
    elif waiting:
        settled = await asyncio.gather(*(values[i] for i in waiting), return_exceptions=True)
        for i, value in zip(waiting, settled, strict=True):
            if isinstance(value, BaseException) and not isinstance(value, Exception):
                raise value
            values[i] = value
    return values


async def complete(run: "Run", field: Field, shape: Shape, values: Raw, place: Place) -> list[Any]:
    """Answers the completed values of one batch, in their order."""
    if shape.kind is Kind.LEAF:
        return _leaves(run, field, shape, values, place)
    if shape.kind is Kind.LIST:
        return await _lists(run, field, shape, values, place)
    out: list[Any] = [None] * len(values)
    present = _present(run, field, shape, values, place, out)
    if shape.kind is Kind.OBJECT:
        (selection,) = shape.selections.values()
        await _objects(run, field, shape, selection, values, place, present, out)
    else:
        await _abstract(run, field, shape, values, place, present, out)
    return out


def _fail(
    run: "Run", field: Field, shape: Shape, place: Place, index: int, error: Exception,
    after: int | None = None,
) -> Failed | None:  # fmt: skip
    run.faults.append(Fault(error, field.nodes, place, index, after))
    return None if shape.nullable else FAILED


def _absent(
    run: "Run", field: Field, shape: Shape, place: Place, index: int, value: Any
) -> Failed | None:
    """What becomes of a null, or of an exception in the place of a value."""
    if isinstance(value, Exception):
        return _fail(run, field, shape, place, index, value)
    if shape.nullable:
        return None
    said = f"Cannot return null for non-nullable field {field.parent}.{field.name}."
    return _fail(run, field, shape, place, index, TypeError(said))


def _is_absent(value: Any) -> bool:
    return value is None or value is Undefined or isinstance(value, Exception)


def _leaves(run: "Run", field: Field, shape: Shape, values: Raw, place: Place) -> list[Any]:
    assert shape.leaf is not None  # noqa: S101 - a leaf has one
    try:
        return shape.leaf.column(values)
    except Exception:  # noqa: BLE001, S110 - some value is odd: each is looked at
        pass
    spell, out = shape.leaf.complete, []
    for index, value in enumerate(values):
        if _is_absent(value):
            out.append(_absent(run, field, shape, place, index, value))
            continue
        try:
            out.append(spell(value))
        except Exception as error:  # noqa: BLE001 - told at the place of this value
            out.append(_fail(run, field, shape, place, index, error))
    return out


async def _lists(run: "Run", field: Field, shape: Shape, values: Raw, place: Place) -> list[Any]:
    """Completes the items of all lists as one batch, and cuts the outcome into lists again."""
    assert shape.of is not None  # noqa: S101 - a list has it
    out: list[Any] = [None] * len(values)
    lists: list[Sequence[Any]] = []
    broken = set()
    for index, value in enumerate(values):
        if value.__class__ is list:
            lists.append(value)
            continue
        read, error = await _read(field, value)
        lists.append(read or ())
        if read is None:
            out[index] = _absent(run, field, shape, place, index, error or value)
            broken.add(index)
        elif error is not None:
            out[index] = _fail(run, field, shape, place, index, error, after=len(read))
            broken.add(index)
    flat = [item for items in lists for item in items]
    if not shape.of.trusted and has_odd(flat):
        await settle(flat)
    at = Items(place, lists, nullable=shape.of.nullable)
    done = await complete(run, field, shape.of, flat, at) if flat else []
    begin = 0
    for index, items in enumerate(lists):
        end = begin + len(items)
        if index not in broken:
            part = done[begin:end]
            out[index] = part if not (run.faults and FAILED in part) else _emptied(shape)
        begin = end
    return out


async def _read(field: Field, value: Any) -> tuple[list[Any] | None, Exception | None]:
    """Reads the items of a list, and what kept it from reading on."""
    if _is_absent(value):
        return None, None
    items: list[Any] = []
    try:
        if is_async_iterable(value):
            async for item in value:
                items.append(item)  # noqa: PERF401 - what was read before an error counts
        elif is_iterable(value):
            for item in value:
                items.append(item)  # noqa: PERF402 - what was read before an error counts
        else:
            said = (
                f"Expected Iterable, but did not find one for field '{field.parent}.{field.name}'."
            )
            return None, GraphQLError(said)
    except Exception as error:  # noqa: BLE001 - told at the place of the list
        return items, error
    return items, None


def _emptied(shape: Shape) -> Failed | None:
    return None if shape.nullable else FAILED


def _present(
    run: "Run", field: Field, shape: Shape, values: Raw, place: Place, out: list[Any]
) -> Sequence[int]:
    """Settles what is absent and answers where there is a value."""
    classes = {value.__class__ for value in values}
    if not any(odd(class_) or class_ in ABSENT for class_ in classes):
        return range(len(values))
    present = []
    for index, value in enumerate(values):
        if _is_absent(value):
            out[index] = _absent(run, field, shape, place, index, value)
        else:
            present.append(index)
    return present


async def _objects(
    run: "Run", field: Field, shape: Shape, selection: Selection, values: Raw, place: Place,
    present: Sequence[int], out: list[Any],
) -> None:  # fmt: skip
    """Completes the objects of one type into their places in `out`."""
    if selection.type.is_type_of is not None and not shape.trusted:
        present = await _of_type(run, field, shape, selection, values, place, present, out)
    if len(present) == len(values):
        parents, at = values, place
    else:
        parents, at = [values[i] for i in present], Some(place, present)
    rows = await run.select(selection, parents, at)
    if run.faults and shape.nullable:
        rows = [None if row is FAILED else row for row in rows]
    if len(rows) == len(out):
        out[:] = rows
    else:
        for index, row in zip(present, rows, strict=True):
            out[index] = row


class Broke:
    """An error raised by a function that tells types: an exception may also be what it tells."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def _asked(function: Any, *given: Any) -> Any:
    """What a function that tells types says, perhaps later, or `Broke`."""
    try:
        answer = function(*given)
    except Exception as error:  # noqa: BLE001 - told at the place of the value
        return Broke(error)
    return _awaited(answer) if is_awaitable(answer) else answer


async def _awaited(answer: Any) -> Any:
    try:
        return await answer
    except Exception as error:  # noqa: BLE001 - told at the place of the value
        return Broke(error)


async def _of_type(
    run: "Run", field: Field, shape: Shape, selection: Selection, values: Raw, place: Place,
    present: Sequence[int], out: list[Any],
) -> Sequence[int]:  # fmt: skip
    """Answers which values are of the type they should be."""
    is_type_of: Any = selection.type.is_type_of
    answers = [_asked(is_type_of, values[i], Info(run, field, place, i)) for i in present]
    if has_odd(answers):
        await settle(answers)
    elif all(answers) and Broke not in map(type, answers):
        return present
    right = []
    for index, answer in zip(present, answers, strict=True):
        if isinstance(answer, Broke):
            out[index] = _fail(run, field, shape, place, index, answer.error)
        elif answer:
            right.append(index)
        else:
            error = invalid_return_type_error(selection.type, values[index], field.details)
            out[index] = _fail(run, field, shape, place, index, error)
    return right


async def _abstract(
    run: "Run", field: Field, shape: Shape, values: Raw, place: Place,
    present: Sequence[int], out: list[Any],
) -> None:  # fmt: skip
    """Finds the type of each value and completes the values of each type as one batch."""
    resolve: Any = shape.type.resolve_type or default_type_resolver
    infos = {i: Info(run, field, place, i) for i in present}
    names = [_asked(resolve, values[i], infos[i], shape.type) for i in present]
    if has_odd(names):
        await settle(names)
    groups: dict[str, list[int]] = {}
    for index, name in zip(present, names, strict=True):
        try:
            if isinstance(name, Broke):
                raise name.error  # noqa: TRY301 - one way for both
            type_ = Executor.ensure_valid_runtime_type(
                run.plan, name, shape.type, field.details, infos[index], values[index]  # type: ignore[arg-type]
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - told at the place of this value
            out[index] = _fail(run, field, shape, place, index, error)
        else:
            groups.setdefault(type_.name, []).append(index)
    await asyncio.gather(
        *(
            _objects(run, field, shape, shape.selections[name], values, place, indices, out)
            for name, indices in groups.items()
        )
    )
