"""What goes by itself, what stays, and what is said of steps that nobody works on: on real rows and stored objects."""

import json
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import dagster as dg
import msgspec
import pytest
import sqlalchemy as sa

from cliply_assets.housekeeping.across import uploads_to_backfill, uploads_to_expire
from cliply_assets.housekeeping.orphans import SETTLED, clean_up, find_orphans
from cliply_assets.housekeeping.partitions import partitions_to_retire, retire_partitions
from cliply_assets.housekeeping.retention import expire_upload, sweep_deliveries, sweep_events, sweep_uploads
from cliply_assets.housekeeping.tally import add_up, tally_storage
from cliply_assets.housekeeping.tools import examine_tools, version_date
from cliply_assets.housekeeping.watchdog import RunFacts, end_stuck_steps, is_stuck, run_facts
from cliply_assets.steps.records import FinishedStep
from cliply_assets.steps.work import StoredObject
from cliply_resources.database import (
    Clip,
    Database,
    Event,
    Render,
    StorageTally,
    Upload,
    UploadStep,
    WebhookDelivery,
    WebhookEndpoint,
)
from cliply_resources.settings import Settings
from cliply_resources.storage import ListedObject, Storage, analysis_key, clip_key, open_storage, source_key
from cliply_resources.uploads import uploads_to_start

NOW = datetime.now(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


def put(storage: Storage, key: str, data: bytes = b"data") -> StoredObject:
    stored = storage.put_bytes(key, data)
    return StoredObject(key=key, size=stored.size, sha256=stored.sha256)


def finished_upload(
    database: Database, storage: Storage, *, ended: datetime, clip: bool = True, state: str = "completed"
) -> UUID:
    """An upload with a source, three steps and perhaps a clip, whose work ended then."""
    workspace = database.local_workspace()
    with database.pipeline(workspace) as session:
        row = Upload(source_kind="stored", source_uri="", settings_digest="d", created_at=ended - HOUR)
        session.add(row)
        session.flush()
        row.source_uri = put(storage, source_key(workspace, row.id, ".mp4"), b"a film").key
        for step, name in (("media_proxy", "sound.wav"), ("transcript", "transcript.json"), ("renders", "cut.json")):
            stored = put(storage, analysis_key(workspace, row.id, name))
            output = msgspec.to_builtins(FinishedStep(objects={name: stored}))
            times = {"started_at": ended - HOUR, "ended_at": ended}
            session.add(UploadStep(upload_id=row.id, step=step, state=state, output=output, **times))
        if clip:
            made = Clip(upload_id=row.id, rank=1, start_s=0.0, end_s=9.0, score=80.0)
            session.add(made)
            session.flush()
            key = put(storage, clip_key(workspace, made.id, 1, "clip.mp4")).key
            facts = {"state": "ready", "sha256": "a" * 64, "spec_digest": str(made.id), "objects": {"video": key}}
            session.add(Render(clip_id=made.id, aspect="9:16", style="none", **facts))
        return row.id


def keys(database: Database, storage: Storage) -> list[str]:
    return [key.split("/", 1)[1].replace("/v1", "") for key in storage.list_prefix(str(database.local_workspace()))]


def names(database: Database, storage: Storage) -> list[str]:
    return sorted(key.rpartition("/")[2] for key in keys(database, storage))


def upload_row(database: Database, upload: UUID) -> Upload:
    with database.pipeline(database.local_workspace()) as session:
        return session.get_one(Upload, (database.local_workspace(), upload))


def test_a_week_after_the_work_ended_the_film_goes_and_what_people_read_stays(
    database: Database, storage: Storage, settings: Settings
) -> None:
    old = finished_upload(database, storage, ended=NOW - 8 * DAY)
    before = names(database, storage)
    dry = sweep_uploads(database, storage, settings, now=NOW, most=10, dry_run=True)
    assert names(database, storage) == before
    swept = sweep_uploads(database, storage, settings, now=NOW, most=10)
    assert (swept.expired, swept.objects, swept.bytes) == (dry.expired, dry.objects, dry.bytes) == ((old,), 3, 14)
    assert names(database, storage) == ["clip.mp4", "transcript.json"]
    assert sweep_uploads(database, storage, settings, now=NOW, most=10).expired == ()


@pytest.mark.parametrize("state", ["running", "paused", "young", "waiting"])
def test_what_is_worked_on_or_waits_is_not_expired(database: Database, storage: Storage, state: str) -> None:
    ended = NOW - (HOUR if state == "young" else 8 * DAY)
    upload = finished_upload(database, storage, ended=ended, state="running" if state == "running" else "completed")
    with database.pipeline(database.local_workspace()) as session:
        if state == "paused":
            session.execute(sa.update(Upload).values(paused_at=NOW - 8 * DAY))
        if state == "waiting":
            session.execute(sa.delete(UploadStep))
    assert uploads_to_expire(database, ended_before=NOW - 7 * DAY, most=10) == []
    if state in {"running", "young"}:
        ids = (database.local_workspace(), upload)
        assert expire_upload(database, storage, *ids, ended_before=NOW - 7 * DAY) is None


def test_work_on_an_expired_upload_lets_it_expire_again(
    database: Database, storage: Storage, settings: Settings
) -> None:
    upload = finished_upload(database, storage, ended=NOW - 8 * DAY)
    sweep_uploads(database, storage, settings, now=NOW, most=10)
    assert upload_row(database, upload).expired_at is not None
    with database.pipeline(database.local_workspace()) as session:
        session.execute(sa.update(UploadStep).where(UploadStep.step == "media_proxy").values(state="running"))
    assert upload_row(database, upload).expired_at is None


@pytest.mark.parametrize("clip", [True, False])
def test_after_a_quarter_steps_go_and_only_an_upload_with_clips_stays(
    database: Database, storage: Storage, settings: Settings, clip: bool
) -> None:
    upload = finished_upload(database, storage, ended=NOW - 91 * DAY, clip=clip)
    sweep_uploads(database, storage, settings, now=NOW, most=10)
    with database.pipeline(database.local_workspace()) as session:
        session.execute(sa.update(Upload).values(expired_at=NOW - 84 * DAY))
    swept = sweep_uploads(database, storage, settings, now=NOW, most=10)
    assert swept.forgotten == (upload,)
    assert names(database, storage) == (["clip.mp4"] if clip else [])
    assert (upload_row(database, upload).deleted_at is None) == clip
    with database.pipeline(database.local_workspace()) as session:
        assert session.scalars(sa.select(UploadStep)).all() == []
    assert uploads_to_start(database, 10) == [], "one without steps must not look new"
    assert sweep_uploads(database, storage, settings, now=NOW, most=10).forgotten == ()


def test_old_events_go_and_young_ones_stay(database: Database, storage: Storage, settings: Settings) -> None:
    finished_upload(database, storage, ended=NOW)
    with database.pipeline(database.local_workspace()) as session:
        count = session.scalar(sa.select(sa.func.count()).select_from(Event))
    assert count
    assert sweep_events(database, settings, now=NOW + 89 * DAY) == 0
    assert sweep_events(database, settings, now=NOW + 91 * DAY) == count


def test_webhooks_that_are_over_are_forgotten_and_those_still_to_be_sent_are_not(
    database: Database, settings: Settings
) -> None:
    with database.api(database.local_workspace()) as session:
        endpoint = WebhookEndpoint(url="https://hooks.invalid/", events=["*"], secret="whsec_AAAA")
        session.add(endpoint)
        session.flush()
        for state in ("pending", "delivered", "failed"):
            session.add(WebhookDelivery(endpoint_id=endpoint.id, event_id=uuid4(), kind="webhook.test", state=state))
    assert sweep_deliveries(database, settings, now=NOW + 29 * DAY) == 0
    assert sweep_deliveries(database, settings, now=NOW + 31 * DAY) == 2
    with database.api(database.local_workspace()) as session:
        assert session.scalars(sa.select(WebhookDelivery.state)).all() == ["pending"]


def test_the_partitions_of_expired_uploads_go_and_a_run_keeps_its_own(database: Database, storage: Storage) -> None:
    young = str(finished_upload(database, storage, ended=NOW))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("uploads", [young, "gone", "busy"])
        run = dg.DagsterRun("make_clips", tags={"dagster/partition": "busy"}, status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)
        assert sorted(retire_partitions(instance, database, dry_run=True)) == ["busy", "gone"]
        retire_partitions(instance, database)
        assert set(instance.get_dynamic_partitions("uploads")) == {young, "busy"}


def test_never_more_partitions_stay_than_dagster_shows_quickly() -> None:
    assert partitions_to_retire(["3", "1", "2", "x"], {"1", "2", "3"}, most=2) == ["x", "1"]


def test_an_object_without_a_row_goes_once_it_is_settled_and_everything_else_stays(
    database: Database, storage: Storage
) -> None:
    workspace = database.local_workspace()
    upload = finished_upload(database, storage, ended=NOW)
    kept = keys(database, storage)
    lost = [
        source_key(workspace, uuid4(), ".mp4"),
        analysis_key(workspace, upload, "left.json"),
        clip_key(workspace, uuid4(), 1, "clip.mp4"),
    ]
    for key in lost:
        put(storage, key)
    # A transcript that a person gave is named by its hash, and the search index by its folder.
    given = [analysis_key(workspace, "f" * 64, "transcript.json"), f"{workspace}/search/table.lance"]
    for key in given:
        put(storage, key)
    assert find_orphans(database, storage, workspace, now=NOW).objects == ()
    found = find_orphans(database, storage, workspace, now=NOW + SETTLED + HOUR)
    assert set(found.objects) == set(lost)
    assert found.bytes == 12
    clean_up(database, storage, found)
    assert set(keys(database, storage)) == {*kept, *(key.split("/", 1)[1] for key in given)}


def test_nothing_of_an_upload_that_is_worked_on_is_an_orphan(database: Database, storage: Storage) -> None:
    workspace = database.local_workspace()
    upload = finished_upload(database, storage, ended=NOW, state="running")
    put(storage, analysis_key(workspace, upload, "half.json"))
    assert find_orphans(database, storage, workspace, now=NOW + SETTLED + HOUR).objects == ()


def test_a_render_whose_file_is_gone_says_so(database: Database, storage: Storage) -> None:
    workspace = database.local_workspace()
    upload = finished_upload(database, storage, ended=NOW)
    for key in [*storage.list_prefix(f"{workspace}/clips"), analysis_key(workspace, upload, "sound.wav")]:
        storage.delete(key)
    found = find_orphans(database, storage, workspace, now=NOW)
    assert found.steps == (f"{upload}/media_proxy",)
    clean_up(database, storage, found)
    with database.pipeline(workspace) as session:
        (render,) = session.scalars(sa.select(Render)).all()
    assert (render.id, render.state) == (found.renders[0], "failed")
    assert "Render it again" in render.reason
    assert find_orphans(database, storage, workspace, now=NOW).renders == ()


def test_a_days_tally_is_counted_once_and_by_kind(database: Database, storage: Storage) -> None:
    workspace = database.local_workspace()
    finished_upload(database, storage, ended=NOW)
    put(storage, f"{workspace}/search/table.lance", b"12")
    for _ in range(2):
        tally_storage(database, storage, day=date(2026, 11, 20))
    with database.pipeline(workspace) as session:
        (row,) = session.scalars(sa.select(StorageTally)).all()
    assert (row.objects, row.bytes) == (6, 24)
    assert (row.source_bytes, row.analysis_bytes, row.clip_bytes) == (6, 12, 4)


def test_an_empty_workspace_stores_nothing() -> None:
    assert add_up([]).bytes == 0
    assert add_up([ListedObject(key="w/x/y", size=3, modified=NOW)]).bytes == 3


@pytest.mark.parametrize(
    ("run", "age", "stuck"),
    [
        (RunFacts(known=False, ended_at=None), HOUR, True),
        (RunFacts(known=False, ended_at=None), timedelta(seconds=30), False),
        (RunFacts(known=True, ended_at=None), 9 * HOUR, False),
        (RunFacts(known=True, ended_at=None, owner_alive=False), HOUR, True),
        (RunFacts(known=True, ended_at=NOW - HOUR), 2 * HOUR, True),
        (RunFacts(known=True, ended_at=NOW - timedelta(seconds=30)), HOUR, False),
    ],
)
def test_a_step_is_stuck_when_no_run_can_go_on_with_it(run: RunFacts, age: timedelta, stuck: bool) -> None:
    assert is_stuck(run, started_at=NOW - age, now=NOW) == stuck


def test_the_watchdog_ends_what_nobody_works_on_and_spares_who_holds_the_lock(
    database: Database, storage: Storage
) -> None:
    upload = finished_upload(database, storage, ended=NOW, state="running")
    with dg.DagsterInstance.ephemeral() as instance:
        with database.advisory_lock(f"step:{upload}:transcript:", wait_seconds=0) as held:
            assert held
            dry = end_stuck_steps(database, lambda run: run_facts(instance, run), now=NOW, most=10, dry_run=True)
            found = end_stuck_steps(database, lambda run: run_facts(instance, run), now=NOW, most=10)
        assert [stuck.step for stuck in found] == [stuck.step for stuck in dry]
        assert {stuck.step for stuck in found} == {"media_proxy", "renders"}
    with database.pipeline(database.local_workspace()) as session:
        rows = {row.step: row for row in session.scalars(sa.select(UploadStep))}
    assert (rows["transcript"].state, rows["media_proxy"].state) == ("running", "failed")
    assert "ended without a word" in rows["media_proxy"].reason
    assert rows["media_proxy"].ended_at is not None


def test_a_run_of_a_dead_command_cannot_go_on(database: Database) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        from cliply_assets.instance.owner import this_process

        started = dg.DagsterRunStatus.STARTED
        for owner, alive in ((this_process(), True), (this_process() + "1", False)):
            run = instance.add_run(dg.DagsterRun("make_clips", tags={"cliply/owner": owner}, status=started))
            assert run_facts(instance, run.run_id) == RunFacts(known=True, ended_at=None, owner_alive=alive)
        assert not run_facts(instance, None).known


@pytest.mark.parametrize(
    ("version", "day"),
    [
        ("2026.10.26", date(2026, 10, 26)),
        ("2026.1.2.232900.dev0", date(2026, 1, 2)),
        ("9.9", None),
        ("2026.13.1", None),
    ],
)
def test_a_yt_dlp_is_as_old_as_its_version_says(version: str, day: date | None) -> None:
    assert version_date(version) == day


def test_the_look_at_the_tools_finds_an_old_yt_dlp_and_weights_that_cannot_be_loaded(settings: Settings) -> None:
    from yt_dlp.version import __version__ as version

    fresh = version_date(version)
    assert fresh is not None
    assert {found.name: found.ok for found in examine_tools(settings, today=fresh)}["yt-dlp"]
    broken = settings.model_copy(update={"yolo_weights": settings.home / "none.pt"})
    found = {found.name: found for found in examine_tools(broken, today=fresh + 400 * DAY)}
    assert "400 days old" in found["yt-dlp"].says
    assert not found["faces"].ok
    assert found["ffmpeg"].ok


def test_a_backfill_takes_only_uploads_that_have_what_it_needs(database: Database, storage: Storage) -> None:
    upload = finished_upload(database, storage, ended=NOW)

    def due(**changes: object) -> list[UUID]:
        asked = {"since": NOW - DAY, "workspace_id": None, "after_step": "transcript", "most": 10, **changes}
        return [found for _, found in uploads_to_backfill(database, **asked)]

    assert due() == due(workspace_id=database.local_workspace()) == [upload]
    assert due(since=NOW + DAY) == due(workspace_id=uuid4()) == due(after_step="scenes") == due(most=0) == []


@pytest.mark.parametrize("which", ["retention", "orphans", "stuck_steps", "daily_look"])
def test_every_schedule_has_a_job_that_runs(which: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from cliply_assets import pipeline
    from cliply_assets.definitions import defs
    from cliply_resources.settings import get_settings

    monkeypatch.setenv("CLIPLY_HOME", str(settings.home))
    assert settings.database_url is not None
    monkeypatch.setenv("CLIPLY_DATABASE_URL", settings.database_url.get_secret_value())
    get_settings.cache_clear()
    pipeline._open.cache_clear()
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            assert defs.resolve_job_def(which).execute_in_process(instance=instance).success
    finally:
        get_settings.cache_clear()
        pipeline._open.cache_clear()


def test_the_command_says_what_it_would_do(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from cliply_assets.cli.sweep import print_sweep

    monkeypatch.setenv("CLIPLY_HOME", str(settings.home))
    print_sweep(settings, ("orphans", "tally", "tools"), dry_run=False, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["orphans"] == []
    assert {found["name"] for found in said["tools"]} == {"yt-dlp", "ffmpeg", "speech", "faces", "pictures"}
