"""Steps as a person sees them: their order, their names, and the parts of one that fans out joined. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cliply_resources.database.models import UploadStep

__all__ = ["LABELS", "StepView", "join_parts"]

LABELS: Mapping[str, str] = {
    "source_video": "Fetching the video",
    "media_proxy": "Decoding once",
    "transcript": "Transcribing",
    "scenes": "Finding cuts",
    "face_tracks": "Following faces",
    "audio_features": "Listening",
    "clip_candidates": "Choosing moments",
    "renders": "Rendering",
    "frame_index": "Indexing for search",
}
"""Every step from the source to finished clips, in the order a user sees them; the pipeline's rules say the same."""


@dataclass(frozen=True, kw_only=True)
class StepView:
    """A step as a person sees it; the parts of a fanned-out step are one."""

    step: str
    label: str
    state: str
    percent: float
    doing: str
    seconds: float | None
    reused: bool
    attempt: int
    reason: str | None


def join_parts(step: str, rows: Sequence[UploadStep]) -> StepView:
    """One view of a step's rows: running while one of them runs, as far as their mean."""
    states = {row.state for row in rows}
    # Between two clips nothing runs for a moment; the step as a whole is still at it.
    underway = {"completed", "pending"} <= states
    order = ("running", "failed", "cancelled", "pending", "completed")
    state = "running" if underway else next((each for each in order if each in states), "pending")
    done = sum(row.state == "completed" for row in rows)
    doing = next((row.doing for row in rows if row.state == "running" and row.doing), "")
    if len(rows) > 1:
        doing = f"{done} of {len(rows)} clips" + (f", {doing}" if doing else "")
    starts = [row.started_at for row in rows if row.started_at]
    ends = [row.ended_at for row in rows if row.ended_at]
    finished = state not in ("running", "pending") and starts and ends
    return StepView(
        step=step,
        label=LABELS.get(step, step),
        state=state,
        percent=sum(row.percent or 0.0 for row in rows) / len(rows) if rows else 0.0,
        doing=doing,
        seconds=(max(ends) - min(starts)).total_seconds() if finished else None,
        reused=bool(rows) and all(row.reused_from is not None for row in rows),
        attempt=max((row.attempt or 1 for row in rows), default=1),
        reason=next((row.reason for row in rows if row.reason), None),
    )
