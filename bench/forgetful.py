"""P14's control: serves as always, with a reader of events that trusts the stream alone."""

import sys
from pathlib import Path
from uuid import UUID

from mypost import app, process
from mypost.feed import Event, Feed


class Forgetful(Feed):
    """Tells what the stream tells, and never looks into the table."""

    async def _take(self, event: Event) -> None:
        self._deliver(event)

    async def _catch_up(self, workspaces: list[UUID]) -> None:
        del workspaces


if __name__ == "__main__":
    app.Feed = Forgetful  # type: ignore[misc]
    port, folder = sys.argv[1:]
    process.serve("127.0.0.1", int(port), Path(folder), worker=True)
