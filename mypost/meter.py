"""What one request is charged, and what its answer tells of that.

The headers follow https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/10/
"""

import asyncio
from typing import NamedTuple
from uuid import UUID

from mypost.errors import RateLimited
from mypost.limits import Limiter
from mypost.windows import WINDOW_S, Verdict, Window, of_user, of_workspace

COST_OF_ONE = 100  # what a GraphQL operation may cost to count as one request
GLOBAL = "mypost:rate:global"
USER = "No more than {} requests a second"
Headers = list[tuple[bytes, bytes]]
TOLD = (
    *("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
    *("ratelimit", "ratelimit-policy"),
)


def units(cost: int) -> int:
    """How many requests a GraphQL operation of this cost counts as."""
    return max(1, -(-cost // COST_OF_ONE))


class State(NamedTuple):
    """A window after a charge."""

    limit: int
    left: int

    @property
    def reset(self) -> int:
        """Seconds until there is more."""
        return 0 if self.left >= self.limit else WINDOW_S


class Meter:
    """The charges of one request."""

    __slots__ = (
        *("_at", "_entered", "_over", "cost", "identified"),
        *("limiter", "user", "weight", "who", "workspace"),
    )

    def __init__(self, limiter: Limiter, who: str) -> None:
        self.limiter = limiter
        self.who = who
        self.identified = False
        self.weight = self.cost = 0
        limit = limiter.rates.user
        self.user = State(limit, limit)
        self.workspace: State | None = None
        self._at = 0
        self._over = False
        self._entered: dict[UUID, asyncio.Future[Verdict]] = {}

    def identify(self, user: UUID | None) -> None:
        """Notes who is calling, or that nobody has signed in."""
        self.identified = True
        if user is not None:
            self.who = of_user(user)

    def check(self) -> None:
        """Raises RateLimited when the caller's window is known to be full, before any work."""
        if self.limiter.full(self.who):
            limit, self.weight = self.limiter.rates.user, 1
            self.user = State(limit, 0)
            self._refuse("user", USER.format(limit))

    async def charge(self, weight: int, cost: int = 0) -> None:
        """Charges the caller and everybody's window. Raises RateLimited."""
        self.weight, self.cost = weight, cost
        caller, everybody = self._windows()
        verdict = await self.limiter.charge(weight, caller, everybody)
        self._at, self.user = verdict.at, State(caller.limit, verdict.left[0])
        if verdict.refused == 1:
            self._refuse("user", USER.format(caller.limit))
        if verdict.refused:
            self._refuse("global", "Too many requests are made at once")

    async def enter(self, workspace: UUID) -> None:
        """Charges a workspace, once for each request that is charged. Raises RateLimited."""
        if not self.weight:
            return
        limit = self.limiter.rates.workspace
        asked = self._entered.get(workspace)
        if asked is None:
            asked = self.limiter.charge(self.weight, Window(of_workspace(workspace), limit))
            self._entered[workspace] = asked
        verdict = await asked
        left = verdict.left[0]
        if self.workspace is None or left < self.workspace.left:
            self.workspace = State(limit, left)
        if verdict.refused:
            self._over = True
            self._refuse("workspace", f"No more than {limit} requests a second to a workspace")

    def give_back(self) -> None:
        """Returns what was charged, once a workspace has refused the whole request."""
        if not self._over:
            return
        caller, everybody = self._windows()
        self.limiter.give_back(self.weight, self._at, caller, everybody)
        self.user = State(caller.limit, min(caller.limit, self.user.left + self.weight))
        for workspace, asked in self._entered.items():
            verdict = asked.result() if asked.done() and not asked.cancelled() else None
            if verdict is not None and not verdict.refused:
                window = Window(of_workspace(workspace), self.limiter.rates.workspace)
                self.limiter.give_back(self.weight, verdict.at, window)

    async def look(self, workspaces: list[UUID]) -> list[State]:
        """Answers what is left to the caller and in these workspaces; charges nothing."""
        limit = self.limiter.rates.workspace
        windows = [self._windows()[0], *(Window(of_workspace(each), limit) for each in workspaces)]
        verdict = await self.limiter.charge(0, *windows)
        return [State(w.limit, left) for w, left in zip(windows, verdict.left, strict=True)]

    def _windows(self) -> tuple[Window, Window]:
        """The caller's own, and everybody's."""
        rates = self.limiter.rates
        return Window(self.who, rates.user), Window(GLOBAL, rates.everybody)

    def _refuse(self, scope: str, message: str) -> None:
        self.limiter.refused[scope] += 1
        raise RateLimited(message, retry_after=WINDOW_S)

    def headers(self) -> Headers:
        """What every answer tells: the tightest window, and each by the IETF's names."""
        user, workspace = self.user, self.workspace
        told = b'"user";r=%d;t=%d' % (user.left, user.reset)
        tightest = user
        if workspace is not None:
            told += b', "workspace";r=%d;t=%d' % (workspace.left, workspace.reset)
            if workspace.left < user.left:
                tightest = workspace
        return [
            (b"x-ratelimit-limit", b"%d" % tightest.limit),
            (b"x-ratelimit-remaining", b"%d" % tightest.left),
            (b"x-ratelimit-reset", b"%d" % tightest.reset),
            (b"ratelimit", told),
            (b"ratelimit-policy", self.limiter.rates.policy),
        ]
