"""What a user asks of an upload, and what fully determines one rendered file."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from cliply_resources.documents.brands import BrandKit, BrandPlan, Colour
from cliply_resources.documents.looks import CaptionLook, SpeakerTone
from cliply_resources.documents.sound import MusicFile, MusicPlan, NoiseReduction
from cliply_resources.documents.spans import Span
from cliply_resources.documents.transcript import Word

__all__ = [
    "ASPECTS",
    "CAPTION_STYLES",
    "DENOISE_LEVELS",
    "LAYOUTS",
    "OPTION_NAMES",
    "PROFILES",
    "TIGHTEN_LEVELS",
    "CameraMove",
    "CameraPane",
    "CaptionPlan",
    "ClipOptions",
    "ClipSettings",
    "Denoise",
    "EmojiMark",
    "HookPlan",
    "KeptPiece",
    "Layout",
    "Loudness",
    "RenderSpec",
    "Tighten",
    "UploadSettings",
]

Aspect = Literal["9:16", "1:1", "4:5", "16:9"]
Profile = Literal["talk", "podcast", "interview", "gaming", "event", "music", "picture"]
CaptionStyle = Literal["highlight_word", "karaoke", "pop_in", "typewriter", "bounce", "none"]
Layout = Literal["auto", "speaker", "panels", "screen", "fit"]
Tighten = Literal["off", "gentle", "tight"]
Denoise = Literal["auto", "off"]

ASPECTS: dict[str, tuple[int, int]] = {
    "9:16": (1080, 1920),
    "1:1": (1080, 1080),
    "4:5": (1080, 1350),
    "16:9": (1920, 1080),
}
"""Output pixels of each aspect ratio; 1080 wide at least."""

PROFILES = ("talk", "podcast", "interview", "gaming", "event", "music", "picture")
"""Kinds of film, which weigh the signals differently."""

CAPTION_STYLES = ("highlight_word", "karaoke", "pop_in", "typewriter", "bounce", "none")

LAYOUTS = ("auto", "speaker", "panels", "screen", "fit")
"""How a shot may be framed: chosen shot by shot, who speaks, everybody in a panel, the screen above the camera, the whole picture."""

TIGHTEN_LEVELS = ("off", "gentle", "tight")
"""How much of long pauses and filler words goes."""

DENOISE_LEVELS = ("auto", "off")


class ClipOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be chosen about a clip's making. What is absent is left to Cliply, and has no part in any digest."""

    layout: Layout | UnsetType = UNSET
    """Absent: `auto`."""
    mask_profanity: bool | UnsetType = UNSET
    """Whether swear words in captions, subtitle files and on thumbnails are shown by their first letter. Absent: no."""
    tighten: Tighten | UnsetType = UNSET
    """How much of long pauses and filler words is taken out. Absent: `off`."""
    denoise: Denoise | UnsetType = UNSET
    """Whether a steady noise behind speech is reduced where measuring says that it helps (`auto`), or never. Absent: `auto`."""
    music: MusicFile | Literal["none"] | UnsetType = UNSET
    """What lies under the clip; `none` takes it away from where it was."""

    look: CaptionLook | UnsetType = UNSET
    """A caption style of one's own, in place of the named one."""
    speaker_colours: bool | UnsetType = UNSET
    """Whether each speaker's captions have colours of their own. Absent: where two or more speak in the clip."""
    emoji: bool | UnsetType = UNSET
    """Whether a few words of a clip get an emoji above them. Absent: no."""
    show_hook: bool | UnsetType = UNSET
    """Whether the clip's hook line is drawn on its first seconds. Absent: no."""

    @property
    def chosen(self) -> dict[str, Any]:
        """The options that were named, as a document."""
        named = {name: value for name in OPTION_NAMES if (value := getattr(self, name)) is not UNSET}
        return msgspec.to_builtins(named)  # type: ignore[no-any-return]  # a dict of what JSON knows


OPTION_NAMES = ClipOptions.__struct_fields__


class UploadSettings(ClipOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one upload is to be processed. Two uploads with equal settings and equal bytes are the same work."""

    clips: int = 5
    """At most this many."""
    min_seconds: float = 15.0
    max_seconds: float = 60.0
    aspects: tuple[Aspect, ...] = ("9:16",)
    style: CaptionStyle = "highlight_word"
    language: str | None = None
    """ISO 639-1; `None` lets the engine find out."""
    transcript: str | None = None
    """Object key of a transcript that the user brought."""
    profile: Profile | UnsetType = UNSET
    """What kind of film it is; absent lets the signals tell."""
    topic: str | UnsetType = UNSET
    """What every clip is to be about, in the user's words."""
    exclude: tuple[Span, ...] | UnsetType = UNSET
    """Ranges of the film, in seconds, that no clip may touch."""
    audience: str | UnsetType = UNSET
    """Object key of what the user knows of the viewers."""
    brand: BrandKit | UnsetType = UNSET
    """The kit as it was when the upload was asked for. Absent where there is none, so that such settings keep their digest."""


class ClipSettings(ClipOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one version of a clip is to look."""

    aspect: Aspect = "9:16"
    style: CaptionStyle = "highlight_word"
    brand: BrandKit | UnsetType = UNSET


class CameraPane(msgspec.Struct, frozen=True, kw_only=True):
    """A window over the source (`width`, `height`, `x`, `y` as in `CameraMove`) and where it is shown, in output pixels."""

    left: int
    top: int
    wide: int
    high: int
    width: int
    height: int
    x: tuple[int, ...]
    y: tuple[int, ...]


class CameraMove(msgspec.Struct, frozen=True, kw_only=True):
    """How the camera frames one stretch of a clip; stretches follow each other without gaps and change at cuts only.

    `crop`: the source is cut to a `width` × `height` window whose left and top edges are `x` and `y` (source pixels,
    one number an output frame, or a single number where the camera rests). `fit`: the whole picture, or where there is
    one the resting window, with blurred sides. `panes`: several windows that fill the frame together.
    """

    layout: Literal["crop", "fit", "panes"]
    first_frame: int
    frames: int
    width: int = 0
    height: int = 0
    x: tuple[int, ...] = ()
    y: tuple[int, ...] = ()
    panes: tuple[CameraPane, ...] | UnsetType = UNSET
    """Absent from a move without any, so that such a spec keeps its digest."""


class EmojiMark(msgspec.Struct, frozen=True, kw_only=True):
    """An emoji above the caption with the word that begins at `at` seconds of the clip."""

    at: float
    emoji: str


class CaptionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The words that are drawn, with times from the start of the clip."""

    style: CaptionStyle
    words: tuple[Word, ...]
    centre: float | UnsetType = UNSET
    """Where the middle of the captions lies, as a share of the height. Absent: where the style has it."""
    look: CaptionLook | UnsetType = UNSET
    """A caption style that is not Cliply's own; `style` is then the one of Cliply's that moves as it does."""
    speakers: dict[str, SpeakerTone] | UnsetType = UNSET
    """By speaker: captions that have other colours than the style's own. Absent where there are none."""
    emoji: tuple[EmojiMark, ...] | UnsetType = UNSET
    """Absent where there are none."""


class HookPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The hook line as it is drawn from the clip's first frame on, each line on a plate; lengths are output pixels."""

    lines: tuple[str, ...]
    size: float
    """ASS font size: ascent plus descent."""
    top: float
    """Upper edge of the first line's plate."""
    frames: int
    """It fades out in the last of them."""
    colour: Colour
    plate_colour: Colour


class Loudness(msgspec.Struct, frozen=True, kw_only=True):
    """What the clip's own span measured, and the gain that brings it to the target."""

    integrated_lufs: float
    true_peak_dbtp: float
    gain_db: float


class KeptPiece(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the source that a clip shows: frames of the source counted on the grid of output frames from its first moment."""

    first_frame: int
    frames: int
    sound_shift: int = 0
    """Samples at 48 kHz by which the sound is joined after the picture (before it, where negative); what is taken out is equally long in
    both. So sound is cut exactly in the pause, and the picture on a frame or on a cut of the film beside it."""

    @property
    def end_frame(self) -> int:
        """The frame behind its last."""
        return self.first_frame + self.frames


class RenderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides a clip's bytes; the digest of this document names the render."""

    pipeline_version: str
    ffmpeg_version: str
    source_sha256: str
    aspect: Aspect
    width: int
    height: int
    frame_rate: str
    span: Span
    """Snapped to the output frame grid."""
    frames: int
    source_width: int
    source_height: int
    camera: tuple[CameraMove, ...]
    captions: CaptionPlan
    fonts: dict[str, str]
    """Font file name to sha256."""
    loudness: Loudness | None
    """`None` for a source without sound, or silence."""
    audio_stream: int | None
    title: str
    """Drawn on the thumbnail."""
    models: dict[str, str]
    """Engine and detector versions that the inputs came from."""
    settings: dict[str, str]
    """Encoder settings."""
    hook: HookPlan | UnsetType = UNSET
    """Absent where none is drawn."""
    brand: BrandPlan | UnsetType = UNSET
    """Absent where no kit changes anything, so that such a spec keeps its digest."""
    pieces: tuple[KeptPiece, ...] | UnsetType = UNSET
    """What is shown of the span, in order: `frames` in all. Absent where that is all of it, so that such a spec keeps its digest."""
    noise: NoiseReduction | UnsetType = UNSET
    """Absent where noise is left as it is."""
    music: MusicPlan | UnsetType = UNSET
    """Absent where none lies under the clip."""

    @property
    def outro_frames(self) -> int:
        """Frames that follow the clip's own."""
        return self.brand.outro.frames if self.brand and self.brand.outro else 0

    @property
    def total_frames(self) -> int:
        """Frames of the whole file."""
        return self.frames + self.outro_frames
