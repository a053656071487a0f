"""API tokens: shown once, kept as hashes, confined to a workspace and to scopes."""

import re

import pytest
from api_people import join, sign_up


def code(reply):
    return reply.json()["error"]["code"]


@pytest.fixture
def make(client):
    def making(person, **changes):
        wanted = {"name": "nightly", "scopes": ["upload.read", "member.read"], **changes}
        return person("POST", "/api/tokens", json=wanted)

    return making


def using(client, token, method, path, **options):
    return client.request(method, path, headers={"Authorization": f"Bearer {token}"}, **options)


def test_the_secret_is_shown_once_and_kept_as_a_hash(make, ada, ask):
    made = make(ada).json()
    assert re.fullmatch(r"cliply_pt_[\w-]{49}", made["token"])
    listed = ada("GET", "/api/tokens").text
    assert made["token"] not in listed
    assert made["info"]["start"] == made["token"][:16]
    rows = ask("SELECT t::text FROM api_tokens t")
    assert not [row for (row,) in rows if made["token"] in row]


def test_a_token_does_what_its_scopes_say_and_no_more(client, make, ada):
    token = make(ada).json()["token"]
    assert using(client, token, "GET", f"/api/workspaces/{ada.workspace_id}/members").status_code == 200
    assert code(using(client, token, "GET", f"/api/workspaces/{ada.workspace_id}/audit")) == "FORBIDDEN"
    assert using(client, token, "GET", "/api/me").json()["permissions"] == ["member.read", "upload.read"]


def test_a_token_of_everything_still_reaches_neither_the_account_nor_other_tokens(client, make, ada):
    token = make(ada, scopes=["*"]).json()["token"]
    assert using(client, token, "GET", f"/api/workspaces/{ada.workspace_id}/audit").status_code == 200
    for method, path in [("PATCH", "/api/me"), ("GET", "/api/auth/sessions"), ("POST", "/api/workspaces")]:
        assert using(client, token, method, path, json={"name": "x"}).status_code == 403, path
    assert using(client, token, "POST", "/api/tokens", json={"name": "x", "scopes": ["*"]}).status_code == 403


def test_a_token_is_confined_to_its_workspace(client, make):
    owner = sign_up(client)
    second = owner("POST", "/api/workspaces", json={"name": "Second"}).json()["id"]
    token = make(owner).json()["token"]
    assert using(client, token, "GET", f"/api/workspaces/{second}/members").status_code == 404
    assert [place["id"] for place in using(client, token, "GET", "/api/me").json()["workspaces"]] == [
        owner.workspace_id
    ]


def test_nobody_gives_away_what_they_may_not_do(client, make, ada):
    viewer = join(client, ada, "viewer")
    assert make(viewer, scopes=["member.manage"]).status_code == 400
    assert make(ada, scopes=["member.conquer"]).status_code == 400
    token = make(viewer, scopes=["*"]).json()["token"]
    assert code(using(client, token, "GET", f"/api/workspaces/{ada.workspace_id}/audit")) == "FORBIDDEN"


def test_an_expired_a_revoked_and_a_mistyped_token_are_nobodys(client, make, ada, ask):
    expired, revoked, mistyped = (make(ada).json() for _ in range(3))
    ask("UPDATE api_tokens SET expires_at = now() - interval '1 s' WHERE id = %s", expired["info"]["id"])
    assert ada("DELETE", f"/api/tokens/{revoked['info']['id']}").status_code == 204
    for token in (expired["token"], revoked["token"], mistyped["token"][:-1] + "!"):
        assert using(client, token, "GET", "/api/me").status_code == 401
    listed = {one["id"] for one in ada("GET", "/api/tokens?limit=100").json()["data"]}
    assert mistyped["info"]["id"] in listed
    assert not listed & {expired["info"]["id"], revoked["info"]["id"]}


def test_the_last_use_is_noted(client, make, ada):
    made = make(ada).json()
    assert made["info"]["last_used_at"] is None
    using(client, made["token"], "GET", "/api/me")
    [found] = [one for one in ada("GET", "/api/tokens?limit=100").json()["data"] if one["id"] == made["info"]["id"]]
    assert found["last_used_at"]


def test_admins_see_and_revoke_everybodys_tokens_and_others_only_their_own(client, make, ada):
    editor = join(client, ada, "editor")
    own, foreign = make(editor).json()["info"]["id"], make(ada).json()["info"]["id"]
    assert {one["id"] for one in editor("GET", "/api/tokens?limit=100").json()["data"]} == {own}
    assert editor("DELETE", f"/api/tokens/{foreign}").status_code == 404
    assert ada("DELETE", f"/api/tokens/{own}").status_code == 204


@pytest.mark.parametrize("days", [0, 367, -1, 10**30])
def test_a_token_lives_a_day_to_a_year(make, ada, days):
    assert make(ada, expires_in_days=days).status_code == 400
