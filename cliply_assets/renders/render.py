"""Renders one clip: one ffmpeg pass, measured sound, checked fonts, and a file that appears only when it is right."""

import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import msgspec

from cliply_assets.renders.brand_graph import mark_file
from cliply_assets.renders.branding import NO_FILES, BrandFiles, brand_file, compose_captions
from cliply_assets.renders.command import (
    CAPTIONS_FILE,
    FONTS_FOLDER,
    RenderCommand,
    SoundCorrection,
    render_command,
    sound_command,
)
from cliply_assets.renders.fonts import font_folder, load_face
from cliply_assets.renders.spec import MOST_GAIN_DB, TARGET_LUFS, check_spec
from cliply_resources.documents import RenderSpec
from cliply_resources.documents.brands import OutroPlan
from cliply_resources.errors import DeadlineExceeded, StepFailed
from cliply_resources.media_tools.ffmpeg import ffmpeg_version, guarded_input, run_ffmpeg
from cliply_resources.media_tools.loudness import measure_loudness
from cliply_resources.media_tools.process import ProcessLimits
from cliply_resources.progress import Progress, part_of, silent

__all__ = ["CLIP_FILE", "RenderedClip", "render_clip"]

CLIP_FILE = "clip.mp4"

LOUDNESS_TOLERANCE = 0.5  # LU either side of the target
HIGHEST_PEAK = -1.5  # dBTP
_CORRECTIONS = 3  # times the sound may be encoded anew; each costs a hundredth of the picture
_PEAK_MARGIN = 0.1  # dB; the limiter is set this much lower than the peak was too high

# A damaged source may flood the log, and the lines that say which font was picked come first.
_LIMITS = ProcessLimits(stderr_bytes=4 * 1024**2)


class RenderedClip(msgspec.Struct, frozen=True, kw_only=True):
    """A finished file and what was measured on it. Equal specs give equal `sha256`."""

    path: Path
    sha256: str
    size_bytes: int
    frames: int
    duration: float
    integrated_lufs: float | None
    """`None` for silence."""
    true_peak_dbtp: float | None
    sound_passes: int
    """How often the sound was encoded until its loudness was right."""
    omitted_words: tuple[str, ...]
    """Caption words that no font could draw."""
    cpu_seconds: float
    wall_seconds: float


class _Clock:
    """What is left of a deadline that several runs share."""

    def __init__(self, seconds: float) -> None:
        self._started = time.monotonic()
        self._seconds = seconds

    def spent(self) -> float:
        return time.monotonic() - self._started

    def left(self) -> float:
        left = self._seconds - self.spent()
        if left <= 0:
            raise DeadlineExceeded(
                f"Stopped while rendering a clip: it took longer than the {self._seconds:.0f} s it may take."
            )
        return left


def render_clip(
    spec: RenderSpec,
    source: Path,
    into: Path,
    *,
    progress: Progress,
    deadline_seconds: float,
    brand_files: BrandFiles = NO_FILES,
) -> RenderedClip:
    """Writes `clip.mp4` into the folder `into`, whole and right or not at all.

    Equal specs give equal bytes. The sound is at -14 LUFS ±0.5 and at most -1.5 dBTP, silence excepted; a source without
    sound gets a silent track. Raises MediaError for an unusable source, StepFailed for the rest (another ffmpeg than the spec
    names, a font that is not there, a source that ends early, a full disk), DeadlineExceeded.
    """
    check_spec(spec)
    _same_ffmpeg(spec)
    clock = _Clock(deadline_seconds)
    with _work_folder(into) as work:
        draft = work / "draft.mp4"
        material = _Material(spec, source, brand_files)
        cpu = _encode_all(material, draft, work, part_of(progress, 0.0, 0.93), clock)
        _all_frames(spec, draft)
        progress(0.94, "setting the loudness of a clip")
        level, passes, more_cpu = _right_loudness(material, draft, clock)
        clip = into / CLIP_FILE
        rendered = RenderedClip(
            path=clip,
            sha256=_sha256(draft),
            size_bytes=draft.stat().st_size,
            frames=spec.total_frames,
            duration=_whole_seconds(spec),
            integrated_lufs=level[0] if level else None,
            true_peak_dbtp=level[1] if level else None,
            sound_passes=passes,
            omitted_words=_omitted(spec, brand_files),
            cpu_seconds=cpu + more_cpu,
            wall_seconds=clock.spent(),
        )
        draft.replace(clip)
    progress(1.0, "clip rendered")
    return rendered


@contextmanager
def _work_folder(into: Path) -> Iterator[Path]:
    """A folder beside the result, so that the last step is a rename within one file system."""
    try:
        into.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".render-", dir=into))
    except OSError as error:
        raise StepFailed(
            f"The folder {into} cannot be written to: {error.strerror}. Choose another, or free some space."
        ) from error
    try:
        yield work
    except OSError as error:
        raise StepFailed(f"Failed while rendering a clip into {into}: {error.strerror}.", detail=repr(error)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _same_ffmpeg(spec: RenderSpec) -> None:
    if (version := ffmpeg_version()) != spec.ffmpeg_version:
        raise StepFailed(
            f"This clip was planned for ffmpeg {spec.ffmpeg_version}, but this machine has {version}, which writes other "
            "bytes. Make the clip anew, or install the named ffmpeg."
        )


@dataclass(frozen=True)
class _Material:
    """What a render is made from."""

    spec: RenderSpec
    source: Path
    brand_files: BrandFiles

    @property
    def outro_input(self) -> list[str]:
        outro = self.spec.brand.outro if self.spec.brand else None
        return guarded_input(brand_file(self.brand_files, outro.sha256)) if outro is not None else []

    @property
    def music_input(self) -> list[str]:
        if not self.spec.music:
            return []
        over_and_over = ("-vn", "-stream_loop", "-1", "-t", f"{_seconds(self.spec) + 1:.3f}")
        return guarded_input(brand_file(self.brand_files, self.spec.music.sha256), *over_and_over)


def _encode_all(material: _Material, draft: Path, work: Path, progress: Progress, clock: _Clock) -> float:
    spec = material.spec
    command = render_command(spec, material.brand_files)
    for number, mark in enumerate(spec.brand.marks if spec.brand else ()):
        _write_pixels(brand_file(material.brand_files, mark.sha256), work / mark_file(number))
    for name, text in command.files.items():
        (work / name).write_text(text, encoding="utf-8")
    if spec.fonts:
        font_folder(spec.fonts, work / FONTS_FOLDER, material.brand_files)
    finished = run_ffmpeg(
        [
            *guarded_input(material.source, *command.input_options),
            *command.mark_inputs,
            *material.outro_input,
            *material.music_input,
            *command.output_options,
            _output(draft),
        ],
        duration=_whole_seconds(spec),
        progress=progress,
        deadline_seconds=clock.left(),
        doing="rendering a clip",
        cwd=work,
        limits=_LIMITS,
        # Only at this level does libass say which fonts it picked.
        log_level="info",
    )
    if CAPTIONS_FILE in command.files and spec.fonts:
        _right_fonts(finished.log, work / FONTS_FOLDER)
    return finished.cpu_seconds


def _write_pixels(picture: Path, into: Path) -> None:
    from PIL import Image

    with Image.open(picture, formats=("PNG",)) as opened:
        into.write_bytes(opened.convert("RGBA").tobytes())


def _output(path: Path) -> str:
    return f"file:{path.absolute()}"


_PICKED = re.compile(r"fontselect: \((?P<asked>.*), \d+, \d+\) -> (?P<picked>[^,]*)")
_NO_GLYPH = re.compile(r"[Gg]lyph 0x(?P<code>[0-9A-Fa-f]+) not found")


def _right_fonts(log: str, folder: Path) -> None:
    """libass replaces fonts and glyphs without failing; a clip in the wrong letters is not delivered."""
    wanted = {face.family: face.postscript_name for face in map(load_face, folder.iterdir())}
    picked = _PICKED.findall(log)
    if not picked:
        raise StepFailed("The captions of this clip were not drawn: no font was used.", detail=log[-4000:])
    for asked, chosen in picked:
        if chosen.strip() != wanted.get(asked):
            raise StepFailed(
                f"The captions of this clip asked for the font {asked}, but {chosen.strip() or 'none'} was used.",
                detail=log[-4000:],
            )
    if missing := _NO_GLYPH.search(log):
        raise StepFailed(
            f"The captions of this clip contain the character U+{missing['code'].upper():0>4}, which its font cannot draw."
        )


def _all_frames(spec: RenderSpec, draft: Path) -> None:
    """A source whose picture ends early would otherwise give a clip that is quietly too short."""
    import av

    with av.open(str(draft)) as container:
        frames = container.streams.video[0].frames
    if frames != spec.total_frames:
        raise StepFailed(
            f"The video's picture ends {spec.total_frames - frames} frames before the end of this clip, which needs {spec.total_frames}. "
            "Choose a span that ends earlier."
        )


def _right_loudness(material: _Material, draft: Path, clock: _Clock) -> tuple[tuple[float, float] | None, int, float]:
    """Encodes the sound anew, with another gain and limit each time, until it is within tolerance."""
    spec = material.spec
    correction, passes, cpu = SoundCorrection(), 1, 0.0
    while True:
        level = measure_loudness(draft, start=0.0, duration=_seconds(spec), deadline_seconds=clock.left())
        better = _corrected(spec, level, correction) if level and passes <= _CORRECTIONS else None
        if spec.brand and spec.brand.outro and spec.brand.outro.gain_db is not None and passes <= _CORRECTIONS:
            after = measure_loudness(
                draft,
                start=_seconds(spec),
                duration=_whole_seconds(spec) - _seconds(spec),
                deadline_seconds=clock.left(),
            )
            better = _corrected_outro(spec.brand.outro, after, better or correction, correction)
        if better is None:
            return level, passes, cpu
        correction, passes = better, passes + 1
        cpu += _encode_sound(sound_command(spec, correction), material, draft, clock)


def _corrected(spec: RenderSpec, level: tuple[float, float], last: SoundCorrection) -> SoundCorrection | None:
    """What to change, or `None` where the sound is right or no gain that is still sensible can help."""
    if spec.loudness is None:
        return None
    off, over = TARGET_LUFS - level[0], level[1] - HIGHEST_PEAK
    if abs(off) <= LOUDNESS_TOLERANCE and over <= 0:
        return None
    # A span that is nearly silent is lifted as far as is sensible, and then stays quiet.
    gain = min(last.gain_db + off, MOST_GAIN_DB - spec.loudness.gain_db)
    limit = last.limit_db - (over + _PEAK_MARGIN if over > 0 else 0.0)
    better = replace(last, gain_db=round(gain, 2), limit_db=round(limit, 2))
    return None if better == last else better


def _corrected_outro(
    outro: OutroPlan, level: tuple[float, float] | None, now: SoundCorrection, last: SoundCorrection
) -> SoundCorrection | None:
    """`now` with what is to change about the outro; `None` where that leaves `last` as it was."""
    if level is not None and outro.gain_db is not None:
        off, over = TARGET_LUFS - level[0], level[1] - HIGHEST_PEAK
        if abs(off) > LOUDNESS_TOLERANCE or over > 0:
            gain = min(last.outro_gain_db + off, MOST_GAIN_DB - outro.gain_db)
            limit = last.outro_limit_db - (over + _PEAK_MARGIN if over > 0 else 0.0)
            now = replace(now, outro_gain_db=round(gain, 2), outro_limit_db=round(limit, 2))
    return None if now == last else now


def _seconds(spec: RenderSpec) -> float:
    """Of the clip itself."""
    return float(Fraction(spec.frames) / Fraction(spec.frame_rate))


def _whole_seconds(spec: RenderSpec) -> float:
    """With what follows it."""
    return float(Fraction(spec.total_frames) / Fraction(spec.frame_rate))


def _encode_sound(command: RenderCommand, material: _Material, draft: Path, clock: _Clock) -> float:
    corrected = draft.with_name("corrected.mp4")
    finished = run_ffmpeg(
        [
            *guarded_input(material.source, *command.input_options),
            *guarded_input(draft),
            *material.outro_input,
            *material.music_input,
            *command.output_options,
            _output(corrected),
        ],
        duration=None,
        progress=silent,
        deadline_seconds=clock.left(),
        doing="setting the loudness of a clip",
    )
    corrected.replace(draft)
    return finished.cpu_seconds


def _omitted(spec: RenderSpec, brand_files: BrandFiles) -> tuple[str, ...]:
    if spec.captions.style == "none" or not spec.captions.words:
        return ()
    return compose_captions(spec, brand_files).omitted


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
