"""One test, two doors: each operation spelled for GraphQL and for REST, and one answer for both."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tests.client import Api, Person

APPROVAL = "{ id postId status requestedBy requestedAt decidedBy decidedAt reason contentHash }"
POST = (
    "{ id brandId content status phase version mediaIds targetAccountIds tags scheduledAt"
    " scheduledLocal { localTime timezone } publishedAt createdBy createdAt updatedAt"
    f" approval {APPROVAL}"
    " targets { id accountId network status content mediaIds options externalId externalUrl"
    " publishedAt attempts nextAttemptAt"
    " error { category source retryable message networkCode } risk } }"
)
FAULTS = "faults { code message path }"
CHECK = (
    f"{{ valid {FAULTS} targets {{ accountId network valid"
    f" counts {{ unit count min max fits }} {FAULTS} }} }}"
)
BRAND = "{ id workspaceId name description timezone accountCount version createdAt updatedAt }"
WORKSPACE = (
    "{ id name slug timezone settings { approvalRequired allowSelfApproval } role { id name }"
    " version createdAt updatedAt }"
)
ACCOUNT = (
    "{ id brandId network name handle externalId profileImageUrl status scopes tokenExpiresAt"
    " lastError limits { text { unit max } } hold { reason until }"
    " budget { limit remaining resetsAt } createdAt updatedAt }"
)
OFFER = (
    "{ connectionId kind authorizationUrl state expiresAt"
    " fields { name label secret help choices } }"
)
ROLE = (
    "{ id workspaceId name permissions system ownPostsOnly userCount version createdAt updatedAt }"
)
INVITATION = "{ id workspaceId email roleId status expiresAt createdAt }"
MEMBER = "{ id email name role { id name } status joinedAt lastActiveAt }"
SESSION = "accessToken expiresIn refreshToken refreshExpiresIn"
ERRORS = "userErrors { code message path }"
LOGIN = f"{{ {SESSION} user {{ id email name }} {ERRORS} }}"
CONNECTION = (
    f"{{ id network status error expiresAt choices {{ id name handle }} accounts {ACCOUNT} }}"
)


WEBHOOK = (
    "{ id workspaceId url events active secret failingSince disabledAt disabledReason version"
    " createdAt updatedAt }"
)
DELIVERY = (
    "{ id webhookId event status body attemptCount"
    " attempts { at statusCode durationMs error answer } nextAttemptAt deliveredAt createdAt }"
)


@dataclass(frozen=True)
class Spelling:
    """How one operation is spelled by each door; path names are filled from the input."""

    rest: str
    kind: str
    root: str
    input_type: str
    selection: str
    takes: str | None = None


OPERATIONS = {
    "register": Spelling("POST /auth/register", "mutation", "register", "RegisterInput", LOGIN),
    "login": Spelling("POST /auth/login", "mutation", "login", "LoginInput", LOGIN),
    "refresh": Spelling(
        "POST /auth/refresh",
        "mutation",
        "refreshSession",
        "RefreshSessionInput",
        f"{{ {SESSION} {ERRORS} }}",
    ),
    "create_workspace": Spelling(
        "POST /workspaces",
        "mutation",
        "createWorkspace",
        "CreateWorkspaceInput",
        WORKSPACE,
        "workspace",
    ),
    "update_workspace": Spelling(
        "PATCH /workspaces/{id}",
        "mutation",
        "updateWorkspace",
        "UpdateWorkspaceInput",
        WORKSPACE,
        "workspace",
    ),
    "transfer_workspace": Spelling(
        "POST /workspaces/{id}/transfer",
        "mutation",
        "transferWorkspace",
        "TransferWorkspaceInput",
        WORKSPACE,
        "workspace",
    ),
    "delete_workspace": Spelling(
        "DELETE /workspaces/{id}?force={force}",
        "mutation",
        "deleteWorkspace",
        "DeleteWorkspaceInput",
        "",
        "deletedId",
    ),
    "update_viewer": Spelling(
        "PATCH /auth/me",
        "mutation",
        "updateViewer",
        "UpdateViewerInput",
        "{ id email name timezone"
        " notifications { postFailed postNeedsConfirmation accountNeedsReauth } }",
        "viewer",
    ),
    "change_password": Spelling(
        "POST /auth/password",
        "mutation",
        "changePassword",
        "ChangePasswordInput",
        f"{{ success {ERRORS} }}",
    ),
    "revoke_session": Spelling(
        "DELETE /auth/sessions/{id}",
        "mutation",
        "revokeSession",
        "RevokeSessionInput",
        "",
        "deletedId",
    ),
    "create_access_token": Spelling(
        "POST /auth/tokens",
        "mutation",
        "createAccessToken",
        "CreateAccessTokenInput",
        "{ id name permissions token expiresAt lastUsedAt createdAt }",
        "accessToken",
    ),
    "revoke_access_token": Spelling(
        "DELETE /auth/tokens/{id}",
        "mutation",
        "revokeAccessToken",
        "RevokeAccessTokenInput",
        "",
        "deletedId",
    ),
    "invite_user": Spelling(
        "POST /workspaces/{workspaceId}/users/invite",
        "mutation",
        "inviteUser",
        "InviteUserInput",
        INVITATION,
        "invitation",
    ),
    "resend_invitation": Spelling(
        "POST /invitations/{id}/resend",
        "mutation",
        "resendInvitation",
        "InvitationActionInput",
        INVITATION,
        "invitation",
    ),
    "revoke_invitation": Spelling(
        "DELETE /invitations/{id}",
        "mutation",
        "revokeInvitation",
        "InvitationActionInput",
        INVITATION,
        "invitation",
    ),
    "forgot": Spelling(
        "POST /auth/password/forgot",
        "mutation",
        "requestPasswordReset",
        "RequestPasswordResetInput",
        f"{{ success {ERRORS} }}",
    ),
    "reset": Spelling(
        "POST /auth/password/reset",
        "mutation",
        "resetPassword",
        "ResetPasswordInput",
        f"{{ success {ERRORS} }}",
    ),
    "create_role": Spelling(
        "POST /workspaces/{workspaceId}/roles",
        "mutation",
        "createRole",
        "CreateRoleInput",
        ROLE,
        "role",
    ),
    "update_role": Spelling(
        "PATCH /roles/{id}", "mutation", "updateRole", "UpdateRoleInput", ROLE, "role"
    ),
    "delete_role": Spelling(
        "DELETE /roles/{id}", "mutation", "deleteRole", "DeleteRoleInput", "", "deletedId"
    ),
    "update_member": Spelling(
        "PATCH /workspaces/{workspaceId}/users/{userId}",
        "mutation",
        "updateMember",
        "UpdateMemberInput",
        MEMBER,
        "member",
    ),
    "remove_member": Spelling(
        "DELETE /workspaces/{workspaceId}/users/{userId}",
        "mutation",
        "removeMember",
        "RemoveMemberInput",
        "",
        "deletedId",
    ),
    "create_brand": Spelling(
        "POST /workspaces/{workspaceId}/brands",
        "mutation",
        "createBrand",
        "CreateBrandInput",
        BRAND,
        "brand",
    ),
    "update_brand": Spelling(
        "PATCH /brands/{id}", "mutation", "updateBrand", "UpdateBrandInput", BRAND, "brand"
    ),
    "connect": Spelling(
        "POST /brands/{brandId}/social-accounts",
        "mutation",
        "connectSocialAccount",
        "ConnectSocialAccountInput",
        OFFER,
        "connection",
    ),
    "reconnect": Spelling(
        "POST /social-accounts/{id}/reconnect",
        "mutation",
        "reconnectSocialAccount",
        "ReconnectSocialAccountInput",
        OFFER,
        "connection",
    ),
    "complete": Spelling(
        "POST /social-connections/{id}",
        "mutation",
        "completeConnection",
        "CompleteConnectionInput",
        CONNECTION,
        "connection",
    ),
    "create_post": Spelling(
        "POST /brands/{brandId}/posts", "mutation", "createPost", "CreatePostInput", POST, "post"
    ),
    "create_posts": Spelling(
        "POST /brands/{brandId}/posts/bulk",
        "mutation",
        "createPosts",
        "CreatePostsInput",
        f"{{ created results {{ post {POST} {FAULTS} }} {ERRORS} }}",
    ),
    "validate_post": Spelling(
        "POST /brands/{brandId}/posts/validate",
        "mutation",
        "validatePost",
        "ValidatePostInput",
        CHECK,
        "check",
    ),
    "duplicate_post": Spelling(
        "POST /posts/{id}/duplicate",
        "mutation",
        "duplicatePost",
        "DuplicatePostInput",
        POST,
        "post",
    ),
    "update_post": Spelling(
        "PATCH /posts/{id}", "mutation", "updatePost", "UpdatePostInput", POST, "post"
    ),
    "schedule_post": Spelling(
        "POST /posts/{id}/schedule", "mutation", "schedulePost", "SchedulePostInput", POST, "post"
    ),
    "publish_post": Spelling(
        "POST /posts/{id}/publish", "mutation", "publishPost", "PostActionInput", POST, "post"
    ),
    "cancel_post": Spelling(
        "POST /posts/{id}/cancel", "mutation", "cancelPost", "PostActionInput", POST, "post"
    ),
    "retry": Spelling(
        "POST /posts/{id}/targets/{targetId}/retry",
        "mutation",
        "retryTarget",
        "RetryTargetInput",
        POST,
        "post",
    ),
    "resolve": Spelling(
        "POST /posts/{id}/targets/{targetId}/resolve",
        "mutation",
        "resolveTarget",
        "ResolveTargetInput",
        POST,
        "post",
    ),
    "submit_post_for_approval": Spelling(
        "POST /posts/{id}/approvals",
        "mutation",
        "submitPostForApproval",
        "PostActionInput",
        APPROVAL,
        "approval",
    ),
    "approve_approval": Spelling(
        "POST /approvals/{id}/approve",
        "mutation",
        "approveApproval",
        "ApprovalActionInput",
        APPROVAL,
        "approval",
    ),
    "reject_approval": Spelling(
        "POST /approvals/{id}/reject",
        "mutation",
        "rejectApproval",
        "RejectApprovalInput",
        APPROVAL,
        "approval",
    ),
    "withdraw_approval": Spelling(
        "POST /approvals/{id}/withdraw",
        "mutation",
        "withdrawApproval",
        "ApprovalActionInput",
        APPROVAL,
        "approval",
    ),
    "approval": Spelling("GET /approvals/{id}", "query", "approval", "", APPROVAL),
    "workspace": Spelling("GET /workspaces/{id}", "query", "workspace", "", WORKSPACE),
    "brand": Spelling("GET /brands/{id}", "query", "brand", "", BRAND),
    "post": Spelling("GET /posts/{id}", "query", "post", "", POST),
    "connection": Spelling(
        "GET /social-connections/{id}", "query", "socialConnection", "", CONNECTION
    ),
    "delete_post": Spelling(
        "DELETE /posts/{id}", "mutation", "deletePost", "PostActionInput", "", "deletedId"
    ),
    "delete_brand": Spelling(
        "DELETE /brands/{id}?force={force}",
        "mutation",
        "deleteBrand",
        "DeleteBrandInput",
        "",
        "deletedId",
    ),
    "create_webhook": Spelling(
        "POST /webhooks", "mutation", "createWebhook", "CreateWebhookInput", WEBHOOK, "webhook"
    ),
    "update_webhook": Spelling(
        "PATCH /webhooks/{id}",
        "mutation",
        "updateWebhook",
        "UpdateWebhookInput",
        WEBHOOK,
        "webhook",
    ),
    "delete_webhook": Spelling(
        "DELETE /webhooks/{id}", "mutation", "deleteWebhook", "DeleteWebhookInput", "", "deletedId"
    ),
    "rotate_webhook_secret": Spelling(
        "POST /webhooks/{id}/rotate-secret",
        "mutation",
        "rotateWebhookSecret",
        "RotateWebhookSecretInput",
        WEBHOOK,
        "webhook",
    ),
    "test_webhook": Spelling(
        "POST /webhooks/{id}/test",
        "mutation",
        "testWebhook",
        "WebhookActionInput",
        DELIVERY,
        "delivery",
    ),
    "redeliver_webhook": Spelling(
        "POST /webhooks/{id}/redeliver",
        "mutation",
        "redeliverWebhook",
        "RedeliverWebhookInput",
        f"{{ queued {ERRORS} }}",
    ),
    "redeliver_delivery": Spelling(
        "POST /deliveries/{id}/redeliver",
        "mutation",
        "redeliverDelivery",
        "RedeliverDeliveryInput",
        DELIVERY,
        "delivery",
    ),
    "webhook": Spelling("GET /webhooks/{id}", "query", "webhook", "", WEBHOOK),
    "delivery": Spelling("GET /deliveries/{id}", "query", "delivery", "", DELIVERY),
    "disconnect": Spelling(
        "DELETE /social-accounts/{id}",
        "mutation",
        "disconnectSocialAccount",
        "DisconnectSocialAccountInput",
        "{ id }",
        "account",
    ),
}

# Enum values are in capitals by GraphQL and lower-case words by REST.
ENUM_FIELDS = {"network", "refreshTokenIn", "permissions", "outcome", "events"}
ENUM_ANSWERS = {"status", "phase", "network", "kind", "permissions", "risk", "reason", "events",
                "disabledReason"}  # fmt: skip
STATUS_OF = {
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "VALIDATION_ERROR": 400,
    "CONFLICT": 409,
    "PRECONDITION_FAILED": 412,
    "RATE_LIMITED": 429,
    "INTERNAL_ERROR": 500,
}
OF_USER_ERROR = {"INVALID_STATE": "CONFLICT", "STALE_VERSION": "PRECONDITION_FAILED"}


@dataclass(frozen=True)
class Answer:
    """What an operation answered, whichever the door: the object, or a code and its places."""

    body: Any
    code: str | None = None
    details: tuple[tuple[str, str], ...] = ()
    request_id: str | None = None

    @property
    def paths(self) -> set[str]:
        return {path for path, _ in self.details}

    @property
    def ok(self) -> Any:
        assert self.code is None, self
        return self.body


class Door(Protocol):
    """A way in."""

    name: str

    async def call(self, who: "Person | None", operation: str, **given: Any) -> Answer: ...


def _upper(value: Any) -> Any:
    if isinstance(value, list):
        return [_upper(item) for item in value]
    return value.replace(".", "_").upper() if isinstance(value, str) else value


def _lower(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {k: _lower(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_lower(item, key) for item in value]
    if key in ("permissions", "events") and isinstance(value, str):
        return value.lower().replace("_", ".", 1)
    return value.lower() if key in ENUM_ANSWERS and isinstance(value, str) else value


class GraphQLDoor:
    """POST /graphql."""

    name = "graphql"

    def __init__(self, api: "Api") -> None:
        self.api = api

    async def call(self, who: "Person | None", operation: str, **given: Any) -> Answer:
        spelling = OPERATIONS[operation]
        input = {k: _upper(v) if k in ENUM_FIELDS else v for k, v in given.items()}
        if spelling.kind == "query":
            text = f"query($id: ID!) {{ {spelling.root}(id: $id) {spelling.selection} }}"
            variables = input
        else:
            wrapped = spelling.selection
            if spelling.takes:
                wrapped = f"{{ {spelling.takes} {spelling.selection} {ERRORS} }}"
            text = (
                f"mutation($i: {spelling.input_type}!) {{ {spelling.root}(input: $i) {wrapped} }}"
            )
            variables = {"i": input}
        said = await self.api.gql(text, variables, token=who.token if who else None)
        return self._answer(said, spelling, given)

    def _answer(self, said: dict[str, Any], spelling: Spelling, given: dict[str, Any]) -> Answer:
        if said.get("errors"):
            error = said["errors"][0]
            details = tuple(
                (d["path"], d["message"]) for d in error["extensions"].get("details", ())
            )
            return Answer(
                None, error["extensions"]["code"], details, error["extensions"]["requestId"]
            )
        found = said["data"][spelling.root]
        if spelling.kind == "query":
            return Answer(_lower(found))
        errors = found.pop("userErrors")
        if errors:
            codes = {OF_USER_ERROR.get(e["code"], "VALIDATION_ERROR") for e in errors}
            code = "VALIDATION_ERROR" if "VALIDATION_ERROR" in codes else codes.pop()
            details = tuple((".".join(e["path"]), e["message"]) for e in errors)
            # An unknown id that REST carries in its path is a 404 there.
            if errors[0]["code"] == "NOT_FOUND" and f"{{{details[0][0]}}}" in spelling.rest:
                code, details = "NOT_FOUND", ()
            return Answer(None, code, details)
        return Answer(_lower(found[spelling.takes] if spelling.takes else found))


class RestDoor:
    """/api/v1."""

    name = "rest"

    def __init__(self, api: "Api") -> None:
        self.api = api

    async def call(self, who: "Person | None", operation: str, **given: Any) -> Answer:
        method, path = OPERATIONS[operation].rest.split(" ", 1)
        given = {"force": "false", **given} if "{force}" in path else given
        body = {k: v for k, v in given.items() if f"{{{k}}}" not in path}
        path = path.format(**given)
        headers = {}
        if "expectedVersion" in body:
            headers["if-match"] = f'"{body.pop("expectedVersion")}"'
        token = who.token if who else None
        answer = await self.api.rest(
            method,
            path,
            body if method in ("POST", "PATCH") else None,
            token=token,
            headers=headers,
        )
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert answer.status_code == STATUS_OF[error["code"]]
            details = tuple((d["path"], d["message"]) for d in error["details"])
            return Answer(None, error["code"], details, error["requestId"])
        return Answer(answer.json() if answer.content else given.get("id"))
