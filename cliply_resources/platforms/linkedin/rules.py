"""What LinkedIn takes, checked before anything is sent."""

from collections.abc import Iterator

from cliply_resources.platforms.documents import Limits, PostContent, Problem, VideoFacts

__all__ = ["LEAST_BYTES", "problems_of"]

LEAST_BYTES = 75_000


def problems_of(content: PostContent, video: VideoFacts, limits: Limits) -> Iterator[Problem]:
    """Every reason for which LinkedIn would refuse this post."""
    most = limits.caption_max or 3000
    if len(content.caption) > most:
        message = f"The text has {len(content.caption)} characters; LinkedIn takes {most}. Shorten it."
        yield Problem(field="caption", code="too_long", message=message)
    if content.visibility not in limits.visibilities:
        message = f"LinkedIn knows no visibility {content.visibility}; choose {' or '.join(limits.visibilities)}."
        yield Problem(field="visibility", code="not_offered", message=message)
    for name in content.options:
        yield Problem(field=f"options.{name}", code="unknown", message=f"LinkedIn knows no option {name[:40]!r}.")
    shortest, longest = limits.duration_min or 3.0, limits.duration_max or 1800.0
    if not shortest <= video.duration <= longest:
        message = f"The clip lasts {video.duration:.1f} s; LinkedIn takes {shortest:g} s to {longest / 60:g} minutes."
        yield Problem(field="video.duration", code="out_of_range", message=message)
    largest = limits.bytes_max or 500_000_000
    if not LEAST_BYTES <= video.size <= largest:
        message = f"The file has {video.size / 1e6:.2f} MB; LinkedIn takes 0.075 to {largest / 1e6:.0f} MB."
        yield Problem(field="video.size", code="out_of_range", message=message)
    if video.mime_type != "video/mp4":
        message = f"LinkedIn takes MP4, not {video.mime_type}."
        yield Problem(field="video.mime_type", code="not_offered", message=message)
