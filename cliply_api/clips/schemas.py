"""Bodies of the clip handlers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from cliply_api.brand_kits.names import BrandReferenceView, KitName
from cliply_api.web.fields import Line, LongText, Name, Request, View
from cliply_resources.documents.clips import Aspect, CaptionStyle, Denoise, Layout, Tighten
from cliply_resources.documents.looks import CaptionLook

__all__ = [
    "MAX_BATCH",
    "BatchDone",
    "ChangeClip",
    "ChangeComment",
    "ClipChoice",
    "ClipDetail",
    "ClipRejection",
    "ClipState",
    "ClipView",
    "ClipsRejection",
    "CommentView",
    "DownloadLink",
    "FileKind",
    "NewComment",
    "NewRender",
    "NewRenders",
    "OriginView",
    "RenderSettings",
    "RerenderView",
    "RerendersView",
    "VersionView",
]

MAX_BATCH = 100
MAX_HASHTAGS = 30
LONGEST_FILM_SECONDS = 360_000.0

ClipState = Literal["proposed", "approved", "rejected"]
FileKind = Literal["video", "thumbnail", "srt", "edl", "xml", "fcpxml", "provenance"]
Hashtag = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^#?[^\W_]\w*$(?!\n)", examples=["#podcast"])]
HookLine = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
CommentText = Annotated[str, Meta(min_length=1, max_length=5000, pattern=r"^(?=[\s\S]*\S)[^\x00]*$")]
Second = Annotated[float, Meta(ge=0, le=LONGEST_FILM_SECONDS)]


ClipIds = Annotated[list[UUID], Meta(min_length=1, max_length=MAX_BATCH)]


class ChangeClip(Request, kw_only=True):
    """What is to be changed; what is absent stays."""

    title: Name | UnsetType = UNSET
    description: LongText | UnsetType = UNSET
    hashtags: Annotated[list[Hashtag], Meta(max_length=MAX_HASHTAGS)] | UnsetType = UNSET
    """With or without their `#`; each is kept once."""
    hook: HookLine | UnsetType = UNSET
    """What is drawn on the first seconds of versions that are asked for with `show_hook`; empty: nothing."""


class ClipRejection(Request, kw_only=True):
    """Why a clip is not wanted."""

    reason: Line = ""


class ClipChoice(Request, kw_only=True):
    """Some clips of the workspace, all of which must exist."""

    clip_ids: ClipIds


class ClipsRejection(ClipChoice, kw_only=True):
    """Some clips, and why they are not wanted."""

    reason: Line = ""


class NewComment(Request, kw_only=True):
    """A remark."""

    text: CommentText
    at_s: Second | None = None
    """Seconds from the start of the clip; without it the remark is about the whole."""


class ChangeComment(Request, kw_only=True):
    """The remark in other words."""

    text: CommentText


class RenderSettings(Request, kw_only=True):
    """How the new version is to look; what is absent stays as it is."""

    aspects: Annotated[list[Aspect], Meta(min_length=1, max_length=4)] | UnsetType = UNSET
    """Without it, those of the upload."""
    style: CaptionStyle | UnsetType = UNSET
    brand_kit: KitName | UnsetType = UNSET
    """A kit of the workspace as it is now, or `none`. Absent: as the newest version was made."""
    layout: Layout | UnsetType = UNSET
    """How shots are framed. Absent: as the newest version was made."""
    mask_profanity: bool | UnsetType = UNSET
    """Whether swear words are shown by their first letter. Absent: as in the newest version."""
    tighten: Tighten | UnsetType = UNSET
    """How much of long pauses and filler words is taken out. Absent: as in the newest version."""
    denoise: Denoise | UnsetType = UNSET
    """`off`: a steady noise behind speech stays also where reducing it helps. Absent: as in the newest version."""
    music: Literal["none"] | UnsetType = UNSET
    """`none` takes the music away. Absent: as in the newest version."""

    look: CaptionLook | UnsetType = UNSET
    """A caption style of your own, in place of `style`. Absent: as in the newest version, unless `style` is named."""
    speaker_colours: bool | UnsetType = UNSET
    """Whether each speaker's captions have colours of their own, where the transcript knows speakers. Absent: as in the newest version."""
    emoji: bool | UnsetType = UNSET
    """Whether a few words (English, German, Spanish, French) get an emoji above the caption. Absent: as in the newest version."""
    show_hook: bool | UnsetType = UNSET
    """Whether the clip's hook line is drawn on its first seconds. Absent: as in the newest version."""


class NewRender(RenderSettings, kw_only=True):
    """How the clip is to look, and where it is to begin and end."""

    start_s: Second | UnsetType = UNSET
    end_s: Second | UnsetType = UNSET
    """Seconds from the start of the source; both are moved to the nearest word, so that none is cut in two."""


class NewRenders(RenderSettings, kw_only=True):
    """How several clips are to look."""

    clip_ids: ClipIds


class RerenderView(View, kw_only=True):
    """A wish for new versions of a clip, and how far it is."""

    id: UUID
    clip_id: UUID
    state: Literal["waiting", "running", "done", "failed"]
    aspects: list[Aspect]
    style: CaptionStyle
    look: str | None
    """The name of the caption style of one's own; `style` is then the one of Cliply's that moves as it does."""
    speaker_colours: bool | None
    """Nothing where it was left to Cliply, which colours captions where two or more speak in the clip."""
    emoji: bool
    show_hook: bool
    start_s: float
    end_s: float
    """Where it begins and ends, after moving to words."""
    versions: dict[str, int]
    """Once it is done: each aspect ratio and the version that has it. Settings that had been rendered before yield that version."""
    reason: str | None
    """Why it failed."""
    brand_kit: BrandReferenceView | None
    layout: Layout
    mask_profanity: bool
    tighten: Tighten
    denoise: Denoise
    music: str | None
    """What the owner calls the music under it."""
    created_at: datetime
    ended_at: datetime | None


class RerendersView(View, kw_only=True):
    """The wishes for several clips, in the order of the request."""

    rerenders: list[RerenderView]


class VersionView(View, kw_only=True):
    """One version of a clip's media in one aspect ratio."""

    version: int
    aspect: str
    style: str
    look: str | None
    """The name of the caption style of one's own."""
    speaker_colours: bool | None
    """Nothing where it was left to Cliply, which colours captions where two or more speak in the clip."""
    emoji: bool
    show_hook: bool
    brand_kit: BrandReferenceView | None
    """Whose look it was made in."""
    layout: Layout
    """As it was asked for: `auto` decides shot by shot."""
    mask_profanity: bool
    tighten: Tighten
    """As it was asked for."""
    removed_s: float
    """Seconds of pauses and filler words that were taken out."""
    removed_words: int
    """How many filler words these were."""
    denoise: Denoise
    """As it was asked for."""
    noise_reduced_db: float
    """By how much further the speech stands above a steady noise than in the source; 0 where the sound was left as it is."""
    music: str | None
    """What the owner calls the music under it."""
    state: Literal["pending", "running", "ready", "failed"]
    files: list[FileKind]
    """What can be downloaded."""
    duration_s: float | None
    sha256: str | None
    """Of the video."""
    spec_digest: str | None
    """Names everything that decided its bytes."""
    reason: str | None
    """Why it failed."""
    created_at: datetime
    ended_at: datetime | None


class ClipView(View, kw_only=True):
    """A clip as lists show it."""

    id: UUID
    upload_id: UUID
    rank: int
    """1 is the best of its upload."""
    start_s: float
    end_s: float
    """Seconds from the start of the source."""
    duration_s: float
    score: float
    """0 to 100, comparable within an upload."""
    title: str
    description: str
    hashtags: list[str]
    state: ClipState
    reject_reason: str
    created_at: datetime
    edited_at: datetime | None
    decided_at: datetime | None
    decided_by: UUID | None
    newest: list[VersionView]
    """The newest version in each aspect ratio."""


class OriginView(View, kw_only=True):
    """Where a clip comes from; the file `provenance` of each version has the full account."""

    upload_title: str
    source_kind: str
    source_url: str | None
    source_sha256: str | None
    transcript_engine: str | None
    """What made the transcript that the captions show."""
    transcript_quality: str | None
    ranker: str | None
    """What chose the moment: `built-in`, or the model that ranked again."""


class ClipDetail(ClipView, kw_only=True):
    """A clip with everything that is known of it."""

    hook: str
    """A line in words of the clip to open with or to write over it; empty where nothing is said."""
    subscores: dict[str, float]
    """Named parts of the score, each 0 to 100."""
    reasons: list[str]
    """Sentences: what in the film speaks for this moment, the strongest first."""
    provenance: OriginView
    versions: list[VersionView]
    """All of them, the newest first."""
    comments: int


class DownloadLink(View, kw_only=True):
    """A link that works without a sign-in until it expires."""

    url: str
    expires_at: datetime
    file: FileKind
    filename: str
    version: int
    aspect: str


class CommentView(View, kw_only=True):
    """A remark on a clip."""

    id: UUID
    clip_id: UUID
    text: str
    at_s: float | None
    """Seconds from the start of the clip as it is cut now; nothing for the whole clip, or where that moment was cut away."""
    source_s: float | None
    """The same from the start of the source."""
    author_id: UUID
    author_name: str
    created_at: datetime
    edited_at: datetime | None


class BatchDone(View, kw_only=True):
    """All of them, or an error and none."""

    clip_ids: list[UUID]
    state: Literal["approved", "rejected", "deleted"]
