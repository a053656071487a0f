"""One database for both sides: sessions that are bound to a workspace, locks between processes, and the doorbell.

A session runs exactly one transaction as `cliply_pipeline` or `cliply_api`, neither of which owns tables or bypasses row level
security; it sees the rows of the workspace it was opened for, and no others. Serving never logs in as an owner.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, SessionTransaction

from cliply_resources.database.embedded import SUPERUSER, EmbeddedPostgres
from cliply_resources.database.migrate import libpq_url, migrate, migrations, pending
from cliply_resources.database.patience import LOST, Absence, connect_in_haste, hung_up, what_passes
from cliply_resources.errors import ToolMissing, TryLater
from cliply_resources.settings import Settings

__all__ = ["API", "DAGSTER", "IDENTITY", "PIPELINE", "Database", "Notice", "lock_key"]

PIPELINE = "cliply_pipeline"
API = "cliply_api"
IDENTITY = "cliply_identity"
DAGSTER = "cliply_dagster"

CONNECT_SECONDS = 10.0
"""A server that restarts after a crash is back within a second or two; nobody should wait much longer for an error."""
RETRY_SECONDS = 0.05
HASTY = frozenset({API, IDENTITY})
"""Roles whose transactions somebody waits for at a browser; they fail fast, see `patience.py`."""
POOL_SIZE = {PIPELINE: 16, API: 16, IDENTITY: 16}
"""Connections kept open once they were needed; many requests are answered at once, and a new connection costs ten statements."""
POOL_OVERFLOW = {PIPELINE: 4, API: 4, IDENTITY: 4}
POOL_WAIT_SECONDS = {PIPELINE: 10.0, API: 5.0, IDENTITY: 5.0}

SESSION_OPTIONS = {
    PIPELINE: "-c lock_timeout=30s -c idle_in_transaction_session_timeout=10min",
    API: "-c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
    IDENTITY: "-c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
}
"""Work that waits longer than this for a lock, or sits in an open transaction, is stuck; it must not hold up the others."""

BIND_WORKSPACE = text("SELECT set_config('app.workspace_id', :workspace, true)")

HOPELESS = ("password authentication failed", "no pg_hba.conf entry", "permission denied", "is not permitted to log in")


@dataclass(frozen=True)
class Notice:
    """One ring of the doorbell; the payload carries ids only."""

    channel: str
    payload: str


class _NotPrepared(ToolMissing):
    """The server answers, but has not got our database or roles (yet)."""


class _Server(Protocol):
    """Where the database is; asked again for every new connection, because a restarted server may have moved."""

    def parameters(self, role: str, database: str | None = None) -> dict[str, Any]: ...

    def administrator(self, database: str | None = None) -> str: ...

    def dagster_url(self, database: str) -> str: ...

    @property
    def database(self) -> str: ...


class _Embedded:
    """Our own server, started when it is not running; every role logs in through the private socket."""

    database = "cliply"

    def __init__(self, settings: Settings) -> None:
        self._postgres = EmbeddedPostgres(settings.home)

    def parameters(self, role: str, database: str | None = None) -> dict[str, Any]:
        return dict(conninfo_to_dict(self._postgres.ensure().url(role, database or self.database, "")))

    def administrator(self, database: str | None = None) -> str:
        return self._postgres.ensure().url(SUPERUSER, database or self.database, "")

    def dagster_url(self, database: str) -> str:
        return self._postgres.ensure().url(DAGSTER, database, "psycopg2")


class _Outside:
    """Somebody's server: one login, which takes the role that it is to work as before its first statement."""

    def __init__(self, url: str) -> None:
        self._given = dict(conninfo_to_dict(libpq_url(url)))
        self._given.setdefault("dbname", "cliply")
        self.database = str(self._given["dbname"])

    def parameters(self, role: str, database: str | None = None) -> dict[str, Any]:
        options = f"{self._given.get('options') or ''} -crole={role}".strip()
        return self._given | {"dbname": database or self.database, "options": options}

    def administrator(self, database: str | None = None) -> str:
        given = {name: str(value) for name, value in self._given.items() if value is not None}
        return make_conninfo("", **given | {"dbname": database or self.database})

    def dagster_url(self, database: str) -> str:
        found = self.parameters(DAGSTER, database)
        query = {name: str(value) for name, value in found.items() if name not in {"user", "password", "dbname"}}
        url = URL.create(
            "postgresql+psycopg2", found.get("user"), found.get("password"), database=database, query=query
        )
        return url.render_as_string(hide_password=False)


class WorkspaceSession(Session):
    """A session whose every transaction starts by naming its workspace; without one, Postgres refuses."""


@event.listens_for(WorkspaceSession, "after_begin")
def _bind_workspace(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    workspace = session.info.get("workspace")
    if workspace is not None:
        connection.execute(BIND_WORKSPACE, {"workspace": str(workspace)})


def _refuse_what_was_hung_up(connection: psycopg.Connection, _record: object, _fairy: object) -> None:
    """Of a pool's connections: one that the server ended while it lay there is replaced by a new one."""
    if hung_up(connection):
        raise DisconnectionError


class Database:
    """The way to all rows. Safe to share between threads; a forked child gets connections of its own."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._engines: dict[str, Engine] = {}
        self._guard = threading.Lock()
        self._process = os.getpid()
        self._absence = Absence()
        self.applied: tuple[str, ...] = ()
        """The migrations that opening this database has just applied."""

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The migrated database of these settings; starts the embedded server when no outside one is named.

        Raises `TryLater` when the server cannot be reached, `ToolMissing` when it refuses us, `Conflict` when its
        migrations are not ours.
        """
        outside = settings.database_url
        opened = cls(_Outside(outside.get_secret_value()) if outside else _Embedded(settings))
        try:
            opened._prepare()
        except BaseException:
            opened.close()
            raise
        return opened

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def pipeline(self, workspace_id: UUID) -> contextlib.AbstractContextManager[Session]:
        """One transaction of the pipeline in one workspace: committed at the end, undone when the block raises.

        Raises `TryLater` when the connection broke, a lock could not be had or the server is down; asking again is safe
        where the block itself is. The next use connects anew.
        """
        return self._session(PIPELINE, workspace_id)

    def api(self, workspace_id: UUID) -> contextlib.AbstractContextManager[Session]:
        """The same for the web application, with its fewer rights and shorter patience."""
        return self._session(API, workspace_id)

    def across(self) -> contextlib.AbstractContextManager[Session]:
        """One transaction of the pipeline without a workspace: only the functions of `sql/006_functions.sql` answer."""
        return self._session(PIPELINE, None)

    def identity(self) -> contextlib.AbstractContextManager[Session]:
        """One transaction over accounts, sign-ins and memberships, which belong to no workspace.

        Only the web application's own identity code asks for it; its role reaches nothing that was made in a workspace.
        """
        return self._session(IDENTITY, None)

    @contextlib.contextmanager
    def identity_at_once(self) -> Iterator[Connection]:
        """The same for single statements, each a transaction of its own: one way to the server and back instead of three."""
        self._absence.check()
        engine = self._engine(IDENTITY).execution_options(isolation_level="AUTOCOMMIT")
        with _as_try_later(), engine.connect() as connection:
            yield connection

    def local_workspace(self) -> UUID:
        """The one workspace of an installation for a single user, made if need be."""
        with self.across() as session:
            return UUID(str(session.execute(text("SELECT app.ensure_local_workspace()")).scalar_one()))

    @cached_property
    def dagster_url(self) -> str:
        """A SQLAlchemy URL (psycopg2) of Dagster's own database on this server, which is made when first asked for."""
        name = f"{self._server.database}_dagster"
        with self._connected_as(PIPELINE, autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if known is None:
            _create_database(self._server.administrator(), name, owner=DAGSTER)
        return self._server.dagster_url(name)

    def listen(self, *channels: str, timeout: float | None = 5.0) -> Iterator[Notice | None]:
        """Rings of these channels, for ever, over one connection. `None` says "look at the rows now".

        `None` comes first, once listening has begun, then after every `timeout` seconds of silence and after every
        reconnection, since rings are lost while nobody listens. Close the iterator to hang up.

        Raises `TryLater` when the server stays away.
        """
        while True:
            with contextlib.suppress(psycopg.OperationalError), self._connected_as(API, autocommit=True) as connection:
                for channel in channels:
                    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                yield None
                while True:
                    rings = list(connection.notifies(timeout=timeout, stop_after=1))
                    yield from (Notice(ring.channel, ring.payload) for ring in rings)
                    if not rings:
                        yield None
            time.sleep(RETRY_SECONDS)

    @contextlib.contextmanager
    def advisory_lock(self, name: str, *, wait_seconds: float | None) -> Iterator[bool]:
        """Yields whether the lock of that name is ours now; the server takes it back when this process dies.

        Waits at most `wait_seconds`; 0 does not wait, `None` waits for ever. The lock is one per database and name, and
        does not count: taking it again inside waits for itself.

        Raises `TryLater` when the connection, and with it the lock, was lost while the block ran.
        """
        key = lock_key(name)
        connection = self._connected_as(API, autocommit=True)
        try:
            taken = _take(connection, key, wait_seconds)
            try:
                yield taken
            except BaseException:
                # Hanging up gives it back too, but a moment later than whoever tries next expects.
                with contextlib.suppress(psycopg.OperationalError):
                    connection.execute("SELECT pg_advisory_unlock_all()")
                raise
            if taken:
                with _as_try_later(f"The lock “{name}” was lost while it was held."):
                    connection.execute("SELECT pg_advisory_unlock_all()")
        finally:
            connection.close()

    def close(self) -> None:
        """Gives all pooled connections back. An embedded server keeps running; see `EmbeddedPostgres.stop`."""
        with self._guard:
            for engine in self._engines.values():
                engine.dispose(close=self._process == os.getpid())
            self._engines.clear()

    @contextlib.contextmanager
    def _session(self, role: str, workspace_id: UUID | None) -> Iterator[Session]:
        facts = {"workspace": workspace_id}
        if role in HASTY:
            self._absence.check()
        engine = self._engine(role)
        with _as_try_later(), WorkspaceSession(engine, info=facts, expire_on_commit=False) as session, session.begin():
            yield session

    def _engine(self, role: str) -> Engine:
        with self._guard:
            if self._process != os.getpid():  # the parent's sockets are not ours to use or to close
                for engine in self._engines.values():
                    engine.dispose(close=False)
                self._process = os.getpid()
            if role not in self._engines:
                engine = create_engine(
                    "postgresql+psycopg://",
                    json_deserializer=msgspec.json.decode,
                    creator=lambda: self._connected_in_haste(role) if role in HASTY else self._connected_as(role),
                    pool_size=POOL_SIZE[role],
                    max_overflow=POOL_OVERFLOW[role],
                    pool_timeout=POOL_WAIT_SECONDS[role],
                    # Asking first finds every way in which a connection can be dead, and costs a way to the server and back.
                    pool_pre_ping=role not in HASTY,
                )
                if role in HASTY:
                    event.listen(engine, "checkout", _refuse_what_was_hung_up)
                self._engines[role] = engine
            return self._engines[role]

    def _connected_in_haste(self, role: str) -> psycopg.Connection:
        """A new connection now or not at all."""
        parameters = self._server.parameters(role)
        options = f"{parameters.get('options') or ''} {SESSION_OPTIONS[role]}".strip()
        return connect_in_haste(parameters | {"options": options}, self._absence)

    def _connected_as(self, role: str, *, autocommit: bool = False) -> psycopg.Connection:
        """A new connection; waits a little for a server that is starting, and starts ours if it is down."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            parameters = self._server.parameters(role)
            parameters["options"] = f"{parameters.get('options') or ''} {SESSION_OPTIONS[role]}".strip()
            try:
                return _connected(parameters, autocommit=autocommit)
            except psycopg.OperationalError as failure:
                said = str(failure)
                if "does not exist" in said and "FATAL" in said:
                    raise _NotPrepared(
                        f"The database is not prepared: {said.strip()}", remedy="Run: cliply migrate"
                    ) from failure
                if any(words in said for words in HOPELESS):
                    raise ToolMissing(
                        f"The database server refuses to let us in: {said.strip()}",
                        remedy="Check the user, password and database in CLIPLY_DATABASE_URL.",
                    ) from failure
                if time.monotonic() > deadline:
                    raise TryLater(f"The database cannot be reached: {said.strip()}", retry_after=5.0) from failure
            time.sleep(RETRY_SECONDS)

    def _prepare(self) -> None:
        """Nothing but two queries when the database is up to date."""
        files = migrations()
        try:
            with _as_try_later(), self._engine(PIPELINE).connect() as connection:
                driver = connection.connection.driver_connection
                assert isinstance(driver, psycopg.Connection)
                missing = bool(pending(driver, files))
        except _NotPrepared:
            missing = True
        if missing:
            self._create_if_missing()
            self.applied = tuple(migrate(self._server.administrator()))

    def _create_if_missing(self) -> None:
        name = self._server.database
        try:
            _connected(conninfo_to_dict(self._server.administrator())).close()
        except psycopg.OperationalError as failure:
            if f'database "{name}" does not exist' not in str(failure):
                raise TryLater(f"The database cannot be reached: {str(failure).strip()}", retry_after=5.0) from failure
            _create_database(self._server.administrator("postgres"), name, owner=None)


def lock_key(name: str) -> int:
    """The number by which Postgres knows the advisory lock of this name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _connected(parameters: Mapping[str, Any], *, autocommit: bool = False) -> psycopg.Connection:
    named = {"application_name": f"cliply {os.getpid()}", "connect_timeout": 10, **parameters}
    return psycopg.connect(autocommit=autocommit, **named)


@contextlib.contextmanager
def _as_try_later(message: str = LOST) -> Iterator[None]:
    """Turns what passes by itself into `TryLater`; everything else stays what it is."""
    try:
        yield
    except PoolTimeout as failure:
        raise TryLater(
            "All connections to the database are in use. Try again in a moment.", retry_after=1.0
        ) from failure
    except DBAPIError as failure:
        passing = what_passes(failure, message)
        if passing is None:
            raise
        raise passing from failure
    except psycopg.OperationalError as failure:
        raise TryLater(f"{message} Try again.", retry_after=1.0) from failure


def _take(connection: psycopg.Connection, key: int, wait_seconds: float | None) -> bool:
    if wait_seconds == 0:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
        return row == (True,)
    # 0 is "no limit" to Postgres. A waiter that dies must not stay in the queue and then win the lock for nobody.
    limit = 0 if wait_seconds is None else max(1, round(wait_seconds * 1000))
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [str(limit)])
    connection.execute("SELECT set_config('client_connection_check_interval', '1s', false)")
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", [key])
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _create_database(administrator: str, name: str, *, owner: str | None) -> None:
    """Makes a database that PUBLIC may not enter, unless somebody else was first."""
    with psycopg.connect(administrator, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended('create database', 0))")
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return
        database = sql.Identifier(name)
        owned = sql.SQL(" OWNER {}").format(sql.Identifier(owner)) if owner else sql.SQL("")
        connection.execute(sql.SQL("CREATE DATABASE {}{}").format(database, owned))
        if owner:
            login = sql.Identifier(connection.info.user)
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
            connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, login))
