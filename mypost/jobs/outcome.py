"""From a network's answer to a target's next state, and the facts the database asks for."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mypost.crypto import Keys
from mypost.models.accounts import open_grant
from mypost.models.lanes import Facts, Sending
from mypost.networks import (
    Answer,
    Draft,
    Expired,
    Grant,
    NotSent,
    Pending,
    Published,
    RateLimited,
    Rejected,
    Unknown,
)

LONGEST_BACKOFF = 60
LONGEST_PAUSE = 86_400
LONGEST_ID = 300
LONGEST_URL = 2000
LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Transition:
    """Where a target goes next, and why."""

    to: str
    facts: Facts


def draft(sending: Sending) -> Draft:
    """Makes the draft; a resend makes the same one, as the time is when it was due."""
    return Draft(
        key=str(sending.dispatch_key),
        text=sending.content,
        created_at=sending.due_at,
        options=sending.options,
        handle=sending.handle,
        others=frozenset(sending.others),
    )


def grant(keys: Keys, sending: Sending) -> Grant | None:
    """Opens the account's grant, or answers None when there is none we can open."""
    place = (sending.workspace_id, sending.account_id)
    return open_grant(keys, *place, sending.grant_cipher)


def backoff(attempts: int) -> float:
    """Answers the pause after so many attempts: 2, 4, 8 … 60 seconds."""
    return float(min(LONGEST_BACKOFF, 2 ** min(attempts, 10)))


def error(
    category: str, source: str, message: str, *, retryable: bool = False, code: str | None = None
) -> dict[str, Any]:
    """Spells the error people read at the target."""
    return {
        "category": category,
        "source": source,
        "retryable": retryable,
        "message": _clean(message, LONGEST_MESSAGE),
        "networkCode": None if code is None else _clean(code, 100),
    }


def _clean(text: str, longest: int) -> str:
    # A network may answer anything; PostgreSQL stores neither NUL nor half of a surrogate pair.
    return text.replace("\0", "").encode(errors="replace").decode()[:longest]


def held(reason: str, pause: float, said: Mapping[str, Any]) -> Transition:
    """Returns the target to its lane and holds the lane: nothing was accepted."""
    facts = Facts(proof="definite_rejection", retry_in=pause, hold_reason=reason, error=said)
    return Transition("scheduled", facts)


def withheld() -> Transition:
    """Returns a target to be sent at once: nothing was sent, or all of it was refused."""
    return Transition("scheduled", Facts(proof="definite_rejection"))


def unreachable(message: str, attempts: int) -> Transition:
    """Returns the target to its lane until the network can be reached."""
    said = error("network_error", "platform", message, retryable=True)
    return held("network_unreachable", backoff(attempts), said)


def published(answer: Published, proof: str) -> Transition:
    """Records the live post and what names it."""
    url = answer.external_url if len(answer.external_url) <= LONGEST_URL else ""
    facts = Facts(proof=proof, external_id=answer.external_id, external_url=url)
    return Transition("published", facts)


def unknown(message: str) -> Transition:
    """Records that nobody knows; it is looked up at once."""
    return Transition("unknown", Facts(error=error("unknown", "platform", message), check_in=0))


def needs_confirmation(message: str) -> Transition:
    """Leaves the question to a person, with the evidence."""
    said = error("unknown", "platform", message, retryable=True)
    return Transition("needs_confirmation", Facts(error=said))


def expired(message: str) -> Transition:
    """Fails the target, asks for a new grant and holds the lane until there is one."""
    facts = Facts(
        proof="definite_rejection",
        error=error("auth_expired", "user", message),
        account_status="needs_reauth",
        hold_reason="needs_reauth",
    )
    return Transition("failed", facts)


def rejected(answer: Rejected, attempts: int, proof: str = "definite_rejection") -> Transition:
    """Fails the target, or tries again later when the network says that helps."""
    said = error(
        answer.category,
        "platform",
        answer.message,
        retryable=answer.retryable,
        code=answer.network_code,
    )
    if answer.retryable and proof == "definite_rejection":
        return held("network_refused", backoff(attempts), said)
    return Transition("failed", Facts(proof=proof, error=said))


def paused(answer: RateLimited) -> Transition:
    """Returns the target to its lane for as long as the network asks."""
    pause = min(max(answer.retry_after, 0.0), LONGEST_PAUSE)
    message = f"The network asks for a pause of {pause:.0f} seconds"
    found = held("rate_limited", pause, error("rate_limited", "platform", message, retryable=True))
    return Transition(found.to, dataclasses.replace(found.facts, everybody=answer.everybody))


def instead(found: Transition, sending: Sending, came_from: str, fault: str) -> Transition | None:
    """Answers what to write when the row refuses an outcome; None leaves it to the next look.

    `sending` and `confirming` first become unknown; from there the question goes to a person,
    unless another target has just been found to be that very post.
    """
    if found.to in {"unknown", "needs_confirmation"}:
        raise ValueError(f"no row takes {found.to}")
    message = f"The network's answer cannot be stored ({fault})"
    if came_from != "unknown":
        return unknown(message)
    taken = found.facts.external_id in sending.others
    return needs_confirmation(message) if taken or found.to != "published" else None


def transition(answer: Answer, sending: Sending) -> Transition:
    """Maps an answer to the transition it proves, and to what it says of account and network."""
    found = _proven(answer, sending)
    facts = dataclasses.replace(
        found.facts, trouble=isinstance(answer, NotSent | Unknown), budgets=answer.budgets
    )
    return Transition(found.to, facts)


def _proven(answer: Answer, sending: Sending) -> Transition:  # noqa: PLR0911 - one per answer
    match answer:
        case Published():
            return published(answer, "remote_id")
        case Pending(handle):
            return Transition("confirming", Facts(proof="handle", handle=handle, check_in=1))
        case RateLimited():
            return paused(answer)
        case NotSent(message):
            return unreachable(message, sending.attempts)
        case Rejected():
            return rejected(answer, sending.attempts)
        case Expired(message):
            return expired(message)
        case Unknown(message):
            return unknown(message)
