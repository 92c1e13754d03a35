"""The reference, literally: every request it shows is sent, every answer it shows comes back.

A section is one row of EXAMPLES, or one test where no row could say it. Rows whose endpoint the
table does not have yet are held against the text alone, and run as soon as it has.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from uuid import uuid4

import httpx2
import pytest

from mypost import settings
from mypost.networks.facebook import Facebook
from mypost.rest.codec import ENDPOINTS
from mypost.rest.routes import ROUTES
from tests.client import Api, Person
from tests.conftest import House
from tests.contract import FAR, NOW, TEXT, Example, Stage, differences, filled, sections, table

CLIENT = {"MYPOST_FACEBOOK_CLIENT_ID": "id", "MYPOST_FACEBOOK_CLIENT_SECRET": "secret"}
ALL = [name for name, _ in table("Available Permissions")]
EMPTY = {"nextCursor": None, "hasMore": False, "limit": 50}
ROLE = {"id": "uuid", "name": "Owner"}
STAMPS = {"createdAt": NOW, "updatedAt": NOW}
WORKSPACE = {
    "id": "workspace-uuid", "name": "John Doe's", "slug": "ws-...", "timezone": "UTC",
    "settings": {"approvalRequired": False, "allowSelfApproval": False}, "role": ROLE,
    "version": 1, **STAMPS,
}  # fmt: skip
BRAND = {
    "id": "brand-uuid", "workspaceId": "workspace-uuid", "name": "John Doe's brand",
    "description": None, "timezone": "UTC", "accountCount": 1, "version": 1, **STAMPS,
}  # fmt: skip
ACCOUNT = {
    "id": "uuid", "network": "facebook", "name": "My Page", "profileImageUrl": "https://...",
    "status": "active", "tokenExpiresAt": "2026-02-01T00:00:00Z",
}  # fmt: skip
OFFER = {"connectionId": "uuid", "kind": "...", "state": "...", "expiresAt": "2026-01-01T12:1..."}
TARGET = {
    "id": "uuid", "accountId": "account-uuid", "network": "facebook", "status": "pending",
    "content": None, "mediaIds": None, "options": {}, "externalId": None, "externalUrl": None,
    "publishedAt": None, "attempts": 0, "nextAttemptAt": None, "error": None,
}  # fmt: skip
POST = {
    "id": "uuid", "brandId": "brand-uuid", "content": "Hello world! 👋", "status": "draft",
    "phase": "draft", "mediaIds": [], "targetAccountIds": ["account-uuid"], "scheduledAt": None,
    "publishedAt": None, "tags": [], "createdBy": "user-uuid", "targets": [TARGET], **STAMPS,
}  # fmt: skip
PLANNED = {
    **POST, "status": "scheduled", "phase": "scheduled", "scheduledAt": FAR,
    "targets": [{**TARGET, "status": "scheduled"}],
}  # fmt: skip
APPROVAL = {
    "id": "uuid", "postId": "post-uuid", "status": "pending", "requestedBy": "other-uuid",
    "requestedAt": NOW, "decidedBy": None, "decidedAt": None, "reason": None,
    "contentHash": "...",
}  # fmt: skip


EXAMPLES = {
    "Login": Example(
        "POST /auth/login", {"email": "user@example.com", "password": "password123"}, 200,
        {"accessToken": "eyJhbGciOiJIUzI1NiIs...", "expiresIn": 900,
         "user": {"id": "uuid", "email": "user@example.com", "name": "John Doe"}},
    ),
    "Refresh Token": Example(
        "POST /auth/refresh", {"refreshToken": "refresh-token"}, 200,
        {"accessToken": "eyJ...", "expiresIn": 900},
    ),
    "Logout": Example("POST /auth/logout", None, 204),
    "Get Current User": Example(
        "GET /auth/me", None, 200,
        {"id": "user-uuid", "email": "user@example.com", "name": "John Doe", "timezone": "UTC",
         "workspaces": [{"id": "workspace-uuid", "name": "John Doe's", "role": ROLE,
                         "permissions": sorted(ALL)}]},
    ),
    "List Workspaces": Example("GET /workspaces", None, 200, {"data": [WORKSPACE], "page": EMPTY}),
    "Create Workspace": Example(
        "POST /workspaces", {"name": "Second"}, 201,
        {**WORKSPACE, "id": "uuid", "name": "Second", "slug": "..."},
    ),
    "Get Workspace": Example("GET /workspaces/:workspaceId", None, 200, WORKSPACE),
    "Update Workspace": Example(
        "PATCH /workspaces/:workspaceId", {"timezone": "Europe/Berlin"}, 200,
        {**WORKSPACE, "timezone": "Europe/Berlin", "version": 2},
    ),
    "List Brands": Example(
        "GET /workspaces/:workspaceId/brands", None, 200, {"data": [BRAND], "page": EMPTY}
    ),
    "Create Brand": Example(
        "POST /workspaces/:workspaceId/brands",
        {"name": "My Brand", "description": "Brand description"}, 201,
        {**BRAND, "id": "uuid", "name": "My Brand", "description": "Brand description",
         "accountCount": 0},
    ),
    "Get Brand": Example("GET /brands/:brandId", None, 200, BRAND),
    "Update Brand": Example(
        "PATCH /brands/:brandId", {"name": "New"}, 200, {**BRAND, "name": "New", "version": 2}
    ),
    "Delete Brand": Example("DELETE /brands/:brandId", None, 204),
    "List Social Accounts": Example(
        "GET /brands/:brandId/social-accounts", None, 200, {"data": [ACCOUNT]}
    ),
    "Connect Social Account": Example(
        "POST /brands/:brandId/social-accounts", {"network": "facebook"}, 201, OFFER
    ),
    "Disconnect Social Account": Example("DELETE /social-accounts/:accountId", None, 204),
    "Reconnect Social Account": Example(
        "POST /social-accounts/:accountId/reconnect", None, 201, OFFER
    ),
    "List Posts": Example(
        "GET /brands/:brandId/posts?status=scheduled", None, 200,
        {"data": [PLANNED], "page": EMPTY}, "scheduled",
    ),
    "Create Post": Example(
        "POST /brands/:brandId/posts",
        {"content": "Hello world! 👋", "mediaIds": ["uuid1", "uuid2"],
         "targetAccountIds": ["account-uuid"], "scheduledAt": "2026-01-15T14:00:00Z"}, 201,
        PLANNED,
    ),
    "Get Post": Example("GET /posts/:id", None, 200, POST, "post"),
    "Update Post": Example(
        "PATCH /posts/:id", {"content": "New"}, 200, {**POST, "content": "New"}, "post"
    ),
    "Delete Post": Example("DELETE /posts/:id", None, 204, None, "post"),
    "Schedule Post": Example(
        "POST /posts/:id/schedule", {"scheduledAt": "2026-01-15T14:00:00Z"}, 200, PLANNED, "post"
    ),
    "Publish Now": Example(
        "POST /posts/:id/publish", None, 202,
        {**PLANNED, "scheduledAt": NOW, "phase": "publishing",
         "targets": [{**TARGET, "status": "scheduled"}]}, "post",
    ),
    "Cancel Scheduled Post": Example("POST /posts/:id/cancel", None, 200, POST, "scheduled"),
    "Upload Media": Example(
        "POST /brands/:brandId/media",
        {"filename": "image.jpg", "mimeType": "image/jpeg", "size": 1024000}, 201,
        {"id": "uuid", "status": "pending", "uploadUrl": "http...",
         "upload": {"url": "http...", "method": "PUT"}},
    ),
    "List Media": Example("GET /brands/:brandId/media", None, 200, {"data": [], "page": EMPTY}),
    "Delete Media": Example("DELETE /media/:id", None, 204, None, "media"),
    "Brand Overview": Example(
        "GET /analytics/brands/:brandId", None, 200,
        {"followers": 15420, "followerGrowth": 523, "impressions": 142000, "engagement": 8532,
         "engagementRate": 6.01, "posts": 45},
    ),
    "Account Analytics": Example("GET /analytics/accounts/:accountId", None, 200, {}),
    "Post Analytics": Example("GET /analytics/posts/:id", None, 200, {}, "post"),
    "Export Analytics": Example(
        "POST /analytics/export",
        {"brandId": "uuid", "from": "2026-01-01", "to": "2026-01-31", "format": "csv"}, 202,
        {"id": "uuid", "status": "queued", "format": "csv"},
    ),
    "List Users": Example(
        "GET /workspaces/:workspaceId/users?limit=1", None, 200,
        {"data": [{"id": "other-uuid", "email": "bob...", "name": "Bob",
                   "role": {"id": "role-uuid", "name": "Editor"}, "status": "active",
                   "joinedAt": NOW, "lastActiveAt": NOW}],
         "page": {"nextCursor": "...", "hasMore": True, "limit": 1}},
    ),
    "Invite User": Example(
        "POST /workspaces/:workspaceId/users/invite",
        {"email": "newuser@example.com", "roleId": "role-uuid"}, 201,
        {"id": "uuid", "email": "newuser@example.com", "roleId": "role-uuid",
         "status": "pending", "expiresAt": "2026-01-08T12:0..."},
    ),
    "Update User Role": Example(
        "PATCH /workspaces/:workspaceId/users/:userId", {"roleId": "new-role-uuid"}, 200,
        {"id": "other-uuid", "role": {"id": "new-role-uuid", "name": "Manager"}},
    ),
    "Remove User": Example("DELETE /workspaces/:workspaceId/users/:userId", None, 204),
    "List Roles": Example(
        "GET /workspaces/:workspaceId/roles?limit=1", None, 200,
        {"data": [{"id": "uuid", "name": "Guest", "permissions": ["posts.edit"],
                   "system": False, "userCount": 0}]}, "role",
    ),
    "Create Role": Example(
        "POST /workspaces/:workspaceId/roles",
        {"name": "Content Manager", "permissions": [
            "posts.create", "posts.edit", "media.upload", "analytics.view"]}, 201,
        {"id": "uuid", "name": "Content Manager", "system": False, "userCount": 0,
         "permissions": ["analytics.view", "media.upload", "posts.create", "posts.edit"]},
    ),
    "Submit for Approval": Example(
        "POST /posts/:postId/approvals", None, 201, {**APPROVAL, "requestedBy": "user-uuid"}
    ),
    "Approve Post": Example(
        "POST /approvals/:id/approve", None, 200,
        {**APPROVAL, "status": "approved", "decidedBy": "user-uuid", "decidedAt": NOW}, "approval",
    ),
    "Reject Post": Example(
        "POST /approvals/:id/reject", {"reason": "Please revise the hashtags"}, 200,
        {**APPROVAL, "status": "rejected", "decidedBy": "user-uuid", "decidedAt": NOW,
         "reason": "Please revise the hashtags"}, "approval",
    ),
    "Get Audit Events": Example(
        "GET /workspaces/:workspaceId/audit-events?action=post.published&limit=1", None, 200,
        {"data": [{"id": "uuid", "action": "post.published", "userId": "uuid",
                   "resourceType": "post", "resourceId": "uuid",
                   "createdAt": "2026-01-01T12:00:00Z", "metadata": {}}],
         "page": {"nextCursor": "..."}}, "published",
    ),
    "Subscribe to Events": Example(
        "POST /webhooks",
        {"url": "https://your-server.com/webhook", "events": ["post.published", "post.failed"],
         "secret": "your-signing-secret"}, 201,
        {"id": "uuid", "url": "https://your-server.com/webhook", "active": True},
    ),
}  # fmt: skip
# Sections that a test of their own holds, and headlines of groups.
TESTED = {
    "Base URL", "Authentication", "Available Permissions", "Error Responses", "Error Codes",
    "Rate Limits", "Pagination",
}  # fmt: skip
GROUPS = {
    "API Reference", "Authentication Endpoints", "Workspaces", "Brands", "Social Accounts", "Posts",
    "Media", "Analytics", "Users & Team", "Roles", "Approval Workflows", "Audit Log", "Webhooks",
}  # fmt: skip
PAYLOAD = {
    "event": "post.published", "timestamp": "2026-01-01T12:00:00Z",
    "data": {"postId": "uuid", "brandId": "uuid", "publishedAt": "2026-01-01T12:00:00Z"},
}  # fmt: skip
ERROR = {
    "error": {
        "code": "VALIDATION_ERROR", "message": "Human readable message",
        "details": [{"path": "email", "message": "Invalid email format"}],
        "requestId": "req_abc123",
    }
}  # fmt: skip
SERVED = {(r.method, re.sub(r"\{\w+\}", "{}", r.path)) for r in ROUTES}
RUN = {name: e for name, e in EXAMPLES.items() if e.row in SERVED}


def test_every_section_of_the_reference_is_here() -> None:
    assert EXAMPLES.keys() | TESTED | GROUPS | {"Webhook Payload"} == sections().keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_sent_and_expected_is_what_the_reference_prints(name: str) -> None:
    printed, example = sections()[name], EXAMPLES[name]
    given = [block for block in (example.sent, example.answer) if block is not None]

    assert example.line.split("?")[0] == printed.line or printed.line is None
    assert all(block in given for block in printed.blocks)


def test_the_rest_of_what_it_prints_is_here_too() -> None:
    assert sections()["Webhook Payload"].blocks == (PAYLOAD,)
    assert sections()["Error Responses"].blocks == (ERROR,)


@pytest.fixture
async def stage(moved: House, api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """John Doe's workspace on the first of January; the installation has an app at Facebook."""
    network = Facebook(CLIENT, moved.settings.origin)
    monkeypatch.setitem(moved.services.networks, "facebook", network)
    await moved.shift(datetime.fromisoformat(NOW) - datetime.now(UTC))
    yield await Stage.set(moved, api)
    await network.close()


@pytest.mark.parametrize("name", RUN)
async def test_an_example_is_answered_as_the_reference_shows(stage: Stage, name: str) -> None:
    example = RUN[name]
    if example.sent and "mediaIds" in example.sent and ("GET", "/media/{}") not in SERVED:
        example = Example(example.line, {**example.sent, "mediaIds": []}, 201, example.answer)

    answer = await stage.send(example)

    assert answer.status_code == example.status, answer.text
    shown = filled(example.answer, stage.ids)
    assert list(differences(shown, answer.json() if answer.content else None)) == []
    assert (answer.status_code == 201) is ("location" in answer.headers)
    assert answer.headers.get("location", "/api/v1/").startswith("/api/v1/")


def test_a_deviation_would_be_seen() -> None:
    shown = {"id": "uuid", "n": 1, "list": [{"at": NOW}], "url": "https://...", "no": None}
    wrong = {"id": "uuid", "n": True, "list": [{"at": "2027-01-01T12:00:00Z"}], "url": "http://x"}

    assert len(list(differences({**shown, "id": "x"}, wrong))) == 5


async def test_every_endpoint_except_auth_requires_a_token(api: Api) -> None:
    for endpoint in ENDPOINTS:
        path = re.sub(r"\{\w+\}", str(uuid4()), endpoint.route.path)
        if not path.startswith("/auth/"):
            answer = await api.rest(endpoint.route.method, path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED")


async def test_the_permissions_are_these_in_these_words(ann: Person) -> None:
    listed = (await ann.rest("GET", "/permissions")).json()["data"]

    told = [(each["name"], each["description"]) for each in listed]
    assert sorted(told) == sorted(table("Available Permissions"))


async def test_an_error_has_this_form(api: Api) -> None:
    given = {"email": "nope", "password": "password123"}
    answer = await api.rest("POST", "/auth/login", given)

    assert answer.status_code == 400
    assert answer.json()["error"].keys() == ERROR["error"].keys()
    shown = {"error": {**ERROR["error"], "message": "..."}}
    assert list(differences(shown, answer.json())) == []


async def unknown(who: Person) -> httpx2.Response:
    return await who.rest("GET", f"/posts/{uuid4()}")


async def nobody(who: Person) -> httpx2.Response:
    return await who.api.rest("GET", "/auth/me", token="nonsense")


async def forbidden(who: Person) -> httpx2.Response:
    analyst = await who.api.colleague(who, "Analyst")
    return await analyst.rest("POST", f"/workspaces/{who.workspace}/brands", {"name": "No"})


async def invalid(who: Person) -> httpx2.Response:
    return await who.rest("POST", f"/brands/{who.brand}/posts", {"content": 7})


async def too_often(who: Person) -> httpx2.Response:
    # The eleventh guess at a password.
    given = {"email": who.email, "password": "a guess"}
    return [await who.api.rest("POST", "/auth/login", given) for _ in range(11)][-1]


async def broken(who: Person) -> httpx2.Response:
    # A table that the application may not read.
    sql = who.api.house.owner
    await sql.execute("REVOKE SELECT ON invitations FROM mypost_app")
    try:
        return await who.rest("GET", f"/workspaces/{who.workspace}/invitations")
    finally:
        await sql.execute("GRANT SELECT ON invitations TO mypost_app")


REFUSALS: dict[str, Callable[[Person], Awaitable[httpx2.Response]]] = {
    "UNAUTHORIZED": nobody, "FORBIDDEN": forbidden, "NOT_FOUND": unknown,
    "VALIDATION_ERROR": invalid, "RATE_LIMITED": too_often, "INTERNAL_ERROR": broken,
}  # fmt: skip


@pytest.mark.parametrize(("code", "status"), [row[:2] for row in table("Error Codes")])
async def test_a_code_has_its_status(ann: Person, code: str, status: str) -> None:
    answer = await REFUSALS[code](ann)

    error = answer.json()["error"]
    assert (error["code"], answer.status_code) == (code, int(status))
    assert error.keys() == ERROR["error"].keys()
    assert error["requestId"] == answer.headers["x-request-id"]
    assert ("retry-after" in answer.headers) is (code == "RATE_LIMITED")


def test_the_limits_are_these() -> None:
    plain = settings.read({})
    limits = {"Global": plain.rate_global, "Per Workspace": plain.rate_workspace,
              "Per User": plain.rate_user}  # fmt: skip

    assert [(k, f"{limits[k]} req/sec") for k in limits] == table("Rate Limits")


async def test_every_answer_tells_what_is_left(ann: Person) -> None:
    for path in ("/auth/me", f"/posts/{uuid4()}", f"/brands/{ann.brand}/posts?limit=0"):
        headers = (await ann.rest("GET", path)).headers
        for name in ("limit", "remaining", "reset"):
            assert int(headers[f"x-ratelimit-{name}"]) >= 0
        assert headers["ratelimit-policy"]
        assert headers["ratelimit"]


async def test_the_query_of_the_list_is_this(ann: Person) -> None:
    words = {name: said for name, _, said in table("List Posts")}
    path = f"/brands/{ann.brand}/posts"
    made = [(await ann.post())["id"] for _ in range(3)]

    whole = (await ann.rest("GET", path)).json()
    first = (await ann.rest("GET", f"{path}?limit=2&status=draft")).json()
    cursor = first["page"]["nextCursor"]
    last = (await ann.rest("GET", f"{path}?limit=2&status=draft&cursor={cursor}")).json()

    assert f"default: {whole['page']['limit']}" in words["limit"]
    assert [post["id"] for post in first["data"] + last["data"]] == made[::-1]
    assert (first["page"]["hasMore"], last["page"]) == (True, {**EMPTY, "limit": 2})
    for status in words["status"].split(", "):
        found = (await ann.rest("GET", f"{path}?status={status}")).json()["data"]
        assert len(found) == (3 if status == "draft" else 0)
    wrong = await ann.rest("GET", f"{path}?status=gone&limit=many&cursor=x")
    assert {d["path"] for d in wrong.json()["error"]["details"]} == {"status.0", "limit"}


def test_the_base_is_the_one_the_reference_uses() -> None:
    assert set(re.findall(r"(?:GET|POST|PATCH|PUT|DELETE) (/api/v1)/", TEXT)) == {"/api/v1"}
