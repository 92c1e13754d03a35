"""One id everywhere: a UUIDv7 whose 12 `rand_a` bits carry the type.

Layout: RFC 9562 §5.7. The SQL twin is `mypost_id(tag)`.
"""

import secrets
from enum import IntEnum
from uuid import UUID

from mypost import clock


class Tag(IntEnum):
    """The type an id carries; numbers are never reused."""

    USER = 1
    SESSION = 2
    WORKSPACE = 3
    ROLE = 4
    MEMBER = 5
    BRAND = 6
    ACCOUNT = 7
    CONNECTION = 8
    POST = 9
    TARGET = 10
    MEDIA = 11
    APPROVAL = 12
    AUDIT_EVENT = 13
    EVENT = 14
    WEBHOOK = 15
    DELIVERY = 16
    EXPORT = 17
    TOKEN = 18
    INVITATION = 19
    ACCESS_TOKEN = 20
    MAIL = 21
    WEBHOOK_SECRET = 22


def new(tag: Tag) -> UUID:
    """Mints an id of this type, ordered by time to the millisecond."""
    milliseconds = int(clock.now().timestamp() * 1000)
    high = (milliseconds << 16) | 0x7000 | tag
    return UUID(int=(high << 64) | (0b10 << 62) | secrets.randbits(62))


def tag_of(id: UUID) -> Tag | None:
    """Reads the type from an id, or None when it is not one of ours."""
    if id.version != 7:  # noqa: PLR2004 - the version is part of the format
        return None
    bits = (id.int >> 64) & 0xFFF
    return Tag(bits) if bits in Tag._value2member_map_ else None


def parse(text: object) -> UUID | None:
    """Reads an id from its canonical text, or None when it is anything else."""
    if isinstance(text, UUID):
        return text
    if not isinstance(text, str) or len(text) != 36:  # noqa: PLR2004 - 8-4-4-4-12
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
