"""How far the word times of the engine that comes with Cliply lie from those that the synthesiser decided."""

from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
from truth import SPEECH, load_sound

from cliply_assets.highlights.sentences import tokens_of
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.progress import silent
from cliply_resources.settings import get_settings
from cliply_resources.speech.chain import open_engine

__all__ = ["measure_words"]

_ENGINE = "pocketsphinx"


def measure_words(name: str, work: Path) -> dict[str, Any]:
    """Errors of the starts of the words that were recognised, in milliseconds, and the share of words that were not."""
    work.mkdir(parents=True, exist_ok=True)
    audio, sound = work / f"{name}.wav", load_sound(name)
    run_ffmpeg(
        ["-i", str(SPEECH / f"{name}.opus"), "-ac", "1", "-ar", "16000", "-c:a", "pcm_s16le", str(audio)],
        duration=sound.duration,
        progress=silent,
        deadline_seconds=60,
        doing="reading speech",
    )
    heard = open_engine(_ENGINE, get_settings()).transcribe(audio, language="en", progress=silent)
    true = [
        (token, word.start) for segment in sound.segments for word in segment.words for token in tokens_of(word.text)
    ]
    ours = [(token, word.start) for word in heard.words for token in tokens_of(word.text)]
    matcher = SequenceMatcher(a=[token for token, _ in true], b=[token for token, _ in ours], autojunk=False)
    errors = np.array(
        [
            1000 * abs(true[block.a + place][1] - ours[block.b + place][1])
            for block in matcher.get_matching_blocks()
            for place in range(block.size)
        ]
    )
    return {
        "words": len(true),
        "not_recognised": round(1 - len(errors) / max(1, len(true)), 3),
        "start_error_median_ms": round(float(np.median(errors)), 1) if len(errors) else None,
        "start_error_p95_ms": round(float(np.percentile(errors, 95)), 1) if len(errors) else None,
    }
