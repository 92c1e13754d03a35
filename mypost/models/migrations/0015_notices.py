from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("mypost", "0014_oauth")]

    initial = False

    operations = [
        ops.AddField(
            model_name="User",
            name="mail_account_needs_reauth",
            field=fields.BooleanField(db_default=True),
        ),
        ops.AddField(
            model_name="User",
            name="mail_post_failed",
            field=fields.BooleanField(db_default=True),
        ),
        ops.AddField(
            model_name="User",
            name="mail_post_needs_confirmation",
            field=fields.BooleanField(db_default=True),
        ),
        ops.RunSQL(Path(__file__).with_suffix(".sql").read_text()),
    ]
