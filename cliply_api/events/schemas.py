"""Bodies of the event handlers."""

from datetime import datetime
from uuid import UUID

from cliply_api.web.fields import Request, View

__all__ = ["NewTicket", "TicketView"]


class NewTicket(Request, kw_only=True):
    """What the socket is to show."""

    upload_id: UUID


class TicketView(View, kw_only=True):
    """Opens one socket, once."""

    ticket: str
    path: str
    """Where to connect: `wss://…` and this."""
    expires_at: datetime
