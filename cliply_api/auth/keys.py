"""Access tokens: signed, short-lived, and signed by a ring of keys that turns without signing anyone out.

The ring lives in the database, so that all processes share it. A new key is read by everybody before it signs, and an old one
verifies until the last token it signed has expired.
"""

import secrets
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import sqlalchemy as sa

from cliply_resources.database import Database
from cliply_resources.database.identity import SigningKey
from cliply_resources.settings import Settings

__all__ = ["Access", "KeyRing", "rotate"]

ALGORITHM = "HS256"
AUDIENCE = "cliply-api"
REREAD_SECONDS = 30.0
"""Well below `key_publication_seconds`, so that no process meets a signature by a key it has not read."""
REREAD_AT_MOST_EVERY = 1.0
"""Seconds; somebody who sends made-up key ids must not make us ask the database each time."""
LEEWAY_SECONDS = 5
CREATING = 0x636C6B65


@dataclass(frozen=True)
class Access:
    """What a valid access token says."""

    user_id: UUID
    session_id: UUID


@dataclass(frozen=True)
class _Key:
    kid: str
    secret: bytes
    signs_from: datetime
    retires_at: datetime | None


class KeyRing:
    """All keys of this installation. Safe to share between threads."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._guard = threading.Lock()
        self._keys: dict[str, _Key] = {}
        self._read_at = float("-inf")

    def sign(self, access: Access, *, seconds: int | None = None) -> tuple[str, int]:
        """A token and the seconds it is valid for."""
        key = self._signing_key()
        now = int(time.time())
        lifetime = seconds or self._settings.access_token_seconds
        claims: dict[str, Any] = {
            "iss": self._settings.token_issuer,
            "aud": AUDIENCE,
            "sub": str(access.user_id),
            "sid": str(access.session_id),
            "jti": uuid4().hex,
            "iat": now,
            "exp": now + lifetime,
        }
        return jwt.encode(claims, key.secret, algorithm=ALGORITHM, headers={"kid": key.kid}), lifetime

    def read(self, token: str) -> Access | None:
        """What the token says, if we signed it, for this use, and it has not expired."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._find(str(kid))
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key.secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._settings.token_issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["sub", "sid", "jti", "exp", "iat", "aud", "iss"]},
            )
            return Access(UUID(claims["sub"]), UUID(claims["sid"]))
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            return None

    def _find(self, kid: str) -> _Key | None:
        age = time.monotonic() - self._read_at
        if age > REREAD_SECONDS or (kid not in self._keys and age > REREAD_AT_MOST_EVERY):
            self._reread()
        return self._keys.get(kid)

    def _signing_key(self) -> _Key:
        if time.monotonic() - self._read_at > REREAD_SECONDS:
            self._reread()
        now = datetime.now(UTC)
        ready = [key for key in self._keys.values() if key.signs_from <= now and not _retired(key, now)]
        if not ready:
            self._make_first()
            ready = [key for key in self._keys.values() if key.signs_from <= now]
        return max(ready, key=lambda key: (key.signs_from, key.kid))

    def _reread(self) -> None:
        with self._guard, self._database.identity() as session:
            rows = session.scalars(sa.select(SigningKey).where(_living())).all()
            self._keys = {row.kid: _Key(row.kid, row.secret, row.signs_from, row.retires_at) for row in rows}
            self._read_at = time.monotonic()

    def _make_first(self) -> None:
        with self._database.identity() as session:
            # Two processes that start on an empty database agree on one key.
            session.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATING)))
            usable = (
                sa.select(SigningKey.kid)
                .where(_living(), SigningKey.retires_at.is_(None))
                .where(SigningKey.signs_from <= sa.func.now())
            )
            if session.scalar(usable.limit(1)) is None:
                session.add(_new_key(datetime.now(UTC) - timedelta(seconds=LEEWAY_SECONDS)))
        self._reread()


def rotate(database: Database, settings: Settings) -> str:
    """Puts a new key in place and retires the others once nothing they signed is valid; returns the new key's id.

    Nobody is signed out. Run it from time to time, or when a key may have leaked (then twice, an access token's life apart).
    """
    now = datetime.now(UTC)
    signs_from = now + timedelta(seconds=settings.key_publication_seconds)
    retires = signs_from + timedelta(seconds=settings.access_token_seconds + 10 * LEEWAY_SECONDS + REREAD_SECONDS)
    with database.identity() as session:
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATING)))
        session.execute(sa.update(SigningKey).where(SigningKey.retires_at.is_(None)).values(retires_at=retires))
        made = _new_key(signs_from)
        session.add(made)
        session.flush()
        return made.kid


def _new_key(signs_from: datetime) -> SigningKey:
    return SigningKey(kid=secrets.token_hex(8), secret=secrets.token_bytes(32), signs_from=signs_from)


def _living() -> sa.ColumnElement[bool]:
    return sa.or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > sa.func.now())


def _retired(key: _Key, now: datetime) -> bool:
    return key.retires_at is not None and key.retires_at <= now
