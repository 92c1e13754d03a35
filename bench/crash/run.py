"""One run of the proof: `make crash SEED=7 TARGETS=300`; its last line is the result."""

import argparse
import asyncio
import base64
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench.crash import history, lateness, recount, sabotage
from bench.crash.check import Verdict, judge
from bench.crash.client import Client
from bench.crash.journal import Journal
from bench.crash.lateness import Late
from bench.crash.load import Load
from bench.crash.nemesis import Nemesis
from bench.crash.plan import APIS, WORKERS, Plan, draw
from bench.crash.processes import Kept, python
from bench.crash.services import Services
from mypost.settings import inherited

RESULTS = Path("build")
UP = 90.0  # seconds until an API answers
SETTLED = 300.0  # seconds until nothing is on its way any more; docs/guarantee.md says why
LOOK = 2.0
MANY = "1000000"


@dataclass(frozen=True, slots=True)
class Result:
    """What a run has found."""

    plan: Plan
    verdict: Verdict
    calm: Late
    every: Late
    digest: str
    folder: Path

    def __str__(self) -> str:
        found = self.verdict
        return (
            f"crash seed={self.plan.seed} scheduled={found.scheduled} accepted={found.accepted}"
            f" lost={len(found.lost)} duplicate={len(found.duplicate)}"
            f" needs_confirmation={len(found.needs_confirmation)}"
            f" p50={self.calm.p50:.3f} p99={self.calm.p99:.3f} sha256={self.digest}"
        )


def say(text: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _ports(count: int) -> list[int]:
    """Finds free ports that stay the same for restarted servers."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass
class Stage:
    """Everything that runs."""

    services: Services
    recorder: Kept
    apis: list[Kept]
    workers: list[Kept]
    addresses: list[str]

    @property
    def kept(self) -> list[Kept]:
        """All processes that are kept alive."""
        return [*self.workers, *self.apis, self.recorder]

    def left(self) -> list[int]:
        """Whatever is there and should not be."""
        return [pid for kept in self.kept for pid in kept.left()] + self.services.left()


def _stage(plan: Plan, folder: Path, data: Path, addresses: dict[str, str]) -> Stage:
    logs = folder / "logs"
    logs.mkdir()
    network, *ports = _ports(1 + APIS)
    words = [str(folder / "recorder.jsonl"), "--port", str(network), "--seed", str(plan.seed)]
    words += ["--faults", str(plan.rates.faults)]
    recorder = Kept("recorder", python("bench.crash.recorder", *words), inherited({}), logs)
    environment = inherited(
        addresses
        | dict.fromkeys(("MYPOST_RATE_USER", "MYPOST_RATE_WORKSPACE", "MYPOST_RATE_GLOBAL"), MANY)
        | {
            "MYPOST_SECRET": base64.b64encode(os.urandom(32)).decode(),
            "MYPOST_SANDBOX": "1",
            "MYPOST_SANDBOX_URL": f"http://127.0.0.1:{network}",
            "MYPOST_REGISTRATION": "open",
            "MYPOST_DATA_DIR": str(data / "mypost"),
        }
    )
    serve = ("mypost", "serve", "--no-worker", "--port")
    apis = [
        Kept(f"api{n}", python(*serve, str(port)), environment, logs)
        for n, port in enumerate(ports)
    ]
    work = ("mypost", "worker")
    alone = (*work, "--only", "dispatcher")
    workers = [
        Kept(f"worker{n}", python(*(alone if n else work)), environment, logs)
        for n in range(WORKERS)
    ]
    origins = [f"http://127.0.0.1:{port}" for port in ports]
    return Stage(Services(data), recorder, apis, workers, origins)


@asynccontextmanager
async def staged(plan: Plan, folder: Path, broken: str | None) -> AsyncIterator[Stage]:
    """Starts everything, and ends all of it; raises when something is left."""
    with tempfile.TemporaryDirectory(prefix="mypost-crash-") as place:
        services = Services(Path(place) / "services")
        stage = None
        try:
            found = await services.start()
            stage = _stage(plan, folder, Path(place), services.addresses(found))
            stage.services = services
            await stage.recorder.start()
            await asyncio.gather(*(api.start() for api in stage.apis))
            await _up(stage.addresses)
            if broken is not None:
                await sabotage.install(found.owner_url, broken)
            await asyncio.gather(*(worker.start() for worker in stage.workers))
            yield stage
        finally:
            if stage is not None:
                await asyncio.gather(*(kept.end() for kept in stage.kept))
            await services.end()
        if left := stage.left():
            raise RuntimeError(f"processes are left: {left}")


async def _up(addresses: list[str]) -> None:
    async with asyncio.timeout(UP), httpx2.AsyncClient(trust_env=False) as http:
        for address in addresses:
            while True:
                try:
                    if (await http.get(f"{address}/readyz")).is_success:
                        break
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)


async def _play(plan: Plan, stage: Stage, folder: Path) -> None:
    """Lets load and nemesis loose, waits until all is settled, and reads the end."""
    client, ledger = Client(stage.addresses), Journal(folder / "ledger.jsonl")
    acts, states = Journal(folder / "acts.jsonl"), Journal(folder / "states.jsonl")
    load = Load(client, ledger)
    nemesis = Nemesis(stage.workers, stage.apis, stage.services, acts)
    accounts = {account.handle: account for account in plan.accounts}
    await load.settle_in(plan.accounts)
    begin = time.time()
    say(f"begin   {len(plan.posts)} posts, {len(plan.acts)} acts, {plan.window:.0f} s")
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(plan.posts, accounts, begin))
        group.create_task(nemesis.run(plan.acts, begin))
    nemesis.calm()
    last = max(post.due for post in plan.posts)
    await asyncio.sleep(max(0.0, begin + last - time.time()))
    say(f"over    after {time.time() - begin:.0f} s")
    await _quiet(load)
    for state in await load.states():
        states.write(**state)
    say(f"settled after {time.time() - begin:.0f} s")
    await client.close()


async def _quiet(load: Load) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLED
    while (waiting := await load.unsettled()) and loop.time() < deadline:
        say(f"waiting for {waiting}")
        await asyncio.sleep(LOOK)


def result(plan: Plan, folder: Path) -> Result:
    """Judges what a run has left in its folder."""
    recorded = history.read(folder / "recorder.jsonl")
    ledger = history.read(folder / "ledger.jsonl")
    states = history.read(folder / "states.jsonl")
    acts = history.read(folder / "acts.jsonl")
    kinds = {account.handle: account.kind for account in plan.accounts}
    verdict = judge(recorded, ledger, states, kinds)
    calm, every = lateness.measure(recorded, ledger, acts)
    digest = hashlib.sha256((folder / "recorder.jsonl").read_bytes()).hexdigest()
    return Result(plan, verdict, calm, every, digest, folder)


async def run(plan: Plan, folder: Path, broken: str | None = None) -> Result:
    """Runs a plan in an empty folder."""
    async with staged(plan, folder, broken) as stage:
        await _play(plan, stage, folder)
    return result(plan, folder)


def _recounted(folder: Path) -> bool:
    """Lets the second script count again; it knows nothing but the file."""
    words = [sys.executable, recount.__file__, str(folder / "recorder.jsonl")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    say(done.stdout.rstrip())
    return done.returncode == 0


def tell(found: Result) -> bool:
    """Prints what was found, the result last; answers whether the promise was kept."""
    verdict = found.verdict
    for sentence in verdict.violations[:50]:
        say(sentence)
    say(
        f"refused={verdict.refused} withdrawn={verdict.withdrawn} early={len(verdict.early)}"
        f" wrong={len(verdict.wrong)} plan={found.plan.digest} files={found.folder}"
    )
    say(f"lateness undisturbed {found.calm}; all {found.every}")
    recounted = _recounted(found.folder)
    say(str(found))
    return verdict.holds and recounted


def main() -> int:
    """Runs one seed; answers 1 when the promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.crash.run")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--targets", type=int, default=300)
    parser.add_argument("--break", dest="broken", choices=["1", *sabotage.WAYS])
    asked = parser.parse_args()
    broken = "resend" if asked.broken == "1" else asked.broken
    plan = draw(asked.seed, asked.targets)
    folder = RESULTS / f"crash-{asked.seed}{'-' + broken if broken else ''}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return 0 if tell(asyncio.run(run(plan, folder, broken))) else 1


if __name__ == "__main__":
    sys.exit(main())
