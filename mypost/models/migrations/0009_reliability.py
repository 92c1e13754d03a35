from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("mypost", "0008_throttle")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Account",
            name="grant_ends_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Account",
            name="two_step",
            field=fields.BooleanField(db_default=False),
        ),
        ops.AddField(
            model_name="Target",
            name="absent_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Target",
            name="handle",
            field=fields.CharField(null=True, max_length=300),
        ),
        ops.AddField(
            model_name="Target",
            name="handle_ends_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Target",
            name="looked_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Target",
            name="prepare_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Target",
            name="resolved_by",
            field=fields.UUIDField(null=True),
        ),
        ops.AddField(
            model_name="Target",
            name="risk",
            field=fields.CharField(null=True, max_length=20),
        ),
        ops.AddField(
            model_name="Target",
            name="settled_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.RunSQL(Path(__file__).with_suffix(".sql").read_text()),
    ]
