"""What only the folder store has to prove: disks fill up, processes die, and others work in the same folder."""

import os
import resource
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from cliply_resources.errors import CallerError, StepFailed
from cliply_resources.settings import Settings
from cliply_resources.storage import LocalStorage, S3Storage, analysis_key, open_storage

WORKSPACE = UUID("0190b1a2-0000-7000-8000-000000000001")
KEY = analysis_key(WORKSPACE, "u1", "film.bin")


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@contextmanager
def files_no_larger_than(limit):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_does_not_fit_leaves_the_old_object_and_nothing_else(local, tmp_path):
    local.put_bytes(KEY, b"old")
    source = tmp_path / "new.bin"
    source.write_bytes(bytes(3_000_000))
    with files_no_larger_than(2_000_000), pytest.raises(StepFailed, match="no room left"):
        local.put_file(KEY, source)
    assert local.get_bytes(KEY) == b"old"
    assert files_below(local.root) == [KEY]


def test_a_fetch_that_does_not_fit_leaves_no_part_of_a_file(local, tmp_path):
    local.put_bytes(KEY, bytes(3_000_000))
    into = tmp_path / "out" / "film.bin"
    with files_no_larger_than(2_000_000), pytest.raises(StepFailed, match="no room left"):
        local.fetch(KEY, into)
    assert files_below(into.parent) == []


def test_a_full_disk_is_said_so_and_leaves_nothing(tmp_path):
    script = textwrap.dedent(f"""
        import os, sys
        from pathlib import Path
        from cliply_resources.errors import StepFailed
        from cliply_resources.storage import LocalStorage
        store = LocalStorage(Path(sys.argv[1]))
        store.put_bytes("{KEY}", b"old")
        try:
            store.put_bytes("{KEY}", os.urandom(4_000_000))
        except StepFailed as error:
            print(error)
        print([p.name for p in Path(sys.argv[1]).rglob("*") if p.is_file()], store.get_bytes("{KEY}"))
    """)
    mount = f'mount -t tmpfs -o size=2m none {tmp_path} && exec "$0" -c "$1" {tmp_path}'
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine gives no private mounts")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, sys.executable, script], capture_output=True, text=True, check=True
    )
    assert "has no room left" in done.stdout
    assert done.stdout.endswith("['film.bin'] b'old'\n")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(StepFailed, match="could not be written"):
        LocalStorage(tmp_path / "store").put_bytes(KEY, b"x")


def test_a_reader_sees_the_old_or_the_new_object_but_never_a_mixture(local):
    versions = {bytes([n]) * 300_000 for n in range(2)}
    local.put_bytes(KEY, next(iter(versions)))
    done = threading.Event()

    def rewrite():
        for _ in range(20):
            for version in versions:
                local.put_bytes(KEY, version)
        done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    while not done.is_set():
        assert local.get_bytes(KEY) in versions
    writer.join()
    assert files_below(local.root) == [KEY]


def test_a_local_path_is_the_object_itself_and_a_copy_shares_its_bytes(local):
    other = analysis_key(WORKSPACE, "u2", "film.bin")
    local.put_bytes(KEY, b"film")
    local.copy(KEY, other)
    with local.local_path(KEY) as path, local.local_path(other) as copied:
        assert path == local.root / KEY
        assert path.stat().st_ino == copied.stat().st_ino
    local.copy(KEY, other)
    assert files_below(local.root) == sorted([KEY, other])


def test_a_copy_is_made_where_the_file_system_knows_no_second_names(local, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    other = analysis_key(WORKSPACE, "u2", "film.bin")
    local.put_bytes(KEY, b"film")
    local.copy(KEY, other)
    assert local.get_bytes(other) == b"film"


def test_storing_and_deleting_in_the_same_folder_at_once_lose_nothing(local):
    def delete_often():
        for _ in range(150):
            local.delete_prefix(f"{WORKSPACE}/analysis/gone")

    deleter = threading.Thread(target=delete_often)
    deleter.start()
    for n in range(60):
        local.put_bytes(analysis_key(WORKSPACE, "gone", f"{n}.json"), b"x")
        local.put_bytes(analysis_key(WORKSPACE, "kept", f"{n}.json"), b"x")
    deleter.join()
    assert len(list(local.list_prefix(f"{WORKSPACE}/analysis/kept"))) == 60


def test_what_a_killed_write_left_is_swept_after_a_day_and_never_before(local):
    local.put_bytes(KEY, b"x")
    part = local.root / ".incoming" / ".part-dead"
    part.write_bytes(b"half")
    written = part.stat().st_mtime
    assert local.sweep_abandoned(now=written + 23 * 3600) == 0
    assert local.sweep_abandoned(now=written + 25 * 3600) == 1
    assert files_below(local.root) == [KEY]


def test_the_link_secret_is_shared_private_and_stable(tmp_path):
    stores = [LocalStorage(tmp_path / "store", secret_file=tmp_path / "secret") for _ in range(2)]
    assert stores[0].link_secret == stores[1].link_secret
    assert len(stores[0].link_secret) == 32
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert files_below(tmp_path) == ["secret"]


def test_settings_choose_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    unset = open_storage(Settings(home=tmp_path))
    assert isinstance(unset, LocalStorage)
    assert unset.root == tmp_path / "storage"
    folder = open_storage(Settings(home=tmp_path, storage_url=str(tmp_path / "elsewhere")))
    assert isinstance(folder, LocalStorage)
    assert folder.root == Path(tmp_path / "elsewhere")
    assert isinstance(open_storage(Settings(home=tmp_path, storage_url="s3://bucket/some/prefix")), S3Storage)
    for wrong in ("s3://", "gs://bucket"):
        with pytest.raises(CallerError, match="CLIPLY_STORAGE_URL"):
            open_storage(Settings(home=tmp_path, storage_url=wrong))
