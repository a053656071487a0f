"""How a sensor's tick waits for something to do: on the database's bell, not by asking over and over."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TypeVar

from cliply_resources.database import Database

__all__ = ["BELL", "TICK_SECONDS", "until_found", "while_rung"]

Found = TypeVar("Found")

BELL = "cliply_runs"
TICK_SECONDS = 4.3
"""The daemon looks every 5 s which sensors are due: a tick that ends shortly before leaves the smallest gap."""


def until_found(database: Database, look: Callable[[], Found], *, seconds: float = TICK_SECONDS) -> Found:
    """What `look` finds; where it finds nothing, it is asked again whenever the bell rings, for so many seconds."""
    found = look()
    if found:
        return found
    for _ in while_rung(database, seconds=seconds):
        found = look()
        if found:
            break
    return found


def while_rung(
    database: Database, *, seconds: float = TICK_SECONDS, at_least_every: float | None = None
) -> Iterator[None]:
    """Yields when listening begins, at every ring, and after every `at_least_every` seconds; ends after `seconds`."""
    ends = time.monotonic() + seconds
    listening = database.listen(BELL, timeout=min(0.5, at_least_every or 0.5))
    assert isinstance(listening, Generator)
    with closing(listening) as rings:
        last = 0.0
        for notice in rings:
            now = time.monotonic()
            if now >= ends:
                return
            due = at_least_every is not None and now - last >= at_least_every
            if notice is not None or last == 0.0 or due:
                last = now
                yield
