"""How posts do: rows as the measuring leaves them, read over HTTP."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from api_people import sign_up

from cliply_api.analytics.rules import Did, best_slots
from cliply_resources.database import AccountRow, PostMetrics, PostRow

NOW = datetime.now(UTC).replace(microsecond=0)


class Numbers:
    """A workspace with published posts."""

    def __init__(self, person, database):
        self.person, self.database, self.workspace = person, database, UUID(person.workspace_id)

    def account(self, platform="sandbox"):
        with self.database.pipeline(self.workspace) as session:
            row = AccountRow(platform=platform, remote_id=uuid4().hex, name=platform.title())
            session.add(row)
            session.flush()
            return row.id, platform

    def post(self, account, *, ago, **snapshots):
        """`h3={"views": 5}` is a measurement three hours after publishing."""
        published = NOW - ago
        media = {"object_key": "k", "video": {}, "content": {}, "tolerance_seconds": 60}
        with self.database.pipeline(self.workspace) as session:
            row = PostRow(
                account_id=account[0], platform=account[1], due_at=published, published_at=published,
                state="published", remote_id=uuid4().hex, **media,
            )  # fmt: skip
            session.add(row)
            session.flush()
            for name, counters in snapshots.items():
                at = published + timedelta(hours=int(name[1:]))
                session.add(PostMetrics(post_id=row.id, at=at, **counters))
            return row.id

    def get(self, path, **query):
        reply = self.person("GET", path, params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()


@pytest.fixture
def numbers(client, shared_database):
    return Numbers(sign_up(client, "num"), shared_database)


def test_a_posts_series_says_what_came_in_between_and_makes_nothing_up(numbers):
    post = numbers.post(
        numbers.account(), ago=timedelta(days=2), h1={"views": 10, "likes": 1}, h3={"views": 30}, h9={"views": 25}
    )
    told = numbers.get(f"/api/posts/{post}/metrics")
    assert [one["totals"]["views"] for one in told["points"]] == [10, 30, 25]
    assert [one["since_last"]["views"] for one in told["points"]] == [10, 20, -5]
    assert [one["since_last"]["likes"] for one in told["points"]] == [1, None, None]
    assert told["points"][0]["totals"]["shares"] is None
    since = (NOW - timedelta(days=2) + timedelta(hours=2)).isoformat()
    later = numbers.get(f"/api/posts/{post}/metrics", **{"from": since})
    assert [one["since_last"]["views"] for one in later["points"]] == [20, -5]
    assert told["next_at"] is not None


def test_totals_span_platforms_and_count_what_came_within_the_span(numbers):
    here, there = numbers.account(), numbers.account("x")
    numbers.post(here, ago=timedelta(days=40), h1={"views": 100}, h900={"views": 150})
    numbers.post(here, ago=timedelta(days=3), h1={"views": 7, "watch_seconds": 2.5})
    numbers.post(there, ago=timedelta(days=3), h2={"views": 1000, "likes": 4})
    numbers.post(there, ago=timedelta(days=2))
    told = numbers.get("/api/analytics/totals")
    assert (told["posts"], told["published"]) == (4, 3)
    assert (told["totals"]["views"], told["gained"]["views"]) == (1157, 1057)
    assert (told["totals"]["likes"], told["totals"]["shares"], told["totals"]["watch_seconds"]) == (4, None, 2.5)
    by_platform = {one["platform"]: one for one in told["accounts"]}
    assert (by_platform["sandbox"]["totals"]["views"], by_platform["sandbox"]["gained"]["views"]) == (157, 57)
    only = numbers.get("/api/analytics/totals", platform="x")
    assert (only["posts"], only["totals"]["views"]) == (2, 1000)
    assert numbers.get("/api/analytics/totals", account_id=str(here[0]))["posts"] == 2
    backwards = {"from": NOW.isoformat(), "to": (NOW - timedelta(days=1)).isoformat()}
    assert numbers.person("GET", "/api/analytics/totals", params=backwards).status_code == 400


def test_nothing_is_said_of_no_posts(numbers):
    told = numbers.get("/api/analytics/totals")
    assert (told["posts"], told["totals"]["views"], told["accounts"]) == (0, None, [])
    best = numbers.get("/api/analytics/best-times")
    assert (best["slots"], best["best"]) == ([], [])
    assert "too few" in best["note"]


def test_best_times_are_those_of_the_first_week_in_the_workspaces_zone(numbers):
    place = f"/api/workspaces/{numbers.workspace}"
    assert numbers.person("PATCH", place, json={"time_zone": "Asia/Tokyo"}).status_code == 200
    account = numbers.account()
    numbers.post(account, ago=timedelta(days=30), h20={"views": 50}, h400={"views": 9000})
    numbers.post(account, ago=timedelta(hours=3), h1={"views": 77})
    told = numbers.get("/api/analytics/best-times")
    assert (told["time_zone"], told["posts"]) == ("Asia/Tokyo", 1)
    local = (NOW - timedelta(days=30)).astimezone(ZoneInfo("Asia/Tokyo"))
    [slot] = told["slots"]
    assert (slot["weekday"], slot["hour"], slot["mean_views"]) == (local.weekday(), local.hour, 50.0)


def test_one_lucky_post_and_a_large_account_make_no_best_hour():
    small, large = uuid4(), uuid4()
    monday = datetime(2026, 11, 16, 9, tzinfo=UTC)

    def did(account, hours, views):
        return Did(account_id=account, published_at=monday + timedelta(hours=hours), views=views)

    posts = [did(small, 0, 200), did(small, 168, 200), did(small, 1, 100), did(small, 2, 100), did(small, 3, 5000)]
    posts += [did(large, 4, 90_000), did(large, 5, 90_000), did(large, 172, 90_000)]
    slots, best = best_slots(posts, ZoneInfo("UTC"))
    assert [(one.weekday, one.hour) for one in slots] == [(0, 9), (0, 10), (0, 11), (0, 12), (0, 13), (0, 14)]
    assert best == []
    posts += [did(small, 9, 100), did(small, 10, 100), did(small, 336, 250)]
    [top] = best_slots(posts, ZoneInfo("UTC"))[1]
    assert (top.hour, top.posts) == (9, 3)
