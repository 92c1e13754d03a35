"""Brands as the contract shows them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, ClassVar

import strawberry

from mypost import ids
from mypost.models import accounts, workspaces
from mypost.schema import rules
from mypost.schema.calendar import Calendar
from mypost.schema.calendar import of as calendar_of
from mypost.schema.common import Connection, MutationPayload, Node, column, listing, relation
from mypost.schema.rules import once, ruled
from mypost.schema.workspaces import Workspace

if TYPE_CHECKING:
    from mypost.schema.accounts import SocialAccount
    from mypost.schema.posts import Post

from mypost.schema.post_list import posts_field


@strawberry.type(description="A voice inside a workspace: it owns accounts and posts.")
class Brand(Node):
    """A voice inside a workspace: it owns accounts and posts."""

    TAG: ClassVar[ids.Tag] = ids.Tag.BRAND

    workspace_id: strawberry.ID
    name: str
    description: str | None
    timezone: str
    account_count: int = column(accounts.COUNT_OF_BRAND)
    version: int
    created_at: datetime
    updated_at: datetime
    workspace: Workspace = relation(workspaces.OWNER, "Where it lives.")
    social_accounts: Connection[
        Annotated["SocialAccount", strawberry.lazy("mypost.schema.accounts")]
    ] = listing(accounts.BY_BRAND, "Its connected accounts, newest first.")
    posts: Connection[Annotated["Post", strawberry.lazy("mypost.schema.posts")]] = posts_field
    calendar: Calendar = calendar_of("brand_id", "Its posts by day, in its own time zone.")


@strawberry.input(description="A new brand.")
class CreateBrandInput:
    """A new brand."""

    workspace_id: strawberry.ID
    name: str = ruled(rules.name(100))
    description: str | None = ruled(rules.length(1000, least=0), default=None)
    timezone: str | None = ruled(rules.timezone, default=None)
    idempotency_key: str | None = once()


@strawberry.input(description="What to change; what is left out stays.")
class UpdateBrandInput:
    """What to change; what is left out stays."""

    id: strawberry.ID
    name: str | None = ruled(rules.name(100), default=None)
    description: strawberry.Maybe[str | None] = ruled(
        rules.maybe(rules.length(1000, least=0)), default=None
    )
    timezone: str | None = ruled(rules.timezone, default=None)
    expected_version: int | None = None


@strawberry.input(description="The brand to delete.")
class DeleteBrandInput:
    """The brand to delete; `force` cancels what it has scheduled."""

    id: strawberry.ID
    force: bool = False
    expected_version: int | None = None


@strawberry.type(description="The brand, or why not.")
class BrandPayload(MutationPayload):
    """The brand, or why not."""

    brand: Brand | None


@strawberry.type(description="What was deleted, or why not.")
class DeletePayload(MutationPayload):
    """What was deleted, or why not."""

    deleted_id: strawberry.ID | None
