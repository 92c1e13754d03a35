"""Posts and their targets as the contract shows them."""

import enum
from dataclasses import field
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import strawberry

from mypost import ids
from mypost.engine.groups import Groups
from mypost.feed import Event
from mypost.models import accounts, approvals, brands, posts, users
from mypost.schema import rules
from mypost.schema.accounts import Network, SocialAccount
from mypost.schema.approvals import Approval
from mypost.schema.brands import Brand
from mypost.schema.common import (
    FREE,
    JSON,
    MutationPayload,
    Node,
    ResyncRequired,
    column,
    computed,
    derived,
    mapped,
    relation,
)
from mypost.schema.post_list import PostPhase, PostStatus
from mypost.schema.rules import once, ruled
from mypost.schema.users import User

MAX_TARGETS, MAX_MEDIA, MAX_TAGS, MAX_CONTENT = 50, 20, 20, 100_000


@strawberry.enum(description="Where one target stands.")
class TargetStatus(enum.Enum):
    """Where one target stands."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NEEDS_CONFIRMATION = "needs_confirmation"
    CANCELLED = "cancelled"


@strawberry.enum(description="Why a planned target will not go out as planned.")
class TargetRisk(enum.Enum):
    """Why a planned target will not go out as planned."""

    TOKEN_ENDS = "token_ends"  # noqa: S105 - a reason, no token
    RECONNECT = "reconnect"
    BUDGET = "budget"


@strawberry.enum(description="What a person found out about a target nobody could look up.")
class TargetOutcome(enum.Enum):
    """What a person found out about a target nobody could look up."""

    PUBLISHED = "published"
    NOT_PUBLISHED = "not_published"


@strawberry.type(
    description="Why a target is not published, and what would mend it.", directives=[FREE]
)
class TargetError:
    """Why a target is not published, and what would mend it."""

    category: str = column("coalesce({row}.error ->> 'category', 'unknown')")
    source: str = column("coalesce({row}.error ->> 'source', 'system')")
    retryable: bool = column("coalesce(({row}.error -> 'retryable')::bool, false)")
    message: str = column("coalesce({row}.error ->> 'message', '')")
    network_code: str | None = column("{row}.error ->> 'networkCode'")


def target_status(root: strawberry.Parent[Any]) -> TargetStatus:
    """Where it stands."""
    return posts.STATUS_OF_STATE.get(root.state, root.state)  # type: ignore[no-any-return]


def target_error(root: strawberry.Parent[Any]) -> TargetError | None:
    """Why it is not published."""
    if root.error is None:
        return None
    return TargetError(
        category=root.error.get("category", "unknown"),
        source=root.error.get("source", "system"),
        retryable=root.error.get("retryable", False),
        message=root.error.get("message", ""),
        network_code=root.error.get("networkCode"),
    )


def target_network(account: Any) -> Network:
    """The network of its account."""
    return account.network  # type: ignore[no-any-return]


def target_media(root: strawberry.Parent[Any]) -> list[strawberry.ID] | None:
    """Its own media, when they differ from the post's."""
    del root
    return None


@strawberry.type(description="One post on one account: where it goes and how it went.")
class Target(Node):
    """One post on one account: where it goes and how it went."""

    TAG: ClassVar[ids.Tag] = ids.Tag.TARGET

    account_id: strawberry.ID
    network: Network = derived(accounts.OF_TARGET, target_network, sql=accounts.NETWORK_OF_TARGET)
    status: TargetStatus = computed(target_status, sql="target_status({row}.state)")
    content: str | None
    media_ids: list[strawberry.ID] | None = computed(target_media, sql="NULL::text[]")
    options: JSON
    external_id: str | None
    external_url: str | None
    published_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    error: TargetError | None = computed(target_error, sql=posts.HAS_ERROR)
    risk: TargetRisk | None
    account: SocialAccount = relation(accounts.OF_TARGET, "Where it goes.")


@strawberry.type(description="The wall clock a time was meant by.", directives=[FREE])
class LocalTime:
    """The wall clock a time was meant by."""

    local_time: str = column("{row}.local_time")
    timezone: str = column("{row}.timezone")


def scheduled_local(root: strawberry.Parent[Any]) -> LocalTime | None:
    """The wall clock it was scheduled by; null when it was scheduled by an instant."""
    if root.local_time is None:
        return None
    return LocalTime(local_time=root.local_time, timezone=root.timezone)


def status(root: strawberry.Parent[Any]) -> PostStatus:
    """Where it stands, in four words."""
    return posts.STATUS_OF_PHASE[root.phase]  # type: ignore[return-value]


def target_account_ids(targets: list[Any]) -> list[strawberry.ID]:
    """The accounts it goes to; one that was let go is still among the targets."""
    return [target.account_id for target in targets if target.state != "cancelled"]


def tags(tags: list[Any]) -> list[str]:
    """Its tags, in alphabetical order."""
    return [row.tag for row in tags]


def media_ids(root: strawberry.Parent[Any]) -> list[strawberry.ID]:
    """The media it carries."""
    del root
    return []


@strawberry.type(description="Content planned for one or more accounts.")
class Post(Node):
    """Content planned for one or more accounts."""

    TAG: ClassVar[ids.Tag] = ids.Tag.POST

    brand_id: strawberry.ID
    content: str
    status: PostStatus = computed(status, sql=mapped("{row}.phase", posts.STATUS_OF_PHASE))
    phase: PostPhase
    version: int
    media_ids: list[strawberry.ID] = computed(media_ids, sql="'{}'::text[]")
    target_account_ids: list[strawberry.ID] = derived(
        posts.TARGETS, target_account_ids, sql=posts.ACCOUNTS_OF
    )
    tags: list[str] = derived(posts.TAGS, tags, sql=posts.TAGS_OF)
    scheduled_at: datetime | None
    scheduled_local: LocalTime | None = computed(
        scheduled_local, sql="{row}.local_time IS NOT NULL"
    )
    published_at: datetime | None
    created_by: strawberry.ID
    created_at: datetime
    updated_at: datetime
    approval: Approval | None = relation(
        approvals.OF_POST, "The newest request for its review; null when nobody has asked."
    )
    brand: Brand = relation(brands.OWNER, "Whose voice it is.")
    author: User | None = relation(users.AUTHOR, "Who wrote it; null when he has left.")
    targets: list[Target] = relation(posts.TARGETS, "Where it goes and how it went.", size=4)


@strawberry.input(description="A time on the wall clocks of a zone.")
class LocalTimeInput:
    """A time on the wall clocks of a zone; of two that look alike the first is meant."""

    local_time: str = ruled(rules.local_time)
    timezone: str = ruled(rules.timezone)


@strawberry.input(
    description="What a post says to one of its accounts; what is left out stays, null takes back."
)
class TargetInput:
    """What a post says to one of its accounts: its own words, and the network's options."""

    account_id: strawberry.ID
    content: strawberry.Maybe[str | None] = ruled(
        rules.maybe(rules.length(MAX_CONTENT, least=0)), default=None
    )
    options: strawberry.Maybe[JSON | None] = None


@strawberry.input(description="A new post; with `scheduledAt` it is scheduled at once.")
class CreatePostInput:
    """A new post; with `scheduledAt` it is scheduled at once."""

    brand_id: strawberry.ID
    content: str = ruled(rules.length(MAX_CONTENT, least=0))
    target_account_ids: list[strawberry.ID] = ruled(rules.most(MAX_TARGETS))
    targets: list[TargetInput] | None = ruled(rules.most(MAX_TARGETS), default=None)
    media_ids: list[strawberry.ID] | None = ruled(rules.most(MAX_MEDIA), default=None)
    tags: list[str] | None = ruled(rules.most(MAX_TAGS), rules.each(rules.length(50)), default=None)
    scheduled_at: datetime | None = None
    scheduled_local: LocalTimeInput | None = None
    idempotency_key: str | None = once()


@strawberry.input(
    description="What to change; what is left out stays, `scheduledAt: null` makes a draft."
)
class UpdatePostInput:
    """What to change; what is left out stays, `scheduledAt: null` puts it back to draft."""

    id: strawberry.ID
    expected_version: int | None = None
    content: str | None = ruled(rules.length(MAX_CONTENT, least=0), default=None)
    target_account_ids: list[strawberry.ID] | None = ruled(rules.most(MAX_TARGETS), default=None)
    targets: list[TargetInput] | None = ruled(rules.most(MAX_TARGETS), default=None)
    media_ids: list[strawberry.ID] | None = ruled(rules.most(MAX_MEDIA), default=None)
    tags: list[str] | None = ruled(rules.most(MAX_TAGS), rules.each(rules.length(50)), default=None)
    scheduled_at: strawberry.Maybe[datetime | None] = None
    scheduled_local: LocalTimeInput | None = None


@strawberry.input(description="When a post goes out: `scheduledAt` or `scheduledLocal`.")
class SchedulePostInput:
    """When a post goes out: an instant, or a time on the wall clocks of a zone."""

    id: strawberry.ID
    scheduled_at: datetime | None = None
    scheduled_local: LocalTimeInput | None = None
    expected_version: int | None = None
    idempotency_key: str | None = once()


@strawberry.input(description="The post to act on.")
class PostActionInput:
    """The post to act on."""

    id: strawberry.ID
    expected_version: int | None = None
    idempotency_key: str | None = once()


@strawberry.input(description="The post to write again.")
class DuplicatePostInput:
    """The post to write again."""

    id: strawberry.ID
    idempotency_key: str | None = once()


@strawberry.input(description="The target to send again.")
class RetryTargetInput:
    """The target to send again."""

    id: strawberry.ID
    target_id: strawberry.ID
    expected_version: int | None = None
    idempotency_key: str | None = once()


@strawberry.input(description="What somebody saw on the network.")
class ResolveTargetInput:
    """What somebody saw on the network."""

    id: strawberry.ID
    target_id: strawberry.ID
    outcome: TargetOutcome
    external_url: str | None = ruled(rules.web_address, default=None)
    expected_version: int | None = None
    idempotency_key: str | None = once()


@strawberry.type(description="The post, or why not.")
class PostPayload(MutationPayload):
    """The post, or why not."""

    post: Post | None


@strawberry.type(description="A post or one of its targets has moved.")
class PostStatusEvent:
    """A post or one of its targets has moved; the states are those of that moment."""

    post_id: strawberry.Private[UUID]
    target_id: strawberry.Private[UUID | None]
    groups: strawberry.Private[Groups] = field(default_factory=dict, compare=False, repr=False)

    cursor: str
    type: str
    occurred_at: datetime
    previous_status: PostStatus
    status: PostStatus
    previous_phase: PostPhase
    phase: PostPhase
    previous_target_status: TargetStatus | None
    target_status: TargetStatus | None
    post: Post = relation(posts.OF_EVENT, "The post as it is now.")
    target: Target | None = relation(
        posts.TARGET_OF_EVENT, "The target that moved, when the event is about one."
    )


PostStatusUpdate = Annotated[
    PostStatusEvent | ResyncRequired,
    strawberry.union("PostStatusUpdate", description="What a subscriber hears."),
]


def told(event: Event) -> PostStatusEvent:
    """Spells an event of the feed as the contract does, once for all who hear it."""
    if event.told is None:
        event.told = _told(event)
    return event.told  # type: ignore[no-any-return]


def _told(event: Event) -> PostStatusEvent:
    said = event.payload
    target = said.get("targetId")
    return PostStatusEvent(
        post_id=UUID(said["postId"]),
        target_id=UUID(target) if target else None,
        cursor=str(event.number),
        type=event.type,
        occurred_at=event.occurred_at,
        previous_status=PostStatus(posts.STATUS_OF_PHASE[said["previousPhase"]]),
        status=PostStatus(posts.STATUS_OF_PHASE[said["phase"]]),
        previous_phase=PostPhase(said["previousPhase"]),
        phase=PostPhase(said["phase"]),
        previous_target_status=TargetStatus(said["previousStatus"]) if target else None,
        target_status=TargetStatus(said["status"]) if target else None,
    )
