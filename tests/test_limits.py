"""Rate limits as callers meet them: by both doors, in every answer, before any write."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from redis.asyncio import Redis
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from mypost import clock, settings
from mypost.meter import TOLD, Meter, units
from mypost.middleware import RateLimits, RequestIds
from mypost.rest.body import MAX_BODY
from mypost.windows import Rates, of_address
from tests.client import PASSWORD, Api, Person, Socket
from tests.conftest import House
from tests.doors import Door
from tests.test_status import LIVE

PAIR = re.compile(r'"user";r=(\d+);t=([01])(?:, "workspace";r=(\d+);t=([01]))?')
BRAND = "query($id: ID!) { brand(id: $id) { id } }"
ME = "{ viewer { id } }"
MODERN = {"accept": "application/graphql-response+json"}


@pytest.fixture
async def rates(moved: House) -> AsyncIterator[Callable[[int, int], Awaitable[None]]]:
    """Sets limits, with every window empty, for a second that does not pass."""
    limiter, redis = moved.services.limiter, moved.services.nudges.redis
    before = limiter.rates

    async def be(user: int, workspace: int, everybody: int = 1000) -> None:
        if keys := await redis.keys("mypost:rate:*"):
            await redis.delete(*keys)
        limiter.rates = Rates(user, workspace, everybody)
        limiter._full.clear()
        clock.hold(clock.offset())

    yield be
    limiter.rates = before


def later(seconds: int) -> None:
    """Lets time pass, and the moment an answer and a request are on their way."""
    clock.hold(clock.offset() + timedelta(seconds=seconds, milliseconds=20))


async def ask(who: Person, query: str, headers: Any = None, **variables: Any) -> httpx2.Response:
    """Asks by GraphQL and answers the whole response."""
    return await who.api.http.post(
        "/graphql",
        json={"query": query, "variables": variables},
        headers={"authorization": f"Bearer {who.token}", **(headers or {})},
    )


async def test_a_user_may_ask_so_often_in_a_second_and_no_more(
    rates: Any, door: Door, house: House, ann: Person
) -> None:
    await rates(4, 100)
    given = {"workspaceId": ann.workspace, "name": "New"}
    passed = [await door.call(ann, "workspace", id=ann.workspace) for _ in range(2)]
    # A change with what it answers counts as two by GraphQL.
    passed.append(await door.call(ann, "create_brand", **given))
    passed += [await door.call(ann, "workspace", id=ann.workspace) for _ in range(2)]
    before = await house.digest()

    refused = [await door.call(ann, "create_brand", **given) for _ in range(3)]

    assert [answer.code for answer in passed].count(None) >= 3
    assert {answer.code for answer in refused} == {"RATE_LIMITED"}
    assert await house.digest() == before


async def test_who_waits_as_told_is_let_in(rates: Any, ann: Person) -> None:
    await rates(3, 100)
    for _ in range(3):
        await ann.rest("GET", "/auth/me")
    for _ in range(3):
        refused = await ann.rest("GET", "/auth/me")
        wait = int(refused.headers["retry-after"])
        by_graphql = await ask(ann, ME)

        assert (refused.status_code, by_graphql.status_code) == (429, 429)
        assert refused.json()["error"]["code"] == "RATE_LIMITED"
        (error,) = by_graphql.json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert error["extensions"]["retryAfter"] == int(by_graphql.headers["retry-after"]) == wait
        assert "data" not in by_graphql.json()
        assert wait >= int(refused.headers["x-ratelimit-reset"]) == 1

        later(wait)
        again = [await ann.rest("GET", "/auth/me") for _ in range(3)]
        assert [answer.status_code for answer in again] == [200] * 3


def answers(ann: Person) -> dict[str, Callable[[], Awaitable[httpx2.Response]]]:
    """How to get every kind of answer that the doors give, by its status."""
    http, me = ann.api.http, {"authorization": f"Bearer {ann.token}"}
    post = {"content": "Hello", "targetAccountIds": []}
    json = {"content-type": "application/json"}
    return {
        "rest 200": lambda: ann.rest("GET", f"/brands/{ann.brand}"),
        "rest 201": lambda: ann.rest("POST", f"/brands/{ann.brand}/posts", post),
        "rest 204": lambda: ann.rest("DELETE", f"/brands/{ann.brand}?force=true"),
        "rest 400": lambda: ann.rest("POST", "/workspaces", {"nonsense": 1}),
        "rest 400 unreadable": lambda: ann.rest("POST", "/workspaces", content=b"{", headers=json),
        "rest 401 nobody": lambda: ann.api.rest("GET", "/auth/me"),
        "rest 401 scheme": lambda: ann.api.rest(
            "GET", "/auth/me", headers={"authorization": "Basic x"}
        ),
        "rest 404 object": lambda: ann.rest("GET", f"/posts/{ann.brand}"),
        "rest 404 address": lambda: ann.rest("GET", "/nothing/here"),
        "rest 404 base": lambda: http.get("/api/v2", headers=me),
        "rest 405": lambda: ann.rest("PUT", f"/brands/{ann.brand}"),
        "rest 413": lambda: ann.rest(
            "POST", "/workspaces", content=b" " * (MAX_BODY + 1), headers=json
        ),
        "rest 415": lambda: ann.rest("POST", "/workspaces", content=b"x"),
        "graphql 200": lambda: ask(ann, ME),
        "graphql 200 refused": lambda: ask(ann, BRAND, id=ann.id),
        "graphql 400 document": lambda: ask(ann, "{ nonsense }", MODERN),
        "graphql 400 unreadable": lambda: http.post(
            "/graphql", content=b"{", headers={**me, **json}
        ),
        "graphql 401": lambda: http.post(
            "/graphql", json={"query": ME}, headers={"authorization": "Bearer x"}
        ),
        "graphql 405": lambda: http.get("/graphql", headers=me),
        "graphql 413": lambda: http.post(
            "/graphql", content=b" " * 300_000, headers={**me, **json}
        ),
        "graphql 415": lambda: http.post("/graphql", content=b"x", headers=me),
    }


async def test_every_answer_tells_what_is_left(rates: Any, ann: Person) -> None:
    for kind, get in answers(ann).items():
        await rates(10, 100)
        answer = await get()

        headers = answer.headers
        assert answer.status_code == int(kind.split()[1]), (kind, answer.text)
        assert headers["ratelimit-policy"] == '"user";q=10;w=1, "workspace";q=100;w=1', kind
        told = PAIR.fullmatch(headers["ratelimit"])
        assert told, (kind, headers["ratelimit"])
        assert 8 <= int(told[1]) <= 9, kind  # no answer is free
        shown = [headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")]
        assert shown == ["10", told[1], "1"], kind
        assert "retry-after" not in headers, kind
        for name in TOLD:
            assert len(headers.get_list(name)) == 1, (kind, name)


async def test_errors_count_as_well(rates: Any, ann: Person) -> None:
    """Whatever is answered but 429 has been charged."""
    for kind, get in answers(ann).items():
        await rates(2, 100)
        answered = [await get() for _ in range(5)]

        admitted = [a for a in answered if a.status_code != 429]
        assert 1 <= len(admitted) <= 2, kind
        for answer in answered[2:]:
            assert answer.status_code == 429, kind
            assert int(answer.headers["retry-after"]) >= 1, kind
            said = answer.json()
            error = said["error"] if "error" in said else said["errors"][0]["extensions"]
            assert error["code"] == "RATE_LIMITED", kind
            assert error["requestId"] == answer.headers["x-request-id"], kind


async def test_other_addresses_are_not_counted(rates: Any, api: Api) -> None:
    await rates(1, 1)

    answered = [await api.http.get(path) for path in ("/healthz", "/readyz", "/metrics", "/") * 3]

    assert {answer.status_code for answer in answered} == {200}
    assert not any(name in answer.headers for answer in answered for name in TOLD)


async def test_the_tightest_window_is_shown_and_the_global_one_never(
    rates: Any, ann: Person
) -> None:
    await rates(10, 4)
    answer = await ann.rest("GET", f"/brands/{ann.brand}")
    assert answer.headers["ratelimit"] == '"user";r=9;t=1, "workspace";r=3;t=1'
    assert answer.headers["x-ratelimit-limit"] == "4"
    assert answer.headers["x-ratelimit-remaining"] == "3"

    await rates(10, 100, 2)
    answered = [await ann.rest("GET", "/auth/me") for _ in range(3)]
    assert [answer.status_code for answer in answered] == [200, 200, 429]
    assert answered[-1].headers["ratelimit"] == '"user";r=8;t=1'
    assert answered[-1].headers["x-ratelimit-remaining"] == "8"


async def test_a_workspace_that_is_asked_too_often_is_read_by_nobody(
    rates: Any, door: Door, api: Api, ann: Person, eve: Person
) -> None:
    bob = await api.colleague(ann, "Editor")
    await rates(100, 3)

    read = [await door.call(who, "brand", id=ann.brand) for who in (ann, bob, ann, bob, ann)]
    hers = [await door.call(eve, "brand", id=eve.brand) for _ in range(3)]
    bob_elsewhere = await api.rest("GET", "/auth/me", token=bob.token)

    assert [answer.code for answer in read] == [None] * 3 + ["RATE_LIMITED"] * 2
    assert all(answer.body is None for answer in read[3:])
    assert [answer.code for answer in hers] == [None] * 3
    assert bob_elsewhere.status_code == 200


async def test_a_change_to_a_workspace_that_is_full_writes_nothing(
    rates: Any, door: Door, house: House, ann: Person
) -> None:
    account = await ann.account()
    post = await ann.post(account)
    await rates(100, 1)
    await door.call(ann, "brand", id=ann.brand)
    before = await house.digest()

    refused = [
        await door.call(ann, "create_brand", workspaceId=ann.workspace, name="New"),
        await door.call(ann, "update_brand", id=ann.brand, name="Other"),
        await door.call(ann, "delete_brand", id=ann.brand),
        await door.call(ann, "connect", brandId=ann.brand, network="sandbox"),
        await door.call(ann, "disconnect", id=account),
        await door.call(
            ann, "create_post", brandId=ann.brand, content="x", targetAccountIds=[account]
        ),
        await door.call(ann, "update_post", id=post["id"], content="y"),
        await door.call(ann, "publish_post", id=post["id"]),
        await door.call(ann, "delete_post", id=post["id"]),
    ]

    assert {answer.code for answer in refused} == {"RATE_LIMITED"}
    assert await house.digest() == before


async def test_what_a_full_workspace_refuses_is_given_back(
    rates: Any, house: House, ann: Person
) -> None:
    redis: Redis = house.services.nudges.redis
    await rates(5, 1)
    await ann.rest("GET", f"/brands/{ann.brand}")

    refused = [await ann.rest("GET", f"/brands/{ann.brand}") for _ in range(10)]
    refused += [await ask(ann, BRAND, id=ann.brand) for _ in range(10)]

    assert {answer.status_code for answer in refused} == {429}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.headers["ratelimit"] for answer in refused} == {
        '"user";r=4;t=1, "workspace";r=0;t=1'
    }
    assert await redis.llen(f"mypost:rate:user:{ann.id}") == 1
    assert await redis.llen("mypost:rate:global") == 1


async def test_a_workspace_is_charged_once_for_each_request(
    rates: Any, house: House, ann: Person
) -> None:
    await rates(50, 50)
    twice = "query($id: ID!, $w: ID!) { a: brand(id: $id) { id } b: brand(id: $id) { id }"
    twice += " workspace(id: $w) { id } node(id: $id) { id } nodes(ids: [$id, $w]) { id } }"

    answer = await ask(ann, twice, id=ann.brand, w=ann.workspace)
    changed = await ann.rest("PATCH", f"/brands/{ann.brand}", {"name": "Other"})

    assert "errors" not in answer.json()
    assert answer.headers["ratelimit"] == '"user";r=49;t=1, "workspace";r=49;t=1'
    assert changed.headers["ratelimit"] == '"user";r=48;t=1, "workspace";r=48;t=1'


async def test_any_object_by_its_id_is_charged_to_its_workspace(rates: Any, ann: Person) -> None:
    await rates(50, 1)
    node = "query($id: ID!) { node(id: $id) { id } }"

    answered = [await ask(ann, node, id=id) for id in (ann.brand, ann.workspace, ann.id)]

    assert [answer.status_code for answer in answered] == [200, 429, 200]
    assert answered[1].json()["data"] == {"node": None}


async def test_what_is_refused_in_part_says_so_in_part(
    rates: Any, api: Api, house: House, ann: Person, eve: Person
) -> None:
    await house.owner.execute(
        "INSERT INTO members (id, workspace_id, user_id, role_id)"
        " SELECT mypost_id(5), $1, $2, id FROM roles WHERE workspace_id = $1 AND name = 'Owner'",
        eve.workspace, ann.id,
    )  # fmt: skip
    await rates(50, 2)
    await asyncio.gather(*(eve.rest("GET", f"/brands/{eve.brand}") for _ in range(2)))
    both = "query($a: ID!, $b: ID!) { a: brand(id: $a) { id } b: brand(id: $b) { id } }"

    part = await ask(ann, both, a=ann.brand, b=eve.brand)
    whole = await ask(ann, both, MODERN, a=eve.brand, b=eve.brand)

    assert part.status_code == 200
    assert part.json()["data"] == {"a": {"id": ann.brand}, "b": None}
    assert [e["path"] for e in part.json()["errors"]] == [["b"]]
    assert part.headers["ratelimit"].startswith('"user";r=49;')
    assert whole.status_code == 429
    assert whole.headers["retry-after"] == "1"
    assert whole.headers["content-type"].startswith(MODERN["accept"])
    assert whole.headers["ratelimit"].startswith('"user";r=49;')


async def test_a_request_that_is_refused_at_once_is_spelled_as_its_door_does(
    rates: Any, ann: Person
) -> None:
    await rates(1, 1)
    await ask(ann, ME)

    plain, modern = await ask(ann, ME), await ask(ann, ME, MODERN)

    assert plain.headers["content-type"].startswith("application/json")
    assert modern.headers["content-type"].startswith(MODERN["accept"])
    assert plain.status_code == modern.status_code == 429


async def test_a_costly_query_counts_for_several(rates: Any, ann: Person) -> None:
    await rates(10, 100)
    many = "query($w: ID!) { workspace(id: $w) { brands(first: 100) { nodes"
    many += " { id workspace { id } } } } }"

    answer = await ask(ann, many, w=ann.workspace)

    cost = answer.json()["extensions"]["cost"]["requested"]
    assert units(cost) == 3
    assert answer.headers["ratelimit"] == '"user";r=7;t=1, "workspace";r=97;t=1'


async def test_what_a_hammering_caller_writes_is_not_even_read(
    rates: Any, api: Api, ann: Person
) -> None:
    async def read() -> str:
        text = (await api.http.get("/metrics")).text
        return re.search(r"^mypost_engine_document_misses_total (\S+)$", text, re.MULTILINE)[1]  # type: ignore[index]

    await rates(2, 100)
    for _ in range(3):
        await ann.rest("GET", "/auth/me")
    before = await read()

    answered = [await ask(ann, f"{{ unknown{number} }}") for number in range(5)]

    assert {answer.status_code for answer in answered} == {429}
    assert {answer.headers["ratelimit"] for answer in answered} == {'"user";r=0;t=1'}
    assert await read() == before


@pytest.mark.parametrize(
    ("cost", "count"), [(0, 1), (1, 1), (100, 1), (101, 2), (200, 2), (201, 3), (1000, 10)]
)
def test_a_hundred_points_are_one_request(cost: int, count: int) -> None:
    assert units(cost) == count


async def test_the_limits_can_be_asked_for(rates: Any, ann: Person, api: Api) -> None:
    await rates(10, 5)
    await ann.rest("GET", f"/brands/{ann.brand}")
    text = (
        "{ rateLimit { cost charged limit remaining reset"
        " windows { scope workspaceId limit remaining reset } } }"
    )

    told = (await ask(ann, text)).json()["data"]["rateLimit"]
    nobody = await api.gql(text)

    assert told == {
        "cost": 0, "charged": 1, "limit": 5, "remaining": 4, "reset": 1,
        "windows": [
            {"scope": "USER", "workspaceId": None, "limit": 10, "remaining": 8, "reset": 1},
            {
                "scope": "WORKSPACE", "workspaceId": ann.workspace,
                "limit": 5, "remaining": 4, "reset": 1,
            },
        ],
    }  # fmt: skip
    assert nobody["errors"][0]["extensions"]["code"] == "UNAUTHORIZED"


async def test_who_has_not_signed_in_is_counted_by_his_address(
    rates: Any, api: Api, ann: Person
) -> None:
    await rates(2, 100)
    given = {"email": ann.email, "password": PASSWORD}

    answered = [await api.rest("POST", "/auth/login", given) for _ in range(3)]
    hers = await ann.rest("GET", "/auth/me")

    assert [answer.status_code for answer in answered] == [200, 200, 429]
    assert hers.status_code == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        (None, "somewhere", True),
    ],
)
def test_an_ipv6_network_is_one_address(one: str | None, other: str | None, same: bool) -> None:
    assert (of_address(one) == of_address(other)) is same


async def test_each_operation_of_a_socket_is_charged_and_no_event_is(
    rates: Any, house: House, ann: Person, live: Socket
) -> None:
    account = await ann.account()
    await rates(3, 100)
    await live.subscribe(LIVE, brandId=ann.brand)
    await live.subscribe(ME)
    assert await live.next() == {"viewer": {"id": ann.id}}
    assert (await live.receive())["type"] == "complete"

    post = await ann.post(account)
    await live.subscribe(ME)
    refused = live.seen.pop() if live.seen else await live.receive()
    (error,) = refused["payload"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert error["extensions"]["retryAfter"] == 1

    await house.shift(timedelta(seconds=1))
    clock.hold(timedelta(seconds=1))
    assert (await ann.rest("POST", f"/posts/{post['id']}/publish")).status_code == 202
    await house.work()
    heard = [(await live.next())["postStatusChanged"]["type"] for _ in range(5)]
    assert heard[-1] == "post.published"
    assert (await ann.rest("GET", "/auth/me")).headers["ratelimit"].startswith('"user";r=1;')


async def test_an_answer_of_500_tells_what_is_left(house: House) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async def refuse(*_: Any) -> Response:
        return JSONResponse({}, 429)

    async def nobody(_: Any) -> None: ...

    app = RequestIds(RateLimits(broken, house.services.limiter, nobody, refuse), _Uncounted())
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as http:
        answer = await http.get("/api/v1/anything")

    assert answer.status_code == 500
    assert all(name in answer.headers for name in TOLD)


class _Uncounted:
    def request(self, *_: Any) -> None: ...


async def test_a_page_may_read_what_is_left(api: Api, house: House) -> None:
    answer = await api.http.get("/api/v1/auth/me", headers={"origin": house.settings.origin})

    shown = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert {*TOLD, "retry-after"} <= set(shown)


async def test_a_process_tells_what_it_has_refused(rates: Any, api: Api, ann: Person) -> None:
    async def count(name: str) -> float:
        text = (await api.http.get("/metrics")).text
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])  # type: ignore[index]

    by_user, alone = 'mypost_limits_refused_total{by="user"}', "mypost_limits_by_itself_total"
    before, counted = await count(by_user), await count(alone)
    await rates(1, 1)
    for _ in range(3):
        await ann.rest("GET", "/auth/me")

    assert await count(by_user) - before == 2
    assert await count("mypost_limits_shared") == 1
    assert await count(alone) == counted


async def test_without_redis_requests_are_answered_and_counted(
    rates: Any, house: House, ann: Person
) -> None:
    await rates(3, 100)
    limiter = house.services.limiter
    right, limiter._url = limiter._url, "redis://127.0.0.1:1"
    limiter._leave("a test")

    answered = await asyncio.gather(*(ann.rest("GET", "/auth/me") for _ in range(8)))

    limiter._url = right
    assert sorted(a.status_code for a in answered) == [200] * 3 + [429] * 5
    assert all('"user";r=' in a.headers["ratelimit"] for a in answered)
    await limiter._join()
    assert limiter.shared


def test_the_limits_are_settings() -> None:
    plain = settings.read({})
    assert (plain.rate_user, plain.rate_workspace, plain.rate_global) == (10, 100, 1000)

    set_ = settings.read({"MYPOST_RATE_USER": "7", "MYPOST_RATE_GLOBAL": "0050"})
    assert (set_.rate_user, set_.rate_workspace, set_.rate_global) == (7, 100, 50)


@pytest.mark.parametrize(
    "name", ["MYPOST_RATE_USER", "MYPOST_RATE_WORKSPACE", "MYPOST_RATE_GLOBAL"]
)
@pytest.mark.parametrize("value", ["0", "-1", "", "ten", "1.5", "1e3", " 5", "٣", "9999999999"])
def test_a_limit_that_is_no_whole_number_from_one_on_is_refused(name: str, value: str) -> None:
    with pytest.raises(settings.BadSettings, match=name):
        settings.read({name: value})


async def test_a_meter_that_was_not_charged_charges_no_workspace(house: House, ann: Person) -> None:
    meter = Meter(house.services.limiter, "test:nobody")

    await meter.enter(UUID(ann.workspace))

    assert meter.workspace is None
