"""Signing up, in and out, over HTTP; what was decided is looked up from a connection of its own."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import jwt
import pytest
from api_people import PASSWORD, fresh_mail, link_secret, sign_up

from cliply_api.auth.keys import rotate


def refresh(client, token):
    return client.post("/api/auth/refresh", json={"refresh_token": token})


def code(reply):
    return reply.json()["error"]["code"]


def test_a_new_account_owns_a_workspace_and_its_password_is_kept_as_argon2id(client, ask):
    ada = sign_up(client)
    found = ada("GET", "/api/me").json()
    assert found["user"]["email"] == ada.email
    assert [place["role"] for place in found["workspaces"]] == ["owner"]
    assert found["workspace_id"] == ada.workspace_id
    [(kept,)] = ask("SELECT password_hash FROM users WHERE id = %s", ada.user_id)
    assert kept.startswith("$argon2id$")


def test_an_address_signs_up_once_whatever_its_letters_case(client, ada):
    again = client.post("/api/auth/register", json={"email": ada.email.upper(), "password": PASSWORD})
    assert (again.status_code, code(again)) == (409, "CONFLICT")


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(client, ada):
    wrong = client.post("/api/auth/login", json={"email": ada.email, "password": "not the right one"})
    unknown = client.post("/api/auth/login", json={"email": "nobody@example.com", "password": "not the right one"})
    for reply in (wrong, unknown):
        assert (reply.status_code, code(reply)) == (401, "INVALID_CREDENTIALS")
    assert wrong.json()["error"]["message"] == unknown.json()["error"]["message"]


def test_the_access_token_lasts_a_quarter_of_an_hour_and_names_user_and_session_only(client, ada):
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert set(claims) == {"iss", "aud", "sub", "sid", "jti", "iat", "exp"}
    assert claims["sub"] == ada.user_id


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: token[:-4] + "AAAA",
        lambda token: jwt.encode(jwt.decode(token, options={"verify_signature": False}), "x" * 32, algorithm="HS256"),
        lambda token: jwt.encode(jwt.decode(token, options={"verify_signature": False}), None, algorithm="none"),
        lambda token: "cliply_pt_" + "A" * 50,
        lambda token: "é",
        lambda token: "a.b.c",
        lambda token: "x" * 5000,
    ],
)
def test_a_forged_token_is_nobodys(client, ada, forge):
    reply = client.get("/api/me", headers={"Authorization": f"Bearer {forge(ada.access_token)}".encode()})
    assert (reply.status_code, code(reply)) == (401, "UNAUTHENTICATED")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_refresh_tokens_are_kept_as_hashes_only(client, ask):
    ada = sign_up(client)
    kept = "SELECT 1 FROM refresh_tokens WHERE position(convert_to(%s, 'UTF8') IN token_hash) > 0"
    assert ask(kept, ada.refresh_token) == []
    [(length,)] = ask(
        "SELECT octet_length(token_hash) FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE s.user_id = %s",
        ada.user_id,
    )
    assert length == 32


def test_a_refresh_token_is_spent_for_a_successor(client):
    ada = sign_up(client)
    first = refresh(client, ada.refresh_token)
    assert first.status_code == 200
    assert first.json()["refresh_token"] != ada.refresh_token
    assert refresh(client, first.json()["refresh_token"]).status_code == 200


def test_fifty_refreshes_at_once_yield_one_successor_in_one_family(client, second_client, ask):
    ada = sign_up(client)
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda n: refresh((client, second_client)[n % 2], ada.refresh_token), range(50)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["refresh_token"] for reply in replies}) == 1
    [(tokens,)] = ask(
        "SELECT count(*) FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE s.user_id = %s", ada.user_id
    )
    assert tokens == 2


def test_a_token_that_is_used_again_later_ends_the_sign_in_and_that_survives_the_401(client, second_client, ask):
    ada = sign_up(client)
    newest = refresh(client, ada.refresh_token).json()
    ask("UPDATE refresh_tokens SET used_at = used_at - interval '1 minute' WHERE used_at IS NOT NULL")
    stolen = refresh(client, ada.refresh_token)
    assert (stolen.status_code, code(stolen)) == (401, "TOKEN_REUSED")
    [(revoked,)] = ask("SELECT revoked_at IS NOT NULL FROM sessions WHERE user_id = %s", ada.user_id)
    assert revoked
    assert refresh(second_client, newest["refresh_token"]).status_code == 401
    reply = second_client.get("/api/me", headers={"Authorization": f"Bearer {newest['access_token']}"})
    assert reply.status_code == 401


def test_within_the_grace_a_token_whose_successor_was_used_counts_as_stolen(client):
    ada = sign_up(client)
    second = refresh(client, ada.refresh_token).json()["refresh_token"]
    third = refresh(client, second).json()["refresh_token"]
    assert code(refresh(client, ada.refresh_token)) == "TOKEN_REUSED"
    assert refresh(client, third).status_code == 401


def test_an_expired_refresh_token_is_refused(client, ask):
    ada = sign_up(client)
    ask("UPDATE refresh_tokens SET expires_at = now() - interval '1 s'")
    assert code(refresh(client, ada.refresh_token)) == "UNAUTHENTICATED"


def test_logout_ends_access_and_refresh_at_once(client, second_client):
    ada = sign_up(client)
    assert ada("POST", "/api/auth/logout").status_code == 204
    assert second_client.get("/api/me", headers={"Authorization": f"Bearer {ada.access_token}"}).status_code == 401
    assert refresh(second_client, ada.refresh_token).status_code == 401


def test_sessions_are_listed_and_ended_one_by_one_or_all(client):
    ada = sign_up(client)
    other = client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD}).json()
    listed = ada("GET", "/api/auth/sessions").json()
    assert listed["total"] == 2
    [elsewhere] = [one for one in listed["data"] if not one["current"]]
    assert ada("DELETE", f"/api/auth/sessions/{elsewhere['id']}").status_code == 204
    assert client.get("/api/me", headers={"Authorization": f"Bearer {other['access_token']}"}).status_code == 401
    assert ada("DELETE", f"/api/auth/sessions/{elsewhere['id']}").status_code == 404
    assert ada("POST", "/api/auth/logout-everywhere").status_code == 204
    assert ada("GET", "/api/me").status_code == 401


def test_somebody_elses_session_cannot_be_ended(client, ada, stranger):
    theirs = stranger("GET", "/api/auth/sessions").json()["data"][0]["id"]
    foreign, unknown = (ada("DELETE", f"/api/auth/sessions/{one}") for one in (theirs, uuid4()))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["error"]["message"] == unknown.json()["error"]["message"]
    assert stranger("GET", "/api/me").status_code == 200


def test_changing_the_password_ends_every_other_sign_in(client):
    ada = sign_up(client)
    other = client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD}).json()
    wrong = ada("POST", "/api/me/password", json={"current_password": "x" * 12, "new_password": "another good one"})
    assert code(wrong) == "INVALID_CREDENTIALS"
    change = {"current_password": PASSWORD, "new_password": "another good one"}
    assert ada("POST", "/api/me/password", json=change).status_code == 204
    assert ada("GET", "/api/me").status_code == 200
    assert refresh(client, other["refresh_token"]).status_code == 401
    assert client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD}).status_code == 401
    assert client.post("/api/auth/login", json={"email": ada.email, "password": "another good one"}).status_code == 200
    assert "was changed" in fresh_mail(client, ada.email, "was changed")


def test_a_password_is_reset_by_a_mailed_link_once_and_everything_ends(client):
    ada = sign_up(client)
    token = ada("POST", "/api/tokens", json={"name": "t", "scopes": ["upload.read"]}).json()["token"]
    assert client.post("/api/auth/password/forgot", json={"email": ada.email}).status_code == 202
    secret = link_secret(fresh_mail(client, ada.email, "reset-password"))
    chosen = {"token": secret, "password": "a new good password"}
    assert client.post("/api/auth/password/reset", json=chosen).status_code == 204
    assert code(client.post("/api/auth/password/reset", json=chosen)) == "LINK_INVALID"
    assert ada("GET", "/api/me").status_code == 401
    assert client.get("/api/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    login = client.post("/api/auth/login", json={"email": ada.email, "password": "a new good password"})
    assert login.json()["user"]["email_verified"]


def test_asking_for_a_reset_tells_nobody_who_has_an_account(client, ada, ask):
    for address in (ada.email, "nobody@example.com"):
        reply = client.post("/api/auth/password/forgot", json={"email": address})
        assert (reply.status_code, reply.json()) == (202, {"status": "accepted"})
    assert ask("SELECT 1 FROM mail_queue WHERE recipient = 'nobody@example.com'") == []


def test_an_expired_link_and_one_for_something_else_are_refused(client, ask):
    ada = sign_up(client)
    secret = link_secret(fresh_mail(client, ada.email))
    as_reset = client.post("/api/auth/password/reset", json={"token": secret, "password": "a new good password"})
    assert code(as_reset) == "LINK_INVALID"
    ask("UPDATE mail_tokens SET expires_at = now() - interval '1 s' WHERE user_id = %s", ada.user_id)
    assert code(client.post("/api/auth/email/verify", json={"token": secret})) == "LINK_INVALID"


def test_an_address_is_verified_by_a_mailed_link_once(client):
    ada = sign_up(client)
    assert not ada("GET", "/api/me").json()["user"]["email_verified"]
    secret = link_secret(fresh_mail(client, ada.email))
    assert client.post("/api/auth/email/verify", json={"token": secret}).json()["email_verified"]
    assert code(client.post("/api/auth/email/verify", json={"token": secret})) == "LINK_INVALID"


def test_no_secret_of_a_mail_waits_in_the_queue(client, ask):
    columns = {
        name for (name,) in ask("SELECT column_name FROM information_schema.columns WHERE table_name = 'mail_queue'")
    }
    assert not {name for name in columns if "token" in name or "body" in name or "text" in name}


def test_me_can_be_renamed(client):
    ada = sign_up(client)
    assert ada("PATCH", "/api/me", json={"name": "Ada Lovelace"}).json()["name"] == "Ada Lovelace"
    assert ada("PATCH", "/api/me", json={}).json()["name"] == "Ada Lovelace"


def test_keys_rotate_without_signing_anyone_out(client, start, ask):
    ada = sign_up(client)
    settings = client.app.state.settings.model_copy(update={"key_publication_seconds": 0.0})
    kid = rotate(client.app.state.database, settings)
    late = start()  # a process that starts after the rotation
    assert late.get("/api/me", headers={"Authorization": f"Bearer {ada.access_token}"}).status_code == 200
    new = late.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD}).json()["access_token"]
    assert jwt.get_unverified_header(new)["kid"] == kid
    time.sleep(1.1)  # the first process rereads the ring at most once a second for a key it does not know
    assert client.get("/api/me", headers={"Authorization": f"Bearer {new}"}).status_code == 200
    ask("UPDATE signing_keys SET retires_at = now() - interval '1 s' WHERE kid <> %s", kid)
    assert start().get("/api/me", headers={"Authorization": f"Bearer {ada.access_token}"}).status_code == 401


def test_a_key_that_is_not_yet_published_does_not_sign(client, start):
    settings = client.app.state.settings.model_copy(update={"key_publication_seconds": 600.0})
    kid = rotate(client.app.state.database, settings)
    assert jwt.get_unverified_header(sign_up(start()).access_token)["kid"] != kid


def test_two_processes_that_start_together_agree_on_one_key(start, ask):
    ask("DELETE FROM signing_keys")
    clients = [start(), start()]
    barrier = threading.Barrier(2)

    def signing(client):
        barrier.wait()
        return sign_up(client)

    with ThreadPoolExecutor(2) as pool:
        people = list(pool.map(signing, clients))
    assert ask("SELECT count(*) FROM signing_keys") == [(1,)]
    for client in clients:
        for person in people:
            assert client.get("/api/me", headers={"Authorization": f"Bearer {person.access_token}"}).status_code == 200
