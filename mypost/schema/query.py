"""Query: one line per field, each behind its operation's gate."""

import strawberry

import mypost.resolvers  # noqa: F401 - declares the operations
from mypost.engine.cost import ListSize
from mypost.resolvers.nodes import MAX_IDS
from mypost.schema.account import AccessToken, Session
from mypost.schema.accounts import SocialAccount
from mypost.schema.approvals import Approval
from mypost.schema.audit import AuditEvent
from mypost.schema.brands import Brand
from mypost.schema.common import Connection, Node, pages
from mypost.schema.connections import SocialConnection
from mypost.schema.limits import RateLimit
from mypost.schema.posts import Post
from mypost.schema.roles import PermissionInfo
from mypost.schema.roots import asked
from mypost.schema.users import Viewer
from mypost.schema.webhooks import Delivery, Webhook
from mypost.schema.workspaces import Workspace

NODES = ListSize(
    assumed_size=MAX_IDS, require_one_slicing_argument=False, slicing_arguments=["ids"]
)


@strawberry.type(description="Reading.")
class Query:
    """Reading."""

    node: Node | None = asked("node")
    nodes: list[Node | None] = asked("nodes", NODES)
    viewer: Viewer = asked("viewer")
    workspaces: Connection[Workspace] = asked("workspaces", pages("first"))
    workspace: Workspace | None = asked("workspace")
    brand: Brand | None = asked("brand")
    social_account: SocialAccount | None = asked("social_account")
    social_connection: SocialConnection | None = asked("social_connection")
    post: Post | None = asked("post")
    approval: Approval | None = asked("approval")
    audit_events: Connection[AuditEvent] = asked("audit_events", pages("first"))
    webhooks: Connection[Webhook] = asked("webhooks", pages("first"))
    webhook: Webhook | None = asked("webhook")
    delivery: Delivery | None = asked("delivery")
    sessions: Connection[Session] = asked("sessions", pages())
    access_tokens: Connection[AccessToken] = asked("access_tokens", pages())
    permissions: Connection[PermissionInfo] = asked("permissions", pages())
    rate_limit: RateLimit = asked("rate_limit")
