"""Signatures of webhooks, to the byte as Standard Webhooks 1.0 has them."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable
from hashlib import sha256

PREFIX = "whsec_"
NEW_BYTES, LEAST_BYTES, MOST_BYTES = 32, 16, 64
MOST_TEXT = len(PREFIX) + 4 * -(-MOST_BYTES // 3)


def new_key() -> bytes:
    """Makes a key."""
    return secrets.token_bytes(NEW_BYTES)


def read_key(secret: str) -> bytes:
    """Reads a secret: one with the prefix as base64, any other as its bytes. Raises ValueError."""
    if secret.startswith(PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            raise ValueError(f"What follows {PREFIX} must be base64") from None
    else:
        key = secret.encode()
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"Must have {LEAST_BYTES} to {MOST_BYTES} bytes, has {len(key)}")
    return key


def spell_key(key: bytes) -> str:
    """Spells a key as the libraries of receivers take it."""
    return PREFIX + base64.b64encode(key).decode()


def sign(keys: Iterable[bytes], id: str, timestamp: int, body: bytes) -> str:
    """Signs a message with each key; a receiver needs one that fits."""
    signed = f"{id}.{timestamp}.".encode() + body
    made = (base64.b64encode(hmac.digest(key, signed, sha256)).decode() for key in keys)
    return " ".join(f"v1,{each}" for each in made)
