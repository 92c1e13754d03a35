"""Which relation reads an object by its id: the id tells its type."""

from collections.abc import Mapping
from typing import Any

from mypost import ids
from mypost.models import (
    accounts,
    approvals,
    brands,
    connections,
    invitations,
    posts,
    roles,
    users,
    webhooks,
    workspaces,
)
from mypost.models.relations import Relation
from mypost.permissions import Permission

KINDS: Mapping[ids.Tag | None, Relation[Any]] = {
    ids.Tag.USER: users.BY_ID,
    ids.Tag.WORKSPACE: workspaces.BY_ID,
    ids.Tag.ROLE: roles.BY_ID,
    ids.Tag.INVITATION: invitations.BY_ID,
    ids.Tag.BRAND: brands.BY_ID,
    ids.Tag.ACCOUNT: accounts.BY_ID,
    ids.Tag.CONNECTION: connections.BY_ID,
    ids.Tag.POST: posts.BY_ID,
    ids.Tag.APPROVAL: approvals.BY_ID,
    ids.Tag.TARGET: posts.TARGET_BY_ID,
    ids.Tag.WEBHOOK: webhooks.BY_ID,
    ids.Tag.DELIVERY: webhooks.DELIVERY_BY_ID,
}
# What a member sees only with this permission; every other object is every member's to see.
NEEDS: Mapping[ids.Tag | None, Permission] = {
    ids.Tag.WEBHOOK: Permission.WORKSPACE_SETTINGS,
    ids.Tag.DELIVERY: Permission.WORKSPACE_SETTINGS,
}
