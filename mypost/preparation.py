"""The three database roles, and what an empty database lacks before it can be migrated."""

import asyncpg

from mypost.settings import BadSettings

OLDEST = 15
# Each query answers the statements that are still to run: nothing, once all is prepared.
CREATION = """SELECT format('CREATE ROLE %I NOSUPERUSER NOBYPASSRLS {others}%s;', name, more)
FROM (VALUES ('mypost_owner', '{owner}'), ('mypost_app', ''), ('mypost_dispatch', ''))
  v (name, more)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)"""
# From 16 on a login may belong to a role without being allowed to take it on.
MEMBERSHIP = """SELECT format('GRANT %I TO %I;', name, me.rolname)
FROM unnest(ARRAY['mypost_owner', 'mypost_app', 'mypost_dispatch']) name
JOIN pg_roles me ON me.rolname = current_user AND NOT me.rolsuper
LEFT JOIN pg_roles r ON r.rolname = name
WHERE NOT coalesce(pg_has_role(me.oid, r.oid, CASE
  WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END), false)"""
OWNERSHIP = """SELECT statement
FROM unnest(ARRAY['REVOKE CREATE ON SCHEMA public FROM PUBLIC;',
  'ALTER SCHEMA public OWNER TO mypost_owner;']) statement
WHERE (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'public')
  IS DISTINCT FROM 'mypost_owner'"""


def creation(others: str, owner: str = "") -> str:
    """The query for missing roles, with what they may besides, and the owner on top."""
    return CREATION.format(others=others, owner=owner)


async def prepare(connection: asyncpg.Connection) -> None:
    """Creates the roles and hands the schema over; raises BadSettings where the login may not."""
    version = connection.get_server_version()
    if version.major < OLDEST:
        raise BadSettings(f"MyPost needs PostgreSQL {OLDEST} or newer; this is {version.major}")
    missing: list[str] = []
    for query in (creation("NOLOGIN"), MEMBERSHIP, OWNERSHIP):
        missing += [row[0] for row in await connection.fetch(query)]
    try:
        async with connection.transaction():
            for statement in missing:
                await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        login = await connection.fetchval("SELECT current_user")
        raise BadSettings(
            f"The login {login} may not prepare this database (it needs CREATEROLE and must own"
            f" the database): let a superuser run in it: {' '.join(missing)}"
        ) from None
