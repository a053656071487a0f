"""Bodies of the post handlers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, field

from cliply_api.accounts.schemas import MOST_ACCOUNTS, PlatformName, Tolerance
from cliply_api.web.fields import Line, Name, Request, TimeZone, Url, View
from cliply_resources.documents.clips import Aspect
from cliply_resources.platforms.documents import PostContent, Visibility
from cliply_resources.posts.machine import PostState

__all__ = [
    "Answer",
    "Approval",
    "AttemptView",
    "BulkPosts",
    "ChangePost",
    "ContentFields",
    "Decline",
    "NewPosts",
    "PostDetail",
    "PostView",
    "PostsMade",
    "PublishedChange",
    "TryAgain",
    "When",
    "Wish",
]

Title = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Caption = Annotated[str, Meta(max_length=10_000, pattern=r"^[^\x00]*$")]
OptionName = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[a-z][a-z0-9_]*$(?!\n)")]
Moment = Annotated[datetime, Meta(tz=True)]
LocalTime = Annotated[
    str, Meta(pattern=r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?$(?!\n)", max_length=19, examples=["2026-11-25T18:30"])
]
Twice = Literal["earlier", "later"]
Ids = Annotated[list[UUID], Meta(min_length=1, max_length=MOST_ACCOUNTS)]
Can = Literal[
    "edit", "cancel", "approve", "decline", "retry", "answer", "edit_published", "delete_published", "refresh"
]


class ContentFields(Request, kw_only=True):
    """What is said and chosen; what is not given comes from the platform's defaults. The platform's limits are checked at once."""

    title: Title | UnsetType = UNSET
    caption: Caption | UnsetType = UNSET
    """Description, caption, commentary or text: the long field."""
    tags: Annotated[list[Line], Meta(max_length=60)] | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET
    cover_at: Annotated[float, Meta(ge=0, le=36_000)] | UnsetType | None = UNSET
    """Seconds into the clip."""
    allow_comments: bool | UnsetType = UNSET
    allow_duet: bool | UnsetType = UNSET
    allow_stitch: bool | UnsetType = UNSET
    made_for_kids: bool | UnsetType = UNSET
    made_with_ai: bool | UnsetType = UNSET
    paid_partnership: bool | UnsetType = UNSET
    own_brand: bool | UnsetType = UNSET
    options: Annotated[dict[OptionName, Line], Meta(max_length=20)] | UnsetType = UNSET
    """The platform's own, such as YouTube's `category`."""


class When(Request, kw_only=True):
    """A moment: `due_at`, or `local_time` in a zone, or neither, which is now."""

    due_at: Moment | UnsetType = UNSET
    local_time: LocalTime | UnsetType = UNSET
    """What a clock on the wall shows then."""
    time_zone: TimeZone | UnsetType = UNSET
    """Of `local_time`; otherwise the workspace's."""
    if_twice: Twice | UnsetType = UNSET
    """Which one is meant where clocks are put back and show `local_time` twice."""


class Wish(When, kw_only=True):
    """What all posts that are made together share."""

    aspect: Aspect | UnsetType = UNSET
    version: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET
    """The newest finished one, unless another is named."""
    content: ContentFields = field(default_factory=ContentFields)
    by_platform: dict[PlatformName, ContentFields] = field(default_factory=dict)
    """What is different on one platform; wins over `content`."""
    tolerance_seconds: Tolerance | UnsetType = UNSET
    """So much later than planned it may still be published; afterwards it is missed."""


class NewPosts(Wish, kw_only=True):
    """One clip, for one or several accounts."""

    clip_id: UUID
    account_ids: Ids | UnsetType = UNSET
    """Otherwise the default accounts of all platforms."""


class BulkPosts(Wish, kw_only=True):
    """Several clips, each for all of the accounts, one after the other."""

    clip_ids: Annotated[list[UUID], Meta(min_length=1, max_length=50)]
    account_ids: Ids | UnsetType = UNSET
    """Otherwise the default accounts of all platforms."""
    spacing_seconds: Annotated[int, Meta(ge=0, le=30 * 86_400)] | UnsetType = UNSET
    """Between one account's posts, those that it has already included; otherwise the platform's default."""


class ChangePost(When, kw_only=True):
    """A new time, other words, or both; what is not given stays."""

    content: ContentFields | UnsetType = UNSET
    revision: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    """The revision that was seen; a post that was changed since then is left alone."""


class Approval(Request, kw_only=True):
    """What is approved."""

    revision: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    """The revision that was seen; if the post was changed since then, it is not approved."""


class Decline(Request, kw_only=True):
    """Why not; whoever asked for the post reads it."""

    reason: Name


class TryAgain(When, kw_only=True):
    """When; now, unless a time is given."""


class Answer(Request, kw_only=True):
    """What a person found on the account."""

    answer: Literal["published", "publish_again", "give_up"]
    """`published`: it is there. `publish_again`: it is not, and shall be. `give_up`: it is not, and shall not be."""
    url: Url | None = None
    """Where it is, with `published`."""


class PublishedChange(Request, kw_only=True):
    """What shall be different on the platform."""

    title: Title | UnsetType = UNSET
    caption: Caption | UnsetType = UNSET
    tags: Annotated[list[Line], Meta(max_length=60)] | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET


class PostView(View, kw_only=True):
    """One clip on one account at one moment."""

    id: UUID
    platform: str
    account_id: UUID
    account_name: str
    upload_id: UUID | None
    clip_id: UUID | None
    content: PostContent
    due_at: datetime
    local_time: str
    """The same in the workspace's time zone."""
    tolerance_seconds: int
    state: PostState
    reason: str | None
    """Why it waits, was refused or is in doubt, as a sentence."""
    code: str
    """The platform's own name for the reason."""
    revision: int
    """Counts up with every change."""
    can: list[Can]
    """What can be done with it now."""
    remote_id: str | None
    url: str | None
    visibility: str | None
    """What the platform made of it, where it says so."""
    published_at: datetime | None
    removed_at: datetime | None
    created_by: UUID | None
    approved_by: UUID | None
    created_at: datetime


class AttemptView(View, kw_only=True):
    """One call to the platform, or one word of a person."""

    step: str
    kind: Literal["prepare", "commit", "confirm", "reconcile", "refresh", "person"]
    outcome: str | None
    """Nothing while it is being made, or when whoever made it died."""
    resolution: Literal["applied", "not_applied"] | None
    """Of a call that publishes: what became of it."""
    code: str
    reason: str | None
    handle: str | None
    """The platform's name for what was begun."""
    sent_bytes: int
    started_at: datetime
    ended_at: datetime | None


class PostDetail(PostView, kw_only=True):
    """A post with every call that was made for it."""

    attempts: list[AttemptView]
    candidates: list[str]
    """While it is asked whether it was published: addresses of posts that might be it."""


class PostsMade(View, kw_only=True):
    """The posts, in the order of clips and accounts; one that was there already for that clip, account and moment is that one."""

    posts: list[PostView]
