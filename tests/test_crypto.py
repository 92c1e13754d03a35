"""Secrets at rest and sealed cursors."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from mypost import crypto
from mypost.crypto import Keys, Undecryptable
from mypost.settings import BadSettings
from tests.client import Person
from tests.conftest import House

KEYS = Keys(bytes(32))


def test_a_secret_opens_in_its_own_row_only() -> None:
    workspace, row = uuid4(), uuid4()
    stored = KEYS.encrypt(b"token", workspace, row, "grant")

    assert KEYS.decrypt(stored, workspace, row, "grant") == b"token"
    for place in (
        (uuid4(), row, "grant"),
        (workspace, uuid4(), "grant"),
        (workspace, row, "other"),
    ):
        with pytest.raises(Undecryptable):
            KEYS.decrypt(stored, *place)
    with pytest.raises(Undecryptable):
        Keys(bytes([1]) * 32).decrypt(stored, workspace, row, "grant")


def test_the_same_secret_never_looks_the_same() -> None:
    where = (uuid4(), uuid4(), "grant")

    assert KEYS.encrypt(b"token", *where) != KEYS.encrypt(b"token", *where)


def test_the_secret_is_made_once_and_only_we_can_read_it(tmp_path: Path) -> None:
    first = crypto.load(None, tmp_path)

    assert crypto.load(None, tmp_path) == first
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    for secret in ("abcd", "not a secret", "-", "ä" * 40):
        with pytest.raises(BadSettings, match="32 bytes"):
            crypto.load(secret, tmp_path)


async def test_an_accounts_tokens_are_stored_encrypted(house: House, ann: Person) -> None:
    account = await ann.account()

    stored = await house.value("SELECT grant_cipher FROM accounts WHERE id = $1", account)
    workspace = await house.value("SELECT workspace_id FROM accounts WHERE id = $1", account)
    plain = house.keys.decrypt(stored, workspace, UUID(account), "grant")

    assert b"token" in plain
    assert b"token" not in stored
