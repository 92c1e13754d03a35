"""Whatever arrives, the answer is a sentence, a code and a request id; never a 500."""

import io
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx2
import hypothesis
import pytest
from graphql import GraphQLError
from hypothesis import strategies as st

from mypost import logs
from mypost.engine.documents import Documents
from mypost.limits import Limiter
from mypost.metrics import Metrics
from mypost.middleware import RequestIds
from mypost.schema.build import schema
from mypost.spelling import MASKED, spell
from mypost.windows import Rates
from tests.client import Api, Person
from tests.conftest import House
from tests.doors import Door
from tests.test_posts import at, changes, refused, write

CORE = schema._schema
SECRET = "a secret of ours"
FAMILY = "👨‍👩‍👧‍👦"


def said(answer: httpx2.Response) -> dict[str, Any]:
    """The one error of an answer by either door, and that its request id is everywhere the same."""
    assert 400 <= answer.status_code < 500 or answer.url.path == "/graphql", answer.text
    body = answer.json()
    error = body.get("error") or body["errors"][0] | body["errors"][0]["extensions"]
    assert error["message"]
    assert answer.headers["x-request-id"] == error["requestId"]
    assert error["requestId"].startswith("req_")
    assert error["code"] != "INTERNAL_ERROR"
    return error


async def send(who: Person, method: str, path: str, content: Any, **headers: str) -> Any:
    """Sends bytes as they are."""
    given = {"content-type": "application/json", **headers, "authorization": f"Bearer {who.token}"}
    return await who.api.http.request(method, path, content=content, headers=given)


def post(**fields: Any) -> bytes:
    """The bytes of a post with some fields that will not do."""
    return json.dumps({"content": "x", "targetAccountIds": [], **fields}).encode()


NOT_JSON = [b"{nope", b"\xff\xfe", b"NaN", b"{'a': 1}", b'{"a": 1}}', b'{"a":"\0"}', b"[" * 10_000]
NO_OBJECT = [b"[]", b"1", b'"x"', b"null", b"", b'{"a":' * 10_000 + b"1" + b"}" * 10_000]


@pytest.mark.parametrize("raw", NOT_JSON + NO_OBJECT, ids=lambda raw: repr(raw[:9]))
async def test_what_is_no_json_object_is_refused(house: House, ann: Person, raw: bytes) -> None:
    before = await house.digest()

    for path in (f"/api/v1/brands/{ann.brand}/posts", "/graphql"):
        answer = await send(ann, "POST", path, raw)
        assert answer.status_code == 400
        assert said(answer)["code"] == "VALIDATION_ERROR"
    assert await house.digest() == before


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        (b"{}", "content targetAccountIds"), (post(content=7), "content"),
        (post(content="a\0b"), "content"), (post(content="\ud83d"), "content"),
        (post(content=10**40), "content"), (post(content=["x"]), "content"),
        (post(content="x" * 100_001), "content"), (post(content=None), "content"),
        (post(tags="spring"), "tags"), (post(tags=["a", 5]), "tags.1"), (post(tags=[""]), "tags"),
        (post(tags=["x"] * 21), "tags"), (post(targetAccountIds=[1, None]),
        "targetAccountIds.0 targetAccountIds.1"), (post(scheduledAt="soon"), "scheduledAt"),
        (post(scheduledAt=1e300), "scheduledAt"), (post(approval=None, id="x"), "approval id"),
        (post(brandId="x"), "brandId"), (post(content=1, tags=[2], nope=3), "content tags.0 nope"),
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
async def test_each_faulty_field_is_named(
    house: House, ann: Person, raw: bytes, paths: str
) -> None:
    before = await house.digest()

    answer = await send(ann, "POST", f"/api/v1/brands/{ann.brand}/posts", raw)

    assert answer.status_code == 400
    assert [detail["path"] for detail in said(answer)["details"]] == paths.split()
    assert await house.digest() == before


async def test_a_text_is_counted_as_there(house: House, door: Door, ann: Person) -> None:
    account = await ann.account(handle=(name := f"count-{uuid4().hex[:8]}"))
    post = (await write(door, ann, account, content=FAMILY * 500)).ok

    words = f"{name.title()} (sandbox) takes 1 to 500 graphemes, this text has 501"
    new = {"brandId": ann.brand, "targetAccountIds": [account]}
    for operation, place in (("update_post", {"id": post["id"]}), ("create_post", new)):
        given = {**place, "content": FAMILY * 501}
        answer = await refused(house, door, ann, operation, "VALIDATION_ERROR", **given)
        assert answer.details == (("content", words),)


async def test_others_ids_are_unknown(house: House, door: Door, ann: Person, eve: Person) -> None:
    other = (await door.call(ann, "create_brand", workspaceId=ann.workspace, name="Other")).ok
    mine, beside = await ann.account(), await ann.account(brand=other["id"])
    wrong = [await eve.account(), beside, str(uuid4()), ann.brand, "nonsense", ""]
    id = (await ann.post(mine))["id"]
    places = [(f"targetAccountIds.{n + 1}", "There is no such account") for n in range(6)]
    places += [(f"mediaIds.{n}", "There is no such media") for n in range(2)]

    given = {"targetAccountIds": [mine, *wrong], "mediaIds": [str(uuid4()), "nonsense"]}
    new = {"brandId": ann.brand, "content": "x"}
    for operation, place in (("update_post", {"id": id}), ("create_post", new)):
        answer = await refused(house, door, ann, operation, "VALIDATION_ERROR", **place, **given)
        assert answer.details == tuple(places)


async def test_a_post_without_accounts_stays_a_draft(house: House, door: Door, ann: Person) -> None:
    post = (await write(door, ann)).ok
    queued = await ann.post(await ann.account(), scheduledAt=at(hours=1))
    none = {"id": queued["id"], "targetAccountIds": []}

    for operation, given in [*changes(post["id"])[1:3], ("update_post", none)]:
        answer = await refused(house, door, ann, operation, "VALIDATION_ERROR", **given)
        assert answer.details == (("targetAccountIds", "Choose at least one account"),)


CREATE = "mutation($i: CreatePostInput!) { createPost(input: $i) { userErrors { path message } } }"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"content": 7}, ".content"), ({"content": None}, ".content"), ({"contant": 1}, "contant"),
        ({"tags": [5]}, ".tags[0]"), ({"scheduledAt": "soon"}, ".scheduledAt"),
        ({"content": 10**40}, ".content"), ({"mediaIds": 1.5}, ".mediaIds"),
        ({"targetAccountIds": [{}]}, ".targetAccountIds[0]"),
    ],
)  # fmt: skip
async def test_a_wrong_variable_is_named(ann: Person, fields: dict[str, Any], named: str) -> None:
    given = {"brandId": ann.brand, "content": "x", "targetAccountIds": [], **fields}
    body = json.dumps({"query": CREATE, "variables": {"i": given}}).encode()

    error = said(await send(ann, "POST", "/graphql", body))

    assert error["code"] == "VALIDATION_ERROR"
    assert named in error["message"]
    assert "Did you mean" not in error["message"]


@pytest.mark.parametrize("depth", [40, 200, 900])
async def test_deep_json_is_refused_by_both_doors(house: House, ann: Person, depth: int) -> None:
    offer = await ann.rest("POST", f"/brands/{ann.brand}/social-accounts", {"network": "sandbox"})
    id, deep = offer.json()["connectionId"], "[" * depth + "]" * depth
    spelled = f'{{id: "{id}", credentials: {deep}}}'
    typed, literal = (
        f"mutation{head} {{ completeConnection(input: {input}) {{ userErrors {{ path }} }} }}"
        for head, input in (("($i: CompleteConnectionInput!)", "$i"), ("", spelled))
    )
    variables = f'{{"i": {{"id": "{id}", "credentials": {deep}}}}}'
    before = await house.digest()

    for path, raw in (
        (f"/api/v1/social-connections/{id}", f'{{"credentials": {deep}}}'),
        ("/graphql", f'{{"query": "{typed}", "variables": {variables}}}'),
        ("/graphql", json.dumps({"query": literal})),
    ):  # fmt: skip
        answer = await send(ann, "POST", path, raw.encode())
        assert answer.status_code in (200, 400)
        if answer.json().get("data") is None:
            assert said(answer)["code"] == "VALIDATION_ERROR"
    assert await house.digest() == before


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/graphql"])
async def test_a_body_too_long_is_refused_however_it_comes(ann: Person, path: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 10_240

    for content in (b" " * 300 * 1024, chunks()):
        answer = await send(ann, "POST", path, content)
        assert said(answer)
        assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/graphql"])
async def test_another_content_type_is_refused(ann: Person, path: str) -> None:
    for kind in ("text/plain", "application/xml", "multipart/form-data", ""):
        answer = await send(ann, "POST", path, b"{}", **{"content-type": kind})
        assert answer.status_code == 415
        assert said(answer)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/v1/posts/x", "DELETE, GET, HEAD, PATCH"),
        ("PATCH", "/graphql", "GET, HEAD, POST"),
        ("DELETE", "/api/v1/auth/login", "POST"), ("TRACE", "/api/v1/auth/me", "GET, HEAD, PATCH"),
    ],
)  # fmt: skip
async def test_a_wrong_method_hears_the_right_ones(
    ann: Person, method: str, path: str, allow: str
) -> None:
    answer = await send(ann, method, path, b"{}")

    assert (answer.status_code, said(answer)["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/v1", "/api/v1/nothing", "/api/v1/posts", "/api/v2/posts/x",
             "/api/v1/brands/%00", "/api/v1/brands/%ff/posts", "/api/v1/posts/" + "9" * 5000]
)  # fmt: skip
async def test_an_address_with_nothing_behind_it_is_not_found(ann: Person, path: str) -> None:
    answer = await send(ann, "GET", path, b"")

    assert (answer.status_code, said(answer)["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("req_abcd1234", True), ("req_" + "x" * 64, True), ("req_short", False), ("", False),
        ("abcd12345678", False), ("req_" + "x" * 65, False), ("req_abcd1234; x", False),
        ("req_äöüäöüäö", False),
    ],
)  # fmt: skip
async def test_a_well_formed_request_id_is_kept(api: Api, given: str, kept: bool) -> None:
    for path in ("/healthz", "/api/v1/auth/me", "/nothing"):
        answer = await api.http.get(path, headers={"x-request-id": given.encode()})
        assert (answer.headers["x-request-id"] == given) is kept
        assert answer.status_code == 200 or said(answer)


def wide(kind: str, count: int, *, hidden: bool) -> str:
    """So many root fields, in plain sight or in a fragment."""
    logout = "logout(input: {}) { userErrors { code } }"
    field = {"query": "viewer { id }", "mutation": logout}[kind]
    fields = " ".join(f"a{n}: {field}" for n in range(count))
    if hidden:
        return f"{kind} {{ ...F }} fragment F on {kind.title()} {{ ... {{ {fields} }} }}"
    return f"{kind} {{ {fields} }}"


def doubling(inner: str, on: str, levels: int) -> str:
    """A document whose fragments each spread the next one twice."""
    fragments = " ".join(
        f"fragment F{n} on {on} {{ {inner.replace('#', f'...F{n + 1}')} }}" for n in range(levels)
    )
    start = "viewer" if on == "User" else "brand(id: 1)"
    return f"{{ {start} {{ ...F0 }} }} {fragments} fragment F{levels} on {on} {{ id }}"


LEVEL = "workspace { brands { nodes { # } } }"
DEEP_FIELDS = "{ workspace { brands { nodes " * 70 + "{ id }" + " } } }" * 70
HOSTILE = {
    "five thousand tokens": "{ viewer { " + "id " * 5000 + "} }",
    "a deep selection": "{ brand(id: 1) " + DEEP_FIELDS + " }",
    "deep brackets": "{ node(id: " + "[" * 200 + "1" + "]" * 200 + ") { id } }",
    "unbalanced": "{ a " * 900,
    "a fragment cycle": "{ viewer { ...A } } fragment A on User { ...B } "
    "fragment B on User { ...A }",
    "three hundred aliases": "{ viewer { " + " ".join(f"a{n}: id" for n in range(300)) + " } }",
    "thirty root fields": wide("query", 30, hidden=False),
    "thirty hidden root fields": wide("query", 30, hidden=True),
    "ten mutations": wide("mutation", 10, hidden=False),
    "ten hidden mutations": wide("mutation", 10, hidden=True),
    "doubling aliases": doubling(" ".join(f"a{n}: {LEVEL}" for n in range(5)), "Brand", 4),
    "doubling spreads": doubling("# #", "User", 60),
    "no such field": "{ viewr { id } }", "empty": "", "a comment": "#",
    "a control character": "{ viewer\0 { id } }",
    "a subscription": "subscription($b: ID!) { postStatusChanged(brandId: $b) { __typename } }",
    "two operations": "query A { viewer { id } } query B { viewer { id } }",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_document_is_refused_quickly(house: House, ann: Person, name: str) -> None:
    before, text = await house.digest(), HOSTILE[name]
    answer = await send(ann, "POST", "/graphql", json.dumps({"query": text}).encode())
    spent = []
    for _ in range(3):
        began = time.process_time()
        Documents(CORE).get(text)
        spent.append(time.process_time() - began)

    assert said(answer)["code"] == "VALIDATION_ERROR"
    assert "data" not in answer.json()
    assert "Did you mean" not in answer.text
    assert min(spent) <= 0.05
    assert await house.digest() == before


@pytest.mark.parametrize(
    "extra", [{"operationName": "C"}, {"operationName": 1}, {"variables": []}, {"extensions": 1}]
)
async def test_parameters_that_mean_nothing_are_refused(ann: Person, extra: dict[str, Any]) -> None:
    body = json.dumps({"query": HOSTILE["two operations"], **extra}).encode()

    assert said(await send(ann, "POST", "/graphql", body))["code"] == "VALIDATION_ERROR"


async def test_a_request_error_has_the_status_its_media_type_demands(ann: Person) -> None:
    for query, status in (("{ nothing }", 400), ("{", 400), ("{ viewer { id } }", 200)):
        for kind in ("application/graphql-response+json", "application/json"):
            body = json.dumps({"query": query}).encode()
            answer = await send(ann, "POST", "/graphql", body, accept=kind)
            assert answer.status_code == (200 if kind == "application/json" else status)
            assert answer.headers["content-type"].startswith(kind)


SOME = ["\ud800", "a@b.co", "UTC", "2026-01-15T14:00:00Z", str(uuid4())]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.sampled_from(SOME),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = st.sampled_from(
    ["content", "targetAccountIds", "mediaIds", "tags", "scheduledAt", "name", "description",
     "timezone", "email", "password", "workspaceName", "refreshTokenIn", "expectedVersion"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["{", "}", "(", ")", "viewer", "id", "...", "on", "fragment", "query", "mutation", "$a", ":",
     "@skip(if: true)", '"', '"""', "brand", "node", "nodes", "ids", "[", "]", "1", "User", "!",
     "=", "__schema", "__typename", "email", "é", "\0", "&", "|", "subscription"]
)  # fmt: skip
SHARED = [hypothesis.HealthCheck.function_scoped_fixture]
MANY = hypothesis.settings(max_examples=100, deadline=None, suppress_health_check=SHARED)


# slow: a hundred examples each, over the socket
@MANY
@hypothesis.given(body=st.dictionaries(NAMES | st.text(max_size=3), ANY, max_size=5))
async def test_no_body_is_an_error_of_ours(ann: Person, body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()

    brand = f"brands/{ann.brand}"
    for line in (f"POST {brand}/posts", f"PATCH {brand}", "POST auth/register"):
        method, path = line.split()
        assert (await send(ann, method, f"/api/v1/{path}", raw)).status_code < 500


@MANY
@hypothesis.given(query=st.text(max_size=60) | st.lists(WORDS, max_size=25).map(" ".join))
async def test_no_document_is_an_error_of_ours(ann: Person, query: str) -> None:
    answer = await send(ann, "POST", "/graphql", json.dumps({"query": query}).encode())

    assert answer.status_code < 500
    assert "INTERNAL_ERROR" not in answer.text


@pytest.fixture
def written() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What has been logged so far."""
    stream = io.StringIO()
    logs.configure("debug", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logs.configure("critical")


def test_an_unforeseen_error_is_spelled_without_its_words(written: Any) -> None:
    told = spell(GraphQLError(SECRET, path=["post"], original_error=KeyError(SECRET)), "req_1")

    extensions = {"code": "INTERNAL_ERROR", "requestId": "req_1"}
    assert told == {"message": MASKED, "path": ["post"], "extensions": extensions}
    assert [(line["error"], SECRET in str(line)) for line in written()] == [("KeyError", False)]


@pytest.mark.parametrize("started", [False, True])
async def test_what_no_layer_caught_is_masked_and_logged(started: bool, written: Any) -> None:
    async def broken(_scope: Any, _receive: Any, send: Any) -> None:
        if started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError(SECRET)

    sent: list[Any] = []

    async def keep(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/x", "headers": []}
    limiter = Limiter("redis://127.0.0.1:1", Rates(1, 1, 1))
    await RequestIds(broken, Metrics(Documents(CORE), limiter))(scope, keep, keep)

    fault, request = written()
    assert fault.keys() == {"event", "level", "timestamp", "request_id", "error", "place"}
    assert (fault["error"], fault["request_id"]) == ("ValueError", request["request_id"])
    assert SECRET not in f"{fault} {request} {sent}"
    assert [message.get("status") for message in sent] == ([200] if started else [500, None])
    if not started:
        error = json.loads(sent[1]["body"])["error"]
        assert (error["code"], error["message"]) == ("INTERNAL_ERROR", MASKED)
        assert (b"x-request-id", error["requestId"].encode()) in sent[0]["headers"]


async def test_a_page_of_a_hundred_is_answered(ann: Person) -> None:
    answer = await ann.gql(nested(1), id=ann.brand)

    assert "errors" not in answer
    assert answer["extensions"]["cost"] == {"requested": 201, "maximum": 1000}


@pytest.mark.parametrize("pages", [2, 3])
async def test_pages_within_pages_are_refused_before_they_are_read(ann: Person, pages: int) -> None:
    answer = await ann.gql(nested(pages), id=ann.brand)

    assert answer["errors"][0]["extensions"]["code"] == "VALIDATION_ERROR"
    assert "data" not in answer


def nested(pages: int) -> str:
    """Posts of the brand of the posts of the brand …; a fragment hides the innermost."""
    text = "{ id }"
    for _ in range(pages):
        text = f"{{ posts(first: 100) {{ nodes {{ brand {text} }} }} }}"
    return f"query($id: ID!) {{ brand(id: $id) {{ ...B }} }} fragment B on Brand {text}"
