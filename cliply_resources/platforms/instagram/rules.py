"""What Instagram takes as a reel, checked before anything is sent."""

import re
from collections.abc import Iterator

from cliply_resources.platforms.documents import AccountLimits, Limits, PostContent, Problem, VideoFacts

__all__ = ["OPTIONS", "problems_of"]

OPTIONS = ("share_to_feed", "audio_name", "collaborators", "trial")
MOST_COLLABORATORS = 3
WIDEST = 1920
FPS = (22.9, 60.5)
_HASHTAG = re.compile(r"(?<![\w&])#\w+")
_MENTION = re.compile(r"(?<![\w@])@[\w.]+")
_TRIALS = {"MANUAL", "SS_PERFORMANCE"}


def problems_of(content: PostContent, video: VideoFacts, account: AccountLimits, limits: Limits) -> Iterator[Problem]:
    """Every reason for which Instagram would refuse this reel."""
    yield from _text(content, limits)
    yield from _options(content)
    if content.visibility != "public":
        message = "Reels are as public as their account; choose the visibility public."
        yield Problem(field="visibility", code="not_offered", message=message)
    yield from _video(content, video, limits)
    if account.posts_left == 0:
        message = "This account has used up what Instagram lets it publish within 24 hours. Choose a later time."
        yield Problem(field="account", code="quota", message=message)


def _text(content: PostContent, limits: Limits) -> Iterator[Problem]:
    counts = (
        ("too_long", len(content.caption), limits.caption_max or 2200, "characters"),
        ("too_many_hashtags", len(_HASHTAG.findall(content.caption)), limits.hashtags_max or 30, "hashtags"),
        ("too_many_mentions", len(_MENTION.findall(content.caption)), limits.mentions_max or 20, "mentions"),
    )
    for code, count, most, what in counts:
        if count > most:
            message = f"The caption has {count} {what}; Instagram takes {most}."
            yield Problem(field="caption", code=code, message=message)


def _options(content: PostContent) -> Iterator[Problem]:
    for name, value in content.options.items():
        if name not in OPTIONS:
            message = f"Instagram knows no option {name[:40]!r}."
            yield Problem(field=f"options.{name}", code="unknown", message=message)
        elif name == "share_to_feed" and value not in {"yes", "no"}:
            message = f"share_to_feed is yes or no, not {value[:40]!r}."
            yield Problem(field="options.share_to_feed", code="not_offered", message=message)
        elif name == "trial" and value not in _TRIALS:
            message = f"trial is MANUAL or SS_PERFORMANCE, not {value[:40]!r}."
            yield Problem(field="options.trial", code="not_offered", message=message)
        elif name == "collaborators" and len(value.split(",")) > MOST_COLLABORATORS:
            message = f"{len(value.split(','))} collaborators are named; Instagram takes {MOST_COLLABORATORS}."
            yield Problem(field="options.collaborators", code="too_many", message=message)


def _video(content: PostContent, video: VideoFacts, limits: Limits) -> Iterator[Problem]:
    shortest, longest = limits.duration_min or 3.0, limits.duration_max or 900.0
    if not shortest <= video.duration <= longest:
        message = f"The clip lasts {video.duration:.1f} s; Instagram takes {shortest:g} s to {longest / 60:g} minutes."
        yield Problem(field="video.duration", code="out_of_range", message=message)
    most = limits.bytes_max or 300_000_000
    if video.size > most:
        message = f"The file has {video.size / 1e6:.0f} MB; Instagram takes {most / 1e6:.0f} MB."
        yield Problem(field="video.size", code="too_large", message=message)
    if not FPS[0] <= video.fps <= FPS[1]:
        message = f"The clip has {video.fps:g} pictures a second; Instagram takes 23 to 60."
        yield Problem(field="video.fps", code="out_of_range", message=message)
    if video.width > WIDEST:
        message = f"The picture is {video.width} wide; Instagram takes {WIDEST}."
        yield Problem(field="video.width", code="out_of_range", message=message)
    if video.mime_type not in {"video/mp4", "video/quicktime"}:
        message = f"Instagram takes MP4 and MOV, not {video.mime_type}."
        yield Problem(field="video.mime_type", code="not_offered", message=message)
    if content.cover_at is not None and not 0 <= content.cover_at < video.duration:
        message = f"The cover is at {content.cover_at:g} s, and the clip lasts {video.duration:.1f} s."
        yield Problem(field="cover_at", code="out_of_range", message=message)
