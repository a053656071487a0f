"""Whether an NVIDIA card encodes and decodes for ffmpeg: tried on a few frames, never assumed, and told in a sentence.

An ffmpeg lists encoders that it was built with, also where no card is; a card may lack an encoder (those made for computing do),
its driver may be too old, or all of its encoding sessions taken. Only a trial tells.
"""

import re
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from cliply_resources.errors import CliplyError
from cliply_resources.media_tools.ffmpeg import ffmpeg_path, run_ffmpeg
from cliply_resources.media_tools.process import run
from cliply_resources.progress import silent

__all__ = [
    "NVENC",
    "Card",
    "Choice",
    "VideoEncoder",
    "card_here",
    "decide",
    "decoder_options",
    "decoding_options",
    "encoder_options",
    "forgo_card",
    "listed",
    "video_coding",
]

VideoEncoder = Literal["auto", "libx264", "h264_nvenc"]
NVENC: Literal["h264_nvenc"] = "h264_nvenc"
NVENC_SETTINGS: dict[str, str] = {"encoder": NVENC, "preset": "p5", "cq": "24", "profile": "high"}
"""In place of libx264's; NVIDIA's own advice for streaming quality. A constant quality of about 24 stands for x264's 21."""

_TRIAL_SECONDS = 60.0  # the first use of a card loads its driver
_TRIAL_FRAMES = 10
_REASONS = (
    (r"Cannot load lib\S*|Cannot load nv\S*", "the library of its driver is not here"),
    (r"No capable devices found|[Nn]o NVENC capable", "the card has no encoder that ffmpeg can use"),
    (r"minimum required Nvidia driver|Driver does not support", "its driver is too old for this ffmpeg"),
    (r"OpenEncodeSessionEx failed", "all encoding sessions of the card are taken"),
    (r"CUDA_ERROR_\w+|cu\w+ failed|No device available|Failed .*CUDA", "the card does not answer"),
    (r"Unknown encoder|Unrecognized hwaccel|Invalid hwaccel", "this ffmpeg was built without it"),
)


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A card that the system's driver knows; `name` says model and driver as far as they are told."""

    name: str


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What codes pictures here, and why."""

    encoder: Literal["libx264", "h264_nvenc"]
    decodes: bool
    """Whether the card decodes, too."""
    card: Card | None
    says: str
    """A sentence for people."""
    is_fallback: bool
    """Whether a card is there, or was asked for, and does not encode."""

    @property
    def settings(self) -> dict[str, str]:
        """What stands in a render spec in place of the processor's encoder settings; empty where that encodes."""
        if self.encoder != NVENC or self.card is None:
            return {}
        # The bytes are this card's and its driver's, so both are part of what names the render.
        return {**NVENC_SETTINGS, "card": self.card.name, **({"decoder": "cuda"} if self.decodes else {})}


def listed(listing: str) -> frozenset[str]:
    """The names in what `ffmpeg -encoders` prints."""
    rows = [line.split() for line in listing.partition("------")[2].splitlines()]
    return frozenset(row[1] for row in rows if len(row) > 1)


def card_here(root: Path = Path("/")) -> Card | None:
    """The first card that the driver's files under `root` name; nothing is started."""
    if not any((root / "dev" / name).exists() for name in ("nvidiactl", "nvidia0", "dxg")):
        return None
    models = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    model = re.search(r"^Model:\s*(.+?)\s*$", _read(models[0]), re.MULTILINE) if models else None
    version = re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", _read(root / "proc/driver/nvidia/version"))
    name = model[1] if model else "NVIDIA card"
    return Card(name=f"{name}, driver {version[1]}" if version else name)


def decide(
    wanted: VideoEncoder,
    encoders: frozenset[str],
    card: Card | None,
    *,
    encodes: Callable[[], str | None],
    decodes: Callable[[], str | None],
) -> Choice:
    """What to code with: the card where everything about it works.

    `encodes` and `decodes` try the card, and give the reason why not, or `None`. They are called only where it can matter.
    """
    if wanted == "libx264":
        return _processor("Pictures are coded by the processor, as CLIPLY_VIDEO_ENCODER asks.", card, is_fallback=False)
    if card is None:
        said = "No NVIDIA card is here, so pictures are coded by the processor."
        return _processor(said, card, is_fallback=wanted == NVENC)
    not_decoding = decodes()
    reason = encodes() if NVENC in encoders else "this ffmpeg was built without it; IMAGEIO_FFMPEG_EXE can name another"
    if reason is not None:
        said = f"{card.name} does not encode: {reason}. Pictures are coded by the processor."
        said += " Films are decoded by the card." if not_decoding is None else ""
        return _processor(said, card, is_fallback=True, decodes=not_decoding is None)
    said = f"{card.name} encodes" + (
        " and decodes." if not_decoding is None else f"; it does not decode: {not_decoding}."
    )
    return Choice(encoder=NVENC, decodes=not_decoding is None, card=card, says=said, is_fallback=False)


def video_coding(wanted: VideoEncoder) -> Choice:
    """What codes pictures in this process; the card is tried once."""
    found = _tried(wanted)
    if _forgone and found.encoder == NVENC and found.card is not None:
        said = f"{found.card.name} was given up: {_forgone[-1]} Pictures are coded by the processor."
        return _processor(said, found.card, is_fallback=True)
    return found


_forgone: list[str] = []


def forgo_card(reason: str) -> None:
    """Lets the processor code from now on in this process, because the card failed in the middle of work."""
    _forgone.append(reason)


def encoder_options(settings: dict[str, str]) -> tuple[str, ...]:
    """ffmpeg's options for encoding by the card as a render spec's settings say."""
    return (
        *("-c:v", settings["encoder"], "-preset", settings["preset"], "-rc", "vbr", "-cq", settings["cq"], "-b:v", "0"),
        *("-profile:v", settings["profile"], "-pix_fmt", "yuv420p"),
    )


def decoding_options(choice: Choice) -> tuple[str, ...]:
    """ffmpeg's options before the input of an analysis."""
    return ("-hwaccel", "cuda") if choice.decodes else ()


def decoder_options(settings: dict[str, str]) -> tuple[str, ...]:
    """ffmpeg's options before an input for decoding as the settings say; what the card cannot decode, ffmpeg decodes itself."""
    return ("-hwaccel", "cuda") if settings.get("decoder") == "cuda" else ()


@lru_cache(maxsize=4)
def _tried(wanted: VideoEncoder) -> Choice:
    card = card_here() if wanted != "libx264" else None
    encoders: frozenset[str] = frozenset()
    if card is not None:
        encoders = listed(run([str(ffmpeg_path()), "-hide_banner", "-encoders"], deadline_seconds=30).stdout)
    return decide(wanted, encoders, card, encodes=trial_encoding, decodes=trial_decoding)


def trial_encoding() -> str | None:
    """Encodes ten portrait frames; the reason why that failed, or `None`."""
    return _trial([*_frames(), *encoder_options(NVENC_SETTINGS), "-f", "null", "-"])


def trial_decoding() -> str | None:
    """Decodes ten frames on the card and fetches them; the reason why that failed, or `None`."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "frames.mp4"
        made = _trial([*_frames(), "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(film)])
        # Without the output format ffmpeg would decode by itself where the card does not, and say nothing.
        on_card = ("-hwaccel", "cuda", "-hwaccel_output_format", "cuda", "-i", str(film))
        return made or _trial([*on_card, "-vf", "hwdownload,format=nv12", "-f", "null", "-"])


def _frames() -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", "testsrc2=size=1080x1920:rate=30", "-frames:v", str(_TRIAL_FRAMES))


def _trial(arguments: list[str]) -> str | None:
    try:
        run_ffmpeg(
            arguments,
            duration=None,
            progress=silent,
            deadline_seconds=_TRIAL_SECONDS,
            doing="trying the graphics card",
        )
    except CliplyError as error:
        log = "\n".join([str(error), getattr(error, "detail", None) or "", *getattr(error, "__notes__", ())])
        return next((reason for pattern, reason in _REASONS if re.search(pattern, log)), "a trial of ten frames failed")
    return None


def _processor(says: str, card: Card | None, *, is_fallback: bool, decodes: bool = False) -> Choice:
    return Choice(encoder="libx264", decodes=decodes, card=card, says=says, is_fallback=is_fallback)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
