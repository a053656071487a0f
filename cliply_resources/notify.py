"""Tells operators: one contract, `notify(alert)`, over Slack, mail, SMS, and a file for whoever has none of them.

An alert is told once for as long as it lasts, again after `alert_repeat_hours`, and once when it is over; each channel keeps its own
count, so that one which was out of reach is told later. No more than `alerts_per_hour` messages leave by a channel. Whatever looks like
a secret is taken out before anything is sent or written.
"""

import base64
import fcntl
import json
import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import urlencode, urlsplit

import msgspec

from cliply_resources.errors import CallerError, CliplyError, Rejected, TryLater
from cliply_resources.mail import Mail, Mailer, open_mailer
from cliply_resources.outbound import CONFIGURED, fetch
from cliply_resources.settings import Settings

__all__ = [
    "Alert",
    "Channel",
    "LocalChannel",
    "MailChannel",
    "Notifier",
    "SlackChannel",
    "SmsChannel",
    "Told",
    "open_notifier",
    "scrub",
]

SLACK_TEXT = 3000
"""Characters that a section of a Slack message takes."""
SMS_TEXT = 320
"""Two parts of a text message."""
TIMEOUT_SECONDS = 10.0
HOUR = 3600.0
FORGET_SECONDS = 30 * 24 * HOUR

_SECRETS = re.compile(
    r"(?<=hooks\.slack\.com/services/)[\w/-]+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user and password in a URL
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"  # JSON web tokens
    r"|\bcliply_[a-z]{2}_[\w-]{20,}"
    r"|(?i:(?<=bearer )\S+)"
    r"|(?i:(?:password|passwd|secret|token|api_?key|signature|sig|credential)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}]+"
)

# The standard library's, whose lines never go to standard output, where commands print their documents.
log = logging.getLogger("cliply_resources.notify")


def scrub(text: str) -> str:
    """The text with everything that looks like a secret replaced, and without control characters."""
    text = _SECRETS.sub(lambda found: re.sub(r"(?<=[=:])\s*[\"']?[^=:]+$|^[^=:]+$", "…", found.group()), text)
    return "".join(character if character.isprintable() or character in "\n\t" else " " for character in text)


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something an operator should know, or (`over`) need not worry about any longer."""

    name: str
    """Its heading in docs/operations.md, such as `CliplyDiskLow`."""
    severity: Literal["page", "warn"] = "warn"
    """Whether somebody should get up for it."""
    summary: str
    """A sentence with the value and the limit."""
    remedy: str = ""
    """What to do first; often a command."""
    about: str = ""
    """Which of several alike, such as a daemon's name; part of what makes it the same alert again."""
    over: bool = False

    @property
    def key(self) -> str:
        """The same for the same trouble."""
        return f"{self.name}:{self.about}" if self.about else self.name

    def scrubbed(self) -> "Alert":
        """Without secrets, wherever they came from."""
        return msgspec.structs.replace(self, summary=scrub(self.summary), remedy=scrub(self.remedy))

    @property
    def title(self) -> str:
        """One line."""
        mark = "over" if self.over else self.severity
        return f"[{mark}] {self.name}: {self.summary}" if not self.over else f"[{mark}] {self.name}"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one alert on one channel."""

    channel: str
    outcome: Literal["sent", "known", "held_back", "later", "refused"]
    """`known`: told before; `held_back`: over the rate; `later`: out of reach now; `refused`: the channel is set up wrongly."""
    says: str = ""


class Channel(Protocol):
    """A way to reach somebody."""

    name: str
    pages_only: bool
    """Whether only alerts that page go this way."""

    def send(self, alert: Alert) -> None:
        """The alert has left.

        Raises:
            TryLater: it cannot now.
            CliplyError: it never will, as things are.
        """
        ...


class SlackChannel:
    """A Slack app's incoming webhook. Its URL is a secret and names the channel."""

    name = "slack"
    pages_only = False

    def __init__(self, url: str, hosts: Sequence[str]) -> None:
        if urlsplit(url).hostname not in hosts:
            raise CallerError(
                f"CLIPLY_SLACK_WEBHOOK_URL must lead to {' or '.join(hosts)}; copy it from the Slack app."
            )
        self._url = url

    def send(self, alert: Alert) -> None:
        """Slack answered `ok`."""
        text = "\n".join(part for part in (alert.summary, alert.remedy) if part)
        blocks = [
            {"type": "section", "text": {"type": "mrkdwn", "text": f"*{_for_slack(alert.name)}*"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": _for_slack(text)[:SLACK_TEXT]}},
        ]
        if alert.over:
            blocks[0]["text"] = {"type": "mrkdwn", "text": f"*{_for_slack(alert.name)}* is over"}
        message = {"text": _for_slack(alert.title)[:SLACK_TEXT], "blocks": blocks, "unfurl_links": False}
        reply = fetch(self._url, policy=CONFIGURED, method="POST", json=message, timeout=TIMEOUT_SECONDS)
        if reply.body.strip() != b"ok":
            raise Rejected("Slack answered, but not with ok; look at the webhook in the Slack app.")


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class MailChannel:
    """Mail to everybody who is to know."""

    name = "mail"
    pages_only = False

    def __init__(self, mailer: Mailer, recipients: Sequence[str]) -> None:
        self._mailer = mailer
        self._recipients = tuple(recipients)

    def send(self, alert: Alert) -> None:
        """The mail server has taken one mail for each."""
        text = "\n\n".join(
            part for part in (alert.summary, alert.remedy, f"Runbook: docs/operations.md, {alert.name}") if part
        )
        subject = " ".join(f"Cliply {alert.title}".split())[:150]
        for recipient in self._recipients:
            self._mailer.send(Mail(recipient=recipient, subject=subject, text=f"{text}\n"))


class SmsChannel:
    """A text message through an HTTP gateway: a form with From, To and Body, and basic authentication, as Twilio's takes it.

    Only for what somebody should get up for.
    """

    name = "sms"
    pages_only = True

    def __init__(self, url: str, *, sender: str, recipients: Sequence[str], user: str, password: str) -> None:
        self._url = url
        self._sender = sender
        self._recipients = tuple(recipients)
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def send(self, alert: Alert) -> None:
        """The gateway has taken one message for each number; what the network does then is not asked."""
        headers = {
            "authorization": self._authorization,
            "content-type": "application/x-www-form-urlencoded",
        }
        for recipient in self._recipients:
            form = urlencode({"From": self._sender, "To": recipient, "Body": f"Cliply {alert.title}"[:SMS_TEXT]})
            fetch(
                self._url,
                policy=CONFIGURED,
                method="POST",
                headers=headers,
                body=form.encode(),
                timeout=TIMEOUT_SECONDS,
            )


class LocalChannel:
    """The log, and a file with one JSON document a line: for an installation that has nothing else set up."""

    name = "local"
    pages_only = False

    def __init__(self, file: Path) -> None:
        self.file = file

    def send(self, alert: Alert) -> None:
        """The line is in the file."""
        log.warning("%s %s", alert.title, alert.remedy)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        line = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **msgspec.structs.asdict(alert)}
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


class _Memory(msgspec.Struct):
    """What was told by which channel: `channel/key` to the time, and the times of the last hour's messages."""

    told: dict[str, float] = msgspec.field(default_factory=dict)
    sent: dict[str, list[float]] = msgspec.field(default_factory=dict)


class Notifier:
    """Tells alerts by all channels that take them. Several processes of one machine share `memory` and do not repeat each other."""

    def __init__(
        self, channels: Sequence[Channel], memory: Path, *, repeat_seconds: float = 6 * HOUR, most_per_hour: int = 20
    ) -> None:
        self.channels = tuple(channels)
        self._memory = memory
        self._repeat = repeat_seconds
        self._most = most_per_hour

    def notify(self, alert: Alert, *, now: float | None = None) -> list[Told]:
        """Sends it where it is news. Never raises over a channel: what went wrong is in the answer and in the log."""
        moment = time.time() if now is None else now
        with self._remembered() as memory:
            return [self._by(channel, alert.scrubbed(), memory, moment) for channel in self._for(alert)]

    def would_tell(self, alert: Alert, *, now: float | None = None) -> bool:
        """Whether it is news to a channel."""
        moment = time.time() if now is None else now
        with self._remembered() as memory:
            return any(self._is_news(channel, alert, memory, moment) for channel in self._for(alert))

    def firing(self) -> set[str]:
        """Keys of alerts that some channel was told of, and not yet that they are over."""
        with self._remembered() as memory:
            return {known.partition("/")[2] for known in memory.told}

    def _for(self, alert: Alert) -> list[Channel]:
        return [channel for channel in self.channels if alert.severity == "page" or not channel.pages_only]

    def _is_news(self, channel: Channel, alert: Alert, memory: _Memory, now: float) -> bool:
        before = memory.told.get(f"{channel.name}/{alert.key}")
        if alert.over:
            return before is not None
        return before is None or now - before >= self._repeat

    def _by(self, channel: Channel, alert: Alert, memory: _Memory, now: float) -> Told:
        known = f"{channel.name}/{alert.key}"
        if not self._is_news(channel, alert, memory, now):
            return Told(channel=channel.name, outcome="known")
        recent = [moment for moment in memory.sent.get(channel.name, []) if now - moment < HOUR]
        if len(recent) >= self._most:
            says = f"{self._most} messages have left by {channel.name} within an hour."
            log.warning("The alert %s is held back from %s: too many within an hour.", alert.key, channel.name)
            return Told(channel=channel.name, outcome="held_back", says=says)
        try:
            channel.send(alert)
        except TryLater as failure:
            log.warning("The alert %s cannot be told by %s yet: %s", alert.key, channel.name, scrub(str(failure)))
            return Told(channel=channel.name, outcome="later", says=scrub(str(failure)))
        except (CliplyError, OSError) as failure:
            # Without its trace: what was sent, and where to, is in there.
            log.critical("The alert %s cannot be told by %s: %s", alert.key, channel.name, scrub(str(failure)))
            return Told(channel=channel.name, outcome="refused", says=scrub(str(failure)))
        memory.sent[channel.name] = [*recent, now]
        if alert.over:
            memory.told.pop(known, None)
        else:
            memory.told[known] = now
        return Told(channel=channel.name, outcome="sent")

    @contextmanager
    def _remembered(self) -> Iterator[_Memory]:
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        with self._memory.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            memory = _read(file.read())
            try:
                yield memory
            finally:
                file.seek(0)
                file.truncate()
                file.write(msgspec.json.encode(memory).decode())


def _read(text: str) -> _Memory:
    try:
        memory = msgspec.json.decode(text or "{}", type=_Memory)
    except msgspec.DecodeError:
        # Cut off by a full disk: being told twice is better than not at all.
        return _Memory()
    memory.told = {key: at for key, at in memory.told.items() if time.time() - at < FORGET_SECONDS}
    return memory


def open_notifier(settings: Settings) -> Notifier:
    """All channels that are configured; the log and a file in `home` always.

    Raises:
        CallerError: a channel is half configured.
    """
    channels: list[Channel] = [LocalChannel(settings.home / "alerts" / "alerts.jsonl")]
    if settings.slack_webhook_url is not None:
        channels.append(SlackChannel(settings.slack_webhook_url.get_secret_value(), settings.slack_hosts))
    if settings.alert_mail_to:
        channels.append(MailChannel(open_mailer(settings), settings.alert_mail_to))
    if settings.sms_url is not None:
        if not settings.sms_to or settings.sms_password is None:
            raise CallerError("CLIPLY_SMS_URL is set; set CLIPLY_SMS_TO, CLIPLY_SMS_USER and CLIPLY_SMS_PASSWORD, too.")
        channels.append(
            SmsChannel(
                settings.sms_url,
                sender=settings.sms_from,
                recipients=settings.sms_to,
                user=settings.sms_user,
                password=settings.sms_password.get_secret_value(),
            )
        )
    return Notifier(
        channels,
        settings.home / "alerts" / "told.json",
        repeat_seconds=settings.alert_repeat_hours * HOUR,
        most_per_hour=settings.alerts_per_hour,
    )
