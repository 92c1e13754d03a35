from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("mypost", "0021_approved")]

    initial = False

    operations = [ops.RunSQL(Path(__file__).with_suffix(".sql").read_text())]
