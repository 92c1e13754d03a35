from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields.data import JSON_DUMPS
from tortoise.fields.db_defaults import Now
from uuid import uuid4
from tortoise import fields


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("brand_id", fields.UUIDField()),
                ("network", fields.CharField(max_length=32)),
                ("external_id", fields.CharField(max_length=200)),
                ("handle", fields.CharField(max_length=200)),
                ("name", fields.CharField(max_length=200)),
                ("profile_image_url", fields.CharField(null=True, max_length=2000)),
                ("status", fields.CharField(db_default="active", max_length=20)),
                ("scopes", ArrayField(db_default=[], element_type="TEXT")),
                ("last_error", fields.CharField(null=True, max_length=500)),
                ("grant_cipher", fields.BinaryField(null=True)),
                ("grant_version", fields.IntField(db_default=1)),
                (
                    "token_expires_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                (
                    "updated_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "accounts",
                "app": "mypost",
                "unique_together": (("workspace_id", "network", "external_id"),),
                "pk_attr": "id",
                "table_description": "One connected profile or page on a network; its tokens are encrypted at rest.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="AuditEvent",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("action", fields.CharField(max_length=64)),
                ("user_id", fields.UUIDField(null=True)),
                ("actor_type", fields.CharField(max_length=10)),
                ("resource_type", fields.CharField(max_length=32)),
                ("resource_id", fields.UUIDField()),
                ("metadata", fields.JSONField(db_default={}, encoder=JSON_DUMPS, decoder=loads)),
                ("ip", fields.CharField(null=True, max_length=45)),
                ("request_id", fields.CharField(null=True, max_length=64)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "audit_events",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "Who did what; the database refuses to change or delete it.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Brand",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("name", fields.CharField(max_length=100)),
                ("description", fields.CharField(null=True, max_length=1000)),
                ("timezone", fields.CharField(db_default="UTC", max_length=64)),
                ("version", fields.IntField(db_default=1)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                (
                    "updated_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                ("deleted_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "brands",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "A voice inside a workspace: owns accounts, posts and media.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Connection",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("brand_id", fields.UUIDField()),
                ("account_id", fields.UUIDField(null=True)),
                ("network", fields.CharField(max_length=32)),
                ("kind", fields.CharField(max_length=20)),
                ("state", fields.CharField(max_length=64)),
                ("status", fields.CharField(db_default="pending", max_length=20)),
                ("error", fields.CharField(null=True, max_length=500)),
                ("created_by", fields.UUIDField()),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "connections",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "One attempt to connect or reconnect an account; ends after ten minutes.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Member",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("user_id", fields.UUIDField()),
                ("role_id", fields.UUIDField()),
                (
                    "joined_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "members",
                "app": "mypost",
                "unique_together": (("workspace_id", "user_id"),),
                "pk_attr": "id",
                "table_description": "A user in a workspace, with one role.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Post",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("brand_id", fields.UUIDField()),
                ("content", fields.TextField(unique=False)),
                ("stage", fields.CharField(db_default="draft", max_length=20)),
                ("phase", fields.CharField(db_default="draft", max_length=24)),
                (
                    "scheduled_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "published_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("version", fields.IntField(db_default=1)),
                ("created_by", fields.UUIDField()),
                ("scheduled_by", fields.UUIDField(null=True)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                (
                    "updated_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                ("deleted_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "posts",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "Content planned for one or more accounts.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="PostTag",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("post_id", fields.UUIDField()),
                ("tag", fields.CharField(max_length=50)),
            ],
            options={
                "table": "post_tags",
                "app": "mypost",
                "unique_together": (("post_id", "tag"),),
                "pk_attr": "id",
                "table_description": "A tag of a post: a row, because array filters lose their index under row security.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="RefreshToken",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("hash", fields.BinaryField()),
                ("session_id", fields.UUIDField()),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("used_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("successor_id", fields.UUIDField(null=True)),
            ],
            options={
                "table": "refresh_tokens",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "One link in a session's chain; only its SHA-256 is stored.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Role",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("name", fields.CharField(max_length=50)),
                ("permissions", ArrayField(element_type="TEXT")),
                ("system", fields.BooleanField(db_default=False)),
                ("own_posts_only", fields.BooleanField(db_default=False)),
                ("version", fields.IntField(db_default=1)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                (
                    "updated_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "roles",
                "app": "mypost",
                "unique_together": (("workspace_id", "name"),),
                "pk_attr": "id",
                "table_description": "A named set of permissions in one workspace.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Session",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("user_id", fields.UUIDField()),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("revoked_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("revoked_why", fields.CharField(null=True, max_length=32)),
            ],
            options={
                "table": "sessions",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "A sign-in: the family of its refresh tokens, revoked as one.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Target",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("post_id", fields.UUIDField()),
                ("account_id", fields.UUIDField()),
                ("position", fields.IntField(db_default=0)),
                ("content", fields.TextField(null=True, unique=False)),
                ("options", fields.JSONField(db_default={}, encoder=JSON_DUMPS, decoder=loads)),
                ("state", fields.CharField(db_default="pending", max_length=20)),
                ("removed", fields.BooleanField(db_default=False)),
                ("due_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("fence", fields.BigIntField(db_default=0)),
                ("generation", fields.IntField(db_default=1)),
                ("dispatch_key", fields.UUIDField(unique=True)),
                ("attempts", fields.IntField(db_default=0)),
                ("lease_owner", fields.UUIDField(null=True)),
                (
                    "lease_until",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("sent_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("check_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("absent_reads", fields.IntField(db_default=0)),
                ("proof", fields.CharField(null=True, max_length=24)),
                (
                    "proof_read_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "next_attempt_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("external_id", fields.CharField(null=True, max_length=300)),
                ("external_url", fields.CharField(null=True, max_length=2000)),
                (
                    "published_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("error", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                (
                    "updated_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "targets",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "One post on one account: where it goes and how it went.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("email", fields.CharField(unique=True, max_length=254)),
                ("name", fields.CharField(max_length=100)),
                ("timezone", fields.CharField(db_default="UTC", max_length=64)),
                ("password_hash", fields.CharField(max_length=200)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                (
                    "updated_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "users",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "A person who signs in; belongs to no workspace.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Workspace",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("name", fields.CharField(max_length=100)),
                ("slug", fields.CharField(unique=True, max_length=80)),
                ("timezone", fields.CharField(db_default="UTC", max_length=64)),
                ("approval_required", fields.BooleanField(db_default=False)),
                ("allow_self_approval", fields.BooleanField(db_default=False)),
                ("version", fields.IntField(db_default=1)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                (
                    "updated_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "workspaces",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "The tenant: owns brands, roles and members.",
            },
            bases=["Model"],
        ),
    ]
