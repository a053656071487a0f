"""What is measured on finished clips of composed films: who is in the picture, how the camera moves, captions, sound, defects.

The clips are made by `cliply clip` itself, as a user would make them; what is known about the film says how good they are.
"""

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
from numpy.typing import NDArray
from truth import FPS, Box, FilmTruth, Sound

from cliply_assets.renders.caption_layout import lay_out
from cliply_assets.renders.styles import look_of, shape_of
from cliply_resources.documents import CameraMove, RenderSpec, Span
from cliply_resources.documents.clips import CameraPane

__all__ = ["measure_clip", "measure_framing"]

_INSIDE = 0.95  # share of a face that must be in the picture
_STILL = 0.002  # of the crop's width a frame, below which the camera rests
_RATE = 8000  # Hz; offsets of sound are found to an eighth of a millisecond
_LONGEST_LAG = 0.5  # s
_CUT = 14.0  # mean difference of grey levels between neighbouring frames that only a cut makes
_SLACK = 0.02  # s


def measure_clip(clip: dict[str, Any], folder: Path, film: Path, truth: FilmTruth, sound: Sound) -> dict[str, Any]:
    """All figures of one clip, as `cliply clip --json` describes it."""
    document = json.loads(Path(_file(clip, folder, "provenance")).read_text())
    spec = msgspec.convert(document["spec"], RenderSpec)
    video = Path(_file(clip, folder, "video"))
    quality = document["quality"]
    return {
        "start": clip["start"],
        "end": clip["end"],
        "title": clip["title"],
        **measure_framing(
            spec.camera,
            (spec.source_width, spec.source_height),
            spec.span,
            float(Fraction(spec.frame_rate)),
            truth,
            sound,
        ),
        **_captions(spec, sound),
        **_boundaries(spec.span, sound),
        "loudness_lufs": quality["integrated_lufs"],
        "true_peak_dbtp": quality["true_peak_dbtp"],
        **_offset(spec, video, film, truth),
        "black_s": _seconds(quality["black"]),
        "frozen_s": _seconds(quality["frozen"]),
        "silent_s": _seconds(quality["silent"]),
        "problems": document["problems"],
    }


def _file(clip: dict[str, Any], folder: Path, kind: str) -> str:
    path = Path(clip["files"][kind])
    return str(path if path.is_absolute() else folder / path)


def _seconds(spans: Sequence[dict[str, float]]) -> float:
    return round(sum(span["end"] - span["start"] for span in spans), 3)


def measure_framing(
    camera: Sequence[CameraMove], size: tuple[int, int], span: Span, rate: float, truth: FilmTruth, sound: Sound
) -> dict[str, Any]:
    """The figures of a planned camera alone."""
    return {**_framing(camera, size, span, rate, truth, sound), **_camera(camera, rate)}


def _views(camera: Sequence[CameraMove], size: tuple[int, int]) -> Iterator[tuple[str, list[Box]]]:
    """Layout and visible parts of the source in every output frame, in fractions."""
    width, height = size

    def box(window: CameraMove | CameraPane, frame: int) -> Box:
        x = window.x[frame] if len(window.x) > 1 else window.x[0]
        y = window.y[frame] if len(window.y) > 1 else window.y[0]
        return x / width, y / height, window.width / width, window.height / height

    for move in camera:
        for frame in range(move.frames):
            if move.panes:
                yield move.layout, [box(pane, frame) for pane in move.panes]
            else:
                yield move.layout, [box(move, frame) if move.width else (0.0, 0.0, 1.0, 1.0)]


def _framing(
    camera: Sequence[CameraMove], size: tuple[int, int], span: Span, rate: float, truth: FilmTruth, sound: Sound
) -> dict[str, Any]:
    """Over the frames in which somebody who can be seen is speaking: how often the speaker's face is in the picture, and
    how often in a crop or panel of its own; over those with any face: how often none is in it."""
    spoken = inside = cropped = faces = empty = 0
    layouts: dict[str, int] = {}
    for frame, (layout, parts) in enumerate(_views(camera, size)):
        time = span.start + (frame + 0.5) / rate
        at = min(int(time * FPS), truth.frames - 1)
        seen = {who: box for who, boxes in truth.faces.items() if (box := boxes[at]) is not None}
        layouts[layout] = layouts.get(layout, 0) + 1
        if seen:
            faces += 1
            empty += not any(_share(box, part) >= _INSIDE for box in seen.values() for part in parts)
        speaker = sound.speaker_at(time)
        if speaker in seen:
            spoken += 1
            hit = any(_share(seen[speaker], part) >= _INSIDE for part in parts)
            inside += hit
            cropped += hit and layout != "fit"
    frames = sum(layouts.values()) or 1
    return {
        "active_speaker_inside": round(inside / spoken, 4) if spoken else None,
        "active_speaker_inside_a_crop": round(cropped / spoken, 4) if spoken else None,
        "empty_frames": round(empty / faces, 4) if faces else None,
        "layouts": {name: round(count / frames, 3) for name, count in layouts.items()},
    }


def _share(box: Box, crop: Box) -> float:
    """How much of a face lies in the visible part."""
    width = min(box[0] + box[2], crop[0] + crop[2]) - max(box[0], crop[0])
    height = min(box[1] + box[3], crop[1] + crop[3]) - max(box[1], crop[1])
    return max(0.0, width) * max(0.0, height) / (box[2] * box[3])


def _camera(camera: Sequence[CameraMove], rate: float) -> dict[str, Any]:
    """Reversals of direction a second, and way in crop widths a second; jumps at cuts are not camera movement."""
    reversals, way, jumps = 0, 0.0, 0
    last: float | None = None
    for move in camera:
        if move.layout != "crop":
            last = None
            continue
        # A new move that looks elsewhere is a cut that the camera made itself, or one of the film's.
        jumps += last is not None and abs(move.x[0] - last) > 0.25 * move.width
        last = move.x[-1]
        if len(move.x) < 2:
            continue
        steps = np.diff(np.array(move.x, float)) / move.width
        jumps += int((np.abs(steps) > 0.25).sum())
        steps = steps[np.abs(steps) <= 0.25]
        way += float(np.abs(steps).sum())
        moving = np.sign(steps[np.abs(steps) > _STILL])
        reversals += int((np.diff(moving) != 0).sum())
    seconds = sum(move.frames for move in camera) / rate
    return {
        "camera_reversals_per_s": round(reversals / seconds, 3),
        "camera_travel_per_s": round(way / seconds, 3),
        "camera_switches": jumps,
    }


def _captions(spec: RenderSpec, sound: Sound) -> dict[str, Any]:
    """Words whose box leaves what platforms keep free, and how far word times lie from the truth."""
    if spec.captions.style == "none" or not spec.captions.words:
        return {"caption_lines_outside": 0, "caption_words": 0, "word_start_error_ms": None}
    layout = lay_out(
        spec.captions,
        width=spec.width,
        height=spec.height,
        look=look_of(spec.captions),
        frame_rate=Fraction(spec.frame_rate),
    )
    left, top, right, bottom = shape_of(spec.width, spec.height).safe_area(spec.width, spec.height)
    boxes = [line.box for phrase in layout.phrases for line in phrase.lines]
    outside = sum(box[0] < left - 1 or box[1] < top - 1 or box[2] > right + 1 or box[3] > bottom + 1 for box in boxes)
    true = np.array([word.start for segment in sound.segments for word in segment.words])
    errors = [
        float(np.abs(true - (word.start + spec.span.start)).min()) * 1000 for word in spec.captions.words if len(true)
    ]
    return {
        "caption_lines_outside": int(outside),
        "caption_words": len(spec.captions.words),
        "word_start_error_ms": round(float(np.median(errors)), 1) if errors else None,
    }


def _boundaries(span: Span, sound: Sound) -> dict[str, Any]:
    words = [Span(word.start, word.end) for segment in sound.segments for word in segment.words]
    sentences = [Span(one.start, one.end) for one in sound.segments]

    def cut(edge: float, spans: Sequence[Span]) -> bool:
        return any(one.start + _SLACK < edge < one.end - _SLACK for one in spans)

    good = sound.good
    shared = max(0.0, min(span.end, good.end) - max(span.start, good.start)) if good else 0.0
    asks = good and next((one.text.endswith("?") for one in sound.segments if one.start >= good.start - 0.01), False)
    return {
        "cut_in_word": sum(cut(edge, words) for edge in (span.start, span.end)),
        "cut_in_sentence": sum(cut(edge, sentences) for edge in (span.start, span.end)),
        # A clip that opens with another question loses none.
        "question_lost": bool(
            asks and good and good.start + 0.3 < span.start < good.end and not _opens_asking(span, sound)
        ),
        "iou_with_good": round(shared / (max(span.end, good.end) - min(span.start, good.start)), 3) if good else None,
        "room_cut_off": any(
            noise.span.start - 0.5 < span.end < noise.span.start + min(1.0, noise.span.duration)
            for noise in sound.noises
        ),
    }


def _opens_asking(span: Span, sound: Sound) -> bool:
    return next((one.text.endswith("?") for one in sound.segments if one.start >= span.start - _SLACK), False)


def _offset(spec: RenderSpec, clip: Path, film: Path, truth: FilmTruth) -> dict[str, Any]:
    """How much later sound and picture come than in the source; the picture by its cuts, where the clip has any."""
    ours, source = _sound(clip, None), _sound(film, spec.span)
    size = min(len(ours), len(source))
    lag = None
    if size > _RATE:
        spectrum = np.fft.rfft(ours[:size], 2 * size) * np.conj(np.fft.rfft(source[:size], 2 * size))
        found = np.fft.irfft(spectrum)
        reach = int(_LONGEST_LAG * _RATE)
        window = np.concatenate([found[-reach:], found[: reach + 1]])
        lag = (int(np.argmax(window)) - reach) / _RATE
    rate = float(Fraction(spec.frame_rate))
    expected = [frame / FPS - spec.span.start for frame in truth.cuts if spec.span.start < frame / FPS < spec.span.end]
    late = (
        [
            (seen - wanted)
            for wanted in expected
            for seen in [min(_cuts(clip, rate), key=lambda at: abs(at - wanted), default=None)]
            if seen is not None and abs(seen - wanted) < 0.2
        ]
        if expected
        else []
    )
    picture = float(np.median(late)) if late else None
    return {
        "audio_offset_ms": None if lag is None else round(lag * 1000, 2),
        "picture_offset_ms": None if picture is None else round(picture * 1000, 2),
        "av_offset_ms": None if lag is None or picture is None else round((lag - picture) * 1000, 2),
        "cuts_found": f"{len(late)} of {len(expected)}",
    }


def _sound(path: Path, span: Span | None) -> NDArray[np.float64]:
    parts = [np.zeros(0, np.float32)]
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.zeros(0)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE)
        for frame in container.decode(audio=0):
            parts += [one.to_ndarray()[0] for one in resampler.resample(frame)]
    whole = np.concatenate(parts).astype(np.float64)
    return whole if span is None else whole[round(span.start * _RATE) : round(span.end * _RATE)]


def _cuts(clip: Path, rate: float) -> list[float]:
    """Times of frames that hardly share a grey level with the one before, above the captions."""
    found: list[float] = []
    before: NDArray[Any] | None = None
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            grey = frame.reformat(width=54, height=96, format="gray").to_ndarray()[:52].astype(np.float32)
            if before is not None and float(np.abs(grey - before).mean()) > _CUT:
                found.append(number / rate)
            before = grey
    return found
