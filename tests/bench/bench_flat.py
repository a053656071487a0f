"""Memory of the analysis over long inputs: what a step's own process holds after each quarter, in several fresh processes.

A heap that grows shows in some runs only, so each step is run more than once. The inputs are made here and decode nothing.
"""

import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from bench_common import fresh_processes, machine, options, print_document, say
from numpy.typing import NDArray

from cliply_assets.audio.features import measure_audio
from cliply_assets.vision.face_tracks import track_faces
from cliply_assets.vision.scenes import find_scenes
from cliply_resources.documents import Scenes, Span
from cliply_resources.progress import Progress
from cliply_resources.settings import Settings
from cliply_resources.speech.listening import hear
from cliply_resources.vision import open_detector

LIMIT_MB = 40.0
"""What a step may hold at the end beyond what it held after a quarter, where its results themselves are small."""

Pictures = NDArray[np.uint8]
_RATE, _FPS, _FRAMES_RATE = 16_000, 30, 2.0
_SHOT = 9.0  # s


def listening(minutes: float, folder: Path, progress: Progress) -> None:
    """The speech detector of the transcript step."""
    hear(_sound(minutes, folder), progress)


def features(minutes: float, folder: Path, progress: Progress) -> None:
    """The step audio_features."""
    measure_audio(_sound(minutes, folder), progress=progress)


def scenes(minutes: float, folder: Path, progress: Progress) -> None:
    """The step scenes."""
    frames = round(minutes * 60 * _FPS)
    timing = pl.DataFrame({"time": np.arange(frames) / _FPS, "cut_score": np.zeros(frames, np.float32)})
    find_scenes(_film(frames, _FPS, (36, 64)), timing, duration=minutes * 60, progress=progress)


def faces(minutes: float, folder: Path, progress: Progress) -> None:
    """The step face_tracks, on a portrait that moves; a shot every nine seconds."""
    edges = np.arange(0, minutes * 60, _SHOT).tolist()
    shots = tuple(Span(start, min(start + _SHOT, minutes * 60)) for start in edges)
    pictures = enumerate(_film(round(minutes * 60 * _FRAMES_RATE), int(_FRAMES_RATE), (360, 640)))
    track_faces(
        ((number / _FRAMES_RATE, picture) for number, picture in pictures),
        Scenes(shots=shots, detector="known"),
        open_detector(Settings()),
        frames_rate=_FRAMES_RATE,
        progress=progress,
    )


def _sound(minutes: float, folder: Path) -> Path:
    path = folder / "audio.wav"
    noise = np.random.default_rng(1).normal(0, 800, 60 * _RATE)
    # Too slow for a beat, for which librosa would be loaded: a hundred megabytes, however long the film.
    swell = np.abs(np.sin(np.arange(60 * _RATE) * (np.pi * 0.3 / _RATE)))
    minute = (noise * swell).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        for _ in range(round(minutes)):
            out.writeframes(minute)
    return path


def _film(frames: int, rate: int, size: tuple[int, int]) -> Iterator[Pictures]:
    """A portrait before a wall of another colour in each shot, moving, with grain; every picture is its own memory."""
    import cv2
    from skimage import data

    height, width = size
    portrait = cv2.resize(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR), (height * 8 // 10, height * 8 // 10))
    side = portrait.shape[0]
    random = np.random.default_rng(2)
    for number in range(frames):
        shot = int(number / rate / _SHOT)
        wall = np.random.default_rng(shot).integers(40, 200, 3)
        picture = random.integers(-8, 9, (height, width, 3)) + wall
        left = round((width - side) / 2 * (1 + np.sin(number / rate)))
        picture[height - side :, left : left + side] = portrait
        yield np.clip(picture, 0, 255).astype(np.uint8)


def anonymous_mb() -> float:
    """What this process holds beyond files, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024, 1)


def quarters(step: Callable[[float, Path, Progress], None], minutes: float) -> list[float]:
    """Memory after each quarter of a step."""
    held: list[float] = []

    def note(done: float, _doing: str) -> None:
        if done >= 0.24 * (len(held) + 1) and len(held) < 4:
            held.append(anonymous_mb())

    with TemporaryDirectory() as name:
        step(minutes, Path(name), note)
    return held


def main() -> None:
    """Measures and prints the document."""
    steps = {
        "listening": (listening, 180.0),
        "features": (features, 180.0),
        "scenes": (scenes, 60.0),
        "faces": (faces, 20.0),
    }
    chosen = options(
        __doc__ or "",
        only=(str, ",".join(steps), "which steps, comma-separated"),
        share=(float, 1.0, "how much of the usual length"),
    )
    results: dict[str, Any] = {}
    for name in chosen.only.split(","):
        step, minutes = steps[name][0], steps[name][1] * chosen.share
        runs = []
        for turn in range(chosen.repeats):
            say(f"  {turn + 1}/{chosen.repeats} {name} over {minutes:g} minutes")
            with fresh_processes() as pool:
                runs.append(pool.submit(quarters, step, minutes).result())
        grown = max(run[-1] - run[0] for run in runs)
        results[name] = {"minutes": minutes, "mb_after_each_quarter": runs, "most_grown_mb": round(grown, 1)}
        results[name]["within_limit"] = grown <= LIMIT_MB
    print_document({"bench": "flat", "machine": machine(), "limit_mb": LIMIT_MB, "results": results})


if __name__ == "__main__":
    main()
