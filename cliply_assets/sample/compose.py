"""Makes the sample film from the speech and the stage plan: stills that ffmpeg moves, one process a shot, two side by side.

Python draws each person and background once; ffmpeg moves them by the same formula as the truth, swaps mouths, adds
grain and encodes. So a film of almost three minutes takes seconds, and the truth is exact to the pixel.
"""

import os
import tempfile
import threading
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from cliply_assets.sample.stage import film_truth
from cliply_assets.sample.truth import FPS, MOUTHS, Figure, Person, SampleTruth, Shot, load_speech_truth
from cliply_resources.errors import CallerError
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.progress import Progress, part_of, silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FILM_NAME", "TRUTH_NAME", "generate_sample", "mouth_levels"]

FILM_NAME = "cliply-sample.mp4"
TRUTH_NAME = "truth.json"

_SPEECH = Path(__file__).with_name("speech.opus")
_ENVELOPE_RATE = 16_000
_QUIET_DB, _LOUD_DB = -42.0, -17.0  # frame levels between which a speaking mouth goes from closed to wide open
_GRAIN = 6  # strength of ffmpeg's noise filter; with the quantiser below about 4 Mbit/s at 1080p
_SHORTEST, _LOWEST = 2.0, 180  # seconds, lines
_DEADLINE = 900.0  # seconds for each ffmpeg; thirty times what a slow machine needs

_EVENLY = f"setts=pts=N*{1_200_000 // FPS}:dts=N*{1_200_000 // FPS}:duration={1_200_000 // FPS}"
"""Exact frame times, in the ticks of ffmpeg's reader of bare H.264; its own guesses are now and then one tick off."""

_EXACT = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")
_COLOURS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")
_AS_BT709 = "scale=out_color_matrix=bt709:out_range=tv"


def generate_sample(
    into: Path, *, progress: Progress = silent, seconds: float | None = None, height: int = 1080
) -> Path:
    """Writes the sample film and, beside it, `truth.json`; the same arguments give the same bytes.

    16:9, `height` lines (even, at least 180), 30 fps, H.264 and 48 kHz stereo AAC; the first `seconds` (at least 2) or all
    162 s of it. Returns the film's path. Raises CallerError for a size or length that cannot be made, and what
    `run_ffmpeg` raises. Nothing is left behind when it fails.
    """
    if height < _LOWEST or height % 2:
        raise CallerError(f"The sample film cannot be {height} lines high; choose an even number from {_LOWEST} on.")
    if seconds is not None and seconds < _SHORTEST:
        raise CallerError(f"The sample film cannot be {seconds:g} s long; choose {_SHORTEST:g} s or more.")
    truth = film_truth(load_speech_truth(), seconds=seconds, height=height)
    # ffmpeg works in a folder of its own, from which a relative path would lead elsewhere.
    into = into.absolute()
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".sample-", dir=into) as name:
        folder = Path(name)
        levels = mouth_levels(_envelope(folder, truth), truth)
        encoded = _encode_all(truth, levels, folder, part_of(progress, 0.02, 0.95))
        film = _join(encoded, truth, folder, part_of(progress, 0.95, 1.0))
        (folder / TRUTH_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(truth), indent=1) + b"\n")
        (folder / TRUTH_NAME).replace(into / TRUTH_NAME)
        film.replace(into / FILM_NAME)
    return into / FILM_NAME


def mouth_levels(envelope: "NDArray[np.float32]", truth: SampleTruth) -> "dict[Person, NDArray[np.int64]]":
    """Which mouth each person shows in each frame; `envelope` is the sound's RMS level of each frame in dBFS.

    0 (at rest) outside the person's own words; else from 1 (closed) to 5 with the level.
    """
    opened = np.clip((envelope[: truth.frames] - _QUIET_DB) / (_LOUD_DB - _QUIET_DB), 0, 1)
    spoken = 1 + np.rint(opened * (MOUTHS - 2)).astype(np.int64)
    times = (np.arange(truth.frames) + 0.5) / FPS
    people: tuple[Person, ...] = ("host", "guest")
    levels = {person: np.zeros(truth.frames, np.int64) for person in people}
    for word in truth.words:
        inside = (times >= word.start) & (times < word.end)
        levels["host" if word.speaker == "host" else "guest"][inside] = spoken[inside]
    return levels


def _envelope(folder: Path, truth: SampleTruth) -> "NDArray[np.float32]":
    decoded = folder / "speech.wav"
    run_ffmpeg(
        ["-i", str(_SPEECH), "-ac", "1", "-ar", str(_ENVELOPE_RATE), "-c:a", "pcm_s16le", str(decoded)],
        duration=truth.duration,
        progress=silent,
        deadline_seconds=_DEADLINE,
        doing="reading the sample speech",
    )
    with wave.open(str(decoded)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    per_frame = _ENVELOPE_RATE / FPS
    starts = np.minimum((np.arange(truth.frames) * per_frame).astype(np.int64), samples.size - 1)
    energy = np.add.reduceat(samples**2, starts) / per_frame
    return np.asarray(10 * np.log10(energy + 1e-10), np.float32)


class _Tally:
    """Adds up the progress of shots that are encoded side by side."""

    def __init__(self, progress: Progress, frames: int) -> None:
        self._progress = progress
        self._frames = frames
        self._done: dict[int, float] = {}
        self._lock = threading.Lock()

    def of(self, shot: Shot) -> Progress:
        def report(fraction: float, doing: str) -> None:
            with self._lock:
                self._done[shot.first_frame] = fraction * shot.frames
                total = sum(self._done.values())
                self._progress(total / self._frames, f"{doing}, {total / FPS:.0f} s of {self._frames / FPS:.0f} s")

        return report


def _encode_all(
    truth: SampleTruth, levels: "dict[Person, NDArray[np.int64]]", folder: Path, progress: Progress
) -> list[Path]:
    for shot in truth.shots:
        _draw(shot, truth, folder)
    tally = _Tally(progress, truth.frames)
    # One encoder thread a shot keeps the bytes the same everywhere; the shots share the processors.
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        shots = [pool.submit(_encode, shot, truth, levels, folder, tally.of(shot)) for shot in truth.shots]
        try:
            return [one.result() for one in shots]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _draw(shot: Shot, truth: SampleTruth, folder: Path) -> None:
    """Writes the stills a shot needs as raw pixels, unless an earlier shot already did."""
    from cliply_assets.sample.portrait import sprite
    from cliply_assets.sample.scenery import slide, studio

    background = folder / _background_name(shot)
    if not background.exists():
        if shot.view == "slide":
            picture = slide(truth.width, truth.height, shot.slide[0], shot.slide[1:])
        else:
            words = "COUNT THE HAMMERS" if shot.view in ("wide", "walk") else ""
            blur = {"close": 0.02, "guest": 0.008, "host": 0.008}.get(shot.view, 0.0)
            picture = studio(truth.width, truth.height, words=words, blur=blur)
        background.write_bytes(picture.tobytes())
    for figure in shot.figures:
        name = _figure_name(figure, truth)
        if not (folder / f"{name}.bgra").exists():
            drawn = sprite(figure.person, figure.side(truth.height))
            # What hangs out of the picture below would only be blended in vain.
            rows = min(figure.side(truth.height), truth.height - _top(figure, truth))
            (folder / f"{name}.bgra").write_bytes(drawn.picture[: rows + rows % 2].tobytes())
            (folder / f"{name}.bgr").write_bytes(drawn.mouths.tobytes())
            (folder / f"{name}.json").write_bytes(msgspec.json.encode((rows + rows % 2, drawn.mouth_box)))


def _background_name(shot: Shot) -> str:
    return f"{shot.view}-{'-'.join(shot.slide[:1]).replace(' ', '')}.bgr"


def _figure_name(figure: Figure, truth: SampleTruth) -> str:
    return f"{figure.person}{figure.side(truth.height)}"


def _top(figure: Figure, truth: SampleTruth) -> int:
    return int(2 * np.floor(figure.top * truth.height / 2))


def _encode(
    shot: Shot, truth: SampleTruth, levels: "dict[Person, NDArray[np.int64]]", folder: Path, progress: Progress
) -> Path:
    inputs = [*_still(folder / _background_name(shot), "bgr24", truth.width, truth.height)]
    chains = [f"[0:v]{_AS_BT709},format=yuv420p,{_endless()}[p0]"]
    for number, figure in enumerate(shot.figures):
        name, side = _figure_name(figure, truth), figure.side(truth.height)
        rows, (left, top, width, height) = msgspec.json.decode(
            (folder / f"{name}.json").read_bytes(), type=tuple[int, tuple[int, int, int, int]]
        )
        inputs += _still(folder / f"{name}.bgra", "bgra", side, rows)
        inputs += _still(folder / f"{name}.bgr", "bgr24", width, height * MOUTHS)
        mouths = levels[figure.person][shot.first_frame : shot.first_frame + shot.frames]
        commands = folder / f"{shot.first_frame}-{figure.person}.cmd"
        changes = _mouth_commands(mouths, number, height)
        commands.write_text(changes)
        at, sitting = _left_edge(figure, shot, truth), _top(figure, truth)
        chains += [
            f"[{2 * number + 1}:v]{_AS_BT709},format=yuva420p,{_endless()}[body{number}]",
            f"[{2 * number + 2}:v]{_AS_BT709},format=yuv420p,{_endless()},{f'sendcmd=f={commands.name},' if changes else ''}"
            f"crop@m{number}={width}:{height}:0:{mouths[0] * height}[mouth{number}]",
            f"[p{2 * number}][body{number}]overlay=x='{at}':y={sitting}:eval=frame[p{2 * number + 1}]",
            f"[p{2 * number + 1}][mouth{number}]overlay=x='{at}+{left}':y={sitting + top}:eval=frame[p{2 * number + 2}]",
        ]
    chains.append(f"[p{2 * len(shot.figures)}]noise=c0s={_GRAIN}:c0f=t:all_seed={shot.first_frame + 1}[v]")
    out = folder / f"{shot.first_frame:06}.h264"
    run_ffmpeg(
        [
            *(*inputs, "-filter_threads", "1", "-filter_complex_threads", "1", "-filter_complex", ";".join(chains)),
            *("-map", "[v]", "-frames:v", str(shot.frames), "-c:v", "libx264", "-preset", "ultrafast", "-qp", "25"),
            *("-threads", "1", "-g", "150", *_COLOURS, *_EXACT, "-f", "h264", str(out)),
        ],
        duration=shot.frames / FPS,
        progress=lambda fraction, _: progress(fraction, "drawing the sample film"),
        deadline_seconds=_DEADLINE,
        doing="drawing the sample film",
        cwd=folder,
    )
    return out


def _still(path: Path, pixels: str, width: int, height: int) -> Sequence[str]:
    size = f"{width}x{height}"
    return ("-f", "rawvideo", "-pix_fmt", pixels, "-video_size", size, "-framerate", str(FPS), "-i", path.name)


def _endless() -> str:
    return f"loop=loop=-1:size=1,settb=1/{FPS},setpts=N"


def _left_edge(figure: Figure, shot: Shot, truth: SampleTruth) -> str:
    """The formula of `Figure.box` in ffmpeg's words; `n` is the frame in the shot."""
    moved = (
        f"{figure.centre!r}+{figure.walk!r}*(1-cos(PI*n/{shot.frames}))/2"
        f"+{figure.sway!r}*sin(2*PI*n/{figure.period * FPS!r})"
    )
    return f"2*floor((({moved})*{truth.width}-{figure.side(truth.height) / 2!r})/2)"


def _mouth_commands(mouths: "NDArray[np.int64]", number: int, height: int) -> str:
    """A command for each change; it comes a millisecond before its frame, so that rounding cannot make it late."""
    changes = np.flatnonzero(np.diff(mouths)) + 1
    return "".join(f"{frame / FPS - 0.001:.4f} crop@m{number} y {mouths[frame] * height};\n" for frame in changes)


def _join(encoded: Sequence[Path], truth: SampleTruth, folder: Path, progress: Progress) -> Path:
    pictures = folder / "pictures.h264"
    with pictures.open("wb") as whole:
        for one in encoded:
            whole.write(one.read_bytes())
            one.unlink()
    film = folder / FILM_NAME
    run_ffmpeg(
        [
            *("-framerate", str(FPS), "-f", "h264", "-i", str(pictures), "-i", str(_SPEECH)),
            *("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-ar", "48000"),
            *("-t", f"{truth.duration:.6f}", *_EXACT, "-metadata", f"title={truth.title}", "-movflags", "+faststart"),
            *("-bsf:v", _EVENLY, "-video_track_timescale", str(512 * FPS)),
            str(film),
        ],
        duration=truth.duration,
        progress=progress,
        deadline_seconds=_DEADLINE,
        doing="joining the sample film",
    )
    return film
