"""Runs a plan breadth first: every field once for the whole batch of its parents.

What fails is kept with its place and becomes null where the type allows it; `places.told` turns
what was kept into the errors a depth-first execution reports.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from graphql import ExecutionResult, OperationType
from graphql.execution.values import VariableValues
from graphql.pyutils import is_awaitable
from orjson import Fragment

from mypost.engine.complete import FAILED, Failed, complete, has_odd, settle
from mypost.engine.fetch import Loaded, Raw
from mypost.engine.places import Fault, Place, Some, Under, told
from mypost.engine.plan import Field, Kind, Plan, Selection

Row = dict[str, Any] | Failed


class Run:
    """One execution of a plan."""

    __slots__ = ("context", "faults", "plan", "pushes", "root", "tracked", "variables")

    def __init__(
        self,
        plan: Plan,
        variables: VariableValues,
        context: Any,
        root: Any,
        *,
        pushes: bool = True,
    ) -> None:
        self.plan = plan
        self.pushes = pushes
        self.variables = variables
        self.context = context
        self.root = root
        self.faults: list[Fault] = []
        self.tracked: set[asyncio.Future[Any]] = set()

    async def answer(self) -> ExecutionResult:
        """Runs the operation; a mutation's root fields one after the other."""
        selection, top = self.plan.root, Place()
        if self.plan.operation.operation is OperationType.MUTATION:
            row = await self._serially(selection, top)
        else:
            (row,) = await self.select(selection, [self.root], top)
        data = None if row is FAILED else row
        return ExecutionResult(data, told(self.faults) if self.faults else None)  # type: ignore[arg-type]

    async def select(self, selection: Selection, parents: Raw, place: Place) -> list[Any]:
        """Answers one object for each parent, or FAILED in its place."""
        if not parents:
            return []
        if selection.pushed and Fragment in {parent.__class__ for parent in parents}:
            return await self._besides(selection, parents, place)
        columns = await self._columns(selection, parents, place)
        if selection.build is not None and not self.faults:
            try:
                return selection.build(parents, *columns)
            except Exception:  # noqa: BLE001, S110 - what it does not cover, the careful way finds out
                pass
        return await self._carefully(selection, parents, place, columns)

    async def _besides(self, selection: Selection, parents: Raw, place: Place) -> list[Any]:
        """Answers what has come as its JSON as it is, and the others as always."""
        others = [i for i, parent in enumerate(parents) if parent.__class__ is not Fragment]
        done = list(parents)
        rows = await self.select(selection, [parents[i] for i in others], Some(place, others))
        for index, row in zip(others, rows, strict=True):
            done[index] = row
        return done

    async def _columns(self, selection: Selection, parents: Raw, place: Place) -> list[Raw]:
        """Fetches the branches of a selection: all are started before one is waited for."""
        columns: list[Raw] = []
        waiting: list[tuple[int, Any]] = []
        for index, field in enumerate(selection.branches):
            at, raw = Under(place, field), []
            if isinstance(field.fetch, Loaded):
                waiting.append((index, self._loaded(field, field.fetch, parents, at)))
            else:
                raw = field.fetch.start(self, field, parents, at)
                if field.shape.waits or has_odd(raw):
                    waiting.append((index, self._settled(field, raw, at)))
                elif field.shape.kind is not Kind.LEAF:
                    raw = await complete(self, field, field.shape, raw, at)
            columns.append(raw)
        if len(waiting) == 1:
            index, last = waiting[0]
            columns[index] = await last
        elif waiting:
            found = await asyncio.gather(*(each for _, each in waiting))
            for (index, _), column in zip(waiting, found, strict=True):
                columns[index] = column
        return columns

    async def _loaded(self, field: Field, fetch: Loaded, parents: Raw, place: Place) -> Raw:
        raw = await fetch.values(self, field, parents)
        if field.shape.kind is Kind.LEAF:
            return raw
        return await complete(self, field, field.shape, raw, place)

    async def _settled(self, field: Field, raw: Raw, place: Place) -> Raw:
        """Waits for the values of a column; leaves are spelled where their objects are built."""
        if has_odd(raw):
            await settle(raw)
        if field.shape.kind is Kind.LEAF:
            return raw
        return await complete(self, field, field.shape, raw, place)

    async def _carefully(
        self, selection: Selection, parents: Raw, place: Place, columns: list[Raw]
    ) -> list[Row]:
        """Builds the objects leaf by leaf, keeping what fails."""
        fetched = iter(columns)
        done: list[tuple[str, Sequence[Any]]] = []
        for asked in selection.fields:
            if isinstance(asked, str):
                done.append((asked, [selection.type.name] * len(parents)))
                continue
            at = Under(place, asked)
            if asked.inline:
                raw = await settle(asked.fetch.start(self, asked, parents, at))  # type: ignore[union-attr]
                column = await complete(self, asked, asked.shape, raw, at)
            else:
                column = next(fetched)
                if asked.shape.kind is Kind.LEAF:
                    column = await complete(self, asked, asked.shape, column, at)
            done.append((asked.key, column))
        if not done:
            return [{} for _ in parents]
        keys = [key for key, _ in done]
        rows = zip(*(column for _, column in done), strict=True)
        return [FAILED if FAILED in row else dict(zip(keys, row, strict=True)) for row in rows]

    async def _serially(self, selection: Selection, place: Place) -> Row:
        """Runs root fields one after the other; one that may not fail and does ends them."""
        row: dict[str, Any] = {}
        for asked in selection.fields:
            if isinstance(asked, str):
                row[asked] = selection.type.name
                continue
            at = Under(place, asked)
            if isinstance(asked.fetch, Loaded):
                raw = await asked.fetch.values(self, asked, [self.root])
            else:
                raw = asked.fetch.start(self, asked, [self.root], at)
            (value,) = await complete(self, asked, asked.shape, await settle(raw), at)
            if isinstance(value, Failed):
                return value
            row[asked.key] = value
        return row

    def track(self, values: Sequence[Any]) -> None:
        """Settles awaitables that nobody waits for any more."""
        waiting = [value for value in values if is_awaitable(value)]
        if waiting:
            settling = asyncio.ensure_future(asyncio.gather(*waiting, return_exceptions=True))
            self.tracked.add(settling)
            settling.add_done_callback(self.tracked.discard)
