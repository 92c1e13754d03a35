"""What every noun's types share: scalars, Node, connections, payloads, kinds of fields."""

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Generic, NewType, TypeVar

import strawberry
from graphql import GraphQLError, GraphQLResolveInfo
from strawberry.schema_directive import Location

from mypost import ids
from mypost.context import Context
from mypost.engine.cost import Cost, ListSize
from mypost.engine.declare import ENGINE, SPELLINGS, Load, Paged, Rows, Spelling, Sql
from mypost.errors import FaultCode
from mypost.feed import Resync
from mypost.models.paging import DEFAULT_PAGE, Page, Slice
from mypost.models.relations import Relation
from mypost.operation import unstorable
from mypost.permissions import Permission

T = TypeVar("T")
Info = strawberry.Info[Context, None]
ROWS = {ENGINE: Rows()}
FREE = Cost(weight="0")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
PAGED = ["nodes", "edges"]

strawberry.enum(Permission, name="Permission", description="What a role allows.")
strawberry.enum(FaultCode, name="UserErrorCode", description="What is wrong with a field.")


def write_time(value: datetime) -> str:
    """Spells an instant as RFC 3339 in UTC with `Z`, to the second when it is whole."""
    moment = value if value.tzinfo is UTC else value.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")[:-6] + "Z"


def read_time(value: object) -> datetime:
    """Reads RFC 3339 with an offset; refuses anything else."""
    if not isinstance(value, str):
        raise TypeError("A time is a string such as 2026-01-15T14:00:00Z")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("Not a time such as 2026-01-15T14:00:00Z") from None
    if moment.tzinfo is None or "T" not in value.upper():
        raise ValueError("A time needs a date, a T and an offset: 2026-01-15T14:00:00Z")
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValueError("The time is out of range") from None


DATETIME = strawberry.scalar(
    name="DateTime",
    description="An instant: RFC 3339, UTC on output, with an offset on input.",
    serialize=write_time,
    parse_value=read_time,
)


# Digits are those of `write_time`: to the millisecond, cut, unless the second is whole.
SPELLINGS["DateTime"] = Spelling(
    ("time",),
    "to_char({v} AT TIME ZONE 'UTC', CASE WHEN date_trunc('second', {v}) = {v}"
    ' THEN \'YYYY-MM-DD"T"HH24:MI:SS"Z"\' ELSE \'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\' END)',
)
SPELLINGS["JSON"] = Spelling(("json",), "compact_json({v})")


def read_date(value: object) -> date:
    """Reads a day of the calendar; refuses anything else."""
    if isinstance(value, str) and DAY.fullmatch(value):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise ValueError("Not a date such as 2026-01-31")


DATE = strawberry.scalar(
    name="Date",
    description="A day: 2026-01-31.",
    serialize=date.isoformat,
    parse_value=read_date,
)


def read_json(value: object) -> object:
    """Reads what a row can hold; refuses what is nested too deeply to be looked through."""
    if wrong := unstorable(value):
        raise GraphQLError(wrong)
    return value


JSON = NewType("JSON", object)
JSON_SCALAR = strawberry.scalar(
    name="JSON",
    description="Any JSON value.",
    serialize=lambda value: value,
    parse_value=read_json,
)


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="requires",
    description="The viewer needs this permission in the workspace of the object.",
)
class Requires:
    """The permission a field demands, printed from the declaration that enforces it."""

    permission: Permission


@strawberry.interface(description="An object with a global id.")
class Node:
    """An object with a global id; the id tells its type."""

    TAG: ClassVar[ids.Tag]

    id: strawberry.ID = strawberry.field(description="The same id in every door, log and webhook.")

    @classmethod
    def is_type_of(cls, obj: Any, _info: GraphQLResolveInfo[Context]) -> bool:
        """Rows are not Strawberry instances: their id says what they are."""
        return ids.tag_of(obj.id) is cls.TAG


@strawberry.type(description="How to go on from a page.", directives=[FREE])
class PageInfo:
    """How to go on from a page."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="A row of a page and its cursor.", directives=[FREE])
class Edge(Generic[T]):
    """A row of a page and its cursor."""

    cursor: str
    node: T = strawberry.field(metadata=ROWS)


@strawberry.type(description="A page of a list.", directives=[FREE])
class Connection(Generic[T]):
    """A page of a list."""

    page: strawberry.Private[Page[Any]]

    @strawberry.field(description="The rows with their cursors.")
    def edges(self) -> list[Edge[T]]:
        """The rows with their cursors."""
        cursor_of, page = self.page.cursor_of, self.page
        rows = zip(page.rows, page.items, strict=True)
        return [Edge(cursor=cursor_of(row), node=item) for row, item in rows]

    @strawberry.field(description="The rows.", metadata=ROWS)
    def nodes(self) -> list[T]:
        """The rows."""
        return self.page.items

    @strawberry.field(description="How to go on.")
    def page_info(self) -> PageInfo:
        """How to go on."""
        rows, cursor_of = self.page.rows, self.page.cursor_of
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.page.has_previous,
            start_cursor=cursor_of(rows[0]) if rows else None,
            end_cursor=cursor_of(rows[-1]) if rows else None,
        )


@strawberry.type(description="Something the caller can mend.")
class UserError:
    """Something the caller can mend."""

    code: FaultCode
    message: str
    path: list[str]


@strawberry.type(
    description="Events were missed: read the posts again, then go on from the cursor."
)
class ResyncRequired:
    """Events were missed: read the posts again, then go on from the cursor."""

    cursor: str
    reason: str


def missed(resync: Resync) -> ResyncRequired:
    """Spells what the feed cannot tell any more."""
    return ResyncRequired(cursor=str(resync.number), reason=resync.reason)


@strawberry.interface(description="What every mutation answers; with errors, nothing was written.")
class MutationPayload:
    """What every mutation answers; with errors, nothing was written."""

    user_errors: list[UserError] = strawberry.field(directives=[ListSize(assumed_size=1)])


def pages(*arguments: str) -> ListSize:
    """The size of a connection: what these arguments say, else a default page."""
    return ListSize(
        assumed_size=DEFAULT_PAGE,
        require_one_slicing_argument=False,
        sized_fields=PAGED,
        slicing_arguments=list(arguments),
    )


def sizes(size: int | None) -> list[object]:
    """The directives of a list that is usually this long."""
    return [] if size is None else [ListSize(assumed_size=size)]


def json_of(info: Info) -> str | None:
    """The SQL of the JSON of a page's rows, when the engine runs this and can do with it."""
    return getattr(info._raw_info, "json", None)  # noqa: SLF001 - Strawberry has no accessor


def relation(
    declared: Relation[Any], description: str | None = None, *, size: int | None = None
) -> Any:
    """A field that follows a relation declared in models, batched with its siblings."""

    def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return info.context.load(declared, root)

    async def load(ctx: Context, parents: Sequence[Any], json: str | None = None) -> list[Any]:
        return await ctx.follow(declared, parents, json)

    del resolve.__annotations__["return"]
    return _loaded(resolve, Load(load, declared), description, sizes(size))


def derived(
    declared: Relation[Any], compute: Callable[[Any], Any], *, sql: str | None = None
) -> Any:
    """A field computed from what a relation leads to; the docstring describes it."""

    async def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return compute(await info.context.load(declared, root))

    async def load(ctx: Context, parents: Sequence[Any]) -> list[Any]:
        return [compute(found) for found in await ctx.follow(declared, parents)]

    resolve.__annotations__["return"] = compute.__annotations__["return"]
    return _loaded(resolve, Load(load, sql=sql), compute.__doc__, [])


def _loaded(
    resolve: Callable[..., Any],
    load: Load,
    description: str | None,
    directives: list[object],
) -> Any:
    """Declares both ways to a field: one object for graphql-core, a batch for the engine."""
    return strawberry.field(
        resolver=resolve,
        description=description,
        directives=directives,
        metadata={ENGINE: load},
    )


def listing(declared: Any, description: str | None = None) -> Any:
    """A field that pages a listing declared in models under its parent."""

    async def resolve(
        root: strawberry.Parent[Any], info: Info, first: int | None = None, after: str | None = None
    ) -> Any:
        slice_ = Slice(first=first, after=after)
        found = await info.context.page(declared, slice_, root.id, json=json_of(info))
        return Connection(page=found)

    del resolve.__annotations__["return"]
    return strawberry.field(
        resolver=resolve,
        description=description,
        directives=[pages("first")],
        metadata={ENGINE: Paged(declared)},
    )


def computed(
    resolve: Callable[..., Any], *, size: int | None = None, sql: str | None = None
) -> Any:
    """A field computed from its row, in SQL too where it says how; the docstring describes it."""
    return strawberry.field(
        resolver=resolve,
        description=resolve.__doc__,
        directives=sizes(size),
        metadata={ENGINE: Sql(sql)} if sql else {},
    )


def column(sql: str) -> Any:
    """A plain field whose value is also SQL of the row it is made from."""
    return strawberry.field(metadata={ENGINE: Sql(sql)})


def mapped(sql: str, words: Mapping[str, str]) -> str:
    """SQL that takes words for others, as a dict does."""
    cases = " ".join(f"WHEN '{one}' THEN '{other}'" for one, other in words.items())
    return f"(CASE {sql} {cases} END)"


def values(members: Sequence[enum.Enum] | None) -> list[str] | None:
    """The database's spelling of a list of enum members."""
    return None if members is None else [str(member.value) for member in members]
