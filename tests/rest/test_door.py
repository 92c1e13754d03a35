"""The handler around every row: what is asked first, and what a body may look like."""

from collections.abc import AsyncIterator

import pytest

from mypost.rest.body import MAX_BODY
from tests.client import Api, Person
from tests.conftest import House

GARBAGE = {"content": b"{", "headers": {"content-type": "application/json"}}


async def test_who_calls_is_asked_before_what_he_sends(api: Api, house: House, ann: Person) -> None:
    before = await house.digest()

    for token, headers in ((None, {}), (None, {"authorization": "Bearer bad"})):
        given = {**GARBAGE["headers"], **headers}
        path = f"/brands/{ann.brand}/posts"
        answer = await api.rest("POST", path, token=token, headers=given, content=b"{")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")

    assert await house.digest() == before


async def test_an_address_that_is_no_id_is_404_before_the_body(ann: Person) -> None:
    answer = await ann.rest("PATCH", "/posts/nonsense", **GARBAGE)

    assert answer.json()["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "json", "multipart/form-data"]
)
async def test_another_type_of_body_is_415(house: House, ann: Person, kind: str) -> None:
    before = await house.digest()

    answer = await ann.rest(
        "POST", "/workspaces", content=b'{"name":"W"}', headers={"content-type": kind}
    )

    assert answer.json()["error"]["code"] == "UNSUPPORTED_MEDIA_TYPE"
    assert await house.digest() == before


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/merge-patch+json", "APPLICATION/JSON"]
)
async def test_json_has_more_than_one_name(ann: Person, kind: str) -> None:
    answer = await ann.rest(
        "PATCH", f"/brands/{ann.brand}", content=b'{"name":"N"}', headers={"content-type": kind}
    )

    assert answer.json()["name"] == "N"


async def test_a_post_without_a_body_needs_no_type(ann: Person) -> None:
    post = await ann.post(await ann.account())

    answer = await ann.rest("POST", f"/posts/{post['id']}/publish")

    assert answer.status_code == 202


async def test_a_body_is_counted_whatever_it_declares(house: House, ann: Person) -> None:
    before = await house.digest()

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 1024 + 2):
            yield b" " * 1024

    answer = await ann.rest(
        "POST", "/workspaces", content=chunks(), headers={"content-type": "application/json"}
    )

    assert answer.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert await house.digest() == before


async def test_a_head_is_a_get_without_its_body(ann: Person) -> None:
    got = await ann.rest("GET", f"/brands/{ann.brand}")
    head = await ann.rest("HEAD", f"/brands/{ann.brand}")

    assert (head.status_code, head.headers["etag"]) == (200, got.headers["etag"])
    assert head.content == b""


async def test_an_answer_is_kept_by_nobody(ann: Person) -> None:
    for answer in (await ann.rest("GET", "/auth/me"), await ann.rest("GET", "/nothing")):
        assert answer.headers["cache-control"] == "no-store"
