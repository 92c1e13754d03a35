"""The floor in Python for the REST addresses: every documented field of a post."""

from typing import Any

import orjson

from bench.servers.rows import SIZE, STATUS, TARGET_STATUS, Fetch, Json, cursor

RESOURCE = (
    "SELECT r.id, r.id::text, r.brand_id::text, r.content, r.phase, r.version, r.scheduled_at,"
    " r.published_at, r.created_by::text, r.created_at, r.updated_at,"
    " ARRAY(SELECT t.tag FROM post_tags t WHERE t.post_id = r.id ORDER BY t.tag) FROM posts r"
)
POSTS = (
    RESOURCE + " WHERE r.brand_id = {key}::uuid AND r.deleted_at IS NULL AND {tenant}"
    " ORDER BY r.created_at DESC, r.id DESC LIMIT 51"
)
POST = RESOURCE + " WHERE r.id = {key}::uuid AND r.deleted_at IS NULL AND {tenant}"
BRAND = "SELECT 1 FROM brands r WHERE r.id = {key}::uuid AND r.deleted_at IS NULL AND {tenant}"
TARGETS = (
    "SELECT r.post_id, r.id::text, r.account_id::text, a.network, r.state, r.content,"
    " r.options::text, r.external_id, r.external_url, r.published_at, r.attempts,"
    " r.next_attempt_at, r.error::text"
    " FROM targets r JOIN accounts a ON a.id = r.account_id"
    " WHERE r.post_id = ANY ({key}::uuid[]) AND NOT r.removed AND {tenant}"
    " ORDER BY r.position, r.id"
)
LOWER_STATUS = {phase: status.lower() for phase, status in STATUS.items()}
LOWER_TARGET_STATUS = {state: status.lower() for state, status in TARGET_STATUS.items()}


def _error(text: str | None) -> Json | None:
    if text is None:
        return None
    said = orjson.loads(text)
    named = ("category", "source", "retryable", "message", "networkCode")
    return {name: said.get(name) for name in named}


def _target(row: Any) -> Json:
    _, id, account, network, state, content, options, ext, url, at, attempts, again, error = row
    return {
        "id": id,
        "accountId": account,
        "network": network,
        "status": LOWER_TARGET_STATUS[state],
        "content": content,
        "mediaIds": None,
        "options": orjson.Fragment(options),
        "externalId": ext,
        "externalUrl": url,
        "publishedAt": at,
        "attempts": attempts,
        "nextAttemptAt": again,
        "error": _error(error),
    }


def _resource(row: Any, targets: list[Json]) -> Json:
    _, id, brand, content, phase, version, due, published, by, created, updated, tags = row
    return {
        "id": id,
        "brandId": brand,
        "content": content,
        "status": LOWER_STATUS[phase],
        "phase": phase,
        "version": version,
        "mediaIds": [],
        "targetAccountIds": [t["accountId"] for t in targets if t["status"] != "cancelled"],
        "tags": tags,
        "scheduledAt": due,
        "publishedAt": published,
        "createdBy": by,
        "createdAt": created,
        "updatedAt": updated,
        "targets": targets,
    }


async def _resources(fetch: Fetch, posts: list[Any]) -> list[Json]:
    found: dict[Any, list[Json]] = {post[0]: [] for post in posts}
    for row in await fetch(TARGETS, [post[0] for post in posts]):
        found[row[0]].append(_target(row))
    return [_resource(post, found[post[0]]) for post in posts]


async def rest_list(fetch: Fetch, key: str) -> Json | None:
    """A page of a brand's newest posts; the brand is looked for only when it has none."""
    posts = await fetch(POSTS, key)
    if not posts and not await fetch(BRAND, key):
        return None
    more, posts = len(posts) > SIZE, posts[:SIZE]
    resources = await _resources(fetch, posts) if posts else []
    after = cursor(posts[-1][9], posts[-1][1]) if more else None
    return {"data": resources, "page": {"nextCursor": after, "hasMore": more, "limit": SIZE}}


async def rest_post(fetch: Fetch, key: str) -> Json | None:
    """One post."""
    found = await fetch(POST, key)
    return (await _resources(fetch, found))[0] if found else None
