"""What viewers wrote, out of the documents that yt-dlp and chat downloaders leave: cleaned, capped, and without names. Pure.

Read are yt-dlp's info JSON (`comments`, and with them `heatmap` and `chapters`), its `live_chat` JSON lines, and a chat as one
JSON document with `content_offset_seconds`. All of it is written by strangers, so nothing in it is believed.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from cliply_resources.documents import Audience, ChatWindow, ViewerMark
from cliply_resources.errors import MediaError
from cliply_resources.media_tools.origins import chapters_from_info, heatmap_from_info
from cliply_resources.media_tools.site_values import MAX_SECONDS, entries, finite, line, seconds

__all__ = ["MAX_AUDIENCE_BYTES", "chat_windows", "merge_audience", "read_audience", "times_in", "viewer_marks"]

MAX_AUDIENCE_BYTES = 256 * 1024 * 1024
"""Of one file; the chat of a stream of four hours with many viewers is about 100 MB."""
MAX_COMMENTS = 50_000
MAX_MARKS = 2_000
"""The most liked are kept."""
CHAT_WINDOW = 5.0
"""Seconds in which a person who writes counts once."""
_TIMES_IN_A_COMMENT = 3  # a comment with more is a table of contents, which says nothing about which moment is good
_TEXT = 80  # characters
_TIME = re.compile(r"(?<![\d:.])(?:(\d{1,2}):)?(\d{1,2}):([0-5]\d)(?![\d:])(?!\s*[ap]\.?m\b)", re.IGNORECASE)
_UNTIL = re.compile(r"\s*(?:-|\u2013|\u2014|to|until)\s*$", re.IGNORECASE)
_MESSAGES = ("liveChatTextMessageRenderer", "liveChatPaidMessageRenderer")


def read_audience(data: bytes, *, name: str) -> Audience:
    """What is known of the viewers from one file.

    Raises:
        MediaError: it is larger than 256 MB, or none of the documents above.
    """
    if len(data) > MAX_AUDIENCE_BYTES:
        raise MediaError(f"{name} is larger than {MAX_AUDIENCE_BYTES // 1024**2} MB; give a shorter part of the chat.")
    document = _json(data)
    if isinstance(document, Mapping) and "replayChatItemAction" not in document:
        return _of_document(document, name)
    found = Audience(chat=chat_windows(_live_chat(data.splitlines())))
    if found.is_empty:
        raise MediaError(
            f"{name} tells nothing about viewers. Give yt-dlp's .info.json (with --write-comments) or its .live_chat.json."
        )
    return found


def merge_audience(parts: Sequence[Audience]) -> Audience:
    """All of it as one; of heatmaps and chapters the first that is there."""
    marks: list[ViewerMark] = []
    for part in parts:
        # Viewers of two files are counted from one on, so that they do not become the same people.
        further = max((mark.viewer for mark in marks), default=-1) + 1
        marks += [msgspec.structs.replace(mark, viewer=mark.viewer + further) for mark in part.marks]
    windows: defaultdict[tuple[float, float], int] = defaultdict(int)
    for window in (window for part in parts for window in part.chat):
        windows[window.start, window.end] += window.chatters
    return Audience(
        marks=tuple(sorted(marks, key=lambda mark: (mark.time, mark.viewer))),
        chat=tuple(ChatWindow(start=start, end=end, chatters=count) for (start, end), count in sorted(windows.items())),
        heatmap=next((part.heatmap for part in parts if part.heatmap), ()),
        chapters=next((part.chapters for part in parts if part.chapters), ()),
    )


def viewer_marks(info: Mapping[str, object]) -> tuple[ViewerMark, ...]:
    """The moments that viewers' comments name, by time; the uploader's own and tables of contents are left out."""
    duration = seconds(info.get("duration")) or MAX_SECONDS
    viewers: dict[str, int] = {}
    found: list[ViewerMark] = []
    for comment in entries(info.get("comments"))[:MAX_COMMENTS]:
        text = line(comment.get("text"), 2000)
        if text is None or comment.get("author_is_uploader") is True:
            continue
        times = [time for time in times_in(text) if time < duration]
        if not 1 <= len(times) <= _TIMES_IN_A_COMMENT:
            continue
        who = line(comment.get("author_id"), 200) or line(comment.get("author"), 200) or f"comment {len(found)}"
        likes = finite(comment.get("like_count"))
        found += [
            ViewerMark(
                time=time,
                viewer=viewers.setdefault(who, len(viewers)),
                likes=int(min(max(likes or 0.0, 0.0), 1e9)),
                text=line(_TIME.sub(" ", text).strip(" -\u2013\u2014:,.()[]"), _TEXT) or "",
            )
            for time in times
        ]
    kept = sorted(found, key=lambda mark: -mark.likes)[:MAX_MARKS]
    return tuple(sorted(kept, key=lambda mark: (mark.time, mark.viewer)))


def times_in(text: str) -> list[float]:
    """The moments that a text names as `12:34` or `1:02:03`, each once, in order of mention; of a range, its beginning."""
    found: dict[float, None] = {}
    last = -1
    for match in _TIME.finditer(text):
        hours, minutes, rest = (int(part or 0) for part in match.groups())
        ends_a_range = last >= 0 and _UNTIL.fullmatch(text[last : match.start()])
        last = match.end()
        if not ends_a_range and (match[1] is None or minutes < 60):
            found[hours * 3600.0 + minutes * 60.0 + rest] = None
    return list(found)


def chat_windows(messages: Iterable[tuple[float, str]]) -> tuple[ChatWindow, ...]:
    """Different people in each window of five seconds, from (seconds, who) of every message."""
    people: defaultdict[int, set[str]] = defaultdict(set)
    for time, who in messages:
        # What was written before the stream began stands at its first moment, and says nothing about it.
        if 0 < time <= MAX_SECONDS:
            people[int(time / CHAT_WINDOW)].add(who)
    return tuple(
        ChatWindow(start=number * CHAT_WINDOW, end=(number + 1) * CHAT_WINDOW, chatters=len(who))
        for number, who in sorted(people.items())
    )


def _of_document(document: Mapping[str, object], name: str) -> Audience:
    messages = [
        (time, str(who.get("_id") or who.get("id") or who.get("display_name") or who.get("name") or ""))
        for entry in entries(document.get("comments"))
        if (time := seconds(entry.get("content_offset_seconds"))) is not None
        and isinstance(who := entry.get("commenter"), Mapping)
    ]
    found = Audience(
        marks=viewer_marks(document),
        chat=chat_windows(messages),
        heatmap=heatmap_from_info(document),
        chapters=chapters_from_info(document),
    )
    known = ("comments", "heatmap", "chapters", "extractor", "webpage_url")
    if found.is_empty and not any(key in document for key in known):
        raise MediaError(
            f"{name} tells nothing about viewers. Give yt-dlp's .info.json (with --write-comments) or its .live_chat.json."
        )
    return found


def _live_chat(rows: Iterable[bytes]) -> Iterable[tuple[float, str]]:
    for row in rows:
        replay = _of(_json(row), "replayChatItemAction")
        try:
            time = int(str(replay.get("videoOffsetTimeMsec"))[:15]) / 1000
        except ValueError:
            continue
        for action in entries(replay.get("actions")):
            item = _of(_of(action, "addChatItemAction"), "item")
            for kind in _MESSAGES:
                message = _of(item, kind)
                who = message.get("authorExternalChannelId") or _of(message, "authorName").get("simpleText")
                if isinstance(who, str):
                    yield time, who


def _of(value: object, key: str) -> Mapping[str, object]:
    inner = value.get(key) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
