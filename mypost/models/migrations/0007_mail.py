from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.db_defaults import Now
from uuid import uuid4
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("mypost", "0006_account")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("workspace_id", fields.UUIDField()),
                ("email", fields.CharField(max_length=254)),
                ("role_id", fields.UUIDField()),
                ("hash", fields.BinaryField()),
                ("invited_by", fields.UUIDField()),
                ("status", fields.CharField(db_default="pending", max_length=10)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                (
                    "accepted_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "invitations",
                "app": "mypost",
                "pk_attr": "id",
                "table_description": "An address that may join; only the SHA-256 of its token is stored.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(Path(__file__).with_suffix(".sql").read_text()),
    ]
