"""Weights that make Cliply better: which there are, under what licence, what of them is here, and how they get here.

Nothing is fetched unless a person asks for it by name. It goes to `models/` in Cliply's home, beside a list of what arrived
(files, sizes, SHA-256, commit) by which it can be checked again later.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

import msgspec

from cliply_resources.errors import NotFound, Rejected, StepFailed, TryLater
from cliply_resources.progress import Progress
from cliply_resources.settings import Settings

if TYPE_CHECKING:
    import httpx2

__all__ = [
    "BUNDLED",
    "CATALOGUE",
    "BundledModel",
    "Fetched",
    "FetchedFile",
    "Model",
    "check_model",
    "fetch_model",
    "fetched",
    "find_model",
    "folder_of",
    "remove_model",
]

_WHISPER = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
"""What CTranslate2's loader reads."""
_PHONEMES = ("*.json", "model.safetensors", "pytorch_model.bin", "vocab.*")
_MANIFEST = "fetched.json"
_BLOCK_BYTES = 64 * 1024
_PATIENCE_SECONDS = 30.0
"""Between two bytes; the whole may take hours."""

Use = Literal["speech", "word times", "speakers", "faces", "picture search"]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Weights that can be fetched."""

    name: str
    use: Use
    repository: str
    """On the hub that `CLIPLY_MODEL_HUB_URL` names."""
    licence: str
    """SPDX identifier, as its publishers state it."""
    megabytes: int
    """About what is fetched; decimal."""
    files: tuple[str, ...]
    """Patterns of the files that are needed."""
    setting: str = ""
    """The setting that must point at it; empty where engines find it by themselves."""
    weights: str = ""
    """The one file that `setting` points at; empty for the folder."""
    terms: str = ""
    """What a person must know before fetching it; empty for permissive licences without conditions of access."""


class BundledModel(msgspec.Struct, frozen=True, kw_only=True):
    """Weights that come with Cliply's own packages."""

    name: str
    use: str
    package: str
    licence: str


def _whisper(name: str, repository: str, megabytes: int) -> Model:
    return Model(
        name=f"whisper-{name}",
        use="speech",
        repository=repository,
        licence="MIT",
        megabytes=megabytes,
        files=_WHISPER,
    )


def _phonemes(language: str, repository: str) -> Model:
    return Model(
        name=f"phonemes-{language}",
        use="word times",
        repository=repository,
        licence="Apache-2.0",
        megabytes=1270,
        files=_PHONEMES,
    )


CATALOGUE: tuple[Model, ...] = (
    _whisper("large-v3", "Systran/faster-whisper-large-v3", 3090),
    _whisper("large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1620),
    _whisper("medium", "Systran/faster-whisper-medium", 1530),
    _whisper("small", "Systran/faster-whisper-small", 486),
    _whisper("base", "Systran/faster-whisper-base", 148),
    _whisper("tiny", "Systran/faster-whisper-tiny", 78),
    *(
        _phonemes(code, f"jonatasgrosman/wav2vec2-large-xlsr-53-{name}")
        for code, name in (
            ("ar", "arabic"),
            ("el", "greek"),
            ("fi", "finnish"),
            ("hu", "hungarian"),
            ("ja", "japanese"),
            ("nl", "dutch"),
            ("pl", "polish"),
            ("pt", "portuguese"),
            ("ru", "russian"),
            ("zh", "chinese-zh-cn"),
        )
    ),
    Model(
        name="speakers",
        use="speakers",
        repository="pyannote/speaker-diarization-community-1",
        licence="CC-BY-4.0",
        megabytes=34,
        files=("*",),
        setting="CLIPLY_DIARIZATION_MODEL",
        terms="Its publishers want to be named, and ask who you are: accept the conditions on its page and set HF_TOKEN.",
    ),
    Model(
        name="faces",
        use="faces",
        repository="arnabdhar/YOLOv8-Face-Detection",
        licence="AGPL-3.0",
        megabytes=6,
        files=("model.pt",),
        setting="CLIPLY_YOLO_WEIGHTS",
        weights="model.pt",
        terms="The weights, like ultralytics itself, are under the AGPL: whoever offers a service with them over a "
        "network must offer the service's source code, or buy ultralytics' commercial licence.",
    ),
    Model(
        name="clip",
        use="picture search",
        repository="laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        licence="MIT",
        megabytes=605,
        files=("open_clip_model.safetensors", "open_clip_config.json"),
        setting="CLIPLY_CLIP_WEIGHTS",
        weights="open_clip_model.safetensors",
    ),
)

BUNDLED: tuple[BundledModel, ...] = (
    BundledModel(name="en-us", use="speech", package="pocketsphinx", licence="BSD-2-Clause"),
    BundledModel(name="silero-vad", use="voice activity", package="faster-whisper", licence="MIT"),
    BundledModel(name="haarcascade", use="faces", package="opencv-python-headless", licence="Intel-License"),
)


class FetchedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it arrived."""

    path: str
    bytes: int
    sha256: str
    stated: bool
    """Whether the hub stated this checksum, too; of small text files it states none."""


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What arrived, and from where."""

    name: str
    repository: str
    commit: str
    licence: str
    """As the hub states it today; empty where it states none."""
    files: tuple[FetchedFile, ...]

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(each.bytes for each in self.files)


def find_model(name: str) -> Model:
    """The catalogue's entry.

    Raises:
        NotFound: there is none of that name.
    """
    for model in CATALOGUE:
        if model.name == name:
            return model
    raise NotFound(f"No model is called {name!r}; `cliply models` lists them.")


def folder_of(settings: Settings, model: Model) -> Path:
    """Where it lies once it was fetched."""
    return settings.home / "models" / model.name


def fetched(settings: Settings, model: Model) -> Fetched | None:
    """What was fetched of it, if all of it still lies there; sizes are compared, contents are not (see `check_model`)."""
    found = _manifest(settings, model)
    folder = folder_of(settings, model)
    return found if found and all(_size(folder / each.path) == each.bytes for each in found.files) else None


def fetch_model(settings: Settings, model: Model, *, progress: Progress) -> Fetched:
    """Fetches what is not here yet, going on at the byte where an earlier try stopped, and checks all of it.

    Raises:
        Rejected: the hub does not have it, or does not give it to this person.
        TryLater: the hub cannot be reached, or the connection broke; what has arrived stays.
        StepFailed: what arrived is not what the hub stated; the damaged file is removed.
    """
    import httpx2

    folder = folder_of(settings, model)
    token = os.environ.get("HF_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx2.Client(
            base_url=settings.model_hub_url, headers=headers, timeout=_PATIENCE_SECONDS, follow_redirects=True
        ) as hub:
            offer = _offer(hub, model)
            total = sum(each.size for each in offer.files)
            done, files = 0, []
            for each in offer.files:
                begun = done

                def told(here: int, *, begun: int = begun) -> None:
                    so_far = begun + here
                    progress(so_far / max(total, 1), f"{model.name}: {so_far / 1e6:.0f} of {total / 1e6:.0f} MB")

                url = f"/{model.repository}/resolve/{offer.commit}/{each.path}"
                files.append(_fetch_file(hub, url, folder / each.path, each, told))
                done += each.size
    except httpx2.HTTPError as error:
        raise TryLater(
            f"{model.name} could not be fetched from {settings.model_hub_url} ({type(error).__name__}). What has "
            "arrived stays; run the same command again to go on."
        ) from error
    arrived = Fetched(
        name=model.name,
        repository=model.repository,
        commit=offer.commit,
        licence=offer.licence,
        files=tuple(files),
    )
    (folder / _MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(arrived), indent=2))
    return arrived


def check_model(settings: Settings, model: Model) -> Iterator[str]:
    """Reads every file again; a sentence for each one that is gone or is not what arrived."""
    known = _manifest(settings, model)
    if known is None:
        yield f"{model.name} was not fetched."
        return
    for each in known.files:
        path = folder_of(settings, model) / each.path
        if not path.is_file():
            yield f"{each.path} of {model.name} is gone; fetch it again."
        elif _sha256(path) != each.sha256:
            yield f"{each.path} of {model.name} has changed since it arrived; remove the model and fetch it again."


def remove_model(settings: Settings, model: Model) -> int:
    """Removes it, also what arrived of it so far; the bytes that are free again.

    Raises:
        NotFound: nothing of it is here.
    """
    folder = folder_of(settings, model)
    if not folder.is_dir():
        raise NotFound(f"{model.name} was not fetched here.")
    freed = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    shutil.rmtree(folder)
    return freed


class _OfferedFile(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    size: int
    sha256: str


class _Offer(msgspec.Struct, frozen=True, kw_only=True):
    commit: str
    licence: str
    files: tuple[_OfferedFile, ...]


class _Blob(msgspec.Struct, frozen=True):
    sha256: str = ""


class _Sibling(msgspec.Struct, frozen=True):
    rfilename: str
    size: int = 0
    lfs: _Blob | None = None


class _Card(msgspec.Struct, frozen=True):
    license: str | list[str] | None = None


class _Repository(msgspec.Struct, frozen=True):
    """What the hub says of a repository, with `?blobs=true`."""

    sha: str
    siblings: tuple[_Sibling, ...] = ()
    cardData: _Card | None = None  # noqa: N815 - the hub's own name


def _offer(hub: "httpx2.Client", model: Model) -> _Offer:
    """What the hub has of it now.

    Raises:
        Rejected: it has none, or does not show it.
        TryLater: it does not answer as it should.
    """
    answer = hub.get(f"/api/models/{model.repository}", params={"blobs": "true"})
    _refuse(answer, model)
    try:
        found = msgspec.json.decode(answer.content, type=_Repository)
    except msgspec.DecodeError as error:
        raise TryLater(f"{hub.base_url} answered with something that is not a description of {model.name}.") from error
    files = tuple(
        _OfferedFile(path=each.rfilename, size=each.size, sha256=each.lfs.sha256 if each.lfs else "")
        for each in found.siblings
        if any(fnmatch(each.rfilename, pattern) for pattern in model.files) and _is_plain(each.rfilename)
    )
    if not files:
        raise Rejected(f"{model.repository} has none of the files that {model.name} needs ({', '.join(model.files)}).")
    licence = found.cardData.license if found.cardData else None
    return _Offer(commit=found.sha, licence=licence if isinstance(licence, str) else "", files=files)


def _is_plain(path: str) -> bool:
    """No name that a hub sends may lead out of the model's folder."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and "\\" not in path


def _refuse(answer: "httpx2.Response", model: Model) -> None:
    if answer.status_code in {401, 403}:
        why = f" {model.terms}" if model.terms else " Set HF_TOKEN if the hub wants to know who you are."
        raise Rejected(f"The hub does not give out {model.repository} ({answer.status_code}).{why}")
    if answer.status_code == 404:
        raise Rejected(f"The hub has no {model.repository}.")
    answer.raise_for_status()


def _fetch_file(
    hub: "httpx2.Client", url: str, target: Path, offered: _OfferedFile, told: Callable[[int], None]
) -> FetchedFile:
    if _size(target) != offered.size:
        part = target.with_name(target.name + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        _append(hub, url, part, offered, told)
        part.replace(target)
    told(offered.size)
    found = _sha256(target)
    if offered.sha256 and found != offered.sha256:
        target.unlink()
        raise StepFailed(
            f"{offered.path} arrived damaged: its SHA-256 begins with {found[:12]} and should begin with "
            f"{offered.sha256[:12]}. It was removed; fetch it again.",
            detail=f"{found} != {offered.sha256}",
        )
    return FetchedFile(path=offered.path, bytes=offered.size, sha256=found, stated=bool(offered.sha256))


def _append(hub: "httpx2.Client", url: str, part: Path, offered: _OfferedFile, told: Callable[[int], None]) -> None:
    begun = max(0, _size(part))
    if begun > offered.size:
        part.unlink()
        begun = 0
    headers = {"Range": f"bytes={begun}-"} if begun else {}
    if begun < offered.size or not part.exists():
        with hub.stream("GET", url, headers=headers) as answer:
            answer.raise_for_status()
            # Who does not know ranges sends all of it from the start.
            goes_on = answer.status_code == 206
            with part.open("ab" if goes_on else "wb") as file:
                for block in answer.iter_bytes(_BLOCK_BYTES):
                    file.write(block)
                    told(file.tell())
    if _size(part) != offered.size:
        raise TryLater(
            f"{offered.path} ended after {_size(part)} of {offered.size} bytes. What has arrived stays; run the same "
            "command again to go on."
        )


def _manifest(settings: Settings, model: Model) -> Fetched | None:
    try:
        return msgspec.json.decode((folder_of(settings, model) / _MANIFEST).read_bytes(), type=Fetched)
    except FileNotFoundError:
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
