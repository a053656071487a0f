"""Connections for those who are being waited for: a request would rather hear “not now” than nothing.

A server that is gone refuses at once, but one that hangs (its disk, its machine) takes a question and never answers. No setting of
the server's helps then, so the time is kept on this side.
"""

import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError

from cliply_resources.errors import TryLater

__all__ = [
    "CONNECT_SECONDS",
    "LOST",
    "REST_SECONDS",
    "SILENCE_SECONDS",
    "Absence",
    "HastyConnection",
    "connect_in_haste",
    "hung_up",
    "what_passes",
]

log = structlog.get_logger("cliply_resources.database")

SILENCE_SECONDS = 6.0
"""For one statement; longer than any lock is waited for."""
CONNECT_SECONDS = 3
"""For a new connection, whole seconds."""
PASSING_STATES = frozenset({"40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03", "57P05", "25P03"})
"""Serialization, deadlock, too many clients, lock timeout, shutdowns, and our own idle timeouts."""
LOST = "The database went away in the middle of a transaction."

REST_SECONDS = 1.0
"""After a failure, all others are told so, and nobody asks the server."""


def what_passes(failure: DBAPIError, message: str = LOST) -> TryLater | None:
    """The error to tell where asking again may well succeed; nothing for one that would come again."""
    state = getattr(failure.orig, "sqlstate", None)
    if not (failure.connection_invalidated or state in PASSING_STATES):
        return None
    if state in {"40001", "40P01", "55P03"}:
        message = "Somebody else is changing the same rows."
    return TryLater(f"{message} Try again.", retry_after=1.0)


def hung_up(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server has ended an idle connection; a look at the socket, without asking the server.

    A server that merely hangs is not told from one that is well.
    """
    if connection.closed:
        return True
    unasked = select.poll()
    unasked.register(connection.fileno(), select.POLLIN)
    return bool(unasked.poll(0))


class Absence:
    """Whether the server was found missing a moment ago; shared by the threads of a process."""

    def __init__(self) -> None:
        self._until = 0.0
        self._guard = threading.Lock()

    def note(self) -> None:
        """It was found missing just now."""
        with self._guard:
            self._until = time.monotonic() + REST_SECONDS

    def check(self) -> None:
        """Raises `TryLater` where asking would only make another wait in vain."""
        if time.monotonic() < self._until:
            raise TryLater("The database cannot be reached. Try again in a moment.", retry_after=REST_SECONDS + 1)


class HastyConnection(psycopg.Connection[Any]):
    """Hangs up on a server that says nothing for `SILENCE_SECONDS`."""

    gave_up: Callable[[], None] | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """What psycopg waits with for everything that it asks."""
        begun = time.monotonic()
        try:
            return super().wait(gen, interval, SILENCE_SECONDS if timeout is None else timeout)
        except psycopg.Error as failure:
            if timeout is not None or time.monotonic() - begun < SILENCE_SECONDS:
                raise
            self.pgconn.finish()
            if self.gave_up is not None:
                self.gave_up()
            raise psycopg.OperationalError(f"The database has not answered for {SILENCE_SECONDS:g} s.") from failure


def connect_in_haste(parameters: Mapping[str, Any], absence: Absence) -> HastyConnection:
    """A new connection now or not at all.

    Raises:
        TryLater: the server cannot be reached, or could not a moment ago.
    """
    absence.check()
    named = {**parameters, "application_name": f"cliply {os.getpid()}", "connect_timeout": CONNECT_SECONDS}
    try:
        made = HastyConnection.connect(**named)
    except psycopg.OperationalError as failure:
        absence.note()
        log.warning("the database cannot be reached", reason=str(failure).strip())
        raise TryLater("The database cannot be reached. Try again in a moment.", retry_after=2.0) from failure
    made.gave_up = absence.note
    return made
