"""Sessions commit or leave nothing, locks hold between processes, and a lost connection is an error that passes."""

import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import get_context
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from cliply_resources.database import Database, EmbeddedPostgres, Upload, connect
from cliply_resources.errors import CliplyError, ToolMissing, TryLater
from cliply_resources.settings import Settings


@pytest.fixture
def workspace(shared_database, shared_url):
    made = uuid4()
    with psycopg.connect(shared_url) as connection:
        connection.execute("INSERT INTO workspaces (id, name) VALUES (%s, 'w')", [made])
    return made


def an_upload(**facts):
    return Upload(**{"source_kind": "file", "source_uri": "/a.mp4", "settings_digest": "d"} | facts)


def titles(database, workspace):
    with database.api(workspace) as session:
        return [title for (title,) in session.query(Upload.title).order_by(Upload.title)]


def hang_up(url, pid):
    hang_up_all(url, f"SELECT {pid} AS pid")


def hang_up_all(url, whom):
    with psycopg.connect(url) as connection:
        # Other workers' databases share the server; theirs is not ours to disturb.
        connection.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid IN ({whom})"
        )


def test_a_block_that_ends_is_committed(shared_database, workspace):
    with shared_database.pipeline(workspace) as session:
        session.add(an_upload(title="kept"))
    assert titles(shared_database, workspace) == ["kept"]


def test_a_block_that_raises_leaves_nothing(shared_database, workspace):
    def fail():
        with shared_database.pipeline(workspace) as session:
            session.add(an_upload(title="lost"))
            session.flush()
            raise KeyError("ours")

    with pytest.raises(KeyError):
        fail()
    assert titles(shared_database, workspace) == []


def test_rows_stay_readable_after_the_block(shared_database, workspace):
    with shared_database.pipeline(workspace) as session:
        upload = an_upload(title="t")
        session.add(upload)
    assert (upload.workspace_id, upload.title, upload.id.version) == (workspace, "t", 7)


def test_a_broken_rule_is_told_as_it_is(shared_database, workspace):
    with (
        pytest.raises(IntegrityError, match="uploads_source_kind_is_known"),
        shared_database.pipeline(workspace) as session,
    ):
        session.add(an_upload(source_kind="fax"))


def test_each_side_works_as_its_own_role(shared_database, workspace):
    for opened, role in ((shared_database.pipeline, "cliply_pipeline"), (shared_database.api, "cliply_api")):
        with opened(workspace) as session:
            assert session.execute(text("SELECT current_user")).scalar_one() == role


def test_a_connection_lost_in_the_middle_passes_and_the_next_use_works(shared_database, shared_url, workspace):
    def lose():
        with shared_database.pipeline(workspace) as session:
            session.add(an_upload(title="lost"))
            session.flush()
            hang_up(shared_url, session.execute(text("SELECT pg_backend_pid()")).scalar_one())
            session.execute(text("SELECT 1"))

    with pytest.raises(TryLater, match="went away") as lost:
        lose()
    assert lost.value.retry_after is not None
    assert titles(shared_database, workspace) == []


def test_a_connection_lost_while_idle_is_not_even_noticed(shared_database, shared_url, workspace):
    with shared_database.pipeline(workspace) as session:
        pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    hang_up(shared_url, pid)
    assert titles(shared_database, workspace) == []
    with shared_database.pipeline(workspace) as session:
        session.add(an_upload(title="kept"))
    assert titles(shared_database, workspace) == ["kept"]


def test_a_row_that_somebody_holds_for_too_long_is_an_error_that_passes(shared_database, workspace):
    with shared_database.pipeline(workspace) as session:
        session.add(an_upload())
    with shared_database.pipeline(workspace) as holder:
        holder.query(Upload).with_for_update().all()
        with pytest.raises(TryLater, match="same rows"), shared_database.api(workspace) as session:
            session.connection().exec_driver_sql("SET LOCAL lock_timeout = '20ms'; SELECT id FROM uploads FOR UPDATE")


def test_a_killed_server_is_started_again_by_the_next_use(tmp_path):
    home = tmp_path / "home"
    try:
        with Database.open(Settings(home=home, database_url=None)) as database:
            workspace = database.local_workspace()
            pid = EmbeddedPostgres(home).ensure().pid
            os.kill(pid, signal.SIGKILL)
            while Path(f"/proc/{pid}/cwd").exists():
                time.sleep(0.001)
            with database.pipeline(workspace) as session:
                session.add(an_upload(title="after"))
            assert titles(database, workspace) == ["after"]
    finally:
        EmbeddedPostgres(home).remove()


def test_a_server_that_is_away_is_an_error_that_passes(monkeypatch):
    monkeypatch.setattr(connect, "CONNECT_SECONDS", 0.1)
    with pytest.raises(TryLater, match="cannot be reached"):
        Database.open(Settings(database_url=SecretStr("postgresql://u:hush@127.0.0.1:1/x")))


def test_a_server_that_refuses_us_says_what_to_check(postgres):
    url = f"postgresql://postgres:hush@127.0.0.1:{postgres.port}/postgres"
    with pytest.raises(ToolMissing, match=r"password authentication failed.*CLIPLY_DATABASE_URL") as refused:
        Database.open(Settings(database_url=SecretStr(url)))
    assert "hush" not in str(refused.value)


def test_opening_an_up_to_date_database_applies_nothing(settings):
    Database.open(settings).close()
    with Database.open(settings) as again:
        assert again.applied == ()


def test_dagster_gets_a_database_of_its_own(database):
    assert database.dagster_url.startswith("postgresql+psycopg2://")
    engine = create_engine(database.dagster_url)
    with engine.begin() as connection:
        found = connection.execute(text("SELECT current_user, current_database(), to_regclass('uploads')")).one()
    engine.dispose()
    assert found[0] == "cliply_dagster"
    assert found[1].endswith("_dagster")
    assert found[2] is None


def test_a_forked_child_gets_connections_of_its_own(shared_database, workspace):
    def backend(database):
        with database.pipeline(workspace) as session:
            return session.execute(text("SELECT pg_backend_pid()")).scalar_one()

    def child(database, send):
        send.send(backend(database))

    ours = backend(shared_database)
    receive, send = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(target=child, args=(shared_database, send))
    process.start()
    assert receive.recv() != ours
    process.join()
    assert backend(shared_database) == ours


def test_a_lock_is_held_by_one_at_a_time(shared_database):
    with shared_database.advisory_lock("a", wait_seconds=0) as first:
        with (
            shared_database.advisory_lock("a", wait_seconds=0) as second,
            shared_database.advisory_lock("b", wait_seconds=0) as other,
        ):
            assert (first, second, other) == (True, False, True)
        with shared_database.advisory_lock("a", wait_seconds=0.03) as patient:
            assert patient is False
    with shared_database.advisory_lock("a", wait_seconds=0) as again:
        assert again is True


def test_a_lock_is_released_when_the_block_raises(shared_database):
    with pytest.raises(KeyError), shared_database.advisory_lock("c", wait_seconds=0):
        raise KeyError
    with shared_database.advisory_lock("c", wait_seconds=0) as taken:
        assert taken


@pytest.mark.parametrize("wait", [None, 5.0])
def test_who_waits_for_a_lock_gets_it(shared_database, wait):
    got = threading.Event()

    def waiter():
        with shared_database.advisory_lock("d", wait_seconds=wait) as taken:
            if taken:
                got.set()

    thread = threading.Thread(target=waiter)
    with shared_database.advisory_lock("d", wait_seconds=0):
        thread.start()
        assert not got.wait(0.05)
    assert got.wait(5)
    thread.join()


def test_the_lock_of_a_process_that_died_is_free(shared_database, shared_url):
    script = f"""
from pydantic import SecretStr
from cliply_resources.database import Database
from cliply_resources.settings import Settings
with Database.open(Settings(database_url=SecretStr({shared_url!r}))).advisory_lock("e", wait_seconds=0) as taken:
    print(taken, flush=True)
    input()
"""
    command = [sys.executable, "-c", script]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as holder:
        assert holder.stdout.readline() == "True\n"
        with shared_database.advisory_lock("e", wait_seconds=0) as taken:
            assert not taken
        holder.kill()
        with shared_database.advisory_lock("e", wait_seconds=5) as taken:
            assert taken


def test_a_lock_lost_while_it_was_held_is_told(shared_database, shared_url):
    with pytest.raises(TryLater, match="“f” was lost"), shared_database.advisory_lock("f", wait_seconds=0):
        hang_up_all(shared_url, "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")


def test_a_listener_looks_first_then_hears_then_looks_again(shared_database, shared_url):
    bell = shared_database.listen("chimes", timeout=0.02)
    assert next(bell) is None
    with psycopg.connect(shared_url) as connection:
        connection.execute("SELECT pg_notify('chimes', '1'), pg_notify('elsewhere', '2'), pg_notify('chimes', '3')")
    heard = [next(bell) for _ in range(3)]
    assert [ring and ring.payload for ring in heard] == ["1", "3", None]
    bell.close()


def test_a_listener_that_was_cut_off_listens_and_looks_again(shared_database, shared_url):
    bell = shared_database.listen("chimes", timeout=None)
    assert next(bell) is None
    hang_up_all(shared_url, "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()")
    assert next(bell) is None
    with psycopg.connect(shared_url) as connection:
        connection.execute("SELECT pg_notify('chimes', 'after')")
    assert next(bell).payload == "after"
    bell.close()


def test_every_error_of_ours_is_a_cliply_error():
    assert issubclass(connect._NotPrepared, CliplyError)


def test_a_request_is_not_answered_by_a_connection_that_the_server_has_ended(database, settings):
    with database.identity_at_once() as connection:
        first = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as administrator:
        administrator.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
    with database.identity_at_once() as connection:
        second = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    assert second != first
