"""Looks at a finished clip as a platform and a viewer would, and says in sentences what is wrong with it."""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypedDict

import msgspec

from cliply_assets.renders.command import AUDIO_RATE
from cliply_assets.renders.render import HIGHEST_PEAK, LOUDNESS_TOLERANCE
from cliply_assets.renders.spec import MOST_GAIN_DB, TARGET_LUFS
from cliply_assets.renders.time_map import time_map
from cliply_resources.documents import RenderSpec, Span
from cliply_resources.errors import StepFailed
from cliply_resources.media_tools.ffmpeg import guarded_input, run_ffmpeg
from cliply_resources.media_tools.loudness import read_summary
from cliply_resources.progress import silent

__all__ = ["ClipQuality", "has_faststart", "inspect_clip", "problems", "spans_in_log"]

_METER_ROUNDING = 0.05  # the meter prints tenths
_LONGEST_BLACK = 1.0  # s; a fade is shorter
_SILENT_SHARE = 0.5  # of a clip that is supposed to be heard
_SAME_FREEZE = 0.8  # share of a frozen stretch that is frozen in the source too
_SAMPLE_SLACK = 1024  # one AAC frame: a sound track ends on one

# Captions change while the picture stands still, so only the part above them is watched; small, because a frozen
# picture is frozen at any size.
_WATCHED = "crop=iw:trunc(ih*0.275)*2:0:0,scale=-2:240:flags=fast_bilinear"
_FREEZE = "freezedetect=n=-60dB:d=0.5"


class ClipQuality(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on a finished file; times are seconds from its start."""

    size_bytes: int
    width: int
    height: int
    frame_rate: str
    frames: int
    video_codec: str
    pixel_format: str
    video_seconds: float
    audio_codec: str | None
    audio_rate: int | None
    audio_channels: int | None
    audio_seconds: float | None
    integrated_lufs: float | None
    """`None` for silence."""
    true_peak_dbtp: float | None
    black: tuple[Span, ...]
    frozen: tuple[Span, ...]
    """Without stretches in which the source itself stands still, where the source was given."""
    silent: tuple[Span, ...]
    faststart: bool
    """Whether the index comes before the media, so that playing starts while the file still loads."""


def inspect_clip(
    path: Path, *, spec: RenderSpec, source: Path | None = None, deadline_seconds: float = 300
) -> ClipQuality:
    """Measures a finished clip in one pass over it; a second, over the source's span, only where it stands still.

    Raises MediaError where the clip does not decode, StepFailed, DeadlineExceeded.
    """
    seconds = float(Fraction(spec.total_frames) / Fraction(spec.frame_rate))
    finished = run_ffmpeg(
        [
            *guarded_input(path),
            *("-map", "0:v:0", "-vf", f"blackdetect=d=0.1:pix_th=0.10,{_WATCHED},{_FREEZE}"),
            *("-map", "0:a:0?", "-af", "silencedetect=n=-45dB:d=1,ebur128=peak=true:framelog=quiet", "-f", "null", "-"),
        ],
        duration=seconds,
        progress=silent,
        deadline_seconds=deadline_seconds,
        doing="inspecting a clip",
        log_level="info",
    )
    log = finished.log
    # An end card may well be black or stand still; only the clip itself may not.
    ours = Span(0.0, float(Fraction(spec.frames) / Fraction(spec.frame_rate)))
    frozen = _within(ours, spans_in_log(log, "freeze", seconds))
    if frozen and source is not None:
        frozen = _not_in_source(frozen, spec, source, deadline_seconds)
    facts = _streams(path)
    level = read_summary(log) if facts["audio_codec"] else None
    return ClipQuality(
        size_bytes=path.stat().st_size,
        **facts,
        integrated_lufs=level[0] if level else None,
        true_peak_dbtp=level[1] if level else None,
        black=_within(ours, spans_in_log(log, "black", seconds)),
        frozen=frozen,
        silent=_within(ours, spans_in_log(log, "silence", seconds)),
        faststart=has_faststart(path),
    )


def _within(whole: Span, spans: Sequence[Span]) -> tuple[Span, ...]:
    return tuple(
        Span(max(span.start, whole.start), min(span.end, whole.end)) for span in spans if span.overlap(whole) > 0
    )


class _Streams(TypedDict):
    width: int
    height: int
    frame_rate: str
    frames: int
    video_codec: str
    pixel_format: str
    video_seconds: float
    audio_codec: str | None
    audio_rate: int | None
    audio_channels: int | None
    audio_seconds: float | None


def _streams(path: Path) -> _Streams:
    import av

    with av.open(str(path)) as container:
        video = container.streams.video[0]
        audio = container.streams.audio[0] if container.streams.audio else None
        rate = video.average_rate
        return {
            "width": video.width,
            "height": video.height,
            "frame_rate": f"{rate.numerator}/{rate.denominator}" if rate else "0/1",
            "frames": video.frames,
            "video_codec": video.codec_context.name,
            "pixel_format": str(video.pix_fmt),
            "video_seconds": _length(video.duration, video.time_base),
            "audio_codec": audio.codec_context.name if audio else None,
            "audio_rate": audio.sample_rate if audio else None,
            "audio_channels": audio.channels if audio else None,
            "audio_seconds": _length(audio.duration, audio.time_base) if audio else None,
        }


def _length(ticks: int | None, time_base: Fraction | None) -> float:
    return round(float(ticks * time_base), 6) if ticks and time_base else 0.0


_NUMBER = r"(-?[\d.]+)"


def spans_in_log(log: str, kind: str, end: float) -> tuple[Span, ...]:
    """The stretches that ffmpeg's `blackdetect`, `freezedetect` or `silencedetect` reported (`kind`: black, freeze, silence).

    One that lasts until the end of the file is reported without an end, which is then `end`.
    """
    starts = [max(0.0, float(value)) for value in re.findall(rf"{kind}_start: ?{_NUMBER}", log)]
    ends = [float(value) for value in re.findall(rf"{kind}_end: ?{_NUMBER}", log)]
    ends += [end] * (len(starts) - len(ends))
    return tuple(Span(start, stop) for start, stop in zip(starts, ends, strict=False) if start < stop)


def _not_in_source(frozen: Sequence[Span], spec: RenderSpec, source: Path, deadline_seconds: float) -> tuple[Span, ...]:
    log = run_ffmpeg(
        [
            *guarded_input(source, "-an", "-ss", f"{spec.span.start:.6f}", "-t", f"{spec.span.duration:.6f}"),
            *("-map", "0:V:0", "-vf", f"{_WATCHED},{_FREEZE}", "-f", "null", "-"),
        ],
        duration=spec.span.duration,
        progress=silent,
        deadline_seconds=deadline_seconds,
        doing="comparing a clip with its source",
        log_level="info",
    ).log
    shown = time_map(spec)
    begins = float(shown.first_frame / shown.frame_rate)
    in_source = spans_in_log(log, "freeze", spec.span.duration)
    still = shown.spans([Span(begins + span.start, begins + span.end) for span in in_source])
    return tuple(span for span in frozen if sum(span.overlap(there) for there in still) < _SAME_FREEZE * span.duration)


def has_faststart(path: Path) -> bool:
    """Whether an MP4's index (`moov`) lies before its media (`mdat`).

    Raises:
        StepFailed: the file is not made of MP4 boxes.
    """
    with path.open("rb") as file:
        for _ in range(64):  # a file we wrote has fewer than ten boxes
            header = file.read(8)
            if len(header) < 8:
                break
            size, kind = int.from_bytes(header[:4], "big"), header[4:]
            if kind in {b"moov", b"mdat"}:
                return kind == b"moov"
            if size == 1:
                size = int.from_bytes(file.read(8), "big") - 8
            if size < 8:
                break
            file.seek(size - 8, 1)
    raise StepFailed(f"The file {path.name} is not an MP4 file: it has neither index nor media.")


def problems(quality: ClipQuality, spec: RenderSpec) -> list[str]:
    """Everything that keeps a clip from being posted, a sentence each; empty for a good clip."""
    return [*_format_problems(quality, spec), *_sound_problems(quality, spec), *_picture_problems(quality)]


def _format_problems(quality: ClipQuality, spec: RenderSpec) -> Iterator[str]:
    if (quality.width, quality.height) != (spec.width, spec.height):
        yield f"The clip is {quality.width} × {quality.height} pixels instead of {spec.width} × {spec.height}."
    if quality.frames != spec.total_frames:
        yield f"The clip has {quality.frames} frames instead of {spec.total_frames}."
    if Fraction(quality.frame_rate) != Fraction(spec.frame_rate):
        yield f"The clip runs at {quality.frame_rate} frames a second instead of {spec.frame_rate}."
    if (quality.video_codec, quality.pixel_format) != ("h264", "yuv420p"):
        yield f"The picture is {quality.video_codec} {quality.pixel_format}; platforms expect h264 yuv420p."
    if not quality.faststart:
        yield "The index is at the end of the file, so players must load all of it before they start."


def _sound_problems(quality: ClipQuality, spec: RenderSpec) -> Iterator[str]:
    if (quality.audio_codec, quality.audio_rate, quality.audio_channels) != ("aac", AUDIO_RATE, 2):
        yield (
            f"The sound is {quality.audio_codec or 'missing'} ({quality.audio_rate} Hz, {quality.audio_channels} channels); "
            "platforms expect stereo AAC at 48000 Hz."
        )
    elif quality.audio_seconds is not None:
        apart = abs(quality.audio_seconds - quality.video_seconds)
        if apart > _SAMPLE_SLACK / AUDIO_RATE + float(1 / Fraction(spec.frame_rate)):
            yield f"Picture ({quality.video_seconds:.2f} s) and sound ({quality.audio_seconds:.2f} s) are not equally long."
    if spec.loudness is None:
        return
    if quality.integrated_lufs is None or quality.true_peak_dbtp is None:
        yield "The clip is silent although its source is not."
        return
    off = quality.integrated_lufs - TARGET_LUFS
    outro = spec.brand.outro if spec.brand else None
    gains = (spec.loudness.gain_db, (outro.gain_db if outro else None) or 0.0)
    lifted_all_it_may = off < 0 and max(gains) >= MOST_GAIN_DB
    if abs(off) > LOUDNESS_TOLERANCE + _METER_ROUNDING and not lifted_all_it_may:
        yield f"The clip is at {quality.integrated_lufs:.1f} LUFS instead of {TARGET_LUFS:.0f} ±{LOUDNESS_TOLERANCE}."
    if quality.true_peak_dbtp > HIGHEST_PEAK + _METER_ROUNDING:
        yield f"The sound peaks at {quality.true_peak_dbtp:.1f} dBTP; at most {HIGHEST_PEAK} keeps players from distorting it."
    hushed = sum(span.duration for span in quality.silent)
    if hushed > _SILENT_SHARE * quality.video_seconds:
        yield f"The clip is silent for {hushed:.1f} s of its {quality.video_seconds:.1f} s."


def _picture_problems(quality: ClipQuality) -> Iterator[str]:
    for span in quality.black:
        if span.duration > _LONGEST_BLACK:
            yield f"The picture is black from {span.start:.1f} s to {span.end:.1f} s."
    for span in quality.frozen:
        yield f"The picture stands still from {span.start:.1f} s to {span.end:.1f} s, where the source moves."
