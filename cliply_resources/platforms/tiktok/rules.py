"""What TikTok takes, checked before anything is sent."""

from collections.abc import Iterator

from cliply_resources.platforms.documents import AccountLimits, Limits, PostContent, Problem, VideoFacts

__all__ = ["PRIVACY", "problems_of", "utf16_units"]

PRIVACY = {
    "public": "PUBLIC_TO_EVERYONE",
    "followers": "FOLLOWER_OF_CREATOR",
    "friends": "MUTUAL_FOLLOW_FRIENDS",
    "private": "SELF_ONLY",
}
SIDES = (360, 4096)
FPS = (22.9, 60.5)
_TAKEN = {"video/mp4", "video/quicktime", "video/webm"}


def utf16_units(text: str) -> int:
    """What TikTok counts a caption in: most letters are one, emoji two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def problems_of(content: PostContent, video: VideoFacts, account: AccountLimits, limits: Limits) -> Iterator[Problem]:
    """Every reason for which TikTok would refuse this post."""
    counted, most = utf16_units(content.caption), limits.caption_max or 2200
    if counted > most:
        message = f"The caption counts {counted} on TikTok, which takes {most} (an emoji counts 2). Shorten it."
        yield Problem(field="caption", code="too_long", message=message)
    offered = account.visibilities or limits.visibilities
    if content.visibility not in offered:
        message = f"TikTok offers this account {', '.join(offered)}, and not {content.visibility}."
        yield Problem(field="visibility", code="not_offered", message=message)
    if content.paid_partnership and content.visibility == "private":
        message = "TikTok does not let a paid partnership be private; choose another visibility."
        yield Problem(field="visibility", code="not_with_paid_partnership", message=message)
    for name in content.options:
        yield Problem(field=f"options.{name}", code="unknown", message=f"TikTok knows no option {name[:40]!r}.")
    if content.cover_at is not None and not 0 <= content.cover_at < video.duration:
        message = f"The cover is at {content.cover_at:g} s, and the clip lasts {video.duration:.1f} s."
        yield Problem(field="cover_at", code="out_of_range", message=message)
    if account.posts_left == 0:
        message = (
            "This account has made as many posts through apps as TikTok takes within 24 hours. Choose a later time."
        )
        yield Problem(field="account", code="quota", message=message)
    yield from _video(video, account, limits)


def _video(video: VideoFacts, account: AccountLimits, limits: Limits) -> Iterator[Problem]:
    longest = min(account.duration_max or 600.0, limits.duration_max or 600.0)
    shortest = limits.duration_min or 1.0
    if not shortest <= video.duration <= longest:
        message = (
            f"The clip lasts {video.duration:.1f} s; TikTok takes {shortest:g} to {longest:g} s from this account."
        )
        yield Problem(field="video.duration", code="out_of_range", message=message)
    largest = limits.bytes_max or 4_294_967_296
    if video.size > largest:
        message = f"The file has {video.size / 1e9:.1f} GB; TikTok takes {largest / 1e9:.1f} GB."
        yield Problem(field="video.size", code="too_large", message=message)
    if not all(SIDES[0] <= side <= SIDES[1] for side in (video.width, video.height)):
        message = f"The picture is {video.width}×{video.height}; TikTok takes {SIDES[0]} to {SIDES[1]} on each side."
        yield Problem(field="video.width", code="out_of_range", message=message)
    if not FPS[0] <= video.fps <= FPS[1]:
        message = f"The clip has {video.fps:g} pictures a second; TikTok takes 23 to 60."
        yield Problem(field="video.fps", code="out_of_range", message=message)
    if video.mime_type not in _TAKEN:
        message = f"TikTok takes MP4, MOV and WebM, not {video.mime_type}."
        yield Problem(field="video.mime_type", code="not_offered", message=message)
