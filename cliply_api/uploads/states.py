"""An upload's derived state as the database computes it, so that a list can be narrowed by it."""

from typing import Any

import sqlalchemy as sa

from cliply_resources.database.models import Clip, Render, Upload, UploadStep
from cliply_resources.database.publishing import PostRow
from cliply_resources.posts.counting import UNDERWAY
from cliply_resources.uploads import ASIDE_STEPS, INGEST_STEPS

__all__ = ["state_column"]


def state_column() -> sa.ColumnElement[str]:
    """`cliply_resources.uploads.derive_state` over the rows of the upload in the query; a test holds the two together."""
    ready = sa.exists().where(
        Clip.workspace_id == Upload.workspace_id,
        Clip.upload_id == Upload.id,
        Clip.deleted_at.is_(None),
        Render.workspace_id == Clip.workspace_id,
        Render.clip_id == Clip.id,
        Render.state == "ready",
    )
    return sa.case(
        (Upload.cancelled_at.is_not(None), "cancelled"),
        (Upload.paused_at.is_not(None), "paused"),
        (_post(PostRow.state.in_(UNDERWAY)), "publishing"),
        (_post(PostRow.state == "published"), "completed"),
        (_step("running", UploadStep.step.in_(INGEST_STEPS)), "ingesting"),
        (_step("running", UploadStep.step == "renders"), "rendering"),
        (_step("running"), "analyzing"),
        (ready, "review"),
        (sa.and_(_step("failed"), Upload.retry_at.is_(None)), "failed"),
        (_step("completed", UploadStep.step == "clip_candidates"), "clips_generated"),
        (_step("completed"), "analyzing"),
        else_="created",
    )


def _post(which: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.exists().where(PostRow.workspace_id == Upload.workspace_id, PostRow.upload_id == Upload.id, which)


def _step(state: str, *more: Any) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        UploadStep.workspace_id == Upload.workspace_id,
        UploadStep.upload_id == Upload.id,
        UploadStep.state == state,
        UploadStep.step.not_in(ASIDE_STEPS),
        *more,
    )
