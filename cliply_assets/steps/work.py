"""What a step's own code sees: its inputs as files and documents, a folder for its results, and a clock."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import msgspec

from cliply_resources.documents import UploadSettings
from cliply_resources.errors import StepFailed
from cliply_resources.progress import Progress
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage

if TYPE_CHECKING:
    import polars

__all__ = ["Check", "StepResult", "StepWork", "StoredObject", "encode"]

Document = TypeVar("Document", bound=msgspec.Struct)


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """One stored file of a step's result."""

    key: str
    size: int
    sha256: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One asset check's outcome; `says` is a sentence."""

    name: str
    passed: bool
    says: str
    serious: bool = True
    """Whether a failure is an error rather than a warning."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step made. `files` are moved into storage under their names; `stored` are there already."""

    files: Mapping[str, Path] = field(default_factory=dict)
    documents: Mapping[str, msgspec.Struct] = field(default_factory=dict)
    stored: Mapping[str, StoredObject] = field(default_factory=dict)
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)
    """Facts for operators, shown beside the materialization."""
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepWork:
    """One attempt at one step of one upload."""

    workspace_id: UUID
    upload_id: UUID
    part: str
    title: str
    source_kind: str
    source_uri: str
    source_sha256: str | None
    settings: UploadSettings
    configuration: Settings
    storage: Storage
    folder: Path
    """Empty at the start, on the same disk as local storage; removed afterwards."""
    progress: Progress
    ends_at: float
    """`time.monotonic()` at which the step is stopped."""
    objects: Mapping[str, Mapping[str, StoredObject]]
    """Step name to file name to stored object, of every step it reads."""

    @property
    def seconds_left(self) -> float:
        """Until the deadline; at least one, so that a caller may always pass it on."""
        return max(1.0, self.ends_at - time.monotonic())

    def stored(self, step: str, name: str) -> StoredObject:
        """One file of an earlier step.

        Raises:
            StepFailed: the earlier step has no such file.
        """
        try:
            return self.objects[step][name]
        except KeyError:
            raise StepFailed(f"This step needs {name} of the step {step}, which has not written it.") from None

    def has(self, step: str, name: str) -> bool:
        """Whether an earlier step wrote that file."""
        return name in self.objects.get(step, {})

    @contextmanager
    def file(self, step: str, name: str) -> Iterator[Path]:
        """An earlier step's file as a local path, valid inside the block."""
        with self.storage.local_path(self.stored(step, name).key) as path:
            yield path

    def document(self, step: str, name: str, kind: type[Document]) -> Document:
        """An earlier step's document."""
        return msgspec.json.decode(self.storage.get_bytes(self.stored(step, name).key), type=kind)

    def table(self, step: str, name: str) -> "polars.DataFrame":
        """An earlier step's table of numbers."""
        import polars

        with self.file(step, name) as path:
            return polars.read_parquet(path)

    def scratch(self, name: str) -> Path:
        """A new folder for intermediate files."""
        path = self.folder / name
        path.mkdir()
        return path


def encode(document: Any) -> bytes:
    """A document's stored form: stable, readable JSON."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1)
