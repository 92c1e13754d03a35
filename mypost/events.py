"""The catalogue of what happens, and where it is said."""

from enum import StrEnum

WAKE_CHANNEL = "mypost:wake"
STREAM = "mypost:events:{}"


class EventType(StrEnum):
    """Every event type; the database writes those of posts, targets, accounts and approvals."""

    POST_APPROVED = "post.approved"
    POST_CANCELLED = "post.cancelled"
    POST_DRAFT = "post.draft"
    POST_FAILED = "post.failed"
    POST_NEEDS_CONFIRMATION = "post.needs_confirmation"
    POST_PARTIALLY_PUBLISHED = "post.partially_published"
    POST_PENDING_APPROVAL = "post.pending_approval"
    POST_PUBLISHED = "post.published"
    POST_PUBLISHING = "post.publishing"
    POST_REJECTED = "post.rejected"
    POST_SCHEDULED = "post.scheduled"
    TARGET_CANCELLED = "target.cancelled"
    TARGET_FAILED = "target.failed"
    TARGET_NEEDS_CONFIRMATION = "target.needs_confirmation"
    TARGET_PENDING = "target.pending"
    TARGET_PUBLISHED = "target.published"
    TARGET_PUBLISHING = "target.publishing"
    TARGET_SCHEDULED = "target.scheduled"
    TARGET_UNKNOWN = "target.unknown"
    ACCOUNT_CONNECTED = "account.connected"
    ACCOUNT_DISCONNECTED = "account.disconnected"
    ACCOUNT_EXPIRING = "account.expiring"
    ACCOUNT_NEEDS_REAUTH = "account.needs_reauth"
    APPROVAL_APPROVED = "approval.approved"
    APPROVAL_REJECTED = "approval.rejected"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_VOIDED = "approval.voided"
    APPROVAL_WITHDRAWN = "approval.withdrawn"


class WebhookEvent(StrEnum):
    """What a webhook can be told; the database has its twin in `webhook_events`."""

    POST_SCHEDULED = "post.scheduled"
    POST_PUBLISHING = "post.publishing"
    POST_PUBLISHED = "post.published"
    POST_FAILED = "post.failed"
    POST_CANCELLED = "post.cancelled"
    POST_NEEDS_CONFIRMATION = "post.needs_confirmation"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_APPROVED = "approval.approved"
    APPROVAL_REJECTED = "approval.rejected"
    ACCOUNT_CONNECTED = "account.connected"
    ACCOUNT_EXPIRING = "account.expiring"
    ACCOUNT_NEEDS_REAUTH = "account.needs_reauth"
    ACCOUNT_DISCONNECTED = "account.disconnected"
