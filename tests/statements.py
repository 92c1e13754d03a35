"""What the application says to the database meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.conftest import House


@asynccontextmanager
async def said(house: House) -> AsyncIterator[list[Any]]:
    """The statements that the application runs meanwhile, with what they were given.

    What a driver asks of a connection that is new to it, about types, does not count.
    """
    pool = house.services.pool.pool
    heard: list[Any] = []

    def note(record: Any) -> None:
        if "typeinfo_tree" not in record.query and "'jit'" not in record.query:
            heard.append(record)

    # All connections are opened first, so that none is new to us.
    free = pool.get_max_size() - pool.get_size() + pool.get_idle_size()
    lent = [await pool.acquire() for _ in range(free)]
    for connection in lent:
        await pool.release(connection)
    held = [holder._con for holder in pool._holders if holder._con is not None]
    for connection in held:
        connection.add_query_logger(note)
    try:
        yield heard
    finally:
        for connection in held:
            connection.remove_query_logger(note)
