"""One dataloader for each relation, made for each request."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from aiodataloader import DataLoader

from bench.peers.strawberry_tortoise.models import Account, Brand, Post, PostTag, Target, User

Batch = Callable[[Sequence[UUID]], Awaitable[list[Any]]]


def _one(keys: Sequence[UUID], rows: list[Any]) -> list[Any]:
    found = {row.id: row for row in rows}
    return [found.get(key) for key in keys]


def _many(keys: Sequence[UUID], rows: list[Any]) -> list[list[Any]]:
    groups: dict[UUID, list[Any]] = {key: [] for key in keys}
    for row in rows:
        groups[row.post_id].append(row)
    return [groups[key] for key in keys]


async def brands(keys: Sequence[UUID]) -> list[Any]:
    """Brands by id."""
    return _one(keys, await Brand.filter(id__in=keys, deleted_at=None))


async def accounts(keys: Sequence[UUID]) -> list[Any]:
    """Accounts by id."""
    return _one(keys, await Account.filter(id__in=keys))


async def posts(keys: Sequence[UUID]) -> list[Any]:
    """Posts by id."""
    return _one(keys, await Post.filter(id__in=keys, deleted_at=None))


async def users(keys: Sequence[UUID]) -> list[Any]:
    """People by id."""
    return _one(keys, await User.filter(id__in=keys))


async def targets(keys: Sequence[UUID]) -> list[Any]:
    """Targets by post."""
    rows = await Target.filter(post_id__in=keys, removed=False).order_by("position", "id")
    return _many(keys, rows)


async def tags(keys: Sequence[UUID]) -> list[Any]:
    """Tags by post."""
    return _many(keys, await PostTag.filter(post_id__in=keys).order_by("tag"))


RELATIONS: dict[str, Batch] = {
    "brands": brands, "accounts": accounts, "posts": posts,
    "users": users, "targets": targets, "tags": tags,
}  # fmt: skip


class Loaders:
    """The dataloaders of one request, each made on first use."""

    def __getattr__(self, name: str) -> DataLoader[UUID, Any]:
        made: DataLoader[UUID, Any] = DataLoader(RELATIONS[name])
        setattr(self, name, made)
        return made
