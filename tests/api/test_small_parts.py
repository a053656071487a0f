"""The pure pieces: cursors, secrets, examples."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_api.auth.secrets import checks_out, csrf_token, hash_secret, kind_of, new_salt, new_secret, successor
from cliply_api.web.examples import example_of
from cliply_api.web.pages import PageRequest, decode_cursor, encode_cursor
from cliply_resources.errors import CallerError


@settings(max_examples=100, deadline=None)
@given(st.integers(-(2**53), 2**53), st.text(max_size=40), st.uuids())
def test_a_cursor_gives_back_what_was_put_in(number, words, name):
    assert decode_cursor(encode_cursor(number, words, name), int, str, type(name)) == [number, words, name]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_anything_else_is_no_cursor(text):
    with pytest.raises(CallerError):
        decode_cursor(text, int, str, int, str)


@pytest.mark.parametrize(("total", "limit", "pages"), [(0, 20, 0), (1, 20, 1), (20, 20, 1), (21, 20, 2), (100, 1, 100)])
def test_pages_are_counted_up(total, limit, pages):
    assert PageRequest(limit=limit).page_of([], total).pages == pages


@pytest.mark.parametrize("kind", ["pt", "rt", "se", "ml", "in"])
def test_a_secret_names_its_kind_and_a_typing_error_is_noticed(kind):
    secret = new_secret(kind)
    assert kind_of(secret) == kind
    assert checks_out(secret)
    assert len({new_secret(kind) for _ in range(100)}) == 100
    for place in range(0, len(secret), 5):
        assert not checks_out(secret[:place] + ("A" if secret[place] != "A" else "B") + secret[place + 1 :])


def test_a_successor_needs_token_and_salt():
    token, salt = new_secret("rt"), new_salt()
    assert successor(token, salt) == successor(token, salt)
    assert len({successor(token, salt), successor(token, new_salt()), successor(new_secret("rt"), salt), token}) == 4
    assert checks_out(successor(token, salt))
    assert hash_secret(successor(token, salt)) != hash_secret(token)


def test_csrf_tokens_belong_to_their_session():
    assert csrf_token("a") == csrf_token("a") != csrf_token("b")


class Inner(msgspec.Struct):
    name: str
    count: int | None = None


class Outer(msgspec.Struct):
    inner: Inner
    many: list[Inner]
    flag: bool
    choice: str | None = None


def test_an_example_has_the_shape_of_its_schema():
    [schema], components = msgspec.json.schema_components([Outer], ref_template="#/components/schemas/{name}")
    made = msgspec.convert(example_of(schema, components), Outer)
    assert made.many[0].name
