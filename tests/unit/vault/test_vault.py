"""Sealed secrets open where they belong and nowhere else, and keys change without anybody stopping."""

import stat
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from cliply_resources.errors import CallerError, Conflict, NotFound
from cliply_resources.platforms.documents import Tokens
from cliply_resources.settings import Settings
from cliply_resources.vault import KeyRing, Place, SealBroken, Vault, key_of

HERE = Place(UUID(int=1), UUID(int=2), "accounts.tokens")


@pytest.fixture
def vault(tmp_path):
    return Vault(Settings(home=tmp_path))


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    return Vault(Settings(home=tmp_path_factory.mktemp("home")))


@given(secret=st.binary(max_size=500))
def test_what_is_sealed_opens_again_and_is_not_in_the_seal(lasting, secret):
    sealed = lasting.seal(secret, HERE)
    assert lasting.open(sealed, HERE) == secret
    assert len(secret) < 8 or secret not in sealed


@pytest.mark.parametrize(
    "elsewhere",
    [
        Place(UUID(int=9), HERE.row_id, HERE.column),
        Place(HERE.workspace_id, UUID(int=9), HERE.column),
        Place(HERE.workspace_id, HERE.row_id, "posts.progress"),
    ],
)
def test_a_seal_that_was_moved_does_not_open(vault, elsewhere):
    with pytest.raises(SealBroken, match="does not open"):
        vault.open(vault.seal(b"secret", HERE), elsewhere)
    with pytest.raises(SealBroken):
        vault.rewrap(_under_older_key(vault), elsewhere)


def _under_older_key(vault):
    sealed = vault.seal(b"secret", HERE)
    vault.add_key()
    return sealed


@given(data=st.data())
def test_one_changed_bit_anywhere_breaks_the_seal(lasting, data):
    sealed = bytearray(lasting.seal(b"secret", HERE))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        lasting.open(bytes(sealed), HERE)


@pytest.mark.parametrize("cut", [0, 1, 2, 20, 80])
def test_a_seal_that_was_cut_off_says_so(vault, cut):
    with pytest.raises(SealBroken, match="cut off"):
        vault.open(vault.seal(b"", HERE)[:cut], HERE)


def test_no_two_seals_share_a_nonce(vault):
    heads = {vault.seal(b"same", HERE)[-32:] for _ in range(3000)}
    assert len(heads) == 3000


def test_a_rotation_is_followed_by_processes_that_run(tmp_path):
    first, running = Vault(Settings(home=tmp_path)), Vault(Settings(home=tmp_path))
    old = running.seal(b"secret", HERE)
    name = first.add_key()
    again = first.rewrap(old, HERE)
    assert key_of(again) == name
    assert first.rewrap(again, HERE) is None
    assert running.open(again, HERE) == running.open(old, HERE) == b"secret"
    assert key_of(running.seal(b"x", HERE)) == name
    assert again[-22:] == old[-22:], "the secret itself was not touched"


def test_a_dropped_key_opens_nothing_any_more(vault):
    old = vault.seal(b"secret", HERE)
    name = key_of(old)
    with pytest.raises(Conflict, match="the key that seals"):
        vault.drop_key(name)
    vault.add_key()
    vault.drop_key(name)
    with pytest.raises(SealBroken, match="does not have"):
        vault.open(old, HERE)
    with pytest.raises(NotFound):
        vault.drop_key(name)


def test_the_ring_is_readable_by_its_owner_alone(vault, tmp_path):
    vault.seal(b"", HERE)
    vault.add_key()
    assert stat.S_IMODE((tmp_path / "vault.keys").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["vault.keys"]


def test_keys_that_are_set_are_used_and_changed_by_their_operator_alone(tmp_path):
    ring = KeyRing((("mine", bytes(32)),))
    vault = Vault(Settings(home=tmp_path, vault_keys=tuple(SecretStr(line) for line in ring.lines())))
    assert key_of(vault.seal(b"", HERE)) == "mine"
    with pytest.raises(Conflict, match="CLIPLY_VAULT_KEYS"):
        vault.add_key()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", ["", "a", "a:b", "UPPER:" + "A" * 43 + "=", "a:" + "A" * 22 + "=="])
def test_a_line_that_is_no_key_is_refused_without_being_shown(line):
    with pytest.raises(CallerError) as refused:
        KeyRing.parse([line])
    assert len(line) < 5 or line not in str(refused.value)


def test_documents_are_sealed_whole_and_never_show_themselves(vault):
    tokens = Tokens(access_token="canary-access", refresh_token="canary-refresh")
    place = Place(uuid4(), uuid4(), "accounts.tokens")
    assert vault.open_document(vault.seal_document(tokens, place), place, Tokens) == tokens
    assert "canary" not in f"{tokens} {tokens!r} {vault.ring!r}"
