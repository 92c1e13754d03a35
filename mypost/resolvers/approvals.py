"""Approvals: ask for a review, approve, reject, withdraw."""

from mypost import ids
from mypost.context import Context
from mypost.errors import Forbidden, IllegalState
from mypost.models import approvals as rows
from mypost.models import posts
from mypost.models.approvals import Approval
from mypost.models.posts import Post
from mypost.operation import On, expect, mutation, query
from mypost.permissions import Permission
from mypost.schema.approvals import ApprovalActionInput, RejectApprovalInput
from mypost.schema.posts import PostActionInput

APPROVAL = On(rows.BY_ID, "approval")
UNASKED = ("draft", "rejected")


@query(on=APPROVAL)
async def approval(ctx: Context, approval: Approval) -> Approval:
    """One request for review."""
    return approval


@mutation(on=On(posts.BY_ID, "post"), requires=Permission.POSTS_EDIT, audit="approval.requested")
async def submit_post_for_approval(ctx: Context, post: Post, input: PostActionInput) -> Approval:
    """Asks for a review of a draft exactly as it is; changing it afterwards voids the request."""
    post = await posts.lock(ctx.db, ctx.scope(), post.id)
    expect(post, input)
    if post.phase not in UNASKED:
        raise IllegalState(f"Only a draft is submitted: the post is {post.phase}")
    id = ids.new(ids.Tag.APPROVAL)
    await rows.request(ctx.db, id, post, ctx.viewer.id)
    return await ctx.get(rows.BY_ID, id, "approval")


@mutation(on=APPROVAL, requires=Permission.POSTS_PUBLISH, audit="approval.approved")
async def approve_approval(
    ctx: Context, approval: Approval, input: ApprovalActionInput
) -> Approval:
    """Approves a post as it was submitted; nobody approves what he has submitted himself."""
    approval = await _pending(ctx, approval, decides=True)
    await rows.decide(ctx.db, approval, "approved", ctx.viewer.id)
    return await ctx.get(rows.BY_ID, approval.id, "approval")


@mutation(on=APPROVAL, requires=Permission.POSTS_PUBLISH, audit="approval.rejected")
async def reject_approval(ctx: Context, approval: Approval, input: RejectApprovalInput) -> Approval:
    """Rejects a post and tells its author why; he may change it and submit it again."""
    approval = await _pending(ctx, approval, decides=True)
    await rows.decide(ctx.db, approval, "rejected", ctx.viewer.id, input.reason.strip())
    return await ctx.get(rows.BY_ID, approval.id, "approval")


@mutation(on=APPROVAL, requires=Permission.POSTS_EDIT, audit="approval.withdrawn")
async def withdraw_approval(
    ctx: Context, approval: Approval, input: ApprovalActionInput
) -> Approval:
    """Takes back a request that nobody has decided; the post is a draft again."""
    approval = await _pending(ctx, approval, decides=False)
    await rows.withdraw(ctx.db, approval)
    return await ctx.get(rows.BY_ID, approval.id, "approval")


async def _pending(ctx: Context, approval: Approval, *, decides: bool) -> Approval:
    """Locks a request's post and then the request, which nobody has decided yet."""
    own = approval.requested_by == ctx.viewer.id
    if decides and own and not await rows.own_allowed(ctx.db, approval.workspace_id):
        raise Forbidden(message="Nobody decides what he has submitted himself")
    if approval.status == rows.PENDING:
        await posts.lock(ctx.db, ctx.scope(), approval.post_id)
        approval = await ctx.get(rows.BY_ID, approval.id, "approval", lock=True)
    if approval.status != rows.PENDING:
        raise IllegalState(f"The request is already {approval.status}")
    return approval
