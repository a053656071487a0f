"""One captioned, tracked, normalised clip of 30 s against a plain crop, scale and x264 of the same span and preset."""

import hashlib
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from bench_analysis import decode_once, follow_faces, see_scenes
from bench_common import (
    DEADLINE,
    Cost,
    compared,
    interleaved,
    machine,
    options,
    print_document,
    sample_film,
    say,
)

from cliply_assets.renders.making import Material, plan_render
from cliply_assets.renders.render import render_clip
from cliply_assets.sample import SampleTruth
from cliply_resources.documents import Candidate, ClipSettings, RenderSpec, SourceVideo
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.media_tools.probe import probe
from cliply_resources.progress import silent
from cliply_resources.settings import get_settings

LIMIT = 1.15
SECONDS = 30.0


def story(truth: SampleTruth) -> Candidate:
    """30 s from the start of the sample's best story: cuts, a walk, a close shot and words all along."""
    start = next(passage.span.start for passage in truth.passages if passage.name == "hammers")
    return Candidate(
        start=start,
        end=start + SECONDS,
        score=90.0,
        subscores={},
        title="One hammer was missing",
        description="",
        hashtags=(),
        reasons=(),
    )


def material(film: Path, truth: SampleTruth, folder: Path) -> Material:
    """What the analysis of the film gives the renderer; the transcript is the truth."""
    media = probe(film, settings=get_settings())
    with film.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    proxy = decode_once(film, media, folder)
    shots = see_scenes(folder, proxy)
    follow_faces(folder, proxy, shots)
    return Material(
        source=SourceVideo(sha256=digest, title=truth.title, media=media),
        path=film,
        name=film.name,
        transcript=truth.transcript,
        scenes=shots,
        faces=pl.read_parquet(folder / "faces.parquet"),
        detector="bench",
    )


def plain_arguments(spec: RenderSpec, film: Path, out: Path) -> list[str]:
    """The same span, size, encoder settings and threads, with a window that rests and nothing else."""
    width = round(spec.source_height * spec.width / spec.height / 2) * 2
    settings = spec.settings
    return [
        *("-threads", settings["threads"], "-ss", str(spec.span.start), "-t", str(spec.span.duration), "-i", str(film)),
        *("-filter_complex_threads", "1", "-vf", f"crop={width}:{spec.source_height},scale={spec.width}:{spec.height}"),
        *("-c:v", settings["encoder"], "-preset", settings["preset"], "-crf", settings["crf"]),
        *("-x264-params", settings["x264_params"], "-profile:v", settings["profile"], "-pix_fmt", "yuv420p"),
        *("-threads:v", settings["threads"], "-c:a", "aac", "-b:a", settings["audio_bit_rate"], str(out)),
    ]


def main() -> None:
    """Measures and prints the document."""
    chosen = options(__doc__ or "")
    film, truth = sample_film(chosen.work)
    with TemporaryDirectory() as name:
        folder = Path(name)
        say("analysing the sample once")
        stuff, candidate = material(film, truth, folder), story(truth)
        rendered = {}

        def ours() -> Cost:
            started = time.monotonic()
            spec = plan_render(stuff, candidate, ClipSettings(), deadline_seconds=DEADLINE)
            planned = time.monotonic() - started
            done = render_clip(spec, film, folder / "ours", progress=silent, deadline_seconds=DEADLINE)
            rendered.update(spec=spec, clip=done, planning_seconds=round(planned, 2))
            return Cost(time.monotonic() - started, done.cpu_seconds, 0)

        def plain() -> Cost:
            finished = run_ffmpeg(
                plain_arguments(rendered["spec"], film, folder / "plain.mp4"),
                duration=SECONDS,
                progress=silent,
                deadline_seconds=DEADLINE,
                doing="rendering plainly",
            )
            return Cost(finished.wall_seconds, finished.cpu_seconds, finished.peak_memory_bytes)

        costs = interleaved(chosen.repeats, ours=ours, plain=plain)
        spec, clip = rendered["spec"], rendered["clip"]
        print_document(
            {
                "bench": "render",
                "machine": machine(),
                "clip_seconds": SECONDS,
                "preset": spec.settings["preset"],
                "camera_moves": len(spec.camera),
                "caption_words": len(spec.captions.words),
                "loudness_lufs": clip.integrated_lufs,
                "planning_seconds": rendered["planning_seconds"],
                "ours_bytes": clip.size_bytes,
                "plain_bytes": (folder / "plain.mp4").stat().st_size,
                **compared(costs["ours"], costs["plain"], limit=LIMIT),
            }
        )


if __name__ == "__main__":
    main()
