"""Wishes for new versions of clips. They are rows; the pipeline fulfils them."""

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.brand_kits.frozen import chosen_kit, frozen
from cliply_api.brand_kits.names import reference_view
from cliply_api.clips.schemas import NewRender, NewRenders, RenderSettings, RerendersView, RerenderView
from cliply_api.clips.service import clip_of, clips_of, look_name, music_of
from cliply_api.clips.spans import snap_to_words
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest
from cliply_resources.database import Clip, Render, RenderWish, Upload, UploadStep
from cliply_resources.documents import Span, Transcript, UploadSettings
from cliply_resources.documents.clips import OPTION_NAMES
from cliply_resources.errors import Conflict, NotFound
from cliply_resources.storage import Storage
from cliply_resources.uploads import when_expired

__all__ = ["ask", "ask_all", "get_rerender", "list_rerenders"]

UNFINISHED = ("open", "claimed", "running")
MOST_UNFINISHED = 10
"""Wishes of one clip at a time; who asks for more is not waiting for any of them."""


def ask(
    session: Session, storage: Storage, principal: Principal, facts: RequestFacts, clip_id: UUID, wanted: NewRender
) -> RerenderView:
    """A wish for new versions of the clip; the unfinished one where the same is asked for twice.

    Raises:
        Conflict: the clip was rejected, its upload is not being worked on or its film is gone, or too many wishes are open.
        CallerError: the span is not one for a clip.
    """
    clip = clip_of(session, clip_id, lock=True)
    upload = _upload(session, clip)
    recut = wanted.start_s is not UNSET or wanted.end_s is not UNSET
    span = _recut(session, storage, upload, clip.span, wanted) if recut else clip.span
    return _view(_wish(session, principal, facts, clip, upload, wanted, span=span, recut=recut))


def ask_all(session: Session, principal: Principal, facts: RequestFacts, wanted: NewRenders) -> RerendersView:
    """A wish for each of the clips, or none."""
    made = []
    for clip in clips_of(session, wanted.clip_ids):
        row = _wish(session, principal, facts, clip, _upload(session, clip), wanted, span=clip.span, recut=False)
        made.append(_view(row))
    return RerendersView(rerenders=made)


def list_rerenders(session: Session, page: PageRequest, clip_id: UUID) -> Page[RerenderView]:
    """The newest first."""
    clip_of(session, clip_id)
    query = sa.select(RenderWish).where(RenderWish.clip_id == clip_id).order_by(RenderWish.id.desc())
    return page.of(session, query, _view)


def get_rerender(session: Session, clip_id: UUID, wish_id: UUID) -> RerenderView:
    """How far it is."""
    clip_of(session, clip_id)
    query = sa.select(RenderWish).where(RenderWish.clip_id == clip_id, RenderWish.id == wish_id)
    row = session.scalars(query).one_or_none()
    if row is None:
        raise NotFound("There is no such re-rendering.")
    return _view(row)


def _upload(session: Session, clip: Clip) -> Upload:
    upload = session.scalars(sa.select(Upload).where(Upload.id == clip.upload_id)).one()
    if upload.cancelled_at is not None or upload.paused_at is not None:
        state = "was cancelled" if upload.cancelled_at is not None else "is paused"
        raise Conflict(f"The upload of this clip {state}, so nothing of it is rendered. Retry or resume it first.")
    if upload.expired_at is not None:
        raise Conflict(when_expired(upload.source_kind, upload.expired_at))
    if clip.state == "rejected":
        raise Conflict("This clip was rejected. Approve it first.")
    return upload


def _recut(session: Session, storage: Storage, upload: Upload, now: Span, wanted: NewRender) -> Span:
    rows = session.execute(
        sa.select(UploadStep.step, UploadStep.output, UploadStep.summary).where(
            UploadStep.upload_id == upload.id,
            UploadStep.step.in_(("transcript", "source_video")),
            UploadStep.part == "",
            UploadStep.state == "completed",
        )
    ).all()
    found: dict[str, tuple[Any, Any]] = {step: (output, summary) for step, output, summary in rows}
    if len(found) < 2:
        raise Conflict("This upload is being analyzed again. Ask again when it is done.")
    key = found["transcript"][0]["objects"]["transcript.json"]["key"]
    words = msgspec.json.decode(storage.get_bytes(key), type=Transcript).words
    return snap_to_words(
        now.start if wanted.start_s is UNSET else wanted.start_s,
        now.end if wanted.end_s is UNSET else wanted.end_s,
        words,
        duration=float(found["source_video"][1]["duration_seconds"]),
        keep_start=wanted.start_s is UNSET,
        keep_end=wanted.end_s is UNSET,
    )


def _wish(
    session: Session,
    principal: Principal,
    facts: RequestFacts,
    clip: Clip,
    upload: Upload,
    wanted: RenderSettings,
    *,
    span: Span,
    recut: bool,
) -> RenderWish:
    settings = msgspec.convert(upload.settings, UploadSettings)
    aspects = list(dict.fromkeys(settings.aspects if wanted.aspects is UNSET else wanted.aspects))
    newest = _newest(session, clip)
    style = (newest.style if newest else settings.style) if wanted.style is UNSET else wanted.style
    if wanted.look is not UNSET:
        style = wanted.look.family
    brand = _brand(session, newest, settings, wanted)
    before = dict(newest.options if newest else settings.chosen)
    if wanted.style is not UNSET:
        # Who names one of Cliply's styles is done with their own.
        before.pop("look", None)
    options = {**before, **_chosen(wanted)}
    # The words are drawn on thumbnail and picture: with other words it is another wish.
    words = (clip.title, clip.description, clip.hashtags, *([clip.hook] if options.get("show_hook") else []))
    digest = hashlib.sha256(
        msgspec.json.encode((aspects, style, span, recut, words, brand, options), order="sorted")
    ).hexdigest()
    same = (RenderWish.clip_id == clip.id, RenderWish.state.in_(UNFINISHED))
    unfinished: Sequence[RenderWish] = session.scalars(sa.select(RenderWish).where(*same)).all()
    found = next((row for row in unfinished if row.settings_digest == digest), None)
    if found is not None:
        return found
    if len(unfinished) >= MOST_UNFINISHED:
        raise Conflict(f"{len(unfinished)} versions of this clip are waiting to be made. Ask again when some are done.")
    values = {
        "clip_id": clip.id,
        "aspects": aspects,
        "style": style,
        "start_s": span.start,
        "end_s": span.end,
        "recut": recut,
        "settings_digest": digest,
        "brand": brand,
        "options": options,
        "asked_by": principal.actor_id or principal.user_id,
        "request_id": facts.errand,
    }
    # The clip's row is locked, so nobody else can be asking for the same.
    made = session.scalars(insert(RenderWish).values(values).returning(RenderWish)).one()
    audit(session, principal, facts, "clip.rerender_asked", subject=str(clip.id), rerender=str(made.id), style=style)
    return made


def _chosen(wanted: RenderSettings) -> dict[str, Any]:
    named = {name: value for name in OPTION_NAMES if (value := getattr(wanted, name)) is not UNSET}
    return msgspec.to_builtins(named)  # type: ignore[no-any-return]  # a dict of what JSON knows


def _newest(session: Session, clip: Clip) -> Render | None:
    newest = sa.select(Render).where(Render.clip_id == clip.id, Render.state == "ready")
    return session.scalars(newest.order_by(Render.created_at.desc()).limit(1)).first()


def _brand(
    session: Session, newest: Render | None, settings: UploadSettings, wanted: RenderSettings
) -> dict[str, Any] | None:
    """A copy of the kit that the new version is made with."""
    if wanted.brand_kit is UNSET:
        if newest is not None:
            return newest.brand
        kit = settings.brand or None
    else:
        row = chosen_kit(session, wanted.brand_kit)
        kit = frozen(session, row) if row is not None else None
    return msgspec.to_builtins(kit) if kit is not None else None


def _view(row: RenderWish) -> RerenderView:
    return RerenderView(
        id=row.id,
        clip_id=row.clip_id,
        state="waiting" if row.state in {"open", "claimed"} else row.state,  # type: ignore[arg-type]  # the table allows these words only
        aspects=row.aspects,  # type: ignore[arg-type]  # checked when they came in
        style=row.style,  # type: ignore[arg-type]  # checked when it came in
        look=look_name(row.options),
        speaker_colours=row.options.get("speaker_colours"),
        emoji=row.options.get("emoji", False),
        show_hook=row.options.get("show_hook", False),
        start_s=row.start_s,
        end_s=row.end_s,
        versions={aspect: int(number) for aspect, number in row.versions.items()},
        reason=row.reason,
        brand_kit=reference_view(row.brand),
        layout=row.options.get("layout", "auto"),
        mask_profanity=row.options.get("mask_profanity", False),
        tighten=row.options.get("tighten", "off"),
        denoise=row.options.get("denoise", "auto"),
        music=music_of(row.options),
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
