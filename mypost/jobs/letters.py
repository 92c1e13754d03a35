"""The words of letters about outcomes; the database has written down the facts."""

from collections.abc import Mapping
from typing import Any

FOOT = """
You get this letter because of your account on MyPost; switch such letters off there:
{origin}/#/account
"""
POST = """{subject}.{advice}

  {content}

{targets}
Look at it here:
{origin}/#/post/{postId}
"""
ACCOUNT = """{account} ({network}, {brand}) does not let MyPost in any more: {message}

{waiting} scheduled posts wait for it, and go out once it is connected again:
{origin}/#/account/{accountId}
"""
# No switch turns these off: who gets them is who can mend what they tell.
WEBHOOK = """{subject}:

  {url}

{advice} What could not be delivered is kept for 30 days and can be sent again:
{origin}/#/webhook/{webhookId}
"""
SUBJECTS = {
    "post.failed": "A post of {brand} was not published",
    "post.partially_published": "A post of {brand} was not published everywhere",
    "post.needs_confirmation": "Nobody can tell whether a post of {brand} was published",
    "account.needs_reauth": "{account} has to be connected again",
    "webhook.failing": "A webhook of {workspace} does not answer",
    "webhook.disabled": "A webhook of {workspace} was switched off",
}
ADVICE = {
    "post.needs_confirmation": " Please look at the network, and say what you see there.",
    "webhook.failing": "It has taken nothing since {since}; after five days it is switched off.",
    "webhook.disabled": "It {why}. Once it works, switch it on again.",
}
WHY = {"gone": "said that it is gone (410)", "failing": "has taken nothing for five days"}
NO_REASON = "the network gave no reason"


def notice(facts: Mapping[str, Any], origin: str) -> tuple[str, str]:
    """The subject and the text of a letter about an outcome."""
    kind = facts["kind"]
    subject = SUBJECTS[kind].format(**facts)
    if kind == "account.needs_reauth":
        told = {**facts, "message": facts["message"] or NO_REASON}
        return subject, (ACCOUNT + FOOT).format(**told, origin=origin)
    if kind.startswith("webhook."):
        advice = ADVICE[kind].format(since=facts["since"], why=WHY.get(facts["reason"], ""))
        told = {"subject": subject, "url": facts["url"], "advice": advice}
        return subject, WEBHOOK.format(**told, webhookId=facts["webhookId"], origin=origin)
    told = {
        "subject": subject,
        "advice": ADVICE.get(kind, ""),
        "content": "\n  ".join(facts["content"].splitlines()),
        "targets": "".join(
            f"- {each['account']} ({each['network']}): {each['message'] or NO_REASON}\n"
            for each in facts["targets"]
        ),
        "postId": facts["postId"],
    }
    return subject, (POST + FOOT).format(**told, origin=origin)
