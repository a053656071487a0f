"""Finds a Whisper model on this machine; never fetches one by itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cliply_resources.errors import ToolMissing
from cliply_resources.settings import Settings

__all__ = ["PREFERRED", "WhisperModelFiles", "find_whisper_model"]

PREFERRED = (
    "large-v3",
    "large-v3-turbo",
    "large-v2",
    "large-v1",
    "medium",
    "small",
    "distil-large-v3.5",
    "distil-large-v3",
    "medium.en",
    "small.en",
    "base",
    "base.en",
    "tiny",
    "tiny.en",
)
"""Names looked for in the model cache where none is set: accurate before small, all languages before English only."""

# Without tokenizer.json the loader would fetch one from the network.
_NEEDED = ("model.bin", "config.json", "tokenizer.json")
_REMEDY = "Run: cliply models fetch whisper-small, or set CLIPLY_WHISPER_MODEL to a CTranslate2 model folder."


@dataclass(frozen=True, kw_only=True)
class WhisperModelFiles:
    """A complete model folder, and the name people know it by."""

    folder: Path
    name: str

    @property
    def quality(self) -> Literal["high", "normal"]:
        """What its transcripts are worth: the two smallest sizes make mistakes that viewers notice."""
        return "normal" if any(size in self.name.lower() for size in ("tiny", "base")) else "high"


def find_whisper_model(settings: Settings) -> WhisperModelFiles:
    """The model that the settings name, or else the most accurate one in the cache.

    Raises:
        ToolMissing: there is none, or it is not complete.
    """
    wanted = settings.whisper_model
    if wanted is None:
        for name in PREFERRED:
            folder = _here(settings, name)
            if folder is not None and not _lacking(folder):
                return WhisperModelFiles(folder=folder, name=name)
        raise ToolMissing("no Whisper model is on this machine.", remedy=_REMEDY)
    folder = Path(wanted).expanduser()
    if folder.is_dir():
        return _complete(folder, folder.resolve().name)
    cached = _here(settings, wanted)
    if cached is None:
        raise ToolMissing(f"the Whisper model {wanted!r} is neither a folder nor in the model cache.", remedy=_REMEDY)
    return _complete(cached, wanted.rsplit("/", 1)[-1])


def _complete(folder: Path, name: str) -> WhisperModelFiles:
    lacking = _lacking(folder)
    if lacking:
        raise ToolMissing(f"the Whisper model {folder} lacks {', '.join(lacking)}.", remedy=_REMEDY)
    return WhisperModelFiles(folder=folder, name=name)


def _lacking(folder: Path) -> list[str]:
    return [name for name in _NEEDED if not (folder / name).is_file()]


def _here(settings: Settings, name: str) -> Path | None:
    """What `cliply models fetch` brought, or else what other programs left in the shared cache."""
    fetched = settings.home / "models" / f"whisper-{name}"
    return fetched if fetched.is_dir() and not _lacking(fetched) else _cached(name)


def _cached(name: str) -> Path | None:
    """The snapshot folder of a named model in the Hugging Face cache; no network."""
    from faster_whisper.utils import download_model
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(download_model(name, local_files_only=True))
    except (ValueError, HFValidationError, LocalEntryNotFoundError):
        return None
