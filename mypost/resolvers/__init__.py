"""What each operation does; importing the package declares all of them."""

from mypost.resolvers import (
    account,
    accounts,
    approvals,
    audit,
    auth,
    brands,
    connections,
    invitations,
    limits,
    members,
    nodes,
    passwords,
    posts,
    roles,
    status,
    workspaces,
)

__all__ = [
    "account",
    "accounts",
    "approvals",
    "audit",
    "auth",
    "brands",
    "connections",
    "invitations",
    "limits",
    "members",
    "nodes",
    "passwords",
    "posts",
    "roles",
    "status",
    "workspaces",
]
