"""Workspaces and accounts that go, addresses that change: nobody is left without an owner, and nothing goes by accident."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from api_people import PASSWORD, fresh_mail, join, link_secret, sign_up

from cliply_api.workspaces.leaving import purge_due

PROOF = {"current_password": PASSWORD}


@pytest.fixture
def eve(client):
    """Somebody with a workspace of their own."""
    return sign_up(client, "eve")


@pytest.fixture
def place(eve):
    """The path of eve's workspace."""
    return f"/api/workspaces/{eve.workspace_id}"


def code(reply):
    return reply.status_code, reply.json()["error"]["code"]


def delete_workspace(person, place):
    name = person("GET", place).json()["name"]
    return person("POST", f"{place}/delete", json={"name": name})


def later(days):
    return datetime.now(UTC) + timedelta(days=days)


def test_a_workspace_is_deleted_by_its_owner_who_writes_out_its_name(client, eve, place, ask):
    admin = join(client, eve, "admin")
    assert code(delete_workspace(admin, place)) == (403, "FORBIDDEN")
    assert code(eve("POST", f"{place}/delete", json={"name": "another"})) == (409, "CONFLICT")
    upload = eve("POST", "/api/uploads", json={"source_url": "https://www.youtube.com/watch?v=abcdefghijk"}).json()
    assert delete_workspace(eve, place).status_code == 200
    for somebody in (eve, admin):
        assert code(somebody("GET", "/api/uploads")) == (403, "WORKSPACE_SUSPENDED")
    assert ask("SELECT cancelled_at IS NOT NULL FROM uploads WHERE id = %s", upload["upload"]["id"]) == [(True,)]
    assert ("workspace.deleted",) in ask("SELECT action FROM audit_log WHERE workspace_id = %s", eve.workspace_id)


def test_a_deleted_workspace_can_be_had_back_by_its_owners_alone(client, eve, place):
    admin, stranger = join(client, eve, "admin"), sign_up(client, "mallory")
    assert eve("POST", f"{place}/restore").status_code == 404, "it is not deleted"
    delete_workspace(eve, place)
    for somebody in (admin, stranger):
        assert somebody("POST", f"{place}/restore").status_code == 404
    assert eve("POST", f"{place}/restore").json()["suspended"] is False
    assert admin("GET", "/api/uploads").status_code == 200


def test_after_the_grace_a_deleted_workspace_goes_with_everything_in_it(client, eve, place, ask):
    state = client.app.state
    other = sign_up(client, "other")
    keys = [f"{person.workspace_id}/uploads/u1/source.mp4" for person in (eve, other)]
    for key in keys:
        state.storage().put_bytes(key, b"x")
    eve("POST", "/api/uploads", json={"source_url": "https://www.youtube.com/watch?v=abcdefghijk"})
    join(client, eve, "viewer")
    delete_workspace(eve, place)

    def purge(days):
        return purge_due(state.database, state.storage(), state.settings, now=later(days))

    assert UUID(eve.workspace_id) not in purge(6)
    assert state.storage().exists(keys[0])
    assert UUID(eve.workspace_id) in purge(8)
    assert [state.storage().exists(key) for key in keys] == [False, True]
    for table in ("workspaces WHERE id", "uploads WHERE workspace_id", "members WHERE workspace_id"):
        assert ask(f"SELECT count(*) FROM {table} = %s", eve.workspace_id) == [(0,)]
    assert eve("POST", f"{place}/restore").status_code == 404
    assert other("GET", "/api/uploads").status_code == 200


def test_the_last_owner_of_a_workspace_is_told_which_and_stays(client, eve, place):
    heir = join(client, eve, "editor")
    assert code(eve("POST", "/api/me/delete", json={"current_password": "not my password"}))[0] == 401
    refused = eve("POST", "/api/me/delete", json=PROOF)
    assert code(refused) == (409, "LAST_OWNER")
    assert eve.workspace_id in refused.json()["error"]["details"][0]["message"]
    assert eve("POST", f"{place}/transfer", json={"user_id": heir.user_id}).status_code == 200
    assert eve("POST", "/api/me/delete", json=PROOF).status_code == 204
    assert eve("GET", "/api/me").status_code == 401
    assert heir("GET", "/api/uploads").status_code == 200
    assert "was deleted" in fresh_mail(client, eve.email, "deleted")


def test_whoever_deletes_their_workspace_may_go_at_once(client, eve, place, ask):
    delete_workspace(eve, place)
    assert eve("POST", "/api/me/delete", json=PROOF).status_code == 204
    login = client.post("/api/auth/login", json={"email": eve.email, "password": PASSWORD})
    assert login.status_code == 401
    assert ask("SELECT count(*) FROM users WHERE email = %s", eve.email) == [(0,)]
    assert client.post("/api/auth/register", json={"email": eve.email, "password": PASSWORD}).status_code == 201


def test_an_address_changes_once_the_link_to_the_new_one_is_followed(client, eve):
    wanted = f"new-{eve.email}"
    assert (
        eve("POST", "/api/me/email", json={"email": wanted, "current_password": "not my password"}).status_code == 401
    )
    assert eve("POST", "/api/me/email", json={"email": wanted, **PROOF}).status_code == 202
    assert "asked for another e-mail address" in fresh_mail(client, eve.email, "another e-mail address")
    assert eve("GET", "/api/me").json()["user"]["email"] == eve.email
    token = link_secret(fresh_mail(client, wanted, "/change-email"))
    assert client.post("/api/auth/email/verify", json={"token": token}).status_code == 400
    changed = client.post("/api/auth/email/change", json={"token": token}).json()
    assert (changed["email"], changed["email_verified"]) == (wanted, True)
    assert code(client.post("/api/auth/email/change", json={"token": token})) == (400, "LINK_INVALID")
    for email, status in ((wanted, 200), (eve.email, 401)):
        assert client.post("/api/auth/login", json={"email": email, "password": PASSWORD}).status_code == status


def test_an_address_that_is_somebody_elses_is_not_taken_over_and_not_told(client, eve, ask):
    other = sign_up(client, "other")
    assert eve("POST", "/api/me/email", json={"email": other.email, **PROOF}).status_code == 202
    waiting = ask("SELECT count(*) FROM mail_queue WHERE purpose = 'change_email' AND recipient = %s", other.email)
    assert waiting == [(0,)]
    free = f"free-{eve.email}"
    eve("POST", "/api/me/email", json={"email": free, **PROOF})
    token = link_secret(fresh_mail(client, free, "/change-email"))
    client.post("/api/auth/register", json={"email": free, "password": PASSWORD})
    assert code(client.post("/api/auth/email/change", json={"token": token})) == (409, "CONFLICT")


def test_a_link_to_an_earlier_address_does_not_verify_the_present_one(client, eve):
    eve("POST", "/api/auth/email/resend")
    old = link_secret(fresh_mail(client, eve.email, "/verify-email"))
    wanted = f"new-{eve.email}"
    eve("POST", "/api/me/email", json={"email": wanted, **PROOF})
    client.post("/api/auth/email/change", json={"token": link_secret(fresh_mail(client, wanted, "/change-email"))})
    assert client.post("/api/auth/email/verify", json={"token": old}).json()["email"] == wanted
