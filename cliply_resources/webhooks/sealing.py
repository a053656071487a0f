"""The signing secrets of webhooks at rest: sealed by the vault, opened to sign, and never shown again.

Rows from before secrets were sealed hold them in clear until the application starts, signs with them, or `cliply keys rotate` runs.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_resources.database import Database
from cliply_resources.database.webhooks import WebhookEndpoint
from cliply_resources.vault import Place, SealBroken, Vault, key_of

__all__ = ["give_secret", "keys_of", "replace_secret", "rewrap_secrets", "seal_what_is_in_clear", "secrets_in_force"]

PAGE = 500
ENDPOINTS = sa.text("SELECT * FROM app.webhook_endpoints_after(:last, :page)")


def give_secret(row: WebhookEndpoint, vault: Vault, secret: str) -> None:
    """The endpoint's first secret; the row has its id already."""
    row.secret, row.secret_sealed = None, vault.seal(secret.encode(), _place(row))


def replace_secret(row: WebhookEndpoint, vault: Vault, secret: str, *, previous_until: datetime) -> None:
    """A new secret; the one before signs too until then."""
    _seal(row, vault)
    row.previous_secret_sealed = row.previous_secret_until = None
    # One that no longer opens cannot sign; replacing it is the remedy.
    with suppress(SealBroken):
        before = vault.open(row.secret_sealed or b"", _place(row))
        row.previous_secret_sealed = vault.seal(before, _place(row, "previous_"))
        row.previous_secret_until = previous_until
    give_secret(row, vault, secret)


def secrets_in_force(session: Session, endpoint_id: UUID, vault: Vault, now: datetime) -> tuple[str, ...]:
    """All secrets to sign with, the newest first; what still stands in clear is sealed.

    Raises:
        SealBroken: a secret does not open: it was changed, or its key is not in the ring.
    """
    wanted = sa.select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
    row = session.scalars(wanted).one()
    if row.secret is not None or row.previous_secret is not None:
        row = session.scalars(wanted.with_for_update(), execution_options={"populate_existing": True}).one()
        _seal(row, vault)
    assert row.secret_sealed is not None
    found = [vault.open(row.secret_sealed, _place(row))]
    until = row.previous_secret_until
    if row.previous_secret_sealed is not None and until is not None and until > now:
        found.append(vault.open(row.previous_secret_sealed, _place(row, "previous_")))
    return tuple(secret.decode() for secret in found)


def seal_what_is_in_clear(database: Database, vault: Vault) -> int:
    """Seals every secret that stands in clear; how many endpoints had one. Interrupted, it is simply run again."""
    changed = 0
    clear = sa.or_(WebhookEndpoint.secret.is_not(None), WebhookEndpoint.previous_secret.is_not(None))
    for workspace_id in {workspace_id for workspace_id, _ in _endpoints(database)}:
        with database.api(workspace_id) as session:
            for row in session.scalars(sa.select(WebhookEndpoint).where(clear).with_for_update()):
                _seal(row, vault)
                changed += 1
    return changed


def rewrap_secrets(database: Database, vault: Vault) -> int:
    """Wraps secrets under the ring's newest key, and seals those in clear; how many secrets that were."""
    changed = 0
    for workspace_id, endpoint_id in _endpoints(database):
        with database.api(workspace_id) as session:
            wanted = sa.select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
            row = session.scalars(wanted.with_for_update()).one_or_none()
            if row is None:
                continue
            changed += sum(secret is not None for secret in (row.secret, row.previous_secret))
            _seal(row, vault)
            if row.secret_sealed is not None and (again := vault.rewrap(row.secret_sealed, _place(row))):
                row.secret_sealed = again
                changed += 1
            sealed = row.previous_secret_sealed
            if sealed is not None and (again := vault.rewrap(sealed, _place(row, "previous_"))):
                row.previous_secret_sealed = again
                changed += 1
    return changed


def keys_of(database: Database) -> Iterator[str]:
    """The name of the key of each sealed secret."""
    for workspace_id, endpoint_id in _endpoints(database):
        with database.api(workspace_id) as session:
            columns = sa.select(WebhookEndpoint.secret_sealed, WebhookEndpoint.previous_secret_sealed)
            found = session.execute(columns.where(WebhookEndpoint.id == endpoint_id)).one_or_none()
        yield from (key_of(sealed) for sealed in found or () if sealed is not None)


def _seal(row: WebhookEndpoint, vault: Vault) -> None:
    if row.secret is not None:
        give_secret(row, vault, row.secret)
    if row.previous_secret is not None:
        row.previous_secret_sealed = vault.seal(row.previous_secret.encode(), _place(row, "previous_"))
        row.previous_secret = None


def _endpoints(database: Database) -> Iterator[tuple[UUID, UUID]]:
    last = UUID(int=0)
    while True:
        with database.across() as session:
            found = session.execute(ENDPOINTS, {"last": last, "page": PAGE}).all()
        for workspace_id, endpoint_id in found:
            yield workspace_id, endpoint_id
            last = endpoint_id
        if len(found) < PAGE:
            return


def _place(row: WebhookEndpoint, which: str = "") -> Place:
    return Place(row.workspace_id, row.id, f"webhook_endpoints.{which}secret")
