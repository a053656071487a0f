"""Runs that are asked for, followed, stopped and lost: real rows, and Dagster's own records."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from cliply_assets import pipeline
from cliply_assets.automation.claims import RUN_TAG, Claim, claim_start, unfinished_runs
from cliply_assets.automation.control import is_to_stop, stop_unwanted
from cliply_assets.automation.judging import APPEARS, RETRIED, RunFact, judge
from cliply_assets.automation.outcomes import MOST_LOST, follow_runs
from cliply_assets.pipeline import Pipeline
from cliply_assets.renders.assets import collect_renders
from cliply_assets.steps.rules import STEPS
from cliply_resources.database import Database, Upload, UploadRun, UploadStep
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage
from cliply_resources.uploads import uploads_to_start
from sensors.new_uploads import claim_ready, start_requests

NOW = datetime.now(UTC)
LATER = timedelta(minutes=10)
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("cliply"), "__repository__"), "make_clips")
"""Dagster queues only what it could also launch."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def workspace(database: Database) -> UUID:
    return database.local_workspace()


def new_upload(database: Database, workspace: UUID) -> UUID:
    with database.pipeline(workspace) as session:
        row = Upload(source_kind="file", source_uri="/a.mp4", settings_digest=uuid4().hex)
        session.add(row)
        session.flush()
        return row.id


@pytest.fixture
def upload(database: Database, workspace: UUID) -> UUID:
    return new_upload(database, workspace)


@pytest.fixture
def claim(database: Database, workspace: UUID, upload: UUID) -> Claim:
    claimed = claim_start(database, workspace, upload)
    assert claimed is not None
    return claimed


def change(database: Database, upload: UUID, **facts: object) -> None:
    with database.pipeline(database.local_workspace()) as session:
        session.execute(sa.update(Upload).where(Upload.id == upload).values(**facts))


def found(database: Database, upload: UUID) -> Upload:
    workspace = database.local_workspace()
    with database.pipeline(workspace) as session:
        return session.get_one(Upload, (workspace, upload))


def last_run(database: Database, upload: UUID) -> UploadRun:
    with database.pipeline(database.local_workspace()) as session:
        return session.scalars(sa.select(UploadRun).order_by(UploadRun.number.desc()).limit(1)).one()


def steps(database: Database, upload: UUID) -> dict[str, UploadStep]:
    with database.pipeline(database.local_workspace()) as session:
        return {row.step: row for row in session.scalars(sa.select(UploadStep).where(UploadStep.upload_id == upload))}


def add_step(database: Database, upload: UUID, step: str, state: str, **facts: object) -> None:
    with database.pipeline(database.local_workspace()) as session:
        session.add(UploadStep(upload_id=upload, step=step, state=state, **facts))


def add_run(
    instance: dg.DagsterInstance,
    claim: Claim,
    status: dg.DagsterRunStatus,
    *,
    retry: bool | None = False,
    by_step: bool = False,
) -> dg.DagsterRun:
    """A run as Dagster would have recorded it; `by_step` says that a failed step ended it, no `retry` that nobody has decided yet."""
    tags = {RUN_TAG: claim.tag} | ({} if retry is None else {"dagster/will_retry": str(retry).lower()})
    tags |= {"dagster/failure_reason": "STEP_FAILURE"} if by_step else {}
    run = dg.DagsterRun(job_name="make_clips", run_id=str(uuid4()), status=status, tags=tags, remote_job_origin=ORIGIN)
    return instance.add_run(run)


def lose_runs(database: Database, claim: Claim, number: int) -> None:
    """So many runs for the same wish died before."""
    lost = {"upload_id": claim.upload_id, "attempt": 1, "state": "lost", "ended_at": sa.func.now()}
    with database.pipeline(claim.workspace_id) as session:
        session.execute(sa.update(UploadRun).values(number=number + 1))
        session.add_all(UploadRun(number=before, **lost) for before in range(1, number + 1))


def follow(database: Database, instance: dg.DagsterInstance, *, later: timedelta = timedelta(0)) -> int:
    return follow_runs(database, instance, now=datetime.now(UTC) + later, most=100)


def test_many_who_try_to_start_an_upload_get_one_claim(database: Database, workspace: UUID, upload: UUID) -> None:
    claims: list[Claim | None] = []
    tries = [threading.Thread(target=lambda: claims.append(claim_start(database, workspace, upload))) for _ in range(8)]
    for each in tries:
        each.start()
    for each in tries:
        each.join()
    assert [claim for claim in claims if claim] == [Claim(workspace_id=workspace, upload_id=upload, number=1)]
    assert uploads_to_start(database, 10) == []
    assert unfinished_runs(database, 10) == [(workspace, upload)]


def test_a_claim_becomes_one_run_in_its_own_partition_and_another_claim_another() -> None:
    workspace, upload = uuid4(), uuid4()
    first, second = start_requests(
        [Claim(workspace_id=workspace, upload_id=upload, number=number, priority=3) for number in (1, 2)]
    )
    assert first.run_key == f"start:{upload}:1"
    assert second.run_key == f"start:{upload}:2"
    assert first.partition_key == str(upload)
    assert first.tags["cliply/workspace"] == str(workspace)
    assert first.tags["dagster/priority"] == "3"


def test_a_tick_that_was_killed_after_its_claim_loses_nothing(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    follow(database, instance)
    assert uploads_to_start(database, 10) == [], "a slow tick is not a dead one"
    follow(database, instance, later=APPEARS + timedelta(seconds=1))
    assert uploads_to_start(database, 10) == [(claim.workspace_id, claim.upload_id)]
    (again,) = claim_ready(database, now=NOW, at_once=10)
    assert again.tag == f"{claim.upload_id}:2"


def test_two_who_follow_at_once_end_a_run_once(database: Database, instance: dg.DagsterInstance, claim: Claim) -> None:
    add_run(instance, claim, dg.DagsterRunStatus.SUCCESS)
    changed: list[int] = []
    both = [threading.Thread(target=lambda: changed.append(follow(database, instance))) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sum(changed) == 1
    assert last_run(database, claim.upload_id).state == "succeeded"
    assert unfinished_runs(database, 10) == []


def test_a_run_that_died_without_a_word_is_asked_for_anew(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    run = add_run(instance, claim, dg.DagsterRunStatus.FAILURE)
    add_step(database, claim.upload_id, "source_video", "running", run_id=run.run_id)
    add_step(database, claim.upload_id, "media_proxy", "cancelled", run_id=run.run_id, reason="interrupted")
    follow(database, instance)
    assert last_run(database, claim.upload_id).state == "lost"
    assert {row.state for row in steps(database, claim.upload_id).values()} == {"pending"}
    (again,) = claim_ready(database, now=NOW, at_once=10)
    assert again.number == 2


def test_a_run_that_says_it_succeeded_and_left_clips_waiting_is_asked_for_anew(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    add_run(instance, claim, dg.DagsterRunStatus.SUCCESS)
    add_step(database, claim.upload_id, "renders", "pending", part="a1")
    follow(database, instance)
    assert last_run(database, claim.upload_id).state == "lost"
    (again,) = claim_ready(database, now=NOW, at_once=10)
    assert again.number == 2


def test_clips_that_no_run_ever_begins_fail_with_a_reason(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    lose_runs(database, claim, MOST_LOST)
    claim = replace(claim, number=MOST_LOST + 1)
    add_run(instance, claim, dg.DagsterRunStatus.SUCCESS)
    add_step(database, claim.upload_id, "renders", "pending", part="a1")
    follow(database, instance)
    assert last_run(database, claim.upload_id).state == "failed"
    assert steps(database, claim.upload_id)["renders"].state == "failed"
    assert steps(database, claim.upload_id)["renders"].reason


def test_a_run_whose_step_says_why_it_failed_is_not_asked_for_anew(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    run = add_run(instance, claim, dg.DagsterRunStatus.FAILURE, by_step=True)
    add_step(database, claim.upload_id, "source_video", "failed", run_id=run.run_id, reason="There is no such film.")
    follow(database, instance)
    assert last_run(database, claim.upload_id).state == "failed"
    assert last_run(database, claim.upload_id).reason == "There is no such film."


def test_a_run_that_died_before_its_step_was_tried_again_is_asked_for_anew(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    run = add_run(instance, claim, dg.DagsterRunStatus.FAILURE)
    add_step(database, claim.upload_id, "source_video", "failed", run_id=run.run_id, reason="Its ffmpeg was killed.")
    follow(database, instance)
    assert last_run(database, claim.upload_id).state == "lost"
    assert steps(database, claim.upload_id)["source_video"].state == "pending"


def test_a_step_that_came_to_its_end_since_lets_a_run_be_asked_for_once_more(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    lose_runs(database, claim, MOST_LOST)
    claim = replace(claim, number=MOST_LOST + 1)
    add_run(instance, claim, dg.DagsterRunStatus.FAILURE)
    add_step(database, claim.upload_id, "source_video", "completed", ended_at=NOW + timedelta(hours=1))
    follow(database, instance)
    assert last_run(database, claim.upload_id).state == "lost"


def test_a_run_that_died_before_its_first_step_once_too_often_fails_the_upload_with_a_reason_and_blocks_nothing(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    lose_runs(database, claim, MOST_LOST)
    claim = replace(claim, number=MOST_LOST + 1)
    run = add_run(instance, claim, dg.DagsterRunStatus.FAILURE)
    follow(database, instance)
    row = steps(database, claim.upload_id)["source_video"]
    assert row.state == "failed"
    assert "could not be begun" in (row.reason or "")
    assert run.run_id in (row.reason or "")
    change(database, claim.upload_id, attempt=2, retry_at=sa.func.now())
    (again,) = claim_ready(database, now=NOW, at_once=10)
    assert start_requests([again])[0].run_key != start_requests([claim])[0].run_key


def test_a_step_that_its_run_left_running_is_failed_and_one_of_another_run_is_not(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    lose_runs(database, claim, MOST_LOST)
    claim = replace(claim, number=MOST_LOST + 1)
    run = add_run(instance, claim, dg.DagsterRunStatus.FAILURE)
    add_step(database, claim.upload_id, "source_video", "completed")
    add_step(database, claim.upload_id, "media_proxy", "running", run_id=run.run_id)
    add_step(database, claim.upload_id, "frame_index", "running", run_id="another")
    follow(database, instance)
    rows = steps(database, claim.upload_id)
    assert (rows["media_proxy"].state, rows["frame_index"].state) == ("failed", "running")
    assert "ended without a word" in (rows["media_proxy"].reason or "")
    assert last_run(database, claim.upload_id).reason == rows["media_proxy"].reason


@pytest.mark.parametrize("retry", [True, None])
def test_a_run_whose_retry_is_coming_is_not_over_and_one_whose_retry_does_not_come_is_asked_for_anew(
    database: Database, instance: dg.DagsterInstance, claim: Claim, retry: bool | None
) -> None:
    run = add_run(instance, claim, dg.DagsterRunStatus.FAILURE, retry=retry)
    add_step(database, claim.upload_id, "source_video", "running", run_id=run.run_id, deadline_at=NOW + LATER)
    follow(database, instance)
    assert last_run(database, claim.upload_id).state == "running"
    follow(database, instance, later=RETRIED + timedelta(seconds=2))
    assert last_run(database, claim.upload_id).state == "lost"
    assert steps(database, claim.upload_id)["source_video"].state == "pending"
    assert uploads_to_start(database, 10) == [(claim.workspace_id, claim.upload_id)]


def test_an_upload_is_not_asked_for_for_ever(
    database: Database, instance: dg.DagsterInstance, workspace: UUID, upload: UUID
) -> None:
    for number in range(1, MOST_LOST + 2):
        (claim,) = claim_ready(database, now=NOW, at_once=10)
        assert claim.number == number
        follow(database, instance, later=APPEARS + timedelta(seconds=1))
    assert last_run(database, upload).state == "failed"
    assert steps(database, upload)["source_video"].state == "failed"
    assert uploads_to_start(database, 10) == []


def test_a_run_that_somebody_stopped_in_dagster_cancels_the_upload_and_says_so(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    run = add_run(instance, claim, dg.DagsterRunStatus.CANCELED)
    add_step(database, claim.upload_id, "source_video", "running", run_id=run.run_id)
    follow(database, instance)
    assert found(database, claim.upload_id).cancelled_at is not None
    row = steps(database, claim.upload_id)["source_video"]
    assert (row.state, "operator" in (row.reason or "")) == ("cancelled", True)


@pytest.mark.parametrize(("wish", "state"), [("cancelled_at", "cancelled"), ("paused_at", "pending")])
def test_a_halted_uploads_run_ends_as_halted_and_not_as_failed(
    database: Database, instance: dg.DagsterInstance, claim: Claim, wish: str, state: str
) -> None:
    run = add_run(instance, claim, dg.DagsterRunStatus.FAILURE)
    add_step(database, claim.upload_id, "source_video", "running", run_id=run.run_id)
    change(database, claim.upload_id, **{wish: sa.func.now()})
    follow(database, instance)
    assert last_run(database, claim.upload_id).state == "halted"
    assert steps(database, claim.upload_id)["source_video"].state == state


def test_a_retry_waits_for_the_run_before_it(database: Database, instance: dg.DagsterInstance, claim: Claim) -> None:
    run = add_run(instance, claim, dg.DagsterRunStatus.STARTED)
    change(database, claim.upload_id, attempt=2, retry_at=sa.func.now())
    follow(database, instance)
    assert claim_ready(database, now=NOW, at_once=10) == []
    instance.report_run_failed(run)
    follow(database, instance)
    assert last_run(database, claim.upload_id).state == "halted"
    assert [again.number for again in claim_ready(database, now=NOW, at_once=10)] == [2]


def test_a_wish_to_go_on_that_the_old_run_fulfilled_needs_no_other(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    change(database, claim.upload_id, attempt=2, retry_at=None)
    add_run(instance, claim, dg.DagsterRunStatus.SUCCESS)
    follow(database, instance)
    assert claim_ready(database, now=NOW, at_once=10) == []


def test_clips_that_are_whole_stay_so_when_only_the_search_index_failed(
    database: Database, instance: dg.DagsterInstance, claim: Claim
) -> None:
    for name, rules in STEPS.items():
        add_step(database, claim.upload_id, name, "completed" if rules.needed else "failed")
    add_run(instance, claim, dg.DagsterRunStatus.FAILURE)
    follow(database, instance)
    assert last_run(database, claim.upload_id).state == "succeeded"


def test_no_more_are_started_than_may_be_at_work_at_once(database: Database, workspace: UUID) -> None:
    for _ in range(5):
        new_upload(database, workspace)
    assert len(claim_ready(database, now=NOW, at_once=1)) == 1
    assert claim_ready(database, now=NOW, at_once=1) == []
    assert len(claim_ready(database, now=NOW, at_once=50)) == 1, "its plan allows two at once"


def fact(status: str, *, retry: bool = False, then: bool = False, age: int = 0) -> RunFact:
    moment = NOW - timedelta(seconds=age)
    return RunFact(run_id=status, status=status, created_at=moment, ended_at=moment, will_retry=retry, goes_on=then)


@pytest.mark.parametrize(
    ("runs", "state"),
    [
        ([], "asked"),
        ([fact("QUEUED")], "asked"),
        ([fact("STARTING")], "asked"),
        ([fact("STARTED")], "running"),
        ([fact("CANCELING")], "running"),
        ([fact("FAILURE", age=9, retry=True), fact("QUEUED")], "running"),
        ([fact("FAILURE", age=9, retry=True), fact("SUCCESS")], "succeeded"),
        ([fact("FAILURE", age=9, retry=True), fact("FAILURE")], "failed"),
        ([fact("SUCCESS", then=True)], "running"),
        ([fact("SUCCESS", then=True, age=9), fact("SUCCESS")], "succeeded"),
        ([fact("SUCCESS", then=True, age=999)], "lost"),
    ],
)
def test_the_newest_run_says_how_far_it_is(runs: list[RunFact], state: str) -> None:
    assert judge(runs, asked_at=NOW, now=NOW).state == state
    assert judge(runs[::-1], asked_at=NOW, now=NOW).state == state


@pytest.mark.parametrize(
    ("status", "cancelled", "paused", "stop"),
    [
        ("QUEUED", False, False, False),
        ("QUEUED", False, True, True),
        ("STARTED", False, True, False),
        ("STARTED", True, False, True),
        ("CANCELING", True, False, False),
        ("SUCCESS", True, False, False),
    ],
)
def test_a_cancelled_run_is_stopped_and_a_paused_one_only_before_it_began(
    status: str, cancelled: bool, paused: bool, stop: bool
) -> None:
    assert is_to_stop(fact(status), cancelled=cancelled, paused=paused) == stop


def test_the_queued_run_of_a_cancelled_upload_leaves_the_queue(
    database: Database, claim: Claim, tmp_path_factory: pytest.TempPathFactory
) -> None:
    queued = {"run_coordinator": {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator"}}
    with dg.instance_for_test(overrides=queued, temp_dir=str(tmp_path_factory.mktemp("dagster"))) as instance:
        run = add_run(instance, claim, dg.DagsterRunStatus.QUEUED)
        assert stop_unwanted(database, instance, most=10) == []
        change(database, claim.upload_id, cancelled_at=sa.func.now())
        assert stop_unwanted(database, instance, most=10) == [run.run_id]
        assert stop_unwanted(database, instance, most=10) == []
        ended = instance.get_run_by_id(run.run_id)
        assert ended is not None
        assert ended.status == dg.DagsterRunStatus.CANCELED
        follow(database, instance)
    assert last_run(database, claim.upload_id).state == "halted"


def test_chosen_clips_that_a_retried_run_was_not_told_of_are_no_success(
    settings: Settings, database: Database, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_step(database, claim.upload_id, "renders", "pending", part="a1")
    monkeypatch.setattr(pipeline, "_open", lambda: (database, open_storage(settings)))
    context = dg.build_op_context(partition_key=str(claim.upload_id))
    with pytest.raises(dg.Failure, match="1 clips were chosen and not rendered"):
        list(collect_renders(context, pipeline=Pipeline(), parts=[]))
