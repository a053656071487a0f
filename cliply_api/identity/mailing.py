"""Sends the mails that transactions wished for: at least once, by whichever process comes first, with secrets made on the spot.

A wish is claimed (`due_at` moves on), its secret is minted and committed, the mail is sent, and the wish goes. A process that dies in
between leaves a wish that is due again in a few minutes; the recipient then gets a second mail with a second link.
"""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from cliply_api.auth.secrets import hash_secret, new_secret
from cliply_resources.database import Database, User, Workspace
from cliply_resources.database.identity import Invitation, MailToken, MailWish
from cliply_resources.errors import Rejected, TryLater
from cliply_resources.mail import Mail, Mailer
from cliply_resources.settings import Settings

__all__ = ["send_due_mails"]

CLAIM = timedelta(minutes=5)
"""Longer than a mail server may take to answer."""
FIRST_RETRY_SECONDS = 30
MAX_ATTEMPTS = 12
"""With doubling waits this is most of a day; then the mail would say nothing new."""
VERIFY_LIFETIME = timedelta(days=3)
RESET_LIFETIME = timedelta(hours=1)

log = structlog.get_logger("cliply_api.mailing")


def send_due_mails(database: Database, mailer: Mailer, settings: Settings, *, at_most: int = 20) -> int:
    """Sends what is due and returns how many mails were sent. Any number of processes may call it at once."""
    sent = 0
    for _ in range(at_most):
        claimed = _claim(database)
        if claimed is None:
            break
        wish, attempts = claimed
        mail = _written(database, settings, wish)
        try:
            if mail is not None:
                mailer.send(mail)
                sent += 1
        except TryLater as failure:
            _put_off(database, wish, attempts, str(failure))
            continue
        except Rejected as refusal:
            log.warning("a mail was refused and is given up", mail=str(wish), reason=str(refusal))
        _forget(database, wish)
    return sent


def _claim(database: Database) -> tuple[UUID, int] | None:
    next_due = (
        sa.select(MailWish.id)
        .where(MailWish.due_at <= sa.func.now())
        .order_by(MailWish.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    with database.identity() as session:
        row = session.execute(
            sa.update(MailWish)
            .where(MailWish.id == next_due)
            .values(due_at=sa.func.now() + CLAIM, attempts=MailWish.attempts + 1)
            .returning(MailWish.id, MailWish.attempts)
        ).one_or_none()
    return (row[0], row[1]) if row else None


def _written(database: Database, settings: Settings, wish_id: UUID) -> Mail | None:
    """The mail's text, its secret committed; nothing where there is no reason for it any more."""
    base = settings.public_url.rstrip("/")
    with database.identity() as session:
        wish = session.get(MailWish, wish_id)
        if wish is None:
            return None
        if wish.invitation_id is not None:
            return _inviting(session, wish, wish.invitation_id, base)
        return _of_account(session, wish, base)


def _of_account(session: Session, wish: MailWish, base: str) -> Mail | None:
    if wish.purpose == "account_deleted":
        return _account_deleted(wish.recipient)
    if wish.user_id is None:
        return None
    notices = {"password_changed": _password_changed, "email_changing": _email_changing}
    if wish.purpose in notices:
        return notices[wish.purpose](wish.recipient, f"{base}/forgot-password")
    page, lifetime, write = {
        "verify_email": ("verify-email", VERIFY_LIFETIME, _verification),
        "change_email": ("change-email", VERIFY_LIFETIME, _email_change),
        "reset_password": ("reset-password", RESET_LIFETIME, _reset),
    }[wish.purpose]
    return write(wish.recipient, f"{base}/{page}#token={_minted(session, wish, lifetime)}")


def _minted(session: Session, wish: MailWish, lifetime: timedelta) -> str:
    secret = new_secret("ml")
    session.add(
        MailToken(
            token_hash=hash_secret(secret),
            user_id=wish.user_id,
            purpose=wish.purpose,
            email=wish.recipient,
            expires_at=sa.func.now() + lifetime,
        )
    )
    return secret


def _inviting(session: Session, wish: MailWish, invitation_id: UUID, base: str) -> Mail | None:
    invitation = session.get_one(Invitation, invitation_id)
    if invitation.accepted_at is not None or invitation.revoked_at is not None:
        return None
    place = session.get_one(Workspace, invitation.workspace_id)
    inviter = session.get(User, invitation.invited_by) if invitation.invited_by else None
    secret = new_secret("in")
    invitation.token_hash = hash_secret(secret)
    return _invitation(wish.recipient, place.name, inviter, invitation.role, f"{base}/invitation#token={secret}")


def _put_off(database: Database, wish_id: UUID, attempts: int, reason: str) -> None:
    if attempts >= MAX_ATTEMPTS:
        log.error("a mail could not be sent and is given up", mail=str(wish_id), reason=reason)
        _forget(database, wish_id)
        return
    wait = timedelta(seconds=FIRST_RETRY_SECONDS * 2 ** (attempts - 1))
    log.warning("a mail could not be sent yet", mail=str(wish_id), reason=reason, attempts=attempts)
    with database.identity() as session:
        session.execute(
            sa.update(MailWish).where(MailWish.id == wish_id).values(due_at=sa.func.now() + wait, last_error=reason)
        )


def _forget(database: Database, wish_id: UUID) -> None:
    with database.identity() as session:
        session.execute(sa.delete(MailWish).where(MailWish.id == wish_id))


def _verification(recipient: str, link: str) -> Mail:
    text = (
        "Welcome to Cliply.\n\nPlease confirm that this is your e-mail address, within three days:\n\n"
        f"{link}\n\nIf you did not sign up, ignore this mail.\n"
    )
    return Mail(recipient=recipient, subject="Confirm your e-mail address for Cliply", text=text)


def _reset(recipient: str, link: str) -> Mail:
    text = (
        "Somebody, probably you, asked for a new password for Cliply. Choose one within an hour:\n\n"
        f"{link}\n\nIf it was not you, ignore this mail; your password stays as it is.\n"
    )
    return Mail(recipient=recipient, subject="Choose a new password for Cliply", text=text)


def _password_changed(recipient: str, link: str) -> Mail:
    text = (
        "The password of your Cliply account was changed just now, and other sign-ins were ended.\n\n"
        f"If it was not you, ask for a new password at once:\n\n{link}\n"
    )
    return Mail(recipient=recipient, subject="Your password for Cliply was changed", text=text)


def _email_change(recipient: str, link: str) -> Mail:
    text = (
        "This is to be the new e-mail address of a Cliply account. Confirm it within three days:\n\n"
        f"{link}\n\nIf you did not ask for this, ignore this mail; nothing changes.\n"
    )
    return Mail(recipient=recipient, subject="Confirm your new e-mail address for Cliply", text=text)


def _email_changing(recipient: str, link: str) -> Mail:
    text = (
        "Somebody who knows your password asked for another e-mail address for your Cliply account. It changes once a link that was "
        f"mailed there is followed.\n\nIf it was not you, set a new password at once:\n\n{link}\n"
    )
    return Mail(recipient=recipient, subject="The e-mail address of your Cliply account is to change", text=text)


def _account_deleted(recipient: str) -> Mail:
    text = (
        "Your Cliply account was deleted just now, as somebody who knows your password asked. It cannot be had back.\n"
    )
    return Mail(recipient=recipient, subject="Your Cliply account was deleted", text=text)


def _invitation(recipient: str, place: str, inviter: User | None, role: str, link: str) -> Mail:
    who = (inviter.name or inviter.email) if inviter is not None else "Somebody"
    text = (
        f"{who} invites you to the workspace “{place}” on Cliply, as {role}.\n\n"
        f"Accept within seven days:\n\n{link}\n\nThe link works once.\n"
    )
    return Mail(recipient=recipient, subject="You are invited to a workspace on Cliply", text=text)
