"""Finds what people mean as links, tags and mentions in a plain text."""

from dataclasses import dataclass
from typing import Literal

import regex

LONGEST_TAG = 64
# Each begins the text or stands after white space or an opening bracket.
_BEGINS = r"(?<![^\s(])"
_LINK = regex.compile(rf"{_BEGINS}https?://[^\s<>\"]+", regex.IGNORECASE)
_AFTER_LINK = regex.compile(r"[.,;:!?'\u2026\u201d]+$")
_HANDLE = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z](?:[a-z0-9-]*[a-z0-9])?"
_MENTION = regex.compile(rf"{_BEGINS}@({_HANDLE})(?![\w@-])", regex.IGNORECASE)
# A number sign with a keycap is an emoji; invisible characters end a tag.
_TAG = regex.compile(rf"{_BEGINS}[#\uff03](?!\ufe0f)([^\s#\u00ad\u200b-\u200d\u2060]+)")
_AFTER_TAG = regex.compile(r"\p{P}+$")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """One part of a text; `start` and `end` count bytes of its UTF-8."""

    start: int
    end: int
    kind: Literal["link", "tag", "mention"]
    value: str  # the address, the tag without its sign, the handle in lower case


def spans(text: str) -> list[Span]:
    """Answers the links (http and https), tags and mentions of a text, in its order."""
    found = [_span(text, each.start(), "link", _link(each[0])) for each in _LINK.finditer(text)]
    for each in _TAG.finditer(text):
        tag = _AFTER_TAG.sub("", each[1])
        if 0 < len(tag) <= LONGEST_TAG and not tag.isdecimal():
            found.append(_span(text, each.start(), "tag", tag, each[0][0]))
    found += [
        _span(text, each.start(), "mention", each[1], "@") for each in _MENTION.finditer(text)
    ]
    return sorted(found)


def _link(link: str) -> str:
    """Leaves out the punctuation that ends a sentence around a link."""
    link = _AFTER_LINK.sub("", link)
    return link[:-1] if link.endswith(")") and "(" not in link else link


def _span(
    text: str, at: int, kind: Literal["link", "tag", "mention"], value: str, sign: str = ""
) -> Span:
    start = len(text[:at].encode())
    end = start + len((sign + value).encode())
    return Span(start, end, kind, value.lower() if kind == "mention" else value)
