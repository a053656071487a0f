"""One version of a clip, from the upload's documents to every file beside the video."""

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import polars as pl
from msgspec import UNSET

from cliply_assets.renders.branding import BrandFiles
from cliply_assets.renders.edit_lists import write_edl, write_fcpxml, write_premiere_xml
from cliply_assets.renders.layouts import plan_layouts
from cliply_assets.renders.opening_faces import opening_faces
from cliply_assets.renders.picture_samples import sample_picture
from cliply_assets.renders.provenance import Removed, describe, encode_provenance, removed_from
from cliply_assets.renders.quality import ClipQuality, inspect_clip, problems
from cliply_assets.renders.render import RenderedClip, render_clip
from cliply_assets.renders.sound_plan import NO_SOUND, Listening, SoundPlan, plan_sound
from cliply_assets.renders.spec import clip_grid, make_render_spec
from cliply_assets.renders.thumbnail import write_thumbnail
from cliply_assets.renders.time_map import time_map
from cliply_assets.transcript.subtitles import to_srt
from cliply_resources.documents import Candidate, ClipSettings, RenderSpec, Scenes, SourceVideo, Span, Transcript
from cliply_resources.documents.clips import ASPECTS
from cliply_resources.documents.sound import MusicFile, NoiseDecision
from cliply_resources.media_tools.ffmpeg import ffmpeg_version
from cliply_resources.media_tools.graphics_card import video_coding
from cliply_resources.progress import Progress, part_of
from cliply_resources.settings import get_settings

__all__ = ["FILE_NAMES", "MadeClip", "Material", "listen", "make_files", "plan_render"]

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

NO_HOOK = (
    "The hook line is not drawn: the clip has none, or no place on its first seconds is clear of faces, captions and marks. "
    "Another layout, or a shorter line, may leave room."
)


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
    """The files of the brand kit and the music that the settings name."""


@dataclass(frozen=True, kw_only=True)
class MadeClip:
    """A finished version: its files by kind, and what was measured on it."""

    rendered: RenderedClip
    quality: ClipQuality
    problems: tuple[str, ...]
    files: dict[str, Path]
    removed: Removed | None = None
    noise: NoiseDecision | None = None

    @property
    def sound_facts(self) -> dict[str, float]:
        """What was done to its sound, as the row of the version has it."""
        facts: dict[str, float] = {}
        if self.removed is not None:
            facts |= {"removed_s": self.removed.seconds, "removed_words": len(self.removed.words)}
        if self.noise is not None and self.noise.applied:
            facts["noise_reduced_db"] = round((self.noise.snr_after_db or 0.0) - (self.noise.snr_db or 0.0), 1)
        return facts


def listen(material: Material, candidate: Candidate, settings: ClipSettings, *, deadline_seconds: float) -> SoundPlan:
    """What is to be done to the sound of one version."""
    media = material.source.media
    if not media.audio:
        return NO_SOUND
    listening = Listening(
        path=material.path,
        grid=clip_grid(candidate.start, candidate.end, media=media),
        transcript=material.transcript,
        shots=[shot.start for shot in material.scenes.shots[1:]],
        heard=material.heard,
        deadline_seconds=deadline_seconds,
    )
    return plan_sound(listening, settings)


def plan_render(
    material: Material,
    candidate: Candidate,
    settings: ClipSettings,
    *,
    deadline_seconds: float,
    sound: SoundPlan | None = None,
) -> RenderSpec:
    """The spec of one version: where the camera looks, what is captioned, what stays, and how loud it must be made.

    `sound` is what `listen` says, where that was asked already.
    """
    sound = sound or listen(material, candidate, settings, deadline_seconds=deadline_seconds)
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
    return make_render_spec(
        material.source,
        candidate,
        settings=settings,
        camera=camera,
        words=material.transcript.words,
        loudness=sound.loudness,
        ffmpeg_version=ffmpeg_version(),
        models={
            "transcript": f"{material.transcript.engine} {material.transcript.engine_detail}",
            "faces": material.detector,
            "scenes": material.scenes.detector,
        },
        brand_files=material.brand_files,
        pieces=sound.pieces,
        noise=sound.noise,
        music=settings.music if isinstance(settings.music, MusicFile) else None,
        encoder_settings=video_coding(get_settings().video_encoder).settings,
        language=material.transcript.language,
        opening_faces=opening_faces(
            material.faces,
            camera,
            grid.span,
            frame_rate=grid.frame_rate,
            source_size=size,
            size=ASPECTS[settings.aspect],
        )
        if settings.show_hook
        else (),
    )


def make_files(
    spec: RenderSpec,
    material: Material,
    candidate: Candidate,
    into: Path,
    *,
    progress: Progress,
    deadline_seconds: float,
    settings: ClipSettings,
    sound: SoundPlan = NO_SOUND,
) -> MadeClip:
    """Renders the spec and writes everything that goes with the video into the folder `into`.

    `settings` and `sound` are what was asked for and decided, for the account of it.
    """
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
    level = settings.tighten or "off"
    account = describe(
        spec,
        rendered,
        source=material.source,
        candidate=candidate,
        transcript=material.transcript,
        quality=quality,
        cliply_version=version("cliply"),
        notes=(
            *((coding.says,) if coding.is_fallback else ()),
            *((NO_HOOK,) if settings.show_hook and not spec.hook else ()),
        ),
        brand_kit=settings.brand.reference if settings.brand else UNSET,
        removed=removed_from(spec, material.transcript.words, level) if level != "off" else UNSET,
        noise=sound.decision or UNSET,
    )
    files["provenance"].write_bytes(encode_provenance(account))
    return MadeClip(
        rendered=rendered,
        quality=quality,
        problems=tuple(found),
        files=files,
        removed=account.removed or None,
        noise=sound.decision,
    )


def _subtitles(spec: RenderSpec, transcript: Transcript) -> str:
    if not spec.pieces:
        return to_srt(transcript, span=spec.span)
    shown = time_map(spec)
    return to_srt(shown.transcript(transcript), span=Span(0.0, float(shown.frames / shown.frame_rate)))
