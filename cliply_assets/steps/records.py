"""The rows of `upload_steps`: the one place that writes them."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cliply_assets.steps.work import Check, StoredObject
from cliply_resources.database import Database
from cliply_resources.database.models import Upload, UploadStep
from cliply_resources.documents import UploadSettings
from cliply_resources.errors import CliplyError, NotFound
from cliply_resources.uploads import workspace_of_upload

__all__ = ["FinishedStep", "Halt", "StepKey", "StepRecords", "UploadFacts", "UploadHalted"]

Halt = Literal["cancelled", "paused"]
"""What somebody asked for while the pipeline works."""


class UploadHalted(CliplyError):
    """Somebody cancelled, paused or deleted the upload; trying again by itself is not what they want."""

    code = "UPLOAD_HALTED"

    def __init__(self, why: Halt) -> None:
        said = {
            "cancelled": "The upload was cancelled; “retry” goes on from what is finished.",
            "paused": "The upload is paused; “resume” goes on from here.",
        }
        super().__init__(said[why])
        self.why = why


@dataclass(frozen=True)
class StepKey:
    """Which row."""

    workspace_id: UUID
    upload_id: UUID
    step: str
    part: str = ""
    aside: bool = False
    """Work beside the upload's own run: it does not fulfil a wish to start that again."""


@dataclass(frozen=True, kw_only=True)
class UploadFacts:
    """What a step needs to know of its upload."""

    workspace_id: UUID
    upload_id: UUID
    title: str
    source_kind: str
    source_uri: str
    source_sha256: str | None
    settings: UploadSettings


class FinishedStep(msgspec.Struct, frozen=True, kw_only=True):
    """The `output` column of a completed step."""

    objects: dict[str, StoredObject]
    metadata: dict[str, str | int | float] = {}
    checks: tuple[Check, ...] = ()

    def digest(self) -> str:
        """Names the content of everything the step wrote."""
        import hashlib

        named = sorted((name, stored.sha256) for name, stored in self.objects.items())
        return hashlib.sha256(msgspec.json.encode(named)).hexdigest()


class StepRecords:
    """Reads and writes step rows, each call in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def upload(self, upload_id: UUID) -> UploadFacts:
        """The upload that a partition key names.

        Raises:
            NotFound: no such upload, or it was deleted.
        """
        workspace_id = workspace_of_upload(self._database, upload_id)
        with self._database.pipeline(workspace_id) as session:
            row = session.get(Upload, (workspace_id, upload_id))
            if row is None or row.deleted_at is not None:
                raise NotFound(f"There is no upload {upload_id}; it may have been deleted.")
            return UploadFacts(
                workspace_id=workspace_id,
                upload_id=upload_id,
                title=row.title,
                source_kind=row.source_kind,
                source_uri=row.source_uri,
                source_sha256=row.source_sha256,
                settings=msgspec.convert(row.settings, UploadSettings),
            )

    def halted(self, key: StepKey) -> Halt | None:
        """Whether the upload is not to be worked on at this moment, and why."""
        query = sa.select(Upload.cancelled_at, Upload.paused_at, Upload.deleted_at).where(
            Upload.workspace_id == key.workspace_id, Upload.id == key.upload_id
        )
        with self._database.pipeline(key.workspace_id) as session:
            found = session.execute(query).one_or_none()
        if found is None or found.cancelled_at is not None or found.deleted_at is not None:
            return "cancelled"
        return "paused" if found.paused_at is not None else None

    def finished(self, key: StepKey) -> tuple[str, FinishedStep] | None:
        """The input digest and result of a completed step."""
        with self._database.pipeline(key.workspace_id) as session:
            row = session.get(UploadStep, (key.workspace_id, key.upload_id, key.step, key.part))
            if row is None or row.state != "completed":
                return None
            return row.input_digest or "", msgspec.convert(row.output, FinishedStep)

    def same_work(self, key: StepKey, digest: str) -> tuple[UUID, FinishedStep] | None:
        """Another upload of the workspace whose step had the same inputs."""
        query = (
            sa.select(UploadStep)
            .where(
                UploadStep.workspace_id == key.workspace_id,
                UploadStep.step == key.step,
                UploadStep.input_digest == digest,
                UploadStep.state == "completed",
                UploadStep.upload_id != key.upload_id,
            )
            .limit(1)
        )
        with self._database.pipeline(key.workspace_id) as session:
            row = session.scalars(query).first()
            return (row.upload_id, msgspec.convert(row.output, FinishedStep)) if row is not None else None

    def expect(self, key: StepKey, parts: Sequence[str]) -> None:
        """Makes exactly these the parts of a step that fans out: new ones wait, those that are no longer made go."""
        of_step = (
            UploadStep.workspace_id == key.workspace_id,
            UploadStep.upload_id == key.upload_id,
            UploadStep.step == key.step,
        )
        rows = [
            {"workspace_id": key.workspace_id, "upload_id": key.upload_id, "step": key.step, "part": part}
            for part in parts
        ]
        with self._database.pipeline(key.workspace_id) as session:
            session.execute(sa.delete(UploadStep).where(*of_step, UploadStep.part.not_in(parts)))
            if rows:
                session.execute(insert(UploadStep).values(rows).on_conflict_do_nothing())
            _took_up(session, key)

    def unended(self, key: StepKey) -> list[str]:
        """The parts of a step that fans out that nobody has brought to an end, good or bad."""
        query = sa.select(UploadStep.part).where(
            UploadStep.workspace_id == key.workspace_id,
            UploadStep.upload_id == key.upload_id,
            UploadStep.step == key.step,
            UploadStep.part != "",
            UploadStep.state.in_(("pending", "running")),
        )
        with self._database.pipeline(key.workspace_id) as session:
            return list(session.scalars(query.order_by(UploadStep.part)))

    def begin(self, key: StepKey, *, attempt: int, max_attempts: int, run_id: str, deadline_seconds: float) -> None:
        """Marks the step as running from now on."""
        now = datetime.now(UTC)
        self._write(
            key,
            state="running",
            percent=0.0,
            doing="starting",
            attempt=attempt,
            max_attempts=max_attempts,
            run_id=run_id,
            worker=socket.gethostname(),
            started_at=now,
            deadline_at=now + timedelta(seconds=deadline_seconds),
            ended_at=None,
            reason=None,
            raw_error=None,
            reused_from=None,
        )

    def progress(self, key: StepKey, percent: float, doing: str) -> bool:
        """How far the running step is; a step that has meanwhile ended keeps its end.

        Answers whether the work is still wanted: not when the upload was cancelled or deleted. A paused one finishes its step.
        """
        statement = (
            sa.update(UploadStep)
            .where(
                UploadStep.workspace_id == key.workspace_id,
                UploadStep.upload_id == key.upload_id,
                UploadStep.step == key.step,
                UploadStep.part == key.part,
                UploadStep.state == "running",
            )
            .values(percent=percent, doing=doing)
        )
        wanted = sa.select(Upload.cancelled_at.is_(None) & Upload.deleted_at.is_(None)).where(
            Upload.workspace_id == key.workspace_id, Upload.id == key.upload_id
        )
        with self._database.pipeline(key.workspace_id) as session:
            session.execute(statement)
            return bool(session.scalar(wanted))

    def complete(
        self,
        key: StepKey,
        finished: FinishedStep,
        *,
        digest: str,
        usage: Mapping[str, float],
        reused_from: UUID | None = None,
    ) -> None:
        """Marks the step as done, with what it made; one that was found done elsewhere took no time here."""
        now = datetime.now(UTC)
        begun: dict[str, Any] = {"started_at": now} if reused_from is not None else {}
        self._write(
            key,
            **begun,
            state="completed",
            percent=100.0,
            doing="",
            ended_at=now,
            input_digest=digest,
            output=msgspec.to_builtins(finished),
            summary=dict(finished.metadata),
            usage=dict(usage),
            reused_from=reused_from,
            reason=None,
            raw_error=None,
        )

    def fail(self, key: StepKey, *, reason: str, raw_error: str, state: str = "failed") -> None:
        """Marks the step as failed: `reason` for the user, `raw_error` for operators."""
        self._write(key, state=state, ended_at=datetime.now(UTC), reason=reason, raw_error=raw_error[-20_000:])

    def halt(self, key: StepKey, why: Halt) -> None:
        """Marks the step as not done because nobody wants it now; a paused one waits."""
        ended = {"state": "cancelled", "ended_at": datetime.now(UTC)} if why == "cancelled" else {"state": "pending"}
        halted: dict[str, Any] = {
            **ended,
            "percent": 0.0,
            "doing": "",
            "reason": str(UploadHalted(why)),
            "raw_error": None,
        }
        # Somebody may have asked again this very moment; that wish is for the next run.
        self._write(key, takes_up=False, **halted)

    def _write(self, key: StepKey, *, takes_up: bool = True, **values: Any) -> None:
        row = {
            "workspace_id": key.workspace_id,
            "upload_id": key.upload_id,
            "step": key.step,
            "part": key.part,
            **values,
        }
        statement = insert(UploadStep).values(row)
        statement = statement.on_conflict_do_update(
            index_elements=["workspace_id", "upload_id", "step", "part"], set_=values
        )
        with self._database.pipeline(key.workspace_id) as session:
            session.execute(statement)
            if takes_up and not key.aside:
                _took_up(session, key)


def _took_up(session: Session, key: StepKey) -> None:
    """A run is at work on the upload, so that the wish to start it again is fulfilled."""
    session.execute(
        sa.update(Upload)
        .where(Upload.workspace_id == key.workspace_id, Upload.id == key.upload_id, Upload.retry_at.is_not(None))
        .values(retry_at=None)
    )
