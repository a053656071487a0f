"""Which bytes a `Range` header means, whatever it says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_api.objects.ranges import ByteRange, RangeRefused, wanted_range


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-0", ByteRange(0, 0)),
        ("bytes=2-", ByteRange(2, 9)),
        ("bytes=2-99", ByteRange(2, 9)),
        ("bytes=-3", ByteRange(7, 9)),
        ("bytes=-99", ByteRange(0, 9)),
        (None, None),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=0x1-2", None),
    ],
)
def test_a_range_of_ten_bytes(header, wanted):
    assert wanted_range(header, 10) == wanted


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_outside_of_the_object_is_refused(header):
    with pytest.raises(RangeRefused):
        wanted_range(header, 10)


@given(st.text(max_size=30) | st.from_regex(r"bytes=\d{0,20}-\d{0,20}", fullmatch=True), st.integers(0, 10**12))
@settings(max_examples=200, deadline=None)
def test_no_range_ever_leaves_the_object(header, size):
    try:
        found = wanted_range(header, size)
    except RangeRefused:
        return
    assert found is None or 0 <= found.first <= found.last < size
    assert found is None or found.length == found.last - found.first + 1
