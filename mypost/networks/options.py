"""What a post may say to one network besides its text, held against rules.toml."""

import re
from collections.abc import Mapping
from typing import Any

from mypost.networks.text import RULES


def judge_options(key: str, given: Mapping[str, object]) -> list[tuple[str, str]]:
    """Names every option that the section `key` does not take as it is, with what is wrong."""
    known: dict[str, dict[str, Any]] = RULES[key].get("options", {})
    told = ", ".join(known) or "no options"
    checked = [
        (name, _fault(known[name], value) if name in known else f"is not taken here: {told}")
        for name, value in given.items()
    ]
    return [(name, wrong) for name, wrong in checked if wrong]


def _fault(rule: Mapping[str, Any], value: object) -> str | None:
    if "one_of" in rule:
        return None if value in rule["one_of"] else f"must be one of {', '.join(rule['one_of'])}"
    if not isinstance(value, list) or not 0 < len(value) <= rule["most"]:
        return f"must be a list of 1 to {rule['most']} {rule['what']}"
    fit = all(isinstance(item, str) and re.fullmatch(rule["pattern"], item) for item in value)
    return None if fit else f"must hold {rule['what']}"
