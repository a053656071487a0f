"""Music under a clip: how loud it is and when it makes room, and the filters that do so. Pure, like the rest of the graph."""

from collections.abc import Sequence

from cliply_resources.documents import Span, Word
from cliply_resources.documents.sound import MusicFile, MusicPlan

__all__ = ["ducking", "music_under", "plan_music", "said_spans"]

_BED_LUFS = -22.0
"""Where nobody speaks, beside speech at -14: there, and behind."""
_ALONE_LUFS = -14.0
"""Where the music is all there is to hear."""
_DUCK_DB = 12.0
"""So that speech stands 20 LU above it, which keeps words easy to follow."""

_SAME_BREATH = 1.2  # s; music that came up in a shorter pause would pump
_MAKES_ROOM, _COMES_BACK = 0.3, 0.7  # s; before the first word, and after the last
_FADE_IN, _FADE_OUT = 0.8, 1.5  # s
_STEP = 240  # samples, 5 ms: the level changes by less than 0.3 dB at once, which is no step to an ear


def said_spans(words: Sequence[Word]) -> tuple[Span, ...]:
    """When somebody speaks; a pause that is shorter than a breath and a half belongs to it."""
    spans: list[Span] = []
    for word in words:
        if spans and word.start - spans[-1].end < _SAME_BREATH:
            spans[-1] = Span(spans[-1].start, max(spans[-1].end, word.end))
        elif word.start < word.end:
            spans.append(Span(word.start, word.end))
    return tuple(spans)


def plan_music(file: MusicFile, words: Sequence[Word], *, is_alone: bool) -> MusicPlan:
    """The music under a clip in which `words` are said (seconds of the clip); `is_alone` where nothing else is heard."""
    level = _ALONE_LUFS if is_alone else _BED_LUFS
    said = () if is_alone else said_spans(words)
    return MusicPlan(
        sha256=file.sha256, gain_db=round(level - file.integrated_lufs, 2), duck_db=_DUCK_DB if said else 0.0, said=said
    )


def ducking(plan: MusicPlan) -> str:
    """The gain in the course of the clip (`t` seconds), as an expression of ffmpeg: 1 where nobody speaks."""
    if not plan.said:
        return "1"
    rooms = "+".join(
        f"clip(min((t-{one.start - _MAKES_ROOM:.3f})/{_MAKES_ROOM},({one.end + _COMES_BACK:.3f}-t)/{_COMES_BACK}),0,1)"
        for one in plan.said
    )
    return f"pow(10,-{plan.duck_db / 20:.4f}*min(1,{rooms}))"


def music_under(plan: MusicPlan, number: int, *, samples: int, rate: int) -> str:
    """Exactly so many samples of the music of input `number`, at its level, ducked and faded; the chain ends without a label."""
    seconds = samples / rate
    fade_in, fade_out = min(_FADE_IN, seconds / 4), min(_FADE_OUT, seconds / 4)
    return (
        f"[{number}:a:0]aresample={rate}:async=1:first_pts=0,aformat=sample_fmts=fltp:channel_layouts=stereo,"
        f"apad=whole_len={samples},atrim=end_sample={samples},asetpts=N,asetnsamples=n={_STEP}:p=0,"
        f"volume={plan.gain_db:.2f}dB,volume='{ducking(plan)}':eval=frame,"
        f"afade=t=in:d={fade_in:.3f},afade=t=out:st={seconds - fade_out:.3f}:d={fade_out:.3f},aformat=sample_fmts=fltp"
    )
