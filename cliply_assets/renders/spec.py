"""The render spec: everything that decides a clip's bytes, and the digest that names it.

Two equal specs are the same file; whatever may change a single byte (source, span, camera, words, fonts, style data,
gain, encoder settings, ffmpeg, this pipeline) is therefore in it, and nothing else is.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from types import MappingProxyType

import msgspec
from msgspec import UNSET, UnsetType

from cliply_assets.renders.branding import (
    NO_FILES,
    BrandFiles,
    Picture,
    brand_file,
    coloured_look,
    plan_captions,
    plan_marks,
    plan_of,
    plan_outro,
)
from cliply_assets.renders.captions import CaptionDocument, compose
from cliply_assets.renders.emoji import drawings_digest, plan_emoji
from cliply_assets.renders.fonts import face_named, fonts_by_file, load_face
from cliply_assets.renders.hook_title import Box, HookRoom, hook_face, plan_hook
from cliply_assets.renders.layouts import caption_centre
from cliply_assets.renders.music import plan_music
from cliply_assets.renders.speaker_colours import plan_speakers
from cliply_assets.renders.styles import CaptionLook, look_for, look_of, style_digest
from cliply_assets.renders.time_map import TimeMap
from cliply_resources.documents import (
    BrandPlan,
    CameraMove,
    Candidate,
    CaptionPlan,
    ClipSettings,
    Loudness,
    RenderSpec,
    SourceMedia,
    SourceVideo,
    Span,
    Word,
)
from cliply_resources.documents.brands import CaptionChanges, MarkPlan
from cliply_resources.documents.clips import ASPECTS, CameraPane, HookPlan, KeptPiece
from cliply_resources.documents.sound import MusicFile, NoiseReduction
from cliply_resources.errors import StepFailed

__all__ = [
    "ENCODER_SETTINGS",
    "PIPELINE_VERSION",
    "TARGET_LUFS",
    "ClipGrid",
    "check_spec",
    "clip_grid",
    "make_render_spec",
    "output_frame_rate",
    "plan_loudness",
    "spec_digest",
]

PIPELINE_VERSION = "1"
"""Raised by whoever changes what the same spec renders to."""

TARGET_LUFS = -14.0
"""Integrated loudness that the platforms play at (they turn louder clips down to it)."""

MOST_GAIN_DB = 30.0
"""Speech that needs more than this is buried in its own noise, which would become the sound of the clip."""

ENCODER_SETTINGS: dict[str, str] = {
    "encoder": "libx264",
    "preset": "veryfast",
    "crf": "21",
    "profile": "high",
    # With a lookahead thread of its own x264 now and then codes a flat block in another way: same picture, other bytes.
    "x264_params": "sync-lookahead=0",
    # The bytes depend on the number of threads, so it is part of the spec and not of the machine.
    "threads": "2",
    "keyframe_seconds": "2",
    "audio_bit_rate": "160000",
}

_PROCESSOR_ONLY = ("crf", "x264_params")
_SILENCE = Loudness(integrated_lufs=-70.0, true_peak_dbtp=-70.0, gain_db=0.0)
NOTHING_ELSE: Mapping[str, str] = MappingProxyType({})

_HIGHEST_RATE = 60
_LOWEST_RATE = 15
_COMMON_RATES = tuple(
    Fraction(r) for r in ("24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60")
)
_VARIABLE_RATE = Fraction(30)


@dataclass(frozen=True)
class ClipGrid:
    """A clip's place on the grid of output frames: frame k of the clip shows the source at (first + k) / rate."""

    frame_rate: Fraction
    first_frame: int
    frames: int

    @property
    def span(self) -> Span:
        """The same in seconds of the source."""
        return Span(
            float(self.first_frame / self.frame_rate), float((self.first_frame + self.frames) / self.frame_rate)
        )

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.frames / self.frame_rate)


def output_frame_rate(media: SourceMedia) -> Fraction:
    """The rate of a clip: the source's own where it is steady and between 15 and 60, half of faster ones, otherwise 30."""
    rate = media.video.fps
    while rate > Fraction(_HIGHEST_RATE) * Fraction(101, 100):
        rate /= 2
    if media.video.variable_frame_rate or rate < _LOWEST_RATE:
        return _VARIABLE_RATE
    # Averages over a whole file miss the true rate by a hair.
    nearest = min(_COMMON_RATES, key=lambda known: abs(known - rate))
    return nearest if abs(nearest - rate) < nearest / 2000 else rate.limit_denominator(1001)


def clip_grid(start: float, end: float, *, media: SourceMedia) -> ClipGrid:
    """The frames from `start` to `end` (seconds), never beyond the source's end, one frame at least.

    Raises:
        StepFailed: the span lies outside the source.
    """
    rate = output_frame_rate(media)
    available = floor(Fraction(media.duration) * rate + Fraction(1, 100))
    first = max(0, round(Fraction(start) * rate))
    last = min(round(Fraction(end) * rate), available)
    if first >= last:
        raise StepFailed(
            f"A clip from {start:.2f} s to {end:.2f} s does not lie inside the video, which is {media.duration:.2f} s long. "
            "Choose a span inside it."
        )
    return ClipGrid(frame_rate=rate, first_frame=first, frames=last - first)


def plan_loudness(integrated_lufs: float, true_peak_dbtp: float) -> Loudness:
    """The gain that brings a span to -14 LUFS; at most 30 dB, which keeps a nearly silent one nearly silent."""
    gain = min(TARGET_LUFS - integrated_lufs, MOST_GAIN_DB)
    return Loudness(
        integrated_lufs=round(integrated_lufs, 2), true_peak_dbtp=round(true_peak_dbtp, 2), gain_db=round(gain, 2)
    )


def make_render_spec(  # noqa: PLR0913 - it names everything that decides the bytes
    source: SourceVideo,
    candidate: Candidate,
    *,
    settings: ClipSettings,
    camera: tuple[CameraMove, ...],
    words: Sequence[Word],
    loudness: Loudness | None,
    ffmpeg_version: str,
    models: dict[str, str],
    brand_files: BrandFiles = NO_FILES,
    encoder_settings: Mapping[str, str] = NOTHING_ELSE,
    pieces: tuple[KeptPiece, ...] = (),
    noise: NoiseReduction | None = None,
    music: MusicFile | None = None,
    language: str | None = None,
    opening_faces: Sequence[Box] = (),
) -> RenderSpec:
    """The spec of one clip. `words` have source times; `loudness` is `None` where there is nothing to hear.

    `camera` is that of the whole span; `pieces` are what stays of it, where that is not all.

    `brand_files` are the files of the brand kit that the settings name. `encoder_settings` are those of another encoder than the
    processor's, in place of its own. `language` is that of the words.
    `opening_faces` are the faces that are seen on the clip's first seconds, in output pixels.

    Raises:
        StepFailed: the span lies outside the source, or the camera does not fit span and picture.
    """
    grid = clip_grid(candidate.start, candidate.end, media=source.media)
    width, height = ASPECTS[settings.aspect]
    whole = KeptPiece(first_frame=grid.first_frame, frames=grid.frames)
    shown = TimeMap(grid.frame_rate, pieces or (whole,))
    camera = shown.camera(camera) if pieces else camera
    drawn = shown.words(words) if settings.style != "none" else ()
    plan = CaptionPlan(
        style=settings.style,
        words=drawn,
        centre=caption_centre(camera, (width, height)),
        look=settings.look if drawn else UNSET,
    )
    tones = (
        plan_speakers(coloured_look(plan, settings.brand), drawn, words, wanted=settings.speaker_colours)
        if drawn
        else UNSET
    )
    marks_over = plan_emoji(drawn, language) if settings.emoji else ()
    plan = msgspec.structs.replace(plan, speakers=tones, emoji=marks_over or UNSET)
    fonts: dict[str, str] = {}
    encoder = _encoder(encoder_settings)
    picture = Picture(width, height, grid.frame_rate)
    captions, changes = None, None
    if settings.style != "none" and drawn:
        look, captions, changes = _captions(plan, picture, settings, brand_files)
        fonts = fonts_by_file(captions.faces)
        encoder["caption_style_sha256"] = style_digest(look)
        if marks_over:
            encoder["emoji_sha256"] = drawings_digest(marks_over)
    brand: BrandPlan | UnsetType = UNSET
    marks: tuple[MarkPlan, ...] = ()
    if settings.brand:
        kit = settings.brand
        marks = plan_marks(kit, picture, captions.occupied if captions else None)
        outro = plan_outro(kit.outro, picture, kit.colours) if kit.outro else None
        brand = plan_of(changes, marks, outro)
    hook: HookPlan | UnsetType = UNSET
    if settings.show_hook:
        taken = [(float(m.x), float(m.y), float(m.x + m.width), float(m.y + m.height)) for m in marks]
        taken += [captions.occupied] if captions and captions.occupied else []
        room = HookRoom(
            width=width,
            height=height,
            frame_rate=grid.frame_rate,
            frames=shown.frames,
            faces=opening_faces,
            taken=taken,
        )
        hook, titled = _hook(candidate.hook, room, plan, settings, changes, brand_files)
        fonts |= titled
    spec = RenderSpec(
        pipeline_version=PIPELINE_VERSION,
        ffmpeg_version=ffmpeg_version,
        source_sha256=source.sha256,
        aspect=settings.aspect,
        width=width,
        height=height,
        frame_rate=f"{grid.frame_rate.numerator}/{grid.frame_rate.denominator}",
        span=grid.span,
        frames=shown.frames,
        source_width=source.media.video.width,
        source_height=source.media.video.height,
        camera=camera,
        captions=plan,
        fonts=fonts,
        # Music makes a clip audible whose source is not.
        loudness=loudness or (_SILENCE if music else None),
        audio_stream=source.media.audio[0].index if source.media.audio else None,
        title=candidate.title,
        models=models,
        settings=encoder,
        hook=hook,
        brand=brand,
        pieces=pieces or UNSET,
        noise=noise or UNSET,
        music=plan_music(music, shown.words(words), is_alone=loudness is None) if music else UNSET,
    )
    check_spec(spec)
    return spec


def _hook(
    text: str,
    room: HookRoom,
    plan: CaptionPlan,
    settings: ClipSettings,
    changes: CaptionChanges | None,
    brand_files: BrandFiles,
) -> tuple[HookPlan | UnsetType, dict[str, str]]:
    """The title, where there is one and room for it, and the font it is drawn in."""
    kit = settings.brand
    own = None
    if kit and kit.font is not None and changes is not None and changes.font is not None:
        own = load_face(brand_file(brand_files, kit.font.file.sha256))
    preferred = own or face_named(look_for(plan).font)
    found = plan_hook(text, room, preferred, plate=kit.colours.plate if kit else None)
    face = hook_face(" ".join(found.lines), preferred) if found else None
    return (found, fonts_by_file([face])) if found and face else (UNSET, {})


def _encoder(other: Mapping[str, str]) -> dict[str, str]:
    if not other:
        return dict(ENCODER_SETTINGS)
    return {name: value for name, value in ENCODER_SETTINGS.items() if name not in _PROCESSOR_ONLY} | dict(other)


def _captions(
    plan: CaptionPlan, picture: Picture, settings: ClipSettings, brand_files: BrandFiles
) -> tuple[CaptionLook, CaptionDocument, CaptionChanges | None]:
    if settings.brand:
        return plan_captions(plan, picture, settings.brand, brand_files)
    look = look_of(plan)
    document = compose(plan, width=picture.width, height=picture.height, look=look, frame_rate=picture.frame_rate)
    return look, document, None


def check_spec(spec: RenderSpec) -> None:
    """Refuses a spec whose camera leaves the picture or does not cover every frame once, and pieces that lie outside the span.

    Raises:
        StepFailed: with the first thing that is wrong.
    """
    _check_pieces(spec)
    at = 0
    for number, move in enumerate(spec.camera):
        problem = _move_problem(move, at, spec)
        if problem:
            raise StepFailed(f"The camera path of this clip is faulty at move {number + 1}: {problem}.")
        at += move.frames
    if at != spec.frames:
        raise StepFailed(f"The camera path of this clip covers {at} frames, but the clip has {spec.frames}.")


def _check_pieces(spec: RenderSpec) -> None:
    rate = Fraction(spec.frame_rate)
    at, end = round(spec.span.start * rate), round(spec.span.end * rate)
    for number, piece in enumerate(spec.pieces or ()):
        if piece.frames < 1 or piece.first_frame < at or piece.end_frame > end:
            raise StepFailed(
                f"Piece {number + 1} of this clip shows frames {piece.first_frame} to {piece.end_frame} of the source; it must lie "
                f"between frame {at} and frame {end}."
            )
        at = piece.end_frame
    if spec.pieces and sum(piece.frames for piece in spec.pieces) != spec.frames:
        raise StepFailed(f"The pieces of this clip are not {spec.frames} frames long together, as the clip is.")


def _move_problem(move: CameraMove, at: int, spec: RenderSpec) -> str:
    if move.first_frame != at or move.frames < 1:
        return f"it covers {move.frames} frames from {move.first_frame}, where frame {at} is next"
    if move.layout == "panes":
        return _panes_problem(move, spec)
    if move.layout == "fit" and not move.width:
        return ""
    return _window_problem(move, move.frames, spec)


def _panes_problem(move: CameraMove, spec: RenderSpec) -> str:
    for pane in move.panes or ():
        if problem := _window_problem(pane, move.frames, spec):
            return problem
    covered = sum(pane.wide * pane.high for pane in move.panes or ())
    inside = all(
        min(pane.left, pane.top) >= 0 and pane.left + pane.wide <= spec.width and pane.top + pane.high <= spec.height
        for pane in move.panes or ()
    )
    return "" if inside and covered == spec.width * spec.height else "its panels do not fill the frame"


def _window_problem(move: CameraMove | CameraPane, frames: int, spec: RenderSpec) -> str:
    if move.width < 2 or move.height < 2:
        return f"its window is {move.width} × {move.height} pixels"
    for name, path, window, whole in (
        ("left", move.x, move.width, spec.source_width),
        ("top", move.y, move.height, spec.source_height),
    ):
        if len(path) not in {1, frames}:
            return f"it has {len(path)} {name} edges for {frames} frames"
        if min(path) < 0 or max(path) + window > whole:
            return f"its window leaves the picture, which is {spec.source_width} × {spec.source_height} pixels"
    return ""


def spec_digest(spec: RenderSpec) -> str:
    """The sha256 that names this render: of the spec as JSON with sorted keys."""
    return hashlib.sha256(msgspec.json.encode(spec, order="sorted")).hexdigest()
