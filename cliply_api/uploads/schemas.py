"""Bodies of the upload handlers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, field

from cliply_api.brand_kits.names import BrandReferenceView, KitName
from cliply_api.web.fields import Line, Name, Request, Url, View
from cliply_resources.documents import Segment
from cliply_resources.documents.clips import Denoise, Profile, Tighten
from cliply_resources.documents.looks import CaptionLook

__all__ = [
    "SUFFIXES",
    "ClipLine",
    "ConfirmedUpload",
    "ContentType",
    "FinishedPart",
    "FinishedParts",
    "NewFile",
    "NewUpload",
    "Options",
    "OptionsView",
    "PartPut",
    "PartView",
    "PartsPlan",
    "PartsView",
    "PutRequest",
    "QueueView",
    "Range",
    "ReceivedPart",
    "RenderLine",
    "Report",
    "SignalsView",
    "SignedParts",
    "State",
    "StepUsage",
    "StepView",
    "TranscriptView",
    "UploadCreated",
    "UploadDetail",
    "UploadView",
    "UsageView",
    "WantedParts",
]

ContentType = Literal["video/mp4", "video/webm", "video/quicktime", "video/x-matroska"]
SUFFIXES: dict[str, str] = {
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/quicktime": ".mov",
    "video/x-matroska": ".mkv",
}

State = Literal[
    "created", "ingesting", "analyzing", "clips_generated", "rendering", "review", "publishing", "completed",
    "failed", "cancelled", "paused",
]  # fmt: skip
Aspect = Literal["9:16", "1:1", "4:5", "16:9"]
CaptionStyle = Literal["highlight_word", "karaoke", "pop_in", "typewriter", "bounce", "none"]
Layout = Literal["auto", "speaker", "panels", "screen", "fit"]
Seconds = Annotated[float, Meta(ge=3, le=600)]


class Range(Request, kw_only=True):
    """A stretch of the film in seconds; it ends after it starts."""

    start: Annotated[float, Meta(ge=0, le=86_400)]
    end: Annotated[float, Meta(ge=0, le=86_400)]


class Options(Request, kw_only=True):
    """How the film is to be processed."""

    clips: Annotated[int, Meta(ge=1, le=50)] = 5
    """At most this many."""
    min_seconds: Seconds = 15.0
    max_seconds: Seconds = 60.0
    aspects: Annotated[list[Aspect], Meta(min_length=1, max_length=4)] = field(default_factory=lambda: ["9:16"])
    style: CaptionStyle | UnsetType = UNSET
    """Absent: that of the brand kit, or `highlight_word`."""
    brand_kit: KitName | UnsetType = UNSET
    """The kit that clips are made with, as it is now. Absent: the workspace's default; `none`: without one."""
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}$(?!\n)", min_length=2, max_length=2)] | None = None
    """ISO 639-1; absent lets the transcript engine find out."""
    profile: Profile | UnsetType = UNSET
    """What kind of film it is; absent lets the signals tell."""
    topic: Name | UnsetType = UNSET
    """What every clip is to be about, such as “the part where she talks about the oven”."""
    exclude: Annotated[list[Range], Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    """Ranges of the film that no clip may touch."""
    layout: Layout | UnsetType = UNSET
    """How shots are framed: `speaker` follows who speaks, `panels` shows everybody in a panel, `screen` puts a screen above its small
    camera, `fit` shows the whole picture on blurred sides. Absent or `auto`: decided shot by shot."""
    mask_profanity: bool | UnsetType = UNSET
    """Whether swear words (English, German, Spanish, French) in captions, subtitle files and on thumbnails are shown by their first
    letter. Absent: no."""
    tighten: Tighten | UnsetType = UNSET
    """How much of long pauses and of filler words (um, uh, äh, euh …) is taken out of the clips: `off`, `gentle` or `tight`. Absent:
    `off`."""
    denoise: Denoise | UnsetType = UNSET
    """`off`: a steady noise behind speech is left alone. Absent or `auto`: it is reduced where measuring says that this helps."""

    look: CaptionLook | UnsetType = UNSET
    """A caption style of your own, in place of `style`; every field is explained in the guide to captions."""
    speaker_colours: bool | UnsetType = UNSET
    """Whether each speaker's captions have colours of their own, where the transcript knows speakers. Absent: where two or more speak in
    a clip."""
    emoji: bool | UnsetType = UNSET
    """Whether a few words (English, German, Spanish, French) get an emoji above the caption. Absent: no."""
    show_hook: bool | UnsetType = UNSET
    """Whether the clip's hook line is drawn on its first seconds. Absent: no."""


class NewFile(Request, kw_only=True):
    """A film that will be put to the storage."""

    name: Name
    """What it is called where it comes from; names the upload where it has no title."""
    size: Annotated[int, Meta(ge=1, le=2**50)]
    """Bytes, exactly."""
    content_type: ContentType
    upload: Literal["single", "multipart"] = "single"
    """In one request, or in parts of which each can be put again by itself."""


class NewUpload(Request, kw_only=True):
    """Exactly one of `file` and `source_url`."""

    file: NewFile | None = None
    source_url: Url | None = None
    """The page of one video at one of the accepted sites."""
    title: Line = ""
    settings: Options | None = None


class OptionsView(View, kw_only=True):
    """How the film is (to be) processed."""

    clips: int
    min_seconds: float
    max_seconds: float
    aspects: list[str]
    style: str
    look: str | None
    """The name of the caption style of one's own; `style` is then the one of Cliply's that moves as it does."""
    speaker_colours: bool | None
    """Nothing where it was left to Cliply, which colours captions where two or more speak in the clip."""
    emoji: bool
    show_hook: bool
    language: str | None
    brand_kit: BrandReferenceView | None
    """As it was when the upload was asked for."""
    profile: str | None
    topic: str | None
    exclude: list[Range]
    layout: Layout
    mask_profanity: bool
    tighten: Tighten
    denoise: Denoise


class QueueView(View, kw_only=True):
    """The place in line of an upload that waits for its turn."""

    position: int
    """1 is next."""
    expected_wait_seconds: float | None
    """As far as the last uploads tell; nothing before there were any."""


class UploadView(View, kw_only=True):
    """An upload in a list."""

    id: UUID
    title: str
    state: State
    percent: float
    """0 to 100, over all steps."""
    doing: str
    """What is being done at the moment."""
    queue: QueueView | None
    """Where it stands in line, while it waits for its turn."""
    reason: str | None
    """Why it does not go on, where it does not."""
    source: Literal["file", "url"]
    source_url: str | None
    size: int | None
    """Bytes, where known."""
    sha256: str | None
    confirmed: bool
    """Whether the bytes are there and were looked at; nothing is done before."""
    attempt: int
    clips: int
    """With at least one finished render."""
    settings: OptionsView
    created_at: datetime
    completed_at: datetime | None = None
    """When its clips were made; nothing while there is something to do."""
    deleted_at: datetime | None = None


class PartView(View, kw_only=True):
    """One clip's share of a step that fans out."""

    clip_id: UUID
    state: str
    percent: float
    doing: str
    attempt: int
    reason: str | None


class StepView(View, kw_only=True):
    """One step of the work on an upload."""

    step: str
    label: str
    state: Literal["pending", "running", "completed", "failed", "skipped", "cancelled"]
    percent: float
    doing: str
    attempt: int
    max_attempts: int
    started_at: datetime | None
    ended_at: datetime | None
    seconds: float | None
    reused: bool
    """Found done in another upload of the workspace."""
    reason: str | None
    facts: dict[str, str | int | float]
    """What came of it."""
    parts: list[PartView]


class UploadDetail(View, kw_only=True):
    """An upload and its steps."""

    upload: UploadView
    steps: list[StepView]


class PutRequest(View, kw_only=True):
    """How the bytes are put: exactly this method, these headers and the announced number of bytes."""

    method: Literal["PUT"]
    url: str
    headers: dict[str, str]
    expires_at: datetime


class PartsPlan(View, kw_only=True):
    """How a film is cut into parts."""

    part_size: int
    """Bytes of each but the last, which has the rest."""
    parts: int
    """How many."""


class UploadCreated(View, kw_only=True):
    """A new upload; `put` says where the file goes, `multipart` how it is cut. With a URL, work begins by itself."""

    upload: UploadView
    put: PutRequest | None
    multipart: PartsPlan | None = None
    existing: bool
    """The same URL with the same settings is already being worked on; this is that upload."""


PartNumber = Annotated[int, Meta(ge=1, le=10_000)]


class WantedParts(Request, kw_only=True):
    """The parts to be signed, at most a hundred at once."""

    parts: Annotated[list[PartNumber], Meta(min_length=1, max_length=100)]


class PartPut(View, kw_only=True):
    """How one part is put."""

    number: int
    size: int
    method: Literal["PUT"]
    url: str
    headers: dict[str, str]


class SignedParts(View, kw_only=True):
    """How the parts are put."""

    parts: list[PartPut]
    expires_at: datetime


class ReceivedPart(View, kw_only=True):
    """One part that has arrived."""

    number: int
    size: int
    etag: str


class PartsView(View, kw_only=True):
    """What has arrived of a film."""

    part_size: int
    parts: int
    received: list[ReceivedPart]
    missing: list[int]
    joined: bool
    """Whether the parts have become the file, so that there is nothing more to put."""


class FinishedPart(Request, kw_only=True):
    """One part, and the `ETag` that the answer to its PUT carried."""

    number: PartNumber
    etag: Annotated[str, Meta(min_length=1, max_length=200, pattern=r'^"?[!#-~]+"?$(?!\n)')]


class FinishedParts(Request, kw_only=True):
    """All parts of the film."""

    parts: Annotated[list[FinishedPart], Meta(min_length=1, max_length=10_000)]


class ConfirmedUpload(View, kw_only=True):
    """The upload whose work begins."""

    upload: UploadView
    existing: bool
    """The same bytes with the same settings had been uploaded before; this is that upload, and the new one is gone."""


class TranscriptView(View, kw_only=True):
    """What was said, by whom, and when."""

    engine: str
    engine_detail: str
    language: str | None
    quality: Literal["high", "normal", "low"]
    word_times: Literal["measured", "estimated"]
    note: str
    segments: list[Segment]


class SignalsView(View, kw_only=True):
    """The timeline that candidates were chosen from; all lists are of one length."""

    times: list[float]
    """Start of each row, seconds."""
    signals: dict[str, list[float | None]]


class StepUsage(View, kw_only=True):
    """What a step took."""

    step: str
    label: str
    cpu_seconds: float
    """Of completed work, with that of the programs it started."""
    gpu_seconds: float
    read_bytes: int
    """Of stored objects that it may read."""
    tokens_in: int
    """A language model's."""
    tokens_out: int
    cost: float
    """An estimate by the operator's prices, in the operator's currency; work that failed is not charged."""
    seconds: float | None
    """From its start to its end."""
    attempts: int
    stored_bytes: int
    reused: bool


class UsageView(View, kw_only=True):
    """What the work on an upload took."""

    steps: list[StepUsage]
    cpu_seconds: float
    gpu_seconds: float
    read_bytes: int
    stored_bytes: int
    tokens_in: int
    tokens_out: int
    cost: float
    """An estimate by the operator's prices, in the operator's currency; work that failed is not charged."""


class RenderLine(View, kw_only=True):
    """One rendered version of a clip."""

    id: UUID
    aspect: str
    style: str
    version: int
    state: str
    duration: float | None
    reason: str | None


class ClipLine(View, kw_only=True):
    """One clip in a report."""

    id: UUID
    rank: int
    start: float
    end: float
    score: float
    title: str
    state: str
    reasons: list[str]
    renders: list[RenderLine]


class Report(View, kw_only=True):
    """Everything that came of an upload, in one document."""

    upload: UploadView
    generated_at: datetime
    steps: list[StepView]
    usage: UsageView
    clips: list[ClipLine]
    signals_chart: str | None
    """Path of the drawing that shows every signal and the chosen moments (SVG); nothing before these are chosen."""
    problems: list[str]
