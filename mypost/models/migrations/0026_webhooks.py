from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields.data import JSON_DUMPS
from tortoise.fields.db_defaults import Now
from uuid import uuid4
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("mypost", "0022_removal")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("webhook_id", fields.UUIDField()),
                ("event", fields.CharField(max_length=40)),
                ("body", fields.TextField(unique=False)),
                ("status", fields.CharField(db_default="pending", max_length=10)),
                ("attempts", fields.IntField(db_default=0)),
                ("tries", fields.IntField(db_default=0)),
                ("due_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("log", fields.JSONField(db_default=[], encoder=JSON_DUMPS, decoder=loads)),
                (
                    "delivered_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "deliveries",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "One event for one webhook: its exact words, and every try to say them.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("url", fields.CharField(max_length=2000)),
                ("events", ArrayField(element_type="TEXT")),
                ("active", fields.BooleanField(db_default=True)),
                (
                    "disabled_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("disabled_reason", fields.CharField(null=True, max_length=10)),
                ("version", fields.IntField(db_default=1)),
                ("created_by", fields.UUIDField()),
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
                "table": "webhooks",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "An address that is told what happens in a workspace.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(Path(__file__).with_suffix(".sql").read_text()),
    ]
