"""An operation without an authorization entry fails the build."""

import pytest

from mypost.operation import OPERATIONS, Access, camel
from mypost.permissions import Permission
from mypost.schema.build import schema
from mypost.schema.roots import asked
from tests.conftest import House

CORE = schema._schema
ROOTS = {
    "query": CORE.query_type,
    "mutation": CORE.mutation_type,
    "subscription": CORE.subscription_type,
}

# Who may do what, told a second time: a change of a declaration must be meant.
ENTRIES = {
    "node": (Access.VIEWER, None),
    "nodes": (Access.VIEWER, None),
    "viewer": (Access.VIEWER, None),
    "workspaces": (Access.VIEWER, None),
    "workspace": (Access.MEMBER, None),
    "brand": (Access.MEMBER, None),
    "social_account": (Access.MEMBER, None),
    "social_connection": (Access.MEMBER, None),
    "post": (Access.MEMBER, None),
    "approval": (Access.MEMBER, None),
    "rate_limit": (Access.VIEWER, None),
    "register": (Access.PUBLIC, None),
    "login": (Access.PUBLIC, None),
    "refresh_session": (Access.PUBLIC, None),
    "logout": (Access.PUBLIC, None),
    "create_workspace": (Access.VIEWER, None),
    "update_workspace": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "transfer_workspace": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "delete_workspace": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "audit_events": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "invite_user": (Access.MEMBER, Permission.USERS_INVITE),
    "resend_invitation": (Access.MEMBER, Permission.USERS_INVITE),
    "revoke_invitation": (Access.MEMBER, Permission.USERS_INVITE),
    "accept_invitation": (Access.PUBLIC, None),
    "request_password_reset": (Access.PUBLIC, None),
    "reset_password": (Access.PUBLIC, None),
    "sessions": (Access.VIEWER, None),
    "access_tokens": (Access.VIEWER, None),
    "update_viewer": (Access.VIEWER, None),
    "change_password": (Access.VIEWER, None),
    "revoke_session": (Access.VIEWER, None),
    "create_access_token": (Access.VIEWER, None),
    "revoke_access_token": (Access.VIEWER, None),
    "permissions": (Access.VIEWER, None),
    "create_role": (Access.MEMBER, Permission.ROLES_MANAGE),
    "update_role": (Access.MEMBER, Permission.ROLES_MANAGE),
    "delete_role": (Access.MEMBER, Permission.ROLES_MANAGE),
    "update_member": (Access.MEMBER, Permission.USERS_MANAGE),
    "remove_member": (Access.MEMBER, Permission.USERS_MANAGE),
    "leave_workspace": (Access.VIEWER, None),
    "create_brand": (Access.MEMBER, Permission.BRANDS_CREATE),
    "update_brand": (Access.MEMBER, Permission.BRANDS_EDIT),
    "delete_brand": (Access.MEMBER, Permission.BRANDS_DELETE),
    "connect_social_account": (Access.MEMBER, Permission.ACCOUNTS_CONNECT),
    "reconnect_social_account": (Access.MEMBER, Permission.ACCOUNTS_CONNECT),
    "complete_connection": (Access.MEMBER, Permission.ACCOUNTS_CONNECT),
    "disconnect_social_account": (Access.MEMBER, Permission.ACCOUNTS_DISCONNECT),
    "create_post": (Access.MEMBER, Permission.POSTS_CREATE),
    "create_posts": (Access.MEMBER, Permission.POSTS_CREATE),
    "validate_post": (Access.MEMBER, Permission.POSTS_CREATE),
    "duplicate_post": (Access.MEMBER, Permission.POSTS_CREATE),
    "update_post": (Access.MEMBER, Permission.POSTS_EDIT),
    "delete_post": (Access.MEMBER, Permission.POSTS_DELETE),
    "schedule_post": (Access.MEMBER, Permission.POSTS_SCHEDULE),
    "publish_post": (Access.MEMBER, Permission.POSTS_PUBLISH),
    "cancel_post": (Access.MEMBER, Permission.POSTS_SCHEDULE),
    "retry_target": (Access.MEMBER, Permission.POSTS_PUBLISH),
    "resolve_target": (Access.MEMBER, Permission.POSTS_PUBLISH),
    "submit_post_for_approval": (Access.MEMBER, Permission.POSTS_EDIT),
    "approve_approval": (Access.MEMBER, Permission.POSTS_PUBLISH),
    "reject_approval": (Access.MEMBER, Permission.POSTS_PUBLISH),
    "withdraw_approval": (Access.MEMBER, Permission.POSTS_EDIT),
    "webhooks": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "webhook": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "delivery": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "create_webhook": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "update_webhook": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "delete_webhook": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "rotate_webhook_secret": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "test_webhook": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "redeliver_webhook": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "redeliver_delivery": (Access.MEMBER, Permission.WORKSPACE_SETTINGS),
    "post_status_changed": (Access.MEMBER, None),
    "approval_changed": (Access.MEMBER, None),
}


def test_every_root_field_has_an_operation_of_its_kind() -> None:
    for kind, root in ROOTS.items():
        assert root is not None
        declared = {camel(name) for name, o in OPERATIONS.items() if o.kind == kind}
        assert set(root.fields) == declared


def test_every_operation_has_an_authorization_entry() -> None:
    declared = {name: (o.access, o.requires) for name, o in OPERATIONS.items()}

    assert declared == ENTRIES


def test_a_field_without_a_record_cannot_be_built() -> None:
    with pytest.raises(KeyError):
        asked("no_such_operation")


def test_a_mutation_on_an_object_declares_its_permission() -> None:
    for name, operation in OPERATIONS.items():
        if operation.kind == "mutation" and operation.access is Access.MEMBER:
            assert operation.requires is not None, name


def test_a_mutation_that_changes_a_workspace_is_audited_or_does_it_itself() -> None:
    by_hand = {
        "delete_brand",
        "transfer_workspace",
        "delete_workspace",
        "accept_invitation",
        "request_password_reset",
        "reset_password",
        "update_viewer",
        "change_password",
        "revoke_session",
        "create_access_token",
        "revoke_access_token",
        "delete_role",
        "delete_webhook",
        "redeliver_webhook",
        "update_member",
        "remove_member",
        "leave_workspace",
        "delete_post",
        "duplicate_post",
        "validate_post",
        "create_posts",
        "retry_target",
        "resolve_target",
        "complete_connection",
        "connect_social_account",
        "reconnect_social_account",
        "register",
        "login",
        "refresh_session",
        "logout",
    }

    silent = {n for n, o in OPERATIONS.items() if o.kind == "mutation" and o.audit is None}

    assert silent == by_hand


def test_the_permission_is_printed_from_the_declaration() -> None:
    for name, operation in OPERATIONS.items():
        if operation.requires is None:
            continue
        text = schema.as_str()
        line = next(row for row in text.splitlines() if row.strip().startswith(f"{camel(name)}("))
        assert f"@requires(permission: {operation.requires.name})" in line


async def test_row_security_guards_every_table_with_a_workspace(house: House) -> None:
    unguarded = await house.owner.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        " AND a.attname = 'workspace_id' AND NOT a.attisdropped"
        " AND NOT (c.relrowsecurity AND c.relforcerowsecurity"
        "          AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))"
    )

    assert [row.relname for row in unguarded] == []
