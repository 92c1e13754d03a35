"""What a schema says to the engine: plain records, found in a field's metadata under `ENGINE`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: `text`, `uuid`, `int`, `bool`, `time`, `json` or `texts`."""

    kind: str
    nullable: bool


class Table(Protocol):
    """Where rows come from; every part but the names is SQL of the table's own columns."""

    @property
    def table(self) -> str:
        """Its name."""

    @property
    def where(self) -> str:
        """Which of its rows count."""

    @property
    def scope(self) -> str:
        """Which of its rows the caller may reach; `$1` is his scope."""

    @property
    def order(self) -> str:
        """The order of its rows."""

    def column(self, name: str) -> Column | None:
        """Answers one of its columns, or None when there is no such column to be read."""


class Related(Table, Protocol):
    """Rows that belong to, or are named by, a parent row: at most one, or a list."""

    @property
    def parent_key(self) -> str:
        """The parent's column."""

    @property
    def child_key(self) -> str:
        """The column it is matched with."""

    @property
    def one(self) -> bool:
        """Whether at most one row matches."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A field whose values are rows of its type by construction: they are not asked."""


@dataclass(frozen=True, slots=True)
class Load:
    """A field whose values are read for a whole batch of parents at once.

    `load(context, parents)` answers one value for each parent, in their order; a value may be an
    exception. The values are rows of the field's type: they are not asked whether they are. With
    `relation` the rows may come as their JSON: `load(context, parents, json)` is given its SQL.
    `sql` is the value as SQL of the parent's row.
    """

    load: Callable[..., Awaitable[list[Any]]]
    relation: Related | None = None
    sql: str | None = None


@dataclass(frozen=True, slots=True)
class Paged:
    """A field that pages a table: its resolver may be told to read the rows as their JSON."""

    table: Table


@dataclass(frozen=True, slots=True)
class Sql:
    """A field that is computed: its value as SQL, where `{row}` is the row it belongs to.

    For an object it says when there is one; the object's fields are SQL of the same row.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a scalar is spelled in SQL: of which kind of column, as which expression of `{v}`."""

    kinds: tuple[str, ...]
    sql: str = "{v}"


# By the name of the scalar; one that is not here is not pushed down.
SPELLINGS = {
    "String": Spelling(("text",)),
    "ID": Spelling(("uuid", "text")),
    "Int": Spelling(("int",)),
    "Boolean": Spelling(("bool",)),
}
