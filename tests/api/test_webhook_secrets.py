"""What signs webhooks is sealed: nobody who reads the database can speak in Cliply's name."""

from datetime import UTC, datetime, timedelta

import pytest
from api_people import relaxed, sign_up
from live_server import new_upload, until
from sqlalchemy import select, text

from cliply_resources.database import WebhookEndpoint
from cliply_resources.errors import Conflict
from cliply_resources.outbound import PUBLIC
from cliply_resources.rewrap import keys_in_use, retire_key, rotate_keys
from cliply_resources.vault import Vault
from cliply_resources.webhooks import deliver_next
from cliply_resources.webhooks.sealing import seal_what_is_in_clear, secrets_in_force


@pytest.fixture(scope="module")
def api_settings(shared_url, tmp_path_factory):
    return relaxed(shared_url, tmp_path_factory.mktemp("home"))


@pytest.fixture
def vault(settings):
    return Vault(settings)


def from_before(database, *, secret="whsec_AAAA", previous=None, until_=None):
    """An endpoint as it was kept before secrets were sealed."""
    place = database.local_workspace()
    with database.api(place) as session:
        made = WebhookEndpoint(
            url="https://example.com/",
            events=["*"],
            secret=secret,
            previous_secret=previous,
            previous_secret_until=until_,
        )
        session.add(made)
        session.flush()
        return place, made.id


def everything(database, place):
    """All rows as they would stand in a dump."""
    with database.api(place) as session:
        return " ".join(session.scalars(text("SELECT e::text FROM webhook_endpoints e")))


def in_force(database, vault, place, endpoint, now=None):
    with database.api(place) as session:
        return secrets_in_force(session, endpoint, vault, now or datetime.now(UTC))


def test_no_secret_that_the_api_shows_stands_in_the_database(client, shared_database, api_settings):
    eve = sign_up(client, "eve")
    made = eve("POST", "/api/webhooks", json={"url": "https://example.com/", "events": ["clip.approved"]}).json()
    endpoint = made["info"]["id"]
    replaced = eve("POST", f"/api/webhooks/{endpoint}/rotate").json()
    stored = everything(shared_database, eve.workspace_id)
    for secret in (made["secret"], replaced["secret"]):
        assert secret not in stored
        assert secret.encode().hex() not in stored
    own = Vault(api_settings)
    assert in_force(shared_database, own, eve.workspace_id, endpoint) == (replaced["secret"], made["secret"])
    later = datetime.now(UTC) + timedelta(hours=25)
    assert in_force(shared_database, own, eve.workspace_id, endpoint, later) == (replaced["secret"],)


def test_what_stood_in_clear_is_sealed_soon_after_the_application_starts(start, shared_database):
    place, _ = from_before(shared_database, secret="whsec_QkJC")
    start()
    until(lambda: "whsec_QkJC" not in everything(shared_database, place))


def test_what_stands_in_clear_is_sealed_by_being_used(database, vault):
    place, endpoint = from_before(database)
    assert in_force(database, vault, place, endpoint) == ("whsec_AAAA",)
    assert "whsec_" not in everything(database, place)
    assert in_force(database, vault, place, endpoint) == ("whsec_AAAA",)


def test_sealing_twice_changes_nothing(database, vault):
    soon = datetime.now(UTC) + timedelta(hours=1)
    place, endpoint = from_before(database, previous="whsec_BBBB", until_=soon)
    assert seal_what_is_in_clear(database, vault) == 1
    sealed = everything(database, place)
    assert "whsec_" not in sealed
    assert seal_what_is_in_clear(database, vault) == 0
    assert everything(database, place) == sealed
    assert in_force(database, vault, place, endpoint) == ("whsec_AAAA", "whsec_BBBB")


def test_a_rotation_of_keys_takes_the_secrets_of_webhooks_along(database, vault):
    soon = datetime.now(UTC) + timedelta(hours=1)
    place, endpoint = from_before(database, previous="whsec_BBBB", until_=soon)
    (old,) = vault.ring.names
    seal_what_is_in_clear(database, vault)
    clear_place, clear = from_before(database, secret="whsec_CCCC")
    vault.add_key()
    with pytest.raises(Conflict, match=f"2 secrets are sealed under {old}"):
        retire_key(database, vault, old)
    new, count = rotate_keys(database, vault)
    assert count == 3
    assert keys_in_use(database) == {new: 3}
    for name in vault.ring.names[1:]:
        retire_key(database, vault, name)
    assert in_force(database, vault, place, endpoint) == ("whsec_AAAA", "whsec_BBBB")
    assert in_force(database, vault, clear_place, clear) == ("whsec_CCCC",)


def test_a_secret_copied_from_another_webhook_signs_nothing_and_the_log_says_what_to_do(database, vault):
    place, endpoint = from_before(database)
    _, other = from_before(database)
    seal_what_is_in_clear(database, vault)
    with database.api(place) as session:
        rows = {row.id: row for row in session.scalars(select(WebhookEndpoint))}
        rows[endpoint].secret_sealed = rows[other].secret_sealed
    new_upload(database, place)
    came = deliver_next(database, vault, PUBLIC, place, endpoint)
    assert (came.delivered, came.status) == (False, None)
    assert "Replace it" in came.error


def test_the_pipeline_reads_no_secret_sealed_or_not(database):
    place, _ = from_before(database)
    for column in ("secret", "secret_sealed", "previous_secret_sealed"):
        with database.pipeline(place) as session, pytest.raises(Exception, match="permission denied"):
            session.execute(text(f"SELECT {column} FROM webhook_endpoints"))
