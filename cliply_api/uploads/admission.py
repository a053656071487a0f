"""How many uploads a workspace may have unfinished, and what one that waits is told about its turn."""

import math
from collections.abc import Collection, Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.errors import ApiError, ErrorCode
from cliply_resources.database import Upload, UploadRun, Workspace
from cliply_resources.plans import Plan, plan_of
from cliply_resources.turns import Place, lines_of, place_in_line, usual_seconds

__all__ = ["TooManyUploads", "check_room", "places_of"]

UNKNOWN_WAIT = 60
"""Seconds to try again after, where no run has told yet how long one takes."""
LONGEST_WAIT = 3600

WAITING = (
    Upload.started_attempt < Upload.attempt,
    Upload.cancelled_at.is_(None),
    Upload.paused_at.is_(None),
    Upload.deleted_at.is_(None),
    Upload.completed_at.is_(None),
)


class TooManyUploads(ApiError):
    """No more are taken before some are finished."""

    def __init__(self, plan: Plan, wait_seconds: int) -> None:
        super().__init__(
            f"This workspace has {plan.most_open} unfinished uploads, which is as many as its plan “{plan.name}” allows. Wait for "
            "some to be finished, cancel what is not needed, or take a larger plan.",
            status=429,
            code=ErrorCode.RATE_LIMITED,
            headers={"Retry-After": str(wait_seconds)},
        )


def check_room(session: Session, workspace_id: UUID) -> None:
    """Whether the workspace may have one more.

    Raises:
        TooManyUploads: it has as many unfinished ones as its plan allows.
    """
    plan = plan_of(session.scalar(sa.select(Workspace.plan).where(Workspace.id == workspace_id)) or "")
    waiting = sa.select(sa.func.count()).select_from(Upload).where(Upload.workspace_id == workspace_id, *WAITING)
    unfinished = (
        sa.select(sa.func.count())
        .select_from(UploadRun)
        .where(UploadRun.workspace_id == workspace_id, UploadRun.state.in_(("asked", "running")))
    )
    if (session.scalar(waiting) or 0) + (session.scalar(unfinished) or 0) < plan.most_open:
        return
    usual = usual_seconds(session)
    seconds = UNKNOWN_WAIT if usual is None else min(LONGEST_WAIT, max(1, math.ceil(usual / plan.at_once)))
    raise TooManyUploads(plan, seconds)


def places_of(session: Session, workspace_id: UUID, ids: Collection[UUID]) -> Mapping[UUID, Place]:
    """The place in line of each of the uploads that waits for its turn; three statements, or one where none does."""
    query = (
        sa.select(Upload.id)
        .where(Upload.workspace_id == workspace_id, Upload.confirmed_at.is_not(None), *WAITING)
        .order_by(Upload.created_at, Upload.id)
    )
    order = {upload: ahead for ahead, upload in enumerate(session.scalars(query))}
    wanted = [upload for upload in ids if upload in order]
    if not wanted:
        return {}
    lines, usual = lines_of(session, workspace_id), usual_seconds(session)
    return {upload: place_in_line(order[upload], lines, usual=usual) for upload in wanted}
