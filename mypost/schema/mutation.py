"""Mutation: one line per field, each behind its operation's gate."""

import strawberry

import mypost.resolvers  # noqa: F401 - declares the operations
from mypost.schema.account import AccessTokenPayload, ChangePasswordPayload, ViewerPayload
from mypost.schema.accounts import SocialAccountPayload
from mypost.schema.approvals import ApprovalPayload
from mypost.schema.auth import LoginPayload, LogoutPayload, RefreshPayload
from mypost.schema.brands import BrandPayload, DeletePayload
from mypost.schema.connections import ConnectionOfferPayload, ConnectionPayload
from mypost.schema.invitations import InvitationPayload, PasswordResetPayload
from mypost.schema.members import MemberPayload
from mypost.schema.post_bulk import CreatePostsPayload
from mypost.schema.post_check import PostCheckPayload
from mypost.schema.posts import PostPayload
from mypost.schema.roles import RolePayload
from mypost.schema.roots import changed
from mypost.schema.webhooks import DeliveryPayload, RedeliveryPayload, WebhookPayload
from mypost.schema.workspaces import WorkspacePayload


@strawberry.type(description="Changing; every field takes one `input` and answers a payload.")
class Mutation:
    """Changing; every field takes one `input` and answers a payload."""

    register: LoginPayload = changed("register", LoginPayload)
    login: LoginPayload = changed("login", LoginPayload)
    refresh_session: RefreshPayload = changed("refresh_session", RefreshPayload)
    logout: LogoutPayload = changed("logout", LogoutPayload)
    update_viewer: ViewerPayload = changed("update_viewer", ViewerPayload)
    change_password: ChangePasswordPayload = changed("change_password", ChangePasswordPayload)
    revoke_session: DeletePayload = changed("revoke_session", DeletePayload)
    create_access_token: AccessTokenPayload = changed("create_access_token", AccessTokenPayload)
    revoke_access_token: DeletePayload = changed("revoke_access_token", DeletePayload)
    create_workspace: WorkspacePayload = changed("create_workspace", WorkspacePayload)
    update_workspace: WorkspacePayload = changed("update_workspace", WorkspacePayload)
    transfer_workspace: WorkspacePayload = changed("transfer_workspace", WorkspacePayload)
    delete_workspace: DeletePayload = changed("delete_workspace", DeletePayload)
    create_role: RolePayload = changed("create_role", RolePayload)
    update_role: RolePayload = changed("update_role", RolePayload)
    delete_role: DeletePayload = changed("delete_role", DeletePayload)
    invite_user: InvitationPayload = changed("invite_user", InvitationPayload)
    resend_invitation: InvitationPayload = changed("resend_invitation", InvitationPayload)
    revoke_invitation: InvitationPayload = changed("revoke_invitation", InvitationPayload)
    accept_invitation: LoginPayload = changed("accept_invitation", LoginPayload)
    request_password_reset: PasswordResetPayload = changed(
        "request_password_reset", PasswordResetPayload
    )
    reset_password: PasswordResetPayload = changed("reset_password", PasswordResetPayload)
    update_member: MemberPayload = changed("update_member", MemberPayload)
    remove_member: DeletePayload = changed("remove_member", DeletePayload)
    leave_workspace: DeletePayload = changed("leave_workspace", DeletePayload)
    create_brand: BrandPayload = changed("create_brand", BrandPayload)
    update_brand: BrandPayload = changed("update_brand", BrandPayload)
    delete_brand: DeletePayload = changed("delete_brand", DeletePayload)
    connect_social_account: ConnectionOfferPayload = changed(
        "connect_social_account", ConnectionOfferPayload
    )
    reconnect_social_account: ConnectionOfferPayload = changed(
        "reconnect_social_account", ConnectionOfferPayload
    )
    complete_connection: ConnectionPayload = changed("complete_connection", ConnectionPayload)
    disconnect_social_account: SocialAccountPayload = changed(
        "disconnect_social_account", SocialAccountPayload
    )
    create_post: PostPayload = changed("create_post", PostPayload)
    create_posts: CreatePostsPayload = changed("create_posts", CreatePostsPayload)
    validate_post: PostCheckPayload = changed("validate_post", PostCheckPayload)
    duplicate_post: PostPayload = changed("duplicate_post", PostPayload)
    update_post: PostPayload = changed("update_post", PostPayload)
    delete_post: DeletePayload = changed("delete_post", DeletePayload)
    schedule_post: PostPayload = changed("schedule_post", PostPayload)
    publish_post: PostPayload = changed("publish_post", PostPayload)
    cancel_post: PostPayload = changed("cancel_post", PostPayload)
    retry_target: PostPayload = changed("retry_target", PostPayload)
    resolve_target: PostPayload = changed("resolve_target", PostPayload)
    submit_post_for_approval: ApprovalPayload = changed("submit_post_for_approval", ApprovalPayload)
    approve_approval: ApprovalPayload = changed("approve_approval", ApprovalPayload)
    reject_approval: ApprovalPayload = changed("reject_approval", ApprovalPayload)
    withdraw_approval: ApprovalPayload = changed("withdraw_approval", ApprovalPayload)
    create_webhook: WebhookPayload = changed("create_webhook", WebhookPayload)
    update_webhook: WebhookPayload = changed("update_webhook", WebhookPayload)
    delete_webhook: DeletePayload = changed("delete_webhook", DeletePayload)
    rotate_webhook_secret: WebhookPayload = changed("rotate_webhook_secret", WebhookPayload)
    test_webhook: DeliveryPayload = changed("test_webhook", DeliveryPayload)
    redeliver_webhook: RedeliveryPayload = changed("redeliver_webhook", RedeliveryPayload)
    redeliver_delivery: DeliveryPayload = changed("redeliver_delivery", DeliveryPayload)
