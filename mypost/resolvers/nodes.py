"""Any object by its id."""

import asyncio
from typing import Any

import strawberry

from mypost import ids
from mypost.context import Context, workspace_of
from mypost.errors import invalid
from mypost.models.kinds import KINDS, NEEDS
from mypost.operation import query

MAX_IDS = 100


async def _find(ctx: Context, text: str) -> Any:
    id = ids.parse(text)
    tag = ids.tag_of(id) if id else None
    if id is None or tag not in KINDS:
        return None
    row = await ctx.load_key(KINDS[tag], id)
    if row is not None and tag in NEEDS and NEEDS[tag] not in ctx.member(row).permissions:
        return None
    if row is not None and tag is not ids.Tag.USER:
        await ctx.meter.enter(workspace_of(row))
    return row


@query()
async def node(ctx: Context, id: strawberry.ID) -> Any:
    """The object with this id; null when there is none for the viewer."""
    return await _find(ctx, id)


@query()
async def nodes(ctx: Context, ids: list[strawberry.ID]) -> Any:
    """The objects with these ids, in their order; null where there is none for the viewer."""
    if len(ids) > MAX_IDS:
        raise invalid("ids", f"Must have at most {MAX_IDS} entries")
    return await asyncio.gather(*(_find(ctx, id) for id in ids))
