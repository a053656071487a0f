"""What a site says about a video, cut down to what Cliply keeps: validated, cleaned and capped. Pure.

The input is yt-dlp's info document. Anybody who publishes a video writes parts of it, so nothing in it is believed: not
that a field is there, not its type, not its length.
"""

import re
import unicodedata
from collections.abc import Mapping

import msgspec
from msgspec import UNSET

from cliply_resources.documents import Audience, Chapter, HeatmapPoint, Origin
from cliply_resources.media_tools.site_values import INVISIBLE, JOINERS, entries, finite, line, seconds

__all__ = [
    "CaptionChoice",
    "chapters_from_info",
    "choose_captions",
    "clean_captions",
    "heatmap_from_info",
    "origin_from_info",
]

MAX_TITLE = 300
MAX_NAME = 200
MAX_URL = 2000
"""Characters."""
MAX_CHAPTERS = 500
MAX_HEATMAP_POINTS = 2000
"""YouTube sends 100."""
MAX_CAPTIONS_BYTES = 8 * 1024 * 1024
"""Four hours of word-timed automatic captions stay well below."""

_LANGUAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,34}")


class CaptionChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a site's caption tracks to take."""

    language: str
    """The site's own name for the track, such as `en-orig`."""
    automatic: bool


def origin_from_info(
    info: Mapping[str, object],
    *,
    captions: str | None = None,
    choice: CaptionChoice | None = None,
    audience: Audience | None = None,
) -> Origin:
    """What is kept of a site's description; chapters and heatmap come back sorted, finite and inside the video.

    `captions` is the text of the chosen track; without `choice` it is dropped.
    """
    kept = captions if choice is not None else None
    return Origin(
        url=_url(info.get("webpage_url")) or _url(info.get("original_url")) or "",
        extractor=line(info.get("extractor"), MAX_NAME) or "unknown",
        title=line(info.get("title"), MAX_TITLE) or "Untitled video",
        uploader=next(
            (name for key in ("uploader", "channel", "creator") if (name := line(info.get(key), MAX_NAME))), None
        ),
        chapters=chapters_from_info(info),
        heatmap=heatmap_from_info(info),
        captions=kept,
        captions_language=_plain_language(choice.language) if choice is not None and kept is not None else None,
        captions_automatic=choice is not None and kept is not None and choice.automatic,
        audience=audience or UNSET,
    )


def choose_captions(info: Mapping[str, object], *, language: str | None) -> CaptionChoice | None:
    """The best WebVTT track: the uploader's own before automatic ones, in `language`.

    Without `language`: in the video's own, then English, then any of the uploader's own, then what the site heard.
    """
    spoken = info.get("language")
    wanted = [language] if language else [spoken if isinstance(spoken, str) else None, "en"]
    for field, automatic in (("subtitles", False), ("automatic_captions", True)):
        tracks = _tracks(info.get(field))
        for code in filter(None, wanted):
            if found := _in_language(tracks, code.lower()):
                return CaptionChoice(language=found, automatic=automatic)
        # Of the automatic tracks, all but one are machine translations of what was heard.
        others = [name for name in tracks if not automatic or name.endswith("-orig")]
        if language is None and others:
            return CaptionChoice(language=others[0], automatic=automatic)
    return None


def clean_captions(data: bytes) -> str | None:
    """The text of a WebVTT file, or `None` where it is not one, or a huge one."""
    if len(data) > MAX_CAPTIONS_BYTES:
        return None
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    if not re.match(r"WEBVTT(?:[ \t\n]|$)", text) or "-->" not in text:
        return None
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in INVISIBLE or c in JOINERS)


def chapters_from_info(info: Mapping[str, object]) -> tuple[Chapter, ...]:
    """What the publisher named, sorted and inside the video."""
    duration = seconds(info.get("duration"))
    found = []
    for entry in entries(info.get("chapters"))[:MAX_CHAPTERS]:
        span = _span(entry, duration)
        title = line(entry.get("title"), MAX_TITLE)
        if span is not None and title:
            found.append(Chapter(start=span[0], end=span[1], title=title))
    return tuple(sorted(found, key=lambda chapter: (chapter.start, chapter.end)))


def heatmap_from_info(info: Mapping[str, object]) -> tuple[HeatmapPoint, ...]:
    """How often which part is replayed, sorted, from 0 to 1 and inside the video."""
    duration = seconds(info.get("duration"))
    found = []
    for entry in entries(info.get("heatmap"))[:MAX_HEATMAP_POINTS]:
        span, height = _span(entry, duration), finite(entry.get("value"))
        if span is not None and height is not None:
            found.append(HeatmapPoint(start=span[0], end=span[1], value=min(max(height, 0.0), 1.0)))
    return tuple(sorted(found, key=lambda point: (point.start, point.end)))


def _span(entry: Mapping[str, object], duration: float | None) -> tuple[float, float] | None:
    start, end = seconds(entry.get("start_time")), seconds(entry.get("end_time"))
    if start is None or end is None:
        return None
    end = min(end, duration) if duration else end
    return (start, end) if start < end else None


def _tracks(value: object) -> list[str]:
    """Names of the tracks that come as WebVTT, sorted; the chat beside a stream is not speech."""
    if not isinstance(value, Mapping):
        return []
    names = [
        name
        for name, formats in value.items()
        if isinstance(name, str)
        and _LANGUAGE.fullmatch(name)
        and name != "live_chat"
        and any(entry.get("ext") == "vtt" for entry in entries(formats))
    ]
    return sorted(names)


def _in_language(tracks: list[str], code: str) -> str | None:
    """The track in this language, what was really heard before anything else (`en-orig`, `en`, `en-GB`)."""
    for matches in (f"{code}-orig".__eq__, code.__eq__, lambda name: name.startswith(f"{code}-")):
        if found := next((name for name in tracks if matches(name.lower())), None):
            return found
    return None


def _plain_language(name: str) -> str:
    return name.removesuffix("-orig").lower()


def _url(value: object) -> str | None:
    if isinstance(value, str) and len(value) <= MAX_URL and re.fullmatch(r"https?://[!-~]+", value):
        return value
    return None
