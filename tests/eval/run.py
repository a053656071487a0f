"""Measures how good the clips are, and prints one JSON document; `make eval` calls it.

    python tests/eval/run.py [--films cut,walk] [--talks podcast_bakery] [--only selection,sounds,films,words] [--work build/eval]

`selection` measures the choice of moments on written talks, `films` what `cliply clip` makes of composed films, `words` the word
times of the engine that comes with Cliply, `sounds` noise reduction and tightening on speech in known noise. Figures are stored in
`docs/quality.md` and `docs/sound.md`; nothing here passes or fails.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

import msgspec

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "bench")]

from bench_common import machine, say  # noqa: E402 - the path above leads to it
from cliply_run import clip as run_clip  # noqa: E402
from cliply_run import empty_home  # noqa: E402
from compose import compose  # noqa: E402
from films import FILMS, film_named  # noqa: E402
from footage import measure_clip  # noqa: E402
from selection import measure_selection  # noqa: E402
from sounds import measure_sounds  # noqa: E402
from truth import Sound  # noqa: E402

PARTS = ("selection", "words", "sounds", "films")
_SHORTEST, _LONGEST = 10, 30  # s


def main() -> None:
    """Measures what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", default="", help="names, comma-separated; all when left away")
    parser.add_argument("--talks", default="", help="names, comma-separated; all when left away")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts: {', '.join(PARTS)}")
    parser.add_argument("--work", type=Path, default=Path("build/eval"), help="folder for films; kept between runs")
    chosen = parser.parse_args()
    films = [film_named(name) for name in chosen.films.split(",") if name] or list(FILMS)
    parts = chosen.only.split(",")
    if chosen.films and chosen.only == ",".join(PARTS):
        parts = ["films"]
    chosen.work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    document: dict[str, Any] = {"machine": machine()}
    if "selection" in parts:
        document["selection"] = measure_selection([name for name in chosen.talks.split(",") if name])
    if "words" in parts:
        document["word_times"] = _word_times(chosen.work, [film.name for film in films if film.lines])
    if "sounds" in parts:
        document["sounds"] = measure_sounds()
    if "films" in parts:
        document["films"] = _films(chosen.work, [film.name for film in films])
        document["films_together"] = _together(document["films"])
    document["seconds"] = round(time.monotonic() - started, 1)
    print(json.dumps(document, indent=1))


def _films(work: Path, names: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with empty_home(work) as home:
        for name in names:
            say(f"film {name}")
            path, truth, sound = compose(film_named(name), work / "films")
            options = ["--clips", "1", "--min", str(_SHORTEST), "--max", str(_LONGEST)]
            if sound.segments:
                options += ["--transcript", str(_transcript(work, name, sound))]
            out = home.parent / f"out-{name}"
            done = run_clip(path, home, out, *options)
            if done.document is None or not done.document["clips"]:
                found[name] = {"failed": done.said or "no clip"}
                continue
            clips = [measure_clip(one, out, path, truth, sound) for one in done.document["clips"] if not one["problem"]]
            found[name] = {"seconds": round(done.wall_seconds, 1), "note": done.document["note"], "clips": clips}
    return found


def _transcript(work: Path, name: str, sound: Sound) -> Path:
    path = work / "films" / f"{name}-words.json"
    path.write_bytes(msgspec.json.encode(sound.transcript))
    return path


def _together(films: dict[str, Any]) -> dict[str, Any]:
    """Means over the clips that a figure applies to, and sums of what should not be there at all."""
    clips = [clip for film in films.values() for clip in film.get("clips", ())]

    def known(name: str) -> list[float]:
        return [clip[name] for clip in clips if clip.get(name) is not None]

    means = ("active_speaker_inside", "active_speaker_inside_a_crop", "empty_frames", "camera_reversals_per_s")
    means += ("camera_travel_per_s", "iou_with_good", "audio_offset_ms")
    sums = ("caption_lines_outside", "cut_in_word", "cut_in_sentence", "question_lost", "room_cut_off")
    sums += ("black_s", "frozen_s", "silent_s")
    loudness, peaks = known("loudness_lufs"), known("true_peak_dbtp")
    return {
        **{name: round(mean(values), 4) for name in means if (values := known(name))},
        **{name: round(sum(known(name)), 3) for name in sums},
        "loudness_off_target_worst": max((round(abs(level + 14.0), 2) for level in loudness), default=None),
        "true_peak_worst": max(peaks, default=None),
        "av_offset_worst_ms": max((abs(offset) for offset in known("av_offset_ms")), default=None),
        "failed": [name for name, film in films.items() if "failed" in film],
    }


def _word_times(work: Path, names: list[str]) -> dict[str, Any]:
    from words import measure_words

    return {name: measure_words(name, work / "films") for name in names}


if __name__ == "__main__":
    main()
