"""Keys change under what is sealed while posts are on their way, and old ones go only when nothing needs them."""

import json

import pytest
from publishing_room import soon
from typer.testing import CliRunner

from cliply_assets.cli.main import app
from cliply_resources.accounts import read_access
from cliply_resources.errors import Conflict
from cliply_resources.rewrap import keys_in_use, retire_key, rotate_keys
from cliply_resources.settings import get_settings
from cliply_resources.vault import SealBroken, Vault


def test_a_rotation_loses_neither_sign_ins_nor_prepared_posts(plain_room):
    room = plain_room
    room.connect("bob")
    post = room.post("prepared", due=soon(room, 4))
    room.publisher().run(idle_seconds=0)
    running, vault = room.publisher(), Vault(room.settings)
    (old,) = vault.ring.names
    assert keys_in_use(room.database) == {old: 3}
    new, count = rotate_keys(room.database, vault)
    assert count == 3
    assert keys_in_use(room.database) == {new: 3}
    retire_key(room.database, vault, old)
    running.run(idle_seconds=6)
    assert room.row(post).state == "published"


def test_a_key_that_something_is_sealed_under_is_kept(plain_room):
    room = plain_room
    account = room.connect("ann")
    vault = Vault(room.settings)
    (old,) = vault.ring.names
    vault.add_key()
    with pytest.raises(Conflict, match="1 secrets are sealed under"):
        retire_key(room.database, vault, old)
    vault.drop_key(old)
    with pytest.raises(SealBroken), room.database.pipeline(room.workspace) as session:
        read_access(session, vault, account)


def test_the_command_lists_names_and_never_keys(plain_room, monkeypatch):
    room = plain_room
    room.connect("ann")
    monkeypatch.setenv("CLIPLY_HOME", str(room.settings.home))
    monkeypatch.setenv("CLIPLY_DATABASE_URL", room.settings.database_url.get_secret_value())
    get_settings.cache_clear()
    try:
        rotated = CliRunner().invoke(app, ["keys", "rotate"])
        listed = CliRunner().invoke(app, ["keys", "list", "--json"])
    finally:
        get_settings.cache_clear()
    assert "1 secrets were wrapped anew" in rotated.output
    rows = json.loads(listed.output)
    assert [(row["secrets"], row["seals"]) for row in rows] == [(1, True), (0, False)]
    for line in Vault(room.settings).ring.lines():
        assert line.partition(":")[2] not in rotated.output + listed.output
