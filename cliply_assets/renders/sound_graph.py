"""What the sound of a clip goes through before it is set to its loudness: pure text, like the rest of the graph."""

from fractions import Fraction
from itertools import accumulate, pairwise

from cliply_assets.renders.time_map import TimeMap

__all__ = ["AUDIO_RATE", "CROSS_FADE_SAMPLES", "join_pieces"]

AUDIO_RATE = 48_000

CROSS_FADE_SAMPLES = 720
"""15 ms, half of it on either side of a join: long enough that no room's noise steps, too short to be heard as a fade."""


def join_pieces(shown: TimeMap) -> str:
    """The filters, with a comma at their end, that make the sound of the pieces out of the sound of all from the first to the last.

    Each join is a cross-fade around its moment, so that the whole is exactly as long as the picture and nothing drifts. Empty where
    there is one piece.
    """
    if len(shown.pieces) == 1:
        return ""
    half = CROSS_FADE_SAMPLES // 2
    rate = shown.frame_rate

    def sample(frames: int) -> int:
        return round(Fraction(frames) / rate * AUDIO_RATE)

    # Samples of the clip at which each piece begins to be heard, and behind the last one.
    ends = list(accumulate(piece.frames for piece in shown.pieces))
    joins = [
        0,
        *(sample(end) + piece.sound_shift for end, piece in zip(ends, shown.pieces[1:], strict=False)),
        sample(ends[-1]),
    ]
    count = len(shown.pieces)
    parts = []
    for number, (piece, start, (begins, until)) in enumerate(
        zip(shown.pieces, shown.starts, pairwise(joins), strict=True)
    ):
        later = sample(piece.first_frame - shown.first_frame) - sample(start)
        low = begins + later - (half if number else 0)
        high = until + later + (half if number < count - 1 else 0)
        parts.append(f"[q{number}]atrim=start_sample={low}:end_sample={high},asetpts=N[p{number}]")
    joined = "p0"
    for number in range(1, count):
        after = f"j{number}" if number < count - 1 else ""
        cross = f"[{joined}][p{number}]acrossfade=nb_samples={CROSS_FADE_SAMPLES}:curve1=qsin:curve2=qsin"
        parts.append(f"{cross}[{after}]" if after else f"{cross},asetpts=N,")
        joined = after
    split = "".join(f"[q{number}]" for number in range(count))
    return f"asplit={count}{split};{';'.join(parts)}"
