"""Subscription: one line per field, each behind its operation's gate."""

import strawberry

import mypost.resolvers  # noqa: F401 - declares the operations
from mypost.schema.roots import heard


@strawberry.type(description="Hearing what happens as it happens.")
class Subscription:
    """Hearing what happens as it happens."""

    post_status_changed = heard("post_status_changed")
    approval_changed = heard("approval_changed")
