"""Windows: something of which there is so much in any one second, and no more."""

import ipaddress
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

WINDOW_S = 1


@dataclass(frozen=True, slots=True)
class Rates:
    """How many requests a second; the header tells all but everybody's together."""

    user: int
    workspace: int
    everybody: int
    policy: bytes = field(init=False)

    def __post_init__(self) -> None:
        policies = (("user", self.user), ("workspace", self.workspace))
        told = ", ".join(f'"{name}";q={q};w={WINDOW_S}' for name, q in policies)
        object.__setattr__(self, "policy", told.encode())


class Window(NamedTuple):
    """Something of which there is so much in a second."""

    key: str
    limit: int


def of_user(id: UUID) -> str:
    """The key of somebody signed in."""
    return f"mypost:rate:user:{id}"


def of_workspace(id: UUID) -> str:
    """The key of a workspace."""
    return f"mypost:rate:workspace:{id}"


@lru_cache(maxsize=4096)
def of_address(host: str | None) -> str:
    """The key of a caller who is not: his address, or his network's /64 by IPv6."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return "mypost:rate:address:unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return f"mypost:rate:address:{address.packed[:8].hex()}"
        address = address.ipv4_mapped
    return f"mypost:rate:address:{address}"


class Verdict(NamedTuple):
    """Whether a request may pass, and what is left in each of its windows."""

    refused: int  # the first of its windows without room, counted from 1; 0 for none
    left: list[int]
    at: int = 0  # when Redis decided, in µs by its clock


class Alone:
    """The same windows for one process, by its own clock."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}
        self._swept = 0.0

    def charge(self, weight: int, windows: tuple[Window, ...], now: float) -> Verdict:
        """Charges every window, or none of them."""
        if now - self._swept > WINDOW_S:
            self._swept = now
            self._times = {k: t for k, t in self._times.items() if t and t[-1] + WINDOW_S >= now}
        logs = [self._log(key, now) for key, _ in windows]
        left = [limit - len(each) for each, (_, limit) in zip(logs, windows, strict=True)]
        weights = [min(weight, limit) for _, limit in windows]
        refused = next((n + 1 for n, w in enumerate(weights) if left[n] < w), 0)
        if not refused:
            for each, much in zip(logs, weights, strict=True):
                each.extend([now] * much)
            left = [before - much for before, much in zip(left, weights, strict=True)]
        return Verdict(refused, [max(each, 0) for each in left])

    def _log(self, key: str, now: float) -> deque[float]:
        times = self._times.setdefault(key, deque())
        while times and times[0] + WINDOW_S < now:
            times.popleft()
        return times
