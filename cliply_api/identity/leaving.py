"""Accounts that go, and accounts whose address changes. Runs in the request's `identity` transaction."""

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from cliply_api.auth.passwords import Passwords
from cliply_api.auth.principal import Principal
from cliply_api.errors import ApiError, ErrorCode, ErrorDetail, Unauthenticated
from cliply_api.identity.schemas import UserView
from cliply_api.identity.service import spend, user_view
from cliply_api.web.audit import log_identity
from cliply_api.web.facts import RequestFacts
from cliply_resources.database import Member, User, Workspace
from cliply_resources.database.identity import MailWish
from cliply_resources.errors import Conflict

__all__ = ["ask_for_change", "change_email", "delete_account"]


def delete_account(
    session: Session, principal: Principal, facts: RequestFacts, passwords: Passwords, *, password: str
) -> None:
    """The account is gone with its sign-ins and tokens; what the person did in workspaces stays there under their name.

    Raises:
        ApiError: they are the last owner of workspaces, which are named.
    """
    user = _proved(session, principal, passwords, password)
    left = _owned_alone(session, user)
    if left:
        raise ApiError(
            "You are the last owner of workspaces. Make somebody else owner of each, or delete it; then delete your account.",
            status=409,
            code=ErrorCode.LAST_OWNER,
            details=[ErrorDetail(message=f"{place.name} ({place.id})") for place in left],
        )
    log_identity(session, facts, "account.deleted", user_id=user.id)
    session.add(MailWish(purpose="account_deleted", recipient=user.email))
    session.execute(sa.delete(User).where(User.id == user.id))


def _owned_alone(session: Session, user: User) -> list[Workspace]:
    """Locked, so that two owners who go at once come one after the other."""
    other = aliased(Member)
    mine = sa.select(Member.workspace_id).where(Member.user_id == user.id, Member.role == "owner")
    shared = sa.exists().where(other.workspace_id == Workspace.id, other.role == "owner", other.user_id != user.id)
    places = sa.select(Workspace).where(Workspace.id.in_(mine), Workspace.deleted_at.is_(None)).order_by(Workspace.id)
    session.execute(places.with_for_update())
    return list(session.scalars(places.where(~shared)))


def ask_for_change(
    session: Session, principal: Principal, facts: RequestFacts, passwords: Passwords, *, email: str, password: str
) -> None:
    """Mails a link to the new address and a notice to the old; whether the new one has an account cannot be told from outside."""
    user = _proved(session, principal, passwords, password)
    wanted = email.lower()
    if wanted == user.email:
        raise Conflict("This is your address already.")
    log_identity(session, facts, "email.change_asked", user_id=user.id)
    session.add(MailWish(purpose="email_changing", recipient=user.email, user_id=user.id))
    if session.scalar(sa.select(User.id).where(User.email == wanted)) is None:
        session.add(MailWish(purpose="change_email", recipient=wanted, user_id=user.id))


def change_email(session: Session, facts: RequestFacts, token: str) -> UserView:
    """The address that the link was mailed to is the account's from now on, and verified."""
    user, email = spend(session, token, "change_email")
    taken = sa.select(User.id).where(User.email == email, User.id != user.id)
    if session.scalar(taken) is not None:
        raise Conflict("Another account has this address by now.")
    log_identity(session, facts, "email.changed", user_id=user.id)
    user.email, user.email_verified_at = email, sa.func.now()
    session.flush()
    session.refresh(user)
    return user_view(user)


def _proved(session: Session, principal: Principal, passwords: Passwords, password: str) -> User:
    user = session.get_one(User, principal.user_id)
    right, _ = passwords.check(password, user.password_hash)
    if not right:
        raise Unauthenticated("The password is not right.", ErrorCode.INVALID_CREDENTIALS)
    return user
