"""Paging: each row once whatever comes and goes, late pages as cheap as the first, no forgery."""

import json
import random
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from mypost import clock, crypto, ids
from mypost.errors import Invalid
from mypost.models.paging import Cursors
from tests.client import Person
from tests.conftest import House
from tests.statements import said
from tests.test_lists import fill, path_of

ROWS, MOVES, FORGED = 10_000, 1_000, 10_000
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
COME = (
    "INSERT INTO posts (id, workspace_id, brand_id, content, created_by, created_at)"
    " SELECT mypost_id(9), $1, $2, 'Newcomer', $3, mypost_now() - random() * interval '1 h'"
    " FROM generate_series(1, $4::int)"
)
GO = (
    "UPDATE posts SET deleted_at = mypost_now() WHERE id IN (SELECT id FROM posts"
    " WHERE brand_id = $1 AND content = 'Row' AND deleted_at IS NULL ORDER BY random() LIMIT $2)"
    " RETURNING id::text AS id"
)


async def test_ten_thousand_rows_are_seen_once_while_a_thousand_come_and_a_thousand_go(
    house: House, ann: Person
) -> None:
    # slow: a hundred pages, and between them twenty statements' worth of change
    await fill(house, ann, "posts", ROWS)
    path, seen, gone = path_of("posts", ann), [], set()
    cursor: str | None = None
    pages = ROWS // 100
    for _ in range(3 * pages):
        params = {"limit": "100", **({"cursor": cursor} if cursor else {})}
        said = (await ann.rest("GET", path, params=params)).json()
        seen += [row["id"] for row in said["data"]]
        cursor = said["page"]["nextCursor"]
        if cursor is None:
            break
        await house.owner.execute(COME, ann.workspace, ann.brand, ann.id, MOVES // pages)
        gone |= {row.id for row in await house.owner.fetch(GO, ann.brand, MOVES // pages)}

    stayed = await house.owner.fetch(
        "SELECT id::text AS id FROM posts WHERE brand_id = $1 AND content = 'Row'"
        " AND deleted_at IS NULL", ann.brand,
    )  # fmt: skip
    assert cursor is None
    assert len(gone) >= MOVES - MOVES // pages
    assert len(stayed) == ROWS - len(gone)
    assert len(seen) == len(set(seen))
    assert {row.id for row in stayed} <= set(seen)


def literal(value: Any) -> str:
    """A bound value as SQL text."""
    if isinstance(value, list):
        return "'{" + ",".join(map(str, value)) + "}'"
    return f"'{value}'"


async def touched(house: House, query: str, args: list[Any]) -> int:
    """The blocks of memory that PostgreSQL looks at to run a statement as the application does."""
    async with house.services.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE page AS {query}")
        given = ", ".join(map(literal, args))
        ((plan,),) = await connection.fetch(
            f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE page({given})"
        )
        await connection.execute("DEALLOCATE page")
    (told,) = json.loads(plan)
    return int(told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"])


async def test_page_two_hundred_costs_at_most_half_as_much_again_as_page_one(
    house: House, ann: Person
) -> None:
    await fill(house, ann, "posts", ROWS)
    await house.owner.execute("ANALYZE posts")
    path, pages = path_of("posts", ann), []
    cursor: str | None = None
    for _ in range(2):
        params = {"limit": "50", **({"cursor": cursor} if cursor else {})}
        async with said(house) as heard:
            answer = (await ann.rest("GET", path, params=params)).json()
        pages.append(next(each for each in heard if "FROM posts" in each.query))
        # The second page asked for is the two hundredth: its cursor is that of row 9,950.
        at = await house.owner.fetchrow(
            "SELECT created_at, id FROM posts WHERE brand_id = $1"
            " ORDER BY created_at DESC, id DESC OFFSET 9949 LIMIT 1", ann.brand,
        )  # fmt: skip
        cursor = Cursors(house.keys, "posts", ann.brand, ann.id, {}).seal(at.created_at, at.id)

    first, late = [await touched(house, page.query, list(page.args)) for page in pages]
    skipping = pages[0].query.replace("LIMIT 51", "OFFSET 9950 LIMIT 51")
    control = await touched(house, skipping, list(pages[0].args))

    assert [row["id"] for row in answer["data"]] != []
    assert answer["page"]["hasMore"] is False
    assert 0 < late <= 1.5 * first
    # The negative control: to skip rows one has to read them.
    assert skipping != pages[0].query
    assert control > 1.5 * first


def forged(cursor: str, others: list[str]) -> Iterator[str]:
    """Cursors that are not this one, however little they differ."""
    dice = random.Random(20261124)
    for place in range(len(cursor)):
        for letter in LETTERS:
            yield cursor[:place] + letter + cursor[place + 1 :]
    yield from others
    while True:
        match dice.randrange(7):
            case 0:
                yield cursor[: dice.randrange(len(cursor))]
            case 1:
                at = dice.randrange(len(cursor) + 1)
                yield cursor[:at] + dice.choice(LETTERS + "=+/ .\0é") + cursor[at:]
            case 2:
                yield secrets.token_urlsafe(dice.randrange(1, 80))
            case 3:
                yield "".join(dice.sample(cursor, len(cursor)))
            case 4:
                a, b = sorted(dice.sample(range(len(cursor)), 2))
                yield cursor[:a] + cursor[b] + cursor[a + 1 : b] + cursor[a] + cursor[b + 1 :]
            case 5:
                other = dice.choice(others)
                at = dice.randrange(1, len(cursor))
                yield cursor[:at] + other[at:]
            case _:
                flipped = dice.sample(range(len(cursor)), dice.randrange(2, 9))
                yield "".join(
                    dice.choice(LETTERS) if n in flipped else c for n, c in enumerate(cursor)
                )


def test_ten_thousand_forged_cursors_open_nothing() -> None:
    keys, other_keys = (crypto.Keys(secrets.token_bytes(32)) for _ in range(2))
    brand, viewer, now = ids.new(ids.Tag.BRAND), ids.new(ids.Tag.USER), clock.now()
    mine = "posts", brand, viewer, {"phase": ["draft"]}
    cursors, id = Cursors(keys, *mine), ids.new(ids.Tag.POST)
    real = cursors.seal(now, id)
    others = [
        Cursors(made, *bound).seal(now, id)
        for made, bound in (
            (other_keys, mine), (keys, ("brands", brand, viewer, {})),
            (keys, ("posts", id, viewer, {"phase": ["draft"]})),
            (keys, ("posts", brand, id, {"phase": ["draft"]})),
            (keys, ("posts", brand, viewer, {})),
            (keys, ("posts", brand, viewer, {"phase": ["failed"]})),
        )
    ]  # fmt: skip
    refusals = 0
    for text in forged(real, others):
        if text == real:
            continue
        with pytest.raises(Invalid) as refused:
            cursors.open(text, "cursor")
        assert [fault.dotted for fault in refused.value.faults] == ["cursor"]
        refusals += 1
        if refusals == FORGED:
            break

    at, found = cursors.open(real, "cursor")
    assert (refusals, found) == (FORGED, id)
    assert abs(at - now) < timedelta(milliseconds=1)
