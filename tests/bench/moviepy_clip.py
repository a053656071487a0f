"""Makes the clip that `plan.json` describes with MoviePy 2; runs in an environment of its own, without Cliply.

python moviepy_clip.py plan.json out.mp4
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from moviepy import CompositeVideoClip, TextClip, VideoFileClip, afx


def follow(plan: dict[str, Any]) -> Any:
    """The window of each output frame, cut out of the source."""
    windows, rate = plan["windows"], plan["rate"]

    def frame(get_frame: Any, at: float) -> np.ndarray:
        left, top, width, height = windows[min(int(at * rate + 0.5), len(windows) - 1)]
        return np.asarray(get_frame(at)[top : top + height, left : left + width])

    return frame


def main() -> None:
    """Crop along the track, one caption a word, the sound at its highest level without clipping."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    size = (plan["width"], plan["height"])
    with VideoFileClip(plan["source"]) as film:
        span = film.subclipped(plan["start"], plan["end"])
        picture = span.transform(follow(plan)).resized(size)
        words = [
            TextClip(
                text=word["text"],
                font=plan["font"],
                font_size=88,
                color="white",
                stroke_color="black",
                stroke_width=6,
                margin=(12, 12),
            )
            .with_start(word["start"])
            .with_end(word["end"])
            .with_position(("center", 0.7), relative=True)
            for word in plan["words"]
        ]
        clip = CompositeVideoClip([picture, *words], size=size).with_duration(plan["end"] - plan["start"])
        clip = clip.with_audio(span.audio.with_effects([afx.AudioNormalize()]))
        clip.write_videofile(
            sys.argv[2],
            fps=plan["rate"],
            codec="libx264",
            preset=plan["preset"],
            threads=plan["threads"],
            ffmpeg_params=["-crf", plan["crf"], "-pix_fmt", "yuv420p"],
            audio_codec="aac",
            temp_audiofile_path=str(Path(sys.argv[2]).parent),
            logger=None,
        )


if __name__ == "__main__":
    main()
