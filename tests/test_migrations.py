"""Migrations and models agree, and what an installation may have run stays as it was."""

import hashlib
from itertools import pairwise
from pathlib import Path

from tortoise import Tortoise
from tortoise.migrations.autodetector import MigrationAutodetector

from mypost.models import database
from tests.conftest import House

FOLDER = Path(database.__file__).parent / "migrations"
# What has been released to main; a migration joins when it is. Never change a line of it.
RELEASED = Path(__file__).with_name("migrations.sha256")


def test_no_migration_changes_once_it_is_released() -> None:
    wrong = []
    for line in RELEASED.read_text().splitlines():
        wanted, name = line.split()
        if hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() != wanted:
            wrong.append(name)

    assert wrong == []


def test_migrations_follow_one_another_in_the_order_of_their_names() -> None:
    names = sorted(path.stem for path in FOLDER.glob("0*.py"))

    for before, after in pairwise(names):
        assert f'dependencies = [("mypost", "{before}")]' in (FOLDER / f"{after}.py").read_text()


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
