"""Applications that listen on a real port, rows as the pipeline writes them, and readers of event streams."""

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from uuid import UUID

import httpx
import psycopg
import uvicorn
from sqlalchemy import update

from cliply_api.app import create_app
from cliply_resources.database import Database, Upload, UploadStep

PATIENCE = 10.0
"""Seconds after which a test gives up; none waits so long when all is well."""


@contextmanager
def serving(settings):
    """The address of an application in a thread of its own, and the application."""
    app = create_app(settings)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", ws="websockets-sansio", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        until(lambda: server.started and app.state.hub.listening)
        yield f"127.0.0.1:{listener.getsockname()[1]}", app
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()


def until(true, seconds=PATIENCE):
    """What `true()` says as soon as it says something."""
    deadline = time.monotonic() + seconds
    while True:
        if found := true():
            return found
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def new_upload(database: Database, workspace_id) -> UUID:
    """An upload of the workspace, by the pipeline."""
    with database.pipeline(UUID(str(workspace_id))) as session:
        made = Upload(source_kind="file", source_uri="/a.mp4", settings_digest="d")
        session.add(made)
        session.flush()
        return made.id


def start_step(database: Database, workspace_id, upload_id, step="scenes"):
    """The pipeline begins a step."""
    with database.pipeline(UUID(str(workspace_id))) as session:
        session.add(UploadStep(upload_id=upload_id, step=step, state="running"))


def move_step(database: Database, workspace_id, upload_id, percent, step="scenes"):
    """The pipeline's step has come so far."""
    with database.pipeline(UUID(str(workspace_id))) as session:
        session.execute(update(UploadStep).where(UploadStep.upload_id == upload_id).values(percent=percent))


class Stream:
    """A reader of `/api/events`; everything that came is in `items` as (name, id, data, moment)."""

    def __init__(self, address, person, *, last=None, workspace_id=None):
        headers = {
            "Authorization": f"Bearer {person.access_token}",
            "X-Workspace-Id": workspace_id or person.workspace_id,
        }
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        self.items, self.pings, self.ended = [], 0, False
        self._client = httpx.Client(timeout=httpx.Timeout(PATIENCE, read=60))
        self._response = self._client.send(
            self._client.build_request("GET", f"http://{address}/api/events", headers=headers), stream=True
        )
        self.status, self.headers = self._response.status_code, self._response.headers
        if self.status == 200:
            threading.Thread(target=self._read, daemon=True).start()
            until(lambda: self.items)

    def _read(self):
        name, number, data = "message", None, None
        try:
            for line in self._response.iter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "id":
                    number = int(value)
                elif field == "data":
                    data = json.loads(value)
                elif line.startswith(":"):
                    self.pings += 1
                elif not line and data is not None:
                    self.items.append((name, number, data, time.monotonic()))
                    name, number, data = "message", None, None
        except (httpx.HTTPError, httpx.StreamError):
            pass
        self.ended = True

    def events(self):
        return [data for name, _, data, _ in self.items if name == "message"]

    def seqs(self):
        return [event["seq"] for event in self.events()]

    def close(self):
        """Hangs up; closing alone would wait for the thread that reads."""
        if not self._response.is_closed:
            with suppress(OSError):
                self._response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._response.close()
        self._client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def drop_listeners(url):
    """Cuts every connection that listens, as a restart of a pooler would."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        ).fetchone()[0]
