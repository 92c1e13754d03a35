"""Who is behind a stream, and how he is let in and looked after."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog

from mypost import clock
from mypost.context import Caller, Context, Services
from mypost.engine.streams import Caller as Listening
from mypost.meter import Meter
from mypost.viewer import Viewer
from mypost.windows import of_user

log = structlog.get_logger()


class Subscriber:
    """Who is behind a stream."""

    __slots__ = ("_reach", "_reaches", "caller", "expires", "services", "viewer")

    def __init__(self, services: Services, caller: Caller, viewer: Viewer, expires: float) -> None:
        self.services = services
        self.caller = caller
        self.viewer = viewer
        self.expires = expires
        self._reaches: Viewer | None = None
        self._reach = ""

    @property
    def seconds_left(self) -> float:
        """How long the access token still holds."""
        return self.expires - clock.now().timestamp()

    @property
    def welcome(self) -> bool:
        """Whether his session still stands, as the last look has told."""
        return self.services.sessions.known(self.viewer) is not None

    def context(self) -> Context:
        """A context for one operation or one event."""
        viewer = self._now()
        meter = Meter(self.services.limiter, of_user(viewer.id))
        return Context(self.services, self.caller, viewer, meter)

    def who(self, personal: bool) -> tuple[str, str]:  # noqa: FBT001 - what the engine asks
        """What distinguishes him: all, or only what he may reach."""
        viewer = self._now()
        if self._reaches is not viewer:
            self._reaches, self._reach = viewer, reach(viewer)
        return str(viewer.id) if personal else "", self._reach

    def _now(self) -> Viewer:
        self.viewer = self.services.sessions.known(self.viewer) or self.viewer
        return self.viewer


def reach(viewer: Viewer) -> str:
    """Spells what somebody may do where, the same text for all who may do the same."""
    places = sorted(
        f"{m.workspace_id}{'!' if m.own_posts_only else ''}{','.join(sorted(m.permissions))}"
        for m in viewer.memberships.values()
    )
    return sys.intern(";".join(places))


def look_after(services: Callable[[], Services]) -> Callable[[list[Listening]], Awaitable[None]]:
    """Reads at once how all callers stand; without PostgreSQL they stand as they stood."""

    async def look(callers: list[Any]) -> None:
        if not callers:
            return
        try:
            await services().sessions.look(each.viewer.session_id for each in callers)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            log.warning("streams.postgres_away", error=type(error).__name__)

    return look
