"""What the sound of a clip goes through: pure text, like the rest of the graph.

Noise is reduced first, while the sound is whole; then pieces are joined, music is laid under, and the loudness is set and limited.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from cliply_assets.renders.brand_graph import outro_sound
from cliply_assets.renders.music import music_under
from cliply_assets.renders.time_map import TimeMap, time_map
from cliply_resources.documents import RenderSpec
from cliply_resources.documents.sound import NoiseReduction

__all__ = [
    "AUDIO_RATE",
    "CROSS_FADE_SAMPLES",
    "SoundCorrection",
    "heard_through",
    "join_pieces",
    "noise_filter",
    "whole_sound",
]

AUDIO_RATE = 48_000

CROSS_FADE_SAMPLES = 720
"""15 ms, half of it on either side of a join: long enough that no room's noise steps, too short to be heard as a fade."""


# The limiter looks at samples; oversampled four times it catches the peaks between them. What AAC then adds back
# stays within this headroom below -1.5 dBTP for speech and music; where it does not, the correction pass lowers it.
LIMIT_DBFS = -2.0
_EDGE_FADE = 0.008  # s; a cut in the middle of a wave clicks, and a fade this short is not heard
_NOISE_DELAY = AUDIO_RATE // 40  # samples; measured by a test
_STEREO = "aformat=sample_fmts=fltp:channel_layouts=stereo,"


@dataclass(frozen=True)
class SoundCorrection:
    """What a first rendering measured too much or too little."""

    gain_db: float = 0.0
    limit_db: float = 0.0
    outro_gain_db: float = 0.0
    outro_limit_db: float = 0.0


def whole_sound(spec: RenderSpec, skipped_seconds: Fraction, correction: SoundCorrection, next_input: int) -> str:
    """The clip's sound and, where there is one, the outro's, together exactly as long as the picture.

    `skipped_seconds` of what is read lie before the clip. Outro and music are the inputs from `next_input` on, in this order.
    """
    outro = spec.brand.outro if spec.brand else None
    sound = _sound(spec, skipped_seconds, correction, next_input + (1 if outro is not None else 0))
    if outro is None:
        return sound
    until = [_samples(spec, frames) for frames in (spec.frames, spec.total_frames)]
    after = outro_sound(
        outro,
        next_input,
        samples=until[1] - until[0],
        gain_db=correction.outro_gain_db,
        limit=10 ** ((LIMIT_DBFS + correction.outro_limit_db) / 20),
        rate=AUDIO_RATE,
    )
    # Silence that we generate has another sample format than what was filtered.
    return (
        f"{sound},aformat=sample_fmts=fltp:channel_layouts=stereo[said];{after}[after];[said][after]concat=n=2:v=0:a=1"
    )


def _samples(spec: RenderSpec, frames: int) -> int:
    return round(Fraction(frames) / Fraction(spec.frame_rate) * AUDIO_RATE)


def _sound(spec: RenderSpec, skipped_seconds: Fraction, correction: SoundCorrection, music_input: int) -> str:
    samples = _samples(spec, spec.frames)
    if spec.audio_stream is None and not spec.music:
        # Some platforms refuse a video without a sound track, so silence is written.
        return f"anullsrc=r={AUDIO_RATE}:cl=stereo,atrim=end_sample={samples}"
    gain = spec.loudness.gain_db if spec.loudness else 0.0
    source = _source_sound(spec, skipped_seconds)
    if spec.music:
        under = music_under(spec.music, music_input, samples=samples, rate=AUDIO_RATE)
        # The correction is for both together, so that they keep their distance.
        source = (
            f"{source}volume={gain:.2f}dB,aformat=sample_fmts=fltp[spoken];{under}[under];"
            "[spoken][under]amix=inputs=2:duration=first:normalize=0,asetpts=N,"
        )
        gain = 0.0
    limit = 10 ** ((LIMIT_DBFS + correction.limit_db) / 20)
    seconds = samples / AUDIO_RATE
    fade = min(_EDGE_FADE, seconds / 4)
    return (
        f"{source}volume={gain + correction.gain_db:.2f}dB,aresample={4 * AUDIO_RATE},"
        f"alimiter=limit={limit:.6f}:level=disabled:latency=1,aresample={AUDIO_RATE},atrim=end_sample={samples},"
        f"afade=t=in:d={fade:.4f},afade=t=out:st={seconds - fade:.4f}:d={fade:.4f},aformat=sample_fmts=fltp"
    )


def _source_sound(spec: RenderSpec, skipped_seconds: Fraction) -> str:
    """What is kept of the source's sound, or silence as long, with a comma at its end."""
    if spec.audio_stream is None:
        return f"anullsrc=r={AUDIO_RATE}:cl=stereo,atrim=end_sample={_samples(spec, spec.frames)},"
    shown = time_map(spec)
    first, heard = round(skipped_seconds * AUDIO_RATE), _samples(spec, shown.source_frames)
    return (
        # `async=1` fills holes in the sound with silence, `first_pts=0` one before its beginning.
        f"[0:{spec.audio_stream}]aresample={AUDIO_RATE}:async=1:first_pts=0,"
        f"{_STEREO}{noise_filter(spec.noise or None)}apad=whole_len={first + heard},"
        f"atrim=start_sample={first}:end_sample={first + heard},asetpts=N,{join_pieces(shown)}"
    )


def noise_filter(noise: NoiseReduction | None) -> str:
    """The filter that makes a steady noise softer, with a comma at its end; empty where none is to be. It delays nothing."""
    if noise is None:
        return ""
    bands = "|".join(map(str, noise.bands))
    filtered = f"afftdn=noise_reduction={noise.reduction_db:.1f}:noise_floor={noise.floor_db:.1f}:noise_type=custom:band_noise={bands}"
    # The filter's window delays its output, which is undone here. Rumble below any voice goes first: it is most of a room's noise.
    return f"highpass=f=70,apad=pad_len={_NOISE_DELAY},{filtered},atrim=start_sample={_NOISE_DELAY},asetpts=N,"


def heard_through(shown: TimeMap | None, noise: NoiseReduction | None, seconds: float) -> str:
    """What the sound of a span of so many seconds goes through before its loudness is measured; empty where it stays as it is."""
    if shown is None and noise is None:
        return ""
    samples = round(seconds * AUDIO_RATE)
    joined = join_pieces(shown) if shown is not None else ""
    return (
        f"aresample={AUDIO_RATE}:async=1:first_pts=0,{_STEREO}{noise_filter(noise)}apad=whole_len={samples},"
        f"atrim=end_sample={samples},asetpts=N,{joined}"
    )


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
