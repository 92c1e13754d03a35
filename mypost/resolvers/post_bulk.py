"""Many posts in one request."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mypost.context import Context
from mypost.errors import Fault, FaultCode
from mypost.models import batch, brands
from mypost.models import posts as rows
from mypost.models.batch import New
from mypost.models.brands import Brand
from mypost.models.posts import Post
from mypost.once import Again
from mypost.operation import On, faults_of, mutation
from mypost.permissions import Permission
from mypost.resolvers.post_check import spelled
from mypost.resolvers.post_rules import Wish, judge, known, unapproved, when
from mypost.schema.post_bulk import (
    BulkPostInput,
    CreatePostsInput,
    CreatePostsPayload,
    PostResult,
)
from mypost.schema.post_check import PostFault


async def write(ctx: Context, brand: Brand, news: Sequence[New]) -> list[Post]:
    """Writes new posts and schedules those that have a time; answers them in this order."""
    if not news:
        return []
    await batch.write(ctx.db, brand, ctx.viewer.id, news)
    await batch.plan(ctx.db, news, ctx.viewer.id)
    if any(new.moment is not None for new in news):
        ctx.after_commit("due")
    return await read(ctx, [new.id for new in news])


async def read(ctx: Context, ids: Sequence[UUID]) -> list[Post]:
    """Reads posts in the order of their ids; one that has gone is left out."""
    found = await ctx.db.rows(Post, rows.BY_ID.sql, ctx.scope(), list(ids))
    by_id = {post.id: post for post in found}
    return [by_id[id] for id in ids if id in by_id]


def _refer(payload: CreatePostsPayload) -> list[dict[str, Any]]:
    return [
        {"id": str(result.post.id) if result.post else None,
         "faults": [[f.code.value, f.message, f.path] for f in result.faults]}
        for result in payload.results or ()
    ]  # fmt: skip


async def _restore(ctx: Context, made: list[dict[str, Any]]) -> CreatePostsPayload:
    posts = {
        str(p.id): p for p in await read(ctx, [UUID(each["id"]) for each in made if each["id"]])
    }
    results = [
        PostResult(
            post=posts.get(each["id"]),  # type: ignore[arg-type]
            faults=[PostFault(code=FaultCode(c), message=m, path=p) for c, m, p in each["faults"]],
        )
        for each in made
    ]
    return _payload(results)


@mutation(
    on=On(brands.BY_ID, "brand", "brand_id", keep=True),
    requires=Permission.POSTS_CREATE,
    again=Again(_refer, _restore),
)
async def create_posts(ctx: Context, brand: Brand, input: CreatePostsInput) -> CreatePostsPayload:
    """Writes up to 50 posts; each is written or told why not, whatever becomes of the others."""
    wishes = [_wish(each) for each in input.posts]
    refusal = []
    if any(wish.time.said for wish in wishes):
        ctx.demand(Permission.POSTS_SCHEDULE, brand)
        refusal = await unapproved(ctx, brand)
    accounts = await known(ctx, brand.id, wishes, hold=True)
    news: dict[int, New] = {}
    told: dict[int, list[Fault]] = {}
    for index, (each, wish) in enumerate(zip(input.posts, wishes, strict=True)):
        judged = judge(ctx, wish, accounts)
        told[index] = list(dict.fromkeys([*faults_of(each), *judged.faults]))
        if wish.time.said:
            told[index] += refusal
        if not told[index]:
            news[index] = New(each.content, judged.aims, each.tags or (), wish.time.moment)
    written = dict(zip(news, await write(ctx, brand, list(news.values())), strict=True))
    await ctx.audit_each("post.created", list(written.values()))
    return _payload(
        [
            PostResult(post=written.get(i), faults=[spelled(f) for f in told[i]])  # type: ignore[arg-type]
            for i in told
        ]
    )


def _wish(each: BulkPostInput) -> Wish:
    return Wish(
        each.content,
        each.target_account_ids,
        each.targets or (),
        each.media_ids or (),
        when(each.scheduled_at, each.scheduled_local),
    )


def _payload(results: list[PostResult]) -> CreatePostsPayload:
    created = sum(result.post is not None for result in results)
    return CreatePostsPayload(created=created, results=results, user_errors=[])
