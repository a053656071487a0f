"""Connects a workspace to the sandbox without a browser: there is nobody to ask."""

from datetime import datetime
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import sqlalchemy as sa

from cliply_resources.accounts import connect_account
from cliply_resources.database import AccountRow, Database
from cliply_resources.platforms.registry import open_platform
from cliply_resources.settings import Settings
from cliply_resources.vault import Vault

__all__ = ["connect_sandbox"]


def connect_sandbox(database: Database, settings: Settings, workspace_id: UUID, *, now: datetime) -> tuple[UUID, bool]:
    """The workspace's account on the sandbox, and whether it was connected just now; a second call finds the first one's."""
    with database.pipeline(workspace_id) as session:
        # Two at once would connect two.
        session.execute(
            sa.text("SELECT pg_advisory_xact_lock(hashtext('sandbox of ' || :id))"), {"id": str(workspace_id)}
        )
        found = session.scalars(
            sa.select(AccountRow.id)
            .where(AccountRow.platform == "sandbox", AccountRow.state == "ok")
            .order_by(AccountRow.id)
            .limit(1)
        ).one_or_none()
        if found is not None:
            return found, False
        platform = open_platform("sandbox", settings)
        back = platform.authorize_url(redirect_uri="http://localhost/", state=uuid4().hex, verifier="")
        code = parse_qs(urlsplit(back).query)["code"][0]
        tokens = platform.exchange_code(code=code, redirect_uri="http://localhost/", verifier="", now=lambda: now)
        (profile,) = platform.profiles(tokens, now=lambda: now)
        made = connect_account(
            session, Vault(settings), platform, profile, tokens, workspace_id=workspace_id, user_id=None, now=now
        )
        return made.id, True
