"""The tables as Tortoise models, as a project without MyPost's layers would declare them."""

from tortoise import fields
from tortoise.models import Model


class User(Model):
    """A person."""

    id = fields.UUIDField(primary_key=True)
    name = fields.CharField(100)

    class Meta:
        """Its table."""

        table = "users"


class Brand(Model):
    """A brand."""

    id = fields.UUIDField(primary_key=True)
    name = fields.CharField(100)
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        """Its table."""

        table = "brands"


class Account(Model):
    """A social account."""

    id = fields.UUIDField(primary_key=True)
    brand_id = fields.UUIDField()
    network = fields.CharField(32)
    name = fields.CharField(200)
    status = fields.CharField(20)
    created_at = fields.DatetimeField()

    class Meta:
        """Its table."""

        table = "accounts"


class Post(Model):
    """A post."""

    id = fields.UUIDField(primary_key=True)
    brand_id = fields.UUIDField()
    content = fields.TextField()
    phase = fields.CharField(24)
    version = fields.IntField()
    scheduled_at = fields.DatetimeField(null=True)
    published_at = fields.DatetimeField(null=True)
    created_by = fields.UUIDField()
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        """Its table."""

        table = "posts"


class PostTag(Model):
    """A tag of a post."""

    id = fields.UUIDField(primary_key=True)
    post_id = fields.UUIDField()
    tag = fields.CharField(50)

    class Meta:
        """Its table."""

        table = "post_tags"


class Target(Model):
    """A post on an account."""

    id = fields.UUIDField(primary_key=True)
    post_id = fields.UUIDField()
    account_id = fields.UUIDField()
    position = fields.IntField()
    content = fields.TextField(null=True)
    options = fields.JSONField[dict[str, object]]()
    state = fields.CharField(20)
    removed = fields.BooleanField()
    attempts = fields.IntField()
    next_attempt_at = fields.DatetimeField(null=True)
    external_id = fields.CharField(300, null=True)
    external_url = fields.CharField(2000, null=True)
    published_at = fields.DatetimeField(null=True)
    error = fields.JSONField[dict[str, object]](null=True)

    class Meta:
        """Its table."""

        table = "targets"
