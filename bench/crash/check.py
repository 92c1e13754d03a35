"""The judge: joins what the network recorded with what the API had acknowledged and now says."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bench.crash import history
from bench.crash.history import Line, Promise, World

SETTLED = ("published", "failed", "needs_confirmation", "cancelled", "pending")


@dataclass
class Verdict:
    """What was found; the four lists after `accepted` must be empty."""

    scheduled: int = 0
    accepted: int = 0
    lost: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    needs_confirmation: list[str] = field(default_factory=list)
    refused: int = 0
    withdrawn: int = 0

    @property
    def holds(self) -> bool:
        """Whether the promise was kept."""
        return not (self.lost or self.duplicate or self.early or self.wrong)

    @property
    def violations(self) -> list[str]:
        """One sentence for each broken promise."""
        lists = ("lost", "duplicate", "early", "wrong")
        return [f"{name}: {each}" for name in lists for each in getattr(self, name)]


def judge(
    recorded: Iterable[Line],
    ledger: Iterable[Line],
    states: Iterable[Line],
    kinds: Mapping[str, str],
) -> Verdict:
    """Judges every target that the API may have accepted, and everything that the network holds."""
    verdict = Verdict()
    worlds, promises = history.worlds(recorded), history.promises(ledger)
    said = {state["post"]: state for state in states}
    verdict.accepted = sum(len(world.accepted) for world in worlds.values())
    for promise in promises.values():
        for account in promise.accounts:
            world = worlds.pop((promise.number, account), World())
            _judge(verdict, promise, account, kinds[account], world, said.get(promise.number))
    for (number, account), world in worlds.items():
        if world.accepted:
            verdict.wrong.append(f"{number}@{account} is live and nobody scheduled it there")
    return verdict


def _judge(
    verdict: Verdict, promise: Promise, account: str, kind: str, world: World, said: Line | None
) -> None:
    name = f"{promise.number}@{account} ({kind}, {promise.id or 'no id'})"
    if len(world.accepted) > 1:
        ids = ", ".join(line["id"] for line in world.accepted)
        verdict.duplicate.append(f"{name} is live {len(world.accepted)} times: {ids}")
    for call in world.calls:
        if (early := promise.due(call["at"]) - call["at"]) > 0:
            verdict.early.append(f"{name} was sent {early:.3f} s early")
    for line in world.accepted:
        if line["text"] not in promise.texts:
            verdict.wrong.append(f"{name} went out with words that had been replaced")
    before = [line for line in world.accepted if line["at"] <= promise.gone < math.inf]
    if promise.withdrawn == "yes" and len(before) < len(world.accepted):
        verdict.wrong.append(f"{name} is live although its withdrawal had been acknowledged")
    if said is None or said["phase"] is None:
        _missing(verdict, promise, name, world)
        return
    verdict.scheduled += 1
    targets = {target["account"]: target for target in said["targets"]}
    _settled(verdict, promise, name, kind, world, targets.get(account))


def _missing(verdict: Verdict, promise: Promise, name: str, world: World) -> None:
    """The API knows no such post: right only where it never existed or was deleted."""
    if promise.exists == "yes" and promise.withdrawn == "no":
        verdict.scheduled += 1
        verdict.lost.append(f"{name} was acknowledged, and the API does not know it")
    elif promise.withdrawn != "no":
        verdict.scheduled += 1
        verdict.withdrawn += 1
    elif world.accepted:
        verdict.wrong.append(f"{name} is live, and the API does not know it")


def _settled(
    verdict: Verdict, promise: Promise, name: str, kind: str, world: World, target: Line | None
) -> None:
    status = target["status"] if target else "no target"
    live = [line["id"] for line in world.accepted]
    if target is None or status not in SETTLED:
        verdict.lost.append(f"{name} is still {status} at the end")
    elif status == "published":
        _published(verdict, name, live, target["externalId"])
    elif status == "needs_confirmation":
        verdict.needs_confirmation.append(name)
        if kind != "blind":
            verdict.wrong.append(f"{name} asks a person: {target['error']}")
        _says_why(verdict, name, target)
    elif status == "failed":
        verdict.refused += 1
        if live:
            verdict.wrong.append(f"{name} is said to have failed, and is live")
        _says_why(verdict, name, target)
    else:
        _withdrawn(verdict, promise, f"{name} is {status}", live)


def _published(verdict: Verdict, name: str, live: list[str], said: str | None) -> None:
    if not live:
        verdict.lost.append(f"{name} is said to be published, and the network has no such post")
    elif said not in live:
        verdict.wrong.append(f"{name} is said to be {said}, it is {live[0]}")


def _says_why(verdict: Verdict, name: str, target: Line) -> None:
    if not (target["error"] or {}).get("message"):
        verdict.wrong.append(f"{name} is {target['status']} without a reason")


def _withdrawn(verdict: Verdict, promise: Promise, name: str, live: list[str]) -> None:
    verdict.withdrawn += 1
    if promise.withdrawn == "no":
        verdict.lost.append(f"{name}, and nobody withdrew it")
    elif live:
        verdict.wrong.append(f"{name}, and is live")
