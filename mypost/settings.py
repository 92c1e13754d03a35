"""The only reader of the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


class BadSettings(Exception):
    """The environment holds a value MyPost cannot use; the message names the variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a process is told from outside, read once at its start."""

    data_dir: Path
    embedded: bool  # MyPost starts PostgreSQL and Valkey itself
    owner_url: str | None = field(repr=False)
    app_url: str | None = field(repr=False)
    dispatch_url: str | None = field(repr=False)
    pooled: bool  # the application's address is a pooler's, in transaction mode
    redis_url: str | None = field(repr=False)
    secret: str | None = field(repr=False)
    origin: str
    allowed_origins: tuple[str, ...]
    connected_url: str | None  # where people go on to after a network's page
    registration_open: bool
    cookie_secure: bool
    rate_user: int  # requests a second
    rate_workspace: int
    rate_global: int
    log_level: str
    smtp_url: str | None = field(repr=False)
    mail_from: str
    trusted_documents: Path | None  # a manifest, or a folder of them
    trusted_only: bool  # any other document is refused
    dev_egress: bool  # customers' addresses may be this machine's, plain and on any port
    crash_at: tuple[str, int] | None  # a named point of the worker, and which time
    engine: str  # compiled; or interpreted, which leaves GraphQL documents to graphql-core
    pushdown: bool  # whether plans have PostgreSQL write the JSON of rows
    environment: Mapping[str, str] = field(repr=False)


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """Reads settings from the environment, or from a mapping in its place.

    Raises BadSettings naming the variable at fault.
    """
    env = dict(os.environ if environment is None else environment)  # noqa: TID251 - the one place
    owner = env.get("DATABASE_URL")
    if bool(owner) != bool(env.get("REDIS_URL")):
        raise BadSettings("Set DATABASE_URL and REDIS_URL together, or neither")
    embedded, trusted = owner is None, env.get("MYPOST_TRUSTED_DOCUMENTS")
    level = env.get("MYPOST_LOG", "info").lower()
    if level not in LOG_LEVELS:
        raise BadSettings(f"MYPOST_LOG is one of {', '.join(LOG_LEVELS)}")
    origin = env.get("MYPOST_ORIGIN", "http://127.0.0.1:8000").rstrip("/")
    if not origin.startswith(("http://", "https://")):
        raise BadSettings("MYPOST_ORIGIN must start with http:// or https://")
    if not embedded and not env.get("MYPOST_SECRET"):
        raise BadSettings("MYPOST_SECRET is missing: 32 random bytes, base64 or hex")
    return Settings(
        data_dir=Path(env.get("MYPOST_DATA_DIR", "./.mypost")).absolute(),
        embedded=embedded,
        owner_url=owner,
        app_url=env.get("DATABASE_APP_URL", owner),
        dispatch_url=env.get("DATABASE_DISPATCH_URL", owner),
        pooled=_pooled(env),
        redis_url=env.get("REDIS_URL"),
        secret=env.get("MYPOST_SECRET"),
        origin=origin,
        allowed_origins=tuple(_words(env.get("MYPOST_ALLOWED_ORIGINS", origin))),
        connected_url=_connected(env),
        registration_open=_registration(env, embedded=embedded),
        cookie_secure=origin.startswith("https://"),
        rate_user=_positive(env, "MYPOST_RATE_USER", 10),
        rate_workspace=_positive(env, "MYPOST_RATE_WORKSPACE", 100),
        rate_global=_positive(env, "MYPOST_RATE_GLOBAL", 1000),
        log_level=level,
        smtp_url=_smtp(env),
        mail_from=env.get("MYPOST_MAIL_FROM", "MyPost <no-reply@localhost>"),
        trusted_documents=Path(trusted).absolute() if trusted else None,
        trusted_only=_trusted_only(env),
        dev_egress=_word(env, "MYPOST_DEV_EGRESS", ("0", "1")) == "1",
        crash_at=_crash_at(env),
        pushdown=_word(env, "MYPOST_ENGINE_PUSHDOWN", ("on", "off")) == "on",
        engine=_word(env, "MYPOST_ENGINE", ("compiled", "interpreted")),
        environment={k: v for k, v in env.items() if k.startswith("MYPOST_")},
    )


def _smtp(env: Mapping[str, str]) -> str | None:
    url = env.get("MYPOST_SMTP_URL")
    if url is not None and not url.startswith(("smtp://", "smtps://")):
        raise BadSettings("MYPOST_SMTP_URL must start with smtp:// or smtps://")
    return url


def _connected(env: Mapping[str, str]) -> str | None:
    url = env.get("MYPOST_CONNECTED_URL")
    if url is not None and not re.fullmatch(r"https?://[^\s/?#]+\S*", url):
        raise BadSettings("MYPOST_CONNECTED_URL must start with http:// or https://")
    return url


def _word(env: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """Reads one of some words; the first is the default."""
    word = env.get(name, words[0])
    if word not in words:
        raise BadSettings(f"{name} is {' or '.join(words)}")
    return word


def _trusted_only(env: Mapping[str, str]) -> bool:
    only = _word(env, "MYPOST_TRUSTED_ONLY", ("0", "1")) == "1"
    if only and not env.get("MYPOST_TRUSTED_DOCUMENTS"):
        raise BadSettings("MYPOST_TRUSTED_ONLY needs MYPOST_TRUSTED_DOCUMENTS")
    return only


def _crash_at(env: Mapping[str, str]) -> tuple[str, int] | None:
    given = env.get("MYPOST_CRASH_AT")
    if not given:
        return None
    if not (found := re.fullmatch(r"([a-z_]+):([1-9][0-9]{0,8})", given)):
        raise BadSettings("MYPOST_CRASH_AT is a point and which time: sending_committed:3")
    return found[1], int(found[2])


def _pooled(env: Mapping[str, str]) -> bool:
    pooled = _word(env, "MYPOST_POOLER", ("none", "transaction")) == "transaction"
    if pooled and not (env.get("DATABASE_URL") and env.get("DATABASE_APP_URL")):
        raise BadSettings("MYPOST_POOLER needs DATABASE_APP_URL, the pooler's, and DATABASE_URL")
    return pooled


def _registration(env: Mapping[str, str], *, embedded: bool) -> bool:
    words = ("open", "closed") if embedded else ("closed", "open")
    return _word(env, "MYPOST_REGISTRATION", words) == "open"


def _positive(env: Mapping[str, str], name: str, default: int) -> int:
    """Reads a whole number of at least 1."""
    text = env.get(name, str(default))
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
        raise BadSettings(f"{name} is a whole number from 1 to 999999999")
    return int(text)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def inherited(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process: ours, with these variables on top."""
    return {**os.environ, **extra}  # noqa: TID251 - the one place


def credentials(url: str) -> dict[str, Any]:
    """Reads a PostgreSQL URL into what asyncpg and Tortoise take; a socket folder is a host."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    # urlsplit's own hostname is lower case, which spoils a percent-encoded socket folder.
    host = unquote(re.sub(r":\d*$", "", parts.netloc.rpartition("@")[2])).strip("[]")
    return {
        "host": given.get("host") or host or "localhost",
        "port": int(given.get("port") or parts.port or 5432),
        "user": given.get("user") or unquote(parts.username or "") or None,
        "password": given.get("password") or unquote(parts.password or "") or None,
        "database": given.get("dbname") or unquote(parts.path.removeprefix("/")) or None,
        **({"ssl": given["sslmode"]} if "sslmode" in given else {}),
    }
