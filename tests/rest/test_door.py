"""The handler around a row, with the engine replaced by what a test answers."""

from types import SimpleNamespace

import httpx2
import pytest
from graphql import ExecutionResult, GraphQLError
from starlette.applications import Starlette

from mypost.context import Caller, Context
from mypost.engine.documents import Documents
from mypost.errors import Forbidden, Unauthorized
from mypost.rest import door
from mypost.rest.body import MAX_BODY
from mypost.rest.routes import BASE
from tests.rest.rows import GRAPHQL, ID

POST = {"id": ID, "version": 7, "status": "SCHEDULED", "phase": "PUBLISHING", "targets": []}
JSON = {"content-type": "application/json"}
CREATE = f"/brands/{ID}/posts"


class Engine:
    """Answers what it is told, and remembers what it was asked."""

    def __init__(self):
        self.data, self.errors, self.cookies, self.asked = {}, None, {}, None
        self.signed_in = True

    async def execute(self, _schema, prepared, variables, ctx):
        self.asked = prepared.text, variables
        ctx.caller.cookies.update(self.cookies)
        return ExecutionResult(self.data, self.errors)

    async def context(self, request):
        bad = request.headers.get("authorization") == "Bearer bad"
        services = SimpleNamespace(settings=SimpleNamespace(cookie_secure=True), pool=None)
        viewer = object() if self.signed_in and not bad else None
        refused = Unauthorized("The token does not hold") if bad else None
        return Context(services, Caller("req_test"), viewer, refused=refused)


@pytest.fixture
def engine(monkeypatch):
    engine = Engine()
    monkeypatch.setattr(door, "execute", engine.execute)
    return engine


@pytest.fixture
async def client(engine):
    app = Starlette(
        routes=door.routes(GRAPHQL, Documents(GRAPHQL), engine.context),
        exception_handlers={404: door.not_found, 405: door.method_not_allowed},
    )
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://test{BASE}") as client:
        yield client


def said(response):
    body = response.json()["error"]
    assert body["requestId"].startswith("req_")
    return response.status_code, body["code"], [d["path"] for d in body["details"]]


async def test_a_resource_is_unwrapped_with_its_etag(client, engine):
    engine.data = {"post": dict(POST)}
    response = await client.get(f"/posts/{ID}")
    assert response.status_code == 200
    assert response.headers["etag"] == '"7"'
    assert response.json()["phase"] == "publishing"
    assert engine.asked[1] == {"id": ID}


async def test_a_created_thing_says_where_it_stands(client, engine):
    engine.data = {"createPost": {"post": dict(POST), "userErrors": []}}
    given = {"content": "x", "targetAccountIds": []}
    response = await client.post(CREATE, json=given)
    assert response.status_code == 201
    assert response.headers["location"] == f"{BASE}/posts/{ID}"
    assert engine.asked[1] == {"input": {**given, "brandId": ID}}


async def test_a_post_without_a_body_needs_no_type(client, engine):
    engine.data = {"publishPost": {"post": dict(POST), "userErrors": []}}
    response = await client.post(f"/posts/{ID}/publish", headers={"if-match": 'W/"7"'})
    assert response.status_code == 202
    assert engine.asked[1] == {"input": {"id": ID, "expectedVersion": 7}}


async def test_what_is_gone_has_no_body(client, engine):
    engine.data = {"deleteBrand": {"userErrors": []}}
    response = await client.delete(f"/brands/{ID}?force=true")
    assert (response.status_code, response.content) == (204, b"")
    assert engine.asked[1] == {"input": {"id": ID, "force": True}}


async def test_cookies_are_for_the_auth_endpoints_alone(client, engine):
    engine.cookies = {"mypost_refresh": ("t", 60)}
    session = {"accessToken": "a", "expiresIn": 900, "refreshToken": None}
    engine.data = {"refreshSession": {**session, "refreshExpiresIn": None, "userErrors": []}}
    response = await client.post("/auth/refresh")
    assert response.json() == {"accessToken": "a", "expiresIn": 900}
    assert response.headers["cache-control"] == "no-store"
    cookie = response.headers["set-cookie"].lower()
    for part in ("mypost_refresh=t", "max-age=60", "path=/api/v1/auth;", "httponly", "secure"):
        assert part in cookie
    assert "samesite=strict" in cookie


async def test_a_cookie_is_taken_away(client, engine):
    engine.cookies, engine.data = {"mypost_refresh": ("", 0)}, {"logout": {"userErrors": []}}
    response = await client.post("/auth/logout")
    assert response.status_code == 204
    assert "Max-Age=0" in response.headers["set-cookie"]


async def test_user_errors_are_a_refusal(client, engine):
    wrong = [
        {"code": "NOT_FOUND", "message": "No", "path": ["targetAccountIds", "0"]},
        {"code": "TOO_LONG", "message": "No", "path": ["content"]},
    ]
    engine.data = {"createPost": {"post": None, "userErrors": wrong}}
    response = await client.post(CREATE, json={"content": "x", "targetAccountIds": [ID]})
    assert said(response) == (400, "VALIDATION_ERROR", ["targetAccountIds.0", "content"])
    wrong[0]["path"] = ["brandId"]
    response = await client.post(CREATE, json={"content": "x", "targetAccountIds": [ID]})
    assert said(response) == (404, "NOT_FOUND", [])


async def test_what_was_raised_decides_the_status(client, engine):
    engine.data = None
    for raised, status in ((Forbidden("posts.edit"), 403), (KeyError("secret"), 500)):
        engine.errors = [GraphQLError("secret", path=["post"], original_error=raised)]
        response = await client.get(f"/posts/{ID}")
        assert said(response)[0] == status
        assert "secret" not in response.text


async def test_nothing_found_is_404(client, engine):
    engine.data = {"brand": None}
    assert said(await client.get(CREATE)) == (404, "NOT_FOUND", [])


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}])
async def test_who_calls_is_asked_before_what_he_sends(client, engine, headers):
    engine.signed_in = False
    response = await client.post(CREATE, content=b"{", headers=headers)
    assert said(response) == (401, "UNAUTHORIZED", [])
    assert response.headers["www-authenticate"] == "Bearer"
    assert said(await client.get("/posts/x"))[0] == 401
    assert said(await client.post("/auth/login", json={}))[0] == 400


async def test_a_token_that_does_not_hold_is_401(client):
    response = await client.get("/auth/me", headers={"authorization": "Bearer bad"})
    assert said(response)[:2] == (401, "UNAUTHORIZED")


async def test_an_address_that_is_no_id_is_404_before_the_body(client, engine):
    assert said(await client.post("/posts/x/schedule", content=b"{", headers=JSON))[0] == 404
    assert engine.asked is None


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "json"])
async def test_another_type_of_body_is_415(client, kind):
    headers = {"content-type": kind} if kind else {}
    response = await client.post(CREATE, content=b"{}", headers=headers)
    assert said(response) == (415, "UNSUPPORTED_MEDIA_TYPE", [])


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/merge-patch+json"]
)
async def test_json_has_more_than_one_name(client, kind):
    response = await client.post(CREATE, content=b"{}", headers={"content-type": kind})
    assert said(response) == (400, "VALIDATION_ERROR", ["content", "targetAccountIds"])


async def test_a_body_is_counted_whatever_it_declares(client):
    async def chunks():
        for _ in range(2):
            yield b" " * (MAX_BODY // 2)
        yield b"!"

    response = await client.post(CREATE, content=chunks(), headers=JSON)
    assert said(response) == (413, "PAYLOAD_TOO_LARGE", [])


async def test_unknown_addresses_and_methods_have_the_envelope(client):
    assert said(await client.get("/nothing")) == (404, "NOT_FOUND", [])
    response = await client.put(f"/posts/{ID}", json={})
    assert said(response) == (405, "METHOD_NOT_ALLOWED", [])
    assert response.headers["allow"] == "DELETE, GET, HEAD, PATCH"
    assert (await client.post("/auth/me")).headers["allow"] == "GET, HEAD"
