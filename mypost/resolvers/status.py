"""Post status as it happens."""

from collections.abc import AsyncIterator

import strawberry

from mypost import ids
from mypost.context import Context
from mypost.errors import invalid
from mypost.feed import Event, Overflow
from mypost.models import brands
from mypost.models.brands import Brand
from mypost.operation import On, subscription
from mypost.schema.posts import PostStatusUpdate, ResyncRequired, told


@subscription(on=On(brands.BY_ID, "brand", "brand_id"))
async def post_status_changed(
    ctx: Context,
    brand: Brand,
    post_ids: list[strawberry.ID] | None = None,
    after: str | None = None,
) -> AsyncIterator[PostStatusUpdate]:
    """Tells each time a post of the brand, or one of its targets, moves; `after` resumes."""
    chosen = None if post_ids is None else {str(ids.parse(id)) for id in post_ids}

    def wants(event: Event) -> bool:
        mine = event.brand_id == brand.id and event.type.startswith(("post.", "target."))
        return mine and (chosen is None or event.payload["postId"] in chosen)

    try:
        async for event in ctx.services.feed.listen(brand.workspace_id, wants, _number(after)):
            yield told(event)
    except Overflow as lost:
        yield ResyncRequired(cursor=str(lost.number), reason="This subscriber reads too slowly")


def _number(after: str | None) -> int | None:
    if after is None:
        return None
    if not after.isascii() or not after.isdigit() or len(after) > 18:  # noqa: PLR2004 - bigint
        raise invalid("after", "This cursor does not belong to this list")
    return int(after)
