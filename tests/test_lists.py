"""Lists by both doors: every row once, whatever changes meanwhile, and no cursor but ours."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from mypost import clock, ids
from tests.client import Api, Person
from tests.conftest import House
from tests.statements import said

ROWS = 57
LISTS = ("posts", "brands", "social-accounts", "workspaces")
# Each list as GraphQL reaches it: the parent's field, and the connection beneath it.
CONNECTIONS = {
    "posts": ("brand(id: $id)", "posts"),
    "brands": ("workspace(id: $id)", "brands"),
    "social-accounts": ("brand(id: $id)", "socialAccounts"),
    "workspaces": (None, "workspaces"),
}
FILLED = {
    "posts": "INSERT INTO posts (id, workspace_id, brand_id, content, created_by, created_at)"
    " SELECT id, $1, $2, 'Row', $3, at FROM n",
    "brands": "INSERT INTO brands (id, workspace_id, name, timezone, created_at)"
    " SELECT id, $1, coalesce($2::uuid::text, $3::uuid::text), 'UTC', at FROM n",
    "social-accounts": "INSERT INTO accounts"
    " (id, workspace_id, brand_id, network, external_id, handle, name, status, created_at)"
    " SELECT id, $1, $2, 'sandbox', id::text, 'row', $3::uuid::text, 'disconnected', at FROM n",
}
TAGS = {"posts": ids.Tag.POST, "brands": ids.Tag.BRAND, "social-accounts": ids.Tag.ACCOUNT}


def path_of(kind: str, who: Person) -> str:
    """Where a list stands."""
    if kind == "workspaces":
        return "/workspaces"
    parent = f"workspaces/{who.workspace}" if kind == "brands" else f"brands/{who.brand}"
    return f"/{parent}/{kind}"


async def fill(house: House, who: Person, kind: str, count: int) -> None:
    """Writes rows behind the API's back, three to an instant: the id decides between equals."""
    if kind == "workspaces":  # slow: by the API, which gives them their roles
        for start in range(0, count, 10):
            new = [{"name": f"W{n}"} for n in range(start, min(start + 10, count))]
            await asyncio.gather(*(who.rest("POST", "/workspaces", body) for body in new))
        return
    await house.owner.execute(
        "WITH n AS (SELECT mypost_id($4) AS id, mypost_now() - (n / 3) * interval '1 s' AS at"
        f" FROM generate_series(1, $5::int) n) {FILLED[kind]}",
        who.workspace, who.brand, who.id, int(TAGS[kind]), count,
    )  # fmt: skip


async def every(who: Person, path: str) -> list[str]:
    """The ids of a list, read in the largest pages."""
    return [row["id"] async for row in walk(who, path, 100)]


async def walk(who: Person, path: str, limit: int = 10) -> AsyncIterator[dict[str, Any]]:
    """The rows of a list, page by page."""
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": limit, **({"cursor": cursor} if cursor else {})}
        said = (await who.rest("GET", path, params=params)).json()
        assert said["page"].keys() == {"nextCursor", "hasMore", "limit"}
        assert said["page"]["limit"] == limit
        assert said["page"]["hasMore"] is (said["page"]["nextCursor"] is not None)
        assert len(said["data"]) == limit if said["page"]["hasMore"] else len(said["data"]) <= limit
        for row in said["data"]:
            yield row
        cursor = said["page"]["nextCursor"]


async def connection(who: Person, kind: str, **slice_: Any) -> dict[str, Any]:
    """A page by GraphQL, or its errors."""
    parent, name = CONNECTIONS[kind]
    given = {k: v for k, v in slice_.items() if v is not None}
    types = {"first": "Int", "last": "Int", "after": "String", "before": "String"}
    declared = "".join(f", ${k}: {types[k]}" for k in given)
    passed = f"({', '.join(f'{k}: ${k}' for k in given)})" if given else ""
    page = "hasNextPage hasPreviousPage startCursor endCursor"
    shown = f"edges {{ cursor node {{ id }} }} nodes {{ id }} pageInfo {{ {page} }}"
    inner = f"{name}{passed} {{ {shown} }}"
    body = f"{parent} {{ {inner} }}" if parent else inner
    head = f"($id: ID!{declared})" if parent else f"({declared[2:]})" if given else ""
    id = {"id": who.workspace if kind == "brands" else who.brand} if parent else {}
    said = await who.gql(f"query{head} {{ {body} }}", **id, **given)
    if "errors" in said:
        return said
    found = said["data"][parent.partition("(")[0]] if parent else said["data"]
    return found[name]


@pytest.mark.parametrize("kind", LISTS)
async def test_pages_hold_every_row_once(house: House, ann: Person, kind: str) -> None:
    await fill(house, ann, kind, ROWS)
    path = path_of(kind, ann)

    walked = [row["id"] async for row in walk(ann, path)]

    assert len(walked) == len(set(walked)) >= ROWS
    assert walked == await every(ann, path)


@pytest.mark.parametrize("kind", LISTS)
async def test_a_connection_walks_the_same_way(house: House, ann: Person, kind: str) -> None:
    await fill(house, ann, kind, ROWS)
    expected, walked, after, more = await every(ann, path_of(kind, ann)), [], None, True

    while more:
        page = await connection(ann, kind, first=10, after=after)
        info, edges = page["pageInfo"], page["edges"]
        assert [edge["node"] for edge in edges] == page["nodes"]
        assert info["startCursor"] == edges[0]["cursor"]
        assert info["endCursor"] == edges[-1]["cursor"]
        assert info["hasPreviousPage"] is (after is not None)
        walked += [node["id"] for node in page["nodes"]]
        after, more = info["endCursor"], info["hasNextPage"]

    assert walked == expected
    middle = (await connection(ann, kind, first=10))["edges"][4]["cursor"]
    beyond = await connection(ann, kind, first=3, after=middle)
    assert [node["id"] for node in beyond["nodes"]] == expected[5:8]


async def test_posts_are_walked_backward_too(house: House, ann: Person) -> None:
    await fill(house, ann, "posts", ROWS)
    expected, walked, before, more = await every(ann, path_of("posts", ann)), [], None, True

    while more:
        page = await connection(ann, "posts", last=10, before=before)
        assert page["pageInfo"]["hasNextPage"] is (before is not None)
        walked = [node["id"] for node in page["nodes"]] + walked
        before, more = page["pageInfo"]["startCursor"], page["pageInfo"]["hasPreviousPage"]

    assert walked == expected


@pytest.mark.parametrize("kind", ["posts", "brands"])
async def test_rows_that_come_and_go_disturb_no_walk(house: House, ann: Person, kind: str) -> None:
    await fill(house, ann, kind, ROWS)
    before, walked, gone = await every(ann, path_of(kind, ann)), [], set()

    async for row in walk(ann, path_of(kind, ann)):
        walked.append(row["id"])
        if len(walked) % 10 == 0:
            await fill(house, ann, kind, 1)
            doomed = {before[len(walked) - 1], before[min(len(walked) + 3, ROWS - 1)]}
            await house.owner.execute(
                f"UPDATE {kind} SET deleted_at = mypost_now() WHERE id = ANY ($1)", list(doomed)
            )
            gone |= doomed

    assert len(walked) == len(set(walked))
    assert [id for id in walked if id in before] == [
        id for id in before if id in walked or id not in gone
    ]


async def test_an_empty_list_is_one_empty_page(ann: Person) -> None:
    said = (await ann.rest("GET", path_of("posts", ann))).json()
    page = await connection(ann, "posts")

    assert said == {"data": [], "page": {"nextCursor": None, "hasMore": False, "limit": 50}}
    assert page["pageInfo"] == dict.fromkeys(("startCursor", "endCursor")) | dict.fromkeys(
        ("hasNextPage", "hasPreviousPage"), False
    )


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("limit", ["0", "101", "-1", "abc", "", "1.5", "9" * 30])
async def test_a_size_nobody_can_have_is_refused(ann: Person, kind: str, limit: str) -> None:
    answer = await ann.rest("GET", path_of(kind, ann), params={"limit": limit})

    assert answer.status_code == 400
    assert [d["path"] for d in answer.json()["error"]["details"]] == ["limit"]


@pytest.mark.parametrize(
    ("slice_", "path"),
    [
        ({"first": 0}, "first"), ({"first": 101}, "first"), ({"first": -1}, "first"),
        ({"last": 0}, "last"), ({"first": 1, "last": 1}, "last"), ({"after": "x"}, "after"),
        ({"last": 1, "before": "x"}, "before"),
    ],
)  # fmt: skip
async def test_a_slice_that_cannot_be_is_refused(
    ann: Person, slice_: dict[str, Any], path: str
) -> None:
    said = await connection(ann, "posts", **slice_)

    extensions = said["errors"][0]["extensions"]
    assert extensions["code"] == "VALIDATION_ERROR"
    assert [d["path"] for d in extensions["details"]] == [path]


async def test_only_posts_are_walked_backward(ann: Person) -> None:
    said = await ann.gql(
        "query($id: ID!) { brand(id: $id) { socialAccounts(last: 1) { nodes { id } } } }",
        id=ann.brand,
    )

    assert said["errors"][0]["extensions"]["code"] == "VALIDATION_ERROR"


def altered(cursor: str) -> Iterator[str]:
    """Three hundred cursors that look like this one."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for n in range(200):
        place = n % len(cursor)
        other = letters[(letters.index(cursor[place]) + 1 + n // len(cursor)) % 64]
        yield cursor[:place] + other + cursor[place + 1 :]
    for n in range(60):
        yield cursor[: -1 - n]
    for n in range(30):
        yield cursor + letters[n]
    yield from (cursor + "=", f" {cursor}", cursor * 2, cursor[::-1], "x", "=", "\0", "é", "null")
    yield secrets.token_urlsafe(4000)


async def test_no_altered_cursor_opens_anything(house: House, ann: Person) -> None:
    # slow: three hundred requests
    await fill(house, ann, "posts", 3)
    path = path_of("posts", ann)
    cursor = (await ann.rest("GET", path, params={"limit": 1})).json()["page"]["nextCursor"]
    forged = [text for text in altered(cursor) if text != cursor]

    answers = []
    for start in range(0, len(forged), 30):
        asked = ({"limit": 1, "cursor": text} for text in forged[start : start + 30])
        answers += await asyncio.gather(*(ann.rest("GET", path, params=each) for each in asked))

    assert len(forged) == 300
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert {a.status_code for a in answers} == {400}
    assert {d["path"] for a in answers for d in a.json()["error"]["details"]} == {"cursor"}


async def test_a_cursor_of_another_list_opens_nothing(
    house: House, api: Api, ann: Person, eve: Person
) -> None:
    for who in (ann, eve):
        for kind in LISTS[:3]:
            await fill(house, who, kind, 3)
    bob = await api.colleague(ann, "Editor")
    path, small = path_of("posts", ann), {"limit": 1}
    foreign = [
        (eve, path_of("posts", eve), small),
        (bob, path, small),
        (ann, path_of("brands", ann), small),
        (ann, path_of("social-accounts", ann), small),
        (ann, path, {**small, "status": "draft"}),
        (ann, path, {**small, "phase": "draft"}),
        (ann, path, {**small, "status": ["draft", "failed"]}),
    ]

    for who, place, params in foreign:
        cursor = (await who.rest("GET", place, params=params)).json()["page"]["nextCursor"]
        assert (await who.rest("GET", place, params={**params, "cursor": cursor})).is_success
        answer = await ann.rest("GET", path, params={**small, "cursor": cursor})
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["path"] == "cursor"


async def test_filters_choose_what_they_name(house: House, ann: Person) -> None:
    # slow: posts of every status, read two dozen times
    ok, bad = await ann.account(), await ann.account("rejected")
    made = {"draft": await ann.post(ok, tags=["spring", "sale"]), "empty": await ann.post()}
    soon = clock.now().replace(microsecond=0) + timedelta(hours=1)
    for name, account, given in (("published", ok, {}), ("failed", bad, {"tags": ["spring"]})):
        made[name] = await ann.post(account, **given)
        await ann.rest("POST", f"/posts/{made[name]['id']}/publish")
    await house.work()
    later, latest = soon.isoformat(), (soon + timedelta(hours=1)).isoformat()
    made["scheduled"] = await ann.post(ok, bad, scheduledAt=later)

    for params, names in [
        ({"status": "draft"}, "draft empty"), ({"status": "scheduled"}, "scheduled"),
        ({"status": "published"}, "published"), ({"status": "failed"}, "failed"),
        ({"status": "draft,failed"}, "draft empty failed"),
        ({"status": ["draft", "failed"]}, "draft empty failed"),
        ({"phase": "draft"}, "draft empty"), ({"phase": "published,failed"}, "published failed"),
        ({"phase": "needs_confirmation"}, ""), ({"status": "draft", "phase": "failed"}, ""),
        ({"from": later}, "scheduled"), ({"from": latest}, ""), ({"to": later}, "published failed"),
        ({"to": latest}, "published failed scheduled"),
        ({"from": later, "to": latest}, "scheduled"), ({"accountId": str(uuid4())}, ""),
        ({"accountId": ok}, "draft published scheduled"), ({"accountId": bad}, "failed scheduled"),
        ({"tag": "spring"}, "draft failed"), ({"tag": "sale", "accountId": ok}, "draft"),
        ({"tag": "Spring"}, ""), ({}, " ".join(made)),
    ]:  # fmt: skip
        said = (await ann.rest("GET", path_of("posts", ann), params=params)).json()
        wanted = {made[name]["id"] for name in names.split()}
        assert {post["id"] for post in said["data"]} == wanted, params


async def test_a_partly_published_post_is_found_as_published(house: House, ann: Person) -> None:
    post = await ann.post(await ann.account(), await ann.account("rejected"))
    await ann.rest("POST", f"/posts/{post['id']}/publish")
    await house.work()

    post = (await ann.rest("GET", f"/posts/{post['id']}")).json()

    assert (post["status"], post["phase"]) == ("published", "partially_published")
    assert [target["status"] for target in post["targets"]] == ["published", "failed"]
    assert post["publishedAt"] == post["targets"][0]["publishedAt"]
    for query, found in (
        ("status=published", [post]), ("phase=partially_published", [post]),
        ("status=failed", []), ("phase=published", []), ("status=draft,published", [post]),
    ):  # fmt: skip
        listed = await ann.rest("GET", f"{path_of('posts', ann)}?{query}")
        assert listed.json()["data"] == found


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"status": "cancelled"}, "status.0"), ({"status": ""}, "status.0"),
        ({"status": "DRAFT"}, "status.0"), ({"status": "draft,nope"}, "status.1"),
        ({"phase": "sending"}, "phase.0"), ({"from": "soon"}, "from"), ({"to": "2026-01-01"}, "to"),
        ({"accountId": "x"}, "accountId"), ({"tag": "\0"}, "tag"), ({"tag": ["a", "b"]}, "tag"),
        ({"sort": "up"}, "sort"), ({"offset": "5"}, "offset"), ({"last": "5"}, "last"),
    ],
)  # fmt: skip
async def test_a_parameter_that_means_nothing_is_named(
    ann: Person, params: dict[str, Any], path: str
) -> None:
    answer = await ann.rest("GET", path_of("posts", ann), params=params)

    assert answer.status_code == 400
    assert [d["path"] for d in answer.json()["error"]["details"]] == [path]


async def test_a_page_costs_the_same_statements_whatever_its_size(
    house: House, ann: Person
) -> None:
    accounts = [await ann.account() for _ in range(2)]
    # slow: twenty posts are written
    await asyncio.gather(*(ann.post(*accounts, tags=["a", "b"]) for _ in range(20)))
    counts = {}
    for limit in (1, 20):
        async with said(house) as heard:
            await ann.rest("GET", path_of("posts", ann), params={"limit": limit})
        counts[limit] = len(heard)
    assert counts[1] == counts[20] > 0


async def test_a_page_is_planned_to_follow_its_index_whatever_its_values(house: House) -> None:
    planned = await house.services.pool.fetchval("SHOW plan_cache_mode")

    assert planned == ("auto" if house.settings.pooled else "force_generic_plan")
