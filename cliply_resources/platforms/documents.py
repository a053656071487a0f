"""What a post is, to a platform and back: frozen documents that can be stored as JSON and hold no clock, no file, no socket."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

__all__ = [
    "AccountLimits",
    "Capabilities",
    "FeedAnswer",
    "Limits",
    "Metrics",
    "PostContent",
    "Problem",
    "Profile",
    "PublishIntent",
    "PublishState",
    "Published",
    "RecentPage",
    "RecentPost",
    "Reconciled",
    "RemoteStatus",
    "Step",
    "StepKind",
    "StepResult",
    "Tokens",
    "Verdict",
    "VideoFacts",
    "WebhookEvent",
]

Visibility = Literal["public", "unlisted", "followers", "friends", "private"]


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection is worth. Never shown: `repr` and `str` name no secret. Stored sealed only."""

    access_token: str
    refresh_token: str | None = None
    expires_at: datetime | None = None
    """Of the access token, aware UTC; `None` where the platform names no end."""
    refresh_expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    """What was really granted, which may be less than was asked for."""
    obtained_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Tokens(…, expires_at={self.expires_at!s})"

    @property
    def secrets(self) -> tuple[str, ...]:
        """For `scrub`."""
        return tuple(token for token in (self.access_token, self.refresh_token) if token)


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One account of the platform that these tokens may post to; one sign-in may open several (pages, organisations)."""

    remote_id: str
    """Always text: ids of several platforms exceed 2^53."""
    name: str
    username: str = ""
    avatar_url: str | None = None
    url: str | None = None
    kind: str = "person"
    """`person`, `page`, `organization` or `channel`."""
    tokens: Tokens | None = None
    """Only where this account has tokens of its own."""
    facts: dict[str, str] = {}
    """What the adapter wants to have again in every `Call`, such as a uploads playlist; no secrets."""


class VideoFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a platform's limits are about."""

    size: int
    """Bytes."""
    sha256: str
    duration: float
    """Seconds."""
    width: int
    height: int
    fps: float = 30.0
    mime_type: str = "video/mp4"
    video_codec: str = "h264"
    audio_codec: str | None = "aac"


class PostContent(msgspec.Struct, frozen=True, kw_only=True):
    """What the person wrote and chose. An adapter uses what its platform has, and `validate` says what that is."""

    title: str = ""
    caption: str = ""
    """Description, caption, commentary or text: the long field. Hashtags stand in it as they shall appear."""
    tags: tuple[str, ...] = ()
    """Key words that are not shown in the text (YouTube)."""
    visibility: Visibility = "public"
    cover_at: float | None = None
    """Seconds into the video, for the cover."""
    allow_comments: bool = True
    allow_duet: bool = True
    allow_stitch: bool = True
    made_for_kids: bool = False
    made_with_ai: bool = False
    paid_partnership: bool = False
    own_brand: bool = False
    options: dict[str, str] = {}
    """The platform's own, such as YouTube's `category`; `validate` refuses names it does not know."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a post would not be accepted, known before anything is sent."""

    field: str
    """A field of `PostContent`, `options.NAME`, or one of `VideoFacts` as `video.NAME`."""
    code: str
    """Stable, such as `too_long`."""
    message: str
    """A whole sentence with the value, the limit and what to do."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The platform's general limits, for forms to show. `None`: there is none, or none that is known."""

    title_max: int | None = None
    caption_max: int | None = None
    text_unit: str = "characters"
    """What title and caption are counted in: `characters`, `utf-16 units`, `bytes`, `weighted characters`."""
    hashtags_max: int | None = None
    mentions_max: int | None = None
    bytes_max: int | None = None
    duration_min: float | None = None
    duration_max: float | None = None
    aspect_min: float | None = None
    """Width divided by height."""
    aspect_max: float | None = None
    visibilities: tuple[Visibility, ...] = ("public",)
    posts_per_day: int | None = None
    """For one account, where the platform does not say it of the account itself."""


class AccountLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What this account may do just now, asked of the platform (TikTok's creator info, Instagram's publishing limit)."""

    visibilities: tuple[Visibility, ...] | None = None
    duration_max: float | None = None
    comments_disabled: bool = False
    duet_disabled: bool = False
    stitch_disabled: bool = False
    posts_left: int | None = None
    resets_at: datetime | None = None
    username: str = ""
    asked_at: datetime | None = None


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform can do through its interface, and how its connection behaves."""

    scopes: tuple[str, ...]
    """Asked for when connecting."""
    scopes_to_publish: tuple[str, ...]
    """Without one of these an account cannot post, and counts as one to reconnect."""
    pkce: Literal["none", "base64url", "hex"] = "none"
    refresh: Literal["rotates", "keeps", "extends", "none"] = "keeps"
    """`rotates`: a new refresh token each time; `extends`: the access token itself is renewed; `none`: people sign in again."""
    refresh_ahead: float = 300.0
    """Seconds before the end from which on the schedule refreshes."""
    editable: tuple[str, ...] = ()
    """Fields of `PostContent` that can be changed after publishing."""
    can_delete: bool = False
    can_list: bool = False
    """Whether `recent` works: for import, and for finding what an unknown outcome became."""
    metrics_batch: int = 0
    """Posts that one `metrics` call may ask for; 0: none."""
    webhooks: bool = False
    feeds: bool = False
    """Whether an account's new posts are told by a feed that has to be subscribed to."""
    needs_link: bool = False
    """Whether the platform fetches the video itself and needs a link that is reachable from outside."""
    settle: float = 60.0
    """Seconds after a commit call of unknown outcome before an uncertain `NOT_FOUND` is believed."""
    confirm_for: float = 3600.0
    """Seconds after the commit in which it is asked what became of it, before a person is."""


class PublishIntent(msgspec.Struct, frozen=True, kw_only=True):
    """One post as it shall be published: fixed when the preparation begins, the same until the end."""

    post_id: str
    marker: str
    """Short, unique and harmless in public, for platforms where a text can carry it to be found again."""
    content: PostContent
    video: VideoFacts


class PublishState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a post is, as its adapter left it; stored (sealed) after every step. The empty state is the beginning."""

    step: str = ""
    """The adapter's own name for where it is."""
    handle: str | None = None
    """The platform's name for what was begun: publish id, container id, media id, video URN. No secret; shown to operators."""
    session_url: str | None = None
    """An opaque upload URL. Counts as a secret."""
    offset: int = 0
    """Bytes that the platform is known to have."""
    parts: tuple[str, ...] = ()
    """What the platform answered for each part, in order (ETags)."""
    opened_at: datetime | None = None
    expires_at: datetime | None = None
    """When the session or container dies."""
    polls: int = 0
    facts: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"PublishState(step={self.step!r}, handle={self.handle!r}, offset={self.offset})"


class StepKind(StrEnum):
    """What may be done with a step when its outcome is not known."""

    PREPARE = "prepare"
    """Publishes nothing, however often it is repeated: start a session, send bytes but the last, wait for processing."""
    COMMIT = "commit"
    """Exactly one request that publishes, or may: made once per recorded intent. The last byte of an upload, where that publishes."""
    CONFIRM = "confirm"
    """Only asks what became of it."""


class Step(msgspec.Struct, frozen=True):
    """What is to be done next."""

    name: str
    kind: StepKind


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What a post has become."""

    remote_id: str | None = None
    """Unknown where the platform names it later, or never (TikTok, private posts)."""
    url: str | None = None
    visibility: Visibility | None = None
    """What the platform made of it, where it says so."""
    live: bool = True
    """False while it exists but the platform still checks or converts it; then `CONFIRM` steps follow."""


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """A step that ended well: the state to go on with. Anything else is raised as `PlatformTrouble`."""

    state: PublishState
    committed: bool = False
    """After a `COMMIT`: whether it took effect. False says that it certainly did not (only part of the last chunk was kept)."""
    published: Published | None = None
    wait: float | None = None
    """Seconds before the next step makes sense: the outcome is PENDING."""
    reason: str = ""
    """With `wait`: what is waited for, as a sentence."""


class Verdict(StrEnum):
    """What became of a commit call whose outcome was unknown."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    UNDECIDABLE = "undecidable"


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to "did it publish?", with the evidence in words."""

    verdict: Verdict
    evidence: str
    """What was looked at and what was seen, for the person who may have to decide."""
    state: PublishState
    """To go on with: after FOUND to confirm, after NOT_FOUND to commit again."""
    published: Published | None = None
    """With FOUND; may be without an id where only the handle proves it."""
    certain: bool = False
    """With NOT_FOUND: the platform itself rules it out (an upload session that lacks bytes, a container still unpublished), so
    it need not be looked again after `Capabilities.settle`."""
    candidates: tuple[str, ...] = ()
    """URLs of posts that might be it, for a person to compare."""


class RemoteStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A published post as the platform shows it now."""

    state: Literal["live", "processing", "rejected", "removed"]
    url: str | None = None
    remote_id: str | None = None
    visibility: Visibility | None = None
    reason: str = ""


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one post at one moment. `None`: the platform does not tell; never a zero that was not said."""

    remote_id: str
    views: int | None = None
    likes: int | None = None
    comments: int | None = None
    shares: int | None = None
    saves: int | None = None
    reach: int | None = None
    watch_seconds: float | None = None
    """All viewers together."""
    average_watch_seconds: float | None = None
    extra: dict[str, float] = {}


class RecentPost(msgspec.Struct, frozen=True, kw_only=True):
    """One post of the account's own, newest first in a page."""

    remote_id: str
    published_at: datetime
    title: str = ""
    caption: str = ""
    url: str | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    cover_url: str | None = None
    metrics: Metrics | None = None


class RecentPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some posts, and how to ask for older ones."""

    posts: tuple[RecentPost, ...]
    cursor: str | None = None


class FeedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub says of a subscription that was asked for."""

    mode: Literal["subscribe", "unsubscribe", "denied"]
    challenge: str = ""
    """To be answered, by which the subscriber agrees."""
    lease_seconds: float = 0.0
    reason: str = ""
    """Of a refusal."""


class WebhookEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a platform told us by itself. Late, doubled and reordered ones are normal."""

    event_id: str
    """The same for a repetition; what it is deduplicated by."""
    kind: Literal["published", "failed", "public", "not_public", "disconnected", "new_post", "deleted_post", "other"]
    account_remote_id: str
    at: datetime
    handle: str | None = None
    """As in `PublishState.handle`."""
    remote_id: str | None = None
    reason: str = ""
