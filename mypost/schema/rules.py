"""Constraints of input fields, declared beside the field and checked for both doors."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import strawberry

from mypost import signatures, zones
from mypost.errors import FaultCode

Verdict = tuple[str, FaultCode] | None
Rule = Callable[[Any], Verdict]

# What every mail server takes: a dot-atom of RFC 5322 §3.2.3 before the @, a host name after it.
EMAIL = re.compile(
    r"(?=[^@]{1,64}@)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
# Control characters, line and paragraph separators, and what turns the direction of text around.
UNPRINTABLE = r"\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069"
NAME = re.compile(f"[^{UNPRINTABLE}]*")
WEB_ADDRESS = re.compile(r"https?://[^\s/?#]+\S*")
MAX_EMAIL, MAX_ADDRESS = 254, 2000  # RFC 5321 §4.5.3.1; the column's size
MIN_PASSWORD, MAX_PASSWORD = 8, 128
_COMMON = """
    password password1 password12 password123 passw0rd p@ssw0rd 12345678 123456789
    1234567890 87654321 11111111 00000000 qwertyui qwerty123 qwertyuiop 1q2w3e4r 1qaz2wsx
    abcd1234 abc12345 iloveyou sunshine princess football baseball welcome1 letmein1
    trustno1 superman batman123 dragon123 monkey123 master123 whatever starwars
    computer internet admin123 administrator changeme secret123
"""
COMMON_PASSWORDS = frozenset(_COMMON.split())


def says(rule: Rule, **schema: Any) -> Rule:
    """Notes what a rule says in JSON Schema, for the description of the REST door."""
    rule.says = schema  # type: ignore[attr-defined]
    return rule


def length(most: int, *, least: int = 1) -> Rule:
    """Text of `least` to `most` characters, not only blanks."""

    def rule(value: str) -> Verdict:
        if len(value) > most:
            return f"Must be at most {most} characters, has {len(value)}", FaultCode.TOO_LONG
        if least and len(value.strip()) < least:
            return "Must not be empty", FaultCode.REQUIRED
        return None

    return says(rule, minLength=least, maxLength=most)


def name(most: int) -> Rule:
    """A text of one line, as it stands in lists and letters."""
    size = length(most)

    def rule(value: str) -> Verdict:
        if not NAME.fullmatch(value):
            return "Must not contain control characters", FaultCode.INVALID
        return size(value)

    return says(rule, minLength=1, maxLength=most, pattern=f"^[^{UNPRINTABLE}]*$")


def most(count: int) -> Rule:
    """At most `count` entries."""

    def rule(value: list[Any]) -> Verdict:
        if len(value) > count:
            return f"Must have at most {count} entries, has {len(value)}", FaultCode.TOO_MANY
        return None

    return says(rule, maxItems=count)


def chosen(count: int) -> Rule:
    """One to `count` entries."""
    few = most(count)

    def rule(value: list[Any]) -> Verdict:
        return few(value) if value else ("Must not be empty", FaultCode.REQUIRED)

    return says(rule, minItems=1, maxItems=count)


def email(value: str) -> Verdict:
    """An address with one @ and a domain with a dot, in ASCII."""
    if len(value) > MAX_EMAIL or not EMAIL.fullmatch(value):
        return "Invalid email format", FaultCode.INVALID
    return None


def web_address(value: str) -> Verdict:
    """An http or https address of at most 2,000 characters."""
    if len(value) > MAX_ADDRESS or not WEB_ADDRESS.fullmatch(value):
        return "Must be an address such as https://example.com/post/1", FaultCode.INVALID
    return None


def password(value: str) -> Verdict:
    """8 to 128 characters, none of the common ones (OWASP)."""
    if not MIN_PASSWORD <= len(value) <= MAX_PASSWORD:
        return f"Must have {MIN_PASSWORD} to {MAX_PASSWORD} characters", FaultCode.INVALID
    if value.lower() in COMMON_PASSWORDS:
        return "This password is too common", FaultCode.INVALID
    return None


def signing_secret(value: str) -> Verdict:
    """A key of 16 to 64 bytes: any text, or `whsec_` and base64."""
    try:
        signatures.read_key(value)
    except ValueError as error:
        return str(error), FaultCode.INVALID
    return None


says(signing_secret, minLength=signatures.LEAST_BYTES, maxLength=signatures.MOST_TEXT)
says(email, format="email", maxLength=MAX_EMAIL)
says(web_address, format="uri", maxLength=MAX_ADDRESS)
says(password, minLength=MIN_PASSWORD, maxLength=MAX_PASSWORD)


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def timezone(value: str) -> Verdict:
    """A name of the IANA time zone database."""
    known = value in _timezones()
    return None if known else ("Not an IANA time zone such as Europe/Berlin", FaultCode.INVALID)


def local_time(value: str) -> Verdict:
    """A date and a time without an offset."""
    try:
        zones.read(value)
    except zones.NoSuchTime as error:
        return str(error), FaultCode.INVALID
    return None


def ruled(*rules: Rule, apart: bool = False, **options: Any) -> Any:
    """An input field with rules; options are Strawberry's.

    What stands in a field `apart` is not judged with the rest of the input, but by its resolver.
    """
    return strawberry.field(metadata={"rules": rules, "apart": apart}, **options)


def maybe(rule: Rule) -> Rule:
    """Applies a rule to a field that tells absent from null."""

    def inner(value: Any) -> Verdict:
        return None if value.value is None else rule(value.value)

    return says(inner, **getattr(rule, "says", {}))


def each(rule: Rule) -> Rule:
    """Applies a rule to every entry of a list; the first fault counts."""

    def inner(value: list[Any]) -> Verdict:
        return next((fault for item in value if (fault := rule(item))), None)

    return inner


def once() -> Any:
    """The field that lets a change be asked for again; by REST it is a header."""
    said = "A key of your own: sent again within 24 h, the change is made once and answered again."
    return strawberry.field(default=None, description=said)
