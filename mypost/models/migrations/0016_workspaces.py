from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("mypost", "0015_notices")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Workspace",
            name="deleted_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.RunSQL(Path(__file__).with_suffix(".sql").read_text()),
    ]
