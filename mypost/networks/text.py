"""Counts a text the way networks count it, and holds it against rules.toml."""

import tomllib
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import regex

from mypost.networks.answers import Measure

RULES: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("rules.toml").read_text(encoding="utf-8")
)
_URL_WEIGHT = 23
# Other scripts end a link, as they do on the networks: text set solid after it is not swallowed.
_PATH = r"[\p{Latin}\p{Cyrillic}0-9!*';:=+,.$/%#\[\]_~@|&?()-]*[\p{Latin}\p{Cyrillic}0-9=_#/+&-]"
_LINK = regex.compile(rf"https?://{_PATH}", regex.IGNORECASE)
# A bare domain is a link when its last label is a usual generic one, or a country's with a path
# or a third label. The full register of endings changes weekly and is not worth a dependency.
_BARE = regex.compile(
    r"(?<![a-z0-9@.#$/_-])(?:[a-z0-9-]++\.)+"
    r"(?:(?:com|org|net|edu|gov|info|biz|app|dev|blog|shop|news|online|site|co|tv)"
    r"|(?<=[a-z0-9-]\.[a-z0-9-]+\.)[a-z]{2}|[a-z]{2}(?=/))(?![a-z0-9@_-])"
    rf"(?:/(?:{_PATH})?)?",
    regex.IGNORECASE,
)
_REMOTE_MENTION = regex.compile(r"(?<![\w/])(@\w+)@[\w-]+(?:\.[\w-]+)+")
_CLUSTER = regex.compile(r"\X")
_EMOJI = regex.compile(r"\p{Emoji_Presentation}|\ufe0f|\u20e3")
_RESERVED = regex.compile(r"[\\|{}@\[\]()<>#*_~]")
_LIGHT = ((0x0000, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))
MEDIA = "media"  # the unit that counts files and not text


def characters(text: str) -> int:
    """Counts code points."""
    return len(text)


def graphemes(text: str) -> int:
    """Counts extended grapheme clusters: what a reader calls a character (Unicode UAX 29)."""
    return len(_CLUSTER.findall(text))


def utf8_bytes(text: str) -> int:
    """Counts bytes in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def utf16(text: str) -> int:
    """Counts 16-bit units in UTF-16, where most emoji are two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def weighted(text: str) -> int:
    """Counts weights in NFC: Latin 1, other scripts 2, an emoji 2, a link or bare domain 23.

    Source: docs.x.com, "Counting characters" (twitter-text configuration 3).
    """
    rest, links = _cut(_LINK, unicodedata.normalize("NFC", text))
    rest, domains = _cut(_BARE, rest)
    return sum(map(_weight, _CLUSTER.findall(rest))) + (links + domains) * (_URL_WEIGHT - 1)


def _cut(pattern: Any, text: str) -> tuple[str, int]:
    """Takes links out and counts them; each leaves a space, which parts its neighbours, worth 1."""
    rest, count = pattern.subn(" ", text)
    return str(rest), int(count)


def _weight(cluster: str) -> int:
    """Weighs one grapheme cluster."""
    if _EMOJI.search(cluster):
        return 2
    return sum(1 if any(a <= ord(c) <= z for a, z in _LIGHT) else 2 for c in cluster)


def shortened(text: str) -> int:
    """Counts graphemes with every http(s) link as 23 and @user@host as @user.

    Source: docs.joinmastodon.org/user/posting.
    """
    rest, links = _cut(_LINK, text)
    return graphemes(_REMOTE_MENTION.sub(r"\1", rest)) + links * (_URL_WEIGHT - 1)


def escaped(text: str) -> int:
    r"""Counts code points with every reserved one twice, since `\` goes before it on the wire.

    Source: learn.microsoft.com, "little text format". Intended mentions are counted too, so the
    answer is never too low.
    """
    return len(text) + len(_RESERVED.findall(text))


_COUNTERS: dict[str, Callable[[str], int]] = {
    count.__name__: count
    for count in (characters, graphemes, utf8_bytes, utf16, weighted, shortened, escaped)
}


def normal(text: str) -> str:
    """Spells a text as it may be looked for after a network has stored it: NFC, single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def measure(key: str, text: str, media_count: int) -> list[Measure]:
    """Holds a text and its number of media against the section `key` of rules.toml.

    The text's counters come first, in the section's order and units, then `media`. A text may
    be empty only beside media. Raises KeyError for a section or a unit that does not exist.
    """
    section, least = RULES[key], 0 if media_count else 1
    texts = [
        Measure(rule["unit"], _COUNTERS[rule["unit"]](text), rule["max"], least)
        for rule in section["text"]
    ]
    media = section["media"]
    return [*texts, Measure(MEDIA, media_count, media["max"], media["min"])]
