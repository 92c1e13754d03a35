"""One run of the proof: `make crash SEED=7 TARGETS=300`; its last line is the result."""

import argparse
import asyncio
import hashlib
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.crash import history, lateness, recount, sabotage
from bench.crash.check import Verdict, judge
from bench.crash.client import Client
from bench.crash.journal import Journal
from bench.crash.lateness import Late
from bench.crash.load import Load
from bench.crash.nemesis import Nemesis
from bench.crash.plan import QUICK, SOON, Plan, draw
from bench.crash.points import Points
from bench.crash.stage import Stage, staged

RESULTS = Path("build")
SETTLED = 600.0  # seconds until nothing is on its way any more; docs/guarantee.md says why
LOOK = 2.0
NAMED = 8


@dataclass(frozen=True, slots=True)
class Run:
    """What a run has found."""

    plan: Plan
    verdict: Verdict
    calm: Late
    every: Late
    digest: str
    folder: Path
    hits: Counter[str] = field(default_factory=Counter)
    took: float = 0.0  # seconds, from the start of the servers until all was gone

    def __str__(self) -> str:
        found = self.verdict
        return (
            f"crash seed={self.plan.seed} scheduled={found.scheduled} accepted={found.accepted}"
            f" lost={len(found.lost)} duplicate={len(found.duplicate)}"
            f" needs_confirmation={len(found.needs_confirmation)}"
            f" p50={self.every.p50:.3f} p99={self.every.p99:.3f} sha256={self.digest}"
        )


def say(text: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _play(plan: Plan, stage: Stage, folder: Path) -> Counter[str]:
    """Lets load and nemesis loose, waits until all is settled, and reads the end."""
    client = Client(stage.addresses)
    load = Load(client, Journal(folder / "ledger.jsonl"))
    await load.settle_in(plan.accounts)
    begin = time.time()
    say(f"begin   {len(plan.posts)} posts, {len(plan.acts)} acts, {plan.window:.0f} s")
    accounts = {account.handle: account for account in plan.accounts}
    acts = Journal(folder / "acts.jsonl")
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(plan.posts, accounts, begin))
        if plan.weather.points_runs:
            hits = await _points(plan, stage, acts, load)
        else:
            hits = await _nemesis(plan, stage, acts, begin)
    await asyncio.sleep(max(0.0, load.last_due - time.time()))
    say(f"over    after {time.time() - begin:.0f} s")
    await _quiet(load)
    states = Journal(folder / "states.jsonl")
    for state in await load.states():
        states.write(**state)
    say(f"settled after {time.time() - begin:.0f} s")
    await client.close()
    return hits


async def _nemesis(plan: Plan, stage: Stage, acts: Journal, begin: float) -> Counter[str]:
    nemesis = Nemesis(stage.workers, stage.apis, stage.services, acts)
    await nemesis.run(plan.acts, begin)
    nemesis.calm()
    return Counter()


async def _points(plan: Plan, stage: Stage, acts: Journal, load: Load) -> Counter[str]:
    points = Points(stage.workers[0], acts, plan)
    await points.run()
    load.stop()
    return points.hits


async def _quiet(load: Load) -> None:
    loop = asyncio.get_running_loop()
    deadline, known = loop.time() + SETTLED, -1
    while (waiting := await load.unsettled()) and loop.time() < deadline:
        if len(waiting) != known:
            say(f"waiting for {len(waiting)}: {', '.join(map(str, waiting[:NAMED]))}")
        known = len(waiting)
        await asyncio.sleep(LOOK)


def result(plan: Plan, folder: Path, hits: Counter[str] | None = None, took: float = 0.0) -> Run:
    """Judges what a run has left in its folder."""
    names = ("recorder", "ledger", "states", "acts")
    recorded, ledger, states, acts = (history.read(folder / f"{name}.jsonl") for name in names)
    kinds = {account.handle: account.kind for account in plan.accounts}
    verdict = judge(recorded, ledger, states, kinds)
    calm, every = lateness.measure(recorded, ledger, acts)
    digest = hashlib.sha256((folder / "recorder.jsonl").read_bytes()).hexdigest()
    return Run(plan, verdict, calm, every, digest, folder, hits or Counter(), took)


async def _run(plan: Plan, folder: Path, broken: str | None) -> Run:
    # Told to end, it still ends everything that it has started.
    main = asyncio.current_task()
    assert main is not None  # noqa: S101 - we are in it
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, main.cancel)
    begun = time.monotonic()
    async with staged(plan, folder, broken) as stage:
        hits = await _play(plan, stage, folder)
    return result(plan, folder, hits, time.monotonic() - begun)


def run(plan: Plan, name: str, broken: str | None = None) -> Run:
    """Runs a plan; its files stay in a folder under `build`."""
    folder = RESULTS / f"crash-{name}{'-' + broken if broken else ''}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return asyncio.run(_run(plan, folder, broken))


def _recounted(folder: Path) -> bool:
    """Lets the second script count again; it knows nothing but the file."""
    words = [sys.executable, recount.__file__, str(folder / "recorder.jsonl")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    say(done.stdout.rstrip())
    return done.returncode == 0


def tell(found: Run) -> bool:
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
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--break", dest="broken", choices=["1", *sabotage.WAYS])
    asked = parser.parse_args()
    broken = "resend" if asked.broken == "1" else asked.broken
    plan = draw(asked.seed, asked.targets, *((QUICK, SOON) if asked.quick else ()))
    return 0 if tell(run(plan, str(asked.seed), broken)) else 1


if __name__ == "__main__":
    sys.exit(main())
