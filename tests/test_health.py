"""What a process says of itself, and to whom."""

import asyncio
from datetime import timedelta

from redis.asyncio import Redis

from mypost.nudges import Nudges
from tests.client import Api, Person
from tests.conftest import House
from tests.test_posts import at, published


async def test_a_process_says_that_it_lives_and_is_ready(api: Api) -> None:
    assert (await api.http.get("/healthz")).json() == {"status": "ok"}
    assert (await api.http.get("/readyz")).json() == {"status": "ok", "redis": "ok"}


async def test_without_redis_it_is_ready_but_degraded(api: Api, house: House) -> None:
    right = house.services.nudges.redis
    nowhere = Redis.from_url("redis://127.0.0.1:1")
    house.services.nudges.redis = nowhere
    try:
        answer = await api.http.get("/readyz")
    finally:
        house.services.nudges.redis = right
        await nowhere.aclose()

    assert (answer.status_code, answer.json()) == (200, {"status": "degraded", "redis": "down"})


async def test_a_nudge_that_is_lost_fails_nothing() -> None:
    nowhere = Redis.from_url("redis://127.0.0.1:1")
    async with asyncio.timeout(2):
        await Nudges(nowhere).send("due")
    await nowhere.aclose()


async def test_the_first_page_leads_on_without_an_outside_request(api: Api) -> None:
    page = (await api.http.get("/")).text

    assert "/networks/sandbox/" in page
    assert "http://" not in page
    assert "https://" not in page


async def test_a_page_of_an_allowed_origin_may_call(api: Api, house: House) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "if-match"}
    own = {"origin": house.settings.origin, **asked}
    foreign = {"origin": "https://evil.example", **asked}

    allowed = await api.http.options("/api/v1/workspaces", headers=own)
    refused = await api.http.options("/api/v1/workspaces", headers=foreign)

    assert allowed.headers["access-control-allow-origin"] == house.settings.origin
    assert "access-control-allow-origin" not in refused.headers


async def test_a_process_tells_what_it_has_counted(api: Api) -> None:
    await api.gql("{ __typename }")
    await api.rest("GET", "/brands")
    told = (await api.http.get("/metrics")).text

    assert 'mypost_request_seconds_count{door="graphql",status="200"}' in told
    assert 'mypost_request_seconds_count{door="rest",status="404"}' in told
    assert 'mypost_engine_operations_total{by="plan"}' in told
    assert "mypost_engine_documents " in told


async def test_metrics_tell_how_publishing_is_doing(moved: House, api: Api, ann: Person) -> None:
    async def told() -> dict[str, float]:
        lines = (await api.http.get("/metrics")).text.splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines if line.startswith("mypost_publishing_")]
        return {name.removeprefix("mypost_publishing_"): float(value) for name, value in pairs}

    waiting = 'targets{state="needs_confirmation"}'
    before = await told()
    account = await ann.account("blind_lost")
    await published(moved, ann, account)
    late = await ann.post(await ann.account("rate_limited"))
    await ann.rest("POST", f"/posts/{late['id']}/publish")
    await moved.work()
    await ann.post(await ann.account(), scheduledAt=at(seconds=1))
    await moved.shift(timedelta(seconds=62))
    after = await told()

    assert after[waiting] == before.get(waiting, 0) + 1
    assert after["oldest_overdue_seconds"] >= 60
    assert (after["quarantined"], after["oldest_unknown_seconds"]) == (0, 0)
    assert after['breaker_open{network="sandbox"}'] in (0, 1)
    await moved.work()
