"""The same clip by Cliply and by MoviePy 2: a crop that follows the face, captions word by word, levelled sound.

MoviePy gets the camera path and the word times that Cliply worked out, and is measured from the start of its process to its
end; Cliply's turn plans the clip, renders it and corrects its loudness. It is installed by uv into a folder beside the films;
without uv or the package index the document says why nothing was measured.
"""

import json
import shutil
import time
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench_common import DEADLINE, Cost, compared, interleaved, machine, options, print_document, sample_film, say
from bench_render import SECONDS, material, story

from cliply_assets.renders.fonts import bundled_faces
from cliply_assets.renders.making import plan_render
from cliply_assets.renders.render import render_clip
from cliply_resources.documents import CameraMove, ClipSettings, RenderSpec
from cliply_resources.errors import ToolMissing
from cliply_resources.media_tools.process import run
from cliply_resources.progress import silent

WALL_TIMES, CPU_TIMES = 5.0, 3.5
"""So many times as long should MoviePy take."""

_MOVIEPY = "moviepy==2.2.1"
_INSTALLING = 300.0


def moviepy_python(work: Path) -> Path:
    """The interpreter of an environment that has MoviePy.

    Raises:
        ToolMissing: there is no uv, or it could not install.
    """
    folder = work.resolve() / "moviepy"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    uv = shutil.which("uv")
    if uv is None:
        raise ToolMissing("MoviePy was not measured: uv, which would install it, is not on the PATH.")
    say(f"installing {_MOVIEPY}")
    for command in (
        [uv, "venv", "--clear", "--python", "3.11", str(folder)],
        [uv, "pip", "install", "--compile-bytecode", "--python", str(python), _MOVIEPY],
    ):
        done = run(command, deadline_seconds=_INSTALLING)
        if done.returncode != 0:
            raise ToolMissing(f"MoviePy was not measured: it could not be installed ({done.stderr.strip()[-300:]}).")
    (folder / "ready").touch()
    return python


def windows_of(spec: RenderSpec) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height in the source for every frame; where more than a crop is shown, the middle of the picture."""
    middle = round(spec.source_height * spec.width / spec.height / 2) * 2
    found: list[tuple[int, int, int, int]] = []
    for move in spec.camera:
        for frame in range(move.frames):
            if move.layout == "crop":
                found.append((_at(move.x, frame), _at(move.y, frame), move.width, move.height))
            else:
                found.append(((spec.source_width - middle) // 2, 0, middle, spec.source_height))
    return found


def _at(path: tuple[int, ...], frame: int) -> int:
    return path[frame if len(path) > 1 else 0]


def plan_of(spec: RenderSpec, film: Path) -> dict[str, Any]:
    """What `moviepy_clip.py` reads."""
    return {
        "source": str(film.resolve()),
        "start": spec.span.start,
        "end": spec.span.end,
        "rate": float(Fraction(spec.frame_rate)),
        "width": spec.width,
        "height": spec.height,
        "windows": windows_of(spec),
        "words": [{"text": word.text, "start": word.start, "end": word.end} for word in spec.captions.words],
        "font": str(bundled_faces()[0].path.resolve()),
        "preset": spec.settings["preset"],
        "crf": spec.settings["crf"],
        "threads": int(spec.settings["threads"]),
    }


def panning(spec: RenderSpec) -> int:
    """Frames in which the camera moves."""
    moving: list[CameraMove] = [move for move in spec.camera if len(move.x) > 1 or len(move.y) > 1]
    return sum(move.frames for move in moving)


def main() -> None:
    """Measures and prints the document."""
    chosen = options(__doc__ or "", repeats=2)
    try:
        python = moviepy_python(chosen.work)
    except ToolMissing as error:
        print_document({"bench": "moviepy", "machine": machine(), "skipped": str(error)})
        return
    film, truth = sample_film(chosen.work)
    with TemporaryDirectory(dir=chosen.work) as name:
        folder = Path(name).resolve()
        say("analysing the sample once")
        stuff, candidate = material(film, truth, folder), story(truth)
        made: dict[str, Any] = {}

        def ours() -> Cost:
            started, before = time.monotonic(), time.process_time()
            spec = plan_render(stuff, candidate, ClipSettings(), deadline_seconds=DEADLINE)
            done = render_clip(spec, film, folder / "ours", progress=silent, deadline_seconds=DEADLINE)
            made.update(spec=spec, bytes=done.size_bytes)
            return Cost(time.monotonic() - started, time.process_time() - before + done.cpu_seconds, 0)

        def moviepy() -> Cost:
            plan = folder / "plan.json"
            plan.write_text(json.dumps(plan_of(made["spec"], film)), encoding="utf-8")
            script = Path(__file__).with_name("moviepy_clip.py")
            out = folder / "moviepy.mp4"
            done = run([str(python), str(script), str(plan), str(out)], deadline_seconds=DEADLINE, cwd=folder)
            if done.returncode != 0:
                raise SystemExit(f"MoviePy failed: {done.stderr[-1500:]}")
            return Cost(done.wall_seconds, done.cpu_seconds, done.peak_memory_bytes)

        costs = interleaved(chosen.repeats, ours=ours, moviepy=moviepy)
        measured = compared(costs["moviepy"], costs["ours"], limit=WALL_TIMES)
        shutil.copy(folder / "moviepy.mp4", chosen.work / "moviepy.mp4")
        spec = made["spec"]
        print_document(
            {
                "bench": "moviepy",
                "machine": machine(),
                "moviepy": _MOVIEPY,
                "clip_seconds": SECONDS,
                "preset": spec.settings["preset"],
                "frames_with_a_moving_camera": panning(spec),
                "caption_words": len(spec.captions.words),
                "cliply_seconds": measured["plain_seconds"],
                "moviepy_seconds": measured["ours_seconds"],
                "cliply_cpu_seconds": measured["plain_cpu_seconds"],
                "moviepy_cpu_seconds": measured["ours_cpu_seconds"],
                "times_as_long": measured["wall_ratio"],
                "times_the_cpu": measured["cpu_ratio"],
                "wanted": {"times_as_long": WALL_TIMES, "times_the_cpu": CPU_TIMES},
                "reached": measured["wall_ratio"] >= WALL_TIMES and measured["cpu_ratio"] >= CPU_TIMES,
                "cliply_bytes": made["bytes"],
                "moviepy_bytes": (folder / "moviepy.mp4").stat().st_size,
            }
        )


if __name__ == "__main__":
    main()
