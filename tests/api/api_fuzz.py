"""Requests that nobody wrote: schemathesis makes them from the OpenAPI document, and four people send them to a running server.

The people are an owner, a viewer, the system's admin and nobody. What a request names exists more often than not, because a made-up
id never gets past 404. What would end the asker's own sign-in or membership is asked by somebody who is used up by it.
"""

import itertools
import json
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import psycopg
import schemathesis
from api_people import PASSWORD
from many_rows import fill, surround
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER

from cliply_resources.documents import Segment, Transcript, Word
from cliply_resources.storage import Storage
from cliply_resources.storage.keys import analysis_key

PEOPLE = ("owner", "viewer", "admin", "nobody")
ENDLESS = "FollowEvents"
"""A stream of fifteen minutes; the tests of events read it."""
USES_UP = {
    "AcceptInvitation",
    "ChangeMe",
    "ChangePassword",
    "EndSession",
    "LeaveWorkspace",
    "Logout",
    "LogoutEverywhere",
    "RenewBrowserSession",
    "TransferWorkspace",
}
EXISTS = 0.85
"""How often what is named exists."""
PHASES = ("coverage", "fuzzing", "stateful")
"""Boundary values, values by chance, and requests that go on with what earlier answers named."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "allow_header_conformance",
)
"""Not `positive_data_acceptance`: what one field allows may contradict another, and no schema says so."""

LONG_TEXT = 500
"""Characters; patterns of what may be longer are left to the tests of bad input."""


@dataclass
class World:
    """Who asks, and what there is to ask for."""

    url: str
    connection: psycopg.Connection
    place: str
    headers: dict[str, dict[str, str]]
    ids: dict[str, list[str]]


@dataclass
class Found:
    """What came of the requests."""

    requests: int = 0
    statuses: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """By operation, person and status."""
    failures: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """One example for each operation, check and title."""

    def never_answered(self, wanted: range = range(200, 300)) -> list[str]:
        """Operations that nobody ever got such an answer from."""
        tried = {operation for operation, _, _ in self.statuses}
        return sorted(tried - {operation for operation, _, status in self.statuses if status in wanted})

    def document(self) -> dict[str, Any]:
        """For people and programs."""
        by_status = Counter[int]()
        by_person = Counter[str]()
        for (_, person, status), count in self.statuses.items():
            by_status[status] += count
            by_person[person] += count
        return {
            "requests": self.requests,
            "operations": len({operation for operation, _, _ in self.statuses}),
            "by_status": {str(status): by_status[status] for status in sorted(by_status)},
            "by_person": dict(by_person),
            "never_succeeded": self.never_answered(),
            "failures": [
                {"operation": operation, "check": check, "title": title, "example": example}
                for (operation, check, title), example in sorted(self.failures.items())
            ],
        }


def make_world(url: str, connection: psycopg.Connection, storage: Storage) -> World:
    """Signs people up over HTTP, and fills the owner's workspace."""
    owner, viewer, admin = (_sign_up(url, name) for name in PEOPLE[:3])
    place = owner["workspace_id"]
    connection.execute("UPDATE users SET is_admin = true WHERE id = %s", [admin["user"]["id"]])
    _join(connection, place, viewer["user"]["id"], "viewer")
    _join(connection, place, admin["user"]["id"], "editor")
    fill(connection, [place], owner["user"]["id"], uploads=60, clips=4, comments=4)
    _store(connection, storage, place)
    surround(connection, place, owner["user"]["id"], each=60)
    people = {"owner": owner, "viewer": viewer, "admin": admin}
    headers = {name: _signed(found["access_token"]) for name, found in people.items()} | {"nobody": {}}
    world = World(url, connection, place, headers, {})
    world.ids = _ids(connection, place)
    return world


def _sign_up(url: str, name: str) -> dict[str, Any]:
    account = {"email": f"{name}-{uuid4().hex[:12]}@example.com", "password": PASSWORD, "name": name}
    reply = httpx.post(f"{url}/api/auth/register", json=account, timeout=30)
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json()
    return found


def _signed(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _join(connection: psycopg.Connection, place: str, user: str, role: str) -> None:
    connection.execute("INSERT INTO members (workspace_id, user_id, role) VALUES (%s, %s, %s)", [place, user, role])


def _store(connection: psycopg.Connection, storage: Storage, place: str) -> None:
    """Every upload has its transcript and signals in the storage."""
    import io

    import polars

    words = (Word(text="Hello", start=0.5, end=0.9), Word(text="there.", start=1.0, end=1.4))
    said = Transcript(
        engine="faster-whisper",
        engine_detail="tiny",
        language="en",
        quality="normal",
        word_times="measured",
        note="",
        segments=(Segment(start=0.5, end=1.4, text="Hello there.", words=words),),
    )
    table = io.BytesIO()
    polars.DataFrame({"time": [0.0, 0.5], "energy": [0.25, None]}).write_parquet(table)
    subtitle = b"1\n00:00:00,500 --> 00:00:01,400\nHello there.\n"
    files = {
        "transcript": {
            "transcript.json": msgspec.json.encode(said),
            "transcript.srt": subtitle,
            "transcript.vtt": b"WEBVTT\n\n" + subtitle,
        },
        "clip_candidates": {"signals.parquet": table.getvalue()},
    }
    uploads = connection.execute("SELECT id FROM uploads WHERE workspace_id = %s ORDER BY id", [place]).fetchall()
    connection.execute(
        "UPDATE upload_steps SET summary = summary || '{\"duration_seconds\": 900.0}' WHERE workspace_id = %s AND step = 'source_video'",
        [place],
    )
    for (upload,) in uploads:
        for step, documents in files.items():
            objects = {}
            for name, data in documents.items():
                key = analysis_key(place, upload, name)
                storage.put_bytes(key, data)
                objects[name] = {"key": key, "size": len(data), "sha256": "a" * 64}
            connection.execute(
                "UPDATE upload_steps SET output = %s WHERE workspace_id = %s AND upload_id = %s AND step = %s",
                [msgspec.json.encode({"objects": objects}).decode(), place, upload, step],
            )


_IDS = {
    "upload_id": "SELECT id FROM uploads WHERE workspace_id = %s ORDER BY id",
    "clip_id": "SELECT id FROM clips WHERE workspace_id = %s ORDER BY id",
    "comment_id": "SELECT id, clip_id FROM clip_comments WHERE workspace_id = %s ORDER BY id",
    "rerender_id": "SELECT id, clip_id FROM render_wishes WHERE workspace_id = %s ORDER BY id",
    "webhook_id": "SELECT id FROM webhook_endpoints WHERE workspace_id = %s ORDER BY id",
    "delivery_id": "SELECT id, endpoint_id FROM webhook_deliveries WHERE workspace_id = %s ORDER BY id",
    "invitation_id": "SELECT id FROM invitations WHERE workspace_id = %s ORDER BY id",
    "token_id": "SELECT id FROM api_tokens WHERE workspace_id = %s ORDER BY id",
    "user_id": "SELECT u.id FROM users u JOIN members m ON m.user_id = u.id WHERE workspace_id = %s AND password_hash = '' ORDER BY 1",
    "place_id": "SELECT id FROM workspaces WHERE id <> %s AND name LIKE 'Other %%' ORDER BY id",
}
_PARENT = {"comment_id": "clip_id", "rerender_id": "clip_id", "delivery_id": "webhook_id"}


def _ids(connection: psycopg.Connection, place: str) -> dict[str, list[str]]:
    found = {name: connection.execute(query, [place]).fetchall() for name, query in _IDS.items()}
    ids = {name: [":".join(map(str, reversed(row))) for row in rows] for name, rows in found.items()}
    return ids | {"workspace_id": [place], "clip_ids": ids["clip_id"]}


class _Asker:
    """Hooks that fill in what exists, sign the requests, and note the answers."""

    def __init__(self, world: World, person: str, found: Found, rng: random.Random) -> None:
        self.world, self.person, self.found, self.rng = world, person, found, rng
        self.asked = 0

    def before_call(self, _context: Any, case: Any, _options: dict[str, Any]) -> None:
        for name in case.path_parameters or {}:
            if name in self.world.ids and self.rng.random() < EXISTS:
                *parent, case.path_parameters[name] = self.rng.choice(self.world.ids[name]).split(":")
                if parent:
                    case.path_parameters[_PARENT[name]] = parent[0]
        if isinstance(case.body, dict):
            self._fill_in_body(case.body)
        if case.query and "upload_id" in case.query and self.rng.random() < EXISTS / 2:
            case.query["upload_id"] = self.rng.choice(self.world.ids["upload_id"])
        for name in [name for name in case.headers or {} if name.lower() == "x-workspace-id"]:
            if self.rng.random() < EXISTS:
                case.headers[name] = self.world.place
        signed = self.world.headers[self.person]
        if signed and _name_of(case) in USES_UP:
            signed = self._decoy()
        case.headers.update(signed)

    def _fill_in_body(self, body: dict[str, Any]) -> None:
        for name, value in body.items():
            if self.rng.random() > EXISTS:
                continue
            if name == "clip_ids" and isinstance(value, list):
                body[name] = self.rng.sample(self.world.ids["clip_id"], max(1, min(3, len(value))))
            elif name in self.world.ids and isinstance(value, str):
                body[name] = self.rng.choice(self.world.ids[name]).split(":")[-1]

    def after_call(self, _context: Any, case: Any, response: Any) -> None:
        self.asked += 1
        self.found.requests += 1
        self.found.statuses[_name_of(case), self.person, response.status_code] += 1

    def filter_failure(self, _context: Any, failure: Any, case: Any, response: Any) -> bool:
        """Readiness is red here, and says so, since nothing works on uploads."""
        return not (
            _name_of(case) == "GetReadiness" and response.status_code == 503 and "Server" in type(failure).__name__
        )

    def _decoy(self) -> dict[str, str]:
        """Somebody new with the same rights, who may lose them."""
        made = _sign_up(self.world.url, "decoy")
        user, place = made["user"]["id"], self.world.place
        if self.person == "owner":
            place = made["workspace_id"]
            _join(self.world.connection, place, self.rng.choice(self.world.ids["user_id"]), "editor")
        else:
            _join(self.world.connection, place, user, "viewer" if self.person == "viewer" else "editor")
        return _signed(made["access_token"])


def _name_of(case: Any) -> str:
    return str(case.operation.definition.raw["operationId"])


def fuzz(
    world: World,
    document: dict[str, Any],
    *,
    requests: int,
    seed: int,
    people: tuple[str, ...] = PEOPLE,
    phases: tuple[str, ...] = PHASES,
) -> Found:
    """Sends at least `requests` requests of `people` in turn; the same seed makes the same requests.

    Raises:
        AssertionError: one of them is not signed in any more, so what was sent since says nothing.
    """
    found = Found()
    for turn, person in enumerate(people):
        share = (requests - found.requests) // (len(people) - turn)
        asker = _Asker(world, person, found, random.Random(seed + turn))
        for turns in itertools.count():
            # Everybody asks for everything once, however small the share is.
            if turns > 0 and asker.asked >= share:
                break
            # The boundary values are always the same, so they are sent once.
            now = phases if turns == 0 else ("fuzzing",)
            _send(world, document, asker, share - asker.asked, seed + 1000 * turn + turns, now)
        if signed := world.headers[person]:
            assert httpx.get(f"{world.url}/api/me", headers=signed).status_code == 200, person
    return found


def _send(
    world: World, document: dict[str, Any], asker: _Asker, at_most: int, seed: int, phases: tuple[str, ...]
) -> None:
    schema = schemathesis.openapi.from_dict(_quickly_made(document), config=SchemathesisConfig(seed=seed)).exclude(
        operation_id=ENDLESS
    )
    project = schema.config
    project.update(base_url=world.url, request_timeout=60, continue_on_failure=True, workers=1)
    project.phases.update(phases=list(phases))
    operations = schema.statistic.operations.selected
    project.generation.update(
        max_examples=max(1, at_most // (len(phases) * operations)),
        no_shrink=True,
        with_security_parameters=False,
        database="none",
    )
    project.checks.update(included_check_names=list(CHECKS))
    hooks = {name: getattr(asker, name) for name in ("before_call", "after_call", "filter_failure")}
    try:
        for name, hook in hooks.items():
            GLOBAL_HOOK_DISPATCHER.register_hook_with_name(hook, name)
        for event in from_schema(schema).execute():
            _note(asker.found, event)
    finally:
        for hook in hooks.values():
            GLOBAL_HOOK_DISPATCHER.unregister(hook)


def _quickly_made(schema: Any) -> Any:
    """The document without the patterns of long texts: drawing 5,000 characters by a pattern takes minutes, and holds up the rest."""
    if isinstance(schema, list):
        return [_quickly_made(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    most = schema.get("maxLength")
    left_out = {"pattern"} if isinstance(most, int) and most > LONG_TEXT else set()
    return {name: _quickly_made(value) for name, value in schema.items() if name not in left_out}


def _note(found: Found, event: Any) -> None:
    recorder = getattr(event, "recorder", None)
    if recorder is not None:
        for nodes in recorder.checks.values():
            for node in nodes:
                if node.failure_info is not None:
                    failure = node.failure_info.failure
                    key = (str(failure.operation), node.name, str(failure.title))
                    _keep(found, key, f"{failure.message}\n{node.failure_info.code_sample}")
    error = getattr(event, "value", None) or getattr(event, "exception", None)
    if isinstance(error, Exception):
        _keep(found, (str(getattr(event, "label", "")), "engine", type(error).__name__), str(error))


def _keep(found: Found, key: tuple[str, str, str], sample: str) -> None:
    """One of each kind; told at once as well, so that a run which is cut off has not looked for nothing."""
    if key not in found.failures:
        found.failures[key] = sample[:2000]
        print(
            json.dumps({"requests": found.requests, "finding": key, "sample": sample[:2000]}),
            file=sys.stderr,
            flush=True,
        )
