"""Mail: one contract, SMTP live, and a folder for whoever has no mail server.

The folder's mails are `.eml` files, and their links are shown in the log, which is how they reach a developer.
"""

import re
import smtplib
import ssl
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import msgspec
import structlog

from cliply_resources.errors import CallerError, Rejected, TryLater
from cliply_resources.settings import Settings

__all__ = ["FolderMailer", "Mail", "Mailer", "SmtpMailer", "open_mailer"]

TIMEOUT_SECONDS = 20.0
RETRY_SECONDS = 60.0
LINK = re.compile(r"https?://\S+")

log = structlog.get_logger("cliply_resources.mail")


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent, as plain text."""

    recipient: str
    subject: str
    text: str


class Mailer(Protocol):
    """Sends mails."""

    def send(self, mail: Mail) -> None:
        """The mail was taken for delivery.

        Raises:
            TryLater: the server cannot be reached or is busy.
            Rejected: it will not take this mail, now or later.
        """
        ...


class FolderMailer:
    """Writes every mail to a file of its own instead of sending it."""

    def __init__(self, folder: Path, sender: str) -> None:
        self.folder = folder
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """The mail lies in the folder, readable to this account only, and its links are in the log."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{time.time_ns()}.eml"
        part = path.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_bytes(_as_message(mail, self._sender).as_bytes())
        part.rename(path)
        log.info("mail written, not sent: no SMTP server is configured", file=str(path), subject=mail.subject)
        for link in LINK.findall(mail.text):
            # The one field that the redaction of secrets spares: whoever reads this log is meant to follow it.
            log.info("a link that was to be mailed", developer_link=link)


class SmtpMailer:
    """Hands every mail to an SMTP server: `smtps://` encrypts from the start, `smtp://` with STARTTLS before it signs in."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise CallerError("CLIPLY_SMTP_URL must look like smtps://user:password@host:465 or smtp://host:587.")
        self._host = parts.hostname
        self._encrypted = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._encrypted else 587)
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """The server has taken it."""
        try:
            with self._connected() as server:
                server.send_message(_as_message(mail, self._sender))
        except smtplib.SMTPResponseException as refusal:
            if 400 <= refusal.smtp_code < 500:
                raise TryLater("The mail server is busy.", retry_after=RETRY_SECONDS) from refusal
            raise Rejected(f"The mail server refused the mail with code {refusal.smtp_code}.") from refusal
        except smtplib.SMTPRecipientsRefused as refusal:
            codes = {code for code, _ in refusal.recipients.values()}
            if all(400 <= code < 500 for code in codes):
                raise TryLater(
                    "The mail server cannot take mail for this address now.", retry_after=RETRY_SECONDS
                ) from refusal
            raise Rejected("The mail server refused the recipient's address.") from refusal
        except (OSError, smtplib.SMTPException) as failure:
            raise TryLater("The mail server cannot be reached.", retry_after=RETRY_SECONDS) from failure

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._encrypted:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_SECONDS)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
            elif self._user:
                server.close()
                raise Rejected("The mail server offers no encryption, so the password is not sent to it.")
        if self._user:
            server.login(self._user, self._password)
        return server


def open_mailer(settings: Settings) -> Mailer:
    """SMTP where it is configured, else the folder `mail` in Cliply's home."""
    if settings.smtp_url is not None:
        return SmtpMailer(settings.smtp_url.get_secret_value(), settings.mail_from)
    return FolderMailer(settings.home / "mail", settings.mail_from)


def _as_message(mail: Mail, sender: str) -> EmailMessage:
    message = EmailMessage()
    try:
        message["From"] = sender
        message["To"] = mail.recipient
        message["Subject"] = mail.subject
    except ValueError as failure:
        raise Rejected("A mail's address and subject must be one line each.") from failure
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].partition("@")[2] or "localhost")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message
