"""Steps against a real database and a real folder of objects: reuse, locks, deadlines, and words for what went wrong."""

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from cliply_assets.steps.records import StepKey, UploadHalted
from cliply_assets.steps.rules import StepRules
from cliply_assets.steps.runner import Attempt, StepRunner, is_final
from cliply_assets.steps.work import Check, StepResult, StepWork
from cliply_resources.database import Database
from cliply_resources.database.models import Upload, UploadStep
from cliply_resources.documents import UploadSettings
from cliply_resources.errors import DeadlineExceeded, MediaError, StepFailed
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage
from cliply_resources.uploads import find_or_create_file_upload

FIRST = StepRules(name="source_video", label="Fetching the video", settings=("clips",))
SECOND = StepRules(name="media_proxy", label="Decoding once", after=("source_video",))
ATTEMPT = Attempt(number=1, run_id="run")


@pytest.fixture
def runner(database: Database, settings: Settings) -> StepRunner:
    return StepRunner(database, open_storage(settings), settings)


def new_upload(database: Database, content: str = "a", *, clips: int = 5) -> UUID:
    workspace = database.local_workspace()
    with database.pipeline(workspace) as session:
        upload, _ = find_or_create_file_upload(
            session,
            workspace,
            path="/films/film.mp4",
            title="film",
            sha256=(content * 64)[:64],
            size=1,
            settings=UploadSettings(clips=clips),
        )
    return upload


@pytest.fixture
def upload(database: Database) -> UUID:
    return new_upload(database)


def row(database: Database, upload: UUID, step: str) -> UploadStep:
    workspace = database.local_workspace()
    with database.pipeline(workspace) as session:
        return session.get_one(UploadStep, (workspace, upload, step, ""))


class Writes:
    """Work that writes a text and counts how often it was done."""

    def __init__(self, text: str = "hello") -> None:
        self.text = text
        self.times = 0

    def __call__(self, work: StepWork) -> StepResult:
        self.times += 1
        path = work.folder / "text.txt"
        path.write_text(self.text)
        return StepResult(
            files={"text.txt": path}, metadata={"length": 5}, checks=(Check(name="c", passed=True, says="Fine."),)
        )


def test_a_finished_step_is_not_worked_on_again(runner: StepRunner, upload: UUID) -> None:
    work = Writes()
    first = runner.run(upload, FIRST, work, ATTEMPT)
    second = runner.run(upload, FIRST, work, ATTEMPT)
    assert work.times == 1
    assert (first.reused, second.reused) == (False, True)
    assert second.finished == first.finished


def test_a_new_code_version_is_worked_on_again(runner: StepRunner, upload: UUID) -> None:
    work = Writes()
    runner.run(upload, FIRST, work, ATTEMPT)
    runner.run(upload, StepRules(name=FIRST.name, label=FIRST.label, code_version="2"), work, ATTEMPT)
    assert work.times == 2


def test_a_changed_input_is_worked_on_again_and_an_unchanged_one_is_not(runner: StepRunner, upload: UUID) -> None:
    downstream = Writes("later")
    runner.run(upload, FIRST, Writes("one"), ATTEMPT)
    runner.run(upload, SECOND, downstream, ATTEMPT)
    newer = StepRules(name=FIRST.name, label=FIRST.label, code_version="2")
    runner.run(upload, newer, Writes("one"), ATTEMPT)
    runner.run(upload, SECOND, downstream, ATTEMPT)
    assert downstream.times == 1, "the same bytes came in, though a newer version wrote them"
    newest = StepRules(name=FIRST.name, label=FIRST.label, code_version="3")
    runner.run(upload, newest, Writes("two"), ATTEMPT)
    runner.run(upload, SECOND, downstream, ATTEMPT)
    assert downstream.times == 2


def test_the_same_bytes_in_another_upload_are_analysed_once(
    runner: StepRunner, database: Database, upload: UUID
) -> None:
    work = Writes()
    runner.run(upload, SECOND_ALONE, work, ATTEMPT)
    twin = new_upload(database, clips=3)
    outcome = runner.run(twin, SECOND_ALONE, work, ATTEMPT)
    assert work.times == 1
    assert row(database, twin, SECOND_ALONE.name).reused_from == upload
    assert str(twin) in outcome.finished.objects["text.txt"].key


SECOND_ALONE = StepRules(name="media_proxy", label="Decoding once")


def test_a_lost_object_is_made_again(runner: StepRunner, upload: UUID, settings: Settings) -> None:
    work = Writes()
    stored = runner.run(upload, FIRST, work, ATTEMPT).finished.objects["text.txt"]
    open_storage(settings).delete(stored.key)
    runner.run(upload, FIRST, work, ATTEMPT)
    assert work.times == 2


def test_a_step_before_its_input_says_which_step_is_missing(runner: StepRunner, upload: UUID) -> None:
    with pytest.raises(StepFailed, match="Fetching the video"):
        runner.run(upload, SECOND, Writes(), ATTEMPT)


def test_a_refused_input_is_final_and_its_sentence_is_the_reason(
    runner: StepRunner, database: Database, upload: UUID
) -> None:
    def refuse(_work: StepWork) -> StepResult:
        raise MediaError("The file film.mp4 is empty; give one video file.")

    with pytest.raises(MediaError) as refused:
        runner.run(upload, FIRST, refuse, ATTEMPT)
    failed = row(database, upload, FIRST.name)
    assert is_final(refused.value)
    assert (failed.state, failed.reason) == ("failed", "The file film.mp4 is empty; give one video file.")


def test_an_unexpected_error_is_not_shown_raw_to_the_user(runner: StepRunner, database: Database, upload: UUID) -> None:
    def break_down(_work: StepWork) -> StepResult:
        raise ZeroDivisionError("secret detail")

    with pytest.raises(ZeroDivisionError):
        runner.run(upload, FIRST, break_down, ATTEMPT)
    failed = row(database, upload, FIRST.name)
    assert "secret detail" not in (failed.reason or "")
    assert "secret detail" in (failed.raw_error or "")


def test_work_past_its_deadline_is_stopped_and_says_so(runner: StepRunner, database: Database, upload: UUID) -> None:
    def dawdle(_work: StepWork) -> StepResult:
        time.sleep(30)
        return StepResult()

    hurried = StepRules(name=FIRST.name, label=FIRST.label, deadline_seconds=0.3)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        runner.run(upload, hurried, dawdle, ATTEMPT)
    assert time.monotonic() - began < 5
    assert "took longer" in (row(database, upload, FIRST.name).reason or "")


def test_progress_reaches_the_row_while_the_step_runs(runner: StepRunner, database: Database, upload: UUID) -> None:
    seen: list[tuple[float, str]] = []

    def report(work: StepWork) -> StepResult:
        work.progress(0.4, "decoding, 41 s of 100 s")
        now = row(database, upload, FIRST.name)
        seen.append((now.percent, now.doing))
        return StepResult()

    runner.run(upload, FIRST, report, ATTEMPT)
    assert seen == [(40.0, "decoding, 41 s of 100 s")]
    assert row(database, upload, FIRST.name).percent == 100.0


def test_two_at_once_do_the_work_once(runner: StepRunner, upload: UUID) -> None:
    work = Writes()

    def slowly(step: StepWork) -> StepResult:
        time.sleep(0.3)
        return work(step)

    threads = [threading.Thread(target=runner.run, args=(upload, FIRST, slowly, ATTEMPT)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert work.times == 1


def _killed_halfway(settings: Settings, upload: UUID, begun: "multiprocessing.synchronize.Event") -> None:
    def work(step: StepWork) -> StepResult:
        (step.folder / "text.txt").write_text("half")
        begun.set()
        time.sleep(60)
        return StepResult()

    with Database.open(settings) as database:
        StepRunner(database, open_storage(settings), settings).run(upload, FIRST, work, ATTEMPT)


@pytest.fixture
def killed_step(settings: Settings, upload: UUID) -> None:
    context = multiprocessing.get_context("fork")
    begun = context.Event()
    process = context.Process(target=_killed_halfway, args=(settings, upload, begun))
    process.start()
    assert begun.wait(20)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_a_killed_step_is_done_anew_and_leaves_nothing_behind(
    killed_step: None, runner: StepRunner, database: Database, upload: UUID, settings: Settings
) -> None:
    assert row(database, upload, FIRST.name).state == "running"
    work = Writes("whole")
    outcome = runner.run(upload, FIRST, work, ATTEMPT)
    assert work.times == 1
    assert open_storage(settings).get_bytes(outcome.finished.objects["text.txt"].key) == b"whole"
    assert list((settings.home / "work").iterdir()) == []


def test_an_interrupted_step_says_that_it_continues(runner: StepRunner, database: Database, upload: UUID) -> None:
    def stop(_work: StepWork) -> StepResult:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run(upload, FIRST, stop, ATTEMPT)
    stopped = row(database, upload, FIRST.name)
    assert stopped.state == "cancelled"
    assert "continues" in (stopped.reason or "")


def test_finished_rows_know_their_digest(runner: StepRunner, database: Database, upload: UUID) -> None:
    outcome = runner.run(upload, FIRST, Writes(), ATTEMPT)
    workspace = database.local_workspace()
    found = runner.records.finished(StepKey(workspace, upload, FIRST.name))
    assert found is not None
    assert found[0] == outcome.digest
    with database.pipeline(workspace) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(UploadStep)) == 1


def test_an_unwritable_work_folder_is_a_sentence(
    runner: StepRunner, database: Database, upload: UUID, settings: Settings
) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / "work").write_text("a file where the folder should be")
    with pytest.raises(StepFailed, match="would not let Cliply work"):
        runner.run(upload, FIRST, Writes(), ATTEMPT)
    assert row(database, upload, FIRST.name).state == "failed"
    Path(settings.home / "work").unlink()


def wish(database: Database, upload: UUID, **wishes: object) -> None:
    workspace = database.local_workspace()
    with database.pipeline(workspace) as session:
        session.execute(sa.update(Upload).where(Upload.id == upload).values(**wishes))


@pytest.mark.parametrize(("wanted", "state"), [("cancelled_at", "cancelled"), ("paused_at", "pending")])
def test_a_step_that_begins_on_an_upload_nobody_wants_now_ends_at_once(
    runner: StepRunner, database: Database, upload: UUID, wanted: str, state: str
) -> None:
    wish(database, upload, **{wanted: sa.func.now()})
    work = Writes()
    with pytest.raises(UploadHalted) as halted:
        runner.run(upload, FIRST, work, ATTEMPT)
    assert is_final(halted.value)
    assert work.times == 0
    found = row(database, upload, FIRST.name)
    assert (found.state, found.reason) == (state, str(halted.value))


def test_what_is_finished_stays_finished_when_the_upload_is_cancelled(
    runner: StepRunner, database: Database, upload: UUID
) -> None:
    runner.run(upload, FIRST, Writes(), ATTEMPT)
    wish(database, upload, cancelled_at=sa.func.now())
    assert runner.run(upload, FIRST, Writes(), ATTEMPT).reused


def test_a_running_step_of_a_cancelled_upload_ends_at_its_next_word_of_progress(
    runner: StepRunner, database: Database, upload: UUID
) -> None:
    def work(step: StepWork) -> StepResult:
        wish(database, upload, cancelled_at=sa.func.now())
        step.progress(0.5, "half")
        pytest.fail("went on")

    with pytest.raises(UploadHalted):
        runner.run(upload, FIRST, work, ATTEMPT)
    assert row(database, upload, FIRST.name).state == "cancelled"


def test_a_paused_upload_finishes_the_step_it_is_at(runner: StepRunner, database: Database, upload: UUID) -> None:
    def work(step: StepWork) -> StepResult:
        wish(database, upload, paused_at=sa.func.now())
        step.progress(0.5, "half")
        return StepResult()

    runner.run(upload, FIRST, work, ATTEMPT)
    assert row(database, upload, FIRST.name).state == "completed"


def test_the_wish_to_go_on_is_fulfilled_by_the_first_step_and_not_by_one_that_was_halted(
    runner: StepRunner, database: Database, upload: UUID
) -> None:
    workspace = database.local_workspace()

    def waits() -> bool:
        with database.pipeline(workspace) as session:
            return session.get_one(Upload, (workspace, upload)).retry_at is not None

    wish(database, upload, retry_at=sa.func.now(), paused_at=sa.func.now())
    with pytest.raises(UploadHalted):
        runner.run(upload, FIRST, Writes(), ATTEMPT)
    assert waits()
    wish(database, upload, paused_at=None)
    runner.run(upload, FIRST, Writes(), ATTEMPT)
    assert not waits()
