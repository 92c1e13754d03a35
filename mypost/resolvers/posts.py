"""Posts: read, write, copy, edit, delete, schedule, publish, cancel; retry, resolve a target."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import strawberry

from mypost import clock, ids
from mypost.context import Context
from mypost.errors import Fault, FaultCode, IllegalState, Invalid, invalid
from mypost.models import accounts, aims, brands
from mypost.models import posts as rows
from mypost.models.accounts import Account
from mypost.models.batch import New
from mypost.models.brands import Brand
from mypost.models.posts import Post, PostTag
from mypost.operation import On, expect, mutation, query
from mypost.permissions import Permission
from mypost.resolvers.post_bulk import write
from mypost.resolvers.post_rules import Judged, Time, Wish, able, judge, known, when
from mypost.schema.posts import (
    CreatePostInput,
    DuplicatePostInput,
    PostActionInput,
    ResolveTargetInput,
    RetryTargetInput,
    SchedulePostInput,
    TargetOutcome,
    UpdatePostInput,
)
from mypost.zones import Moment

POST = On(rows.BY_ID, "post")


@query(on=POST)
async def post(ctx: Context, post: Post) -> Post:
    """One post."""
    return post


@mutation(
    on=On(brands.BY_ID, "brand", "brand_id", keep=True),
    requires=Permission.POSTS_CREATE,
    audit="post.created",
)
async def create_post(ctx: Context, brand: Brand, input: CreatePostInput) -> Post:
    """Writes a post for a brand; with `scheduledAt` it is scheduled at once."""
    wish = _wish(input, input.target_account_ids)
    if wish.time.said:
        ctx.demand(Permission.POSTS_SCHEDULE, brand)
    judged = _check(ctx, wish, await known(ctx, brand.id, [wish], hold=True))
    new = New(input.content, judged.aims, input.tags or (), wish.time.moment)
    (post,) = await write(ctx, brand, [new])
    return post


@mutation(on=POST, requires=Permission.POSTS_CREATE)
async def duplicate_post(ctx: Context, post: Post, input: DuplicatePostInput) -> Post:
    """Writes a draft that says the same to the same accounts, those let go excepted."""
    brand = await ctx.get(brands.BY_ID, post.brand_id, "post", keep=True)
    stored = aims.aims_of(await rows.targets(ctx.db, ctx.scope(), post.id))
    found = await accounts.hold(ctx.db, ctx.scope(), list(stored))
    living = {account.id for account in found if account.status != "disconnected"}
    kept = [aim for id, aim in stored.items() if id in living]
    tags = [row.tag for row in await ctx.db.rows(PostTag, rows.TAGS.sql, ctx.scope(), [post.id])]
    (copy,) = await write(ctx, brand, [New(post.content, kept, tags)])
    await ctx.audit("post.created", copy, duplicateOf=str(post.id))
    return copy


@mutation(on=POST, requires=Permission.POSTS_EDIT, audit="post.updated")
async def update_post(ctx: Context, post: Post, input: UpdatePostInput) -> Post:
    """Changes a post that has not been sent; what is left out stays."""
    given = input.target_account_ids
    post = await _lock(ctx, post, input, [i for g in given or () if (i := ids.parse(g))])
    timed = input.scheduled_at is not None or input.scheduled_local is not None
    if post.stage in rows.PLANNED or timed:
        ctx.demand(Permission.POSTS_SCHEDULE, post)
    targets = await rows.targets(ctx.db, ctx.scope(), post.id)
    _untouched(post, targets)
    stored = aims.aims_of(targets)
    wish = _wish(input, list(stored) if given is None else given, post, stored)
    judged = _check(ctx, wish, await known(ctx, post.brand_id, [wish]))
    stays = not timed and post.stage in rows.PLANNED
    if stays and given is not None and (unable := able(judged.chosen)):
        raise Invalid(unable)
    await rows.rewrite(ctx.db, post, post.content if input.content is None else input.content)
    if given is not None or input.targets:
        await aims.aim(ctx.db, post, judged.aims)
    if input.tags is not None:
        await rows.tag(ctx.db, post, input.tags)
    await _reschedule(ctx, post, input, wish.time.moment)
    return await ctx.get(rows.BY_ID, post.id, "post")


async def _reschedule(
    ctx: Context, post: Post, input: UpdatePostInput, moment: Moment | None
) -> None:
    """Applies a new time, none, or the old one to accounts that have just been added."""
    if moment is not None:
        await _schedule(ctx, post, moment)
    elif input.scheduled_at is not None:
        await rows.unschedule(ctx.db, post)
    elif post.scheduled_at is not None and input.target_account_ids is not None:
        # A change that voids a demanded approval has taken the post out of its lanes.
        now = await ctx.get(rows.BY_ID, post.id, "post")
        if now.scheduled_at is not None:
            await _schedule(ctx, post, Moment(now.scheduled_at, now.local_time, now.timezone))


@mutation(on=POST, requires=Permission.POSTS_DELETE)
async def delete_post(ctx: Context, post: Post, input: PostActionInput) -> UUID:
    """Deletes a post; refused while it is being sent."""
    post = await _lock(ctx, post, input)
    _landed(await rows.targets(ctx.db, ctx.scope(), post.id))
    await rows.discard(ctx.db, post)
    await ctx.audit("post.deleted", post)
    ctx.after_commit("due")
    return post.id


@mutation(on=POST, requires=Permission.POSTS_SCHEDULE, audit="post.scheduled")
async def schedule_post(ctx: Context, post: Post, input: SchedulePostInput) -> Post:
    """Queues a post to go out at a time; a scheduled post moves to the new one."""
    post = await _lock(ctx, post, input)
    _untouched(post, await rows.targets(ctx.db, ctx.scope(), post.id))
    time = when(input.scheduled_at, input.scheduled_local)
    if not time.said:
        raise invalid("scheduledAt", "Required", FaultCode.REQUIRED)
    await _ready(ctx, post, time.faults)
    assert time.moment is not None  # noqa: S101 - or a fault says why not
    await _schedule(ctx, post, time.moment)
    return await ctx.get(rows.BY_ID, post.id, "post")


@mutation(on=POST, requires=Permission.POSTS_PUBLISH, audit="post.publish_requested")
async def publish_post(ctx: Context, post: Post, input: PostActionInput) -> Post:
    """Sends a post now; the answer does not wait for the networks."""
    post = await _lock(ctx, post, input)
    _untouched(post, await rows.targets(ctx.db, ctx.scope(), post.id))
    await _ready(ctx, post)
    await rows.schedule(ctx.db, post, Moment(clock.now()), ctx.viewer.id, "publishing")
    ctx.after_commit("due")
    return await ctx.get(rows.BY_ID, post.id, "post")


@mutation(on=POST, requires=Permission.POSTS_SCHEDULE, audit="post.cancelled")
async def cancel_post(ctx: Context, post: Post, input: PostActionInput) -> Post:
    """Takes a scheduled post back to draft; refused once a target has started."""
    post = await _lock(ctx, post, input)
    if post.stage not in rows.PLANNED:
        raise IllegalState("The post is not scheduled")
    _untouched(post, await rows.targets(ctx.db, ctx.scope(), post.id))
    await rows.unschedule(ctx.db, post)
    ctx.after_commit("due")
    return await ctx.get(rows.BY_ID, post.id, "post")


@mutation(on=POST, requires=Permission.POSTS_PUBLISH)
async def retry_target(ctx: Context, post: Post, input: RetryTargetInput) -> Post:
    """Sends a target now that was refused, or found too late; the others stay as they are."""
    post = await _lock(ctx, post, input)
    target = await _target(ctx, post, input.target_id)
    if target.state != "failed" and not rows.too_late(target):
        raise IllegalState(_why_not(target, "retried"))
    if able(await accounts.by_ids(ctx.db, ctx.scope(), [target.account_id])):
        raise IllegalState("Its account cannot publish: connect it again first", "targetId")
    await rows.retry(ctx.db, target, clock.now())
    await ctx.audit("post.target_retried", post, targetId=str(target.id))
    ctx.after_commit("due")
    return await ctx.get(rows.BY_ID, post.id, "post")


@mutation(on=POST, requires=Permission.POSTS_PUBLISH)
async def resolve_target(ctx: Context, post: Post, input: ResolveTargetInput) -> Post:
    """Settles by a person's word a target that needs confirmation; it can be retried then."""
    post = await _lock(ctx, post, input)
    target = await _target(ctx, post, input.target_id)
    if target.state != "needs_confirmation":
        raise IllegalState(_why_not(target, "resolved"))
    live = input.outcome is TargetOutcome.PUBLISHED
    if input.external_url is not None and not live:
        raise invalid("externalUrl", "What was not published has no address")
    await rows.resolve(ctx.db, target, live=live, url=input.external_url, by=ctx.viewer.id)
    said = input.outcome.value
    await ctx.audit("post.target_resolved", post, targetId=str(target.id), outcome=said)
    ctx.after_commit("due")
    return await ctx.get(rows.BY_ID, post.id, "post")


async def _target(ctx: Context, post: Post, id: object) -> rows.Target:
    wanted, found = ids.parse(id), await rows.targets(ctx.db, ctx.scope(), post.id)
    for target in found:
        if target.id == wanted:
            return target
    raise invalid("targetId", "There is no such target", FaultCode.NOT_FOUND)


def _why_not(target: rows.Target, done: str) -> str:
    status = rows.STATUS_OF_STATE.get(target.state, target.state)
    if target.state == "needs_confirmation":
        return "Nobody knows whether it went out: resolve it first"
    if target.state == "unknown":
        return "MyPost is still looking whether it went out"
    return f"A target that is {status} cannot be {done}"


async def _lock(ctx: Context, post: Post, input: object, more: list[UUID] | None = None) -> Post:
    locked = await rows.lock(ctx.db, ctx.scope(), post.id, more or [])
    expect(locked, input)
    return locked


def _untouched(post: Post, targets: list[rows.Target]) -> None:
    """Raises IllegalState when a target has started: what a network may hold cannot be edited."""
    started = [t for t in targets if t.state not in (*rows.MOVABLE, "cancelled")]
    if started:
        states = ", ".join(sorted({rows.STATUS_OF_STATE.get(t.state, t.state) for t in started}))
        raise IllegalState(f"{len(started)} of {len(targets)} targets are already {states}")


def _landed(targets: list[rows.Target]) -> None:
    flying = [t for t in targets if t.state in ("sending", "confirming", "unknown")]
    if flying:
        raise IllegalState(f"{len(flying)} of {len(targets)} targets are being sent right now")


async def _schedule(ctx: Context, post: Post, moment: Moment) -> None:
    await rows.schedule(ctx.db, post, moment, ctx.viewer.id)
    ctx.after_commit("due")


async def _ready(ctx: Context, post: Post, late: Sequence[Fault] = ()) -> None:
    """Raises Invalid naming everything that keeps the post from going out."""
    wanted = list(aims.aims_of(await rows.targets(ctx.db, ctx.scope(), post.id)))
    found = {a.id: a for a in await accounts.by_ids(ctx.db, ctx.scope(), wanted)}
    faults = [*late, *able([found[id] for id in wanted])]
    if faults:
        raise Invalid(faults)


def _wish(
    input: CreatePostInput | UpdatePostInput,
    wanted: Sequence[object],
    post: Post | None = None,
    stored: Mapping[UUID, aims.Aim] | None = None,
) -> Wish:
    """What the post is to be, with what is left out as it is."""
    return Wish(
        content=post.content if post and input.content is None else input.content or "",
        account_ids=wanted,
        targets=input.targets or (),
        media_ids=input.media_ids or (),
        time=_time(input),
        stored=stored or {},
    )


def _time(input: CreatePostInput | UpdatePostInput) -> Time:
    """When the post is to go out; an edit says null to put it back to draft."""
    at = input.scheduled_at
    if not isinstance(at, strawberry.Some):
        return when(at, input.scheduled_local)
    if at.value is None and input.scheduled_local is not None:
        return Time(faults=[Fault(("scheduledLocal",), "Say scheduledAt or scheduledLocal")])
    return when(at.value, input.scheduled_local)


def _check(ctx: Context, wish: Wish, accounts: Mapping[UUID, Account]) -> Judged:
    """Raises Invalid naming everything that will not do."""
    judged = judge(ctx, wish, accounts)
    if judged.faults:
        raise Invalid(judged.faults)
    return judged
