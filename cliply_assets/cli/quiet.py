"""Keeps the terminal for the progress display while libraries and child processes talk to a log file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

__all__ = ["quiet"]


@contextmanager
def quiet(log: Path) -> Iterator[Console]:
    """Sends file descriptors 1 and 2 of this process and all it starts to `log`; yields the terminal's own console.

    Python-level redirection would not do: ffmpeg and forked steps write to the descriptors themselves.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        with os.fdopen(os.dup(saved[1]), "w", buffering=1) as terminal:
            yield Console(file=terminal)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in (*saved, target):
            os.close(descriptor)
