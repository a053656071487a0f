"""Music that a user brings along for clips: read, stored under its own hash, and fetched again."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cliply_resources.documents.sound import MusicFile
from cliply_resources.errors import CallerError, MediaError, StepFailed
from cliply_resources.media_tools.loudness import measure_loudness
from cliply_resources.storage import Storage
from cliply_resources.storage.files import hash_file
from cliply_resources.storage.keys import brand_key

__all__ = ["MOST_BYTES", "BroughtMusic", "fetch_music", "read_music"]

MOST_BYTES = 200 * 1024**2
"""Twenty minutes of uncompressed sound."""
_SUFFIXES = frozenset({".mp3", ".m4a", ".aac", ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp4", ".mka"})
_MEASURED_SECONDS = 300.0  # what lies under a clip is at its beginning
_DEADLINE_SECONDS = 60.0
_HOME = "brought"


@dataclass(frozen=True, kw_only=True)
class BroughtMusic:
    """A file that can be heard."""

    path: Path
    sha256: str
    integrated_lufs: float

    def store(self, storage: Storage, workspace_id: UUID) -> MusicFile:
        """Stores it where it is not stored yet, and says where."""
        key = brand_key(workspace_id, _HOME, f"{self.sha256}{self.path.suffix.lower()}")
        if not storage.exists(key):
            storage.put_file(key, self.path)
        name = " ".join(self.path.name.split())[:120]
        return MusicFile(key=key, sha256=self.sha256, name=name, integrated_lufs=self.integrated_lufs)


def read_music(path: Path) -> BroughtMusic:
    """Listens to the file and hashes it.

    Raises:
        CallerError: it cannot be read, or is no sound file by its name.
        MediaError: it is too large, or nothing can be heard in it.
    """
    path = path.expanduser()
    if path.suffix.lower() not in _SUFFIXES:
        raise CallerError(f"{path.name} is not music that Cliply reads; bring MP3, M4A, WAV, FLAC or Ogg.")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise MediaError(f"{path.name} is larger than {MOST_BYTES // 1024**2} MB, which no music for a clip is.")
        with path.open("rb") as file:
            sha256 = hash_file(file).sha256
    except OSError as error:
        raise CallerError(f"The music {path} cannot be read ({error.strerror}).") from error
    level = measure_loudness(path, start=0.0, duration=_MEASURED_SECONDS, deadline_seconds=_DEADLINE_SECONDS)
    if level is None:
        raise MediaError(f"Nothing can be heard in {path.name}.")
    return BroughtMusic(path=path, sha256=sha256, integrated_lufs=round(level[0], 2))


def fetch_music(music: MusicFile, storage: Storage, into: Path) -> Path:
    """Copies it into a folder, and refuses what is not what it was.

    Raises:
        NotFound: it is gone from the storage.
        StepFailed: it was changed.
    """
    path = storage.fetch(music.key, into / f"{music.sha256}{Path(music.key).suffix}")
    with path.open("rb") as file:
        if hash_file(file).sha256 != music.sha256:
            raise StepFailed(f"The music “{music.name}” was changed in the storage; make the clips with it again.")
    return path
