"""What every store promises; one test suite runs over all of them."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

__all__ = ["ListedObject", "SignedUpload", "Storage", "StoredObject", "StoredPart"]


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """What was stored."""

    size: int
    """Bytes."""
    sha256: str
    """Hexadecimal."""


class ListedObject(msgspec.Struct, frozen=True, kw_only=True):
    """One object as a listing shows it."""

    key: str
    size: int
    """Bytes."""
    modified: datetime
    """When it was put there last."""


class SignedUpload(msgspec.Struct, frozen=True, kw_only=True):
    """How a browser may put one object: `PUT url` with exactly these headers and exactly the signed number of bytes."""

    url: str
    headers: dict[str, str]


class StoredPart(msgspec.Struct, frozen=True, kw_only=True):
    """One part of an object that comes in parts."""

    number: int
    """From 1."""
    size: int
    """Bytes."""
    etag: str
    """Of exactly this part; another one under the same number has another. In quotation marks, as the header `ETag` has it."""


@runtime_checkable
class Storage(Protocol):
    """Objects under keys (`cliply_resources.storage.keys`). An object is replaced whole, never edited in place.

    Every method refuses a malformed key with `CallerError`. Reading what is not there is `NotFound`. A write that fails,
    be it on a full disk, is `StepFailed` and leaves what was there before; a reader never sees half an object. A store
    out of reach for now is `TryLater`, one that refuses is `Rejected`.
    """

    def put_file(self, key: str, path: Path) -> StoredObject:
        """Stores a copy of the file at `path`, which stays where it is."""
        ...

    def put_bytes(self, key: str, data: bytes) -> StoredObject:
        """Stores `data`."""
        ...

    def get_bytes(self, key: str) -> bytes:
        """The whole object, in memory; for documents, not for films."""
        ...

    def fetch(self, key: str, into: Path) -> Path:
        """Writes the object to the file `into`, whose folder is made where missing; returns `into`."""
        ...

    def local_path(self, key: str) -> AbstractContextManager[Path]:
        """A file to read from while the context is open: the object itself, or a copy that is gone afterwards.

        It must not be written to. Its suffix is the key's.
        """
        ...

    def exists(self, key: str) -> bool:
        """Whether there is an object."""
        ...

    def size(self, key: str) -> int:
        """Bytes of the object."""
        ...

    def delete(self, key: str) -> None:
        """The object is gone afterwards, whether it was there or not."""
        ...

    def delete_prefix(self, prefix: str) -> int:
        """Everything in the folder `prefix` is gone afterwards, unfinished parts too; returns how many objects that were."""
        ...

    def list_prefix(self, prefix: str) -> Iterator[str]:
        """Keys in the folder `prefix`, sorted. `…/uploads/1` holds `…/uploads/1/a`, not `…/uploads/10/a`."""
        ...

    def list_objects(self, prefix: str) -> Iterator[ListedObject]:
        """The same with sizes and times, for counting and for tidying up; what goes meanwhile may be left out."""
        ...

    def copy(self, source: str, target: str) -> None:
        """Stores the object `source` under `target` too, without moving its bytes through this process if avoidable."""
        ...

    def signed_download_url(self, key: str, *, expires_seconds: int, filename: str | None = None) -> str:
        """A link that anyone may read the object with until it expires; `filename` makes a browser save it so."""
        ...

    def signed_upload_url(self, key: str, *, size: int, content_type: str, expires_seconds: int) -> SignedUpload:
        """A link that anyone may put exactly `size` bytes of `content_type` with until it expires."""
        ...

    def begin_parts(self, key: str) -> str:
        """Begins to receive an object in parts; returns the session that the parts belong to (letters, digits, `._-`)."""
        ...

    def signed_part_url(self, key: str, session: str, *, number: int, size: int, expires_seconds: int) -> SignedUpload:
        """A link that anyone may put exactly `size` bytes with until it expires, as part `number` (1 to 10,000).

        The answer to that carries the part's `ETag`. A part that is put again replaces the earlier one. Only the last may be
        smaller than 5 MiB.
        """
        ...

    def list_parts(self, key: str, session: str) -> list[StoredPart]:
        """The parts that are there, by number. A session that was joined or aborted is `NotFound`, or has none."""
        ...

    def join_parts(self, key: str, session: str, etags: Mapping[int, str]) -> None:
        """The object is the parts of these numbers, in their order, whole or not at all; the session is over.

        Raises:
            Conflict: a part is not there, or is not the one with that `ETag`.
        """
        ...

    def abort_parts(self, key: str) -> None:
        """Every part that was received for `key` and is not joined is gone, and so is its session; the object itself stays."""
        ...
