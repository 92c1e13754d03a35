"""Where rows lead to: a relation is declared once and read by loaders, and later by the engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from aiodataloader import DataLoader
from tortoise.models import Model

from mypost.models.base import Db

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

    @property
    def sql(self) -> str:
        """The batch statement: `$1` the scope, `$2` the keys."""
        return (
            f"SELECT {self.columns} FROM {self.table} WHERE {self.child_key} = ANY ($2::uuid[])"
            f" AND {self.where} AND {self.scope} ORDER BY {self.order}"
        )


def loader(relation: Relation[Any], db: Db, scope: list[UUID]) -> DataLoader[UUID, Any]:
    """Makes the dataloader of a relation for one operation."""

    async def batch(keys: Sequence[UUID]) -> list[Any]:
        rows = await db.rows(relation.model, relation.sql, scope, list(keys))
        if relation.one:
            found = {row[relation.child_key]: row for row in rows}
            return [found.get(key) for key in keys]
        groups: dict[UUID, list[Any]] = {key: [] for key in keys}
        for row in rows:
            groups[row[relation.child_key]].append(row)
        return [groups[key] for key in keys]

    return DataLoader(batch, max_batch_size=MAX_BATCH)
