"""Where somebody speaks: Silero's voice detector over the whole file in flat memory, and the stretches that follow.

The detector's ONNX file ships inside the faster-whisper wheel. It is fed in blocks with its state carried over, which
gives exactly what one call over the whole file would give.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cliply_resources.documents import Span
from cliply_resources.progress import Progress
from cliply_resources.speech.sound import SAMPLE_RATE, as_floats, open_sound

__all__ = ["WINDOW_SECONDS", "SpeechRules", "Stretch", "find_stretches", "hear", "in_blocks", "listen"]

WINDOW = 512
"""Samples the detector judges at once."""
WINDOW_SECONDS = WINDOW / SAMPLE_RATE
CONTEXT = 64
"""Samples of the window before that the detector sees again."""
BLOCK_WINDOWS = 512
"""16 s a call: large enough to be fast, small enough to stay below 30 MB."""


@dataclass(frozen=True, kw_only=True)
class SpeechRules:
    """When speech begins and ends. The defaults gave the fewest word errors on clean talks: 35 stretches, 3 %."""

    begins_at: float = 0.5
    """Probability at which a stretch begins."""
    ends_below: float = 0.35
    """Probability under which a pause begins."""
    min_silence: float = 0.25
    """Seconds; shorter pauses stay inside a stretch."""
    pad: float = 0.15
    """Seconds kept before and after, so that no soft consonant is lost."""
    min_speech: float = 0.16
    """Seconds; what is shorter is a click or a clap, not even "no"."""
    min_certainty: float = 0.4
    """Mean probability; below it the detector itself is not convinced."""
    max_seconds: float = 20.0
    """Longer stretches are divided where speech is least likely; decoders slow down and err on longer ones."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One breath of speech with its padding."""

    span: Span
    certainty: float
    """Mean probability of speech without the padding, 0 to 1."""


def listen(audio: Path, *, progress: Progress, rules: SpeechRules | None = None) -> tuple[Stretch, ...]:
    """The stretches of `audio` in which somebody speaks, in order, not overlapping; empty for silence and music."""
    return find_stretches(hear(audio, progress), rules or SpeechRules())


def in_blocks(stretches: Sequence[Stretch], *, most_seconds: float, longest_pause: float) -> tuple[Span, ...]:
    """Spans of at most `most_seconds` that hold all stretches and leave out pauses longer than `longest_pause`.

    For engines that want more context than a breath, and cannot take four hours at once.
    """
    blocks: list[Span] = []
    for stretch in stretches:
        span = stretch.span
        if blocks and span.end - blocks[-1].start <= most_seconds and span.start - blocks[-1].end <= longest_pause:
            blocks[-1] = Span(blocks[-1].start, span.end)
        else:
            blocks.append(span)
    return tuple(blocks)


def hear(audio: Path, progress: Progress) -> NDArray[np.float32]:
    """The probability of speech in every 32 ms of `audio`, `(windows,)`; costs about 2 ms a second."""
    with open_sound(audio) as sound:
        # One array for all: small ones kept from block to block lie between the large ones that are freed, and the heap grows.
        heard = np.zeros(-(-sound.samples // WINDOW), np.float32)
        done = 0
        for part in _probabilities(sound.blocks(BLOCK_WINDOWS * WINDOW), sound.seconds, progress):
            heard[done : done + len(part)] = part
            done += len(part)
    return heard[:done]


def _probabilities(blocks: Iterator[bytes], total: float, progress: Progress) -> Iterator[NDArray[np.float32]]:
    from faster_whisper.vad import get_vad_model

    session = get_vad_model().session
    hidden = np.zeros((1, 1, 128), np.float32)
    cell = np.zeros((1, 1, 128), np.float32)
    before = np.zeros((1, CONTEXT), np.float32)
    heard = 0.0
    for block in blocks:
        samples = as_floats(block)
        heard += len(samples) / SAMPLE_RATE
        windows = np.pad(samples, (0, -len(samples) % WINDOW)).reshape(-1, WINDOW)
        context = np.concatenate([before, windows[:-1, -CONTEXT:]])
        before = windows[-1:, -CONTEXT:]
        fed = np.concatenate([context, windows], axis=1)
        output, hidden, cell = session.run(None, {"input": fed, "h": hidden, "c": cell})
        progress(heard / total, f"listening for speech, {heard:.0f} s of {total:.0f} s")
        yield np.asarray(output, np.float32).reshape(-1)


def find_stretches(probabilities: NDArray[np.float32], rules: SpeechRules) -> tuple[Stretch, ...]:
    """The stretches that a run of window probabilities amounts to, in order, not overlapping."""
    runs = [
        (first, last)
        for first, last in _runs(probabilities.tolist(), rules)
        if (last - first) * WINDOW_SECONDS >= rules.min_speech
        and float(probabilities[first:last].mean()) >= rules.min_certainty
    ]
    pieces = [piece for first, last in runs for piece in _divided(probabilities, first, last, rules)]
    pad = round(rules.pad / WINDOW_SECONDS)
    stretches = []
    for index, (first, last) in enumerate(pieces):
        # Two neighbours share the pause between them.
        low = (pieces[index - 1][1] + first + 1) // 2 if index else 0
        high = (last + pieces[index + 1][0] + 1) // 2 if index + 1 < len(pieces) else len(probabilities)
        span = Span(max(low, first - pad) * WINDOW_SECONDS, min(high, last + pad) * WINDOW_SECONDS)
        stretches.append(Stretch(span=span, certainty=float(probabilities[first:last].mean())))
    return tuple(stretches)


def _runs(probabilities: list[float], rules: SpeechRules) -> Iterator[tuple[int, int]]:
    """Windows `[first, last)` from where speech begins to where a long enough pause begins."""
    min_silence = max(1, round(rules.min_silence / WINDOW_SECONDS))
    first: int | None = None
    quiet: int | None = None
    for index, probability in enumerate(probabilities):
        if probability >= rules.begins_at:
            quiet = None
            first = index if first is None else first
        elif first is not None and probability < rules.ends_below:
            quiet = index if quiet is None else quiet
            if index - quiet >= min_silence:
                yield first, quiet
                first = quiet = None
    if first is not None:
        yield first, len(probabilities) if quiet is None else quiet


def _divided(
    probabilities: NDArray[np.float32], first: int, last: int, rules: SpeechRules
) -> Iterator[tuple[int, int]]:
    """Cuts what is too long at its least likely moment, away from the ends."""
    if (last - first) * WINDOW_SECONDS <= rules.max_seconds:
        yield first, last
        return
    quarter = (last - first) // 4
    # A single low window is a plosive; three in a row are a pause.
    smooth = np.convolve(probabilities[first:last], np.full(3, 1 / 3), mode="same")
    cut = first + quarter + int(np.argmin(smooth[quarter : len(smooth) - quarter]))
    yield from _divided(probabilities, first, cut, rules)
    yield from _divided(probabilities, cut, last, rules)
