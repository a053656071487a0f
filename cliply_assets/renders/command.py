"""Turns a render spec into one ffmpeg command: pure text, nothing is run or written here.

The graph decodes the source once. Moves of the camera that share a window size share one `crop`, steered frame by frame
through `sendcmd`; where layout or window size changes, the frames are split, cut to their stretch and joined again.
Everything user-given (captions, paths) stays out of the graph: captions are a file we write, and files have fixed names
in a folder that ffmpeg runs in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from math import ceil

import msgspec

from cliply_assets.renders.brand_graph import mark_inputs, outro_picture, with_marks
from cliply_assets.renders.branding import NO_FILES, BrandFiles, compose_captions
from cliply_assets.renders.sound_graph import AUDIO_RATE, SoundCorrection, whole_sound
from cliply_assets.renders.time_map import time_map
from cliply_resources.documents import CameraMove, RenderSpec
from cliply_resources.documents.clips import KeptPiece
from cliply_resources.media_tools.graphics_card import NVENC, decoder_options, encoder_options

__all__ = [
    "AUDIO_RATE",
    "CAPTIONS_FILE",
    "FONTS_FOLDER",
    "RenderCommand",
    "SoundCorrection",
    "part_of_move",
    "render_command",
    "sound_command",
    "still_graph",
]

CAPTIONS_FILE = "captions.ass"
FONTS_FOLDER = "fonts"

# Half a second of pictures before the span: a frame that is still on screen when the span begins may have been shown
# earlier (variable frame rate), and only a decoder that has seen it can show it.
_PREROLL = Fraction(1, 2)

# A quarter of a frame: times in files are rounded to a millisecond or a tick. Seeking a quarter frame early keeps the
# first frame when its time was rounded down, and rounding to the nearest slot then still meets the slot it belongs to.
_SLACK_FRAMES = Fraction(1, 4)

# Sound often outlasts the picture by a few frames; the last picture stands for that long, and no longer.
_LONGEST_HOLD = 1.0

_EXACT = "flags=bicubic+accurate_rnd+bitexact"
_BITEXACT = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")


@dataclass(frozen=True)
class RenderCommand:
    """An ffmpeg call: options of the source, options after all inputs, and the files its graph reads by name.

    After the source come the inputs of `mark_inputs`, and then the outro, whose file is found by its hash.
    """

    input_options: tuple[str, ...]
    output_options: tuple[str, ...]
    files: dict[str, str]
    mark_inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Seek:
    """Where reading starts (seconds), and what lies before the span in what is read."""

    start: Fraction
    duration: Fraction
    skipped_frames: int
    skipped_seconds: Fraction

    @property
    def options(self) -> tuple[str, ...]:
        start = () if self.start == 0 else ("-ss", _seconds(self.start))
        return (*start, "-t", _seconds(self.duration))


def _seconds(value: Fraction | float) -> str:
    return f"{float(value):.6f}"


def _rate(spec: RenderSpec) -> Fraction:
    return Fraction(spec.frame_rate)


def _seek(rate: Fraction, first_frame: int, frames: int) -> _Seek:
    skipped = min(first_frame, ceil(_PREROLL * rate))
    start = max(Fraction(0), (first_frame - skipped - _SLACK_FRAMES) / rate)
    before = first_frame / rate - start
    return _Seek(start, before + frames / rate + _PREROLL, skipped, before)


def render_command(spec: RenderSpec, brand_files: BrandFiles = NO_FILES) -> RenderCommand:
    """The one pass that renders the clip: input options, graph, encoder, and the files the graph names."""
    rate = _rate(spec)
    seek = _seek_span(spec)
    picture, files = _picture(spec, seek, time_map(spec).pieces, spec.camera)
    if spec.hook or (spec.captions.words and spec.captions.style != "none"):
        files[CAPTIONS_FILE] = compose_captions(spec, brand_files).text
        picture += f",ass={CAPTIONS_FILE}:fontsdir={FONTS_FOLDER}"
    marks = spec.brand.marks if spec.brand else ()
    picture = with_marks(picture, marks, first_input=1)
    if spec.brand and spec.brand.outro:
        after = outro_picture(spec, spec.brand.outro, 1 + len(marks))
        picture = f"{picture}[clip];{after}[outro];[clip][outro]concat=n=2,settb={1 / rate},setpts=N"
    graph = f"{picture}[v];{whole_sound(spec, seek.skipped_seconds, SoundCorrection(), 1 + len(marks))}[a]"
    return RenderCommand(
        input_options=_reading(spec, seek),
        output_options=(
            *("-filter_complex_threads", "1", "-filter_complex", graph, "-map", "[v]", "-map", "[a]"),
            *_video_encoder(spec),
            *_audio_encoder(spec),
            *_container(),
        ),
        files=files,
        mark_inputs=mark_inputs(marks),
    )


def sound_command(spec: RenderSpec, correction: SoundCorrection) -> RenderCommand:
    """Encodes the sound anew and copies the picture from a second input, the clip that is to be corrected; a third is the outro."""
    seek = _seek_span(spec)
    return RenderCommand(
        input_options=("-vn", *_reading(spec, seek)),
        output_options=(
            *(
                "-filter_complex",
                f"{whole_sound(spec, seek.skipped_seconds, correction, 2)}[a]",
                "-map",
                "1:v:0",
                "-map",
                "[a]",
            ),
            *("-c:v", "copy"),
            *_audio_encoder(spec),
            *_container(),
        ),
        files={},
    )


def still_graph(spec: RenderSpec, frame: int) -> tuple[tuple[str, ...], str, dict[str, str]]:
    """Input options, graph and files that show one frame of the clip as the camera frames it, without captions."""
    rate = _rate(spec)
    move = next(m for m in spec.camera if m.first_frame <= frame < m.first_frame + m.frames)
    at = frame - move.first_frame
    still = part_of_move(move, at, at + 1, first_frame=0)
    shown = KeptPiece(first_frame=time_map(spec).source_frame(frame), frames=1)
    seek = _seek(rate, shown.first_frame, 1)
    picture, files = _picture(spec, seek, (shown,), (still,))
    return _reading(spec, seek), f"{picture}[v]", files


def part_of_move(move: CameraMove, start: int, end: int, *, first_frame: int) -> CameraMove:
    """Frames `start` to `end` of the move, counted from its own first, now beginning at `first_frame` of the clip."""

    def cut(path: tuple[int, ...]) -> tuple[int, ...]:
        return path if len(path) < 2 else path[start:end]

    replace = msgspec.structs.replace
    made = replace(move, first_frame=first_frame, frames=end - start, x=cut(move.x), y=cut(move.y))
    if move.panes:
        made = replace(made, panes=tuple(replace(pane, x=cut(pane.x), y=cut(pane.y)) for pane in move.panes))
    return made


def _reading(spec: RenderSpec, seek: _Seek) -> tuple[str, ...]:
    # Without reinit the graph would start over, frame counters and all, where a recording changes its picture size.
    return ("-threads", spec.settings["threads"], *decoder_options(spec.settings), "-reinit_filter", "0", *seek.options)


def _seek_span(spec: RenderSpec) -> _Seek:
    shown = time_map(spec)
    return _seek(_rate(spec), shown.first_frame, shown.source_frames)


def _picture(
    spec: RenderSpec, seek: _Seek, pieces: Sequence[KeptPiece], moves: Sequence[CameraMove]
) -> tuple[str, dict[str, str]]:
    rate = _rate(spec)
    first = pieces[0].first_frame
    frames = pieces[-1].end_frame - first
    hold = ceil(_LONGEST_HOLD * rate)
    # Every clip frame k is then the picture that a player shows at span start + k / rate, and carries time k / rate.
    grid = (
        f"[0:V:0]fps={rate}:start_time=0,tpad=stop_mode=clone:stop={hold},"
        f"trim=start_frame={seek.skipped_frames}:end_frame={seek.skipped_frames + frames},{_kept_frames(pieces)}setpts=N,"
        f"scale={spec.source_width}:{spec.source_height}:{_EXACT},setsar=1"
    )
    runs = [list(group) for _, group in groupby(moves, key=_kind)]
    files: dict[str, str] = {}
    if len(runs) == 1:
        return f"{grid},{_run(spec, runs[0], 0, files)}", files
    branches = "".join(f"[s{n}]" for n in range(len(runs)))
    parts = [f"{grid},split={len(runs)}{branches}"]
    for number, run in enumerate(runs):
        first = run[0].first_frame
        last = run[-1].first_frame + run[-1].frames
        cut = f"[s{number}]trim=start_frame={first}:end_frame={last}"
        parts.append(f"{cut},{_run(spec, run, number, files)}[r{number}]")
    joined = "".join(f"[r{n}]" for n in range(len(runs)))
    # `concat` guesses the length of each stretch; the frames are all there and in order, so they are simply counted anew.
    parts.append(f"{joined}concat=n={len(runs)},settb={1 / rate},setpts=N")
    return ";".join(parts), files


def _kept_frames(pieces: Sequence[KeptPiece]) -> str:
    """The filter that lets the frames of the pieces through, counted from the first one's."""
    if len(pieces) == 1:
        return ""
    first = pieces[0].first_frame
    kept = "+".join(f"between(n,{piece.first_frame - first},{piece.end_frame - first - 1})" for piece in pieces)
    return f"select='{kept}',"


def _kind(move: CameraMove) -> tuple[object, ...]:
    """Moves of one kind share their filters; only a window that stays as large as it is can be steered."""
    where = move.first_frame if move.panes else (move.x, move.y) if move.layout == "fit" else ()
    return move.layout, move.width, move.height, where


def _run(spec: RenderSpec, moves: list[CameraMove], number: int, files: dict[str, str]) -> str:
    """The filters from source frames to output frames for moves that share layout and window size."""
    first = moves[0]
    if first.layout == "fit":
        return _fit(spec, first, number)
    if first.panes:
        return _panes(spec, first, number, files)
    return _steered(spec, moves, str(number), files, (spec.width, spec.height))


def _steered(spec: RenderSpec, moves: list[CameraMove], name: str, files: dict[str, str], size: tuple[int, int]) -> str:
    """A window of the source, moved frame by frame, scaled to `size`."""
    first = moves[0]
    crop = f"crop@c{name}={first.width}:{first.height}:{first.x[0]}:{first.y[0]}:exact=1,{_to_output(size)}"
    commands = "".join(_steering(moves, _rate(spec), f"crop@c{name}"))
    if not commands:
        return crop
    files[f"camera{name}.cmd"] = commands
    return f"sendcmd=f=camera{name}.cmd,{crop}"


def _panes(spec: RenderSpec, move: CameraMove, number: int, files: dict[str, str]) -> str:
    panes = move.panes or ()
    branches = "".join(f"[i{number}p{n}]" for n in range(len(panes)))
    parts = [f"split={len(panes)}{branches}"]
    for n, pane in enumerate(panes):
        window = CameraMove(
            layout="crop",
            first_frame=move.first_frame,
            frames=move.frames,
            width=pane.width,
            height=pane.height,
            x=pane.x,
            y=pane.y,
        )
        shown = _steered(spec, [window], f"{number}p{n}", files, (pane.wide, pane.high))
        parts.append(f"[i{number}p{n}]{shown}[o{number}p{n}]")
    joined = "".join(f"[o{number}p{n}]" for n in range(len(panes)))
    places = "|".join(f"{pane.left}_{pane.top}" for pane in panes)
    parts.append(f"{joined}xstack=inputs={len(panes)}:layout={places},format=yuv420p,setsar=1")
    return ";".join(parts)


def _to_output(size: tuple[int, int]) -> str:
    return f"scale={size[0]}:{size[1]}:{_EXACT}:out_range=tv,format=yuv420p,setsar=1"


def _steering(moves: list[CameraMove], rate: Fraction, target: str) -> Iterator[str]:
    """`sendcmd` lines that move the window; a line takes effect on the frame whose time it precedes by 1 ms."""
    x, y = moves[0].x[0], moves[0].y[0]
    for move in moves:
        for index in range(move.frames):
            to_x = move.x[index if len(move.x) > 1 else 0]
            to_y = move.y[index if len(move.y) > 1 else 0]
            when = float((move.first_frame + index) / rate) - 0.001
            if to_x != x:
                yield f"{when:.4f} {target} x {to_x};\n"
            if to_y != y:
                yield f"{when:.4f} {target} y {to_y};\n"
            x, y = to_x, to_y


def _even(value: Fraction) -> int:
    return max(2, round(value / 2) * 2)


_BLUR_DIVISOR = 10  # the blurred copy is this much smaller while it is blurred, which costs a hundredth


def _fit(spec: RenderSpec, move: CameraMove, number: int) -> str:
    """The whole picture, or the move's window of it, on a dimmed and blurred copy of itself that fills the frame."""
    whole_width, whole_height = (move.width, move.height) if move.width else (spec.source_width, spec.source_height)
    window = f"crop@w{number}={whole_width}:{whole_height}:{move.x[0]}:{move.y[0]}:exact=1," if move.width else ""
    zoom = min(Fraction(spec.width, whole_width), Fraction(spec.height, whole_height))
    width, height = _even(whole_width * zoom), _even(whole_height * zoom)
    if width >= spec.width - 2 and height >= spec.height - 2:
        return window + _to_output((spec.width, spec.height))
    cover = max(Fraction(spec.width, whole_width), Fraction(spec.height, whole_height))
    cut_width = min(whole_width, ceil(spec.width / cover))
    cut_height = min(whole_height, ceil(spec.height / cover))
    small = (_even(Fraction(spec.width, _BLUR_DIVISOR)), _even(Fraction(spec.height, _BLUR_DIVISOR)))
    background = (
        f"crop@b{number}={cut_width}:{cut_height},scale={small[0]}:{small[1]}:{_EXACT}:out_range=tv,format=yuv420p,"
        # Three box blurs come near a Gaussian; the lookup then keeps 55% of the light, so that the sides stay behind.
        f"boxblur=lr=6:lp=3:cr=3:cp=3,lutyuv=y=16+(val-16)*0.55,scale={spec.width}:{spec.height}:{_EXACT},setsar=1"
    )
    foreground = f"scale={width}:{height}:{_EXACT}:out_range=tv,format=yuv420p,setsar=1"
    x, y = (spec.width - width) // 4 * 2, (spec.height - height) // 4 * 2
    return (
        f"{window}split[f{number}][g{number}];[g{number}]{background}[b{number}];[f{number}]{foreground}[t{number}];"
        f"[b{number}][t{number}]overlay={x}:{y}:format=yuv420"
    )


def _video_encoder(spec: RenderSpec) -> tuple[str, ...]:
    settings = spec.settings
    keyframes = round(int(settings["keyframe_seconds"]) * _rate(spec))
    if settings["encoder"] == NVENC:
        counted = ("-g", str(keyframes), "-frames:v", str(spec.total_frames), "-fps_mode", "passthrough")
        return (*encoder_options(settings), *counted)
    return (
        *("-c:v", settings["encoder"], "-preset", settings["preset"], "-crf", settings["crf"]),
        *(
            "-x264-params",
            settings["x264_params"],
            "-profile:v",
            settings["profile"],
            "-pix_fmt",
            "yuv420p",
            "-g",
            str(keyframes),
        ),
        *("-threads:v", settings["threads"], "-frames:v", str(spec.total_frames), "-fps_mode", "passthrough"),
    )


def _audio_encoder(spec: RenderSpec) -> tuple[str, ...]:
    return ("-c:a", "aac", "-b:a", spec.settings["audio_bit_rate"], "-ar", str(AUDIO_RATE), "-ac", "2")


def _container() -> tuple[str, ...]:
    return (*_BITEXACT, "-map_metadata", "-1", "-map_chapters", "-1", "-movflags", "+faststart", "-f", "mp4")
