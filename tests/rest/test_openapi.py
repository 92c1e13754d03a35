"""The description of the REST door: valid, complete, and what the door really does."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from mypost.rest.codec import ENDPOINTS
from mypost.rest.openapi import document
from tests.client import Api, Person

DOCUMENT: dict[str, Any] = document()
COMMITTED = Path(__file__).parent.parent.parent / "openapi.json"


def described(method: str, path: str) -> dict[str, Any]:
    return DOCUMENT["paths"][path][method.lower()]


def conforms(body: Any, method: str, path: str, status: int) -> None:
    """Fails unless a body is what the description promises."""
    said = described(method, path)["responses"][str(status)]
    if "$ref" in said:
        said = DOCUMENT["components"]["responses"][said["$ref"].rpartition("/")[2]]
    shape = said["content"]["application/json"]["schema"]
    Draft202012Validator({**shape, "components": DOCUMENT["components"]}).validate(body)


def test_it_is_valid_and_committed() -> None:
    validate(DOCUMENT)
    assert json.loads(COMMITTED.read_text()) == DOCUMENT


def test_every_endpoint_is_described_once() -> None:
    listed = {(m.upper(), path) for path, each in DOCUMENT["paths"].items() for m in each}
    assert listed == {(e.route.method, e.route.path) for e in ENDPOINTS}
    names = [op["operationId"] for each in DOCUMENT["paths"].values() for op in each.values()]
    assert len(names) == len(set(names))


def test_what_the_address_binds_is_not_in_the_body() -> None:
    body = DOCUMENT["components"]["schemas"]["CreatePost"]
    assert body["required"] == ["content", "targetAccountIds"]
    assert "brandId" not in body["properties"]
    assert body["properties"]["targetAccountIds"]["maxItems"] == 50


def test_what_is_judged_item_by_item_promises_no_refusal() -> None:
    many, one = (DOCUMENT["components"]["schemas"][name] for name in ("CreatePosts", "BulkPost"))
    target = one["properties"]["targets"]["items"]["$ref"].rsplit("/", 1)[-1]
    inner = DOCUMENT["components"]["schemas"][target]["properties"]["content"]

    assert many["properties"]["posts"]["maxItems"] == 50
    for shape in (*one["properties"].values(), inner):
        assert not {"maxLength", "minLength", "maxItems"} & shape.keys()
    assert "maxLength 100000" in inner["description"]


def test_who_need_not_sign_in_is_told() -> None:
    assert described("POST", "/auth/login")["security"] == []
    assert "security" not in described("GET", "/auth/me")
    assert "posts.schedule" in described("POST", "/posts/{id}/schedule")["description"]


async def test_the_door_serves_it(api: Api) -> None:
    assert (await api.http.get("/openapi.json")).json() == DOCUMENT


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/auth/me", {}),
        ("/workspaces", {}),
        ("/workspaces/{id}", {"id": "workspace"}),
        ("/workspaces/{workspaceId}/brands", {"workspaceId": "workspace"}),
        ("/brands/{id}", {"id": "brand"}),
        ("/brands/{brandId}/social-accounts", {"brandId": "brand"}),
        ("/brands/{brandId}/posts", {"brandId": "brand"}),
    ],
)
async def test_answers_are_as_described(ann: Person, path: str, ids: dict[str, str]) -> None:
    await ann.post(await ann.account())

    answer = await ann.rest("GET", path.format(**{k: getattr(ann, v) for k, v in ids.items()}))

    assert answer.status_code == 200
    conforms(answer.json(), "GET", path, 200)


async def test_a_post_and_its_refusals_are_as_described(ann: Person) -> None:
    post = await ann.post(await ann.account(), scheduledAt="2030-01-01T07:00:00Z")
    wrong = await ann.rest("POST", f"/brands/{ann.brand}/posts", {"content": 7})
    stale = await ann.rest("PATCH", f"/posts/{post['id']}", {}, headers={"if-match": '"1"'})
    gone = await ann.rest("GET", f"/posts/{ann.brand}")

    conforms(post, "POST", "/brands/{brandId}/posts", 201)
    for answer, method, path in (
        (wrong, "POST", "/brands/{brandId}/posts"),
        (stale, "PATCH", "/posts/{id}"),
        (gone, "GET", "/posts/{id}"),
    ):
        conforms(answer.json(), method, path, answer.status_code)


def test_a_wrong_answer_would_be_noticed() -> None:
    with pytest.raises(Exception, match="is not of type"):
        conforms({"data": [{"id": 7}], "page": {}}, "GET", "/workspaces", 200)
