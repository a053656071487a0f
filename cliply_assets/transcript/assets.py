"""What is said, by the best source of text there is."""

from itertools import pairwise

from cliply_assets.pipeline import upload_asset
from cliply_assets.steps.records import UploadFacts
from cliply_assets.steps.rules import STEPS
from cliply_assets.steps.work import Check, StepResult, StepWork
from cliply_assets.transcript.sources import find_transcript
from cliply_assets.transcript.subtitles import to_srt, to_vtt
from cliply_resources.documents import MediaProxy, SourceVideo, Transcript
from cliply_resources.settings import get_settings
from cliply_resources.speech import engine_reasons

__all__ = ["transcript"]


def _which_engines(_upload: UploadFacts) -> str:
    """A new engine makes a better transcript: what could be used is part of what decides the result."""
    settings = get_settings()
    ready = [name for name, reason in engine_reasons(settings).items() if reason is None]
    return " ".join((*ready, settings.whisper_model or ""))


@upload_asset(
    STEPS["transcript"],
    group="transcript",
    kinds={"python", "speech"},
    owner="team:speech",
    pool="asr",
    checks={
        "speech_was_found": "Somebody says something; otherwise moments are chosen by the other signals.",
        "words_lie_inside_the_film": "Every word has its place in the film, in order.",
        "text_can_be_shown": "The text is good enough for captions.",
    },
    fingerprint=_which_engines,
)
def transcript(work: StepWork) -> StepResult:
    """Every word with its time, from the user's own file, the site, the film's subtitles, or a speech engine.

    Runbook: `low` quality means that only the offline engine was there; give it a Whisper model (`CLIPLY_WHISPER_MODEL`).
    """
    source = work.document("source_video", "source.json", SourceVideo)
    proxy = work.document("media_proxy", "proxy.json", MediaProxy)
    found = find_transcript(work, source, proxy)
    files = {}
    for name, text in (("transcript.srt", to_srt(found)), ("transcript.vtt", to_vtt(found))):
        files[name] = work.folder / name
        files[name].write_text(text, encoding="utf-8")
    words = found.words
    return StepResult(
        files=files,
        documents={"transcript.json": found},
        metadata={
            "engine": found.engine,
            "engine_detail": found.engine_detail,
            "language": found.language or "unknown",
            "quality": found.quality,
            "words": len(words),
            "segments": len(found.segments),
            "note": found.note,
            "begins": " ".join(word.text for word in words[:30]),
        },
        checks=_checks(found, proxy.duration),
    )


def _checks(found: Transcript, duration: float) -> tuple[Check, ...]:
    words = found.words
    astray = [w for w in words if w.start < 0 or w.end > duration + 0.5 or w.end < w.start]
    backward = sum(later.start < earlier.start for earlier, later in pairwise(words))
    return (
        Check(
            name="speech_was_found",
            passed=bool(words),
            says=f"{len(words)} words." if words else found.note or "No speech was found.",
            serious=False,
        ),
        Check(
            name="words_lie_inside_the_film",
            passed=not astray and not backward,
            says=f"{len(astray)} of {len(words)} words lie outside the film, {backward} are out of order.",
        ),
        Check(
            name="text_can_be_shown",
            passed=found.quality != "low" or not words,
            says=f"The text has {found.quality} quality ({found.engine}).",
            serious=False,
        ),
    )
