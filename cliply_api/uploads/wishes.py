"""What people ask of an upload that is there: cancel, pause, resume, retry, delete. Rows say it, the pipeline does it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.uploads.schemas import UploadView
from cliply_api.uploads.service import find
from cliply_api.uploads.views import FINISHED, UploadRows, rows_of, upload_view
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_resources.database.models import Upload, UploadStep
from cliply_resources.errors import Conflict, NotFound
from cliply_resources.uploads import when_expired

__all__ = ["at_work", "cancel", "check_retry", "pause", "remove", "restore", "resume", "retry"]

LAST_STEP = "renders"
OVER = {"review", "completed", "failed"}


def cancel(session: Session, principal: Principal, facts: RequestFacts, upload_id: UUID) -> UploadView:
    """A running step ends at its next word of progress, and no other begins; cancelling twice is once."""
    row, rows = _locked(session, principal, upload_id)
    if row.cancelled_at is None:
        state = upload_view(row, rows).state
        if state in OVER and not at_work(rows.steps, datetime.now(UTC)):
            raise Conflict(f"There is nothing to cancel: the upload is in the state “{state}”.")
        row.cancelled_at, row.paused_at, row.retry_at = datetime.now(UTC), None, None
        audit(session, principal, facts, "upload.cancelled", subject=str(row.id))
    return _changed(session, row, rows)


def pause(session: Session, principal: Principal, facts: RequestFacts, upload_id: UUID) -> UploadView:
    """The running step is finished, and no other begins."""
    row, rows = _locked(session, principal, upload_id)
    if row.paused_at is None:
        state = upload_view(row, rows).state
        if state in OVER | {"cancelled"} and not at_work(rows.steps, datetime.now(UTC)):
            raise Conflict(f"There is nothing to pause: the upload is in the state “{state}”.")
        row.paused_at = datetime.now(UTC)
        audit(session, principal, facts, "upload.paused", subject=str(row.id))
    return _changed(session, row, rows)


def resume(session: Session, principal: Principal, facts: RequestFacts, upload_id: UUID) -> UploadView:
    """Goes on where it was paused."""
    row, rows = _locked(session, principal, upload_id)
    if row.paused_at is None:
        raise Conflict("The upload is not paused.")
    if row.expired_at is not None and row.source_kind == "stored":
        raise Conflict(when_expired(row.source_kind, row.expired_at))
    row.paused_at = None
    _ask_again(row, facts)
    audit(session, principal, facts, "upload.resumed", subject=str(row.id))
    return _changed(session, row, rows)


def retry(session: Session, principal: Principal, facts: RequestFacts, upload_id: UUID) -> UploadView:
    """Goes on from what is finished: a step with the same inputs is not done again."""
    row, rows = _locked(session, principal, upload_id)
    if row.retry_at is None or row.cancelled_at is not None:
        check_retry(row, rows.steps, datetime.now(UTC))
        row.cancelled_at = None
        _ask_again(row, facts)
        audit(session, principal, facts, "upload.retried", subject=str(row.id), attempt=row.attempt)
    return _changed(session, row, rows)


def remove(session: Session, principal: Principal, facts: RequestFacts, upload_id: UUID) -> None:
    """Nobody sees it any more, and work on it ends; a day later its source, analyses and clips are deleted, and it cannot be had back."""
    row = find(session, principal, upload_id, lock=True)
    row.deleted_at = row.incoming_until = datetime.now(UTC)
    row.cancelled_at = row.cancelled_at or row.deleted_at
    audit(session, principal, facts, "upload.deleted", subject=str(row.id), title=row.title)


def restore(session: Session, principal: Principal, facts: RequestFacts, upload_id: UUID) -> UploadView:
    """It is as it was, as long as nothing of it was deleted from the storage; work that was stopped goes on with `retry`.

    Raises:
        NotFound: there is no such upload that can be had back.
        Conflict: the same film with the same settings was given again since.
    """
    query = sa.select(Upload).where(
        Upload.workspace_id == principal.workspace,
        Upload.id == upload_id,
        Upload.deleted_at.is_not(None),
        Upload.incoming_until.is_not(None),
    )
    row = session.scalar(query.with_for_update())
    if row is None:
        raise NotFound("There is no deleted upload that could be had back.")
    try:
        with session.begin_nested():
            if row.cancelled_at == row.deleted_at:
                row.cancelled_at = None
            row.deleted_at = None
            session.flush()
    except IntegrityError as error:
        raise Conflict("The same film with the same settings was given again since; that upload is the one.") from error
    audit(session, principal, facts, "upload.restored", subject=str(row.id), title=row.title)
    return _changed(session, row, rows_of(session, principal.workspace, [row.id])[row.id])


def check_retry(row: Upload, steps: Sequence[UploadStep], now: datetime) -> None:
    """Whether starting it again would do anything.

    Raises:
        Conflict: it would not, with the reason.
    """
    if row.confirmed_at is None:
        raise Conflict("The file has not been confirmed, so that nothing was tried yet.")
    if row.paused_at is not None:
        raise Conflict("The upload is paused. Resume it.")
    if row.expired_at is not None:
        # A film from an address or a folder is fetched again; one that was sent to us is gone.
        if row.source_kind == "stored":
            raise Conflict(when_expired(row.source_kind, row.expired_at))
        return
    if row.cancelled_at is not None:
        return
    if at_work(steps, now):
        raise Conflict("The upload is being worked on.")
    if not steps:
        raise Conflict("The upload waits for its first run, so that nothing failed yet.")
    if any(step.step == LAST_STEP for step in steps) and all(step.state in FINISHED for step in steps):
        raise Conflict("Nothing failed, so that there is nothing to try again.")


def at_work(steps: Sequence[UploadStep], now: datetime) -> bool:
    """Whether a step is running; one past its deadline belongs to a process that is gone."""
    return any(step.state == "running" and (step.deadline_at is None or step.deadline_at > now) for step in steps)


def _ask_again(row: Upload, facts: RequestFacts) -> None:
    row.attempt += 1
    row.request_id = facts.errand
    row.retry_at = datetime.now(UTC)


def _locked(session: Session, principal: Principal, upload_id: UUID) -> tuple[Upload, UploadRows]:
    row = find(session, principal, upload_id, lock=True)
    return row, rows_of(session, principal.workspace, [row.id])[row.id]


def _changed(session: Session, row: Upload, rows: UploadRows) -> UploadView:
    session.flush()
    # The database knows more: one that is asked for again is no longer complete.
    session.refresh(row)
    return upload_view(row, rows)
