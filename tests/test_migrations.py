"""Migrations and models agree."""

from tortoise import Tortoise
from tortoise.migrations.autodetector import MigrationAutodetector

from mypost.models import database
from tests.conftest import House


async def test_makemigrations_finds_nothing_to_do(house: House) -> None:
    config = database._config(str(house.settings.owner_url), "mypost_owner")
    apps = {label: dict(app) for label, app in config["apps"].items()}

    changes = await MigrationAutodetector(Tortoise.apps, apps).changes()

    assert changes == []


async def test_every_model_column_is_in_the_database(house: House) -> None:
    for model in Tortoise.apps["mypost"].values():
        table = model._meta.db_table
        found = await house.owner.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1", table
        )
        assert set(model._meta.fields_db_projection.values()) == {r.column_name for r in found}
