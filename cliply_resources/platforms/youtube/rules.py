"""What YouTube takes, checked before anything is sent."""

from collections.abc import Iterator, Sequence

from cliply_resources.platforms.documents import AccountLimits, Limits, PostContent, Problem, VideoFacts

__all__ = ["MOST_TAGS", "problems_of", "tags_length"]

MOST_TAGS = 500
MOST_DESCRIPTION_BYTES = 5000
_YES = {"yes", "no"}


def tags_length(tags: Sequence[str]) -> int:
    """As YouTube counts: separators count, and a tag with a space costs two quotation marks."""
    return sum(len(tag) + (2 if " " in tag else 0) for tag in tags) + max(len(tags) - 1, 0)


def problems_of(content: PostContent, video: VideoFacts, account: AccountLimits, limits: Limits) -> Iterator[Problem]:
    """Every reason for which YouTube would refuse this video."""
    most = limits.title_max or 100
    if not 1 <= len(content.title.strip()) <= most or len(content.title) > most:
        message = f"The title has {len(content.title)} characters; YouTube takes 1 to {most}."
        yield Problem(field="title", code="too_long" if content.title.strip() else "missing", message=message)
    size = len(content.caption.encode("utf-8", "surrogatepass"))
    if size > MOST_DESCRIPTION_BYTES:
        message = (
            f"The description has {size} bytes; YouTube takes {MOST_DESCRIPTION_BYTES} (an emoji has 4). Shorten it."
        )
        yield Problem(field="caption", code="too_long", message=message)
    for name, text in (("title", content.title), ("caption", content.caption)):
        if "<" in text or ">" in text:
            message = "YouTube takes no < or > in titles and descriptions; remove them."
            yield Problem(field=name, code="forbidden_character", message=message)
    counted = tags_length(content.tags)
    if counted > MOST_TAGS:
        message = f"The tags count {counted} on YouTube, which takes {MOST_TAGS}."
        yield Problem(field="tags", code="too_long", message=message)
    yield from _choices(content, account, limits)
    if video.size > (limits.bytes_max or 0):
        message = f"The file has {video.size / 1e9:.0f} GB; YouTube takes 256 GB."
        yield Problem(field="video.size", code="too_large", message=message)
    if not (video.mime_type.startswith("video/") or video.mime_type == "application/octet-stream"):
        message = f"YouTube takes videos, not {video.mime_type}."
        yield Problem(field="video.mime_type", code="not_offered", message=message)


def _choices(content: PostContent, account: AccountLimits, limits: Limits) -> Iterator[Problem]:
    offered = account.visibilities or limits.visibilities
    if content.visibility not in offered:
        message = f"YouTube knows no visibility {content.visibility}; choose {', '.join(offered)}."
        yield Problem(field="visibility", code="not_offered", message=message)
    for name, value in content.options.items():
        if name == "category":
            if not (value.isdigit() and len(value) <= 3):
                message = f"category is YouTube's number for it, such as 22 (People & Blogs), not {value[:40]!r}."
                yield Problem(field="options.category", code="not_offered", message=message)
        elif name in {"notify_subscribers", "embeddable"}:
            if value not in _YES:
                message = f"{name} is yes or no, not {value[:40]!r}."
                yield Problem(field=f"options.{name}", code="not_offered", message=message)
        else:
            message = f"YouTube knows no option {name[:40]!r}."
            yield Problem(field=f"options.{name}", code="unknown", message=message)
