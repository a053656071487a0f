"""`cliply candidates`: the moments worth posting, from a transcript alone."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cliply_assets.cli.results import clock
from cliply_assets.highlights.choose import choose_candidates
from cliply_assets.highlights.llm_ranking import FOR_THE_MODEL, rank_in_two_passes
from cliply_assets.transcript.cues import parse_time
from cliply_assets.transcript.plain_text import read_plain_text
from cliply_assets.transcript.subtitles import MAX_CHARACTERS, read_transcript
from cliply_resources.documents import Audience, Candidates, Scenes, Span, Transcript, UploadSettings
from cliply_resources.errors import CallerError, MediaError
from cliply_resources.language import open_language_model
from cliply_resources.media_tools.audience import MAX_AUDIENCE_BYTES, merge_audience, read_audience
from cliply_resources.settings import Settings
from cliply_resources.uploads import check_settings

__all__ = ["Found", "find_candidates", "print_candidates", "read_any_transcript", "read_ranges", "read_viewers"]

_AFTER_LAST_WORD = 1.0  # s; a film goes on a little after its last word
_MODEL_SECONDS = 60.0


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The one document that `cliply candidates --json` prints."""

    transcript: str
    duration: float
    word_times: str
    """`measured`, or `estimated` where the file does not time every word."""
    result: Candidates


def print_candidates(
    settings: Settings, path: Path, wanted: UploadSettings, *, as_json: bool, viewers: Sequence[Path] = ()
) -> None:
    """Chooses and prints, best first.

    Raises:
        CallerError: the file is no transcript, or the wishes contradict each other.
    """
    check_settings(wanted)
    found = find_candidates(read_any_transcript(path), wanted, settings, name=path.name, audience=read_viewers(viewers))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    if found.result.note:
        Console(stderr=True).print(found.result.note, highlight=False, markup=False, soft_wrap=True)
    if found.result.candidates:
        Console().print(_table(found.result))


def find_candidates(
    transcript: Transcript, wanted: UploadSettings, settings: Settings, *, name: str, audience: Audience | None = None
) -> Found:
    """What an upload with this transcript, without sound and picture, would be given."""
    duration = max((segment.end for segment in transcript.segments), default=0.0) + _AFTER_LAST_WORD
    if wanted.language is not None:
        transcript = msgspec.structs.replace(transcript, language=wanted.language)
    model = open_language_model(settings)
    near_misses = 3 if model is None else wanted.clips + FOR_THE_MODEL
    whole = Scenes(shots=(Span(0.0, duration),), detector="none")
    chosen, _ = choose_candidates(
        transcript,
        None,
        whole,
        None,
        None,
        duration=duration,
        settings=wanted,
        origin=None,
        audience=audience,
        near_misses=near_misses,
    )
    if model is not None and chosen.candidates:
        chosen = rank_in_two_passes(
            chosen, model, wanted=wanted.clips, seconds=_MODEL_SECONDS, most_tokens=settings.llm_max_tokens
        )
    notes = " ".join(note for note in (transcript.note, chosen.note) if note)
    return Found(
        transcript=name,
        duration=round(duration, 3),
        word_times=transcript.word_times,
        result=msgspec.structs.replace(chosen, note=notes),
    )


def read_any_transcript(path: Path) -> Transcript:
    """Cliply's JSON, SRT, WebVTT or ASS; anything else as plain text with estimated times.

    Raises:
        CallerError: it cannot be read, or says nothing.
        MediaError: it is too large, or not UTF-8 text.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise CallerError(f"The transcript {path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise MediaError(f"{path.name} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from error
    if len(text) > MAX_CHARACTERS:
        raise MediaError(f"{path.name} has {len(text)} characters; at most {MAX_CHARACTERS} are read.")
    start = text.lstrip()
    if start.startswith(("{", "WEBVTT", "[Script Info]")) or "-->" in text or "\0" in text:
        return read_transcript(text, name=path.name)
    return read_plain_text(text, name=path.name)


def read_viewers(paths: Sequence[Path]) -> Audience | None:
    """What is known of the viewers from all files together; `None` without any.

    Raises:
        CallerError: one cannot be read.
        MediaError: one is too large, or no document about viewers.
    """
    parts = []
    for path in paths:
        try:
            if path.stat().st_size > MAX_AUDIENCE_BYTES:
                raise MediaError(f"{path.name} is larger than {MAX_AUDIENCE_BYTES // 1024**2} MB; give a part of it.")
            parts.append(read_audience(path.read_bytes(), name=path.name))
        except OSError as error:
            raise CallerError(f"{path} cannot be read ({error.strerror}); name a file with --audience.") from error
    return merge_audience(parts) if parts else None


def read_ranges(texts: Sequence[str]) -> tuple[Span, ...]:
    """`1:00-2:30` or `60-150` as stretches of time, in order.

    Raises:
        CallerError: one is no range, or ends before it begins.
    """
    return tuple(sorted(_range(text) for text in texts))


def _range(text: str) -> Span:
    first, mark, last = text.partition("-")
    start, end = _seconds(first), _seconds(last)
    if not mark or start is None or end is None or end <= start:
        raise CallerError(f"--exclude {text} is no range of time; write it like 1:00-2:30 or 60-150.")
    return Span(start, end)


def _seconds(text: str) -> float | None:
    if ":" in text:
        return parse_time(text)
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _table(found: Candidates) -> Table:
    table = Table(header_style="bold", show_lines=True)
    for column in ("Time", "Score", "Title and reasons"):
        table.add_column(column, overflow="fold")
    for one in found.candidates:
        said = Text(one.title, style="bold")
        for reason in one.reasons:
            said.append(f"\n{reason}", style="not bold dim")
        table.add_row(f"{clock(one.start)}–{clock(one.end)}", f"{one.score:.0f}", said)
    return table
