"""The embedded server: made once, found again, brought back after every kind of death."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import psycopg
import pytest

from cliply_resources.database import Database, EmbeddedPostgres, host
from cliply_resources.database.host import Account, postgres_programs, private_folder, server_account
from cliply_resources.errors import StepFailed, ToolMissing
from cliply_resources.settings import Settings

ROOT = os.geteuid() == 0


@pytest.fixture
def home(tmp_path):
    """A home that does not exist yet; whatever grows there is removed."""
    yield tmp_path / "home"
    EmbeddedPostgres(tmp_path / "home").remove()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A server that several tests mistreat, one after the other; a new cluster for each would be slow."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("kept") / "home")
    server.ensure()
    yield server
    server.remove()


def answer(address, query="SELECT 1"):
    with psycopg.connect(address.url("postgres", "postgres", "")) as connection:
        return connection.execute(query).fetchone()[0]


def kill(pid):
    """Returns when the process is gone, as far as that can be asked."""
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}/cwd").exists():
        time.sleep(0.001)


def test_a_server_is_made_started_found_and_stopped(home):
    server = EmbeddedPostgres(home)
    assert server.running() is None
    address = server.ensure()
    assert answer(address, "SHOW server_version").startswith("18.")
    assert EmbeddedPostgres(home).running() == EmbeddedPostgres(home).ensure() == address
    assert server.stop() is True
    assert server.stop() is False
    assert server.running() is None


def test_what_was_written_is_there_after_a_restart_on_the_same_port(kept):
    address = kept.ensure()
    with psycopg.connect(address.url("postgres", "postgres", "")) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 7 AS number")
    kept.stop()
    again = kept.ensure()
    assert answer(again, "SELECT number FROM kept") == 7
    assert (again.port, again.socket_folder) == (address.port, address.socket_folder)


def test_a_killed_server_comes_back(kept):
    address = kept.ensure()
    kill(address.pid)
    assert kept.running() is None
    again = kept.ensure()
    assert again.pid != address.pid
    assert answer(again) == 1


def test_a_killed_server_comes_back_although_a_query_of_it_is_still_at_work(kept):
    """A backend in a long computation does not notice that its postmaster is gone, and keeps a new one from starting."""
    address = kept.ensure()
    connection = psycopg.connect(address.url("postgres", "postgres", ""))
    connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000)")
    kill(address.pid)
    assert answer(kept.ensure()) == 1
    connection.close()


def test_a_pid_that_now_belongs_to_another_process_is_not_believed(kept):
    """After a power cut the number in `postmaster.pid` may be anybody's, even our own."""
    address = kept.ensure()
    record = kept.folder / "data" / "postmaster.pid"
    text = record.read_text("utf-8")
    kept.stop()
    record.write_text(text.replace(str(address.pid), str(os.getpid()), 1), "utf-8")
    assert kept.running() is None
    assert answer(kept.ensure()) == 1


def test_a_socket_that_was_cleaned_away_makes_the_server_start_anew(kept):
    address = kept.ensure()
    (address.socket_folder / f".s.PGSQL.{address.port}").unlink()
    again = kept._ensure_under_lock()  # what a failed connection leads to
    assert answer(again) == 1


def test_another_port_is_taken_when_ours_is_not_free(kept):
    address = kept.ensure()
    kept.stop()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", address.port))
        squatter.listen()
        again = kept.ensure()
        assert again.port != address.port
        assert answer(again) == 1


def test_a_start_that_fails_says_what_the_server_said(kept):
    kept.stop()
    control = kept.folder / "data" / "global" / "pg_control"
    control.rename(control.with_name("pg_control.away"))
    try:
        with pytest.raises(StepFailed, match=r"did not start.*pg_control.*postgres\.log"):
            kept.ensure()
    finally:
        control.with_name("pg_control.away").rename(control)
    assert answer(kept.ensure()) == 1


def test_a_cluster_of_another_version_is_refused(kept):
    kept.stop()
    version = kept.folder / "data" / "PG_VERSION"
    version.write_text("17\n", "utf-8")
    try:
        with pytest.raises(ToolMissing, match="made by Postgres 17"):
            kept.ensure()
    finally:
        version.write_text("18\n", "utf-8")


def test_an_unused_server_is_stopped_and_a_used_one_is_not(kept):
    with psycopg.connect(kept.ensure().url("postgres", "postgres", "")):
        assert kept.stop(only_if_unused=True) is False
    assert kept.stop(only_if_unused=True) is True


def test_over_tcp_only_the_password_opens(kept):
    address = kept.ensure()
    with psycopg.connect(kept.tcp_url("postgres")) as connection:
        assert connection.execute("SELECT inet_server_addr()::text").fetchone() == ("127.0.0.1/32",)
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host="127.0.0.1", port=address.port, user="postgres", password=password, dbname="postgres")


def test_only_the_servers_user_can_reach_the_socket_data_and_password(kept):
    address = kept.ensure()
    for path in (kept.folder, address.socket_folder, kept.folder / "data"):
        found = path.stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode) & 0o077) == (server_account().uid, 0)
    assert stat.S_IMODE((kept.folder / "password").stat().st_mode) == 0o600
    assert len(os.fsencode(address.socket_folder / f".s.PGSQL.{address.port}")) < 100


def test_the_server_does_not_die_with_the_process_that_started_it(home):
    script = f"from pathlib import Path; from cliply_resources.database import *; print(EmbeddedPostgres(Path({str(home)!r})).ensure().pid)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert EmbeddedPostgres(home).running().pid == int(done.stdout)


def open_and_count(home):
    with Database.open(Settings(home=home, database_url=None)) as database:
        return database.local_workspace(), database.dagster_url


@pytest.mark.slow
def test_four_processes_that_open_a_fresh_home_at_once_share_one_database(home):
    with get_context("spawn").Pool(4) as pool:
        found = pool.map(open_and_count, [home] * 4)
    assert len(set(found)) == 1


def test_threads_that_ensure_at_once_get_one_server(kept):
    kept.stop()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: kept.ensure(), range(8)))) == 1


def test_a_half_made_cluster_is_thrown_away(kept):
    kept.stop()
    (kept.folder / "data").rename(kept.folder / "data.part")  # as an initdb that was killed leaves it
    assert answer(kept.ensure()) == 1
    assert not (kept.folder / "data.part").exists()


def test_a_long_home_gets_a_short_socket(tmp_path):
    home = tmp_path / ("long" * 20)
    server = EmbeddedPostgres(home)
    try:
        address = server.ensure()
        assert answer(address) == 1
        assert len(os.fsencode(address.socket_folder / f".s.PGSQL.{address.port}")) < 100
    finally:
        server.remove()
    assert not address.socket_folder.exists()


def test_a_socket_folder_that_somebody_else_made_is_refused(tmp_path):
    account = server_account()
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("open", "link"):
        with pytest.raises(ToolMissing, match="not a private folder"):
            private_folder(tmp_path / name, account)
    assert private_folder(tmp_path / "mine", account).stat().st_uid == account.uid


def test_a_home_that_cannot_be_made_is_a_clear_error():
    with pytest.raises(ToolMissing, match=r"cannot be kept in /dev/null/home: .*Set CLIPLY_HOME"):
        EmbeddedPostgres(Path("/dev/null/home")).ensure()


@pytest.mark.skipif(not ROOT, reason="only root starts the server as somebody else")
def test_root_keeps_the_permissions_of_folders_that_others_cannot_enter(tmp_path):
    """The home lies behind closed doors: the cluster goes where the server's user can reach it, and the doors stay closed."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "home")
    try:
        address = server.ensure()
        assert server.folder.parent == host.SYSTEM_FOLDER
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert Path(f"/proc/{address.pid}").stat().st_uid == server_account().uid != 0
        assert answer(address) == 1
    finally:
        server.remove()
    assert not server.running()


@pytest.mark.skipif(not ROOT, reason="only root starts the server as somebody else")
def test_root_copies_programs_that_the_servers_user_cannot_reach(monkeypatch):
    monkeypatch.setattr(host, "SYSTEM_FOLDER", Path("/tmp") / f"cliply-programs-{os.getpid()}")  # others may enter /tmp
    account = server_account()
    monkeypatch.setattr(Account, "can_enter", lambda self, folder: "site-packages" not in str(folder))
    try:
        programs = postgres_programs(account)
        assert programs.is_relative_to(host.SYSTEM_FOLDER)
        assert account.run(programs / "initdb", "--version").stdout.startswith("initdb (PostgreSQL) 18")
        assert postgres_programs(account) == programs
    finally:
        shutil.rmtree(host.SYSTEM_FOLDER)


@pytest.mark.skipif(not ROOT, reason="an ordinary user runs all the other tests as an ordinary user")
def test_an_ordinary_user_gets_a_server_of_their_own(tmp_path):
    """A child gives up being root after importing, then makes a server in a home of its own."""
    script = f"""
import os, pwd
from pathlib import Path
import psycopg
from cliply_resources.database import EmbeddedPostgres
nobody = pwd.getpwnam("nobody")
home = Path("/tmp/cliply-ordinary-{os.getpid()}")
home.mkdir(mode=0o700)
os.chown(home, nobody.pw_uid, nobody.pw_gid)
os.setgroups([]); os.setgid(nobody.pw_gid); os.setuid(nobody.pw_uid)
server = EmbeddedPostgres(home / "home")
try:
    address = server.ensure()
    with psycopg.connect(address.url("postgres", "postgres", "")) as connection:
        print(connection.execute("SELECT 6 * 7").fetchone()[0], Path(f"/proc/{{address.pid}}").stat().st_uid == nobody.pw_uid)
    print(server.folder == home / "home" / "postgres")
finally:
    server.remove()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False
    )
    shutil.rmtree(f"/tmp/cliply-ordinary-{os.getpid()}", ignore_errors=True)
    assert done.stdout.split() == ["42", "True", "True"], done.stderr
