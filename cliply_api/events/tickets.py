"""Tickets that open a socket: bound to one upload and one person, good once, for half a minute.

A ticket names its workspace, so that it is looked up under row level security like everything else.
"""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.auth.secrets import hash_secret
from cliply_api.events.rows import Reader
from cliply_api.events.schemas import TicketView
from cliply_resources.database import Database, EventTicket, Upload
from cliply_resources.errors import NotFound

__all__ = ["TICKET_SECONDS", "issue", "redeem"]

TICKET_SECONDS = 30
SECRET_BYTES = 32
MAX_LENGTH = 200


def issue(session: Session, principal: Principal, upload_id: UUID) -> TicketView:
    """A ticket for the socket of this upload.

    Raises:
        NotFound: there is no such upload in the workspace.
    """
    if session.scalar(sa.select(Upload.id).where(Upload.id == upload_id, Upload.deleted_at.is_(None))) is None:
        raise NotFound("There is no such upload.")
    ticket = f"{principal.workspace.hex}.{secrets.token_urlsafe(SECRET_BYTES)}"
    expires_at = datetime.now(UTC) + timedelta(seconds=TICKET_SECONDS)
    session.execute(sa.delete(EventTicket).where(EventTicket.expires_at < sa.func.now()))
    session.add(
        EventTicket(
            ticket_hash=hash_secret(ticket),
            upload_id=upload_id,
            user_id=principal.user_id,
            session_id=principal.session_id,
            token_id=principal.token_id,
            expires_at=expires_at,
        )
    )
    return TicketView(ticket=ticket, path=f"/ws/uploads/{upload_id}?ticket={ticket}", expires_at=expires_at)


def redeem(database: Database, ticket: str, upload_id: UUID) -> Reader | None:
    """Whose ticket it is; it is spent now. `None` for any other than a fresh one for this upload."""
    place, _, secret = ticket.partition(".")
    if len(ticket) > MAX_LENGTH or not secret or not ticket.isascii():
        return None
    try:
        workspace_id = UUID(hex=place)
    except ValueError:
        return None
    spent = (
        sa.delete(EventTicket)
        .where(EventTicket.workspace_id == workspace_id, EventTicket.ticket_hash == hash_secret(ticket))
        .returning(EventTicket)
    )
    with database.api(workspace_id) as session:
        found = session.scalars(spent, execution_options={"synchronize_session": False}).one_or_none()
    if found is None or found.upload_id != upload_id or found.expires_at < datetime.now(UTC):
        return None
    return Reader(
        workspace_id=workspace_id, user_id=found.user_id, session_id=found.session_id, token_id=found.token_id
    )
