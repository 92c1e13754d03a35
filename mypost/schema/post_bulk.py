"""Many posts in one request: each is written, or told why not."""

from datetime import datetime

import strawberry

from mypost.schema import rules
from mypost.schema.common import MutationPayload, sizes
from mypost.schema.post_check import PostFault
from mypost.schema.posts import (
    MAX_CONTENT,
    MAX_MEDIA,
    MAX_TAGS,
    MAX_TARGETS,
    LocalTimeInput,
    Post,
    TargetInput,
)
from mypost.schema.rules import once, ruled

MAX_POSTS = 50


@strawberry.input(description="One of many new posts; with `scheduledAt` it is scheduled at once.")
class BulkPostInput:
    """One of many new posts; with `scheduledAt` it is scheduled at once."""

    content: str = ruled(rules.length(MAX_CONTENT, least=0))
    target_account_ids: list[strawberry.ID] = ruled(rules.most(MAX_TARGETS))
    targets: list[TargetInput] | None = ruled(rules.most(MAX_TARGETS), default=None)
    media_ids: list[strawberry.ID] | None = ruled(rules.most(MAX_MEDIA), default=None)
    tags: list[str] | None = ruled(rules.most(MAX_TAGS), rules.each(rules.length(50)), default=None)
    scheduled_at: datetime | None = None
    scheduled_local: LocalTimeInput | None = None


@strawberry.input(description="Up to 50 new posts of a brand.")
class CreatePostsInput:
    """Up to 50 new posts of a brand; one that is faulty does not keep the others back."""

    brand_id: strawberry.ID
    posts: list[BulkPostInput] = ruled(rules.most(MAX_POSTS), apart=True)
    idempotency_key: str | None = once()


@strawberry.type(description="What became of one of many posts: the post, or why not.")
class PostResult:
    """What became of one of many posts: the post, or why not."""

    post: Post | None
    faults: list[PostFault] = strawberry.field(directives=sizes(2))


@strawberry.type(description="What became of each post, in the order they were given.")
class CreatePostsPayload(MutationPayload):
    """What became of each post, in the order they were given."""

    created: int | None
    results: list[PostResult] | None = strawberry.field(directives=sizes(10))
