"""Browsers sign in by cookies that nothing else can read or set, and pages must show that they are ours."""

import re

import pytest
from api_people import PASSWORD, sign_up

COOKIE = "__Host-cliply_session"
CSRF = "__Host-cliply_csrf"


def code(reply):
    return reply.json()["error"]["code"]


@pytest.fixture
def browser(start):
    """A client of its own, so that its cookies are nobody else's."""
    return start()


@pytest.fixture
def signed_in(browser, client):
    ada = sign_up(client)
    reply = browser.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD, "transport": "cookie"})
    assert reply.status_code == 200
    return reply


def test_the_session_is_a_host_cookie_out_of_reach_of_scripts_and_other_sites(signed_in):
    cookies = {cookie.split("=")[0]: cookie for cookie in signed_in.headers.get_list("set-cookie")}
    assert set(cookies) == {COOKIE, CSRF}
    for cookie in cookies.values():
        assert "Secure" in cookie
        assert "Path=/;" in cookie + ";"
        assert "SameSite=strict" in cookie
        assert "Domain" not in cookie
    assert "HttpOnly" in cookies[COOKIE]
    assert "HttpOnly" not in cookies[CSRF]


def test_no_token_is_in_the_body(signed_in):
    assert set(signed_in.json()) == {"user", "workspace_id", "csrf_token"}


def test_the_cookie_reads_and_with_the_csrf_token_writes(browser, signed_in):
    assert browser.get("/api/me").status_code == 200
    assert code(browser.patch("/api/me", json={"name": "x"})) == "CSRF_FAILED"
    assert code(browser.patch("/api/me", json={"name": "x"}, headers={"X-CSRF-Token": "x" * 43})) == "CSRF_FAILED"
    token = signed_in.json()["csrf_token"]
    assert browser.cookies[CSRF] == token
    assert browser.patch("/api/me", json={"name": "x"}, headers={"X-CSRF-Token": token}).json()["name"] == "x"


def test_another_session_has_another_csrf_token(browser, signed_in, start, client):
    other = start()
    ada = sign_up(client)
    login = {"email": ada.email, "password": PASSWORD, "transport": "cookie"}
    foreign = other.post("/api/auth/login", json=login).json()["csrf_token"]
    assert code(browser.patch("/api/me", json={"name": "x"}, headers={"X-CSRF-Token": foreign})) == "CSRF_FAILED"


def test_a_page_of_another_site_is_refused_even_to_read(browser, signed_in):
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert code(browser.get("/api/me", headers=headers)) == "CSRF_FAILED"


def test_the_cookie_is_kept_as_a_hash_and_dies_with_the_logout(browser, signed_in, ask):
    secret = browser.cookies[COOKIE]
    assert re.fullmatch(r"cliply_se_[\w-]{49}", secret)
    assert not [row for (row,) in ask("SELECT s::text FROM sessions s") if secret in row]
    csrf = {"X-CSRF-Token": signed_in.json()["csrf_token"]}
    out = browser.post("/api/auth/logout", headers=csrf)
    assert out.status_code == 204
    assert all("Max-Age=0" in cookie for cookie in out.headers.get_list("set-cookie"))
    assert browser.get("/api/me", headers={"Cookie": f"{COOKIE}={secret}"}).status_code == 401


def test_a_session_is_prolonged_while_it_is_used(browser, signed_in, ask):
    session = ask("SELECT id FROM sessions WHERE kind = 'browser' ORDER BY created_at DESC LIMIT 1")[0][0]
    ask("UPDATE sessions SET expires_at = now() + interval '1 hour' WHERE id = %s", session)
    csrf = {"X-CSRF-Token": signed_in.json()["csrf_token"]}
    renewed = browser.post("/api/auth/renew", headers=csrf)
    assert len(renewed.headers.get_list("set-cookie")) == 2
    assert ask("SELECT expires_at > now() + interval '6 days' FROM sessions WHERE id = %s", session) == [(True,)]


def test_registering_can_sign_a_browser_in(browser):
    account = {"email": "fresh@example.com", "password": PASSWORD, "transport": "cookie"}
    assert browser.post("/api/auth/register", json=account).status_code == 201
    assert browser.get("/api/me").json()["user"]["email"] == "fresh@example.com"


def test_a_bearer_token_needs_no_csrf_token_and_wins_over_the_cookie(browser, signed_in, client):
    ben = sign_up(client, "ben")
    headers = {"Authorization": f"Bearer {ben.access_token}"}
    assert browser.get("/api/me", headers=headers).json()["user"]["email"] == ben.email
    assert browser.patch("/api/me", json={"name": "Ben"}, headers=headers).status_code == 200


def test_a_cookie_session_is_no_bearer_and_an_access_token_no_cookie(browser, signed_in, client, ada):
    secret = browser.cookies[COOKIE]
    assert client.get("/api/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    assert client.get("/api/me", headers={"Cookie": f"{COOKIE}={ada.access_token}"}).status_code == 401
