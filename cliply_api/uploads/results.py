"""What came of an upload: transcript, signals, usage and the report."""

import io
import math
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.uploads.schemas import ClipLine, RenderLine, Report, SignalsView, StepView, TranscriptView, UsageView
from cliply_api.uploads.service import find
from cliply_api.uploads.views import rows_of, step_views, upload_view, usage_view
from cliply_resources.database.models import Clip, Render, UploadStep
from cliply_resources.documents import Transcript
from cliply_resources.errors import NotFound
from cliply_resources.steps import LABELS
from cliply_resources.storage import Storage

__all__ = ["object_of", "report", "signals", "transcript", "usage"]

DECIMALS = 4
"""Of a signal between 0 and 1; more is noise, and thrice the size."""


def object_of(session: Session, principal: Principal, storage: Storage, upload_id: UUID, step: str, name: str) -> bytes:
    """A document that a step stored; for small ones, since it comes whole.

    Raises:
        NotFound: no such upload, or the step is not done.
    """
    find(session, principal, upload_id)
    output = session.scalar(
        sa.select(UploadStep.output).where(
            UploadStep.workspace_id == principal.workspace,
            UploadStep.upload_id == upload_id,
            UploadStep.step == step,
            UploadStep.part == "",
            UploadStep.state == "completed",
        )
    )
    stored = ((output or {}).get("objects") or {}).get(name)
    if stored is None:
        raise NotFound(f"The step “{LABELS[step]}” of this upload is not finished.")
    return storage.get_bytes(stored["key"])


def transcript(session: Session, principal: Principal, storage: Storage, upload_id: UUID) -> TranscriptView:
    """Every word with its times."""
    found = msgspec.json.decode(
        object_of(session, principal, storage, upload_id, "transcript", "transcript.json"), type=Transcript
    )
    return TranscriptView(
        engine=found.engine,
        engine_detail=found.engine_detail,
        language=found.language,
        quality=found.quality,
        word_times=found.word_times,
        note=found.note,
        segments=list(found.segments),
    )


def signals(session: Session, principal: Principal, storage: Storage, upload_id: UUID) -> SignalsView:
    """The timeline, a row every half second."""
    import pyarrow.parquet

    stored = object_of(session, principal, storage, upload_id, "clip_candidates", "signals.parquet")
    table = pyarrow.parquet.read_table(io.BytesIO(stored))
    columns = {name: [_number(value) for value in table[name].to_pylist()] for name in table.column_names}
    times = [value or 0.0 for value in columns.pop("time")]
    return SignalsView(times=times, signals=columns)


def _number(value: float | None) -> float | None:
    """JSON knows no infinities."""
    return None if value is None or not math.isfinite(value) else round(float(value), DECIMALS)


def usage(session: Session, principal: Principal, upload_id: UUID) -> UsageView:
    """Processor time and storage, step by step."""
    row = find(session, principal, upload_id)
    return usage_view(rows_of(session, principal.workspace, [row.id])[row.id].steps)


def report(session: Session, principal: Principal, upload_id: UUID) -> Report:
    """Everything in one document."""
    row = find(session, principal, upload_id)
    rows = rows_of(session, principal.workspace, [row.id])[row.id]
    steps = step_views(rows.steps)
    return Report(
        upload=upload_view(row, rows),
        generated_at=datetime.now(UTC),
        steps=steps,
        usage=usage_view(rows.steps),
        clips=_clips(session, principal.workspace, upload_id),
        signals_chart=f"/api/uploads/{upload_id}/signals.svg" if _is_chosen(steps) else None,
        problems=[f"{step.label}: {step.reason}" for step in steps if step.state == "failed" and step.reason],
    )


def _is_chosen(steps: list[StepView]) -> bool:
    return any(step.step == "clip_candidates" and step.state == "completed" for step in steps)


def _clips(session: Session, workspace_id: UUID, upload_id: UUID) -> list[ClipLine]:
    clips = session.scalars(
        sa.select(Clip)
        .where(Clip.workspace_id == workspace_id, Clip.upload_id == upload_id, Clip.deleted_at.is_(None))
        .order_by(Clip.rank, Clip.start_s)
    ).all()
    renders = session.scalars(
        sa.select(Render)
        .where(Render.workspace_id == workspace_id, Render.clip_id.in_([clip.id for clip in clips]))
        .order_by(Render.version, Render.aspect)
    ).all()
    return [
        ClipLine(
            id=clip.id,
            rank=clip.rank,
            start=clip.span.start,
            end=clip.span.end,
            score=clip.score,
            title=clip.title,
            state=clip.state,
            reasons=list(clip.reasons),
            renders=[
                RenderLine(
                    id=render.id,
                    aspect=render.aspect,
                    style=render.style,
                    version=render.version,
                    state=render.state,
                    duration=render.duration,
                    reason=render.reason,
                )
                for render in renders
                if render.clip_id == clip.id
            ],
        )
        for clip in clips
    ]
