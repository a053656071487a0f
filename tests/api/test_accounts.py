"""Connecting accounts by the real flow against a simulated platform, and looking after them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from api_people import join, relaxed, sign_up
from simulated_platforms import OUR_URL, come_back, settings_of, simulated

from cliply_api.accounts.connecting import with_answer
from cliply_api.accounts.defaults import filled
from cliply_api.accounts.schemas import PlatformName
from cliply_resources.database import AccountRow, ImportedPost, PostRow
from cliply_resources.platforms.registry import PLATFORM_NAMES


@pytest.fixture(scope="module")
def x_platform():
    with simulated("x") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def api_settings(shared_url, tmp_path_factory, x_platform):
    return relaxed(
        shared_url,
        tmp_path_factory.mktemp("home"),
        public_url=OUR_URL,
        connects_per_hour=10_000,
        connect_return_urls=("https://app.example.com/settings",),
        **settings_of("x", x_platform),
    )


@pytest.fixture
def ann(client):
    """Somebody with an empty workspace, and a browser without cookies."""
    client.cookies.clear()
    return sign_up(client, "ann")


def connect(person, **more):
    begun = person("POST", "/api/accounts/connect", json={"platform": "x", **more})
    assert begun.status_code == 200, begun.text
    return begun.json()["authorize_url"]


def connected(person):
    back = person.client.get(come_back(connect(person)))
    assert back.status_code == 200, back.text
    [account] = person("GET", "/api/accounts").json()["data"]
    return account


def test_an_account_is_connected_by_the_platforms_own_page(ann, client, x_platform):
    back = client.get(come_back(connect(ann)))
    assert back.status_code == 200
    assert "Ann can be published to now" in back.text
    assert "default-src 'none'" in back.headers["content-security-policy"]
    [account] = ann("GET", "/api/accounts").json()["data"]
    assert (account["platform"], account["name"], account["username"], account["health"]) == ("x", "Ann", "ann", "ok")
    assert account["avatar_url"] == f"{x_platform.url}/ann.png"
    assert "tweet.write" in account["scopes"]
    assert ann("GET", f"/api/accounts/{account['id']}").json() == account
    log = ann("GET", f"/api/workspaces/{ann.workspace_id}/audit").json()["data"]
    assert "account.connected" in {entry["action"] for entry in log}


def test_a_state_answers_once(ann, client):
    address = come_back(connect(ann))
    assert client.get(address).status_code == 200
    again = client.get(address)
    assert again.status_code == 400
    assert "used already" in again.text


def test_a_state_is_over_after_ten_minutes(ann, client, ask):
    address = come_back(connect(ann))
    ask("UPDATE oauth_states SET expires_at = now() - interval '1 second' WHERE workspace_id = %s", ann.workspace_id)
    assert client.get(address).status_code == 400
    assert ann("GET", "/api/accounts").json()["data"] == []


@pytest.mark.parametrize("state", ["", "x", "A" * 64, "é", "A" * 5000])
def test_a_made_up_state_is_refused_in_a_sentence(client, state):
    back = client.get("/api/accounts/callback/x", params={"state": state, "code": "c"})
    assert back.status_code == 400
    assert "Begin again" in back.text


def test_a_sign_in_of_one_platform_does_not_answer_for_another(ann, client):
    address = come_back(connect(ann)).replace("/callback/x", "/callback/youtube")
    assert client.get(address).status_code == 400


def test_another_browser_cannot_finish_and_whoever_began_still_can(ann, client):
    """Else a link would connect a victim's account to the sender's workspace."""
    address = come_back(connect(ann))
    client.cookies.clear()
    page = client.get(address)
    assert page.status_code == 400
    assert "another browser" in page.text
    mallory = sign_up(client, "mallory")
    assert mallory("POST", "/api/accounts/complete", json={"address": OUR_URL + address}).status_code == 409
    done = ann("POST", "/api/accounts/complete", json={"address": OUR_URL + address})
    assert done.status_code == 200, done.text
    assert [one["name"] for one in done.json()["accounts"]] == ["Ann"]
    assert mallory("GET", "/api/accounts").json()["data"] == []


def test_whoever_has_left_meanwhile_connects_nothing(ann, client):
    boss = join(client, ann, "admin", "boss")
    address = come_back(connect(boss))
    assert ann("DELETE", f"/api/workspaces/{ann.workspace_id}/members/{boss.user_id}").status_code in {200, 204}
    page = client.get(address)
    assert page.status_code == 400
    assert "may not connect" in page.text
    assert ann("GET", "/api/accounts").json()["data"] == []


def test_declining_there_is_said_here(ann, client):
    address = come_back(connect(ann))
    state = address.split("state=")[1].split("&")[0]
    page = client.get(f"/api/accounts/callback/x?error=access_denied&state={state}")
    assert page.status_code == 400
    assert "declined" in page.text


def test_a_scope_that_was_not_granted_is_named(ann, client):
    address = connect(ann).replace("tweet.write%20", "")
    page = client.get(come_back(address))
    assert page.status_code == 400
    assert "did not grant tweet.write" in page.text
    assert ann("GET", "/api/accounts").json()["data"] == []


def test_people_are_sent_back_to_listed_addresses_only(ann, client):
    begun = connect(ann, return_url="https://app.example.com/settings?tab=accounts")
    back = client.get(come_back(begun), follow_redirects=False)
    assert back.status_code == 303
    [account] = ann("GET", "/api/accounts").json()["data"]
    assert back.headers["location"] == f"https://app.example.com/settings?tab=accounts&connected={account['id']}"
    for url in (
        "https://evil.example.com/",
        "https://app.example.com.evil.com/",
        "https://app.example.com/settingsevil",
        "https://app.example.com@evil.com/settings",
        "http://app.example.com/settings",
        f"{OUR_URL}@evil.com/",
    ):
        refused = ann("POST", "/api/accounts/connect", json={"platform": "x", "return_url": url})
        assert refused.status_code == 400, url


def test_what_went_wrong_travels_back_too(ann, client):
    address = come_back(connect(ann, return_url=f"{OUR_URL}/app"))
    state = address.split("state=")[1].split("&")[0]
    back = client.get(f"/api/accounts/callback/x?error=no&state={state}", follow_redirects=False)
    assert back.status_code == 303
    assert back.headers["location"].startswith(f"{OUR_URL}/app?connect_error=")
    assert with_answer("https://a/?b=c#d", e="f g") == "https://a/?b=c&e=f+g#d"


def test_only_the_same_account_is_connected_anew(ann, client, x_platform, ask):
    account = connected(ann)
    ask("UPDATE accounts SET remote_id = '77', name = 'Bob' WHERE id = %s", account["id"])
    begun = ann("POST", f"/api/accounts/{account['id']}/reconnect", json={})
    page = client.get(come_back(begun.json()["authorize_url"]))
    assert page.status_code == 400
    assert "the account to connect anew is Bob" in page.text
    ask("UPDATE accounts SET remote_id = '1001', state = 'reconnect', reason = 'Gone.' WHERE id = %s", account["id"])
    assert ann("GET", f"/api/accounts/{account['id']}").json()["health_reason"] == "Gone."
    begun = ann("POST", f"/api/accounts/{account['id']}/reconnect", json={})
    assert client.get(come_back(begun.json()["authorize_url"])).status_code == 200
    assert ann("GET", f"/api/accounts/{account['id']}").json()["health"] == "ok"


def test_disconnecting_revokes_and_holds_what_is_planned(ann, x_platform, shared_database):
    account = connected(ann)
    with shared_database.pipeline(UUID(ann.workspace_id)) as session:
        media = {"object_key": "k", "video": {}, "content": {}, "tolerance_seconds": 60}
        due = datetime.now(UTC) + timedelta(days=1)
        session.add(PostRow(account_id=UUID(account["id"]), platform="x", due_at=due, wake_at=due, **media))
    before = x_platform.count("POST", "/2/oauth2/revoke")
    gone = ann("POST", f"/api/accounts/{account['id']}/disconnect").json()
    assert (gone["revoked"], gone["held_posts"], gone["account"]["health"]) == (True, 1, "disconnected")
    assert x_platform.count("POST", "/2/oauth2/revoke") > before
    with shared_database.pipeline(UUID(ann.workspace_id)) as session:
        [post] = session.query(PostRow)
        assert post.state == "held"
        assert "disconnected" in post.reason
        assert session.query(AccountRow).one().tokens is None
    again = ann("POST", f"/api/accounts/{account['id']}/disconnect").json()
    assert again["revoked"] is False
    assert ann("POST", f"/api/accounts/{account['id']}/refresh").status_code == 409


def test_a_sign_in_is_renewed_on_demand_and_a_dead_one_says_so(ann, x_platform):
    account = connected(ann)
    renewed = ann("POST", f"/api/accounts/{account['id']}/refresh")
    assert renewed.status_code == 200, renewed.text
    assert renewed.json()["expires_at"] > account["expires_at"]
    for token in x_platform.tokens.values():
        token.revoked = True
    dead = ann("POST", f"/api/accounts/{account['id']}/refresh")
    assert dead.status_code == 409, dead.text
    assert ann("GET", f"/api/accounts/{account['id']}").json()["health"] == "reconnect"


def test_caps_are_kept_and_bounded(ann):
    account = ann("POST", "/api/accounts/sandbox").json()
    path = f"/api/accounts/{account['id']}"
    changed = ann("PATCH", path, json={"posts_per_day": 3, "min_gap_seconds": 600}).json()
    assert (changed["posts_per_day"], changed["min_gap_seconds"]) == (3, 600)
    assert ann("PATCH", path, json={"posts_per_day": None}).json()["posts_per_day"] is None
    assert ann("PATCH", path, json={"posts_per_day": 0}).status_code == 400


def test_the_sandbox_is_connected_with_one_call_and_asks_nobody(ann):
    key = {"Idempotency-Key": uuid4().hex}
    made = ann("POST", "/api/accounts/sandbox", headers=key)
    assert made.status_code == 201, made.text
    assert (made.json()["platform"], made.json()["health"]) == ("sandbox", "ok")
    assert ann("POST", "/api/accounts/sandbox", headers=key).json()["id"] == made.json()["id"]
    limits = ann("GET", f"/api/accounts/{made.json()['id']}/limits").json()
    assert limits["cached"] is False
    assert ann("GET", f"/api/accounts/{made.json()['id']}/limits").json()["cached"] is True


def test_every_platform_says_what_it_can_or_what_is_missing(ann):
    told = {one["name"]: one for one in ann("GET", "/api/accounts/platforms").json()["data"]}
    assert tuple(told) == PLATFORM_NAMES == PlatformName.__args__
    assert told["x"]["configured"]
    assert not told["youtube"]["configured"]
    assert "CLIPLY_" in told["youtube"]["missing"]
    assert told["x"]["limits"]["caption_max"] == 280
    refused = ann("POST", "/api/accounts/connect", json={"platform": "youtube"})
    assert refused.status_code == 409
    assert refused.json()["error"]["message"] == told["youtube"]["missing"]


def test_defaults_are_kept_for_a_platform_and_checked(ann):
    account = ann("POST", "/api/accounts/sandbox").json()["id"]
    body = {"title": "{title} #short", "visibility": "unlisted", "account_ids": [account], "gap_seconds": 60}
    kept = ann("PUT", "/api/accounts/defaults/sandbox", json=body)
    assert kept.status_code == 200, kept.text
    shown = {one["platform"]: one for one in ann("GET", "/api/accounts/defaults").json()["data"]}
    assert shown["sandbox"] == kept.json()
    assert (shown["sandbox"]["gap_seconds"], shown["x"]["updated_at"]) == (60, None)
    wrong = {"title": "{titel}", "visibility": "friends", "account_ids": [str(uuid4())]}
    refused = ann("PUT", "/api/accounts/defaults/sandbox", json=wrong)
    assert refused.status_code == 400
    assert [one["field"] for one in refused.json()["error"]["details"]] == ["title", "visibility", "account_ids[0]"]
    assert ann("PUT", "/api/accounts/defaults/nowhere", json={}).status_code == 404


def test_templates_leave_no_gaps_and_no_braces_of_others():
    words = {"title": "A {hook}", "hook": "", "hashtags": "#a"}
    assert filled("{hook}\n\n{title}\n\n\n\n{hashtags}\n", words) == "A {hook}\n\n#a"
    assert filled("{price}", words) == "{price}"


def test_an_editor_sees_accounts_and_connects_none(ann, client):
    editor = join(client, ann, "editor")
    assert editor("GET", "/api/accounts").status_code == 200
    assert editor("POST", "/api/accounts/sandbox").status_code == 403
    assert editor("POST", "/api/accounts/connect", json={"platform": "x"}).status_code == 403


def test_an_accounts_own_earlier_posts_are_listed_and_looked_for_as_often_as_wanted(ann, shared_database):
    account = ann("POST", "/api/accounts/sandbox").json()["id"]
    path = f"/api/accounts/{account}"
    assert ann("GET", f"{path}/import").json()["enabled"] is True
    off = ann("PUT", f"{path}/import", json={"enabled": False}).json()
    assert (off["enabled"], off["next_at"]) == (False, None)
    on = ann("PUT", f"{path}/import", json={"enabled": True, "every_seconds": 3600}).json()
    assert (on["enabled"], on["every_seconds"]) == (True, 3600)
    assert ann("PUT", f"{path}/import", json={"enabled": True, "every_seconds": 5}).status_code == 400
    with shared_database.pipeline(UUID(ann.workspace_id)) as session:
        for day in (1, 3, 2):
            at = datetime(2026, 10, day, tzinfo=UTC)
            session.add(ImportedPost(account_id=UUID(account), platform="sandbox", remote_id=str(day), published_at=at))
    first = ann("GET", f"{path}/imported-posts?limit=2").json()
    rest = ann("GET", f"{path}/imported-posts?limit=2&cursor={first['next_cursor']}").json()
    assert (first["total"], [one["remote_id"] for one in first["data"] + rest["data"]]) == (3, ["3", "2", "1"])


def test_a_platform_is_stopped_and_started_by_whoever_runs_the_installation(ann, client, ask):
    assert ann("POST", "/api/admin/platforms/x/stop", json={"reason": "Down."}).status_code == 403
    ask("UPDATE users SET is_admin = true WHERE id = %s", ann.user_id)
    stopped = ann("POST", "/api/admin/platforms/x/stop", json={"reason": "X is down."}).json()
    assert (stopped["stopped"], stopped["reason"]) == (True, "X is down.")
    told = {one["name"]: one for one in ann("GET", "/api/accounts/platforms").json()["data"]}
    assert told["x"]["stopped"] == "X is down."
    assert ann("POST", "/api/admin/platforms/nowhere/stop", json={"reason": "Why."}).status_code == 404
    assert ann("POST", "/api/admin/platforms/x/start").json()["stopped"] is False
    assert [one["stopped"] for one in ann("GET", "/api/admin/platforms").json()["data"]] == [False] * 6


def test_no_token_is_in_any_answer_any_log_or_any_error(ann, client, x_platform, capfd, caplog, ask):
    """What an account's sign-in is worth stays where it is sealed."""
    account = connected(ann)
    path = f"/api/accounts/{account['id']}"
    answers = [ann(method, where).text for method, where in (
        ("GET", path), ("GET", "/api/accounts"), ("POST", f"{path}/refresh"), ("GET", f"{path}/limits"),
    )]  # fmt: skip
    spent = come_back(connect(ann))
    answers += [client.get(spent).text, client.get(spent).text]
    for token in x_platform.tokens.values():
        token.revoked = True
    answers += [ann("POST", f"{path}/refresh").text, ann("POST", f"{path}/disconnect").text]
    answers += [str(ask("SELECT payload FROM events")), str(ask("SELECT facts FROM audit_log"))]
    answers += [str(ask("SELECT * FROM oauth_states")), *capfd.readouterr(), caplog.text]
    said = "\n".join(answers)
    secrets = {*x_platform.tokens, *x_platform.families, "hush", spent.split("code=")[1].split("&")[0]}
    secrets |= {spent.split("state=")[1].split("&")[0]}
    assert len(secrets) >= 6
    assert [secret for secret in secrets if secret in said] == []
