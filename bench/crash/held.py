"""What the recorder's network holds: accounts, containers, posts, and the file that counts them."""

import json
import os
import secrets
import time
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

LONGEST_LAG = 20.0
PAGE = 100

Post = dict[str, object]


@dataclass
class Account:
    """One account: its class, and how far its list of posts lags behind."""

    handle: str
    kind: str
    lag: float
    posts: list[Post] = field(default_factory=list)


@dataclass
class Container:
    """A first step: invisible until it is published, which happens once."""

    text: str
    media: object
    created: object
    ends: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    status: str = "ready"
    post: Post | None = None


class Held:
    """Everything that was accepted; a post is in the file before it is in the world."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self.accounts: dict[str, Account] = {}
        self.containers: dict[tuple[str, str], Container] = {}
        self._keys: dict[tuple[str, str], Post] = {}

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def note(self, event: str, account: Account, **facts: object) -> None:
        """Writes one line."""
        said = {"at": time.time(), "event": event, "account": account.handle, **facts}
        os.write(self._file, f"{json.dumps(said, ensure_ascii=False)}\n".encode())

    def connect(self, handle: str, kind: str, lag: float) -> str:
        """Opens an account, or one that is there again, and answers a token."""
        token = secrets.token_urlsafe(24)
        known = next((a for a in self.accounts.values() if a.handle == handle), None)
        account = known or Account(handle, kind, lag)
        self.accounts[token] = account
        self.note("account", account, kind=kind)
        return token

    def accept(self, account: Account, text: str, media: object, created: object) -> Post:
        """Makes a post visible: on the disk first, then in the world."""
        at, id_ = time.time(), secrets.token_hex(8)
        self.note("accepted", account, kind=account.kind, id=id_, text=text)
        os.fsync(self._file)
        post: Post = {
            "id": id_,
            "url": f"https://recorder.invalid/{id_}",
            "text": text,
            "mediaCount": media,
            "createdAt": created,
            "acceptedAt": datetime.fromtimestamp(at, UTC).isoformat(),
        }
        account.posts.append(post)
        return post

    def accept_once(
        self, account: Account, key: str, text: str, media: object, created: object
    ) -> Post | None:
        """Makes one post of a key; a repeat answers it again, other words answer None."""
        known = self._keys.get((account.handle, key))
        if known is None:
            known = self._keys[account.handle, key] = self.accept(account, text, media, created)
        elif known["text"] == text:
            self.note("repeat", account, id=known["id"])
        else:
            return None
        return known

    def publish(self, account: Account, container: Container) -> Post:
        """Makes a container visible, once."""
        if container.post is None:
            given = (container.text, container.media, container.created)
            container.post = self.accept(account, *given)
            container.status = "published"
        else:
            self.note("repeat", account, id=container.post["id"])
        return container.post

    def of_key(self, account: Account, key: str) -> list[Post]:
        """The post of a key, if there is one."""
        post = self._keys.get((account.handle, key))
        return [post] if post else []

    def since(self, account: Account, moment: str, begin: int) -> tuple[list[Post], int | None]:
        """One page of an account's posts, as far as its list has caught up, and the next."""
        since = datetime.fromisoformat(moment).timestamp()
        shown = [
            {**post, "text": _normal(str(post["text"]))}
            for post in reversed(account.posts)
            if since <= _time(post) <= time.time() - account.lag
        ]
        end = begin + PAGE
        return shown[begin:end], end if shown[end:] else None


def _time(post: Post) -> float:
    return datetime.fromisoformat(str(post["acceptedAt"])).timestamp()


def _normal(text: str) -> str:
    """Spells a text as a network shows it: composed, and without runs of white space."""
    return " ".join(unicodedata.normalize("NFC", text).split())
