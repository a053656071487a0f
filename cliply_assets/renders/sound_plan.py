"""What is done to the sound of one version of a clip: what is taken out of it, whether its noise is reduced, and how loud it is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cliply_assets.audio.noise import judge_reduction, measure_noise, needs_nothing, propose_reduction
from cliply_assets.audio.quiet import find_silences
from cliply_assets.renders.sound_graph import AUDIO_RATE, heard_through, noise_filter
from cliply_assets.renders.spec import ClipGrid, plan_loudness
from cliply_assets.renders.tighten import LEVELS, kept_pieces, lively_spans
from cliply_assets.renders.time_map import TimeMap
from cliply_resources.documents import ClipSettings, Loudness, Span, Transcript
from cliply_resources.documents.clips import KeptPiece
from cliply_resources.documents.sound import NoiseDecision, NoiseReduction
from cliply_resources.media_tools.loudness import measure_loudness
from cliply_resources.media_tools.sound import SOUND_RATE, read_sound

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["NO_SOUND", "Listening", "SoundPlan", "plan_sound"]


@dataclass(frozen=True, kw_only=True)
class SoundPlan:
    """What was decided about a clip's sound."""

    pieces: tuple[KeptPiece, ...] = ()
    """What stays; nothing where that is all of it."""
    noise: NoiseReduction | None = None
    decision: NoiseDecision | None = None
    """Why noise is reduced or not; nothing where nobody asked."""
    loudness: Loudness | None = None


NO_SOUND = SoundPlan()


@dataclass(frozen=True, kw_only=True)
class Listening:
    """The sound that is planned for: a source with a sound track, a clip's place in it, and what is known of it."""

    path: Path
    grid: ClipGrid
    transcript: Transcript
    shots: Sequence[float]
    """When the picture cuts, in seconds of the source."""
    heard: "pl.DataFrame | None"
    """The table of `audio_features`; without it nothing is known to be laughter, applause or music."""
    deadline_seconds: float

    @property
    def span(self) -> Span:
        """The clip's, in seconds of the source."""
        return self.grid.span

    @property
    def spoken(self) -> list[Span]:
        """The words, in seconds from the clip's start."""
        start, length = self.span.start, self.grid.duration
        return [
            Span(word.start - start, word.end - start)
            for word in self.transcript.words
            if word.start < word.end and word.end > start and word.start < start + length
        ]

    def sound(self, through: str = "", rate: int = SOUND_RATE) -> "NDArray[np.float32]":
        """Of the clip's span, in mono."""
        return read_sound(
            self.path,
            start=self.span.start,
            duration=self.grid.duration,
            deadline_seconds=self.deadline_seconds,
            rate=rate,
            through=through,
        )


def plan_sound(listening: Listening, settings: ClipSettings) -> SoundPlan:
    """Decides it from what is measured in the clip's own span; what the settings switch off is not even looked at.

    Raises MediaError, StepFailed and DeadlineExceeded as every use of ffmpeg.
    """
    rules, spoken = LEVELS.get(settings.tighten or "off"), listening.spoken
    wants_quiet = settings.denoise != "off"
    sound = listening.sound() if spoken and (rules or wants_quiet) else None
    pieces: tuple[KeptPiece, ...] = ()
    if rules is not None and sound is not None:
        quiet = _from(listening.span.start, find_silences(sound, SOUND_RATE, spoken))
        said = listening.transcript
        pieces = kept_pieces(
            listening.grid,
            said.words,
            quiet,
            rules,
            language=said.language,
            # Words that were guessed, or whose place was, are no reason to take sound away.
            fillers=said.quality != "low" and said.word_times == "measured",
            keep=lively_spans(listening.heard) if listening.heard is not None else (),
            shots=listening.shots,
        )
    noise, decision = _noise(listening, sound) if wants_quiet else (None, None)
    shown = pieces if len(pieces) > 1 else ()
    grid = listening.grid
    level = measure_loudness(
        listening.path,
        start=grid.span.start,
        duration=grid.duration,
        deadline_seconds=listening.deadline_seconds,
        through=heard_through(TimeMap(grid.frame_rate, shown) if shown else None, noise, grid.duration),
    )
    loudness = plan_loudness(*level) if level is not None else None
    return SoundPlan(pieces=shown, noise=noise, decision=decision, loudness=loudness)


def _from(start: float, spans: Sequence[Span]) -> list[Span]:
    return [Span(one.start + start, one.end + start) for one in spans]


def _noise(
    listening: Listening, sound: "NDArray[np.float32] | None"
) -> tuple[NoiseReduction | None, NoiseDecision | None]:
    """Tries the reduction on the clip's own sound, and keeps it where that helps."""
    if sound is None:
        return None, NoiseDecision(applied=False, says="Nobody speaks here, so nothing is known to be noise.")
    spoken = listening.spoken
    before = measure_noise(sound, SOUND_RATE, spoken)
    decided = needs_nothing(before)
    if decided is not None or before is None:
        return None, decided
    proposed = propose_reduction(listening.sound(rate=AUDIO_RATE), AUDIO_RATE, spoken, before.snr_db)
    if proposed is None:
        return None, needs_nothing(None)
    after = measure_noise(listening.sound(noise_filter(proposed)), SOUND_RATE, spoken)
    decision = judge_reduction(before, after)
    return (proposed if decision.applied else None), decision
