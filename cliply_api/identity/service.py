"""Accounts: made, verified, changed. Runs in the request's `identity` transaction."""

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cliply_api.auth.passwords import Passwords
from cliply_api.auth.principal import Principal
from cliply_api.auth.secrets import hash_secret
from cliply_api.errors import ApiError, ErrorCode, Unauthenticated
from cliply_api.identity.schemas import Me, MeChange, SessionView, UserView, WorkspaceView
from cliply_api.identity.sign_in import end_sessions, user_view
from cliply_api.web.audit import log_identity
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest
from cliply_resources.database import Member, User, Workspace
from cliply_resources.database.identity import ApiToken, MailToken, MailWish, SignIn
from cliply_resources.errors import Conflict, NotFound

__all__ = [
    "ask_for_reset",
    "ask_for_verification",
    "change_me",
    "change_password",
    "end_session",
    "list_sessions",
    "make_workspace",
    "me",
    "register",
    "reset_password",
    "spend",
    "user_view",
    "verify_email",
    "workspaces_of",
]


def register(
    session: Session, facts: RequestFacts, *, email: str, password_hash: str, name: str, workspace_name: str | None
) -> User:
    """A new person, owner of a first workspace, with a mail under way to verify the address.

    Raises:
        Conflict: there is an account with this address.
    """
    made: User | None = session.scalar(
        insert(User)
        .values(email=email.lower(), name=name.strip(), password_hash=password_hash)
        .on_conflict_do_nothing()
        .returning(User)
    )
    if made is None:
        raise Conflict("There is an account with this e-mail address. Sign in, or ask for a new password.")
    make_workspace(session, made.id, workspace_name or f"{made.name or made.email.partition('@')[0]}'s workspace")
    session.add(MailWish(purpose="verify_email", recipient=made.email, user_id=made.id))
    log_identity(session, facts, "account.registered", user_id=made.id)
    return made


def make_workspace(session: Session, owner_id: UUID, name: str) -> Workspace:
    """A new workspace and its owner."""
    made = Workspace(name=name)
    session.add(made)
    session.flush()
    session.add(Member(workspace_id=made.id, user_id=owner_id, role="owner"))
    session.flush()
    return made


def workspaces_of(session: Session, user_id: UUID) -> list[WorkspaceView]:
    """Every workspace of a person, the oldest membership first."""
    rows = session.execute(
        sa.select(Workspace, Member.role)
        .join(Member, Member.workspace_id == Workspace.id)
        .where(Member.user_id == user_id)
        .order_by(Member.joined_at, Member.workspace_id)
    )
    return [
        WorkspaceView(
            id=place.id,
            name=place.name,
            role=role,
            created_at=place.created_at,
            suspended=place.suspended_at is not None,
            time_zone=place.time_zone,
        )
        for place, role in rows
    ]


def me(session: Session, principal: Principal) -> Me:
    """The caller as the database knows them."""
    user = session.get_one(User, principal.user_id)
    places = workspaces_of(session, principal.user_id)
    if principal.token_id is not None:  # a token knows of its own workspace only
        places = [place for place in places if place.id == principal.workspace_id]
    return Me(
        user=user_view(user),
        workspaces=places,
        workspace_id=principal.workspace_id,
        role=principal.role,
        permissions=sorted(principal.permissions),
        impersonated_by=principal.actor_id,
    )


def change_me(session: Session, principal: Principal, change: MeChange) -> UserView:
    """Applies what is given."""
    user = session.get_one(User, principal.user_id)
    if change.name is not UNSET:
        user.name = change.name.strip()
    session.flush()
    return user_view(user)


def change_password(
    session: Session, principal: Principal, facts: RequestFacts, passwords: Passwords, *, current: str, new_hash: str
) -> None:
    """Sets another password and ends every other sign-in. `new_hash` was made before the transaction began."""
    user = session.get_one(User, principal.user_id)
    right, _ = passwords.check(current, user.password_hash)
    if not right:
        raise Unauthenticated("The current password is not right.", ErrorCode.INVALID_CREDENTIALS)
    user.password_hash = new_hash
    _end_what_the_old_password_began(session, user, besides=principal.session_id)
    log_identity(session, facts, "password.changed", user_id=user.id)


def ask_for_reset(session: Session, facts: RequestFacts, email: str) -> None:
    """Queues the mail where there is such an account; whether there is one cannot be told from outside."""
    found = session.scalar(sa.select(User.id).where(User.email == email.lower(), User.suspended_at.is_(None)))
    log_identity(session, facts, "password.reset_asked", user_id=found)
    if found is not None:
        session.add(MailWish(purpose="reset_password", recipient=email.lower(), user_id=found))


def ask_for_verification(session: Session, principal: Principal) -> None:
    """Queues another mail, unless the address is verified."""
    if not principal.verified:
        session.add(MailWish(purpose="verify_email", recipient=principal.email, user_id=principal.user_id))


def reset_password(session: Session, facts: RequestFacts, *, token: str, new_hash: str) -> None:
    """Sets a new password by a mailed link, once, and ends every sign-in."""
    user, _ = spend(session, token, "reset_password")
    user.password_hash = new_hash
    if user.email_verified_at is None:  # whoever read the mail reads the address
        user.email_verified_at = datetime.now(UTC)
    _end_what_the_old_password_began(session, user, besides=None)
    log_identity(session, facts, "password.reset", user_id=user.id)


def verify_email(session: Session, facts: RequestFacts, token: str) -> UserView:
    """Believes the address by a mailed link, once."""
    user, email = spend(session, token, "verify_email")
    # A link to an address that was the account's before proves nothing about the present one.
    if user.email_verified_at is None and user.email == email:
        user.email_verified_at = datetime.now(UTC)
        log_identity(session, facts, "email.verified", user_id=user.id)
    session.flush()
    return user_view(user)


def list_sessions(session: Session, principal: Principal, page: PageRequest) -> Page[SessionView]:
    """Sign-ins in force, the last used first."""
    query = (
        sa.select(SignIn)
        .where(SignIn.user_id == principal.user_id, SignIn.revoked_at.is_(None), SignIn.expires_at > sa.func.now())
        .order_by(SignIn.last_used_at.desc(), SignIn.id.desc())
    )
    return page.of(session, query, lambda row: _session_view(row, principal))


def end_session(session: Session, principal: Principal, facts: RequestFacts, session_id: UUID) -> None:
    """Ends one of the caller's sign-ins."""
    if end_sessions(session, "ended by its user", session_id=session_id, user_id=principal.user_id) == 0:
        raise NotFound("There is no such sign-in.")
    log_identity(session, facts, "session.ended", user_id=principal.user_id, session=str(session_id))


def spend(session: Session, token: str, purpose: str) -> tuple[User, str]:
    """Whose mailed link it is, and where it was mailed to; it works once.

    Raises:
        ApiError: it was used before, has expired, or is for something else.
    """
    found = session.execute(
        sa.update(MailToken)
        .where(
            MailToken.token_hash == hash_secret(token),
            MailToken.purpose == purpose,
            MailToken.used_at.is_(None),
            MailToken.expires_at > sa.func.now(),
        )
        .values(used_at=sa.func.now())
        .returning(MailToken.user_id, MailToken.email)
    ).one_or_none()
    if found is None:
        raise ApiError(
            "This link was used before or has expired. Ask for a new one.", status=400, code=ErrorCode.LINK_INVALID
        )
    return session.get_one(User, found[0]), found[1]


def _end_what_the_old_password_began(session: Session, user: User, *, besides: UUID | None) -> None:
    end_sessions(session, "the password was changed", user_id=user.id, besides=besides)
    # Links mailed before belong to the old password, too; API tokens are kept, being no sign-ins, unless the link was mailed.
    session.execute(
        sa.update(MailToken)
        .where(MailToken.user_id == user.id, MailToken.purpose == "reset_password", MailToken.used_at.is_(None))
        .values(used_at=sa.func.now())
    )
    if besides is None:
        session.execute(
            sa.update(ApiToken)
            .where(ApiToken.user_id == user.id, ApiToken.revoked_at.is_(None))
            .values(revoked_at=sa.func.now())
        )
    session.add(MailWish(purpose="password_changed", recipient=user.email, user_id=user.id))


def _session_view(row: SignIn, principal: Principal) -> SessionView:
    return SessionView(
        id=row.id,
        kind=row.kind,
        current=row.id == principal.session_id,
        address=row.address,
        agent=row.agent,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
    )
