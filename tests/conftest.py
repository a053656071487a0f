"""What every test may ask for: a real Postgres server, and a fresh migrated database on it.

One server serves all workers of a test run. A database is a copy of one migrated template, so it costs some 50 ms.
"""

import contextlib
import os
import shlex
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from cliply_resources.database import Database, EmbeddedPostgres, ServerAddress, migrate
from cliply_resources.settings import Settings

TEMPLATE = "cliply_template"

# A shell that starts us in the background has SIGINT ignored; Dagster makes SIGTERM like it, and every process that a test
# starts would inherit that deaf ear.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


RUN_MARK = "PYTEST_RUN_MARK"
"""In the environment of every process that a test run starts, directly or not."""

LONG_FIRST = ("faults", "pipeline", "publishing", "api")
"""Folders whose files take longest: begun first, so that no worker is left alone with a long one at the end."""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[RUN_MARK] = uuid.uuid4().hex


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends what a worker that died left behind: it would hold this run's output open, and its reader would wait for ever."""
    if hasattr(config, "workerinput"):
        return
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(RUN_MARK) == os.environ[RUN_MARK]:
                command = " ".join(shlex.join(process.cmdline()).split())
                print(f"left behind by a test, ended: {process.pid} {command:.150}", file=sys.stderr)
                process.kill()
    EmbeddedPostgres(config._tmp_path_factory.getbasetemp() / "home").remove()  # type: ignore[attr-defined]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folders = {Path(__file__).parent / name: place for place, name in enumerate(LONG_FIRST)}

    def place(item: pytest.Item) -> int:
        return min((folders[folder] for folder in item.path.parents if folder in folders), default=len(folders))

    items.sort(key=place)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerAddress]:
    """A running embedded server of this test run; the last worker that uses it takes it away."""
    base = tmp_path_factory.getbasetemp()
    server = EmbeddedPostgres((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "home")
    try:
        address = server.ensure()
        # Held open to the end: a worker that finishes early sees that the server is still used.
        with _administrator(address):
            _make_template(address)
            yield address
    finally:
        server.remove(only_if_unused=True)


def _administrator(address: ServerAddress) -> psycopg.Connection:
    return psycopg.connect(address.url("postgres", "postgres", ""), autocommit=True)


def _make_template(address: ServerAddress) -> None:
    with _administrator(address) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
            return
        # A test's data need not survive a power cut.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")
        making = f"{TEMPLATE}_making"
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(making)))
        migrate(address.url("postgres", making, ""))
        connection.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(making), sql.Identifier(TEMPLATE))
        )


@contextlib.contextmanager
def _fresh_database(address: ServerAddress) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with _administrator(address) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
        )
    yield address.url("postgres", name, "")
    with _administrator(address) as connection:
        for database in (name, f"{name}_dagster"):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


@pytest.fixture
def settings(postgres: ServerAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings with an empty home and a fresh migrated database, whatever the developer's environment says."""
    for name in [name for name in os.environ if name.startswith("CLIPLY_")]:
        monkeypatch.delenv(name)
    with _fresh_database(postgres) as url:
        yield Settings(home=tmp_path / "home", database_url=SecretStr(url))


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """A fresh migrated database, open."""
    with Database.open(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_url(postgres: ServerAddress) -> Iterator[str]:
    """The superuser's way into the module's own migrated database; for looking behind row level security."""
    with _fresh_database(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def shared_database(shared_url: str) -> Iterator[Database]:
    """One migrated database for all tests of a module, which leave nothing behind or work in workspaces of their own."""
    with Database.open(Settings(database_url=SecretStr(shared_url))) as opened:
        yield opened
