"""MyPost's read schema as a Strawberry project usually has it; tuned when BENCH_TUNED is 1."""

import base64
import enum
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import strawberry
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.scalars import JSON

from bench.environment import read
from bench.peers.strawberry_tortoise import models
from bench.servers.rows import STATUS, TARGET_STATUS

TUNED = read("BENCH_TUNED") == "1"
T = TypeVar("T")
Row = strawberry.Parent[Any]


def _enum(name: str, *members: str) -> Any:
    return strawberry.enum(enum.Enum(name, {m.upper(): m for m in members}))


Network = _enum("Network", "bluesky", "sandbox")
AccountStatus = _enum("AccountStatus", "active", "expiring", "needs_reauth", "disconnected")
PostPhase = _enum("PostPhase", *STATUS)
PostStatus = _enum("PostStatus", *{s.lower() for s in STATUS.values()})
TargetStatus = _enum("TargetStatus", *{s.lower() for s in TARGET_STATUS.values()})


def related(returns: Any, loader: str, key: str) -> Any:
    """A field that follows a relation; tuned, it hands back the loader's future."""
    if TUNED:

        def resolve(root: Row, info: strawberry.Info) -> Any:
            return getattr(info.context, loader).load(getattr(root, key))

    else:

        async def resolve(root: Row, info: strawberry.Info) -> Any:
            return await getattr(info.context, loader).load(getattr(root, key))

    resolve.__annotations__["return"] = returns
    return strawberry.field(resolver=resolve)


@strawberry.type
class User:
    """A person."""

    id: strawberry.ID
    name: str


@strawberry.type
class SocialAccount:
    """A social account."""

    id: strawberry.ID
    network: Network
    name: str
    status: AccountStatus


@strawberry.type
class TargetError:
    """Why a target is not published."""

    category: str
    source: str
    retryable: bool
    message: str
    network_code: str | None


@strawberry.type
class Target:
    """A post on an account."""

    id: strawberry.ID
    account_id: strawberry.ID
    content: str | None
    options: JSON
    external_id: str | None
    external_url: str | None
    published_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    account: SocialAccount = related(SocialAccount, "accounts", "account_id")

    @strawberry.field
    def status(root: Row) -> TargetStatus:  # noqa: N805 - Strawberry reads the parent so
        """Where it stands."""
        return TargetStatus[TARGET_STATUS[root.state]]

    @strawberry.field
    async def network(root: Row, info: strawberry.Info) -> Network:  # noqa: N805
        """Where it goes."""
        return Network((await info.context.accounts.load(root.account_id)).network)

    @strawberry.field
    def media_ids(root: Row) -> list[strawberry.ID] | None:  # noqa: N805
        """Its own media."""
        return None

    @strawberry.field
    def error(root: Row) -> TargetError | None:  # noqa: N805
        """Why it is not published."""
        said = root.error
        if said is None:
            return None
        named = {k: said[k] for k in ("category", "source", "retryable", "message")}
        return TargetError(**named, network_code=said.get("networkCode"))


@strawberry.type
class Post:
    """A post."""

    id: strawberry.ID
    brand_id: strawberry.ID
    content: str
    phase: PostPhase
    version: int
    scheduled_at: datetime | None
    published_at: datetime | None
    created_by: strawberry.ID
    created_at: datetime
    updated_at: datetime
    author: User | None = related(User | None, "users", "created_by")
    targets: list[Target] = related(list[Target], "targets", "id")

    @strawberry.field
    def status(root: Row) -> PostStatus:  # noqa: N805
        """Where it stands."""
        return PostStatus[STATUS[root.phase]]

    @strawberry.field
    def media_ids(root: Row) -> list[strawberry.ID]:  # noqa: N805
        """The media it carries."""
        return []

    @strawberry.field
    async def tags(root: Row, info: strawberry.Info) -> list[str]:  # noqa: N805
        """Its tags."""
        return [row.tag for row in await info.context.tags.load(root.id)]

    @strawberry.field
    async def target_account_ids(root: Row, info: strawberry.Info) -> list[strawberry.ID]:  # noqa: N805
        """The accounts it goes to."""
        found = await info.context.targets.load(root.id)
        return [target.account_id for target in found if target.state != "cancelled"]


@strawberry.type
class PageInfo:
    """How to go on."""

    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Edge(Generic[T]):
    """A row and its cursor."""

    cursor: str
    node: T


@strawberry.type
class Connection(Generic[T]):
    """A page."""

    rows: strawberry.Private[list[Any]]
    more: strawberry.Private[bool]

    @strawberry.field
    def edges(self) -> list[Edge[T]]:
        """The rows with their cursors."""
        return [Edge(cursor=cursor(row), node=row) for row in self.rows]

    @strawberry.field
    def nodes(self) -> list[T]:
        """The rows."""
        return self.rows

    @strawberry.field
    def page_info(self) -> PageInfo:
        """How to go on."""
        last = cursor(self.rows[-1]) if self.rows else None
        return PageInfo(has_next_page=self.more, end_cursor=last)


def cursor(row: Any) -> str:
    """A position as text."""
    return base64.urlsafe_b64encode(f"{row.created_at.timestamp()}|{row.id}".encode()).decode()


async def _page(query: Any, first: int) -> Connection[Any]:
    rows = await query.order_by("-created_at", "-id").limit(first + 1)
    return Connection(rows=rows[:first], more=len(rows) > first)


@strawberry.type
class Brand:
    """A brand."""

    id: strawberry.ID
    name: str

    @strawberry.field
    async def social_accounts(root: Row, first: int = 50) -> Connection[SocialAccount]:  # noqa: N805
        """Its accounts, newest first."""
        return await _page(models.Account.filter(brand_id=root.id), first)

    @strawberry.field
    async def posts(root: Row, first: int = 50) -> Connection[Post]:  # noqa: N805
        """Its posts, newest first."""
        return await _page(models.Post.filter(brand_id=root.id, deleted_at=None), first)


@strawberry.type
class Query:
    """Reading."""

    @strawberry.field
    async def brand(self, info: strawberry.Info, id: strawberry.ID) -> Brand | None:
        """One brand."""
        found: Brand | None = await info.context.brands.load(UUID(id))
        return found

    @strawberry.field
    async def post(self, info: strawberry.Info, id: strawberry.ID) -> Post | None:
        """One post."""
        found: Post | None = await info.context.posts.load(UUID(id))
        return found


CACHES = [lambda: ParserCache(maxsize=100), lambda: ValidationCache(maxsize=100)]
schema = strawberry.Schema(Query, extensions=CACHES if TUNED else [])
