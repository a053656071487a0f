"""What reading costs the database: few statements, as few for a hundred rows as for one, and none that reads a whole table."""

import json
import re
import threading
from collections import defaultdict
from uuid import uuid4

import psycopg
import pytest
import structlog
from api_people import sign_up
from many_rows import fill, surround
from sqlalchemy import Engine, event

MOST = 6
"""Statements of a read: who asks, in which workspace, and the rows themselves."""
MORE = {
    "ListUploads": 10,  # the uploads, their number, their steps, clips and posts, and their places in line
    "GetUpload": 9,
    "GetUploadUsage": 9,
    "GetReport": 11,  # the same, its clips and their versions
    "GetReportPdf": 14,  # and the pictures in it
    "GetClip": 7,  # the clip, its upload, what two steps say of it, its comments' number and its versions
}
NOT_READ = {"FollowEvents", "GetMetrics", "GetHealth", "GetReadiness"}
"""A stream, and what looks at the whole installation."""
BIG = {
    "audit_log",
    "clip_comments",
    "clips",
    "events",
    "render_wishes",
    "renders",
    "upload_steps",
    "uploads",
    "webhook_attempts",
    "webhook_deliveries",
}
"""Tables that grow with every film."""
OTHERS = 60


class Ear:
    """Hears every statement of this process, and can ask how it is carried out."""

    def __init__(self):
        self.said, self.plans, self.explains = defaultdict(list), defaultdict(list), False
        self._mine = threading.local()
        event.listen(Engine, "after_cursor_execute", self._hear)

    def close(self):
        event.remove(Engine, "after_cursor_execute", self._hear)

    def _hear(self, connection, _cursor, statement, parameters, _context, _many):
        request = structlog.contextvars.get_contextvars().get("request_id")
        self.said[request].append(statement)
        if self.explains and re.match(r"\s*(SELECT|WITH)\b(?!\s+(set_config|app\.|pg_))", statement):
            with connection.connection.cursor() as asking:
                asking.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
                self.plans[request].append((statement, asking.fetchone()[0]))


@pytest.fixture(scope="module")
def ear():
    made = Ear()
    yield made
    made.close()


@pytest.fixture(scope="module")
def readings(client):
    """Operation and path of everything that reads a workspace."""
    found = {}
    for path, operations in client.app.state.document()["paths"].items():
        name = operations.get("get", {}).get("operationId")
        if name and name not in NOT_READ:
            found[name] = path
    assert len(found) > 25
    return found


@pytest.fixture(scope="module")
def poor(client, shared_url):
    return with_rows(client, shared_url, uploads=1, clips=1, each=1)


@pytest.fixture(scope="module")
def rich(client, shared_url):
    """A workspace with much in it, among others that have as much."""
    person = with_rows(client, shared_url, uploads=100, clips=10, each=100)
    with psycopg.connect(shared_url, autocommit=True) as connection:
        places = [uuid4() for _ in range(OTHERS)]
        for place in places:
            connection.execute("INSERT INTO workspaces (id, name) VALUES (%s, 'w')", [place])
        fill(connection, places, person[0].user_id, uploads=20, clips=10)
        for place in places[:5]:
            surround(connection, place, person[0].user_id, each=200)
        connection.execute("ANALYZE")
    return person


def with_rows(client, url, *, uploads, clips, each):
    """Somebody with so many rows of everything, and one id for every path parameter."""
    person = sign_up(client)
    place = person.workspace_id
    with psycopg.connect(url, autocommit=True) as connection:
        fill(connection, [place], person.user_id, uploads=uploads, clips=clips, comments=clips)
        surround(connection, place, person.user_id, each=each)
        row = connection.execute(
            "SELECT c.upload_id, c.id, w.id FROM clips c JOIN render_wishes w ON w.clip_id = c.id "
            "WHERE c.workspace_id = %s ORDER BY c.id LIMIT 1",
            [place],
        ).fetchone()
        hook = connection.execute(
            "SELECT endpoint_id, id FROM webhook_deliveries WHERE workspace_id = %s LIMIT 1", [place]
        ).fetchone()
        connection.execute(
            "INSERT INTO clip_comments (workspace_id, clip_id, body, author_id) "
            "SELECT %s, %s, '!', %s FROM generate_series(1, %s)",
            [place, row[1], person.user_id, each],
        )
    names = ("upload_id", "clip_id", "rerender_id", "webhook_id", "delivery_id")
    ids = dict(zip(names, map(str, (*row, *hook)), strict=True))
    return person, ids | {"workspace_id": place, "user_id": person.user_id}


def read(ear, who, path):
    """The answer's status and the statements that it took."""
    person, ids = who
    request = uuid4().hex
    names = set(re.findall(r"\{([^}]+)\}", path))
    if not names <= set(ids):
        pytest.skip(f"nothing is made here for {path}")
    reply = person("GET", path.format(**ids), params={"limit": 100}, headers={"X-Request-Id": request})
    return reply, ear.said[request], ear.plans[request]


def test_reading_takes_few_statements_and_no_more_for_many_rows(ear, readings, poor, rich):
    counted = {}
    for name, path in readings.items():
        if set(re.findall(r"\{([^}]+)\}", path)) <= set(poor[1]):
            replies, said = zip(*(read(ear, who, path)[:2] for who in (poor, rich)), strict=True)
            counted[name] = (*map(len, said), MORE.get(name, MOST), {reply.status_code for reply in replies})
    assert len(counted) >= 25
    assert min(count for count, *_ in counted.values()) >= 1, "statements are not heard any more"
    uneven = {name: found for name, found in counted.items() if found[0] != found[1]}
    assert uneven == {}, "more statements for many rows than for one"
    many = {name: found for name, found in counted.items() if found[1] > found[2]}
    assert many == {}, "more statements than a read may take; see MOST and MORE"


def test_no_read_goes_through_a_whole_table(ear, readings, rich, client):
    ear.explains = True
    whole = []
    try:
        for name, path in readings.items():
            if name.startswith("Admin") or not set(re.findall(r"\{([^}]+)\}", path)) <= set(rich[1]):
                continue
            for query in ({"limit": 20}, *FILTERS.get(name, ())):
                request = uuid4().hex
                asked = rich[0]("GET", path.format(**rich[1]), params=query, headers={"X-Request-Id": request})
                assert asked.status_code in {200, 404, 409}, (name, asked.text)
                for statement, plan in ear.plans[request]:
                    whole += [(name, table, statement) for table in sequential(plan) if table in BIG]
    finally:
        ear.explains = False
    assert whole == []
    assert sum(map(len, ear.plans.values())) > 40


FILTERS = {
    "ListClips": ({"state": "approved", "min_score": 60}, {"page": 3, "limit": 50}),
    "ListUploads": ({"title": "stream"}, {"failed": True}, {"created_after": "2026-01-01T00:00:00Z"}),
}


def sequential(plan):
    """Tables that the plan reads from end to end."""
    found, nodes = [], [one["Plan"] for one in (json.loads(plan) if isinstance(plan, str) else plan)]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if node["Node Type"] == "Seq Scan":
            found.append(node["Relation Name"])
    return found
