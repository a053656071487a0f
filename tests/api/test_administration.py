"""System admins: they suspend, let in again, look through others' eyes, and all of it is written down."""

import pytest
from api_people import PASSWORD, sign_up

from cliply_api.manage import main
from cliply_assets.cli.plan import print_plan
from cliply_resources.errors import CallerError, NotFound


def code(reply):
    return reply.json()["error"]["code"]


@pytest.fixture(scope="module")
def keeper(client, api_settings):
    person = sign_up(client, "keeper")
    assert main(["grant-admin", person.email], api_settings) == 0
    return person


@pytest.fixture
def user(client):
    return sign_up(client, "user")


WHY = {"reason": "ticket 4711"}


def test_only_system_admins_get_in(user, keeper):
    for path in ("/api/admin/users", "/api/admin/workspaces", "/api/admin/log"):
        assert code(user("GET", path)) == "FORBIDDEN"
        assert keeper("GET", path).status_code == 200


def test_an_unknown_account_is_not_made_admin(api_settings, capsys):
    assert main(["grant-admin", "nobody@example.com"], api_settings) == 1
    assert "no account" in capsys.readouterr().err


def test_the_workspace_of_the_command_line_can_be_joined_from_there(client, api_settings):
    person = sign_up(client, "local")
    assert main(["join-local", person.email], api_settings) == 0
    local = "00000000-0000-7000-8000-000000000001"
    assert person.within(local)("GET", f"/api/workspaces/{local}").json()["role"] == "owner"


def test_admin_rights_end_with_the_next_request(client, api_settings):
    person = sign_up(client, "former")
    main(["grant-admin", person.email], api_settings)
    assert person("GET", "/api/admin/users").status_code == 200
    main(["revoke-admin", person.email], api_settings)
    assert person("GET", "/api/admin/users").status_code == 403


def test_users_and_workspaces_are_found_by_words(keeper, user):
    found = keeper("GET", "/api/admin/users", params={"words": user.email[:12]}).json()
    assert [one["email"] for one in found["data"]] == [user.email]
    assert keeper("GET", "/api/admin/users", params={"words": "%"}).json()["total"] == 0
    places = keeper("GET", "/api/admin/workspaces", params={"words": "user's"}).json()
    assert user.workspace_id in {one["id"] for one in places["data"]}
    assert all(one["members"] == 1 for one in places["data"])


def test_a_suspended_account_is_shut_out_at_once_and_can_come_back(client, second_client, keeper, user):
    token = user("POST", "/api/tokens", json={"name": "t", "scopes": ["upload.read"]}).json()["token"]
    assert keeper("POST", f"/api/admin/users/{user.user_id}/suspend", json=WHY).json()["suspended_at"]
    user.client = second_client
    assert user("GET", "/api/me").status_code == 401
    with_token = client.get("/api/me", headers={"Authorization": f"Bearer {token}"})
    assert (with_token.status_code, code(with_token)) == (403, "ACCOUNT_SUSPENDED")
    assert client.post("/api/auth/refresh", json={"refresh_token": user.refresh_token}).status_code == 401
    login = client.post("/api/auth/login", json={"email": user.email, "password": PASSWORD})
    assert code(login) == "ACCOUNT_SUSPENDED"
    assert keeper("POST", f"/api/admin/users/{user.user_id}/unsuspend", json=WHY).json()["suspended_at"] is None
    assert client.post("/api/auth/login", json={"email": user.email, "password": PASSWORD}).status_code == 200
    assert client.get("/api/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_suspended_workspace_serves_nobody_but_its_members_keep_their_accounts(keeper, user):
    assert keeper("POST", f"/api/admin/workspaces/{user.workspace_id}/suspend", json=WHY).status_code == 200
    assert code(user("GET", f"/api/workspaces/{user.workspace_id}")) == "WORKSPACE_SUSPENDED"
    assert user("GET", "/api/me").json()["workspaces"][0]["suspended"]
    keeper("POST", f"/api/admin/workspaces/{user.workspace_id}/unsuspend", json=WHY)
    assert user("GET", f"/api/workspaces/{user.workspace_id}").status_code == 200


def test_nobody_suspends_themselves(keeper):
    assert code(keeper("POST", f"/api/admin/users/{keeper.user_id}/suspend", json=WHY)) == "CONFLICT"


def test_impersonation_reads_in_one_workspace_and_changes_nothing(client, keeper, user):
    second = user("POST", "/api/workspaces", json={"name": "Second"}).json()["id"]
    wanted = {"user_id": user.user_id, "workspace_id": user.workspace_id, **WHY}
    begun = keeper("POST", "/api/admin/impersonations", json=wanted).json()

    def act(method, path, **options):
        return client.request(method, path, headers={"Authorization": f"Bearer {begun['access_token']}"}, **options)

    me = act("GET", "/api/me").json()
    assert (me["user"]["id"], me["impersonated_by"]) == (user.user_id, keeper.user_id)
    assert all(word.endswith(".read") for word in me["permissions"])
    assert act("GET", f"/api/workspaces/{user.workspace_id}/members").status_code == 200
    assert act("GET", f"/api/workspaces/{second}/members").status_code == 404
    changes = [
        ("PATCH", f"/api/workspaces/{user.workspace_id}"),
        ("POST", "/api/workspaces"),
        ("PATCH", "/api/me"),
        ("POST", "/api/tokens"),
        ("POST", "/api/auth/logout-everywhere"),
    ]
    for method, path in changes:
        assert code(act(method, path, json={"name": "x", "scopes": ["upload.read"]})) == "READ_ONLY", path
    log = user("GET", f"/api/workspaces/{user.workspace_id}/audit").json()["data"]
    assert [entry["action"] for entry in log] == ["impersonation.begun"]
    assert log[0]["actor_id"] == keeper.user_id


def test_an_impersonated_admin_is_no_admin(client, keeper, api_settings):
    other = sign_up(client, "other-admin")
    main(["grant-admin", other.email], api_settings)
    wanted = {"user_id": other.user_id, "workspace_id": other.workspace_id, **WHY}
    token = keeper("POST", "/api/admin/impersonations", json=wanted).json()["access_token"]
    assert client.get("/api/admin/users", headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_impersonation_of_a_stranger_to_the_workspace_is_refused(keeper, user, stranger):
    wanted = {"user_id": user.user_id, "workspace_id": stranger.workspace_id, **WHY}
    assert keeper("POST", "/api/admin/impersonations", json=wanted).status_code == 404


def test_every_act_is_in_the_log(keeper, user, client):
    client.post("/api/auth/login", json={"email": user.email, "password": "wrong password"})
    keeper("POST", f"/api/admin/users/{user.user_id}/suspend", json=WHY, headers={"X-Request-Id": "request-4711"})
    keeper("POST", f"/api/admin/users/{user.user_id}/unsuspend", json=WHY)
    log = [one for one in keeper("GET", "/api/admin/log?limit=50").json()["data"] if one["user_id"] == user.user_id]
    assert [one["action"] for one in log] == [
        "account.unsuspended", "account.suspended", "login.failed", "account.registered",
    ]  # fmt: skip
    assert (log[1]["actor_id"], log[1]["facts"], log[1]["request_id"]) == (keeper.user_id, WHY, "request-4711")


def test_another_plan_is_given_and_written_down_where_its_owner_and_the_keeper_look(keeper, user):
    path = f"/api/admin/workspaces/{user.workspace_id}/plan"
    assert keeper("POST", path, json={"plan": "business", **WHY}).json()["plan"] == "business"
    assert keeper("POST", path, json={"plan": "business", **WHY}).status_code == 200
    [entry] = user("GET", f"/api/workspaces/{user.workspace_id}/audit").json()["data"]
    assert (entry["action"], entry["facts"]["before"], entry["facts"]["plan"]) == (
        "workspace.plan_changed", "standard", "business",
    )  # fmt: skip
    log = keeper("GET", "/api/admin/log?limit=5").json()["data"]
    assert (log[0]["action"], log[0]["facts"]["workspace"]) == ("workspace.plan_changed", user.workspace_id)
    assert keeper("POST", path, json={"plan": "gold", **WHY}).status_code == 400
    assert code(user("POST", path, json={"plan": "free", **WHY})) == "FORBIDDEN"


def test_an_operator_changes_a_plan_by_name_or_beginning_of_the_id(user, api_settings, monkeypatch, capsys):
    monkeypatch.setattr("cliply_assets.cli.plan.get_settings", lambda: api_settings)
    print_plan(user.workspace_id, "free")
    print_plan(user.workspace_id[:-2], None)
    assert [line.count("has the plan free: 1 at once") for line in capsys.readouterr().out.splitlines()] == [1, 1]
    [entry] = user("GET", f"/api/workspaces/{user.workspace_id}/audit").json()["data"]
    assert (entry["action"], entry["actor_name"]) == ("workspace.plan_changed", "operator")
    with pytest.raises(NotFound):
        print_plan("no such workspace", None)
    with pytest.raises(CallerError, match="choose from"):
        print_plan(user.workspace_id, "gold")
    user("POST", "/api/workspaces", json={"name": "Twins"})
    user("POST", "/api/workspaces", json={"name": "Twins"})
    with pytest.raises(CallerError, match="give more of the id"):
        print_plan("Twins", "free")
