"""What an attempt to connect keeps to itself: its PKCE verifier, and the accounts it has found."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from mypost.crypto import Keys, Undecryptable
from mypost.models.connections import Connection
from mypost.networks import Grant, Profile

VERIFIER_COLUMN, FOUND_COLUMN = "verifier", "found"


def seal_verifier(keys: Keys, connection: Connection, verifier: str) -> bytes:
    """Encrypts a PKCE verifier, bound to its row."""
    place = (connection.workspace_id, connection.id, VERIFIER_COLUMN)
    return keys.encrypt(verifier.encode(), *place)


def open_verifier(keys: Keys, connection: Connection) -> str:
    """Opens the verifier of an attempt; raises Undecryptable under another key."""
    place = (connection.workspace_id, connection.id, VERIFIER_COLUMN)
    return keys.decrypt(connection.verifier or b"", *place).decode()


def seal_found(keys: Keys, connection: Connection, found: Iterable[Profile]) -> bytes:
    """Encrypts the accounts to choose from, tokens included, bound to the attempt's row."""
    plain = [
        {
            "externalId": each.external_id,
            "handle": each.handle,
            "name": each.name,
            "image": each.profile_image_url,
            "scopes": each.scopes,
            "secrets": dict(each.grant.secrets),
            "expiresAt": each.grant.expires_at,
            "endsAt": each.grant.ends_at,
        }
        for each in found
    ]
    place = (connection.workspace_id, connection.id, FOUND_COLUMN)
    return keys.encrypt(orjson.dumps(plain), *place)


def open_found(keys: Keys, connection: Connection) -> list[Profile]:
    """Opens the accounts to choose from; there are none that we cannot open."""
    if connection.found is None:
        return []
    place = (connection.workspace_id, connection.id, FOUND_COLUMN)
    try:
        plain = keys.decrypt(connection.found, *place)
    except Undecryptable:
        return []
    return [_profile(each) for each in orjson.loads(plain)]


def _profile(plain: dict[str, Any]) -> Profile:
    ends = _time(plain["expiresAt"])
    return Profile(
        external_id=plain["externalId"],
        handle=plain["handle"],
        name=plain["name"],
        profile_image_url=plain["image"],
        scopes=tuple(plain["scopes"]),
        grant=Grant(plain["secrets"], ends, ends_at=_time(plain["endsAt"])),
        token_expires_at=ends,
    )


def _time(given: str | None) -> datetime | None:
    return None if given is None else datetime.fromisoformat(given)
