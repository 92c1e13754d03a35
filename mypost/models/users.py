"""People, their sessions, and their membership in workspaces."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields import Now
from tortoise.models import Model

from mypost.models.base import Db
from mypost.models.relations import Relation


class User(Model):
    """A person who signs in; belongs to no workspace."""

    id = fields.UUIDField(primary_key=True)
    email = fields.CharField(254, unique=True)
    name = fields.CharField(100)
    timezone = fields.CharField(64, db_default="UTC")
    password_hash = fields.CharField(200)
    mail_post_failed = fields.BooleanField(db_default=True)
    mail_post_needs_confirmation = fields.BooleanField(db_default=True)
    mail_account_needs_reauth = fields.BooleanField(db_default=True)
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())

    class Meta:
        """The application role cannot read `password_hash`."""

        table = "users"


class Session(Model):
    """A sign-in: the family of its refresh tokens, revoked as one."""

    id = fields.UUIDField(primary_key=True)
    user_id = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())
    expires_at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)
    revoked_why = fields.CharField(32, null=True)

    class Meta:
        """Reached through definer functions only."""

        table = "sessions"


class RefreshToken(Model):
    """One link in a session's chain; only its SHA-256 is stored."""

    id = fields.UUIDField(primary_key=True)
    hash = fields.BinaryField()
    session_id = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)
    successor_id = fields.UUIDField(null=True)

    class Meta:
        """Reached through definer functions only."""

        table = "refresh_tokens"


class Role(Model):
    """A named set of permissions in one workspace."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    name = fields.CharField(50)
    permissions: ArrayField = ArrayField("text")
    system = fields.BooleanField(db_default=False)
    own_posts_only = fields.BooleanField(db_default=False)
    version = fields.IntField(db_default=1)
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())

    class Meta:
        """A role's name is unique in its workspace."""

        table = "roles"
        unique_together = (("workspace_id", "name"),)


class Member(Model):
    """A user in a workspace, with one role."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    user_id = fields.UUIDField()
    role_id = fields.UUIDField()
    joined_at = fields.DatetimeField(db_default=Now())

    class Meta:
        """A user is in a workspace once."""

        table = "members"
        unique_together = (("workspace_id", "user_id"),)


# A person is visible to those who share a workspace with him; the password never is.
COLUMNS = "id, email, name, timezone, created_at, updated_at"
COLLEAGUES = "id IN (SELECT m.user_id FROM members m WHERE m.workspace_id = ANY ($1::uuid[]))"
BY_ID = Relation(User, "users", "id", "id", scope=COLLEAGUES, columns=COLUMNS, one=True)
AUTHOR = Relation(User, "users", "created_by", "id", scope=COLLEAGUES, columns=COLUMNS, one=True)
REQUESTER = Relation(
    User, "users", "requested_by", "id", scope=COLLEAGUES, columns=COLUMNS, one=True
)
DECIDER = Relation(User, "users", "decided_by", "id", scope=COLLEAGUES, columns=COLUMNS, one=True)


async def notices(db: Db, id: UUID) -> Any:
    """Reads about which outcomes a person gets letters."""
    return await db.record("SELECT * FROM account_notices($1)", id)


async def notify(db: Db, id: UUID, chosen: Mapping[str, bool | None]) -> None:
    """Changes about which outcomes a person gets letters; None leaves one as it is."""
    await db.value(
        "SELECT account_notify($1, $2, $3, $4)",
        id,
        chosen["post_failed"],
        chosen["post_needs_confirmation"],
        chosen["account_needs_reauth"],
    )
