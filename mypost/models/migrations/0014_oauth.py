from pathlib import Path

from tortoise import migrations
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.migrations import operations as ops
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("mypost", "0013_letters")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Connection",
            name="account_ids",
            field=ArrayField(db_default=[], element_type="uuid"),
        ),
        ops.AddField(
            model_name="Connection",
            name="answered_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Connection",
            name="found",
            field=fields.BinaryField(null=True),
        ),
        ops.AddField(
            model_name="Connection",
            name="verifier",
            field=fields.BinaryField(null=True),
        ),
        ops.RunSQL(Path(__file__).with_suffix(".sql").read_text()),
    ]
