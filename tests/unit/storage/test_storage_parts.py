"""Objects that come in parts: over every store, and what is peculiar to one."""

import http.client
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from cliply_resources.errors import Conflict, NotFound
from cliply_resources.storage import StoredPart
from cliply_resources.storage.keys import incoming_key
from cliply_resources.storage.signing import verify
from cliply_resources.uploads import MAX_PARTS, part_size_for, part_sizes

WORKSPACE = UUID("0190b1a2-0000-7000-8000-000000000001")
KEY = incoming_key(WORKSPACE, "u1", ".mp4")
OTHER = incoming_key(WORKSPACE, "u2", ".mp4")
FIRST, LAST = b"a" * 5 * 1024**2, b"the rest"


def put(store, session, number, data, key=KEY):
    """As a client would: by the signed link where there is a server behind it."""
    signed = store.signed_part_url(key, session, number=number, size=len(data), expires_seconds=60)
    parts = urlsplit(signed.url)
    if parts.path.startswith("/objects/"):
        target = f"{parts.path}?{parts.query}"
        allowed = verify("PUT", target, secret=store.link_secret, now=0)
        assert (allowed.size, allowed.content_type) == (len(data), signed.headers["Content-Type"])
        incoming = store.receive(allowed.key)
        incoming.write(data)
        return incoming.keep()
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request("PUT", f"{parts.path}?{parts.query}", body=data, headers=signed.headers)
    reply = connection.getresponse()
    assert reply.status == 200, reply.read()
    connection.close()
    return reply.headers["ETag"]


def test_parts_in_any_order_become_one_object(store):
    session = store.begin_parts(KEY)
    last = put(store, session, 2, LAST)
    first = put(store, session, 1, FIRST)
    assert not store.exists(KEY), "half an object is none"
    assert store.list_parts(KEY, session) == [
        StoredPart(number=1, size=len(FIRST), etag=first),
        StoredPart(number=2, size=len(LAST), etag=last),
    ]
    store.join_parts(KEY, session, {2: last, 1: first})
    assert store.get_bytes(KEY) == FIRST + LAST
    assert list(store.list_prefix(str(WORKSPACE))) == [KEY]


def test_a_part_that_is_put_again_replaces_the_earlier_one(store):
    session = store.begin_parts(KEY)
    early = put(store, session, 1, b"early")
    late = put(store, session, 1, b"later")
    assert early != late
    assert [part.etag for part in store.list_parts(KEY, session)] == [late]
    with pytest.raises(Conflict):
        store.join_parts(KEY, session, {1: early})
    assert not store.exists(KEY)
    store.join_parts(KEY, session, {1: late})
    assert store.get_bytes(KEY) == b"later"


def test_a_part_that_is_not_there_is_no_part_of_an_object(store):
    session = store.begin_parts(KEY)
    etag = put(store, session, 1, b"one")
    with pytest.raises(Conflict):
        store.join_parts(KEY, session, {1: etag, 2: etag})
    assert not store.exists(KEY)


def parts_of(store, key, session):
    try:
        return store.list_parts(key, session)
    except NotFound:
        return []


def test_discarding_takes_the_parts_of_one_object_and_leaves_the_object(store):
    store.put_bytes(KEY, b"as it was")
    ours, more, theirs = store.begin_parts(KEY), store.begin_parts(KEY), store.begin_parts(OTHER)
    put(store, ours, 1, b"one")
    put(store, more, 1, b"one")
    put(store, theirs, 1, b"two", OTHER)
    store.abort_parts(KEY)
    assert parts_of(store, KEY, ours) == parts_of(store, KEY, more) == []
    assert len(parts_of(store, OTHER, theirs)) == 1
    assert store.get_bytes(KEY) == b"as it was"
    store.abort_parts(KEY)


def test_deleting_a_folder_takes_its_unfinished_parts_too(store):
    session = store.begin_parts(KEY)
    put(store, session, 1, b"one")
    store.delete_prefix(f"{WORKSPACE}/uploads/u1")
    assert parts_of(store, KEY, session) == []


def test_a_part_has_its_own_length_and_no_other(s3):
    session = s3.begin_parts(KEY)
    signed = s3.signed_part_url(KEY, session, number=1, size=4, expires_seconds=60)
    parts = urlsplit(signed.url)
    for number, status in (("1", 403), ("2", 403)):
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        query = parts.query.replace("partNumber=1", f"partNumber={number}")
        body = b"too long" if number == "1" else b"film"
        connection.request("PUT", f"{parts.path}?{query}", body=body)
        assert connection.getresponse().status == status
        connection.close()
    assert parts_of(s3, KEY, session) == []


@pytest.mark.parametrize("size", [1, 9, 10, 11, 25])
def test_parts_add_up_to_the_film_and_all_but_the_last_are_equal(size):
    sizes = part_sizes(size, 10)
    assert sum(sizes) == size
    assert set(sizes[:-1]) <= {10}
    assert 1 <= sizes[-1] <= 10


def test_a_huge_film_gets_larger_parts_rather_than_too_many():
    mebibyte = 1024**2
    for size in (1, 160_000 * mebibyte, 160_001 * mebibyte, 2**50):
        chosen = part_size_for(size, 16 * mebibyte)
        assert chosen >= 16 * mebibyte
        assert len(part_sizes(size, chosen)) <= MAX_PARTS
