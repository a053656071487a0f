"""Backfills: what is chosen, that a real daemon carries them out within their share, and how they are stopped and gone on with."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import dagster as dg
import msgspec
import psycopg
import pytest
from cliply_command import LIMIT_SECONDS, Cliply, until
from dagster._core.execution.backfill import BulkActionStatus

from cliply_assets.cli.backfill import _moment
from cliply_assets.definitions import defs
from cliply_assets.housekeeping.backfills import (
    cancel_backfill,
    chosen_assets,
    list_backfills,
    resume_backfill,
    start_backfill,
    view_backfill,
)
from cliply_assets.steps.records import FinishedStep
from cliply_assets.steps.work import StoredObject
from cliply_resources.documents import MediaProxy, UploadSettings
from cliply_resources.errors import CallerError, Conflict, NotFound
from cliply_resources.storage import LocalStorage, analysis_key
from cliply_resources.uploads import settings_digest

LOCAL = UUID("00000000-0000-7000-8000-000000000001")
GRAPH = defs.resolve_asset_graph()


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ("clip_candidates+", ["clip_candidates", "renders"]),
        ("clip_candidates", ["clip_candidates"]),
        ("scenes+", ["scenes", "face_tracks", "clip_candidates", "renders"]),
        ('key:"renders" or frame_index', ["renders", "frame_index"]),
    ],
)
def test_a_plus_means_everything_that_is_made_from_it(selection: str, chosen: list[str]) -> None:
    assert chosen_assets(GRAPH, selection) == chosen


@pytest.mark.parametrize("selection", ["nonsense", "a b(", "storage_tally", ""])
def test_what_names_no_asset_of_an_upload_is_refused_with_the_choice(selection: str) -> None:
    with pytest.raises(CallerError, match="choose from source_video"):
        chosen_assets(GRAPH, selection)


def test_a_day_begins_at_midnight_of_utc_and_nonsense_is_refused() -> None:
    assert _moment("2026-11-01") == datetime(2026, 11, 1, tzinfo=UTC)
    assert _moment("2026-11-01T12:00:00+02:00") == datetime(2026, 11, 1, 10, tzinfo=UTC)
    with pytest.raises(CallerError, match="2026-11-01"):
        _moment("yesterday")


def test_a_stopped_backfill_goes_on_with_what_is_left(tmp_path: Path) -> None:
    done, left = str(uuid4()), str(uuid4())
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        first = start_backfill(instance, GRAPH, ["scenes", "face_tracks"], [done, left], title="t")
        tags = {"dagster/backfill": first, "dagster/partition": done}
        instance.add_run(dg.DagsterRun("j", tags=tags, status=dg.DagsterRunStatus.SUCCESS))
        with pytest.raises(Conflict, match="cancel it first"):
            resume_backfill(instance, GRAPH, first)
        cancel_backfill(instance, first)
        found = instance.get_backfill(first)
        assert found is not None
        assert found.status == BulkActionStatus.CANCELING
        instance.update_backfill(found.with_status(BulkActionStatus.CANCELED))
        with pytest.raises(Conflict, match="has ended"):
            cancel_backfill(instance, first)
        second = resume_backfill(instance, GRAPH, first)
        view = view_backfill(instance, GRAPH, second)
        assert (view.assets, view.uploads, view.percent) == (("scenes", "face_tracks"), 1, 0.0)
        assert [each.id for each in list_backfills(instance, GRAPH)] == [second, first]
        assert view_backfill(instance, GRAPH, first).done == 1
        with pytest.raises(NotFound, match="cliply backfill status"):
            view_backfill(instance, GRAPH, "none")


def decoded_upload(cliply: Cliply, storage: LocalStorage) -> UUID:
    """An upload whose film, without sound, has been decoded."""
    upload = uuid4()
    proxy = MediaProxy(
        duration=2.0,
        has_audio=False,
        frames_width=16,
        frames_height=16,
        frames_rate=2.0,
        frames_count=4,
        motion_width=64,
        motion_height=36,
        source_frames=60,
    )
    key = analysis_key(LOCAL, upload, "proxy.json")
    stored = storage.put_bytes(key, msgspec.json.encode(proxy))
    output = FinishedStep(objects={"proxy.json": StoredObject(key=key, size=stored.size, sha256=stored.sha256)})
    with psycopg.connect(cliply.url, autocommit=True) as connection:
        connection.execute("SELECT app.ensure_local_workspace()")
        connection.execute(
            "INSERT INTO uploads (workspace_id, id, source_kind, source_uri, settings, settings_digest, started_attempt) "
            "VALUES (%s, %s, 'file', '/none.mp4', %s, %s, 1)",
            [LOCAL, upload, msgspec.json.encode(UploadSettings()).decode(), settings_digest(UploadSettings())],
        )
        for step in ("source_video", "media_proxy"):
            written = output if step == "media_proxy" else FinishedStep(objects={})
            connection.execute(
                "INSERT INTO upload_steps (workspace_id, upload_id, step, state, output, started_at, ended_at) "
                "VALUES (%s, %s, %s, 'completed', %s, now(), now())",
                [LOCAL, upload, step, msgspec.json.encode(written).decode()],
            )
    return upload


@pytest.mark.slow
def test_a_real_daemon_makes_two_uploads_again_one_after_the_other(cliply: Cliply) -> None:
    storage = LocalStorage(cliply.home / "storage")
    uploads = {decoded_upload(cliply, storage), decoded_upload(cliply, storage)}
    since = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    wanted = ("backfill", "--since", since, "--assets", "audio_features", "--json")
    dry = cliply.run(*wanted, "--dry-run").document
    assert dry["backfill"] is None
    assert set(dry["uploads"]) == set(map(str, uploads))
    started = cliply.run(*wanted).document["backfill"]

    home = cliply.home / "dagster"
    with (cliply.folder / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-w", str(home / "workspace.yaml")],
            env={**cliply.environment(), "DAGSTER_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        made = "SELECT count(*) FROM upload_steps WHERE step = 'audio_features' AND state = 'completed'"
        until(lambda: cliply.rows(made) == [(2,)] or daemon.poll() is not None, LIMIT_SECONDS)
        status = "SELECT count(*) FROM upload_steps WHERE step NOT IN ('source_video', 'media_proxy', 'audio_features')"
        assert cliply.rows(status) == [(0,)], "nothing else is made"

        with cliply.dagster() as instance:
            until(lambda: view_backfill(instance, GRAPH, started).done == 2)
            runs = instance.get_run_records(dg.RunsFilter(tags={"dagster/backfill": started}), ascending=True)
        assert {run.dagster_run.tags["dagster/partition"] for run in runs} == set(map(str, uploads))
        assert {run.dagster_run.tags["dagster/priority"] for run in runs} == {"-10"}
        times = sorted((run.start_time, run.end_time) for run in runs)
        assert times[0][1] <= times[1][0], "a backfill has one run's share of the machine"
        (shown,) = json.loads(cliply.run("backfill", "status", started, "--json").out)
        assert (shown["uploads"], shown["done"], shown["failed"]) == (2, 2, 0)
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        try:
            daemon.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
