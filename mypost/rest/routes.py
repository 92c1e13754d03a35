"""The table: every REST endpoint is one row that names a field of the schema; nothing else."""

from dataclasses import dataclass

BASE = "/api/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: what it is called here, and the field of the schema that answers it.

    `include`, `omit` and `optional` name keys of the answer: relations that are shown too, fields
    that are not shown, keys left out when null. `query` names input fields taken from the query
    string. `location` is where a created thing stands, under the base.
    """

    method: str
    path: str
    field: str
    status: int = 200
    include: tuple[str, ...] = ()
    omit: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    location: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


SESSION = ("refreshToken", "refreshExpiresIn")
OFFER = ("authorizationUrl",)
CONNECTION = "/social-connections/{connectionId}"
HIDDEN = ("viewerPermissions",)
TARGETS = ("targets", "approval")
SECRET = ("secret",)

ROUTES = (
    Route("POST", "/auth/register", "register", 201, ("user",), (), SESSION, (), "/auth/me"),
    Route("POST", "/auth/login", "login", include=("user",), optional=SESSION),
    Route("POST", "/auth/refresh", "refreshSession", optional=SESSION),
    Route("POST", "/auth/logout", "logout", 204),
    Route("GET", "/auth/me", "viewer"),
    Route("PATCH", "/auth/me", "updateViewer"),
    Route("POST", "/auth/password", "changePassword", 204),
    Route("POST", "/auth/password/forgot", "requestPasswordReset", 202),
    Route("POST", "/auth/password/reset", "resetPassword", 204),
    Route(
        "POST", "/auth/invitations/accept", "acceptInvitation",
        include=("user",), optional=SESSION,
    ),
    Route("GET", "/auth/sessions", "sessions"),
    Route("DELETE", "/auth/sessions/{id}", "revokeSession", 204),
    Route("GET", "/auth/tokens", "accessTokens", omit=("token",)),
    Route("POST", "/auth/tokens", "createAccessToken", 201, location="/auth/tokens"),
    Route("DELETE", "/auth/tokens/{id}", "revokeAccessToken", 204),
    Route("GET", "/workspaces", "workspaces", omit=HIDDEN),
    Route("POST", "/workspaces", "createWorkspace", 201, omit=HIDDEN),
    Route("GET", "/workspaces/{id}", "workspace", omit=HIDDEN),
    Route("PATCH", "/workspaces/{id}", "updateWorkspace", omit=HIDDEN),
    Route("DELETE", "/workspaces/{id}", "deleteWorkspace", 204, query=("force",)),
    Route("POST", "/workspaces/{id}/transfer", "transferWorkspace", omit=HIDDEN),
    Route("GET", "/workspaces/{workspaceId}/users", "workspace.users"),
    Route(
        "POST", "/workspaces/{workspaceId}/users/invite", "inviteUser", 201,
        location="/workspaces/{workspaceId}/invitations",
    ),
    Route("GET", "/workspaces/{workspaceId}/invitations", "workspace.invitations"),
    Route("POST", "/invitations/{id}/resend", "resendInvitation"),
    Route("DELETE", "/invitations/{id}", "revokeInvitation", 204),
    Route("PATCH", "/workspaces/{workspaceId}/users/{userId}", "updateMember"),
    Route("DELETE", "/workspaces/{workspaceId}/users/{userId}", "removeMember", 204),
    Route("GET", "/workspaces/{workspaceId}/roles", "workspace.roles"),
    Route("POST", "/workspaces/{workspaceId}/roles", "createRole", 201),
    Route("PATCH", "/roles/{id}", "updateRole"),
    Route("DELETE", "/roles/{id}", "deleteRole", 204),
    Route("GET", "/permissions", "permissions"),
    Route("GET", "/workspaces/{workspaceId}/audit-events", "auditEvents"),
    Route("GET", "/workspaces/{workspaceId}/brands", "workspace.brands"),
    Route("POST", "/workspaces/{workspaceId}/brands", "createBrand", 201),
    Route("GET", "/workspaces/{workspaceId}/calendar", "workspace.calendar"),
    Route("GET", "/brands/{id}", "brand"),
    Route("PATCH", "/brands/{id}", "updateBrand"),
    Route("DELETE", "/brands/{id}", "deleteBrand", 204, query=("force",)),
    Route("GET", "/brands/{brandId}/social-accounts", "brand.socialAccounts"),
    Route(
        "POST", "/brands/{brandId}/social-accounts", "connectSocialAccount", 201,
        optional=OFFER, location=CONNECTION,
    ),
    Route("DELETE", "/social-accounts/{id}", "disconnectSocialAccount", 204),
    Route(
        "POST", "/social-accounts/{id}/reconnect", "reconnectSocialAccount", 201,
        optional=OFFER, location=CONNECTION,
    ),
    Route(
        "GET", "/social-connections/{id}", "socialConnection",
        include=("accounts",), optional=("choices",),
    ),
    Route(
        "POST", "/social-connections/{id}", "completeConnection",
        include=("accounts",), optional=("choices",),
    ),
    Route("GET", "/brands/{brandId}/posts", "brand.posts", include=TARGETS),
    Route("POST", "/brands/{brandId}/posts", "createPost", 201, include=TARGETS),
    Route(
        "POST", "/brands/{brandId}/posts/bulk", "createPosts",
        include=("results.post", *(f"results.post.{name}" for name in TARGETS)),
    ),
    Route("POST", "/brands/{brandId}/posts/validate", "validatePost"),
    Route("GET", "/brands/{brandId}/calendar", "brand.calendar"),
    Route("GET", "/posts/{id}", "post", include=TARGETS),
    Route("PATCH", "/posts/{id}", "updatePost", include=TARGETS),
    Route("DELETE", "/posts/{id}", "deletePost", 204),
    Route(
        "POST", "/posts/{id}/duplicate", "duplicatePost", 201,
        include=TARGETS, location="/posts/{id}",
    ),
    Route("POST", "/posts/{id}/schedule", "schedulePost", include=TARGETS),
    Route("POST", "/posts/{id}/publish", "publishPost", 202, include=TARGETS),
    Route("POST", "/posts/{id}/cancel", "cancelPost", include=TARGETS),
    Route("POST", "/posts/{id}/targets/{targetId}/retry", "retryTarget", 202, include=TARGETS),
    Route("POST", "/posts/{id}/targets/{targetId}/resolve", "resolveTarget", include=TARGETS),
    Route("POST", "/posts/{id}/approvals", "submitPostForApproval", 201),
    Route("GET", "/workspaces/{workspaceId}/approvals", "workspace.approvals"),
    Route("GET", "/approvals/{id}", "approval"),
    Route("POST", "/approvals/{id}/approve", "approveApproval"),
    Route("POST", "/approvals/{id}/reject", "rejectApproval"),
    Route("POST", "/approvals/{id}/withdraw", "withdrawApproval"),
    Route("GET", "/webhooks", "webhooks", omit=SECRET),
    Route("POST", "/webhooks", "createWebhook", 201),
    Route("GET", "/webhooks/{id}", "webhook", omit=SECRET),
    Route("PATCH", "/webhooks/{id}", "updateWebhook", omit=SECRET),
    Route("DELETE", "/webhooks/{id}", "deleteWebhook", 204),
    Route("POST", "/webhooks/{id}/test", "testWebhook", 202),
    Route("POST", "/webhooks/{id}/rotate-secret", "rotateWebhookSecret"),
    Route("POST", "/webhooks/{id}/redeliver", "redeliverWebhook", 202),
    Route("GET", "/webhooks/{webhookId}/deliveries", "webhook.deliveries"),
    Route("GET", "/deliveries/{id}", "delivery"),
    Route("POST", "/deliveries/{id}/redeliver", "redeliverDelivery", 202),
)  # fmt: skip
