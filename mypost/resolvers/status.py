"""Posts and their reviews as they happen."""

from collections.abc import AsyncIterator

import strawberry

from mypost import ids
from mypost.context import Context
from mypost.errors import Fault, Invalid, invalid
from mypost.feed import Event, Resync, number_of
from mypost.models import brands, workspaces
from mypost.models.brands import Brand
from mypost.models.workspaces import Workspace
from mypost.operation import On, subscription
from mypost.schema import approval_events
from mypost.schema.approval_events import ApprovalUpdate
from mypost.schema.common import missed
from mypost.schema.posts import PostStatusUpdate, told


@subscription(on=On(brands.BY_ID, "brand", "brand_id"))
async def post_status_changed(
    ctx: Context,
    brand: Brand,
    post_ids: list[strawberry.ID] | None = None,
    after: str | None = None,
) -> AsyncIterator[PostStatusUpdate]:
    """Tells each time a post of the brand, or one of its targets, moves; `after` resumes."""
    chosen = _chosen(post_ids)

    def wants(event: Event) -> bool:
        mine = event.brand_id == brand.id and event.type.startswith(("post.", "target."))
        return mine and (chosen is None or event.payload["postId"] in chosen)

    async for event in ctx.services.feed.listen(brand.workspace_id, wants, number_of(after)):
        yield missed(event) if isinstance(event, Resync) else told(event)


@subscription(on=On(workspaces.BY_ID, "workspace", "workspace_id"))
async def approval_changed(
    ctx: Context,
    workspace: Workspace,
    brand_id: strawberry.ID | None = None,
    after: str | None = None,
) -> AsyncIterator[ApprovalUpdate]:
    """Tells each time a review is asked for, decided, withdrawn or void; `after` resumes."""
    brand = ids.parse(brand_id)
    if brand_id is not None and brand is None:
        raise invalid("brandId", "Not an id")

    def wants(event: Event) -> bool:
        return event.type.startswith("approval.") and brand in (None, event.brand_id)

    async for event in ctx.services.feed.listen(workspace.id, wants, number_of(after)):
        yield missed(event) if isinstance(event, Resync) else approval_events.told(event)


def _chosen(post_ids: list[strawberry.ID] | None) -> set[str] | None:
    """Reads the posts to hear of. Raises Invalid naming every id that is none."""
    if post_ids is None:
        return None
    read = [ids.parse(id) for id in post_ids]
    wrong = [Fault(("postIds", str(i)), "Not an id") for i, id in enumerate(read) if id is None]
    if wrong:
        raise Invalid(wrong)
    return {str(id) for id in read}
