"""Sign-ins: begun, prolonged by refresh tokens that are spent once, and ended.

These functions take the `Database` and commit by themselves: what they decide about a sign-in must outlive the 401 that they answer.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from cliply_api.auth.keys import Access, KeyRing
from cliply_api.auth.passwords import Passwords
from cliply_api.auth.secrets import checks_out, csrf_token, hash_secret, kind_of, new_salt, new_secret, successor
from cliply_api.errors import ErrorCode, Forbidden, Unauthenticated
from cliply_api.identity.schemas import SignedIn, UserView
from cliply_api.web.audit import log_identity
from cliply_api.web.facts import RequestFacts
from cliply_resources.database import Database, User
from cliply_resources.database.identity import Member, RefreshToken, SignIn
from cliply_resources.settings import Settings

__all__ = ["Begun", "SignIns", "end_sessions", "user_view"]

Transport = Literal["tokens", "cookie"]
MAX_AGENT_LENGTH = 300
BEARER: Literal["Bearer"] = "Bearer"

log = structlog.get_logger("cliply_api.sign_in")

SPEND = sa.text("""
    WITH spent AS (
        UPDATE refresh_tokens t SET used_at = now()
        FROM sessions s JOIN users u ON u.id = s.user_id
        WHERE t.token_hash = :token AND t.used_at IS NULL AND t.expires_at > now()
          AND s.id = t.session_id AND s.revoked_at IS NULL AND u.suspended_at IS NULL
        RETURNING t.session_id, s.user_id
    ), made AS (
        INSERT INTO refresh_tokens (token_hash, session_id, salt, expires_at)
        SELECT :next_token, session_id, :next_salt, now() + :lifetime FROM spent
    ), prolonged AS (
        UPDATE sessions SET expires_at = now() + :lifetime, last_used_at = now()
        FROM spent WHERE sessions.id = spent.session_id
    )
    SELECT session_id, user_id FROM spent
""")
"""One statement: of any number of requests with the same token, the first to lock its row wins and the others find it spent."""

LOOK = sa.text("""
    SELECT t.session_id, s.user_id, t.used_at IS NOT NULL AS spent, s.revoked_at IS NOT NULL AS revoked,
           coalesce(t.used_at > now() - :grace, false) AS just_now,
           EXISTS (SELECT FROM refresh_tokens n WHERE n.token_hash = :next_token AND n.used_at IS NULL
                   AND n.expires_at > now()) AS successor_waits
    FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.token_hash = :token
""")


@dataclass(frozen=True)
class Begun:
    """A sign-in as it is told to the caller; `cookie` is the browser's secret."""

    reply: SignedIn
    cookie: str | None = None


@dataclass(frozen=True)
class SignIns:
    """Begins, prolongs and ends sign-ins."""

    database: Database
    keys: KeyRing
    passwords: Passwords
    settings: Settings

    def login(self, email: str, password: str, transport: Transport, facts: RequestFacts, agent: str) -> Begun:
        """Checks the password outside of any transaction; it takes as long for accounts that do not exist."""
        folded = email.lower()
        with self.database.identity() as session:
            row = session.execute(sa.select(User.id, User.password_hash).where(User.email == folded)).one_or_none()
        right, fresh = self.passwords.check(password, row.password_hash if row else None)
        with self.database.identity() as session:
            user = session.get(User, row.id) if row else None
            if right and user is not None and user.suspended_at is None:
                if fresh is not None and user.password_hash == row.password_hash:  # type: ignore[union-attr]  # user implies row
                    user.password_hash = fresh
                log_identity(session, facts, "login.succeeded", user_id=user.id)
                return self.begin(session, user, transport, facts, agent)
            log_identity(session, facts, "login.failed", user_id=row.id if row else None)
        if right:
            raise Forbidden(
                "This account is suspended. Ask the operator of this installation.", ErrorCode.ACCOUNT_SUSPENDED
            )
        raise Unauthenticated("E-mail address and password do not belong together.", ErrorCode.INVALID_CREDENTIALS)

    def begin(self, session: Session, user: User, transport: Transport, facts: RequestFacts, agent: str) -> Begun:
        """A new sign-in of a person whom the caller has identified, in the caller's transaction."""
        lifetime = self._lifetime()
        cookie = new_secret("se") if transport == "cookie" else None
        begun = SignIn(
            user_id=user.id,
            kind="browser" if cookie else "program",
            cookie_hash=hash_secret(cookie) if cookie else None,
            address=facts.address,
            agent=agent[:MAX_AGENT_LENGTH].replace("\x00", ""),
            expires_at=sa.func.now() + lifetime,
        )
        session.add(begun)
        session.flush()
        reply = SignedIn(user=user_view(user), workspace_id=_oldest_workspace(session, user.id))
        if cookie is not None:
            reply.csrf_token = csrf_token(cookie)
            return Begun(reply, cookie)
        refresh = new_secret("rt")
        session.add(
            RefreshToken(
                token_hash=hash_secret(refresh),
                session_id=begun.id,
                salt=new_salt(),
                expires_at=sa.func.now() + lifetime,
            )
        )
        return Begun(self._with_tokens(reply, begun.id, refresh))

    def refresh(self, token: str, facts: RequestFacts) -> SignedIn:
        """Spends the token and returns its successor with a new access token.

        A token that was spent is either the echo of a request made a moment ago, which gets the same successor, or stolen: then
        the whole sign-in is revoked, for good, before the 401 goes out.
        """
        if kind_of(token) != "rt" or not checks_out(token):
            raise Unauthenticated("This is not a refresh token.")
        hashed = hash_secret(token)
        with self.database.identity() as session:
            salt = session.scalar(sa.select(RefreshToken.salt).where(RefreshToken.token_hash == hashed))
            if salt is None:
                raise Unauthenticated("This refresh token is not known (any more). Sign in again.")
            following = successor(token, salt)
            values: dict[str, Any] = {"token": hashed, "next_token": hash_secret(following)}
            spent = session.execute(
                SPEND, values | {"next_salt": new_salt(), "lifetime": self._lifetime()}
            ).one_or_none()
            if spent is not None:
                return self._prolonged(session, spent.session_id, spent.user_id, following)
            grace = timedelta(seconds=self.settings.refresh_grace_seconds)
            seen = session.execute(LOOK, values | {"grace": grace}).one()
            if seen.spent and seen.just_now and seen.successor_waits and not seen.revoked:
                return self._prolonged(session, seen.session_id, seen.user_id, following)
            if seen.spent and not seen.revoked:
                end_sessions(session, "a spent refresh token was used again", session_id=seen.session_id)
                log_identity(session, facts, "refresh.reused", user_id=seen.user_id, session=str(seen.session_id))
                log.warning(
                    "a spent refresh token was used again; the sign-in is revoked", session=str(seen.session_id)
                )
        # Raised after the block, so that what was decided about the sign-in is committed.
        if seen.spent:
            raise Unauthenticated(
                "This refresh token was used before, so the sign-in was ended. Sign in again.", ErrorCode.TOKEN_REUSED
            )
        raise Unauthenticated("This sign-in was ended, or has expired. Sign in again.")

    def renew(self, session: Session, session_id: UUID) -> None:
        """Prolongs a browser's sign-in."""
        session.execute(
            sa.update(SignIn).where(SignIn.id == session_id).values(expires_at=sa.func.now() + self._lifetime())
        )

    def _prolonged(self, session: Session, session_id: UUID, user_id: UUID, refresh: str) -> SignedIn:
        user = session.get_one(User, user_id)
        reply = SignedIn(user=user_view(user), workspace_id=_oldest_workspace(session, user_id))
        return self._with_tokens(reply, session_id, refresh)

    def _with_tokens(self, reply: SignedIn, session_id: UUID, refresh: str) -> SignedIn:
        reply.access_token, reply.expires_in = self.keys.sign(Access(reply.user.id, session_id))
        reply.token_type = BEARER
        reply.refresh_token = refresh
        return reply

    def _lifetime(self) -> timedelta:
        return timedelta(seconds=self.settings.refresh_token_seconds)


def end_sessions(
    session: Session,
    reason: str,
    *,
    session_id: UUID | None = None,
    user_id: UUID | None = None,
    besides: UUID | None = None,
) -> int:
    """Revokes one sign-in, or all of a user (`besides` one); returns how many were in force."""
    if session_id is None and user_id is None:
        raise ValueError("Name a sign-in or a user.")
    statement = sa.update(SignIn).where(SignIn.revoked_at.is_(None))
    if session_id is not None:
        statement = statement.where(SignIn.id == session_id)
    if user_id is not None:
        statement = statement.where(SignIn.user_id == user_id)
    if besides is not None:
        statement = statement.where(SignIn.id != besides)
    ended = session.execute(statement.values(revoked_at=sa.func.now(), revoked_reason=reason).returning(SignIn.id))
    return len(ended.all())


def user_view(user: User) -> UserView:
    """A person as they are told."""
    return UserView(
        id=user.id,
        email=user.email,
        name=user.name,
        email_verified=user.email_verified_at is not None,
        is_admin=user.is_admin,
        created_at=user.created_at,
    )


def _oldest_workspace(session: Session, user_id: UUID) -> UUID | None:
    return session.scalar(
        sa.select(Member.workspace_id)
        .where(Member.user_id == user_id)
        .order_by(Member.joined_at, Member.workspace_id)
        .limit(1)
    )
