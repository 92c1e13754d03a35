"""Telling webhooks: signed, each at its own pace; a row is the truth, so a kill loses nothing."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from mypost import clock, signatures
from mypost.crypto import Keys, Undecryptable
from mypost.egress import Answer, Egress, NoAnswer, Refused
from mypost.jobs.wake import Wake
from mypost.models.lanes import TROUBLE
from mypost.models.webhooks import SECRET_COLUMN

MOST = 256  # on the way at once, of one process
POLL = 0.25
RETRY = 1.0
PATIENCE_S = 10.0  # how long the end waits for what is on the way; a lease brings the rest back
KEPT = 1024  # bytes of an answer
LONGEST_PAUSE = 86_400
TAKE = "SELECT * FROM deliveries_take($1, $2, $3)"
DONE = "SELECT delivery_done($1, $2, $3, $4, $5, $6, $7)"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try; nothing is wrong with one that arrived."""

    wrong: str | None
    status: int | None = None
    said: str | None = None
    retry_after: int | None = None


class Deliverer:
    """Takes what is due and sends it; a webhook that is slow holds up no other."""

    def __init__(
        self, pool: asyncpg.Pool, keys: Keys, egress: Egress, wake: Wake, *, poll: float = POLL
    ) -> None:
        self._pool, self._keys, self._egress, self._poll = pool, keys, egress, poll
        self._bell = wake.bell()
        self._busy: Counter[UUID] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(self) -> None:
        """Works until stopped, then lets what is on the way arrive."""
        while not self._stopping:
            try:
                if not await self._take():
                    await self._bell.wait(self._poll)
            except TROUBLE as fault:
                log.warning("deliveries_away", reason=type(fault).__name__)
                await asyncio.sleep(RETRY)
            except Exception:
                log.exception("deliverer_fault")
                await asyncio.sleep(RETRY)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE_S)
        for task in self._tasks:
            task.cancel()

    def stop(self) -> None:
        """Ends `run`."""
        self._stopping = True
        self._bell.ring()

    async def drain(self) -> None:
        """Sends everything that is due now, and returns when it has arrived or not."""
        while await self._take() or self._tasks:
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def _take(self) -> int:
        """Starts to send what is due and may be sent; answers how many that are."""
        free = MOST - len(self._tasks)
        if free == 0:
            return 0
        busy = dict(self._busy)
        rows = await self._pool.fetch(TAKE, free, list(busy), list(busy.values()))
        for row in rows:
            self._busy[row["webhook_id"]] += 1
            task = asyncio.create_task(self._deliver(row))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(rows)

    async def _deliver(self, row: Any) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            outcome = await self._send(row)
            took = round((loop.time() - begun) * 1000)
            await self._note(row, outcome, took)
        except TROUBLE as fault:
            # Nobody knows that it was sent: it is sent again, with the same id.
            log.warning("deliveries_away", reason=type(fault).__name__)
        except Exception:
            log.exception("deliverer_fault")
        finally:
            self._busy[row["webhook_id"]] -= 1
            if not self._busy[row["webhook_id"]]:
                del self._busy[row["webhook_id"]]
            self._bell.ring()

    async def _send(self, row: Any) -> Outcome:
        body, at = row["body"].encode(), int(clock.now().timestamp())
        try:
            keys = self._open(row)
        except Undecryptable:
            return Outcome("secret")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "MyPost-Webhooks/1",
            "webhook-id": str(row["id"]),
            "webhook-timestamp": str(at),
            "webhook-signature": signatures.sign(keys, str(row["id"]), at, body),
        }
        try:
            return judge(await self._egress.post(row["url"], body, headers))
        except Refused:
            return Outcome("refused")
        except NoAnswer as fault:
            return Outcome(fault.kind)

    def _open(self, row: Any) -> list[bytes]:
        sealed = zip(row["secrets"], row["ciphers"], strict=True)
        return [
            self._keys.decrypt(cipher, row["workspace_id"], id, SECRET_COLUMN)
            for id, cipher in sealed
        ]

    async def _note(self, row: Any, outcome: Outcome, took: int) -> None:
        await self._pool.execute(
            DONE, row["id"], row["attempt"], outcome.status, outcome.wrong, took,
            outcome.said, outcome.retry_after,
        )  # fmt: skip
        if outcome.wrong is not None:
            log.info(
                "delivery_failed", delivery_id=str(row["id"]), webhook_id=str(row["webhook_id"]),
                error=outcome.wrong, status=outcome.status, attempt=row["attempt"], ms=took,
            )  # fmt: skip


def judge(answer: Answer) -> Outcome:
    """What an answer says: any 2xx is a yes, everything else a no."""
    arrived = 200 <= answer.status < 300  # noqa: PLR2004 - RFC 9110 §15.3
    # PostgreSQL keeps no NUL.
    said = answer.body[:KEPT].decode("utf-8", "replace").replace("\0", "�")
    wrong = None if arrived else "status"
    return Outcome(wrong, answer.status, said, None if arrived else pause(answer.retry_after))


def pause(text: str | None) -> int | None:
    """Reads Retry-After (RFC 9110 §10.2.3) as seconds from now, a day at most."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(int(text), LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment - clock.now()).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0, min(round(seconds), LONGEST_PAUSE))
