"""Sending letters: each row is tried until it is sent, at longer and longer distances."""

import asyncio
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib
import structlog

from mypost.context import NOBODY
from mypost.crypto import Keys
from mypost.jobs import letters
from mypost.settings import Settings

log = structlog.get_logger()
MOST = 20
PATIENCE_S = 20
LONGEST_S = 50  # less than the minute after which another job may take the letter


class Mailer:
    """Hands letters over to an SMTP server, or keeps them as files where there is none."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self.settings = settings
        self.keys = keys

    def write(self, row: Any) -> EmailMessage:
        """Makes the message of a row; its id stays the same however often it is tried."""
        letter = EmailMessage()
        letter["From"] = self.settings.mail_from
        # An address is one, whatever a header would make of its characters.
        letter["To"] = Address(addr_spec=row.address)
        subject, text = self._words(row)
        letter["Subject"] = " ".join(subject.split())
        letter["Message-ID"] = f"<{row.id}@{urlsplit(self.settings.origin).hostname}>"
        letter.set_content(text)
        return letter

    def _words(self, row: Any) -> tuple[str, str]:
        if row.notice is not None:
            return letters.notice(row.notice, self.settings.origin)
        return row.subject, self.keys.decrypt(row.body, NOBODY, row.id, "mail").decode()

    async def send(self, row: Any) -> None:
        """Sends one letter; raises whatever keeps it from being sent."""
        letter = self.write(row)
        if self.settings.smtp_url is None:
            self._keep(row.id, letter)
            return
        server = urlsplit(self.settings.smtp_url)
        secure = server.scheme == "smtps"
        await aiosmtplib.send(
            letter,
            recipients=[row.address],
            hostname=server.hostname,
            port=server.port or (465 if secure else 587),
            username=unquote(server.username) if server.username else None,
            password=unquote(server.password) if server.password else None,
            use_tls=secure,
            timeout=PATIENCE_S,
        )

    def _keep(self, id: UUID, letter: EmailMessage) -> None:
        folder = self.settings.data_dir / "mails"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{id}.eml"
        path.write_bytes(bytes(letter))
        log.info("mail.kept", place=str(path))


async def send(ctx: dict[str, Any], id: str | None = None) -> int:
    """Sends what is due, whichever letter it was woken for; answers how many went out."""
    del id
    sent = 0
    for _ in range(MOST):
        row = await ctx["pool"].fetchrow("SELECT * FROM mails_take(1)")
        if row is None:
            break
        sent += await _try(ctx, row)
    return sent


async def _try(ctx: dict[str, Any], row: Any) -> bool:
    """Sends one letter and notes what came of it: what is wrong with it keeps no other back."""
    wrong = None
    try:
        async with asyncio.timeout(LONGEST_S):
            await ctx["mailer"].send(row)
    except Exception as error:  # noqa: BLE001 - noted, and tried again
        wrong = type(error).__name__
        log.warning("mail.not_sent", error=wrong, attempt=row.attempts)
    await ctx["pool"].execute("SELECT mail_done($1, $2)", row.id, wrong)
    return wrong is None
