"""One good call of every operation: what tests that know no operation by name send and spoil.

A new operation needs one entry here, under the name its row of the table gives it; with it the
operation is compared by both doors (`test_doors.py`) and sent every kind of nonsense
(`test_bad_fields.py`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mypost import clock
from mypost.crypto import digest
from tests.client import PASSWORD, Api, Person
from tests.conftest import House
from tests.test_posts import published
from tests.test_targets import asking

NEW = "a much longer secret"
NEW_YEAR = "2031-01-01T00:00:00Z"
TOKEN = "the token of a letter that only a test has read"
GOOD = {"handle": "corner-bakery", "mode": "ok"}


@dataclass
class Setting:
    """Ann, fresh in a workspace of her own; each method makes what one operation needs."""

    house: House
    api: Api
    ann: Person

    @classmethod
    async def fresh(cls, house: House, api: Api) -> "Setting":
        return cls(house, api, await api.person("Ann"))

    async def guest(self) -> Person:
        """A colleague who may do nothing."""
        given = {"name": "Guest of honour", "permissions": []}
        await self.ann.rest("POST", f"/workspaces/{self.ann.workspace}/roles", given)
        return await self.api.colleague(self.ann, given["name"])

    @property
    def inside(self) -> dict[str, Any]:
        return {"workspaceId": self.ann.workspace}

    async def nothing(self) -> dict[str, Any]:
        return {}

    async def workspace(self) -> dict[str, Any]:
        return {"id": self.ann.workspace}

    async def in_workspace(self) -> dict[str, Any]:
        return self.inside

    async def page(self) -> dict[str, Any]:
        return {**self.inside, "limit": 2}

    async def brand(self) -> dict[str, Any]:
        return {"id": self.ann.brand}

    async def account(self) -> dict[str, Any]:
        return {"id": await self.ann.account(handle="corner-bakery")}

    async def in_brand(self) -> dict[str, Any]:
        await self.post()
        return {"brandId": self.ann.brand}

    async def post(self) -> dict[str, Any]:
        account = await self.ann.account(handle="corner-bakery")
        return {"id": (await self.ann.post(account, tags=["spring"]))["id"]}

    async def scheduled(self) -> dict[str, Any]:
        account = await self.ann.account(handle="corner-bakery")
        return {"id": (await self.ann.post(account, scheduledAt=NEW_YEAR))["id"]}

    async def posts(self) -> dict[str, Any]:
        return {**await self.in_brand(), "status": ["draft"], "limit": 1}

    async def newcomer(self) -> dict[str, Any]:
        return {"email": f"new-{self.ann.email}", "password": NEW, "name": "Nora",
                "workspaceName": "Nora's", "refreshTokenIn": "body"}  # fmt: skip

    async def password(self) -> dict[str, Any]:
        return {"email": self.ann.email, "password": PASSWORD, "refreshTokenIn": "body"}

    async def refresh_token(self) -> dict[str, Any]:
        return {"refreshToken": self.ann.refresh_token}

    async def passwords(self) -> dict[str, Any]:
        return {"current": PASSWORD, "new": NEW}

    async def forgotten(self) -> dict[str, Any]:
        return {"email": self.ann.email}

    async def letter(self) -> dict[str, Any]:
        """The way to another password."""
        await self.api.rest("POST", "/auth/password/forgot", await self.forgotten())
        await self._known("password_resets", "user_id", self.ann.id)
        return {"token": f"{TOKEN} {self.ann.id}", "password": NEW}

    async def invitation(self) -> dict[str, Any]:
        path = f"/workspaces/{self.ann.workspace}/users/invite"
        given = await self.invited()
        given.pop("workspaceId")
        return {"id": (await self.ann.rest("POST", path, given)).json()["id"]}

    async def invited(self) -> dict[str, Any]:
        return {
            **self.inside,
            "email": f"new-{self.ann.email}",
            "roleId": await self.role("Editor"),
        }

    async def letter_of_invitation(self) -> dict[str, Any]:
        await self._known("invitations", "id", (await self.invitation())["id"])
        return {"token": f"{TOKEN} {self.ann.id}", "name": "Nora", "password": NEW}

    async def _known(self, table: str, column: str, id: str) -> None:
        sql = f"UPDATE {table} SET hash = $1 WHERE {column} = $2"
        await self.house.owner.execute(sql, digest(f"{TOKEN} {self.ann.id}"), id)

    async def session(self) -> dict[str, Any]:
        await self.api.again(self.ann)
        listed = (await self.ann.rest("GET", "/auth/sessions")).json()["data"]
        return {"id": next(each["id"] for each in listed if not each["current"])}

    async def new_token(self) -> dict[str, Any]:
        return {"name": "Script", "permissions": ["posts.edit"], "expiresAt": NEW_YEAR}

    async def token(self) -> dict[str, Any]:
        made = await self.ann.rest("POST", "/auth/tokens", await self.new_token())
        return {"id": made.json()["id"]}

    async def role(self, name: str) -> str:
        sql = "SELECT id::text FROM roles WHERE workspace_id = $1 AND name = $2"
        return str(await self.house.value(sql, self.ann.workspace, name))

    async def new_role(self) -> dict[str, Any]:
        return {**self.inside, "name": "Guest", "permissions": ["posts.edit"]}

    async def own_role(self) -> dict[str, Any]:
        path, given = f"/workspaces/{self.ann.workspace}/roles", await self.new_role()
        given.pop("workspaceId")
        return {"id": (await self.ann.rest("POST", path, given)).json()["id"]}

    async def member(self) -> dict[str, Any]:
        bob = await self.api.colleague(self.ann, "Editor")
        return {**self.inside, "userId": bob.id}

    async def moved_member(self) -> dict[str, Any]:
        return {**await self.member(), "roleId": await self.role("Manager")}

    async def second_owner(self) -> dict[str, Any]:
        await self.api.colleague(self.ann, "Owner")
        return self.inside

    async def network(self) -> dict[str, Any]:
        return {"brandId": self.ann.brand, "network": "sandbox"}

    async def connection(self) -> dict[str, Any]:
        path = f"/brands/{self.ann.brand}/social-accounts"
        offer = await self.ann.rest("POST", path, {"network": "sandbox"})
        return {"id": offer.json()["connectionId"]}

    async def content(self) -> dict[str, Any]:
        account = await self.ann.account(handle="corner-bakery")
        return {"brandId": self.ann.brand, "content": "Hello", "targetAccountIds": [account],
                "mediaIds": [], "tags": ["spring"], "scheduledAt": NEW_YEAR}  # fmt: skip

    async def contents(self) -> dict[str, Any]:
        content = await self.content()
        return {"brandId": content.pop("brandId"), "posts": [content, {**content, "tags": ["x"]}]}

    async def in_brand_for_a_month(self) -> dict[str, Any]:
        return {"brandId": self.ann.brand, "from": "2031-01-01", "to": "2031-01-31"}

    async def in_workspace_for_a_month(self) -> dict[str, Any]:
        return {**self.inside, "from": "2031-01-01", "to": "2031-01-31"}

    async def approval(self) -> dict[str, Any]:
        """A request of the only member, who may then decide it himself."""
        post = (await self.post())["id"]
        return {"id": (await self.ann.rest("POST", f"/posts/{post}/approvals")).json()["id"]}

    async def approvals(self) -> dict[str, Any]:
        await self.approval()
        return {**self.inside, "status": ["pending"], "limit": 2}

    async def new_webhook(self) -> dict[str, Any]:
        return {**self.inside, "url": "https://your-server.com/webhook",
                "events": ["post.published", "post.failed"],
                "secret": "your-signing-secret"}  # fmt: skip

    async def webhook(self) -> dict[str, Any]:
        made = await self.ann.rest("POST", "/webhooks", await self.new_webhook())
        return {"id": made.json()["id"]}

    async def failed_lately(self) -> dict[str, Any]:
        now = clock.now()
        days = {"from": now - timedelta(days=1), "to": now + timedelta(hours=1)}
        return {**await self.webhook(), **{name: at.isoformat() for name, at in days.items()}}

    async def delivery(self) -> dict[str, Any]:
        webhook = (await self.webhook())["id"]
        return {"id": (await self.ann.rest("POST", f"/webhooks/{webhook}/test")).json()["id"]}

    async def deliveries(self) -> dict[str, Any]:
        await self.ann.rest("POST", f"/webhooks/{(webhook := (await self.webhook())['id'])}/test")
        return {"webhookId": webhook, "status": ["pending"], "limit": 2}

    async def heir(self) -> dict[str, Any]:
        bob = await self.api.colleague(self.ann, "Editor")
        return {"id": self.ann.workspace, "userId": bob.id}

    async def refused_target(self) -> dict[str, Any]:
        account = await self.ann.account("rejected", "corner-bakery")
        post = await published(self.house, self.ann, account)
        return {"id": post["id"], "targetId": post["targets"][0]["id"]}

    async def lost_target(self) -> dict[str, Any]:
        post = await asking(self.house, self.ann)
        return {"id": post["id"], "targetId": post["targets"][0]["id"]}


Make = Callable[[Setting], Awaitable[dict[str, Any]]]


def and_also(make: Make, **more: Any) -> Make:
    """What one sample needs, and these fields besides."""

    async def made(setting: Setting) -> dict[str, Any]:
        return {**await make(setting), **more}

    return made


S = Setting
SAMPLES: dict[str, Make] = {
    "register": S.newcomer,
    "login": S.password,
    "refreshSession": S.refresh_token,
    "logout": S.refresh_token,
    "viewer": S.nothing,
    "updateViewer": and_also(S.nothing, name="Anna", timezone="Europe/Berlin"),
    "changePassword": S.passwords,
    "requestPasswordReset": S.forgotten,
    "resetPassword": S.letter,
    "acceptInvitation": S.letter_of_invitation,
    "sessions": S.nothing,
    "revokeSession": S.session,
    "accessTokens": S.nothing,
    "createAccessToken": S.new_token,
    "revokeAccessToken": S.token,
    "workspaces": S.nothing,
    "createWorkspace": and_also(S.nothing, name="Second", timezone="Europe/Berlin"),
    "workspace": S.workspace,
    "updateWorkspace": and_also(S.workspace, name="New", timezone="Europe/Berlin"),
    "transferWorkspace": S.heir,
    "deleteWorkspace": and_also(S.workspace, force=True),
    "workspace.users": S.page,
    "inviteUser": S.invited,
    "workspace.invitations": S.page,
    "resendInvitation": S.invitation,
    "revokeInvitation": S.invitation,
    "updateMember": S.moved_member,
    "removeMember": S.member,
    "leaveWorkspace": S.second_owner,
    "workspace.roles": S.page,
    "createRole": S.new_role,
    "updateRole": and_also(S.own_role, name="Visitor", permissions=["posts.create"]),
    "deleteRole": S.own_role,
    "permissions": S.nothing,
    "auditEvents": S.page,
    "workspace.brands": S.page,
    "createBrand": and_also(
        S.in_workspace, name="Bakery", description="Bread", timezone="Europe/Berlin"
    ),
    "brand": S.brand,
    "updateBrand": and_also(S.brand, name="New", description="Bread", timezone="Europe/Berlin"),
    "deleteBrand": and_also(S.brand, force=True),
    "brand.socialAccounts": and_also(S.in_brand, limit=2),
    "socialAccount": S.account,
    "connectSocialAccount": S.network,
    "disconnectSocialAccount": S.account,
    "reconnectSocialAccount": S.account,
    "socialConnection": S.connection,
    "completeConnection": and_also(S.connection, credentials=GOOD),
    "brand.posts": S.posts,
    "createPost": S.content,
    "post": S.post,
    "createPosts": S.contents,
    "validatePost": S.content,
    "duplicatePost": S.post,
    "brand.calendar": S.in_brand_for_a_month,
    "workspace.calendar": S.in_workspace_for_a_month,
    "updatePost": and_also(S.post, content="New", tags=["summer"], scheduledAt=NEW_YEAR),
    "deletePost": S.post,
    "schedulePost": and_also(S.post, scheduledAt=NEW_YEAR),
    "publishPost": S.post,
    "cancelPost": S.scheduled,
    "retryTarget": S.refused_target,
    "resolveTarget": and_also(
        S.lost_target, outcome="published", externalUrl="https://example.com/post/1"
    ),
    "submitPostForApproval": S.post,
    "workspace.approvals": S.approvals,
    "approval": S.approval,
    "approveApproval": S.approval,
    "rejectApproval": and_also(S.approval, reason="Please revise the hashtags"),
    "withdrawApproval": S.approval,
    "webhooks": S.page,
    "webhook": S.webhook,
    "createWebhook": S.new_webhook,
    "updateWebhook": and_also(
        S.webhook, url="https://your-server.com/other", events=["post.failed"], active=True
    ),
    "deleteWebhook": S.webhook,
    "rotateWebhookSecret": and_also(S.webhook, secret="another signing secret"),
    "testWebhook": S.webhook,
    "redeliverWebhook": S.failed_lately,
    "webhook.deliveries": S.deliveries,
    "delivery": S.delivery,
    "redeliverDelivery": S.delivery,
    "node": S.brand,
    "nodes": S.nothing,
    "rateLimit": S.nothing,
    "postStatusChanged": S.in_brand,
    "approvalChanged": S.in_workspace,
}
