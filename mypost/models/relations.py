"""Where rows lead to: a relation is declared once and read by loaders, and later by the engine."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

from aiodataloader import DataLoader
from orjson import Fragment
from tortoise.models import Model

from mypost.engine.declare import Column
from mypost.models.base import Db, Unspelled, column_of

M = TypeVar("M", bound=Model)

# The tenant predicate: `$1` is the viewer's workspace array.
TENANT = "workspace_id = ANY ($1::uuid[])"
MAX_BATCH = 500


@dataclass(frozen=True, slots=True, eq=False)
class Relation(Generic[M]):
    """Rows of one table that belong to, or are named by, a parent row.

    `parent_key` is the parent's column, `child_key` the column it is matched with; `one` says that
    at most one row matches. A relation without a scope is never pushed down.
    """

    model: type[M]
    table: str
    parent_key: str
    child_key: str
    order: str = "id"
    where: str = "true"
    scope: str = TENANT
    columns: str = "*"
    one: bool = False
    sql: str = field(init=False)  # the batch statement: `$1` the scope, `$2` the keys

    def __post_init__(self) -> None:
        sql = (
            f"SELECT {self.columns} FROM {self.table} WHERE {self.child_key} = ANY ($2::uuid[])"
            f" AND {self.where} AND {self.scope} ORDER BY {self.order}"
        )
        object.__setattr__(self, "sql", sql)

    def column(self, name: str) -> Column | None:
        """Answers a column that its rows show."""
        return column_of(self.model, self.columns, name)

    def as_json(self, json: str) -> str:
        """The batch statement by which rows come as their JSON."""
        return (
            f"SELECT r.{self.child_key}, {json} AS json FROM {self.table} r"
            f" WHERE r.{self.child_key} = ANY ($2::uuid[]) AND {self.where} AND {self.scope}"
            f" ORDER BY {self.order}"
        )

    def group(
        self, keys: Sequence[UUID], rows: Sequence[Any], json: str | None = None
    ) -> dict[UUID, Any]:
        """Answers what belongs to each key: a row or None, or a list of rows."""
        child_key = self.child_key
        found = [(row[child_key], row if json is None else Fragment(row["json"])) for row in rows]
        if self.one:
            return {**dict.fromkeys(keys), **dict(found)}
        groups: dict[UUID, list[Any]] = {key: [] for key in keys}
        for key, row in found:
            groups[key].append(row)
        return groups


Asked = tuple[Relation[Any], str | None]


class Reader:
    """What one operation has read through relations: a key is asked for once.

    `many` reads a batch at once; `load` collects the keys of one turn of the loop into a batch.
    """

    def __init__(self, db: Db, scope: Callable[[], list[UUID]]) -> None:
        self.db = db
        self.scope = scope
        self._known: dict[Asked, dict[UUID | None, Any]] = {}
        self._awaited: dict[Asked, dict[UUID, asyncio.Future[None]]] = {}
        self._loaders: dict[Relation[Any], DataLoader[UUID, Any]] = {}

    async def many(
        self, relation: Relation[Any], keys: Sequence[UUID | None], json: str | None = None
    ) -> list[Any]:
        """Answers what the relation leads to from each key; with `json` rows as their JSON."""
        if json is not None and self.db.connection is None:
            with suppress(Unspelled):
                return await self._many((relation, json), keys)
        return await self._many((relation, None), keys)

    async def _many(self, asked: "Asked", keys: Sequence[UUID | None]) -> list[Any]:
        # A key that is null leads nowhere, and asks nothing.
        known = self._known.setdefault(asked, {None: None})
        awaited = self._awaited.setdefault(asked, {})
        missing = [k for k in dict.fromkeys(keys) if k and k not in known and k not in awaited]
        if missing:
            await self._read(asked, missing, known, awaited)
        if awaited:
            for arriving in {awaited[key] for key in keys if key and key in awaited}:
                await arriving
        return [known[key] for key in keys]

    def load(self, relation: Relation[Any], key: UUID | None) -> asyncio.Future[Any]:
        """Answers what the relation leads to from a key, with the others of this turn."""
        if key is None:
            nowhere = asyncio.get_running_loop().create_future()
            nowhere.set_result(None)
            return nowhere
        if relation not in self._loaders:

            async def batch(keys: Sequence[UUID]) -> list[Any]:
                return await self.many(relation, keys)

            self._loaders[relation] = DataLoader(batch, max_batch_size=MAX_BATCH)
        return self._loaders[relation].load(key)

    async def _read(
        self,
        asked: "Asked",
        keys: list[UUID],
        known: dict[UUID | None, Any],
        awaited: dict[UUID, asyncio.Future[None]],
    ) -> None:
        """Reads keys that nobody has asked for; who asks meanwhile waits for this reading."""
        relation, json = asked
        sql = relation.sql if json is None else relation.as_json(json)
        arriving: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        awaited.update(dict.fromkeys(keys, arriving))
        try:
            rows = await self.db.rows(relation.model, sql, self.scope(), keys)
            known.update(relation.group(keys, rows, json).items())
        except BaseException as error:
            arriving.set_exception(error)
            arriving.exception()  # whether anybody waits is not known here
            raise
        else:
            arriving.set_result(None)
        finally:
            for key in keys:
                awaited.pop(key, None)
