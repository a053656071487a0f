from urllib.parse import urlsplit
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.storage.keys import source_key
from cliply_resources.storage.signing import (
    LinkRefused,
    SignedRequest,
    content_disposition,
    content_type_of,
    sign,
    verify,
)

KEY = source_key(UUID("0190b1a2-0000-7000-8000-000000000001"), "u1", ".mp4")
SECRET = b"s" * 32
TEXT = st.one_of(st.none(), st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
REQUESTS = st.builds(
    SignedRequest,
    method=st.sampled_from(["GET", "PUT"]),
    key=st.just(KEY),
    expires=st.integers(1, 2**40),
    size=st.one_of(st.none(), st.integers(0, 2**40)),
    content_type=TEXT,
    filename=TEXT,
)


@given(request=REQUESTS)
@settings(max_examples=200, deadline=None)
def test_what_was_signed_is_what_is_verified(request):
    assert verify(request.method, sign(request, secret=SECRET), secret=SECRET, now=request.expires - 1) == request


@given(request=REQUESTS, data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_link_with_any_character_changed_is_refused(request, data):
    link = sign(request, secret=SECRET)
    at = data.draw(st.integers(0, len(link) - 1))
    other = data.draw(st.sampled_from([c for c in "0aZ/.&=%+-?" if c != link[at]]))
    altered = link[:at] + other + link[at + 1 :]
    try:
        accepted = verify(request.method, altered, secret=SECRET, now=0)
    except LinkRefused:
        return
    # The only accepted alteration is another spelling of the same request ("%2F" for "/").
    assert accepted == request


@pytest.mark.parametrize(
    "tail", ["&size=1", "&filename=x.html", "&expires=99999999999", "&other=1", "&signature=0", "&"]
)
def test_a_link_with_anything_added_is_refused(tail):
    link = sign(SignedRequest(method="GET", key=KEY, expires=100), secret=SECRET)
    with pytest.raises(LinkRefused):
        verify("GET", link + tail, secret=SECRET, now=0)


def test_a_link_works_until_its_moment_and_then_says_so():
    link = sign(SignedRequest(method="GET", key=KEY, expires=100), secret=SECRET)
    verify("GET", link, secret=SECRET, now=99.9)
    with pytest.raises(LinkRefused, match="expired"):
        verify("GET", link, secret=SECRET, now=100)


def test_a_link_to_read_cannot_write_but_can_be_asked_for_its_head():
    link = sign(SignedRequest(method="GET", key=KEY, expires=100), secret=SECRET)
    verify("HEAD", link, secret=SECRET, now=0)
    for method in ("PUT", "POST", "DELETE", "get"):
        with pytest.raises(LinkRefused):
            verify(method, link, secret=SECRET, now=0)


def test_another_installations_link_is_refused():
    link = sign(SignedRequest(method="GET", key=KEY, expires=100), secret=SECRET)
    with pytest.raises(LinkRefused):
        verify("GET", link, secret=b"t" * 32, now=0)


@pytest.mark.parametrize(
    "target", ["", "/", "/objects/", "/objects/../x?signature=1", "/other/x?expires=1&signature=é", "é"]
)
def test_nonsense_is_refused(target):
    with pytest.raises(LinkRefused):
        verify("GET", target, secret=SECRET, now=0)


@given(filename=st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_file_name_breaks_out_of_its_header(filename):
    header = content_disposition(filename)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert "/" not in header
    assert "\\" not in header


def test_a_file_name_keeps_its_letters():
    assert (
        content_disposition("Grüße.mp4") == "attachment; filename=\"Gr__e.mp4\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.mp4"
    )
    assert content_disposition("../..") == "attachment; filename=\"file\"; filename*=UTF-8''file"


def test_no_object_is_served_as_a_page():
    assert content_type_of("a/b.mp4") == "video/mp4"
    assert (
        content_type_of("a/b.html")
        == content_type_of("a/b.svg")
        == content_type_of("a/b")
        == "application/octet-stream"
    )


def test_local_links_carry_the_request(local):
    upload = local.signed_upload_url(KEY, size=7, content_type="video/mp4", expires_seconds=60)
    parts = urlsplit(upload.url)
    allowed = verify("PUT", f"{parts.path}?{parts.query}", secret=local.link_secret, now=0)
    assert (allowed.key, allowed.size, allowed.content_type) == (KEY, 7, "video/mp4")
    parts = urlsplit(local.signed_download_url(KEY, expires_seconds=60, filename="x.mp4"))
    assert verify("GET", f"{parts.path}?{parts.query}", secret=local.link_secret, now=0).filename == "x.mp4"
