"""P9: a hundred workers need the same expired token, and the network takes each token once.

Twenty processes' worth of locks, five workers in each: the lock of a process and the lock of the
database both have to hold. Whoever comes with a used token loses the grant for everybody.
"""

import asyncio
import itertools
import tempfile
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from bench.burst import KEYS, place
from bench.result import Asked, Result
from mypost import clock, embedded, ids
from mypost.ids import Tag
from mypost.jobs import refresh
from mypost.models import database
from mypost.models.accounts import seal_grant
from mypost.models.grants import Grants
from mypost.models.lanes import Sending
from mypost.networks import Grant, Refused
from mypost.networks.sandbox import Sandbox

PROCESSES, EACH = 20, 5
ROUNDS = 50


class Once(Sandbox):
    """A network whose refresh tokens are good for one call."""

    def __init__(self) -> None:
        super().__init__({}, "")
        self.calls = self.lost = 0
        self.good = "r0"

    async def refresh(self, grant: Grant) -> Grant:
        """Trades the one good token; any other ends the grant."""
        self.calls += 1
        if grant.secrets["refreshToken"] != self.good:
            self.lost += 1
            raise Refused([("account", "this token was used before")])
        self.good = f"r{self.calls}"
        await asyncio.sleep(0.01)
        return _grant(self.good, hours=1)


class Unlocked(Grants):
    """The negative control: everybody is let in at once."""

    @asynccontextmanager
    async def locked(self, account: UUID, patience: float) -> Any:  # noqa: ARG002 - it does not wait
        """Locks nothing."""
        yield


def _grant(token: str, hours: float) -> Grant:
    ends = clock.now() + timedelta(hours=hours)
    return Grant({"token": token, "refreshToken": token}, ends)


async def _round(
    owner: asyncpg.Pool, network: Once, everybody: list[Grants], workspace: UUID, brand: UUID
) -> None:
    """One account with an expired token, and a hundred who need it."""
    account, network.good = ids.new(Tag.ACCOUNT), f"first {network.calls}"
    grant = _grant(network.good, hours=-1)
    cipher = seal_grant(KEYS, workspace, account, grant)
    await owner.execute(
        "INSERT INTO accounts (id, workspace_id, brand_id, network, external_id, handle, name,"
        " grant_cipher, token_expires_at) VALUES ($1, $2, $3, 'sandbox', $4, $4, $4, $5, $6)",
        *(account, workspace, brand, str(account), cipher, grant.expires_at),
    )
    sending = _sending(workspace, account, cipher, grant)
    works = (refresh.fresh_grant(each, KEYS, network, sending) for each in everybody)
    await asyncio.gather(*works, return_exceptions=True)


def _sending(workspace: UUID, account: UUID, cipher: bytes, grant: Grant) -> Sending:
    """What a worker has read of a target of the account."""
    now = clock.now()
    return Sending(
        target_id=account,
        fence=1,
        workspace_id=workspace,
        account_id=account,
        network="sandbox",
        external_id="x",
        account_status="active",
        grant_cipher=cipher,
        token_expires_at=grant.expires_at,
        dispatch_key=account,
        content="x",
        attempts=1,
        due_at=now,
        sent_at=now,
        absent_reads=0,
        lease_until=now,
        state="sending",
        looked_at=now,
        handle=None,
        handle_ends_at=None,
        lane_fence=0,
        others=(),
        options={},
    )


async def _measure(rounds: int, *, broken: bool) -> Once:
    network = Once()
    with tempfile.TemporaryDirectory(prefix="mypost-renew-") as folder:
        try:
            services = await asyncio.to_thread(embedded.start, Path(folder), fast=True)
            await database.migrate(services.owner_url)
            async with (
                await database.pool(services.owner_url, "mypost_owner") as owner,
                await database.pool(services.dispatch_url, "mypost_dispatch", 40) as pool,
            ):
                workspace, brand, _ = await place(owner)
                made = [(Unlocked if broken else Grants)(pool) for _ in range(PROCESSES)]
                everybody = [each for each, _ in itertools.product(made, range(EACH))]
                for _ in range(rounds):
                    await _round(owner, network, everybody, workspace, brand)
        finally:
            await asyncio.to_thread(embedded.stop, Path(folder))
    return network


def figure(asked: Asked) -> Result:
    """Counts the calls; the control takes the lock away."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    rounds = asked.cases or ROUNDS
    found = asyncio.run(_measure(rounds, broken=asked.broken))
    measured = f"rounds={rounds},calls={found.calls},lost={found.lost}"
    held = (found.calls, found.lost) == (rounds, 0)
    return Result(measured, f"calls={rounds},lost=0", held)
