"""Plans the camera over whole composed films and measures it: minutes less than rendering clips, and every second of the film counts.

python tests/eval/framing.py [--films side_by_side,screen] [--layouts speaker,auto] [--aspects 9:16,1:1] [--work build/eval]
"""

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "bench")]

from compose import compose  # noqa: E402 - the path above leads to it
from films import FILMS, film_named  # noqa: E402
from footage import measure_framing  # noqa: E402
from truth import FPS, Sound  # noqa: E402

from cliply_assets.renders.layouts import plan_layouts  # noqa: E402
from cliply_assets.renders.picture_samples import sample_picture  # noqa: E402
from cliply_assets.source.proxy import FRAMES, MOTION, TIMING, write_proxy  # noqa: E402
from cliply_assets.vision.face_tracks import track_faces  # noqa: E402
from cliply_assets.vision.scenes import find_scenes  # noqa: E402
from cliply_resources.documents import MediaProxy, Scenes, Span  # noqa: E402
from cliply_resources.documents.clips import ASPECTS  # noqa: E402
from cliply_resources.media_tools.frames import read_frames, read_motion  # noqa: E402
from cliply_resources.media_tools.probe import probe  # noqa: E402
from cliply_resources.progress import silent  # noqa: E402
from cliply_resources.settings import Settings  # noqa: E402
from cliply_resources.vision import open_detector  # noqa: E402

if TYPE_CHECKING:
    import polars as pl

__all__ = ["look", "measure_layouts"]


def look(film: Path, work: Path) -> "tuple[Scenes, pl.DataFrame]":
    """Cuts and faces of a film as the pipeline finds them; kept beside it."""
    import polars as pl

    folder = work / f"look-{film.stem}"
    scenes_file, faces_file = folder / "scenes.json", folder / "faces.parquet"
    if not faces_file.exists():
        proxy: MediaProxy = write_proxy(
            film, probe(film, settings=Settings()), folder, progress=silent, deadline_seconds=600
        )
        timing = pl.read_parquet(folder / TIMING)
        motion = read_motion(folder / MOTION, proxy.motion_width, proxy.motion_height)
        scenes, _ = find_scenes(motion, timing, duration=proxy.duration, progress=silent)
        _, faces = track_faces(
            read_frames(folder / FRAMES),
            scenes,
            open_detector(Settings()),
            frames_rate=proxy.frames_rate,
            progress=silent,
        )
        scenes_file.write_bytes(msgspec.json.encode(scenes))
        faces.write_parquet(faces_file)
    return msgspec.json.decode(scenes_file.read_bytes(), type=Scenes), pl.read_parquet(faces_file)


def measure_layouts(name: str, work: Path, layouts: list[str], aspects: list[str]) -> dict[str, Any]:
    """Figures by aspect ratio and layout, over the whole film."""
    path, truth, sound = compose(film_named(name), work / "films")
    scenes, faces = look(path, work)
    media = probe(path, settings=Settings())
    size = (media.video.width, media.video.height)
    span = Span(0.0, (truth.frames - 2) / FPS)
    samples = sample_picture(path, span, source_size=size, deadline_seconds=300)
    found: dict[str, Any] = {}
    for aspect in aspects:
        for layout in layouts:
            camera = plan_layouts(
                faces,
                scenes,
                span,
                samples=samples,
                layout=layout,  # type: ignore[arg-type]  # a name from the command line
                source_size=size,
                aspect_size=ASPECTS[aspect],
                frame_rate=Fraction(FPS),
                frames=truth.frames - 2,
                speech=_speech(sound),
            )
            found[f"{aspect} {layout}"] = measure_framing(camera, size, span, float(FPS), truth, sound)
    return found


def _speech(sound: Sound) -> list[Span]:
    return [Span(one.start, one.end) for one in sound.segments]


def main() -> None:
    """Measures what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", default=",".join(film.name for film in FILMS))
    parser.add_argument("--layouts", default="speaker,auto")
    parser.add_argument("--aspects", default="9:16")
    parser.add_argument("--work", type=Path, default=Path("build/eval"))
    chosen = parser.parse_args()
    figures = {
        name: measure_layouts(name, chosen.work, chosen.layouts.split(","), chosen.aspects.split(","))
        for name in chosen.films.split(",")
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
