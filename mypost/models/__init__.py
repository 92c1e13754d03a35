"""Rows and the rules that hold whatever the door."""

from mypost.models.accounts import Account
from mypost.models.approvals import Approval
from mypost.models.audit import AuditEvent
from mypost.models.brands import Brand
from mypost.models.connections import Connection
from mypost.models.invitations import Invitation
from mypost.models.posts import Post, PostTag, Target
from mypost.models.users import Member, RefreshToken, Role, Session, User
from mypost.models.webhooks import Delivery, Webhook
from mypost.models.workspaces import Workspace

__all__ = [
    "Account",
    "Approval",
    "AuditEvent",
    "Brand",
    "Connection",
    "Delivery",
    "Invitation",
    "Member",
    "Post",
    "PostTag",
    "RefreshToken",
    "Role",
    "Session",
    "Target",
    "User",
    "Webhook",
    "Workspace",
]
