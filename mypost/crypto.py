"""One secret and the keys derived from it: for signing, sealing, encrypting, comparing."""

import base64
import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mypost.settings import BadSettings

NONCE_BYTES = 12
SECRET_BYTES = 32


class Undecryptable(Exception):
    """A ciphertext does not belong to this row, column or key."""


@dataclass(frozen=True)
class Keys:
    """The keys of this installation, all derived from one secret."""

    secret: bytes

    def _derive(self, purpose: str) -> bytes:
        info = f"mypost/{purpose}/1".encode()
        return HKDF(hashes.SHA256(), SECRET_BYTES, salt=None, info=info).derive(self.secret)

    @cached_property
    def signing(self) -> Ed25519PrivateKey:
        """The private key of access tokens (RFC 8037)."""
        return Ed25519PrivateKey.from_private_bytes(self._derive("access-token"))

    @cached_property
    def key_id(self) -> str:
        """The `kid` of the signing key: a fingerprint of its public half."""
        public = self.signing.public_key().public_bytes_raw()
        return hashlib.sha256(public).hexdigest()[:16]

    @cached_property
    def _cipher(self) -> AESGCM:
        return AESGCM(self._derive("at-rest"))

    @cached_property
    def _fingerprints(self) -> bytes:
        return self._derive("fingerprint")

    @cached_property
    def _sealing(self) -> bytes:
        return self._derive("cursor")

    def encrypt(self, plain: bytes, workspace_id: UUID, row_id: UUID, column: str) -> bytes:
        """Encrypts with AES-256-GCM, bound to one column of one row of one workspace."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, _bound(workspace_id, row_id, column))

    def decrypt(self, stored: bytes, workspace_id: UUID, row_id: UUID, column: str) -> bytes:
        """Opens what `encrypt` made; raises Undecryptable for any other row, column or key."""
        nonce, body = stored[:NONCE_BYTES], stored[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, body, _bound(workspace_id, row_id, column))
        except InvalidTag as error:
            raise Undecryptable("the ciphertext does not belong here") from error

    def sealer(self, bound: bytes) -> Callable[[bytes], bytes]:
        """Answers what seals the cursors of one list: 16 bytes of keyed BLAKE2b (RFC 7693).

        `bound` is hashed once; messages must all have one length, or one could pass for another.
        """
        begun = hashlib.blake2b(bound, digest_size=16, key=self._sealing)

        def seal(message: bytes) -> bytes:
            mac = begun.copy()
            mac.update(message)
            return mac.digest()

        return seal

    def fingerprint(self, message: bytes) -> bytes:
        """Computes a MAC that tells equal messages, and to others nothing of what they hold."""
        return hashlib.blake2b(message, digest_size=32, key=self._fingerprints).digest()


def _bound(workspace_id: UUID, row_id: UUID, column: str) -> bytes:
    return workspace_id.bytes + row_id.bytes + column.encode()


def load(secret: str | None, data_dir: Path) -> Keys:
    """Takes the secret from settings, or from `data_dir/secret`, made on first start.

    Raises BadSettings when it is not 32 bytes or more, as hex or base64.
    """
    if secret:
        return Keys(_decode(secret))
    path = data_dir / "secret"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
    return Keys(_decode(path.read_text().strip()))


def _decode(text: str) -> bytes:
    for read in (bytes.fromhex, base64.b64decode):
        try:
            raw = read(text)
        except ValueError:
            continue
        if len(raw) >= SECRET_BYTES:
            return raw
    raise BadSettings("MYPOST_SECRET must hold at least 32 bytes, as hex or base64")


def digest(token: str) -> bytes:
    """Hashes an opaque token for storage: 256 random bits need no salt."""
    return hashlib.sha256(token.encode()).digest()
