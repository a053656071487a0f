"""`cliply doctor`: what this machine has, what it lacks, and the command that mends it."""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

from cliply_assets.cli.exits import Exit
from cliply_assets.cli.listings import describe
from cliply_assets.cli.session import open_database
from cliply_assets.renders.fonts import bundled_faces
from cliply_resources.errors import CliplyError
from cliply_resources.media_tools.ffmpeg import ffmpeg_path, ffmpeg_version, has_filter
from cliply_resources.media_tools.graphics_card import NVENC, video_coding
from cliply_resources.settings import Settings
from cliply_resources.speech import engine_reasons
from cliply_resources.speech.faster_whisper_engine import whisper_device
from cliply_resources.storage import open_storage
from cliply_resources.vision import open_detector

__all__ = ["Finding", "examine", "print_findings"]

LOW_DISK_BYTES = 5 * 1024**3
"""An hour of 1080p with its intermediate files takes about 4 GB."""

NEEDED_FILTERS = ("ass", "scdet", "ebur128", "alimiter", "sendcmd")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    state: Literal["ok", "optional", "missing"]
    says: str
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Looks at one thing after the other."""
    yield _python()
    for what, look in (
        ("ffmpeg", _ffmpeg),
        ("caption fonts", _fonts),
        ("face detector", lambda: open_detector(settings).name),
    ):
        yield _tried(what, look)
    yield _disk(settings)
    yield _tried("storage", lambda: type(open_storage(settings)).__name__)
    yield _tried("database", lambda: _database(settings))
    yield from _speech(settings)
    yield _graphics_card(settings)
    yield _ml()
    yield _language_model(settings)


def _tried(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, state="ok", says=look())
    except CliplyError as error:
        return Finding(what=what, state="missing", says=str(error), remedy=getattr(error, "remedy", ""))


def _python() -> Finding:
    return Finding(what="Python", state="ok", says=".".join(map(str, sys.version_info[:3])))


def _ffmpeg() -> str:
    path = ffmpeg_path()
    lacking = [name for name in NEEDED_FILTERS if not has_filter(name)]
    if lacking:
        from cliply_resources.errors import ToolMissing

        raise ToolMissing(
            f"{path} lacks the filters {', '.join(lacking)}.",
            remedy="Install Cliply again: its wheels carry an ffmpeg.",
        )
    return f"{ffmpeg_version()} ({path.name})"


def _fonts() -> str:
    return ", ".join(face.file_name for face in bundled_faces())


def _disk(settings: Settings) -> Finding:
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free
    says = f"{free / 1024**3:.1f} GB free under {settings.home}"
    if free >= LOW_DISK_BYTES:
        return Finding(what="disk", state="ok", says=says)
    return Finding(what="disk", state="missing", says=says, remedy="Make room, or set CLIPLY_HOME to a larger disk.")


def _database(settings: Settings) -> str:
    with open_database(settings) as database:
        return describe(database)


def _speech(settings: Settings) -> Iterator[Finding]:
    for name, reason in engine_reasons(settings).items():
        if reason is None:
            yield Finding(what=f"speech: {name}", state="ok", says="ready")
        else:
            yield Finding(what=f"speech: {name}", state="optional", says=reason)


def _graphics_card(settings: Settings) -> Finding:
    try:
        coding = video_coding(settings.video_encoder)
    except CliplyError as error:
        # Without ffmpeg nothing can be tried; what to do about that is said of ffmpeg itself.
        return Finding(what="graphics card", state="optional", says=f"It was not tried: {error}")
    state: Literal["ok", "optional"] = "ok" if coding.encoder == NVENC else "optional"
    remedy = ""
    if coding.is_fallback:
        remedy = (
            "Update the card's driver, or set IMAGEIO_FFMPEG_EXE to an ffmpeg with h264_nvenc; "
            "CLIPLY_VIDEO_ENCODER=libx264 asks for no card."
        )
    return Finding(what="graphics card", state=state, says=f"{coding.says} {_models_on()}", remedy=remedy)


def _models_on() -> str:
    """Where speech engines and detectors compute."""
    device = whisper_device()[0]
    return "Speech is recognised on the card." if device == "cuda" else "Speech is recognised on the processor."


def _ml() -> Finding:
    lacking = [name for name in ("whisperx", "ultralytics", "open_clip") if importlib.util.find_spec(name) is None]
    if not lacking:
        return Finding(what="ml extra", state="ok", says="whisperx, ultralytics, open-clip-torch")
    return Finding(
        what="ml extra", state="optional", says=f"{', '.join(lacking)} not installed", remedy='pip install "cliply[ml]"'
    )


def _language_model(settings: Settings) -> Finding:
    if settings.llm_base_urls:
        return Finding(what="language model", state="ok", says=", ".join(settings.llm_models))
    return Finding(
        what="language model",
        state="optional",
        says="none; clips are ranked by the built-in signals",
        remedy="Set CLIPLY_LLM_BASE_URLS, CLIPLY_LLM_API_KEYS and CLIPLY_LLM_MODELS.",
    )


def print_findings(settings: Settings, *, as_json: bool) -> Exit:
    """Prints what `examine` finds; ends with 4 when something needed is missing."""
    findings = list(examine(settings))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        table = Table.grid(padding=(0, 2))
        for finding in findings:
            mark = {"ok": "[green]✓[/]", "optional": "[yellow]○[/]", "missing": "[red]✗[/]"}[finding.state]
            table.add_row(
                mark, finding.what, f"{finding.says}\n[bold]{finding.remedy}[/]" if finding.remedy else finding.says
            )
        Console().print(table)
    return Exit.TOOL_MISSING if any(finding.state == "missing" for finding in findings) else Exit.DONE
