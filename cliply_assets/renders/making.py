"""One version of a clip, from the upload's documents to every file beside the video."""

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import polars as pl
from msgspec import UNSET, UnsetType

from cliply_assets.audio.quiet import find_silences
from cliply_assets.renders.branding import BrandFiles
from cliply_assets.renders.edit_lists import write_edl, write_fcpxml, write_premiere_xml
from cliply_assets.renders.layouts import plan_layouts
from cliply_assets.renders.picture_samples import sample_picture
from cliply_assets.renders.provenance import Removed, describe, encode_provenance, removed_from
from cliply_assets.renders.quality import ClipQuality, inspect_clip, problems
from cliply_assets.renders.render import RenderedClip, render_clip
from cliply_assets.renders.spec import ClipGrid, clip_grid, make_render_spec, plan_loudness
from cliply_assets.renders.thumbnail import write_thumbnail
from cliply_assets.renders.tighten import LEVELS, kept_pieces, lively_spans
from cliply_assets.renders.time_map import time_map
from cliply_assets.transcript.subtitles import to_srt
from cliply_resources.documents import Candidate, ClipSettings, RenderSpec, Scenes, SourceVideo, Span, Transcript
from cliply_resources.documents.brands import BrandReference
from cliply_resources.documents.clips import ASPECTS, KeptPiece, Tighten
from cliply_resources.media_tools.ffmpeg import ffmpeg_version
from cliply_resources.media_tools.graphics_card import video_coding
from cliply_resources.media_tools.loudness import measure_loudness
from cliply_resources.media_tools.sound import SOUND_RATE, read_sound
from cliply_resources.progress import Progress, part_of
from cliply_resources.settings import get_settings

__all__ = ["FILE_NAMES", "MadeClip", "Material", "make_files", "plan_render"]

FILE_NAMES = {
    "video": "clip.mp4",
    "thumbnail": "thumbnail.jpg",
    "srt": "clip.srt",
    "edl": "clip.edl",
    "xml": "clip.xml",
    "fcpxml": "clip.fcpxml",
    "provenance": "clip.json",
}
"""Every file of a render and its name in storage."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a clip of one upload is made from."""

    source: SourceVideo
    path: Path
    """The source as a local file."""
    name: str
    """What its owner calls that file; edit lists point to it."""
    transcript: Transcript
    scenes: Scenes
    faces: pl.DataFrame
    detector: str
    heard: pl.DataFrame | None = None
    """Laughter, applause and beats, ten times a second, as `audio_features` has them; without it no sound is known to be any of these."""
    brand_files: BrandFiles = field(default_factory=dict)
    """The files of the brand kit that the settings name."""


@dataclass(frozen=True, kw_only=True)
class MadeClip:
    """A finished version: its files by kind, and what was measured on it."""

    rendered: RenderedClip
    quality: ClipQuality
    problems: tuple[str, ...]
    files: dict[str, Path]
    removed: Removed | None = None

    @property
    def sound_facts(self) -> dict[str, float]:
        """What was done to its sound, as the row of the version has it."""
        if self.removed is None:
            return {}
        return {"removed_s": self.removed.seconds, "removed_words": len(self.removed.words)}


def plan_render(
    material: Material, candidate: Candidate, settings: ClipSettings, *, deadline_seconds: float
) -> RenderSpec:
    """The spec of one version: where the camera looks, what is captioned, and how loud it must be made."""
    media = material.source.media
    grid = clip_grid(candidate.start, candidate.end, media=media)
    size = (media.video.width, media.video.height)
    camera = plan_layouts(
        material.faces,
        material.scenes,
        grid.span,
        source_size=size,
        aspect_size=ASPECTS[settings.aspect],
        frame_rate=grid.frame_rate,
        frames=grid.frames,
        layout=settings.layout or "auto",
        samples=sample_picture(material.path, grid.span, source_size=size, deadline_seconds=deadline_seconds),
        speech=[Span(segment.start, segment.end) for segment in material.transcript.segments],
    )
    level = None
    if media.audio:
        level = measure_loudness(
            material.path, start=grid.span.start, duration=grid.duration, deadline_seconds=deadline_seconds
        )
    return make_render_spec(
        material.source,
        candidate,
        settings=settings,
        camera=camera,
        words=material.transcript.words,
        loudness=plan_loudness(*level) if level is not None else None,
        ffmpeg_version=ffmpeg_version(),
        models={
            "transcript": f"{material.transcript.engine} {material.transcript.engine_detail}",
            "faces": material.detector,
            "scenes": material.scenes.detector,
        },
        brand_files=material.brand_files,
        pieces=_pieces(material, grid, settings, deadline_seconds) if media.audio else (),
        encoder_settings=video_coding(get_settings().video_encoder).settings,
    )


def _pieces(
    material: Material, grid: ClipGrid, settings: ClipSettings, deadline_seconds: float
) -> tuple[KeptPiece, ...]:
    """What stays of the clip; nothing where that is all of it."""
    rules = LEVELS.get(settings.tighten or "off")
    said = material.transcript
    if rules is None or not said.words:
        return ()
    span = grid.span
    sound = read_sound(material.path, start=span.start, duration=grid.duration, deadline_seconds=deadline_seconds)
    spoken = [Span(word.start - span.start, word.end - span.start) for word in said.words if word.start < word.end]
    inside = [one for one in spoken if one.end > 0 and one.start < grid.duration]
    quiet = [Span(one.start + span.start, one.end + span.start) for one in find_silences(sound, SOUND_RATE, inside)]
    pieces = kept_pieces(
        grid,
        said.words,
        quiet,
        rules,
        language=said.language,
        # Words that were guessed, or whose place was, are no reason to take sound away.
        fillers=said.quality != "low" and said.word_times == "measured",
        keep=lively_spans(material.heard) if material.heard is not None else (),
    )
    return pieces if len(pieces) > 1 else ()


def make_files(
    spec: RenderSpec,
    material: Material,
    candidate: Candidate,
    into: Path,
    *,
    progress: Progress,
    deadline_seconds: float,
    brand_kit: BrandReference | UnsetType = UNSET,
    tighten: Tighten = "off",
) -> MadeClip:
    """Renders the spec and writes everything that goes with the video into the folder `into`."""
    rendered = render_clip(
        spec,
        material.path,
        into,
        progress=part_of(progress, 0.0, 0.85),
        deadline_seconds=deadline_seconds,
        brand_files=material.brand_files,
    )
    progress(0.86, "checking the clip")
    quality = inspect_clip(rendered.path, spec=spec, source=material.path, deadline_seconds=deadline_seconds)
    found = problems(quality, spec)
    files = {kind: into / name for kind, name in FILE_NAMES.items()}
    progress(0.93, "drawing the thumbnail")
    write_thumbnail(rendered.path, spec, files["thumbnail"], source=material.path, deadline_seconds=deadline_seconds)
    files["srt"].write_text(_subtitles(spec, material.transcript), encoding="utf-8")
    files["edl"].write_text(write_edl(spec, material.source, source_name=material.name), encoding="utf-8")
    files["xml"].write_text(write_premiere_xml(spec, material.source, source_name=material.name), encoding="utf-8")
    files["fcpxml"].write_text(write_fcpxml(spec, material.source, source_name=material.name), encoding="utf-8")
    coding = video_coding(get_settings().video_encoder)
    account = describe(
        spec,
        rendered,
        source=material.source,
        candidate=candidate,
        transcript=material.transcript,
        quality=quality,
        cliply_version=version("cliply"),
        notes=(coding.says,) if coding.is_fallback else (),
        brand_kit=brand_kit,
        removed=removed_from(spec, material.transcript.words, tighten) if tighten != "off" else UNSET,
    )
    files["provenance"].write_bytes(encode_provenance(account))
    return MadeClip(
        rendered=rendered, quality=quality, problems=tuple(found), files=files, removed=account.removed or None
    )


def _subtitles(spec: RenderSpec, transcript: Transcript) -> str:
    if not spec.pieces:
        return to_srt(transcript, span=spec.span)
    shown = time_map(spec)
    return to_srt(shown.transcript(transcript), span=Span(0.0, float(shown.frames / shown.frame_rate)))
