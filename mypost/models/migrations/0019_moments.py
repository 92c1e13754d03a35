from pathlib import Path

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("mypost", "0018_posts")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Post",
            name="local_time",
            field=fields.CharField(null=True, max_length=19),
        ),
        ops.AddField(
            model_name="Post",
            name="timezone",
            field=fields.CharField(null=True, max_length=64),
        ),
        ops.RunSQL(Path(__file__).with_suffix(".sql").read_text()),
    ]
