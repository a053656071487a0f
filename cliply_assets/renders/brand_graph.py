"""A brand's part of the filter graph: pure text, like the rest of it."""

from collections.abc import Sequence
from fractions import Fraction

from cliply_resources.documents import RenderSpec
from cliply_resources.documents.brands import MarkPlan, OutroPlan

__all__ = ["mark_file", "mark_inputs", "outro_picture", "outro_sound", "with_marks"]

_EXACT = "flags=bicubic+accurate_rnd+bitexact"


def mark_file(number: int) -> str:
    """The name under which a mark's bare pixels lie in the folder that ffmpeg runs in."""
    return f"mark{number}.rgba"


def mark_inputs(marks: Sequence[MarkPlan]) -> tuple[str, ...]:
    """Inputs of one frame each. They are bare pixels that we wrote, so that ffmpeg needs no decoder for pictures."""
    return tuple(
        word
        for number, mark in enumerate(marks)
        for word in (
            *("-f", "rawvideo", "-pixel_format", "rgba", "-video_size", f"{mark.picture_width}x{mark.picture_height}"),
            *("-i", f"file:{mark_file(number)}"),
        )
    )


def with_marks(picture: str, marks: Sequence[MarkPlan], first_input: int) -> str:
    """`picture`, a chain without a label at its end, with the marks over it; the chain goes on unlabelled."""
    for number, mark in enumerate(marks):
        # Overlay repeats the mark's only frame until the picture ends.
        picture += (
            f"[under{number}];[{first_input + number}:v]colorchannelmixer=aa={mark.opacity:.3f},"
            f"scale={mark.width}:{mark.height}:{_EXACT}:out_color_matrix=bt709:out_range=tv,format=yuva420p,setsar=1"
            f"[mark{number}];[under{number}][mark{number}]overlay={mark.x}:{mark.y}:format=yuv420"
        )
    return picture


def outro_picture(spec: RenderSpec, outro: OutroPlan, number: int) -> str:
    """The outro as frames of the clip: its own rate, the whole picture, padded with the brand's background."""
    rate = Fraction(spec.frame_rate)
    zoom = min(Fraction(spec.width, outro.picture_width), Fraction(spec.height, outro.picture_height))
    width, height = _even(outro.picture_width * zoom), _even(outro.picture_height * zoom)
    x, y = (spec.width - width) // 4 * 2, (spec.height - height) // 4 * 2
    return (
        f"[{number}:V:0]fps={rate}:start_time=0,tpad=stop_mode=clone:stop={outro.frames},trim=end_frame={outro.frames},"
        f"setpts=N,scale={width}:{height}:{_EXACT}:out_range=tv,format=yuv420p,setsar=1,"
        f"pad={spec.width}:{spec.height}:{x}:{y}:color=0x{outro.background[1:]},setsar=1"
    )


def outro_sound(outro: OutroPlan, number: int, *, samples: int, gain_db: float, limit: float, rate: int) -> str:
    """Exactly so many samples of the outro's sound at the clip's loudness; silence where it has none."""
    if outro.audio_stream is None or outro.gain_db is None:
        return f"anullsrc=r={rate}:cl=stereo,atrim=end_sample={samples},aformat=sample_fmts=fltp:channel_layouts=stereo"
    return (
        f"[{number}:{outro.audio_stream}]aresample={rate}:async=1:first_pts=0,"
        f"aformat=sample_fmts=fltp:channel_layouts=stereo,apad=whole_len={samples},atrim=end_sample={samples},asetpts=N,"
        f"volume={outro.gain_db + gain_db:.2f}dB,aresample={4 * rate},alimiter=limit={limit:.6f}:level=disabled:latency=1,"
        f"aresample={rate},atrim=end_sample={samples},afade=t=in:d=0.008,aformat=sample_fmts=fltp"
    )


def _even(value: Fraction) -> int:
    return max(2, round(value / 2) * 2)
