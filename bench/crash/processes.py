"""The processes of a run: each in a group of its own, started again, and gone at the end."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

PAUSE = 0.1


class Kept:
    """One process and its children; whatever ends it, it is started again until `end`."""

    def __init__(
        self, name: str, words: Sequence[str], environment: Mapping[str, str], logs: Path
    ) -> None:
        self.name, self.starts = name, 0
        self._words, self._environment, self._logs = words, dict(environment), logs
        self._process: asyncio.subprocess.Process | None = None
        self._groups: list[int] = []
        self._next: dict[str, str] = {}
        self.arm: Callable[[], dict[str, str]] = dict  # variables for every start
        self._keeper: asyncio.Task[None] | None = None
        self.died: Callable[[str, int | None], None] = _unheard

    async def start(self) -> None:
        """Starts it, and keeps it."""
        await self._launch()
        self._keeper = asyncio.create_task(self._keep())

    async def _launch(self) -> None:
        self.starts += 1
        environment = self._environment | self.arm() | self._next
        self._next = {}
        with (self._logs / f"{self.name}.{self.starts:03d}.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        # A number is ours as long as its group has members; an empty one may become anybody's.
        self._groups = [*filter(_alive, self._groups), self._process.pid]

    async def _keep(self) -> None:
        while True:
            assert self._process is not None  # noqa: S101 - started
            code = await self._process.wait()
            self.died(self.name, code)
            await asyncio.sleep(PAUSE)
            await self._launch()

    @property
    def group(self) -> int:
        """The id of the group, which is that of its first process."""
        assert self._process is not None  # noqa: S101 - started
        return self._process.pid

    def send(self, number: signal.Signals, group: int | None = None) -> None:
        """Sends a signal to the whole group: the present one, or an earlier one of ours."""
        group = self.group if group is None else group
        with suppress(ProcessLookupError):
            if group in self._groups:
                os.killpg(group, number)

    def kill(self, **environment: str) -> None:
        """Kills the group; the next one has these variables too."""
        self._next = environment
        self.send(signal.SIGKILL)

    def kill_part(self, part: int) -> None:
        """Kills one process of the group: the parent, or one of its children."""
        with suppress(psutil.Error):
            family = [psutil.Process(self.group), *psutil.Process(self.group).children()]
            family[part % len(family)].kill()

    async def end(self) -> None:
        """Ends every group it ever had, without asking."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for group in filter(_alive, self._groups):
            self.send(signal.SIGKILL, group)
        if self._process is not None:
            await self._process.wait()

    def left(self) -> list[int]:
        """The processes of its groups that are still there."""
        return [
            process.pid
            for process in psutil.process_iter(["status"])
            if process.info["status"] != psutil.STATUS_ZOMBIE and _session(process) in self._groups
        ]


def _unheard(name: str, code: int | None) -> None:
    """Nobody listens."""


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _session(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return 0


def python(*words: str) -> list[str]:
    """The words that run a module with our own interpreter."""
    return [sys.executable, "-m", *words]
