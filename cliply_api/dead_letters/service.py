"""Dead letters of a workspace: listed, tried again, put away."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.dead_letters.schemas import Chosen, Decided, LetterView
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest, count_of
from cliply_resources.dead_letters import discard_letters, letters_of, retry_uploads
from cliply_resources.steps import LABELS

__all__ = ["discard", "list_letters", "retry"]


def list_letters(session: Session, principal: Principal, page: PageRequest, step: str | None) -> Page[LetterView]:
    """The newest first."""
    query = letters_of(principal.workspace, step=step)
    total = count_of(session, query)
    rows = session.execute(query.limit(page.limit).offset((page.page - 1) * page.limit))
    return page.page_of([_view(row) for row in rows], total)


def retry(session: Session, principal: Principal, facts: RequestFacts, chosen: Chosen) -> Decided:
    """They wait for a run that goes on from what is finished, or that renders again what was asked for."""
    done = retry_uploads(session, principal.workspace, chosen.upload_ids, request_id=facts.errand)
    for upload_id in done:
        audit(session, principal, facts, "upload.retried", subject=str(upload_id))
    return Decided(upload_ids=sorted(done))


def discard(session: Session, principal: Principal, facts: RequestFacts, chosen: Chosen) -> Decided:
    """They stay failed, and nobody is told of it any more."""
    done = discard_letters(session, principal.workspace, chosen.upload_ids)
    for upload_id in done:
        audit(session, principal, facts, "upload.failure_discarded", subject=str(upload_id))
    return Decided(upload_ids=done)


def _view(row: sa.Row[*tuple[Any, ...]]) -> LetterView:
    return LetterView(
        upload_id=row.upload_id,
        title=row.title,
        step=row.step,
        label=LABELS.get(row.step, "Rendering again"),
        clip_id=UUID(row.part) if row.part and row.step == "renders" else None,
        reason=row.reason,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        ended_at=row.ended_at,
    )
