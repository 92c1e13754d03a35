"""Idempotency keys at the gate: whose key it is, what was asked with it, what is answered again."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from mypost import ids
from mypost.context import Context
from mypost.errors import NotFound, invalid
from mypost.models.idempotency import Once
from mypost.models.kinds import KINDS

FIELD = "idempotency_key"
MAX_KEY = 255


@dataclass(frozen=True, slots=True)
class Again:
    """How an answer that is no row, and tells a secret, is remembered, and made again."""

    refer: Callable[[Any], Any]
    restore: Callable[[Context, Any], Awaitable[Any]]


def once(name: str, ctx: Context, input: Any) -> Once | None:
    """Answers the use of a key, or None without one. Raises Invalid for what is no key."""
    key = getattr(input, FIELD, None)
    if key is None:
        return None
    if not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable() and key.strip()):
        raise invalid("idempotencyKey", f"Must have 1 to {MAX_KEY} printable ASCII characters")
    return Once(ctx.viewer.id, name, key, ctx.keys.fingerprint(spelled(input)))


def spelled(input: Any) -> bytes:
    """Spells an input so that equal ones are spelled alike, by whichever door they came."""
    given = {f.name: getattr(input, f.name) for f in fields(input) if f.name != FIELD}
    return json.dumps(given, default=_plain, sort_keys=True).encode()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    return [value.value] if isinstance(value, strawberry.Some) else str(value)


def refer(answer: Any, again: Again | None) -> Any:
    """What is remembered of an answer: a deleted thing was answered as its id alone."""
    if again is not None:
        return again.refer(answer)
    return {"deleted": str(answer)} if isinstance(answer, UUID) else {"id": str(answer.id)}


async def restore(ctx: Context, reference: Any, again: Again | None) -> Any:
    """Reads again what was answered. Raises NotFound when it has gone meanwhile."""
    if again is not None:
        return await again.restore(ctx, reference)
    if "deleted" in reference:
        return UUID(reference["deleted"])
    id = UUID(reference["id"])
    tag = ids.tag_of(id)
    row = await ctx.find(KINDS[tag], id)
    if row is None:
        raise NotFound(tag.name.lower() if tag else "object")
    return row
