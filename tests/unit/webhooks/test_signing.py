"""Signatures that every Standard Webhooks library reads, and retries that span a weekend."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.errors import CallerError
from cliply_resources.webhooks import RETRY_SECONDS, new_signing_secret, retry_delay, sign, verify

NOW = 1_700_000_000
KEY = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
BODY = '{"type":"clip.approved","café":1}'.encode()


def signed(body=BODY, keys=(KEY,), now=NOW):
    return sign(body, keys, message_id="msg_1", timestamp=now)


def test_a_signature_is_what_the_specification_says():
    raw = b"0123456789abcdef0123456789abcdef"
    wanted = base64.b64encode(hmac.new(raw, b"msg_1.1700000000." + BODY, hashlib.sha256).digest()).decode()
    assert signed() == {"webhook-id": "msg_1", "webhook-timestamp": "1700000000", "webhook-signature": f"v1,{wanted}"}


def test_the_example_of_the_specification_comes_out():
    headers = sign(
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.integers(-300, 300))
def test_what_was_signed_is_accepted_for_five_minutes_either_way(body, drift):
    assert verify(body, signed(body), [KEY], now=NOW + drift) == "msg_1"


def changed(name, value):
    return {**signed(), name: value}


@pytest.mark.parametrize(
    ("body", "headers", "now", "said"),
    [
        (BODY + b" ", signed(), NOW, "No signature"),
        ('{"type":"clip.approved","cafe\u0301":1}'.encode(), signed(), NOW, "No signature"),
        (BODY, signed(), NOW + 301, "300 s"),
        (BODY, signed(), NOW - 301, "300 s"),
        (BODY, changed("webhook-id", "msg_2"), NOW, "No signature"),
        (BODY, changed("webhook-timestamp", str(NOW + 1)), NOW, "No signature"),
        (BODY, changed("webhook-timestamp", "soon"), NOW, "not a number"),
        (BODY, changed("webhook-timestamp", "9" * 400), NOW, "not a number"),
        (BODY, changed("webhook-signature", ""), NOW, "No signature"),
        (BODY, changed("webhook-signature", signed()["webhook-signature"].replace("v1,", "v2,")), NOW, "No signature"),
        (BODY, changed("webhook-signature", "v1,ü"), NOW, "No signature"),
        (BODY, signed(keys=[new_signing_secret()]), NOW, "No signature"),
        (BODY, {"webhook-id": "msg_1"}, NOW, "timestamp is missing"),
    ],
)
def test_anything_else_is_refused(body, headers, now, said):
    with pytest.raises(CallerError, match=said):
        verify(body, headers, [KEY], now=now)


def test_either_secret_will_do_during_a_rotation():
    old, new = new_signing_secret(), new_signing_secret()
    both = signed(keys=(new, old))
    assert both["webhook-signature"].count("v1,") == 2
    for known in (old, new):
        assert verify(BODY, {name.title(): value for name, value in both.items()}, [known], now=NOW) == "msg_1"


def test_retries_last_three_days_and_then_end():
    assert 72 <= sum(RETRY_SECONDS) / 3600 <= 84
    assert list(RETRY_SECONDS) == sorted(RETRY_SECONDS)
    assert retry_delay(len(RETRY_SECONDS) + 1, 0.5) is None


@given(st.integers(1, len(RETRY_SECONDS)), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_a_delay_is_spread_by_a_fifth_and_never_shorter(failures, chance):
    assert RETRY_SECONDS[failures - 1] <= retry_delay(failures, chance) <= RETRY_SECONDS[failures - 1] * 1.2
