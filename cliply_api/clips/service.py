"""Clips as people see and judge them. Every statement runs in a session that is bound to the workspace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.brand_kits.names import reference_view
from cliply_api.clips.schemas import (
    BatchDone,
    ChangeClip,
    ClipDetail,
    ClipState,
    ClipView,
    OriginView,
    VersionView,
)
from cliply_api.errors import ApiError, ErrorCode, ErrorDetail
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest, count_of
from cliply_resources.database import Clip, ClipComment, Render, Upload, UploadStep
from cliply_resources.errors import NotFound

__all__ = [
    "ClipFilter",
    "approve",
    "approve_all",
    "change",
    "clip_of",
    "clips_of",
    "delete",
    "delete_all",
    "get_clip",
    "list_clips",
    "list_versions",
    "look_name",
    "reject",
    "reject_all",
    "version_view",
]

TOLD_BY_STEPS = ("transcript", "clip_candidates")


@dataclass(frozen=True, kw_only=True)
class ClipFilter:
    """Which clips are wanted."""

    upload_id: UUID | None = None
    state: ClipState | None = None
    min_score: float | None = None


def list_clips(session: Session, page: PageRequest, wanted: ClipFilter) -> Page[ClipView]:
    """An upload's clips from the best on, or the whole workspace's from the newest on. Three statements."""
    query = _present()
    if wanted.upload_id is not None:
        query = query.where(Clip.upload_id == wanted.upload_id)
    if wanted.state is not None:
        query = query.where(Clip.state == wanted.state)
    if wanted.min_score is not None:
        query = query.where(Clip.score >= wanted.min_score)
    total = count_of(session, query)
    rows = session.scalars(_part(query, page, by_rank=wanted.upload_id is not None)).all()
    versions = _versions(session, [row.id for row in rows])

    def sort_key(row: Clip) -> tuple[Any, ...]:
        return (row.rank if wanted.upload_id is not None else row.created_at, row.id)

    return page.page_of_rows(rows, lambda row: ClipView(**_facts(row, versions[row.id])), total, sort_key)


def _part(query: sa.Select[Clip], page: PageRequest, *, by_rank: bool) -> sa.Select[Clip]:
    after = page.after(int if by_rank else datetime, UUID)
    if by_rank:
        query = query.order_by(Clip.rank, Clip.id)
        behind = sa.tuple_(Clip.rank, Clip.id) > sa.tuple_(*after) if after else None
    else:
        query = query.order_by(Clip.created_at.desc(), Clip.id.desc())
        behind = sa.tuple_(Clip.created_at, Clip.id) < sa.tuple_(*after) if after else None
    query = query.offset((page.page - 1) * page.limit) if behind is None else query.where(behind)
    return query.limit(page.limit)


def get_clip(session: Session, clip_id: UUID) -> ClipDetail:
    """Everything that is known of the clip."""
    row = clip_of(session, clip_id)
    upload = session.scalars(sa.select(Upload).where(Upload.id == row.upload_id)).one()
    told = session.execute(
        sa.select(UploadStep.step, UploadStep.summary).where(
            UploadStep.upload_id == row.upload_id, UploadStep.step.in_(TOLD_BY_STEPS), UploadStep.part == ""
        )
    ).all()
    summaries: dict[str, dict[str, Any]] = {step: dict(summary or {}) for step, summary in told}
    comments = session.scalar(sa.select(sa.func.count()).where(ClipComment.clip_id == clip_id)) or 0
    versions = _versions(session, [clip_id])[clip_id]
    return ClipDetail(
        **_facts(row, versions),
        hook=row.hook,
        subscores={name: float(value) for name, value in row.subscores.items()},
        reasons=row.reasons,
        provenance=OriginView(
            upload_title=upload.title,
            source_kind=upload.source_kind,
            source_url=upload.source_uri if upload.source_kind == "url" else None,
            source_sha256=upload.source_sha256,
            transcript_engine=summaries.get("transcript", {}).get("engine"),
            transcript_quality=summaries.get("transcript", {}).get("quality"),
            ranker=summaries.get("clip_candidates", {}).get("ranker"),
        ),
        versions=[version_view(version) for version in versions],
        comments=comments,
    )


def list_versions(session: Session, page: PageRequest, clip_id: UUID) -> Page[VersionView]:
    """The newest first."""
    clip_of(session, clip_id)
    query = sa.select(Render).where(Render.clip_id == clip_id)
    return page.of(session, query.order_by(Render.version.desc(), Render.aspect, Render.id), version_view)


def change(
    session: Session, principal: Principal, facts: RequestFacts, clip_id: UUID, wanted: ChangeClip
) -> ClipDetail:
    """The clip with other words; no later analysis undoes them."""
    row = clip_of(session, clip_id, lock=True)
    given: dict[str, Any] = {}
    if wanted.title is not UNSET:
        given["title"] = wanted.title
    if wanted.description is not UNSET:
        given["description"] = wanted.description
    if wanted.hashtags is not UNSET:
        given["hashtags"] = list(dict.fromkeys(f"#{tag.removeprefix('#')}" for tag in wanted.hashtags))
    if wanted.hook is not UNSET:
        given["hook"] = wanted.hook.strip()
    changed = {name: value for name, value in given.items() if getattr(row, name) != value}
    if changed:
        for name, value in changed.items():
            setattr(row, name, value)
        _touch(session, row)
        audit(session, principal, facts, "clip.edited", subject=str(clip_id), fields=sorted(changed))
    return get_clip(session, clip_id)


def approve(session: Session, principal: Principal, facts: RequestFacts, clip_id: UUID) -> ClipDetail:
    """The clip may be published."""
    _decide(session, principal, facts, clip_of(session, clip_id, lock=True), "approved")
    return get_clip(session, clip_id)


def reject(session: Session, principal: Principal, facts: RequestFacts, clip_id: UUID, reason: str) -> ClipDetail:
    """The clip is not wanted."""
    _decide(session, principal, facts, clip_of(session, clip_id, lock=True), "rejected", reason=reason)
    return get_clip(session, clip_id)


def delete(session: Session, principal: Principal, facts: RequestFacts, clip_id: UUID) -> None:
    """The clip is gone, and a repeated analysis does not bring it back."""
    _delete(session, principal, facts, clip_of(session, clip_id, lock=True))


def approve_all(session: Session, principal: Principal, facts: RequestFacts, clip_ids: Sequence[UUID]) -> BatchDone:
    """All of them, or none."""

    def approving(row: Clip) -> None:
        _decide(session, principal, facts, row, "approved")

    return BatchDone(clip_ids=_each(session, clip_ids, approving), state="approved")


def reject_all(
    session: Session, principal: Principal, facts: RequestFacts, clip_ids: Sequence[UUID], reason: str
) -> BatchDone:
    """All of them for the same reason, or none."""

    def rejecting(row: Clip) -> None:
        _decide(session, principal, facts, row, "rejected", reason=reason)

    return BatchDone(clip_ids=_each(session, clip_ids, rejecting), state="rejected")


def delete_all(session: Session, principal: Principal, facts: RequestFacts, clip_ids: Sequence[UUID]) -> BatchDone:
    """All of them, or none."""

    def deleting(row: Clip) -> None:
        _delete(session, principal, facts, row)

    return BatchDone(clip_ids=_each(session, clip_ids, deleting), state="deleted")


def clip_of(session: Session, clip_id: UUID, *, lock: bool = False) -> Clip:
    """The row of a clip that is there.

    Raises:
        NotFound: there is none, it was deleted, or it is of another workspace.
    """
    query = _present().where(Clip.id == clip_id)
    row = session.scalars(query.with_for_update(of=Clip) if lock else query).one_or_none()
    if row is None:
        raise NotFound("There is no such clip.")
    return row


def _each(session: Session, clip_ids: Sequence[UUID], act: Callable[[Clip], None]) -> list[UUID]:
    found = clips_of(session, clip_ids)
    for row in found:
        act(row)
    return [row.id for row in found]


def clips_of(session: Session, clip_ids: Sequence[UUID]) -> list[Clip]:
    """The rows of these clips, each once and in that order, locked.

    Raises:
        ApiError: some of them are not there; its details say which.
    """
    wanted = list(dict.fromkeys(clip_ids))
    # In the order of their ids, so that two batches never wait for each other in a circle.
    query = _present().where(Clip.id.in_(wanted)).order_by(Clip.id).with_for_update(of=Clip)
    found = {row.id: row for row in session.scalars(query)}
    missing = [
        ErrorDetail(message="There is no such clip.", field=f"clip_ids[{place}]", place="body")
        for place, clip_id in enumerate(clip_ids)
        if clip_id not in found
    ]
    if missing:
        raise ApiError(
            "Some of these clips do not exist, so nothing was done.",
            status=404,
            code=ErrorCode.NOT_FOUND,
            details=missing,
        )
    return [found[clip_id] for clip_id in wanted]


def _decide(
    session: Session, principal: Principal, facts: RequestFacts, row: Clip, state: ClipState, *, reason: str = ""
) -> None:
    if row.state == state and row.reject_reason == reason:
        return
    row.state, row.reject_reason = state, reason
    row.decided_by = principal.actor_id or principal.user_id
    row.decided_at = sa.func.now()
    details: dict[str, Any] = {"reason": reason} if reason else {}
    audit(session, principal, facts, f"clip.{state}", subject=str(row.id), **details)


def _delete(session: Session, principal: Principal, facts: RequestFacts, row: Clip) -> None:
    row.deleted_at = sa.func.now()
    audit(session, principal, facts, "clip.deleted", subject=str(row.id), title=row.title)


def _touch(session: Session, row: Clip) -> None:
    row.edited_at = sa.func.now()
    session.flush()


def _present() -> sa.Select[Clip]:
    of_upload = sa.and_(Upload.workspace_id == Clip.workspace_id, Upload.id == Clip.upload_id)
    return sa.select(Clip).join(Upload, of_upload).where(Clip.deleted_at.is_(None), Upload.deleted_at.is_(None))


def _versions(session: Session, clip_ids: Sequence[UUID]) -> dict[UUID, list[Render]]:
    """Of each clip, the newest first."""
    found: dict[UUID, list[Render]] = {clip_id: [] for clip_id in clip_ids}
    query = sa.select(Render).where(Render.clip_id.in_(clip_ids))
    for row in session.scalars(query.order_by(Render.version.desc(), Render.aspect, Render.id)):
        found[row.clip_id].append(row)
    return found


def _facts(row: Clip, versions: Sequence[Render]) -> dict[str, Any]:
    newest: dict[str, Render] = {}
    for version in versions:
        newest.setdefault(version.aspect, version)
    return {
        "id": row.id,
        "upload_id": row.upload_id,
        "rank": row.rank,
        "start_s": row.span.start,
        "end_s": row.span.end,
        "duration_s": round(row.span.duration, 3),
        "score": row.score,
        "title": row.title,
        "description": row.description,
        "hashtags": row.hashtags,
        "state": row.state,
        "reject_reason": row.reject_reason,
        "created_at": row.created_at,
        "edited_at": row.edited_at,
        "decided_at": row.decided_at,
        "decided_by": row.decided_by,
        "newest": [version_view(version) for version in newest.values()],
    }


def look_name(options: Mapping[str, Any]) -> str | None:
    """What the caption style of one's own is called, where there is one."""
    look = options.get("look")
    return str(look["name"]) if look else None


def music_of(options: Mapping[str, Any]) -> str | None:
    """What the owner calls the music under a clip."""
    music = options.get("music")
    return music["name"] if isinstance(music, dict) else None


def version_view(row: Render) -> VersionView:
    """A version as callers see it; object keys stay inside."""
    return VersionView(
        version=row.version,
        aspect=row.aspect,
        style=row.style,
        look=look_name(row.options),
        speaker_colours=row.options.get("speaker_colours"),
        emoji=row.options.get("emoji", False),
        show_hook=row.options.get("show_hook", False),
        brand_kit=reference_view(row.brand),
        layout=row.options.get("layout", "auto"),
        mask_profanity=row.options.get("mask_profanity", False),
        tighten=row.options.get("tighten", "off"),
        removed_s=row.sound.get("removed_s", 0.0),
        removed_words=row.sound.get("removed_words", 0),
        denoise=row.options.get("denoise", "auto"),
        music=music_of(row.options),
        noise_reduced_db=row.sound.get("noise_reduced_db", 0.0),
        state=row.state,  # type: ignore[arg-type]  # the table allows these words only
        files=sorted(row.objects) if row.state == "ready" else [],  # type: ignore[arg-type]  # the kinds of file that renders write
        duration_s=row.duration,
        sha256=row.sha256,
        spec_digest=row.spec_digest,
        reason=row.reason,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
