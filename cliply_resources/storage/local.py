"""Objects as files in a folder: the default store, and good enough for a whole installation on one machine."""

import errno
import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from cliply_resources.errors import Conflict, NotFound, StepFailed
from cliply_resources.storage.contract import ListedObject, SignedUpload, StoredObject, StoredPart
from cliply_resources.storage.files import (
    CHUNK_BYTES,
    Incoming,
    copy_hashed,
    etag_of,
    move_into_place,
    refuse_write,
    write_whole,
)
from cliply_resources.storage.keys import check_key, check_prefix
from cliply_resources.storage.signing import SignedRequest, sign

__all__ = ["LocalStorage"]

ABANDONED_AFTER_SECONDS = 24 * 3600
"""No write takes this long; what is left from before was cut off by a crash or a power failure."""
_INCOMING = ".incoming"
PART_TYPE = "application/octet-stream"
"""Of a part; only the object as a whole is of some type."""


class LocalStorage:
    """A `Storage` in the folder `root`; links are signed with a key that is made on first use.

    `base_url` is where a service serves the links (`cliply_resources.storage.signing.verify` checks them).
    """

    def __init__(self, root: Path, *, base_url: str = "http://127.0.0.1:8000", secret_file: Path | None = None) -> None:
        self.root = root.absolute()
        self._base_url = base_url.rstrip("/")
        self._secret_file = secret_file or self.root / ".link-secret"

    def put_file(self, key: str, path: Path) -> StoredObject:
        """Copies, flushes to disk, then renames into place."""
        target = self._path(key)
        try:
            source = path.open("rb")
        except OSError as error:
            raise StepFailed(f"{path} cannot be stored because it cannot be read: {error.strerror}.") from error
        with source:
            return self._place(target, lambda file: copy_hashed(source, file))

    def put_bytes(self, key: str, data: bytes) -> StoredObject:
        """Writes, flushes to disk, then renames into place."""

        def write(file: BinaryIO) -> StoredObject:
            file.write(data)
            return StoredObject(size=len(data), sha256=hashlib.sha256(data).hexdigest())

        return self._place(self._path(key), write)

    def get_bytes(self, key: str) -> bytes:
        """The object's bytes."""
        with self._reading(key) as source:
            return source.read()

    def fetch(self, key: str, into: Path) -> Path:
        """A private copy, renamed into place once complete; the caller may edit it."""
        with self._reading(key) as source:
            write_whole(into, lambda file: copy_hashed(source, file), temporary_in=into.parent)
        return into

    @contextmanager
    def local_path(self, key: str) -> Iterator[Path]:
        """The stored file itself."""
        path = self._path(key)
        if not path.is_file():
            raise _missing(key)
        yield path

    def receive(self, key: str) -> Incoming:
        """A file to write to that becomes the object, whole or not at all; for bytes that come in pieces."""
        return Incoming(self._path(key), temporary_in=self._incoming)

    def exists(self, key: str) -> bool:
        """Whether there is a file."""
        return self._path(key).is_file()

    def size(self, key: str) -> int:
        """Bytes of the file."""
        path = self._path(key)
        if not path.is_file():
            raise _missing(key)
        return path.stat().st_size

    def delete(self, key: str) -> None:
        """Removes the file."""
        self._path(key).unlink(missing_ok=True)

    def delete_prefix(self, prefix: str) -> int:
        """Removes the files, then the folders that are empty."""
        top = self.root / check_prefix(prefix)
        removed = 0
        for folder, _, names in os.walk(top, topdown=False):
            for name in names:
                Path(folder, name).unlink(missing_ok=True)
                removed += 1
            try:
                Path(folder).rmdir()
            except OSError as error:
                # Somebody else may store something here at this moment; that is theirs to keep.
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
                    raise
        return removed

    def list_prefix(self, prefix: str) -> Iterator[str]:
        """Keys of the files below the folder."""
        top = self.root / check_prefix(prefix)
        found = [Path(folder, name) for folder, _, names in os.walk(top) for name in names]
        return iter(sorted(path.relative_to(self.root).as_posix() for path in found))

    def list_objects(self, prefix: str) -> Iterator[ListedObject]:
        """The files below the folder."""
        for key in self.list_prefix(prefix):
            try:
                found = (self.root / key).stat()
            except FileNotFoundError:
                continue
            yield ListedObject(key=key, size=found.st_size, modified=datetime.fromtimestamp(found.st_mtime, UTC))

    def copy(self, source: str, target: str) -> None:
        """A second name for the same file where the file system allows it; objects are never edited in place."""
        source_path, target_path = self._path(source), self._path(target)
        if not source_path.is_file():
            raise _missing(source)
        temporary = self._incoming / secrets.token_hex(16)
        try:
            os.link(source_path, temporary)
        except FileNotFoundError as error:
            raise _missing(source) from error
        except OSError:
            self.put_file(target, source_path)
            return
        try:
            move_into_place(temporary, target_path)
        except OSError as error:
            refuse_write(error, target_path)
        finally:
            # Renaming one name of a file over another name of the same file leaves both.
            temporary.unlink(missing_ok=True)

    def signed_download_url(self, key: str, *, expires_seconds: int, filename: str | None = None) -> str:
        """A link below `base_url`."""
        request = SignedRequest(method="GET", key=key, expires=int(time.time()) + expires_seconds, filename=filename)
        return self._base_url + sign(request, secret=self.link_secret)

    def signed_upload_url(self, key: str, *, size: int, content_type: str, expires_seconds: int) -> SignedUpload:
        """A link below `base_url` that fixes length and type."""
        expires = int(time.time()) + expires_seconds
        request = SignedRequest(method="PUT", key=key, expires=expires, size=size, content_type=content_type)
        return SignedUpload(
            url=self._base_url + sign(request, secret=self.link_secret),
            headers={"Content-Type": content_type, "Content-Length": str(size)},
        )

    def begin_parts(self, key: str) -> str:
        """Nothing is made before the first part comes."""
        check_key(key)
        return secrets.token_hex(16)

    def signed_part_url(self, key: str, session: str, *, number: int, size: int, expires_seconds: int) -> SignedUpload:
        """A link below `base_url`, to a file of the part's own."""
        return self.signed_upload_url(
            f"{_parts(key, session)}/{number:05d}", size=size, content_type=PART_TYPE, expires_seconds=expires_seconds
        )

    def list_parts(self, key: str, session: str) -> list[StoredPart]:
        """The files that are there."""
        found = []
        for part in self.list_prefix(_parts(key, session)):
            with self._reading(part) as file:
                facts = os.fstat(file.fileno())
            found.append(StoredPart(number=int(part.rpartition("/")[2]), size=facts.st_size, etag=etag_of(facts)))
        return found

    def join_parts(self, key: str, session: str, etags: Mapping[int, str]) -> None:
        """Copied into one file a piece at a time, which is then renamed into place; the parts go afterwards."""

        def write(file: BinaryIO) -> StoredObject:
            for number, etag in sorted(etags.items()):
                with self._part(key, session, number, etag) as part:
                    while piece := part.read(CHUNK_BYTES):
                        file.write(piece)
            return StoredObject(size=file.tell(), sha256="")

        self._place(self._path(key), write)
        self.delete_prefix(_parts(key, session))

    def abort_parts(self, key: str) -> None:
        """Removes their files."""
        self.delete_prefix(_parts(key))

    @contextmanager
    def _part(self, key: str, session: str, number: int, etag: str) -> Iterator[BinaryIO]:
        try:
            file = self._path(f"{_parts(key, session)}/{number:05d}").open("rb")
        except FileNotFoundError as error:
            raise Conflict(f"Part {number} is not there.") from error
        with file:
            if etag_of(os.fstat(file.fileno())) != etag:
                raise Conflict(f"Part {number} is another one than the ETag says.")
            yield file

    @cached_property
    def link_secret(self) -> bytes:
        """The key that links are signed with: 32 bytes in a file that only its owner can read, shared by all processes."""
        path = self._secret_file
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".secret-")
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
                os.fsync(file.fileno())
            try:
                # Of two processes that come here at once, the first wins and the second reads the first one's key.
                os.link(name, path)
            except FileExistsError:
                pass
            finally:
                Path(name).unlink()
        return path.read_bytes()

    def sweep_abandoned(self, *, now: float | None = None) -> int:
        """Removes what writes cut off more than a day ago left behind; returns how many files that were."""
        limit = (time.time() if now is None else now) - ABANDONED_AFTER_SECONDS
        removed = 0
        for path in self._incoming.iterdir():
            try:
                if path.stat().st_mtime < limit:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue
        return removed

    @cached_property
    def _incoming(self) -> Path:
        # On the same file system as the objects, so that the rename is atomic.
        folder = self.root / _INCOMING
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            refuse_write(error, self.root)
        return folder

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    @contextmanager
    def _reading(self, key: str) -> Iterator[BinaryIO]:
        try:
            file = self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise _missing(key) from error
        with file:
            yield file

    def _place(self, target: Path, write: Callable[[BinaryIO], StoredObject]) -> StoredObject:
        return write_whole(target, write, temporary_in=self._incoming)


def _parts(key: str, session: str | None = None) -> str:
    """The folder of an object's parts; deleting the folder that the object is in deletes it, too."""
    return check_prefix(f"{check_key(key)}.parts/{session}" if session else f"{check_key(key)}.parts")


def _missing(key: str) -> NotFound:
    return NotFound(f"There is no stored object {key}.")
