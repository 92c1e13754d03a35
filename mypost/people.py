"""Adding a person from the command line, where registration is closed."""

from mypost import ids
from mypost.models import database
from mypost.schema import rules
from mypost.settings import BadSettings
from mypost.tokens import Passwords


async def add(owner_url: str, email: str, name: str, password: str) -> None:
    """Writes a person who can sign in; raises BadSettings saying what will not do."""
    address = email.strip().lower()
    for rule, value in (
        (rules.email, address),
        (rules.name(100), name),
        (rules.password, password),
    ):
        if fault := rule(value):
            raise BadSettings(fault[0])
    passwords = Passwords()
    try:
        hashed = await passwords.hash(password)
    finally:
        passwords.close()
    pool = await database.pool(owner_url, "mypost_owner", 1)
    async with pool:
        id = ids.new(ids.Tag.USER)
        if not await pool.fetchval(
            "SELECT auth_register($1, $2, $3, $4)", id, address, name, hashed
        ):
            raise BadSettings(f"{address} is there already")
