"""Runs one step: lock, reuse, deadline, progress, storing, and the words for what went wrong."""

import errno
import os
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from uuid import UUID

import msgspec

from cliply_assets.steps.records import FinishedStep, StepKey, StepRecords, UploadFacts, UploadHalted
from cliply_assets.steps.rules import STEPS, StepRules, input_digest
from cliply_assets.steps.work import StepResult, StepWork, StoredObject, encode
from cliply_resources.database import Database
from cliply_resources.errors import (
    CallerError,
    CliplyError,
    DeadlineExceeded,
    MediaError,
    Rejected,
    StepFailed,
    ToolMissing,
)
from cliply_resources.progress import Progress
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage
from cliply_resources.storage.keys import analysis_key
from cliply_resources.usage import Taken, meter, nothing_used

__all__ = ["Attempt", "StepOutcome", "StepRunner", "is_final"]

PROGRESS_SECONDS = 0.3
"""At most one progress row a step in this time: a person cannot read faster, and every row costs a commit."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Which try this is, and in which run."""

    number: int
    run_id: str


@dataclass(frozen=True, kw_only=True)
class StepOutcome:
    """A completed step: new work, or found done already."""

    finished: FinishedStep
    digest: str
    reused: bool


def is_final(error: BaseException) -> bool:
    """Whether trying the same again half a minute later cannot help."""
    if isinstance(error, (MediaError, CallerError, ToolMissing, Rejected, DeadlineExceeded, UploadHalted)):
        return True
    # Somebody has to make room first, and should hear so at once.
    return isinstance(error, StepFailed) and os.strerror(errno.ENOSPC) in error.detail


class StepRunner:
    """Runs steps of uploads on this machine, one at a time in this process."""

    def __init__(self, database: Database, storage: Storage, configuration: Settings) -> None:
        self._database = database
        self._storage = storage
        self._configuration = configuration
        self.records = StepRecords(database)

    def run(
        self,
        upload_id: UUID,
        rules: StepRules,
        work: Callable[[StepWork], StepResult],
        attempt: Attempt,
        *,
        part: str = "",
        aside: bool = False,
        fingerprint: Callable[[UploadFacts], str] = lambda _: "",
    ) -> StepOutcome:
        """Does the step, or finds that it is done: the same inputs and version are never worked on twice.

        Two processes never work on the same step of the same upload: the second waits for the first, and then finds it done.

        Raises:
            CliplyError: the step failed; its row already says so. See `is_final`.
            UploadHalted: nobody wants it now; a cancelled upload ends its running step, too.
        """
        upload = self.records.upload(upload_id)
        key = StepKey(upload.workspace_id, upload_id, rules.name, part, aside)
        deadline = rules.deadline(self._source_seconds(upload))
        with self._database.advisory_lock(f"step:{upload_id}:{rules.name}:{part}", wait_seconds=deadline) as locked:
            if not locked:
                raise DeadlineExceeded(
                    f"Another process has been working on the step “{rules.label}” of this upload for {deadline:.0f} s; "
                    "wait for it to end, or stop it."
                )
            with self._telling(key, rules):
                self._check_wanted(key)
                inputs, objects = self._inputs(upload, rules)
                digest = input_digest(rules, upload.settings, inputs, part=part, fingerprint=fingerprint(upload))
                found = self._already_done(key, digest)
                if found is not None:
                    return StepOutcome(finished=found, digest=digest, reused=True)
                self.records.begin(
                    key,
                    attempt=attempt.number,
                    max_attempts=rules.max_attempts,
                    run_id=attempt.run_id,
                    deadline_seconds=deadline,
                )
                with self._folder(key) as folder, _deadline(deadline, rules.label), _metered(objects) as taken:
                    step = self._work(upload, key, folder, ends_at=time.monotonic() + deadline, objects=objects)
                    finished = self._store(key, work(step), folder)
                self.records.complete(key, finished, digest=digest, usage=taken.usage(stored_bytes=_size(finished)))
                return StepOutcome(finished=finished, digest=digest, reused=False)

    def _work(
        self,
        upload: UploadFacts,
        key: StepKey,
        folder: Path,
        *,
        ends_at: float,
        objects: Mapping[str, Mapping[str, StoredObject]],
    ) -> StepWork:
        return StepWork(
            workspace_id=upload.workspace_id,
            upload_id=upload.upload_id,
            part=key.part,
            title=upload.title,
            source_kind=upload.source_kind,
            source_uri=upload.source_uri,
            source_sha256=upload.source_sha256,
            settings=upload.settings,
            configuration=self._configuration,
            storage=self._storage,
            folder=folder,
            progress=self._progress(key),
            ends_at=ends_at,
            objects=objects,
        )

    @contextmanager
    def _telling(self, key: StepKey, rules: StepRules) -> Iterator[None]:
        """Says in the step's row what ended the block, in words for the user beside what operators need."""
        try:
            yield
        except UploadHalted as error:
            self.records.halt(key, error.why)
            raise
        except CliplyError as error:
            detail = error.detail if isinstance(error, StepFailed) else ""
            self.records.fail(key, reason=str(error), raw_error=detail or traceback.format_exc())
            raise
        except OSError as error:
            reason = f"This machine would not let Cliply work on “{rules.label}”: {error.strerror or error}."
            self.records.fail(key, reason=reason, raw_error=traceback.format_exc())
            raise StepFailed(reason, detail=traceback.format_exc()) from error
        except BaseException as error:
            self._tell_of_the_unexpected(key, rules, error)
            raise

    def _tell_of_the_unexpected(self, key: StepKey, rules: StepRules, error: BaseException) -> None:
        if not _is_interruption(error):
            reason = f"Something unexpected stopped “{rules.label}” ({type(error).__name__}); the log has the details."
            self.records.fail(key, reason=reason, raw_error=traceback.format_exc())
            return
        why = self.records.halted(key)
        if why is not None:
            # The run was ended because nobody wants it, which says more than that it was ended.
            self.records.halt(key, why)
            return
        reason = "The work was interrupted; it continues when the upload is run again."
        self.records.fail(key, reason=reason, raw_error=traceback.format_exc(), state="cancelled")

    def _check_wanted(self, key: StepKey) -> None:
        """What is finished stays finished, whatever was decided since."""
        why = self.records.halted(key)
        if why is not None and self.records.finished(key) is None:
            raise UploadHalted(why)

    def _source_seconds(self, upload: UploadFacts) -> float:
        source = self.records.finished(StepKey(upload.workspace_id, upload.upload_id, "source_video"))
        return float(source[1].metadata.get("duration_seconds", 0.0)) if source is not None else 0.0

    def _inputs(
        self, upload: UploadFacts, rules: StepRules
    ) -> tuple[dict[str, str], dict[str, dict[str, StoredObject]]]:
        digests: dict[str, str] = {}
        objects: dict[str, dict[str, StoredObject]] = {}
        for step in rules.after:
            row = self.records.finished(StepKey(upload.workspace_id, upload.upload_id, step))
            if row is None:
                raise StepFailed(
                    f"“{rules.label}” needs the result of “{STEPS[step].label}”, which is not there yet; run that step first."
                )
            digests[step] = row[1].digest()
            objects[step] = row[1].objects
        return digests, objects

    def _already_done(self, key: StepKey, digest: str) -> FinishedStep | None:
        own = self.records.finished(key)
        if own is not None and own[0] == digest and self._all_there(own[1]):
            return own[1]
        other = self.records.same_work(key, digest)
        if other is None or not self._all_there(other[1]):
            return None
        upload_id, found = other
        copied = {
            name: msgspec.structs.replace(stored, key=analysis_key(key.workspace_id, key.upload_id, name))
            for name, stored in found.objects.items()
        }
        for name, stored in found.objects.items():
            self._storage.copy(stored.key, copied[name].key)
        mine = msgspec.structs.replace(found, objects=copied)
        self.records.complete(key, mine, digest=digest, usage=nothing_used(), reused_from=upload_id)
        return mine

    def _all_there(self, finished: FinishedStep) -> bool:
        return all(self._storage.exists(stored.key) for stored in finished.objects.values())

    def _store(self, key: StepKey, result: StepResult, folder: Path) -> FinishedStep:
        files = dict(result.files)
        for name, document in result.documents.items():
            files[name] = folder / f".document-{name}"
            files[name].write_bytes(encode(document))
        objects: dict[str, StoredObject] = {}
        for name, path in files.items():
            object_key = analysis_key(key.workspace_id, key.upload_id, name)
            stored = self._storage.put_file(object_key, path)
            objects[name] = StoredObject(key=object_key, size=stored.size, sha256=stored.sha256)
        objects.update(result.stored)
        return FinishedStep(objects=objects, metadata=dict(result.metadata), checks=result.checks)

    @contextmanager
    def _folder(self, key: StepKey) -> Iterator[Path]:
        # The lock is held, so whatever lies here was left by a process that was killed.
        folder = self._configuration.home / "work" / f"{key.upload_id}-{key.step}-{key.part or 'all'}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _progress(self, key: StepKey) -> Progress:
        last = 0.0
        highest = 0.0

        def report(fraction: float, doing: str) -> None:
            nonlocal last, highest
            now = time.monotonic()
            if now - last < PROGRESS_SECONDS:
                return
            last = now
            highest = max(highest, min(fraction, 1.0))
            if not self.records.progress(key, round(100 * highest, 1), doing):
                raise UploadHalted("cancelled")

        return report


def _metered(objects: Mapping[str, Mapping[str, StoredObject]]) -> AbstractContextManager[Taken]:
    return meter(read_bytes=sum(stored.size for of_step in objects.values() for stored in of_step.values()))


def _size(finished: FinishedStep) -> int:
    return sum(stored.size for stored in finished.objects.values())


def _is_interruption(error: BaseException) -> bool:
    """Somebody ended the process; Dagster has an exception of its own for it."""
    return isinstance(error, (KeyboardInterrupt, SystemExit)) or "Interrupted" in type(error).__name__


@contextmanager
def _deadline(seconds: float, label: str) -> Iterator[None]:
    """Raises DeadlineExceeded in the block after `seconds`, whatever it is doing; only a main thread can be stopped so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise DeadlineExceeded(f"“{label}” was stopped because it took longer than the {seconds:.0f} s it may take.")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
