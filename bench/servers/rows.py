"""The floor in Python: statements and answers as a good engineer writes them by hand.

One statement a level, to-one rows joined, ids read as text, no object between a row and its JSON.
`{key}` is the bound id; `{tenant}` is the check of the workspace where there is one.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

Json = dict[str, Any]
Fetch = Callable[..., Awaitable[list[Any]]]

SIZE = 50
STATUS = {
    "draft": "DRAFT", "scheduled": "SCHEDULED", "publishing": "SCHEDULED",
    "published": "PUBLISHED", "partially_published": "PUBLISHED",
    "needs_confirmation": "FAILED", "failed": "FAILED",
    "pending_approval": "DRAFT", "approved": "DRAFT", "rejected": "DRAFT",
}  # fmt: skip
TARGET_STATUS = {
    "claimed": "SCHEDULED", "sending": "PUBLISHING", "confirming": "PUBLISHING",
    **{s: s.upper() for s in ("pending", "scheduled", "published", "failed", "unknown",
                              "needs_confirmation", "cancelled")},
}  # fmt: skip

BRAND = "SELECT r.name FROM brands r WHERE r.id = {key}::uuid AND r.deleted_at IS NULL AND {tenant}"
ACCOUNTS = (
    "SELECT r.id::text, upper(r.network), r.name, upper(r.status) FROM accounts r"
    " WHERE r.brand_id = {key}::uuid AND {tenant} ORDER BY r.created_at DESC, r.id DESC LIMIT 50"
)
# Media would be one more statement here, and one more list in `node`.
NODE = (
    "SELECT r.id, r.created_at, r.id::text, r.content, r.phase, r.scheduled_at, u.id::text, u.name"
    " FROM posts r LEFT JOIN users u ON u.id = r.created_by"
)
POSTS = (
    NODE + " WHERE r.brand_id = {key}::uuid AND r.deleted_at IS NULL AND {tenant}"
    " ORDER BY r.created_at DESC, r.id DESC LIMIT 51"
)
POST = NODE + " WHERE r.id = {key}::uuid AND r.deleted_at IS NULL AND {tenant}"
TARGETS = (
    "SELECT r.post_id, r.id::text, r.state, a.id::text, upper(a.network), a.name"
    " FROM targets r JOIN accounts a ON a.id = r.account_id"
    " WHERE r.post_id = ANY ({key}::uuid[]) AND NOT r.removed AND {tenant}"
    " ORDER BY r.position, r.id"
)


def cursor(at: Any, id: Any) -> str:
    """A position as text: the keyset itself, unsealed."""
    return base64.urlsafe_b64encode(f"{at.timestamp()}|{id}".encode()).decode()


async def _targets(fetch: Fetch, posts: list[Any]) -> dict[Any, list[Json]]:
    found: dict[Any, list[Json]] = {post[0]: [] for post in posts}
    for post, id, state, account, network, name in await fetch(TARGETS, [p[0] for p in posts]):
        goes_to = {"id": account, "network": network, "name": name}
        found[post].append({"id": id, "status": TARGET_STATUS[state], "account": goes_to})
    return found


def _node(row: Any, targets: dict[Any, list[Json]]) -> Json:
    key, _, id, content, phase, scheduled, author, name = row
    return {
        "id": id,
        "content": content,
        "status": STATUS[phase],
        "scheduledAt": scheduled,
        "author": None if author is None else {"id": author, "name": name},
        "targets": targets[key],
    }


async def dashboard(fetch: Fetch, key: str) -> Json | None:
    """A brand with its accounts and its newest posts."""
    brand = await fetch(BRAND, key)
    if not brand:
        return None
    accounts = await fetch(ACCOUNTS, key)
    posts = await fetch(POSTS, key)
    more, posts = len(posts) > SIZE, posts[:SIZE]
    targets = await _targets(fetch, posts) if posts else {}
    edges = [{"cursor": cursor(p[1], p[2]), "node": _node(p, targets)} for p in posts]
    return {
        "name": brand[0][0],
        "socialAccounts": {
            "nodes": [
                {"id": id, "network": network, "name": name, "status": status}
                for id, network, name, status in accounts
            ]
        },
        "posts": {
            "edges": edges,
            "pageInfo": {
                "hasNextPage": more,
                "endCursor": edges[-1]["cursor"] if edges else None,
            },
        },
    }


async def post(fetch: Fetch, key: str) -> Json | None:
    """One post with its targets."""
    found = await fetch(POST, key)
    return _node(found[0], await _targets(fetch, found)) if found else None


def write(answer: object) -> bytes:
    """JSON with instants in UTC, `Z`."""
    return orjson.dumps(answer, option=orjson.OPT_UTC_Z)
