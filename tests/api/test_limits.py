"""Limits hold over all processes, count whatever comes of a request, and say when there is room again."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from api_people import PASSWORD, join, sign_up

from cliply_api.auth.guards import network_of, take
from cliply_api.web.outermost import caller_address
from cliply_resources.addresses import networks


@pytest.fixture(autouse=True)
def full_buckets(ask):
    """All applications of a module share one database, and all its clients one address."""
    ask("DELETE FROM rate_limits")


def code(reply):
    return reply.json()["error"]["code"]


def test_a_bucket_gives_what_it_holds_and_refills_evenly(shared_database, ask):
    given = [take(shared_database, "bucket", 3, 60) for _ in range(4)]
    assert given[:3] == [0, 0, 0]
    assert 15 < given[3] <= 20
    ask("UPDATE rate_limits SET refilled_at = refilled_at - interval '20 s' WHERE bucket = 'bucket'")
    assert take(shared_database, "bucket", 3, 60) == 0
    assert take(shared_database, "bucket", 3, 60) > 0


def test_a_bucket_never_gives_more_than_it_holds_to_any_number_at_once(shared_database):
    with ThreadPoolExecutor(12) as pool:
        given = list(pool.map(lambda _: take(shared_database, "crowd", 10, 3600), range(60)))
    assert given.count(0) == 10


def test_the_sixth_attempt_to_sign_in_within_a_minute_is_refused_by_any_process(start, client, ask):
    ada = sign_up(client)
    ask("DELETE FROM rate_limits")
    both = start(login_per_minute=5), start(login_per_minute=5)
    attempts = [
        both[n % 2].post("/api/auth/login", json={"email": ada.email, "password": "wrong password"}) for n in range(6)
    ]
    assert [reply.status_code for reply in attempts] == [401] * 5 + [429]
    right = both[0].post("/api/auth/login", json={"email": ada.email, "password": PASSWORD})
    assert (right.status_code, code(right)) == (429, "RATE_LIMITED")
    assert 1 <= int(right.headers["Retry-After"]) <= 12


def test_three_accounts_an_hour_from_one_address(start, ask):
    ask("DELETE FROM rate_limits")
    one = start(register_per_hour=3)
    for _ in range(3):
        sign_up(one)
    refused = one.post("/api/auth/register", json={"email": "fourth@example.com", "password": PASSWORD})
    assert refused.status_code == 429
    assert 1100 < int(refused.headers["Retry-After"]) <= 1200
    assert ask("SELECT 1 FROM users WHERE email = 'fourth@example.com'") == []


def test_limits_of_different_things_are_apart(start, ask):
    ask("DELETE FROM rate_limits")
    one = start(login_per_minute=1, register_per_hour=1)
    person = sign_up(one)
    assert one.post("/api/auth/login", json={"email": person.email, "password": PASSWORD}).status_code == 200


def test_a_user_has_so_many_requests_a_minute_over_all_processes(start, client):
    ada = sign_up(client)
    both = start(user_requests_per_minute=7), start(user_requests_per_minute=7)
    headers = {"Authorization": f"Bearer {ada.access_token}"}
    replies = [both[n % 2].get("/api/me", headers=headers) for n in range(8)]
    assert [reply.status_code for reply in replies] == [200] * 7 + [429]
    assert int(replies[-1].headers["Retry-After"]) <= 9


def test_a_workspace_has_a_budget_that_its_members_share(start, client, ask):
    owner = sign_up(client)
    guest = join(client, owner, "editor")
    ask("UPDATE workspaces SET requests_per_minute = 4 WHERE id = %s", owner.workspace_id)
    ask("DELETE FROM rate_limits")
    path = f"/api/workspaces/{owner.workspace_id}"
    replies = [person("GET", path) for person in (owner, guest, owner, guest, owner)]
    assert [reply.status_code for reply in replies] == [200] * 4 + [429]
    assert guest("GET", "/api/workspaces").status_code in {200, 429}


def test_one_mailbox_is_not_flooded(start, client, ask):
    ada = sign_up(client)
    ask("DELETE FROM rate_limits")
    one = start(mails_per_hour=2)
    for _ in range(2):
        assert one.post("/api/auth/password/forgot", json={"email": ada.email}).status_code == 202
    assert one.post("/api/auth/password/forgot", json={"email": ada.email}).status_code == 429


def test_the_log_of_limits_names_no_mail_address(ask):
    assert [row for row in ask("SELECT bucket FROM rate_limits") if "@" in row[0]] == []


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # not our proxy: whatever it says
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),  # the caller's own lie stands to the left
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_only_our_own_proxies_are_believed_about_addresses(peer, forwarded, expected):
    assert caller_address((peer, 1), forwarded.encode(), networks(["10.0.0.0/8"])) == expected


def test_an_ipv6_caller_is_counted_by_network():
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1")
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("198.51.100.1") == "198.51.100.1"
