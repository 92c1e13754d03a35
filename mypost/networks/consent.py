"""The page on which somebody allows a client of a playground to act for him."""

from collections.abc import Iterable, Mapping
from html import escape

MOST = 12
_ASKED = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge",
          "code_challenge_method")  # fmt: skip
ANSWERS = {
    "ok": "gives tokens",
    "slow": "takes its time",
    "fails": "fails",
    "cut": "gives less than was asked for",
    "empty": "names no account",
}
_PAGE = """<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>
<p><b>{client}</b> wants to: {scope}</p><form method=post action=authorize>{hidden}
<p><label>Sign in as <input name=login value=baker required></label>
<p><label>Accounts of yours <input name=accounts type=number value=2 min=1 max={most}></label>
<p><label>Their posts meet <select name=mode>{modes}</select></label>
<p><label>Asked for tokens, the network <select name=answer>{answers}</select></label>
<p><button name=decision value=allow>Allow</button> <button name=decision value=deny>Deny</button>
</form>"""


def page(title: str, given: Mapping[str, str], modes: Iterable[str]) -> str:
    """Answers the form; it sends the client's request on, with what somebody says to it."""
    hidden = "".join(
        f'<input type=hidden name={name} value="{escape(given[name])}">'
        for name in _ASKED
        if name in given
    )
    return _PAGE.format(
        title=escape(title),
        client=escape(given["client_id"]),
        scope=escape(given.get("scope", "")),
        hidden=hidden,
        modes="".join(f"<option>{mode}" for mode in modes),
        answers="".join(f"<option value={key}>{text}" for key, text in ANSWERS.items()),
        most=MOST,
    )
