"""Rows, and the one way to run a statement inside a tenant scope."""

import asyncio
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any, TypeVar, cast
from uuid import UUID

import asyncpg
from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields.base import Field
from tortoise.models import Model

from mypost.engine.declare import Column
from mypost.models.reads import Reads

M = TypeVar("M", bound=Model)

# The setting must be made before a policy reads it: OFFSET 0 keeps the planner from reordering.
SCOPED = (
    "SELECT r.* FROM (SELECT set_config('mypost.ws', $1::uuid[]::text, true) AS s OFFSET 0) x,"
    " LATERAL ({}) r"
)


class Unspelled(asyncpg.PostgresError):  # type: ignore[misc]
    """A row holds what its JSON has no spelling for: it has to be read as a row."""

    sqlstate = "MP001"


class Row(asyncpg.Record):  # type: ignore[misc]
    """A database row whose columns read as attributes, without behaviour."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@lru_cache(maxsize=1024)
def scoped(sql: str) -> str:
    """Makes a statement that sets its own scope."""
    return SCOPED.format(sql)


@cache
def row_class(model: type[Model]) -> type[Row]:
    """Makes the row class of a model: its columns are read without Python's help."""
    columns = {name: property(itemgetter(name)) for name in model._meta.fields_map}  # noqa: SLF001
    return type(f"{model.__name__}Row", (Row,), columns)


# What a table's columns hold, in the engine's words.
KINDS: dict[type[Field[Any]], str] = {
    fields.UUIDField: "uuid",
    fields.CharField: "text",
    fields.TextField: "text",
    fields.IntField: "int",
    fields.BooleanField: "bool",
    fields.DatetimeField: "time",
    fields.JSONField: "json",
    ArrayField: "texts",
}


def column_of(model: type[Model], columns: str, name: str) -> Column | None:
    """Answers a column that a statement for these columns reads."""
    field = model._meta.fields_map.get(name)  # noqa: SLF001
    shown = columns.startswith("*") or name in columns.split(", ")
    kind = KINDS.get(type(field)) if field is not None and shown else None
    return None if kind is None or field is None else Column(kind, field.null)


class Turns:
    """A connection whose statements take turns: it can run one at a time."""

    __slots__ = ("_connection", "_turn")

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    async def fetch(self, sql: str, *args: object, record_class: type[Row] = Row) -> list[Any]:
        """Answers all rows."""
        async with self._turn:
            found = await self._connection.fetch(sql, *args, record_class=record_class)
            return cast("list[Any]", found)

    async def fetchrow(self, sql: str, *args: object, record_class: type[Row] = Row) -> Any:
        """Answers the first row, or None."""
        async with self._turn:
            return await self._connection.fetchrow(sql, *args, record_class=record_class)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """Answers the first column of the first row."""
        async with self._turn:
            return await self._connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> str:
        """Answers what was done."""
        async with self._turn:
            return str(await self._connection.execute(sql, *args))


class Db:
    """Runs statements for one viewer: `$1` of every scoped statement is the workspace array.

    Outside a transaction a read is one statement on the pool that sets the scope itself;
    inside one the gate has set it already.
    """

    __slots__ = ("connection", "pool")

    def __init__(self, pool: Reads, connection: Turns | None = None) -> None:
        self.pool = pool
        self.connection = connection

    async def rows(self, model: type[M], sql: str, scope: list[UUID], *args: object) -> list[M]:
        """Reads rows in scope, typed as the model whose columns they carry."""
        row = row_class(model)
        if self.connection is not None:
            return await self.connection.fetch(sql, scope, *args, record_class=row)
        return await self.pool.fetch(scoped(sql), scope, *args, record_class=row)  # type: ignore[no-any-return]

    async def row(self, model: type[M], sql: str, scope: list[UUID], *args: object) -> M | None:
        """Reads one row in scope, or None."""
        found = await self.rows(model, sql, scope, *args)
        return found[0] if found else None

    async def value(self, sql: str, *args: object) -> Any:
        """Runs a statement that needs no scope: a definer function, or inside a transaction."""
        return await (self.connection or self.pool).fetchval(sql, *args)

    async def record(self, sql: str, *args: object) -> Any:
        """Runs a statement that needs no scope and answers its first row, or None."""
        return await (self.connection or self.pool).fetchrow(sql, *args, record_class=Row)

    async def records(self, sql: str, *args: object) -> list[Any]:
        """Runs a statement that needs no scope and answers all its rows."""
        found = await (self.connection or self.pool).fetch(sql, *args, record_class=Row)
        return cast("list[Any]", found)

    async def run(self, sql: str, *args: object) -> int:
        """Writes inside the gate's transaction and answers how many rows it touched."""
        if self.connection is None:
            raise RuntimeError("writes need the gate's transaction")
        status = await self.connection.execute(sql, *args)
        return int(status.rsplit(" ", 1)[-1]) if status[-1:].isdigit() else 0
