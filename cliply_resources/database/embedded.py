"""A Postgres 18 server of our own, from the programs that a wheel carries.

A home's cluster lies in `home/postgres`. Where Cliply runs as root and the server's user cannot enter the home, it lies in
`/var/lib/cliply/<digest>` instead, and `home/postgres.at` says where; a new home always gets a new cluster. Inside:

    data/       the cluster itself
    run/        the Unix socket; whoever may enter this folder is trusted, so only the server's user (and root) may
    password    of the superuser `postgres`, for TCP on 127.0.0.1 (scram)
    port        kept from start to start unless somebody else took it

`postmaster.pid` is the only record of a running server, and it is believed only after asking the kernel whether that process
works in our data folder: after a power cut the same number may belong to anything.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg

from cliply_resources.database.host import SYSTEM_FOLDER, Account, postgres_programs, private_folder, server_account
from cliply_resources.database.processes import alive, clear_orphans, end, wait_while, works_in
from cliply_resources.errors import StepFailed, ToolMissing

__all__ = ["SUPERUSER", "EmbeddedPostgres", "ServerAddress"]

SUPERUSER = "postgres"
MAJOR_VERSION = "18"

START_SECONDS = 60.0
"""Replaying the log after a crash takes a while; a start that needs longer than this is broken."""
HANG_UP_SECONDS = 0.3
PORT_ATTEMPTS = 5
LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel's own limit is 107."""
LOG_KEPT_BYTES = 10 * 1024 * 1024
"""At a start, a log that has grown beyond this is set aside as `postgres.log.1`."""

CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "io_method": "sync",  # three fewer processes than the default; the data fits the page cache
    "jit": "off",
    # Parallel queries need shared memory that a container often lacks, and ours touch few rows.
    "max_parallel_workers_per_gather": "0",
    # Loaded once at the start, so that a server outlives the environment that it was started from.
    "shared_preload_libraries": "plpgsql",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_error_verbosity": "terse",  # the detail line of a failed constraint quotes the user's row
    "log_min_duration_statement": "1000",
    "log_parameter_max_length": "0",
}


@dataclass(frozen=True)
class ServerAddress:
    """Where a running server listens."""

    socket_folder: Path
    port: int
    pid: int

    def url(self, role: str, database: str = "cliply", driver: str = "psycopg") -> str:
        """A SQLAlchemy URL through the private Unix socket; an empty `driver` gives a plain libpq URL."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        place = urlencode({"host": str(self.socket_folder), "port": self.port}, quote_via=quote)
        return f"{scheme}://{quote(role, safe='')}@/{quote(database, safe='')}?{place}"


class EmbeddedPostgres:
    """The one server of a home folder. Any number of processes may call any method at any moment."""

    def __init__(self, home: Path) -> None:
        self._home = home.expanduser().resolve()

    @property
    def log(self) -> Path:
        """What the server says; its last lines are in the error when a start fails."""
        return self._home / "logs" / "postgres.log"

    @property
    def folder(self) -> Path:
        """Where the cluster lies, or would lie if nothing keeps the server's user out of the home."""
        pointer = self._home / "postgres.at"
        return Path(pointer.read_text("utf-8").strip()) if pointer.is_file() else self._home / "postgres"

    def tcp_url(self, database: str = "cliply") -> str | None:
        """A libpq URL with the superuser's password, for tools that cannot use the socket; `None` while it is down."""
        address = self.running()
        if address is None:
            return None
        password = (self.folder / "password").read_text("utf-8").strip()
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{address.port}/{quote(database, safe='')}"

    def running(self) -> ServerAddress | None:
        """The address of the server if it accepts connections; reads one file and asks nobody to wait."""
        found = _postmaster(self.folder / "data")
        return found.address if found and found.status == "ready" else None

    def ensure(self) -> ServerAddress:
        """A running server, made and started if need be. Returns at once when it runs already.

        Raises `ToolMissing` where the machine or its permissions stand in the way, `StepFailed` with the server's own
        last words where it would not start.
        """
        try:
            return self.running() or self._ensure_under_lock()
        except OSError as refused:  # no permission, no space, read-only, not a folder
            raise ToolMissing(
                f"The embedded database cannot be kept in {self._home}: {refused}.",
                remedy="Set CLIPLY_HOME to a folder of your own, or CLIPLY_DATABASE_URL to a Postgres 18 server.",
            ) from refused

    def _ensure_under_lock(self) -> ServerAddress:
        account = server_account()
        with self._lock():
            base = self._place(account)
            data = base / "data"
            if not data.is_dir():
                self._create(base, account)
            self._check_version(data)
            found = wait_while(
                lambda: _postmaster(data), lambda it: it is not None and it.status != "ready", START_SECONDS
            )
            if found and found.status == "ready" and found.socket.exists():
                return found.address
            if found:  # alive, but not answering, or its socket was cleaned away: nobody can be connected usefully
                end(found.pid, data)
            return self._start(base, account)

    def stop(self, *, only_if_unused: bool = False) -> bool:
        """Shuts the server down and waits for it; says whether it did. Open transactions are rolled back.

        With `only_if_unused`, a server that anybody else is connected to is left alone.
        """
        if not self._home.is_dir():
            return False
        with self._lock():
            return self._stop(only_if_unused, signal.SIGINT)

    def remove(self, *, only_if_unused: bool = False) -> bool:
        """Stops the server and deletes the cluster with all its data; says whether it did. For tests, and for good."""
        if not self._home.is_dir():
            return False
        with self._lock():
            # What is deleted need not be written out first: an immediate shutdown does.
            if not self._stop(only_if_unused, signal.SIGQUIT) and _postmaster(self.folder / "data"):
                return False
            base = self.folder
            shutil.rmtree(_short_socket_folder(base, server_account()), ignore_errors=True)
            shutil.rmtree(base, ignore_errors=True)
            (self._home / "postgres.at").unlink(missing_ok=True)
            return True

    def _stop(self, only_if_unused: bool, how: signal.Signals) -> bool:
        found = _postmaster(self.folder / "data")
        if found is None or (only_if_unused and _others_connected(found.address)):
            return False
        end(found.pid, self.folder / "data", how)
        return True

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One process or thread at a time; the kernel lets go when the holder dies."""
        # Root leaves the way in (not the listing) open for the server's user; what is inside has its own permissions.
        self._home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        with (self._home / "postgres.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _place(self, account: Account) -> Path:
        """The cluster's folder, chosen once for a home."""
        pointer = self._home / "postgres.at"
        base = self.folder
        if not pointer.is_file() and not base.exists() and not account.can_enter(self._home):
            digest = hashlib.sha256(f"{self._home} {secrets.token_hex(8)}".encode()).hexdigest()[:12]
            base = SYSTEM_FOLDER / digest
            pointer.write_text(f"{base}\n", "utf-8")
        if base.parent == SYSTEM_FOLDER:
            SYSTEM_FOLDER.mkdir(mode=0o711, exist_ok=True)
        private_folder(base, account)
        if base.parent == SYSTEM_FOLDER and not (base / "home").is_file():
            (base / "home").write_text(f"{self._home}\n", "utf-8")  # for people who wonder whose this is
        return base

    def _create(self, base: Path, account: Account) -> None:
        """A cluster that is complete or absent: a killed `initdb` leaves only a folder that the next call throws away."""
        part = base / "data.part"
        shutil.rmtree(part, ignore_errors=True)
        password = base / "password"
        password.write_text(f"{secrets.token_urlsafe(32)}\n", "utf-8")
        account.own(password, 0o600)
        done = account.run(
            postgres_programs(account) / "initdb",
            f"--pgdata={part}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",  # sorts alike on every machine
            "--builtin-locale=C.UTF-8",
            # One call instead of a thousand: seconds on a busy disk. Linux only.
            *(["--sync-method=syncfs"] if sys.platform == "linux" else []),
        )
        if done.returncode != 0:
            shutil.rmtree(part, ignore_errors=True)
            raise StepFailed(
                f"The embedded database could not be created in {base}: {_last_line(done.stderr)} "
                "Free some space or set CLIPLY_HOME to another folder.",
                detail=done.stderr,
            )
        part.rename(base / "data")

    def _check_version(self, data: Path) -> None:
        found = (data / "PG_VERSION").read_text("utf-8").strip()
        if found != MAJOR_VERSION:
            raise ToolMissing(
                f"The database in {data} was made by Postgres {found}, but Cliply carries Postgres {MAJOR_VERSION}.",
                remedy="Dump it with its old version and load the dump into a new CLIPLY_HOME.",
            )

    def _start(self, base: Path, account: Account) -> ServerAddress:
        data = base / "data"
        (data / "postmaster.pid").unlink(missing_ok=True)
        clear_orphans(data)
        run = base / "run"
        if len(os.fsencode(run / ".s.PGSQL.65535")) > LONGEST_SOCKET_PATH:
            run = _short_socket_folder(base, account)
        private_folder(run, account)
        for left in run.glob(
            ".s.PGSQL.*"
        ):  # a killed server's; its lock file names a process that may be anybody by now
            left.unlink(missing_ok=True)
        programs = postgres_programs(account)
        said = ""
        for attempt in range(PORT_ATTEMPTS):
            self._configure(base, account, run, fresh_port=attempt > 0)
            log_from = self._open_log()
            pid = self._spawn(programs / "postgres", data, account)
            found = _await_start(pid, data)
            if found:
                return found.address
            said = self.log.read_bytes()[log_from:].decode("utf-8", "replace")
            if "Address already in use" not in said:
                break
        raise StepFailed(
            f"The embedded database did not start: {_last_line(said)} All of it is in {self.log}.", detail=said
        )

    def _configure(self, base: Path, account: Account, run: Path, *, fresh_port: bool) -> None:
        """Writes the whole configuration at every start, so that an update of Cliply reaches old clusters too."""
        kept = base / "port"
        if fresh_port or not kept.is_file():
            kept.write_text(f"{_free_port()}\n", "utf-8")
        wanted = CONFIGURATION | {"port": kept.read_text("utf-8").strip(), "unix_socket_directories": str(run)}
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in wanted.items()]
        target = base / "data" / "postgresql.conf"
        target.write_text("# Written by Cliply at every start.\n" + "\n".join(lines) + "\n", "utf-8")
        account.own(target, 0o600)

    def _open_log(self) -> int:
        """Makes room in the log; returns where this start's part of it begins."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.is_file() and self.log.stat().st_size > LOG_KEPT_BYTES:
            self.log.replace(self.log.with_name("postgres.log.1"))
        self.log.touch(mode=0o600)
        return self.log.stat().st_size

    def _spawn(self, program: Path, data: Path, account: Account) -> int:
        """Starts the server as nobody's child, so that it neither dies with this process nor lingers as its zombie."""
        with self.log.open("ab") as log:
            # The log is opened here and inherited: the server's user need not be able to reach it.
            started = subprocess.run(
                ["/bin/sh", "-c", 'exec "$@" >&2 & echo $!', "sh", str(program), "-D", str(data)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                check=True,
                start_new_session=True,
                **account.spawn_options(),
            )
        return int(started.stdout)


@dataclass(frozen=True)
class _Postmaster:
    """A living server process and what its `postmaster.pid` says."""

    pid: int
    address: ServerAddress
    status: str

    @property
    def socket(self) -> Path:
        return self.address.socket_folder / f".s.PGSQL.{self.address.port}"


def _postmaster(data: Path) -> _Postmaster | None:
    try:
        lines = (data / "postmaster.pid").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    except PermissionError as refused:
        raise ToolMissing(
            f"The database in {data.parent} belongs to another user.",
            remedy="Run Cliply as the user who made it, or set CLIPLY_HOME to a folder of your own.",
        ) from refused
    # The file is written line by line while the server starts: a short one is a start under way.
    if not lines or not lines[0].isdigit() or not works_in(int(lines[0]), data):
        return None
    pid = int(lines[0])
    if len(lines) < 8 or not lines[3].isdigit():
        return _Postmaster(pid, ServerAddress(data, 0, pid), "starting")
    return _Postmaster(pid, ServerAddress(Path(lines[4]), int(lines[3]), pid), lines[7].strip())


def _await_start(pid: int, data: Path) -> _Postmaster | None:
    """The server once it is ready; `None` as soon as its process has given up, or when the time is up."""

    def look() -> tuple[_Postmaster | None, bool]:
        lives = alive(pid)  # asked first: a server that dies between the two looks is seen as dead the next time
        return _postmaster(data), lives

    found, _ = wait_while(look, lambda it: it[1] and (it[0] is None or it[0].status != "ready"), START_SECONDS)
    return found if found and found.status == "ready" else None


def _others_connected(address: ServerAddress) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    try:
        with psycopg.connect(address.url(SUPERUSER, "postgres", ""), connect_timeout=5) as connection:
            connection.autocommit = True
            # Whoever hung up a moment ago is still counted until the server has noticed.
            return wait_while(lambda: connection.execute(query).fetchone() != (0,), bool, HANG_UP_SECONDS)
    except psycopg.OperationalError:
        return True  # too busy to answer is not unused


def _short_socket_folder(base: Path, account: Account) -> Path:
    """A folder whose path is short enough for a socket, the same for every process; made private before it is used."""
    return Path("/tmp") / f"cliply-{account.uid}-{hashlib.sha256(os.fsencode(base)).hexdigest()[:12]}"  # noqa: S108  # see private_folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error:" in line]
    line = (telling or lines or ["it said nothing."])[-1]
    return line if line.endswith(".") else f"{line}."
