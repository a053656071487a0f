"""What became of runs, written as facts on their uploads: also of one that died without a word.

Every tick asks anew about all runs that have not ended, so that it does not matter which tick was killed halfway, or how many ask
at once: the run's row is locked while its end is written, and whoever comes second finds it ended.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import dagster as dg
import sqlalchemy as sa
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG, WILL_RETRY_TAG
from sqlalchemy.orm import Session

from cliply_assets.automation.claims import RUN_TAG, UNFINISHED, unfinished_runs
from cliply_assets.automation.judging import RunFact, Verdict, judge
from cliply_assets.cluster.rules import NEXT_JOB_TAG
from cliply_assets.steps.records import Halt, UploadHalted
from cliply_assets.steps.rules import STEPS, StepRules
from cliply_resources.database import Database, Upload, UploadRun, UploadStep

__all__ = ["MOST_LOST", "facts_of", "follow_runs", "settle"]

MOST_LOST = 4
"""So often in a row, without a step that came to its end, a run is asked for anew after it was lost or died; what cost so many runs
their lives would cost the next one its life, too."""

STEP_FAILURE = RunFailureReason.STEP_FAILURE.value
DIED = "The process that worked on “{label}” ended without a word; “retry” goes on from what is finished."
NEVER_BEGAN = (
    "“{label}” could not be begun: the process that was to do it ended before. “Retry” tries it again; if that does not help, the "
    "operator finds the cause in the records of run {run}."
)
STOPPED = "An operator stopped the work; “retry” goes on from what is finished."


def follow_runs(database: Database, instance: dg.DagsterInstance, *, now: datetime, most: int) -> int:
    """Writes down what became of runs that had not ended when somebody last looked; how many rows changed."""
    waiting = _rows(database, unfinished_runs(database, most))
    facts = facts_of(instance, [f"{row.upload_id}:{row.number}" for row in waiting])
    changed = 0
    for row in waiting:
        runs = facts.get(f"{row.upload_id}:{row.number}", [])
        verdict = judge(runs, asked_at=row.asked_at, now=now)
        if _is_news(row, verdict):
            changed += settle(database, row, verdict, [run.run_id for run in runs])
    return changed


def facts_of(instance: dg.DagsterInstance, tags: Sequence[str]) -> Mapping[str, list[RunFact]]:
    """Dagster's runs by the value of their `RUN_TAG`, in one question."""
    found: dict[str, list[RunFact]] = defaultdict(list)
    if not tags:
        return found
    for record in instance.get_run_records(filters=dg.RunsFilter(tags={RUN_TAG: list(tags)})):
        run = record.dagster_run
        found[run.tags[RUN_TAG]].append(
            RunFact(
                run_id=run.run_id,
                status=run.status.value,
                created_at=record.create_timestamp,
                begun_at=_moment(record.start_time),
                ended_at=_moment(record.end_time),
                # It says so a moment after the run has failed; whoever is too quick starts a second run beside the retry.
                will_retry=run.tags.get(WILL_RETRY_TAG, "").lower() != "false",
                died=run.status == dg.DagsterRunStatus.FAILURE and run.tags.get(RUN_FAILURE_REASON_TAG) != STEP_FAILURE,
                goes_on=NEXT_JOB_TAG in run.tags,
            )
        )
    return found


def settle(database: Database, known: UploadRun, verdict: Verdict, run_ids: Sequence[str]) -> bool:
    """Writes a verdict down; nothing where somebody else has done so."""
    # All at once, at the end: a run without a state between two.
    with database.pipeline(known.workspace_id) as session, session.no_autoflush:
        # The upload first, as everybody does who changes both.
        upload = session.get_one(Upload, (known.workspace_id, known.upload_id), with_for_update=True)
        run = session.get(UploadRun, (known.workspace_id, known.upload_id, known.number), with_for_update=True)
        if run is None or run.state not in UNFINISHED:
            return False
        if verdict.run is not None:
            run.run_id = verdict.run.run_id
            run.begun_at = run.begun_at or verdict.run.begun_at
        if verdict.state in UNFINISHED:
            run.state = verdict.state
            return True
        run.ended_at = (verdict.run and verdict.run.ended_at) or datetime.now(UTC)
        _end(session, upload, run, verdict, run_ids)
        return True


def _end(session: Session, upload: Upload, run: UploadRun, verdict: Verdict, run_ids: Sequence[str]) -> None:
    steps = session.scalars(_steps(upload).with_for_update()).all()
    mine = [row for row in steps if row.state == "running" and (row.run_id in run_ids or row.run_id is None)]
    interrupted = [row for row in steps if row.state in {"cancelled", "failed"} and row.run_id in run_ids]
    halted = _halted(upload)
    forgotten = verdict.state == "succeeded" and upload.attempt == run.attempt and _waiting(steps)
    if verdict.state == "succeeded" and not forgotten:
        run.state = "succeeded"
        if upload.retry_at is None:
            # Asked for once more while it was at work, as after a pause that came to nothing; that is done now.
            upload.started_attempt = upload.attempt
    elif halted is not None:
        _halt(mine, halted)
        run.state, run.reason = "halted", str(UploadHalted(halted))
    elif upload.attempt > run.attempt:
        _let_wait(mine)
        run.state, run.reason = "halted", "The upload was asked for again."
    elif verdict.state == "stopped":
        upload.cancelled_at, upload.retry_at = run.ended_at, None
        _halt(mine, "cancelled", STOPPED)
        run.state, run.reason = "halted", STOPPED
    elif (verdict.state == "lost" or forgotten or _died(steps, verdict)) and not _lost_too_often(session, run, steps):
        _let_wait([*mine, *interrupted])
        run.state, run.reason = "lost", "Nobody works on it any more, and nobody said why; it is asked for anew."
        upload.started_attempt = upload.attempt - 1
        upload.retry_at = upload.retry_at or run.ended_at
    else:
        run.reason = _fail(session, upload, run, steps, [*mine, *(_waiting(steps) if forgotten else ())])
        run.state = "failed" if run.reason else "succeeded"
        upload.retry_at = None


def _fail(
    session: Session, upload: Upload, run: UploadRun, steps: Sequence[UploadStep], mine: Iterable[UploadStep]
) -> str | None:
    """Makes the failure visible on a step; its reason, and nothing where the clips are whole in spite of it."""
    for row in mine:
        row.state, row.ended_at = "failed", run.ended_at
        row.reason = DIED.format(label=STEPS[row.step].label if row.step in STEPS else row.step)
        row.raw_error = f"Run {run.run_id} ended and left this step running on {row.worker or 'an unknown machine'}."
    stopped = [row for row in steps if row.state in {"failed", "cancelled"} and _is_needed(row.step)]
    stopped.sort(key=lambda row: row.state == "cancelled")
    if stopped:
        return stopped[0].reason or "A step failed."
    missing = _missing(steps)
    if missing is None:
        return None
    reason = NEVER_BEGAN.format(label=missing.label, run=run.run_id or "unknown")
    key = (upload.workspace_id, upload.id, missing.name, "")
    row = session.get(UploadStep, key) or UploadStep(upload_id=upload.id, step=missing.name)
    row.state, row.started_at, row.ended_at, row.reason = "failed", run.begun_at or run.ended_at, run.ended_at, reason
    row.max_attempts, row.run_id = missing.max_attempts, run.run_id
    row.raw_error = f"Run {run.run_id} failed before this step began; its events say why."
    session.add(row)
    return reason


def _is_needed(step: str) -> bool:
    return step not in STEPS or STEPS[step].needed


def _halted(upload: Upload) -> Halt | None:
    if upload.cancelled_at is not None or upload.deleted_at is not None:
        return "cancelled"
    return "paused" if upload.paused_at is not None else None


def _halt(rows: Iterable[UploadStep], why: Halt, reason: str = "") -> None:
    for row in rows:
        row.state = "cancelled" if why == "cancelled" else "pending"
        row.percent, row.doing, row.ended_at = 0.0, "", datetime.now(UTC) if why == "cancelled" else None
        row.reason, row.raw_error = reason or str(UploadHalted(why)), None


def _let_wait(rows: Iterable[UploadStep]) -> None:
    for row in rows:
        row.state, row.percent, row.doing, row.reason, row.raw_error = "pending", 0.0, "", None, None
        row.ended_at = None


def _died(steps: Sequence[UploadStep], verdict: Verdict) -> bool:
    """Whether a run that failed did so without a word: no step ended it by its own failure, and the clips are not whole."""
    if verdict.run is not None and not verdict.run.died:
        # The process of a step that was killed counts as a failed step to Dagster; its row does not say so.
        began = verdict.run.created_at
        failed = [row for row in steps if row.state == "failed" and _is_needed(row.step)]
        if any(row.ended_at is None or row.ended_at >= began for row in failed):
            return False
    unfinished = any(row.state not in {"completed", "skipped"} and _is_needed(row.step) for row in steps)
    return unfinished or _missing(steps) is not None


def _waiting(steps: Sequence[UploadStep]) -> list[UploadStep]:
    """What the clips need and nobody has begun, whatever the run says of itself."""
    return [row for row in steps if row.state == "pending" and _is_needed(row.step)]


def _missing(steps: Sequence[UploadStep]) -> StepRules | None:
    """The first step that the clips need and that is not done."""
    done = {row.step for row in steps if row.state in {"completed", "skipped"}}
    return next((rules for rules in STEPS.values() if rules.needed and rules.name not in done), None)


def _lost_too_often(session: Session, run: UploadRun, steps: Sequence[UploadStep]) -> bool:
    query = sa.select(sa.func.count()).where(
        UploadRun.workspace_id == run.workspace_id,
        UploadRun.upload_id == run.upload_id,
        UploadRun.attempt == run.attempt,
        UploadRun.state == "lost",
    )
    went_on = max((row.ended_at for row in steps if row.state == "completed" and row.ended_at), default=None)
    if went_on is not None:
        query = query.where(UploadRun.ended_at > went_on)
    return (session.scalar(query) or 0) >= MOST_LOST


def _steps(upload: Upload) -> sa.Select[UploadStep]:
    return sa.select(UploadStep).where(
        UploadStep.workspace_id == upload.workspace_id, UploadStep.upload_id == upload.id
    )


def _rows(database: Database, ids: Iterable[tuple[UUID, UUID]]) -> list[UploadRun]:
    """One question a workspace."""
    by_workspace: dict[UUID, list[UUID]] = defaultdict(list)
    for workspace_id, upload_id in ids:
        by_workspace[workspace_id].append(upload_id)
    found: list[UploadRun] = []
    for workspace_id, uploads in by_workspace.items():
        query = sa.select(UploadRun).where(
            UploadRun.workspace_id == workspace_id, UploadRun.upload_id.in_(uploads), UploadRun.state.in_(UNFINISHED)
        )
        with database.pipeline(workspace_id) as session:
            found += session.scalars(query).all()
    return found


def _is_news(row: UploadRun, verdict: Verdict) -> bool:
    run_id = verdict.run.run_id if verdict.run is not None else None
    return (row.state, row.run_id) != (verdict.state, run_id)


def _moment(seconds: float | None) -> datetime | None:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds) if seconds else None
