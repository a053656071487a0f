"""Writing a file so that it is there whole or not at all."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeVar

from cliply_resources.errors import StepFailed
from cliply_resources.storage.contract import StoredObject

__all__ = [
    "CHUNK_BYTES",
    "Incoming",
    "copy_hashed",
    "etag_of",
    "hash_file",
    "move_into_place",
    "refuse_write",
    "write_whole",
]

Written = TypeVar("Written")

CHUNK_BYTES = 1024 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def etag_of(facts: os.stat_result) -> str:
    """What tells a file from its successors: they are replaced and never edited, so another one is another inode and time."""
    return f'"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"'


def hash_file(source: BinaryIO) -> StoredObject:
    """Size and digest of what is left to read."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    return StoredObject(size=size, sha256=digest.hexdigest())


def copy_hashed(source: BinaryIO, target: BinaryIO) -> StoredObject:
    """Copies what is left to read, and says what it was."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        target.write(chunk)
        size += len(chunk)
    return StoredObject(size=size, sha256=digest.hexdigest())


def write_whole(target: Path, write: Callable[[BinaryIO], Written], *, temporary_in: Path) -> Written:
    """Afterwards `target` is what `write` wrote, on disk; or it is what it was, and nothing is left lying about."""
    temporary: Path | None = None
    try:
        temporary_in.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=temporary_in, prefix=".part-")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            stored = write(file)
            file.flush()
            os.fsync(file.fileno())
        move_into_place(temporary, target)
    except OSError as error:
        refuse_write(error, target)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return stored


class Incoming:
    """A file that is being written in pieces: `keep` puts it in its place, `discard` leaves no trace of it.

    A full disk is `StepFailed`, and leaves what was there before. A process that dies leaves a temporary file, for a sweep to find.
    """

    def __init__(self, target: Path, *, temporary_in: Path) -> None:
        self._target = target
        try:
            descriptor, name = tempfile.mkstemp(dir=temporary_in, prefix=".part-")
        except OSError as error:
            refuse_write(error, target)
        self._temporary = Path(name)
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, data: bytes | bytearray) -> None:
        """Appends `data`."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            refuse_write(error, self._target)

    def keep(self) -> str:
        """The object is on disk and in its place afterwards; returns its `ETag`."""
        try:
            os.fsync(self._file.fileno())
            etag = etag_of(os.fstat(self._file.fileno()))
            self._file.close()
            move_into_place(self._temporary, self._target)
        except OSError as error:
            refuse_write(error, self._target)
        return etag

    def discard(self) -> None:
        """Nothing is left of it; does nothing after `keep`."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def move_into_place(temporary: Path, target: Path) -> None:
    """Renames `temporary` over `target`, making the folder where missing; the new name survives a power failure."""
    attempts = 3
    for attempt in range(attempts):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.replace(target)
            break
        except FileNotFoundError:
            # Between the two lines, somebody may have deleted the still empty folder.
            if attempt == attempts - 1:
                raise
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refuse_write(error: OSError, target: Path) -> NoReturn:
    """Says why `target` could not be written."""
    if error.errno in _FULL:
        raise StepFailed(
            f"The disk has no room left for {target}. Free some space and try again; nothing half-written was kept.",
            detail=str(error),
        ) from error
    raise StepFailed(
        f"{target} could not be written: {error.strerror}. Make sure that its folder is writable and try again.",
        detail=str(error),
    ) from error
