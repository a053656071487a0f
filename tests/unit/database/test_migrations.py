"""Migrations: numbered, once each, in order, unchanged, by one process at a time."""

import multiprocessing
import shutil
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from cliply_resources.database import Database, EmbeddedPostgres, Upload
from cliply_resources.database.migrate import migrate, migrations
from cliply_resources.errors import Conflict, StepFailed
from cliply_resources.settings import Settings

SQL = Path(__file__).parents[3] / "sql"
NAMES = [path.name for path in sorted(SQL.glob("*.sql"))]


@pytest.fixture
def empty(postgres):
    """An empty database of its own."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.url("postgres", "postgres", ""), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield postgres.url("postgres", name, "")
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def folder(tmp_path):
    """A copy of `sql/` to tamper with."""
    return Path(shutil.copytree(SQL, tmp_path / "sql"))


def names(url):
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM schema_migrations ORDER BY name")]


def test_an_empty_database_gets_every_file_in_order(empty):
    assert migrate(empty) == NAMES == names(empty)


def test_a_second_time_does_nothing(empty):
    migrate(empty)
    assert migrate(empty) == []


def test_a_sqlalchemy_url_will_do(empty):
    assert migrate(empty.replace("postgresql://", "postgresql+psycopg://")) == NAMES


def test_several_at_once_share_the_work_without_doing_any_twice(empty):
    with ThreadPoolExecutor(4) as pool:
        applied = sorted(name for done in pool.map(migrate, [empty] * 4) for name in done)
    assert applied == NAMES


def test_two_processes_at_once_share_the_work_without_doing_any_twice(empty):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        applied = sorted(name for done in pool.map(migrate, [empty] * 2) for name in done)
    assert applied == NAMES


@pytest.fixture
def bare_server(tmp_path_factory):
    """A server where not even the roles exist yet."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("bare") / "home")
    yield server.ensure()
    server.remove()


def test_two_databases_of_one_server_can_be_migrated_at_once(bare_server):
    """Roles belong to the server: both make them at the same moment."""
    with psycopg.connect(bare_server.url("postgres", "postgres", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE one")
        connection.execute("CREATE DATABASE two")
    urls = [bare_server.url("postgres", name, "") for name in ("one", "two")]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(migrate, urls)) == [NAMES, NAMES]


def test_a_file_changed_after_it_was_applied_is_refused(empty, folder):
    migrate(empty, folder=folder)
    changed = folder / NAMES[2]
    changed.write_text(changed.read_text("utf-8") + "-- harmless\n", "utf-8")
    migrations.__globals__["_read"].cache_clear()  # a new process would read the folder anew
    with pytest.raises(Conflict, match=f"sql/{NAMES[2]} was changed"):
        migrate(empty, folder=folder)


def test_a_database_of_a_newer_cliply_is_refused(empty, folder):
    (folder / "900_future.sql").write_text("SELECT 1", "utf-8")
    migrate(empty, folder=folder)
    with pytest.raises(Conflict, match=r"newer Cliply \(900_future.sql\)"):
        migrate(empty)


def test_a_file_that_fails_leaves_no_trace_and_can_be_mended(empty, folder):
    broken = folder / "900_broken.sql"
    broken.write_text("CREATE TABLE half (); SELECT 1 / 0;", "utf-8")
    with pytest.raises(StepFailed, match=r"900_broken\.sql failed and was undone: division by zero"):
        migrate(empty, folder=folder)
    assert names(empty) == NAMES
    broken.write_text("SELECT 1", "utf-8")
    migrations.__globals__["_read"].cache_clear()
    assert migrate(empty, folder=folder) == ["900_broken.sql"]


@pytest.mark.parametrize("name", ["7_short.sql", "003_again.sql", "notes.sql"])
def test_a_file_without_a_number_of_its_own_is_refused(folder, name):
    (folder / name).write_text("SELECT 1", "utf-8")
    with pytest.raises(Conflict, match="must be named"):
        migrations(folder)


def test_a_login_without_superpowers_can_migrate_and_serve(bare_server, tmp_path):
    """An outside server: one login that may create roles and databases, over TCP with a password."""
    with psycopg.connect(bare_server.url("postgres", "postgres", ""), autocommit=True) as connection:
        connection.execute("CREATE ROLE renter LOGIN CREATEROLE CREATEDB PASSWORD 'se%c:r@t/'")
        connection.execute("CREATE DATABASE rented OWNER renter")
    url = f"postgresql://renter:se%25c%3Ar%40t%2F@127.0.0.1:{bare_server.port}/rented"
    with Database.open(Settings(home=tmp_path, database_url=SecretStr(url))) as database:
        workspace = database.local_workspace()
        with database.pipeline(workspace) as session:
            session.add(Upload(source_kind="url", source_uri="https://x.com/1", settings_digest="d"))
        with database.api(workspace) as session:
            assert session.query(Upload).count() == 1
            assert session.connection().exec_driver_sql("SELECT current_user").scalar() == "cliply_api"
        with psycopg.connect(database.dagster_url.replace("+psycopg2", "")) as connection:
            assert connection.execute("SELECT current_user, current_database()").fetchone() == (
                "cliply_dagster",
                "rented_dagster",
            )
            connection.execute("CREATE TABLE runs ()")
    for role, closed in (("cliply_dagster", "rented"), ("cliply_api", "rented_dagster")):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(bare_server.url(role, closed, ""))


def test_an_installed_package_finds_its_own_copy_of_the_files(tmp_path):
    """The wheel carries `sql/` inside the package; nothing but the package is on the path here."""
    package = tmp_path / "site" / "cliply_resources"
    shutil.copytree(SQL.parent / "cliply_resources", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(SQL, package / "database" / "sql")
    script = "from cliply_resources.database.migrate import migrations; print(*[m.name for m in migrations()])"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(package.parent)!r}); {script}"],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == NAMES
