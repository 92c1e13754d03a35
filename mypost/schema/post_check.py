"""What a post would meet, target by target; nothing is written."""

from datetime import datetime

import strawberry

from mypost.errors import FaultCode
from mypost.schema import rules
from mypost.schema.accounts import Network
from mypost.schema.common import FREE, MutationPayload, sizes
from mypost.schema.posts import (
    MAX_CONTENT,
    MAX_MEDIA,
    MAX_TAGS,
    MAX_TARGETS,
    LocalTimeInput,
    TargetInput,
)
from mypost.schema.rules import ruled


@strawberry.type(description="Something wrong with a post, and where.", directives=[FREE])
class PostFault:
    """Something wrong with a post, and where: `targets.0.content`."""

    code: FaultCode
    message: str
    path: str


@strawberry.type(description="How much of a network's limit a post takes.", directives=[FREE])
class PostCount:
    """How much of a network's limit a post takes."""

    unit: str
    count: int
    min: int
    max: int
    fits: bool


@strawberry.type(description="What a post would meet on one account.", directives=[FREE])
class TargetCheck:
    """What a post would meet on one account."""

    account_id: strawberry.ID
    network: Network
    valid: bool
    counts: list[PostCount] = strawberry.field(directives=sizes(3))
    faults: list[PostFault] = strawberry.field(directives=sizes(3))


@strawberry.type(description="Whether a post would go out, and everything against it.")
class PostCheck:
    """Whether a post would go out, and everything against it."""

    valid: bool
    faults: list[PostFault] = strawberry.field(directives=sizes(5))
    targets: list[TargetCheck] = strawberry.field(directives=sizes(4))


@strawberry.input(description="A post that is only looked at.")
class ValidatePostInput:
    """A post that is only looked at."""

    brand_id: strawberry.ID
    content: str = ruled(rules.length(MAX_CONTENT, least=0))
    target_account_ids: list[strawberry.ID] = ruled(rules.most(MAX_TARGETS))
    targets: list[TargetInput] | None = ruled(rules.most(MAX_TARGETS), default=None)
    media_ids: list[strawberry.ID] | None = ruled(rules.most(MAX_MEDIA), default=None)
    tags: list[str] | None = ruled(rules.most(MAX_TAGS), rules.each(rules.length(50)), default=None)
    scheduled_at: datetime | None = None
    scheduled_local: LocalTimeInput | None = None


@strawberry.type(description="What the post would meet.")
class PostCheckPayload(MutationPayload):
    """What the post would meet."""

    check: PostCheck | None
