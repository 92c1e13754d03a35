"""Keyset paging: sealed cursors over (sort value, id), never an offset."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from orjson import Fragment
from tortoise.models import Model

from mypost.crypto import Keys
from mypost.engine.declare import Column
from mypost.errors import Fault, Invalid, invalid
from mypost.models.base import Db, column_of
from mypost.models.relations import TENANT

M = TypeVar("M", bound=Model)
MAX_PAGE = 100
DEFAULT_PAGE = 50
SEAL_BYTES = 16
POSITION = Struct(">q16s")  # µs since 1970, and the id
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
URL_SAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True, eq=False)
class Listing(Generic[M]):
    """A pageable list of one table, newest first, under a parent or for the viewer.

    A filter maps its name to a predicate with one `{}` for its bound value.
    """

    name: str
    model: type[M]
    table: str
    parent_key: str | None = None
    where: str = "true"
    scope: str = TENANT
    columns: str = "*"
    order: str = "created_at"
    backward: bool = False
    filters: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        """Answers a column that its rows show."""
        return column_of(self.model, self.columns, name)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """A slice of a listing, and how to go on from it."""

    rows: list[M]
    has_next: bool
    has_previous: bool
    limit: int
    cursor_of: Callable[[M], str]
    jsons: list[Fragment] | None = None

    @property
    def items(self) -> list[Any]:
        """The rows, or the JSON they were read as."""
        return self.rows if self.jsons is None else self.jsons


@dataclass(frozen=True, slots=True)
class Slice:
    """What the caller asked for: `first`/`after`, or `last`/`before`."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def backward(self) -> bool:
        """Whether the slice runs from the end."""
        return self.last is not None or self.before is not None

    @property
    def limit(self) -> int:
        """How many rows, 50 when nothing is said."""
        size = self.last if self.backward else self.first
        return DEFAULT_PAGE if size is None else size


def check(slice_: Slice, listing: Listing[Any]) -> None:
    """Refuses sizes outside 1-100 and a direction the listing does not offer."""
    faults = []
    for name, size in (("first", slice_.first), ("last", slice_.last)):
        if size is not None and not 1 <= size <= MAX_PAGE:
            faults.append(Fault((name,), f"Must be between 1 and {MAX_PAGE}"))
    if slice_.backward and not listing.backward:
        faults.append(Fault(("last",), "This list pages forward only"))
    if slice_.backward and (slice_.first is not None or slice_.after is not None):
        faults.append(Fault(("last",), "Use first with after, or last with before"))
    if faults:
        raise Invalid(faults)


class Cursors:
    """Seals and opens the cursors of one listing, one parent, one viewer and one filter."""

    def __init__(self, keys: Keys, *bound: object) -> None:
        self._seal = keys.sealer(orjson.dumps(bound, default=str, option=orjson.OPT_SORT_KEYS))

    def seal(self, at: datetime, id: UUID) -> str:
        """Writes a position as text in `[A-Za-z0-9_-]`."""
        position = POSITION.pack(round(at.timestamp() * 1e6), id.bytes)
        return _text(self._seal(position) + position)

    def open(self, cursor: str, name: str) -> tuple[datetime, UUID]:
        """Reads a position; an altered, foreign or other-filter cursor is a fault at `name`."""
        position = self._position(cursor)
        if position is None:
            raise invalid(name, "This cursor does not belong to this list")
        return position

    def _position(self, cursor: str) -> tuple[datetime, UUID] | None:
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (ValueError, binascii.Error):
            return None
        seal, body = raw[:SEAL_BYTES], raw[SEAL_BYTES:]
        # One position has one spelling: base64 would forgive stray characters.
        same = cursor == _text(raw)
        if len(body) != POSITION.size or not same:
            return None
        if not hmac.compare_digest(seal, self._seal(body)):
            return None
        at, id = POSITION.unpack(body)
        return EPOCH + timedelta(microseconds=at), UUID(bytes=id)


def _text(raw: bytes) -> str:
    """Spells bytes in `[A-Za-z0-9_-]`."""
    return binascii.b2a_base64(raw, newline=False).translate(URL_SAFE, b"=").decode()


async def page(
    db: Db,
    keys: Keys,
    listing: Listing[M],
    scope: list[UUID],
    slice_: Slice,
    *,
    parent: UUID | None = None,
    viewer: UUID | None = None,
    filters: Mapping[str, Any] | None = None,
    json: str | None = None,
) -> Page[M]:
    """Reads one page, with `json` its items as that. Raises Unspelled when one cannot be.

    Raises Invalid at `first`, `last`, `after` or `before`.
    """
    check(slice_, listing)
    chosen = {name: value for name, value in (filters or {}).items() if value is not None}
    cursors = Cursors(keys, listing.name, parent, viewer, chosen)
    sql, args = _statement(listing, slice_, cursors, parent, chosen, json)
    rows = await db.rows(listing.model, sql, scope, *args)
    more, rows = len(rows) > slice_.limit, rows[: slice_.limit]
    if slice_.backward:
        rows.reverse()
    return Page(
        rows=rows,
        has_next=(slice_.before is not None) if slice_.backward else more,
        has_previous=more if slice_.backward else (slice_.after is not None),
        limit=slice_.limit,
        cursor_of=lambda row: cursors.seal(row[listing.order], row["id"]),  # type: ignore[index]
        jsons=None if json is None else [Fragment(row["json"]) for row in rows],  # type: ignore[index]
    )


def _statement(
    listing: Listing[Any],
    slice_: Slice,
    cursors: Cursors,
    parent: UUID | None,
    filters: Mapping[str, Any],
    json: str | None,
) -> tuple[str, Sequence[Any]]:
    args: list[Any] = []

    def bind(value: Any, cast: str) -> str:
        args.append(value)
        return f"${len(args) + 1}::{cast}"

    where = [listing.scope, listing.where]
    if listing.parent_key:
        where.append(f"{listing.parent_key} = {bind(parent, 'uuid')}")
    for name, value in filters.items():
        where.append(listing.filters[name].format(bind(value, _cast(value))))
    position, name = (slice_.before, "before") if slice_.backward else (slice_.after, "after")
    if position is not None:
        at, id = cursors.open(position, name)
        sign = ">" if slice_.backward else "<"
        key = f"({bind(at, 'timestamptz')}, {bind(id, 'uuid')})"
        where.append(f"({listing.order}, id) {sign} {key}")
    direction = "ASC" if slice_.backward else "DESC"
    read = f"{listing.columns} FROM {listing.table}"
    if json is not None:
        read = f"r.{listing.order}, r.id, {json} AS json FROM {listing.table} r"
    sql = (
        f"SELECT {read} WHERE {' AND '.join(where)}"
        f" ORDER BY {listing.order} {direction}, id {direction} LIMIT {slice_.limit + 1}"
    )
    return sql, args


def _cast(value: Any) -> str:
    if isinstance(value, list):
        return "text[]"
    if isinstance(value, datetime):
        return "timestamptz"
    return "uuid" if isinstance(value, UUID) else "text"
