"""The audit log: who did what in a workspace, from where, in which request. Kept for `settings.audit_days`.

    audit(session, principal, facts, "clip.approved", subject=str(clip_id))

It is part of the transaction: what was undone was not done. `log_identity` is the same for accounts, which are of no workspace.
"""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.web.facts import RequestFacts
from cliply_resources.database.identity import AuditEntry, IdentityEntry

__all__ = ["audit", "log_identity"]


def audit(
    session: Session,
    principal: Principal,
    facts: RequestFacts,
    action: str,
    *,
    subject: str = "",
    workspace_id: UUID | None = None,
    **details: Any,
) -> None:
    """Notes an action (`area.past_participle`) on a subject, in the workspace of the request unless another is named."""
    session.add(
        AuditEntry(
            workspace_id=workspace_id or principal.workspace,
            actor_id=principal.actor_id or principal.user_id,
            actor_name=principal.email,
            action=action,
            subject=subject,
            address=facts.address,
            request_id=facts.request_id,
            facts=details,
        )
    )


def log_identity(
    identity: Session,
    facts: RequestFacts,
    action: str,
    *,
    user_id: UUID | None,
    actor_id: UUID | None = None,
    **details: Any,
) -> None:
    """Notes what happened to an account; `actor_id` where somebody else did it."""
    identity.add(
        IdentityEntry(
            action=action,
            user_id=user_id,
            actor_id=actor_id,
            address=facts.address,
            request_id=facts.request_id,
            facts=details,
        )
    )
