"""One id everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypost import ids
from mypost.ids import Tag
from tests.conftest import House


@pytest.mark.parametrize("tag", list(Tag))
def test_an_id_tells_its_type(tag: Tag) -> None:
    id = ids.new(tag)

    assert ids.tag_of(id) is tag
    assert id.version == 7
    assert ids.parse(str(id)) == id


def test_ids_of_one_type_are_all_different() -> None:
    assert len({ids.new(Tag.POST) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("tag", list(Tag))
async def test_the_database_mints_the_same_ids(house: House, tag: Tag) -> None:
    id = await house.value("SELECT mypost_id($1)", int(tag))

    assert id.version == 7
    assert id.variant == ids.new(tag).variant
    assert ids.tag_of(id) is tag
    assert abs((id.int >> 80) - (ids.new(tag).int >> 80)) < 5000


@given(st.text() | st.integers() | st.none() | st.uuids())
def test_whatever_is_not_an_id_is_none(value: object) -> None:
    parsed = ids.parse(value)

    assert parsed is None or str(parsed) == str(value).lower()
