"""The 18 permissions and the six default roles; nothing else."""

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """What a member may do in a workspace."""

    POSTS_CREATE = "posts.create"
    POSTS_EDIT = "posts.edit"
    POSTS_DELETE = "posts.delete"
    POSTS_PUBLISH = "posts.publish"
    POSTS_SCHEDULE = "posts.schedule"
    MEDIA_UPLOAD = "media.upload"
    MEDIA_DELETE = "media.delete"
    BRANDS_CREATE = "brands.create"
    BRANDS_EDIT = "brands.edit"
    BRANDS_DELETE = "brands.delete"
    ACCOUNTS_CONNECT = "accounts.connect"
    ACCOUNTS_DISCONNECT = "accounts.disconnect"
    ANALYTICS_VIEW = "analytics.view"
    ANALYTICS_EXPORT = "analytics.export"
    USERS_INVITE = "users.invite"
    USERS_MANAGE = "users.manage"
    ROLES_MANAGE = "roles.manage"
    WORKSPACE_SETTINGS = "workspace.settings"


DESCRIPTIONS = {
    Permission.POSTS_CREATE: "Create new posts",
    Permission.POSTS_EDIT: "Edit existing posts",
    Permission.POSTS_DELETE: "Delete posts",
    Permission.POSTS_PUBLISH: "Publish posts",
    Permission.POSTS_SCHEDULE: "Schedule posts",
    Permission.MEDIA_UPLOAD: "Upload media assets",
    Permission.MEDIA_DELETE: "Delete media assets",
    Permission.BRANDS_CREATE: "Create brands",
    Permission.BRANDS_EDIT: "Edit brands",
    Permission.BRANDS_DELETE: "Delete brands",
    Permission.ACCOUNTS_CONNECT: "Connect social accounts",
    Permission.ACCOUNTS_DISCONNECT: "Disconnect accounts",
    Permission.ANALYTICS_VIEW: "View analytics",
    Permission.ANALYTICS_EXPORT: "Export analytics data",
    Permission.USERS_INVITE: "Invite team members",
    Permission.USERS_MANAGE: "Manage team members",
    Permission.ROLES_MANAGE: "Manage roles",
    Permission.WORKSPACE_SETTINGS: "Modify workspace settings",
}
P = Permission
_ALL = frozenset(Permission)
_ADMIN_ONLY = {P.BRANDS_DELETE, P.USERS_MANAGE, P.ROLES_MANAGE, P.WORKSPACE_SETTINGS}


@dataclass(frozen=True, slots=True)
class DefaultRole:
    """A role every workspace starts with and nobody can edit."""

    name: str
    permissions: frozenset[Permission]
    own_posts_only: bool = False


OWNER = DefaultRole("Owner", _ALL)
ADMIN = DefaultRole("Admin", _ALL)
DEFAULT_ROLES = (
    OWNER,
    ADMIN,
    DefaultRole("Manager", _ALL - _ADMIN_ONLY),
    DefaultRole(
        "Editor",
        frozenset(
            {P.POSTS_CREATE, P.POSTS_EDIT, P.POSTS_SCHEDULE, P.MEDIA_UPLOAD, P.ANALYTICS_VIEW}
        ),
    ),
    DefaultRole(
        "Contributor",
        frozenset({P.POSTS_CREATE, P.POSTS_EDIT, P.MEDIA_UPLOAD}),
        own_posts_only=True,
    ),
    DefaultRole("Analyst", frozenset({P.ANALYTICS_VIEW, P.ANALYTICS_EXPORT})),
)
