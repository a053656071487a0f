"""Rows of uploads and steps as bodies that go out."""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.orm import Session, defer

from cliply_api.brand_kits.names import reference_view
from cliply_api.uploads.admission import places_of
from cliply_api.uploads.schemas import (
    OptionsView,
    PartView,
    QueueView,
    Range,
    StepUsage,
    StepView,
    UploadView,
    UsageView,
)
from cliply_resources.database.models import Clip, Render, Upload, UploadStep
from cliply_resources.documents import UploadSettings
from cliply_resources.posts.counting import NO_POSTS, PostCount, count_posts
from cliply_resources.steps import LABELS, join_parts
from cliply_resources.turns import Place
from cliply_resources.uploads import StepFact, derive_state

__all__ = ["UploadRows", "rows_of", "step_views", "upload_view", "usage_view"]

FINISHED = {"completed", "skipped"}
DOCUMENTS = (UploadStep.summary, UploadStep.usage, UploadStep.output)
ASIDE = ("rerender",)
"""Work beside the steps that every upload has."""


@dataclass(frozen=True)
class UploadRows:
    """What else is known about an upload."""

    steps: Sequence[UploadStep] = field(default_factory=list)
    ready_clips: int = 0
    posts: PostCount = NO_POSTS
    place: Place | None = None
    """In line, where it waits for its turn."""


def rows_of(
    session: Session, workspace_id: UUID, ids: Collection[UUID], *, documents: bool = True
) -> Mapping[UUID, UploadRows]:
    """The steps and the number of finished clips of each upload, and its place in line; six statements at most, however many they are.

    Without `documents`, what steps say of their results and usage is left in the database.
    """
    steps: dict[UUID, list[UploadStep]] = defaultdict(list)
    found = sa.select(UploadStep).where(UploadStep.workspace_id == workspace_id, UploadStep.upload_id.in_(ids))
    if not documents:
        found = found.options(*(defer(column, raiseload=True) for column in DOCUMENTS))
    for row in session.scalars(found):
        steps[row.upload_id].append(row)
    counted = (
        sa.select(Clip.upload_id, sa.func.count(sa.distinct(Clip.id)))
        .join(Render, sa.and_(Render.workspace_id == Clip.workspace_id, Render.clip_id == Clip.id))
        .where(
            Clip.workspace_id == workspace_id,
            Clip.upload_id.in_(ids),
            Clip.deleted_at.is_(None),
            Render.state == "ready",
        )
        .group_by(Clip.upload_id)
    )
    ready = {row[0]: row[1] for row in session.execute(counted)}
    places = places_of(session, workspace_id, ids)
    posts = count_posts(session, workspace_id, ids)
    return {one: UploadRows(steps[one], ready.get(one, 0), posts[one], places.get(one)) for one in ids}


def upload_view(upload: Upload, rows: UploadRows) -> UploadView:
    """The upload with its derived state; a path on the server's disk is nobody's business."""
    settings = msgspec.convert(upload.settings, UploadSettings)
    state = derive_state(
        [StepFact(step=row.step, state=row.state) for row in rows.steps],
        cancelled=upload.cancelled_at is not None,
        paused=upload.paused_at is not None,
        waiting=upload.retry_at is not None,
        ready_clips=rows.ready_clips,
        due_posts=rows.posts.underway,
        published_posts=rows.posts.published,
    )
    parts = _by_step(rows.steps)
    joined = [join_parts(step, parts[step]) for step in LABELS]
    running = next((view for view in joined if view.state == "running"), None)
    stopped = [view for view in joined if view.state in {"failed", "cancelled", "pending"} and view.reason]
    return UploadView(
        id=upload.id,
        title=upload.title,
        state=state,
        percent=round(sum(100.0 if view.state in FINISHED else view.percent for view in joined) / len(joined), 1),
        doing=_doing(upload, running.label if running else "", running.doing if running else "", rows.place),
        queue=QueueView(position=rows.place.position, expected_wait_seconds=rows.place.seconds) if rows.place else None,
        reason=None if upload.retry_at is not None else next((view.reason for view in stopped), None),
        source="url" if upload.source_kind == "url" else "file",
        source_url=upload.source_uri if upload.source_kind == "url" else None,
        size=upload.source_size,
        sha256=upload.source_sha256,
        confirmed=upload.confirmed_at is not None,
        attempt=upload.attempt,
        clips=rows.ready_clips,
        settings=OptionsView(
            clips=settings.clips,
            min_seconds=settings.min_seconds,
            max_seconds=settings.max_seconds,
            aspects=list(settings.aspects),
            style=settings.style,
            look=settings.look.name if settings.look else None,
            speaker_colours=None if settings.speaker_colours is UNSET else settings.speaker_colours,
            emoji=settings.emoji or False,
            show_hook=settings.show_hook or False,
            language=settings.language,
            brand_kit=reference_view(upload.settings.get("brand")),
            profile=None if settings.profile is UNSET else settings.profile,
            topic=None if settings.topic is UNSET else settings.topic,
            exclude=[]
            if settings.exclude is UNSET
            else [Range(start=one.start, end=one.end) for one in settings.exclude],
            layout=settings.layout or "auto",
            mask_profanity=settings.mask_profanity or False,
            tighten=settings.tighten or "off",
            denoise=settings.denoise or "auto",
        ),
        created_at=upload.created_at,
        completed_at=upload.completed_at,
        deleted_at=upload.deleted_at,
    )


def _doing(upload: Upload, label: str, doing: str, place: Place | None) -> str:
    if label:
        return f"{label}: {doing}" if doing else label
    if upload.confirmed_at is None:
        return "Waiting for the file"
    if place is not None:
        wait = "" if place.seconds is None else f", in about {max(1, math.ceil(place.seconds / 60))} min"
        return f"Waiting for its turn: number {place.position} in line{wait}"
    return "Waiting to be started again" if upload.retry_at is not None else ""


def step_views(steps: Sequence[UploadStep]) -> list[StepView]:
    """Every step in the order of the pipeline, also those that have not begun."""
    parts = _by_step(steps)
    return [_step_view(step, parts[step]) for step in LABELS]


def _by_step(steps: Sequence[UploadStep]) -> Mapping[str, Sequence[UploadStep]]:
    found: dict[str, list[UploadStep]] = defaultdict(list)
    for row in steps:
        found[row.step].append(row)
    return found


def _step_view(step: str, rows: Sequence[UploadStep]) -> StepView:
    joined = join_parts(step, rows)
    starts = [row.started_at for row in rows if row.started_at]
    ends = [row.ended_at for row in rows if row.ended_at]
    is_over = joined.state not in {"running", "pending"}
    whole = [row for row in rows if not row.part]
    return StepView(
        step=step,
        label=joined.label,
        state=joined.state,  # type: ignore[arg-type]  # the database admits these states only
        percent=round(joined.percent, 1),
        doing=joined.doing,
        attempt=joined.attempt if rows else 0,
        max_attempts=max((row.max_attempts for row in rows), default=1),
        started_at=min(starts, default=None),
        ended_at=max(ends, default=None) if is_over else None,
        seconds=round(joined.seconds, 3) if joined.seconds is not None else None,
        reused=joined.reused,
        reason=joined.reason,
        facts=dict(whole[0].summary) if whole else {},
        parts=[
            PartView(
                clip_id=UUID(row.part),
                state=row.state,
                percent=round(row.percent, 1),
                doing=row.doing,
                attempt=row.attempt,
                reason=row.reason,
            )
            for row in sorted(rows, key=lambda row: row.part)
            if row.part
        ],
    )


def usage_view(steps: Sequence[UploadStep]) -> UsageView:
    """What each step that was begun took."""
    parts = _by_step(steps)
    lines = [_usage_of(step, parts[step]) for step in (*LABELS, *ASIDE)]
    begun = [line for line in lines if line is not None]
    return UsageView(
        steps=begun,
        cpu_seconds=round(sum(line.cpu_seconds for line in begun), 2),
        stored_bytes=sum(line.stored_bytes for line in begun),
        read_bytes=sum(line.read_bytes for line in begun),
        gpu_seconds=round(sum(line.gpu_seconds for line in begun), 2),
        tokens_in=sum(line.tokens_in for line in begun),
        tokens_out=sum(line.tokens_out for line in begun),
        cost=round(sum(line.cost for line in begun), 6),
    )


def _sum(rows: Sequence[UploadStep], name: str) -> float:
    """Only of completed work: what failed is not charged."""
    return sum(float(row.usage.get(name, 0.0)) for row in rows if row.state == "completed")


def _usage_of(step: str, rows: Sequence[UploadStep]) -> StepUsage | None:
    begun = [row for row in rows if row.started_at is not None]
    if not begun:
        return None
    joined = join_parts(step, begun)
    return StepUsage(
        step=step,
        label=joined.label,
        cpu_seconds=round(_sum(begun, "cpu_seconds"), 2),
        gpu_seconds=round(_sum(begun, "gpu_seconds"), 2),
        read_bytes=int(_sum(begun, "read_bytes")),
        tokens_in=int(_sum(begun, "tokens_in")),
        tokens_out=int(_sum(begun, "tokens_out")),
        cost=round(_sum(begun, "cost"), 6),
        seconds=round(joined.seconds, 3) if joined.seconds is not None else None,
        attempts=sum(row.attempt for row in begun),
        stored_bytes=sum(
            int(stored.get("size", 0)) for row in begun for stored in (row.output.get("objects") or {}).values()
        ),
        reused=joined.reused,
    )
