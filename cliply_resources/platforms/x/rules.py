"""What X takes, checked before anything is sent."""

import re
from collections.abc import Iterator, Mapping

from cliply_resources.platforms.documents import AccountLimits, Limits, PostContent, Problem, VideoFacts
from cliply_resources.platforms.x.text import weighted_length

__all__ = ["problems_of"]

MOST_FPS = 60.5
LEAST_SIDE = 32
_CASHTAG = re.compile(r"(?<![\w$])\$[A-Za-z]{1,6}\b")
_TAKEN = {"video/mp4", "video/quicktime", "video/webm", "video/mp2t"}


def problems_of(
    content: PostContent,
    video: VideoFacts,
    account: AccountLimits,
    limits: Limits,
    options: Mapping[str, set[str]],
    long_text: int,
) -> Iterator[Problem]:
    """Every reason for which X would refuse this post."""
    yield from _text(content, limits, long_text)
    if content.visibility != "public":
        yield Problem(
            field="visibility", code="not_offered", message="Posts on X are public; choose the visibility public."
        )
    for name, value in content.options.items():
        if name not in options:
            yield Problem(field=f"options.{name}", code="unknown", message=f"X knows no option {name[:40]!r}.")
        elif value not in options[name]:
            message = f"{name} cannot be {value[:40]!r}; choose from {', '.join(sorted(options[name]))}."
            yield Problem(field=f"options.{name}", code="not_offered", message=message)
    yield from _video(video, account, limits)


def _text(content: PostContent, limits: Limits, long_text: int) -> Iterator[Problem]:
    counted = weighted_length(content.caption)
    most = long_text if content.options.get("long_text") == "yes" else limits.caption_max or 280
    if counted > most:
        yield Problem(
            field="caption",
            code="too_long",
            message=f"The text counts {counted} on X, which takes {most} (a link counts 23, emoji and wide scripts 2). "
            "Shorten it.",
        )
    if len(_CASHTAG.findall(content.caption)) > 1:
        yield Problem(field="caption", code="too_many_cashtags", message="X takes at most one cashtag in a post.")


def _video(video: VideoFacts, account: AccountLimits, limits: Limits) -> Iterator[Problem]:
    longest = account.duration_max or limits.duration_max or 140.0
    shortest = limits.duration_min or 0.5
    if not shortest <= video.duration <= longest:
        message = f"The clip lasts {video.duration:.1f} s; X takes {shortest:g} to {longest:g} s from this account."
        yield Problem(field="video.duration", code="out_of_range", message=message)
    if limits.bytes_max is not None and video.size > limits.bytes_max:
        message = f"The file has {video.size / 1e6:.0f} MB; X takes {limits.bytes_max / 1e6:.0f} MB."
        yield Problem(field="video.size", code="too_large", message=message)
    ratio = video.width / max(video.height, 1)
    if min(video.width, video.height) < LEAST_SIDE or not 1 / 3 <= ratio <= 3:
        message = f"The picture is {video.width}×{video.height}; X takes shapes from 1:3 to 3:1, each side 32 or more."
        yield Problem(field="video.width", code="out_of_range", message=message)
    if video.fps > MOST_FPS:
        yield Problem(
            field="video.fps", code="out_of_range", message=f"X takes 60 pictures a second, not {video.fps:g}."
        )
    if video.mime_type not in _TAKEN:
        yield Problem(field="video.mime_type", code="not_offered", message=f"X does not take {video.mime_type}.")
