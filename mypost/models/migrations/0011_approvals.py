from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.db_defaults import Now
from uuid import uuid4
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("mypost", "0010_pushdown")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Approval",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("brand_id", fields.UUIDField()),
                ("post_id", fields.UUIDField()),
                ("status", fields.CharField(db_default="pending", max_length=10)),
                ("content_hash", fields.CharField(max_length=64)),
                ("requested_by", fields.UUIDField()),
                (
                    "requested_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                ("decided_by", fields.UUIDField(null=True)),
                (
                    "decided_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("reason", fields.CharField(null=True, max_length=1000)),
            ],
            options={
                "table": "approvals",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "A request for review of one post as it was when somebody asked.",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Post",
            name="approval_id",
            field=fields.UUIDField(null=True),
        ),
        ops.RunSQL(Path(__file__).with_suffix(".sql").read_text()),
    ]
