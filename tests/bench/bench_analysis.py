"""media_proxy, scenes, faces and audio features, as the pipeline runs them, against decoding the source and nothing else."""

import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from bench_common import (
    DEADLINE,
    Cost,
    camera_film,
    compared,
    costing,
    fresh_processes,
    interleaved,
    machine,
    options,
    print_document,
    sample_film,
    say,
)

from cliply_assets.audio.features import measure_audio
from cliply_assets.source.proxy import AUDIO, FRAMES, MOTION, TIMING, write_proxy
from cliply_assets.vision.face_tracks import track_faces
from cliply_assets.vision.scenes import find_scenes
from cliply_resources.documents import MediaProxy, Scenes, SourceMedia
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.media_tools.frames import read_frames, read_motion
from cliply_resources.media_tools.probe import probe
from cliply_resources.progress import silent
from cliply_resources.settings import get_settings
from cliply_resources.vision import open_detector

LIMIT = 1.3


def decode_once(film: Path, media: SourceMedia, folder: Path) -> MediaProxy:
    """The step media_proxy."""
    return write_proxy(film, media, folder, progress=silent, deadline_seconds=DEADLINE)


def see_scenes(folder: Path, proxy: MediaProxy) -> Scenes:
    """The step scenes."""
    motion = read_motion(folder / MOTION, proxy.motion_width, proxy.motion_height)
    found, table = find_scenes(motion, pl.read_parquet(folder / TIMING), duration=proxy.duration)
    table.write_parquet(folder / "motion.parquet")
    return found


def follow_faces(folder: Path, proxy: MediaProxy, shots: Scenes) -> int:
    """The step face_tracks."""
    detector = open_detector(get_settings())
    found, table = track_faces(read_frames(folder / FRAMES), shots, detector, frames_rate=proxy.frames_rate)
    table.write_parquet(folder / "faces.parquet")
    return found.people


def listen(folder: Path) -> int:
    """The step audio_features."""
    table = measure_audio(folder / AUDIO, progress=silent)
    table.write_parquet(folder / "audio.parquet")
    return table.height


def analyse(film: Path, media: SourceMedia, folder: Path, pool: ProcessPoolExecutor) -> dict[str, Cost]:
    """All four steps, each in a process of its own, in the order their inputs allow."""
    proxy, decoding = pool.submit(costing, decode_once, film, media, folder).result()
    sound = pool.submit(costing, listen, folder)
    shots, seeing = pool.submit(costing, see_scenes, folder, proxy).result()
    _, following = pool.submit(costing, follow_faces, folder, proxy, shots).result()
    _, listening = sound.result()
    return {"media_proxy": decoding, "scenes": seeing, "face_tracks": following, "audio_features": listening}


def measure(film: Path, repeats: int) -> dict[str, Any]:
    """The comparison on one film, and what each step of our last turn cost."""
    media = probe(film, settings=get_settings())
    steps: dict[str, Cost] = {}

    def ours() -> Cost:
        # A server and a pool of its own for each turn, so that no turn finds warmer processes than the one before.
        with TemporaryDirectory() as name, fresh_processes() as pool:
            started = time.monotonic()
            steps.update(analyse(film, media, Path(name), pool))
            wall = time.monotonic() - started
        return Cost(wall, sum(one.cpu for one in steps.values()), max(one.peak for one in steps.values()))

    def plain() -> Cost:
        finished = run_ffmpeg(
            ["-i", str(film), "-f", "null", "-"],
            duration=media.duration,
            progress=silent,
            deadline_seconds=DEADLINE,
            doing="decoding",
        )
        return Cost(finished.wall_seconds, finished.cpu_seconds, finished.peak_memory_bytes)

    costs = interleaved(repeats, plain=plain, ours=ours)
    return {
        "film_seconds": round(media.duration, 2),
        "bit_rate": media.bit_rate,
        **compared(costs["ours"], costs["plain"], limit=LIMIT),
        "steps": {
            name: {"seconds": round(one.wall, 2), "cpu_seconds": round(one.cpu, 2)} for name, one in steps.items()
        },
    }


def main() -> None:
    """Measures on both films and prints the document."""
    chosen = options(__doc__ or "")
    films = {"sample": sample_film(chosen.work)[0], "camera_like": camera_film(chosen.work)}
    results = {}
    for name, film in films.items():
        say(f"analysis of {name}")
        results[name] = measure(film, chosen.repeats)
    print_document({"bench": "analysis", "machine": machine(), "results": results})


if __name__ == "__main__":
    main()
