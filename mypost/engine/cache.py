"""What is kept under a key, bounded in entries and in bytes; what was used last goes last."""

from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class Cache(Generic[V]):
    """Keeps values with their weights."""

    def __init__(self, entries: int, size: int) -> None:
        self.entries = entries
        self.most = size
        self.bytes = 0
        self._kept: OrderedDict[str, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> V | None:
        """Answers the value of a key, if it is kept."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: str, value: V, weight: int) -> None:
        """Keeps a value, or weighs it anew; what is too heavy for the whole is not kept."""
        self.pop(key)
        if weight > self.most:
            return
        self._kept[key] = value, weight
        self.bytes += weight
        while len(self._kept) > self.entries or self.bytes > self.most:
            _, (_, gone) = self._kept.popitem(last=False)
            self.bytes -= gone

    def pop(self, key: str) -> V | None:
        """Lets a key go and answers its value."""
        value, weight = self._kept.pop(key, (None, 0))
        self.bytes -= weight
        return value
