"""One suite over every store."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from cliply_resources.errors import CallerError, NotFound, StepFailed
from cliply_resources.storage import StoredObject, analysis_key, clip_key, source_key

WORKSPACE = UUID("0190b1a2-0000-7000-8000-000000000001")
OTHER = UUID("0190b1a2-0000-7000-8000-000000000002")
KEY = analysis_key(WORKSPACE, "u1", "transcript.json")
# More than S3's single-request limit of the client (8 MiB), so that the part-wise path is taken.
LARGE = bytes(range(256)) * (9 * 4096)


def test_bytes_come_back_as_they_were_put(store):
    stored = store.put_bytes(KEY, b"\x00\xffhello")
    assert stored == StoredObject(size=7, sha256=hashlib.sha256(b"\x00\xffhello").hexdigest())
    assert store.get_bytes(KEY) == b"\x00\xffhello"
    assert store.size(KEY) == 7


def test_an_empty_object_is_an_object(store):
    assert store.put_bytes(KEY, b"").size == 0
    assert store.exists(KEY)
    assert store.get_bytes(KEY) == b""


def test_a_large_file_comes_back_whole_and_its_source_stays(store, tmp_path):
    source = tmp_path / "film.mp4"
    source.write_bytes(LARGE)
    key = source_key(WORKSPACE, "u1", ".mp4")
    assert store.put_file(key, source) == StoredObject(size=len(LARGE), sha256=hashlib.sha256(LARGE).hexdigest())
    assert source.read_bytes() == LARGE
    into = tmp_path / "deep" / "er" / "copy.mp4"
    assert store.fetch(key, into) == into
    assert into.read_bytes() == LARGE
    assert [path.name for path in into.parent.iterdir()] == ["copy.mp4"]


def test_putting_again_replaces_the_object(store):
    store.put_bytes(KEY, b"first and longer")
    store.put_bytes(KEY, b"second")
    assert store.get_bytes(KEY) == b"second"


def test_a_fetched_copy_can_be_edited_without_harm_to_the_object(store, tmp_path):
    store.put_bytes(KEY, b"original")
    store.fetch(KEY, tmp_path / "copy").write_bytes(b"scribbled")
    assert store.get_bytes(KEY) == b"original"


def test_a_local_path_can_be_read_and_has_the_keys_suffix(store):
    key = source_key(WORKSPACE, "u1", ".mp4")
    store.put_bytes(key, b"film")
    with store.local_path(key) as path:
        assert path.read_bytes() == b"film"
        assert path.suffix == ".mp4"
    assert store.get_bytes(key) == b"film"


@pytest.mark.parametrize(
    "read",
    [
        lambda store, tmp: store.get_bytes(KEY),
        lambda store, tmp: store.size(KEY),
        lambda store, tmp: store.fetch(KEY, tmp / "into"),
        lambda store, tmp: store.local_path(KEY).__enter__(),
        lambda store, tmp: store.copy(KEY, analysis_key(WORKSPACE, "u2", "x.json")),
    ],
    ids=["get_bytes", "size", "fetch", "local_path", "copy"],
)
def test_what_is_not_there_is_not_found(store, tmp_path, read):
    with pytest.raises(NotFound, match=KEY):
        read(store, tmp_path)
    assert not store.exists(KEY)
    assert list(tmp_path.glob("into*")) == []
    assert list(tmp_path.glob(".part*")) == []


def test_a_file_that_is_not_there_cannot_be_stored(store, tmp_path):
    with pytest.raises(StepFailed, match="cannot be read"):
        store.put_file(KEY, tmp_path / "nowhere.mp4")
    assert not store.exists(KEY)


def test_deleting_twice_is_as_good_as_once(store):
    store.put_bytes(KEY, b"x")
    store.delete(KEY)
    store.delete(KEY)
    assert not store.exists(KEY)


def test_a_folder_is_listed_sorted_and_does_not_spill_into_its_neighbours(store):
    keys = [
        analysis_key(WORKSPACE, upload, name) for upload in ("u1", "u10") for name in ("b.json", "a.json", "a-1.json")
    ]
    for key in [*keys, analysis_key(OTHER, "u1", "a.json")]:
        store.put_bytes(key, b"x")
    assert list(store.list_prefix(f"{WORKSPACE}/analysis/u1")) == sorted(keys[:3])
    assert list(store.list_prefix(str(WORKSPACE))) == sorted(keys)
    assert list(store.list_prefix(f"{WORKSPACE}/clips")) == []


def test_a_folder_is_deleted_whole_and_alone(store):
    keep = [analysis_key(WORKSPACE, "u10", "a.json"), analysis_key(OTHER, "u1", "a.json")]
    for key in [analysis_key(WORKSPACE, "u1", f"{n}.json") for n in range(5)] + keep:
        store.put_bytes(key, b"x")
    assert store.delete_prefix(f"{WORKSPACE}/analysis/u1") == 5
    assert list(store.list_prefix(str(WORKSPACE))) == keep[:1]
    assert store.exists(keep[1])
    assert store.delete_prefix(f"{WORKSPACE}/analysis/u1") == 0


def test_a_copy_outlives_its_original(store):
    target = clip_key(WORKSPACE, "c1", 1, "clip.mp4")
    store.put_bytes(KEY, b"film")
    store.copy(KEY, target)
    store.copy(KEY, target)
    store.delete(KEY)
    assert store.get_bytes(target) == b"film"


def test_a_replaced_original_leaves_its_copy_alone(store):
    target = clip_key(WORKSPACE, "c1", 1, "clip.mp4")
    store.put_bytes(KEY, b"film")
    store.copy(KEY, target)
    store.put_bytes(KEY, b"other film")
    assert store.get_bytes(target) == b"film"


@pytest.mark.parametrize("key", ["", "../x", f"{WORKSPACE}/../{OTHER}/x", "/etc/passwd", f"{WORKSPACE}", "notes.txt"])
def test_a_malformed_key_reaches_nothing(store, key, tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    for call in (
        lambda: store.put_bytes(key, b"x"),
        lambda: store.put_file(key, tmp_path / "f"),
        lambda: store.get_bytes(key),
        lambda: store.fetch(key, tmp_path / "into"),
        lambda: store.exists(key),
        lambda: store.delete(key),
        lambda: store.copy(KEY, key),
        lambda: store.copy(key, KEY),
        lambda: store.signed_download_url(key, expires_seconds=60),
        lambda: store.signed_upload_url(key, size=1, content_type="video/mp4", expires_seconds=60),
    ):
        with pytest.raises(CallerError, match="not the key"):
            call()


@pytest.mark.parametrize("prefix", ["", "..", "/", f"{WORKSPACE}/", f"{WORKSPACE}/..", ".incoming"])
def test_a_malformed_folder_is_neither_listed_nor_deleted(store, prefix):
    with pytest.raises(CallerError, match="not a folder"):
        list(store.list_prefix(prefix))
    with pytest.raises(CallerError, match="not a folder"):
        store.delete_prefix(prefix)


def test_a_listing_tells_size_and_time_of_every_object_in_the_folder(store):
    store.put_bytes(KEY, b"12345")
    store.put_bytes(analysis_key(WORKSPACE, "u10", "other.json"), b"")
    before = datetime.now(UTC)
    (found,) = store.list_objects(KEY.rpartition("/")[0])
    assert (found.key, found.size) == (KEY, 5)
    assert abs(found.modified - before) < timedelta(hours=1)
    assert list(store.list_objects(f"{WORKSPACE}/clips")) == []
