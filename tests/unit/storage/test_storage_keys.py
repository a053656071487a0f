import posixpath
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.errors import CallerError
from cliply_resources.storage.keys import analysis_key, check_key, check_prefix, clip_key, source_key

WORKSPACE = UUID("0190b1a2-0000-7000-8000-000000000001")


def test_keys_look_as_documented():
    assert source_key(WORKSPACE, "u1", ".mp4") == f"{WORKSPACE}/uploads/u1/source.mp4"
    assert analysis_key(str(WORKSPACE).upper(), "u1", "faces.parquet") == f"{WORKSPACE}/analysis/u1/faces.parquet"
    assert clip_key(WORKSPACE, "c1", 3, "clip.mp4") == f"{WORKSPACE}/clips/c1/v3/clip.mp4"


@pytest.mark.parametrize(
    "build",
    [
        lambda: source_key("acme", "u1", ".mp4"),
        lambda: source_key(WORKSPACE, "../u1", ".mp4"),
        lambda: source_key(WORKSPACE, "u1", "/../../x"),
        lambda: source_key(WORKSPACE, "u1", "mp4"),
        lambda: analysis_key(WORKSPACE, "u1", "../../x"),
        lambda: analysis_key(WORKSPACE, "u1", ".."),
        lambda: analysis_key(WORKSPACE, "u1", ""),
        lambda: analysis_key(WORKSPACE, "", "x.json"),
        lambda: analysis_key(WORKSPACE, "u1", "my holiday.json"),
        lambda: clip_key(WORKSPACE, "c1", 0, "clip.mp4"),
        lambda: clip_key(WORKSPACE, "c1", 1, "clip\n.mp4"),
    ],
)
def test_anything_but_ids_is_refused(build):
    with pytest.raises(CallerError):
        build()


HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="./\\\x00a~%-", max_size=20),
    st.sampled_from(
        ["..", ".", "/", "//", "a/../..", "..\\..", "C:\\x", "\x00", "a\nb", "~root", "%2e%2e/x", "a" * 600]
    ),
)


@given(first=HOSTILE, rest=HOSTILE, owned=st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_accepted_key_leaves_its_workspace(first, rest, owned):
    key = f"{WORKSPACE if owned else first}/{rest}"
    for check in (check_key, check_prefix):
        try:
            accepted = check(key)
        except CallerError:
            continue
        resolved = posixpath.normpath(posixpath.join("/root", accepted))
        assert resolved == f"/root/{accepted}"
        assert UUID(accepted.split("/")[0])
        assert not any(bad in accepted for bad in ("\\", "\x00", "\n", ".."[:2] + "/", "~", "%"))


@given(upload=HOSTILE, name=HOSTILE, suffix=HOSTILE)
@settings(max_examples=200, deadline=None)
def test_builders_accept_only_what_the_store_accepts(upload, name, suffix):
    for build in (lambda: source_key(WORKSPACE, upload, suffix), lambda: analysis_key(WORKSPACE, upload, name)):
        try:
            key = build()
        except CallerError:
            continue
        assert check_key(key) == key
        assert key.startswith(f"{WORKSPACE}/")
