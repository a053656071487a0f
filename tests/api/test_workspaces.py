"""Workspaces: who is in them, who may do what there, and who can never get out or in."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from api_people import fresh_mail, join, link_secret, sign_up


def code(reply):
    return reply.json()["error"]["code"]


@pytest.fixture
def owner(client):
    return sign_up(client, "owner")


def at(person, rest=""):
    return f"/api/workspaces/{person.workspace_id}{rest}"


def test_workspaces_are_made_listed_and_renamed(owner):
    made = owner("POST", "/api/workspaces", json={"name": "Second channel"})
    assert made.status_code == 201
    listed = owner("GET", "/api/workspaces").json()
    assert [place["id"] for place in listed["data"]] == [owner.workspace_id, made.json()["id"]]
    assert (listed["total"], listed["page"], listed["pages"]) == (2, 1, 1)
    path = f"/api/workspaces/{made.json()['id']}"
    assert owner("PATCH", path, json={"name": "Renamed"}).json()["name"] == "Renamed"
    assert owner("GET", path).json() == made.json() | {"name": "Renamed"}


def test_the_header_switches_and_membership_is_checked(owner, stranger):
    second = owner("POST", "/api/workspaces", json={"name": "Second"}).json()["id"]
    assert owner("GET", "/api/me").json()["workspace_id"] == owner.workspace_id
    assert owner.within(second)("GET", "/api/me").json()["workspace_id"] == second
    assert owner.within(stranger.workspace_id)("GET", "/api/tokens").status_code == 404


def test_an_invitation_is_mailed_and_works_once(client, owner, ask):
    guest = sign_up(client, "guest")
    invited = owner("POST", at(owner, "/invitations"), json={"email": guest.email.upper(), "role": "editor"})
    assert invited.status_code == 201
    assert "token" not in invited.text
    mail = fresh_mail(client, guest.email, "/invitation")
    assert "owner invites you" in mail
    token = link_secret(mail)
    assert guest("POST", "/api/invitations/accept", json={"token": token}).json()["role"] == "editor"
    assert code(guest("POST", "/api/invitations/accept", json={"token": token})) == "LINK_INVALID"
    members = owner("GET", at(owner, "/members")).json()
    assert [(one["email"], one["role"]) for one in members["data"]] == [(owner.email, "owner"), (guest.email, "editor")]
    assert owner("GET", at(owner, "/invitations")).json()["data"] == []
    assert ask("SELECT email_verified_at IS NOT NULL FROM users WHERE id = %s", guest.user_id) == [(True,)]


def test_an_invitation_is_for_the_invited_only_and_can_be_withdrawn(client, owner, stranger):
    guest = sign_up(client, "guest")
    invitation = owner("POST", at(owner, "/invitations"), json={"email": guest.email, "role": "viewer"}).json()
    token = link_secret(fresh_mail(client, guest.email, "/invitation"))
    assert code(stranger("POST", "/api/invitations/accept", json={"token": token})) == "LINK_INVALID"
    assert owner("DELETE", at(owner, f"/invitations/{invitation['id']}")).status_code == 204
    assert code(guest("POST", "/api/invitations/accept", json={"token": token})) == "LINK_INVALID"


def test_inviting_again_replaces_the_link_and_inviting_a_member_is_refused(client, owner):
    guest = sign_up(client, "guest")
    owner("POST", at(owner, "/invitations"), json={"email": guest.email, "role": "viewer"})
    first = link_secret(fresh_mail(client, guest.email, "as viewer"))
    owner("POST", at(owner, "/invitations"), json={"email": guest.email, "role": "admin"})
    second = link_secret(fresh_mail(client, guest.email, "as admin"))
    assert code(guest("POST", "/api/invitations/accept", json={"token": first})) == "LINK_INVALID"
    assert guest("POST", "/api/invitations/accept", json={"token": second}).json()["role"] == "admin"
    again = owner("POST", at(owner, "/invitations"), json={"email": guest.email, "role": "viewer"})
    assert code(again) == "CONFLICT"


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("viewer", {"read", "members"}),
        ("editor", {"read", "members"}),
        ("admin", {"read", "members", "rename", "invite", "audit"}),
    ],
)
def test_a_role_may_what_the_table_says(client, owner, role, allowed):
    guest = join(client, owner, role)
    tries = {
        "read": guest("GET", at(owner)),
        "members": guest("GET", at(owner, "/members")),
        "rename": guest("PATCH", at(owner), json={"name": "x"}),
        "invite": guest("POST", at(owner, "/invitations"), json={"email": "c@example.com", "role": "viewer"}),
        "audit": guest("GET", at(owner, "/audit")),
        "transfer": guest("POST", at(owner, "/transfer"), json={"user_id": guest.user_id}),
    }
    assert {name for name, reply in tries.items() if reply.is_success} == allowed
    assert {code(reply) for name, reply in tries.items() if name not in allowed} == {"FORBIDDEN"}


def test_an_admin_can_neither_make_nor_touch_owners(client, owner):
    admin, editor = join(client, owner, "admin", "admin"), join(client, owner, "editor", "editor")
    assert admin("PATCH", at(owner, f"/members/{editor.user_id}"), json={"role": "admin"}).status_code == 200
    assert admin("PATCH", at(owner, f"/members/{editor.user_id}"), json={"role": "owner"}).status_code == 403
    assert admin("PATCH", at(owner, f"/members/{owner.user_id}"), json={"role": "viewer"}).status_code == 403
    assert admin("DELETE", at(owner, f"/members/{owner.user_id}")).status_code == 403
    invited = admin("POST", at(owner, "/invitations"), json={"email": "c@example.com", "role": "owner"})
    assert invited.status_code == 403


def test_a_changed_role_counts_from_the_next_request_on(client, owner):
    guest = join(client, owner, "admin")
    assert guest("GET", at(owner, "/audit")).status_code == 200
    owner("PATCH", at(owner, f"/members/{guest.user_id}"), json={"role": "viewer"})
    assert guest("GET", at(owner, "/audit")).status_code == 403


def test_whoever_is_put_out_is_out_with_their_tokens(client, owner):
    guest = join(client, owner, "editor")
    token = guest("POST", "/api/tokens", json={"name": "t", "scopes": ["upload.read"]}).json()["token"]
    assert owner("DELETE", at(owner, f"/members/{guest.user_id}")).status_code == 204
    assert guest("GET", at(owner)).status_code == 404
    assert client.get("/api/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert owner("DELETE", at(owner, f"/members/{guest.user_id}")).status_code == 404


def test_the_last_owner_can_neither_leave_nor_be_put_out_nor_step_down(client, owner):
    assert code(owner("POST", at(owner, "/leave"))) == "LAST_OWNER"
    assert code(owner("DELETE", at(owner, f"/members/{owner.user_id}"))) == "LAST_OWNER"
    assert code(owner("PATCH", at(owner, f"/members/{owner.user_id}"), json={"role": "admin"})) == "LAST_OWNER"
    guest = join(client, owner, "viewer")
    assert guest("POST", at(owner, "/leave")).status_code == 204


def test_two_owners_who_leave_at_once_do_not_leave_it_ownerless(client, second_client, ask):
    for _ in range(5):
        first = sign_up(client, "first")
        second = join(client, first, "admin", "second")
        first("PATCH", at(first, f"/members/{second.user_id}"), json={"role": "owner"})
        second.client = second_client
        with ThreadPoolExecutor(2) as pool:
            leaving = f"/api/workspaces/{first.workspace_id}/leave"
            replies = [one.result() for one in [pool.submit(person, "POST", leaving) for person in (first, second)]]
        assert sorted(reply.status_code for reply in replies)[0] == 204
        owners = ask("SELECT count(*) FROM members WHERE workspace_id = %s AND role = 'owner'", first.workspace_id)
        assert owners == [(1,)]


def test_even_the_database_refuses_a_workspace_without_an_owner(owner, ask):
    import psycopg

    with pytest.raises(psycopg.errors.CheckViolation, match="without an owner"):
        ask("DELETE FROM members WHERE workspace_id = %s", owner.workspace_id)


def test_a_workspace_is_handed_over(client, owner):
    guest = join(client, owner, "editor")
    handed = owner("POST", at(owner, "/transfer"), json={"user_id": guest.user_id})
    assert handed.json()["role"] == "owner"
    assert owner("GET", at(owner)).json()["role"] == "admin"
    assert owner("POST", at(owner, "/transfer"), json={"user_id": owner.user_id}).status_code == 403
    assert guest("POST", at(owner, "/transfer"), json={"user_id": str(uuid4())}).status_code == 404


def test_what_people_did_is_in_the_audit_log_with_actor_address_and_request(client, owner):
    owner("PATCH", at(owner), json={"name": "Renamed"}, headers={"X-Request-Id": "my-request-0001"})
    join(client, owner, "viewer")
    log = owner("GET", at(owner, "/audit")).json()["data"]
    assert [entry["action"] for entry in log] == ["member.joined", "member.invited", "workspace.renamed"]
    renamed = log[-1]
    assert renamed["actor_id"] == owner.user_id
    assert renamed["actor_name"] == owner.email
    assert renamed["address"] == "testclient"
    assert renamed["request_id"] == "my-request-0001"
    assert renamed["facts"]["after"] == "Renamed"


def test_the_audit_log_is_read_on_by_its_cursor(owner):
    for number in range(5):
        owner("PATCH", at(owner), json={"name": f"Name {number}"})
    path, seen = at(owner, "/audit?limit=2"), []
    while path:
        page = owner("GET", path).json()
        seen += [entry["facts"]["after"] for entry in page["data"]]
        path = at(owner, f"/audit?limit=2&cursor={page['next_cursor']}") if page.get("next_cursor") else None
    assert seen == [f"Name {number}" for number in (4, 3, 2, 1, 0)]
    assert owner("GET", at(owner, "/audit?cursor=bm9uc2Vuc2U")).status_code == 400


def test_old_entries_are_forgotten_after_ninety_days(client, owner, ask):
    owner("PATCH", at(owner), json={"name": "Recent"})
    ask(
        "INSERT INTO audit_log (workspace_id, action, at) VALUES (%s, 'old', now() - interval '91 days')",
        owner.workspace_id,
    )
    from cliply_api.background import _sweep

    _sweep(client.app.state.database, client.app.state.settings)
    assert [entry["action"] for entry in owner("GET", at(owner, "/audit")).json()["data"]] == ["workspace.renamed"]
