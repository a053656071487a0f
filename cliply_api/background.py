"""What the application does besides answering: sends queued mails, forgets what is old. Every process does; none is in another's way."""

from datetime import timedelta

import anyio
import structlog
from anyio import to_thread
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from cliply_api.identity.mailing import send_due_mails
from cliply_api.web.idempotency import settle_later
from cliply_resources.database import Database
from cliply_resources.errors import CliplyError
from cliply_resources.mail import Mailer
from cliply_resources.settings import Settings

__all__ = ["housekeeping"]

MAIL_SECONDS = 1.0
"""Between looks at the queue; somebody is waiting for the mail."""
SWEEP_SECONDS = 3600.0
KEEP_IDEMPOTENCY_HOURS = 24

log = structlog.get_logger("cliply_api.background")


async def housekeeping(database: Database, mailer: Mailer, settings: Settings) -> None:
    """Runs until it is cancelled; a database that is away is asked again later."""
    since_sweep = SWEEP_SECONDS
    while True:
        try:
            await to_thread.run_sync(send_due_mails, database, mailer, settings)
            await to_thread.run_sync(settle_later)
            if since_sweep >= SWEEP_SECONDS:
                await to_thread.run_sync(_sweep, database, settings)
                since_sweep = 0.0
        except (CliplyError, SQLAlchemyError, OSError) as failure:
            log.warning("housekeeping is put off", reason=str(failure))
        await anyio.sleep(MAIL_SECONDS)
        since_sweep += MAIL_SECONDS


def _sweep(database: Database, settings: Settings) -> None:
    with database.identity() as session:
        session.execute(
            text("SELECT app.sweep_identity(:audit, :idempotency)"),
            {
                "audit": timedelta(days=settings.audit_days),
                "idempotency": timedelta(hours=KEEP_IDEMPOTENCY_HOURS),
            },
        )
