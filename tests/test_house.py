"""What the other tests look with, looked at itself."""

from tests.client import Person
from tests.conftest import House

BRANDS = "INSERT INTO brands (id, workspace_id, name) SELECT mypost_id(2), $1, x"
CHANGES = (
    f"{BRANDS} FROM unnest(ARRAY['digest-a', 'digest-b']) x",
    "UPDATE brands SET name = name WHERE workspace_id = $1 AND name = 'digest-a'",
    "DELETE FROM brands WHERE workspace_id = $1 AND name = 'digest-b'",
    "DELETE FROM brands WHERE workspace_id = $1 AND name = 'digest-a'",
)


async def test_the_fingerprint_tells_every_row_written(house: House, ann: Person) -> None:
    seen = [await house.digest()]
    for change in CHANGES:
        await house.owner.execute(change, ann.workspace)
        seen.append(await house.digest())

    assert seen[0] == seen[-1]
    assert len(set(seen)) == len(CHANGES)
