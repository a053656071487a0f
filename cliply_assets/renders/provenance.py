"""`clip.json`: where a clip comes from, why it was chosen, how it was made and what was measured on it."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec
from msgspec import UNSET, UnsetType

from cliply_assets.renders.quality import ClipQuality, problems
from cliply_assets.renders.render import RenderedClip
from cliply_assets.renders.spec import spec_digest
from cliply_assets.renders.time_map import time_map
from cliply_resources.documents import Candidate, RenderSpec, SourceVideo, Span, Transcript, Word
from cliply_resources.documents.brands import BrandReference
from cliply_resources.documents.sound import NoiseDecision

__all__ = ["Provenance", "Removed", "SourceFacts", "describe", "encode_provenance", "removed_from"]


class SourceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The film a clip was cut from."""

    title: str
    sha256: str
    duration: float
    url: str | None


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken out of a clip; times are seconds of the source."""

    level: str
    seconds: float
    """How much shorter the clip is than its span."""
    cuts: tuple[Span, ...]
    """Where: the picture, to the frame."""
    words: tuple[Word, ...]
    """The filler words in it."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a person or a program may ask about a finished clip. Rendering `spec` again gives `sha256` again."""

    cliply_version: str
    digest: str
    sha256: str
    source: SourceFacts
    candidate: Candidate
    spec: RenderSpec
    versions: dict[str, str]
    """Programs, models and engines that took part, by what they did."""
    transcript_quality: str
    quality: ClipQuality
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    """Sentences: what the clip lacks and why."""
    brand_kit: BrandReference | UnsetType = UNSET
    """Whose look it was made in; absent where nobody's."""
    removed: Removed | UnsetType = UNSET
    """Absent where nobody asked for pauses and filler words to go."""
    noise: NoiseDecision | UnsetType = UNSET
    """Whether noise was reduced, and what decided it; absent where nobody wanted to know."""


def describe(  # noqa: PLR0913 - an account names all that took part
    spec: RenderSpec,
    rendered: RenderedClip,
    *,
    source: SourceVideo,
    candidate: Candidate,
    transcript: Transcript | None,
    quality: ClipQuality,
    cliply_version: str,
    notes: tuple[str, ...] = (),
    brand_kit: BrandReference | UnsetType = UNSET,
    removed: Removed | UnsetType = UNSET,
    noise: NoiseDecision | UnsetType = UNSET,
) -> Provenance:
    """The full account of one rendered clip."""
    return Provenance(
        cliply_version=cliply_version,
        digest=spec_digest(spec),
        sha256=rendered.sha256,
        source=SourceFacts(
            title=source.title,
            sha256=source.sha256,
            duration=source.media.duration,
            url=source.origin.url if source.origin else None,
        ),
        candidate=candidate,
        spec=spec,
        versions={
            **_engines(transcript),
            **spec.models,
            "ffmpeg": spec.ffmpeg_version,
            "pipeline": spec.pipeline_version,
        },
        transcript_quality=transcript.quality if transcript else "none",
        quality=quality,
        problems=tuple(problems(quality, spec)),
        notes=(*notes, *_notes(spec, rendered, transcript)),
        brand_kit=brand_kit,
        removed=removed,
        noise=noise,
    )


def removed_from(spec: RenderSpec, words: Sequence[Word], level: str) -> Removed:
    """What the pieces of a spec leave out of its span; `words` are those of the film."""
    shown = time_map(spec)
    rate = shown.frame_rate
    cuts = [
        Span(round(float(one.end_frame / rate), 3), round(float(after.first_frame / rate), 3))
        for one, after in pairwise(shown.pieces)
        if one.end_frame < after.first_frame
    ]
    gone = [word for word in words if any(cut.contains((word.start + word.end) / 2) for cut in cuts)]
    return Removed(level=level, seconds=round(shown.seconds_removed, 3), cuts=tuple(cuts), words=tuple(gone))


def _engines(transcript: Transcript | None) -> Mapping[str, str]:
    if transcript is None:
        return {}
    return {"transcript": f"{transcript.engine} ({transcript.engine_detail})"}


def _notes(spec: RenderSpec, rendered: RenderedClip, transcript: Transcript | None) -> list[str]:
    notes = []
    if rendered.omitted_words:
        words = ", ".join(dict.fromkeys(rendered.omitted_words))
        notes.append(
            f"No font on this machine has the letters of these words, so the captions leave them out: {words}."
        )
    if transcript is not None and transcript.quality == "low" and spec.captions.words:
        notes.append(
            f"The captions come from {transcript.engine}, whose text a viewer may find faulty: read them before posting."
        )
    if spec.audio_stream is None and not spec.music:
        notes.append(
            "The source has no sound; the clip carries a silent sound track because some platforms demand one."
        )
    elif spec.audio_stream is not None and spec.loudness is None:
        notes.append("The source is silent here, so the clip's loudness was left alone.")
    return notes


def encode_provenance(provenance: Provenance) -> bytes:
    """`clip.json`: indented, keys in a fixed order."""
    return msgspec.json.format(msgspec.json.encode(provenance, order="deterministic"), indent=2) + b"\n"
