"""Search from the stored transcript to the answer: a real database, a real store and real LanceDB tables."""

import multiprocessing
import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import av
import dagster as dg
import msgspec
import numpy as np
import psycopg
import pytest
import sqlalchemy as sa

from cliply_assets.pipeline import Pipeline, _open
from cliply_assets.runs import _only_unneeded_failed
from cliply_assets.sample import load_truth
from cliply_assets.search.assets import frame_index, index_documents
from cliply_assets.search.find import Found, find_moments
from cliply_assets.search.index import SearchIndex, open_index
from cliply_assets.search.upkeep import DOCUMENT, rebuild, remove_upload, synchronise
from cliply_assets.steps.rules import STEPS, StepRules
from cliply_assets.steps.runner import Attempt, StepOutcome, StepRunner
from cliply_assets.steps.work import StepResult
from cliply_resources.database import Database
from cliply_resources.database.models import Upload
from cliply_resources.documents import MediaProxy, Segment, Transcript, UploadSettings, Word
from cliply_resources.settings import Settings, get_settings
from cliply_resources.storage import Storage, analysis_key, open_storage
from cliply_resources.uploads import find_or_create_file_upload

ATTEMPT = Attempt(number=1, run_id="run")
PROXY = MediaProxy(
    duration=200.0,
    has_audio=True,
    frames_width=64,
    frames_height=36,
    frames_rate=2.0,
    frames_count=400,
    motion_width=64,
    motion_height=36,
    source_frames=6000,
)


def talk(*sentences: str) -> Transcript:
    """A transcript of sentences that are said 10 s apart, so that each is a passage."""
    segments = []
    for number, sentence in enumerate(sentences):
        words = tuple(
            Word(text=text, start=10 * number + 0.3 * place, end=10 * number + 0.3 * place + 0.2)
            for place, text in enumerate(sentence.split())
        )
        segments.append(Segment(start=10.0 * number, end=words[-1].end, text=sentence, words=words))
    return Transcript(
        engine="file",
        engine_detail="",
        language="en",
        quality="high",
        word_times="measured",
        segments=tuple(segments),
    )


class Shop:
    """One installation: uploads with transcripts, and their search."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.storage: Storage = open_storage(settings)
        self.workspace = database.local_workspace()
        self.runner = StepRunner(database, self.storage, settings)

    def upload(
        self, transcript: Transcript, *, title: str = "talk", workspace: UUID | None = None, film: Path | None = None
    ) -> UUID:
        """A new upload that is transcribed."""
        workspace = workspace or self.workspace
        with self.database.pipeline(workspace) as session:
            upload, _ = find_or_create_file_upload(
                session,
                workspace,
                path="/films/film.mp4",
                title=title,
                sha256=uuid4().hex * 2,
                size=1,
                settings=UploadSettings(),
            )
        self.said(upload, transcript, film=film)
        return upload

    def said(self, upload: UUID, transcript: Transcript, *, film: Path | None = None) -> None:
        """Its transcript, from now on."""
        documents: dict[str, dict[str, msgspec.Struct]] = {
            "media_proxy": {"proxy.json": PROXY},
            "transcript": {"transcript.json": transcript},
        }
        for step, files in documents.items():
            pictures = {"frames.mkv": film} if film is not None and step == "media_proxy" else {}
            result = StepResult(documents=files, files=pictures)
            # A step of its own each time, so that it is done anew.
            rules = StepRules(name=step, label=STEPS[step].label, code_version=uuid4().hex)
            self.runner.run(upload, rules, lambda _, result=result: result, ATTEMPT)

    def index(self, *uploads: UUID, workspace: UUID | None = None) -> None:
        """What the asset does."""
        for upload in uploads:
            self.make(upload)
            synchronise(self.database, self.storage, self.settings, workspace or self.workspace)

    def make(self, upload: UUID) -> StepOutcome:
        """The step alone."""
        return self.runner.run(upload, STEPS["frame_index"], index_documents, ATTEMPT)

    def find(self, words: str, **asked: Any) -> Found:
        """An answer."""
        workspace = asked.pop("workspace", self.workspace)
        return find_moments(self.database, self.storage, self.settings, workspace, words, **asked)

    def texts(self, words: str, **asked: Any) -> list[str]:
        """What is said in the moments that were found."""
        return [moment.text for moment in self.find(words, **asked).moments]

    @property
    def tables(self) -> SearchIndex:
        """The index itself."""
        return open_index(self.settings, self.workspace)

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Everything in it."""
        return self.tables.rows()


@pytest.fixture
def shop(database: Database, settings: Settings) -> Shop:
    return Shop(database, settings)


def test_a_search_before_anything_was_indexed_says_what_to_do(shop: Shop) -> None:
    found = shop.find("anything")
    assert found.moments == ()
    assert found.note == "Nothing is indexed yet; `cliply clip FILM.mp4` indexes the film that it works on."


def test_the_sample_is_found_by_what_is_said(shop: Shop) -> None:
    truth = load_truth()
    upload = shop.upload(truth.transcript, title="The sample talk")
    shop.index(upload)
    for segment in truth.transcript.segments[::5]:
        best = shop.find(segment.text).moments[0]
        assert best.start <= segment.start
        assert segment.end <= best.end
        assert segment.text in best.text
        assert (best.title, best.speaker) == ("The sample talk", segment.speaker)


def test_forms_of_a_word_accents_and_scripts_without_spaces_are_found(shop: Shop) -> None:
    shop.index(shop.upload(talk("My biggest mistakes taught me.", "Ein Café in Köln.", "我们今天讨论人工智能")))
    assert shop.texts("mistake") == ["My biggest mistakes taught me."]
    assert shop.texts("cafe") == ["Ein Café in Köln."]
    assert shop.texts("人工智能") == ["我们今天讨论人工智能"]


@pytest.mark.parametrize("words", ['"', "a' OR '1'='1", "AND (", "*:*", "%", "\u0000", "x" * 5000])
def test_no_character_has_a_special_meaning(shop: Shop, words: str) -> None:
    shop.index(shop.upload(talk("One plain sentence.")))
    assert shop.texts(words) in ([], ["One plain sentence."])
    assert shop.texts("plain") == ["One plain sentence."]


def test_one_upload_can_be_searched_alone(shop: Shop) -> None:
    first, second = shop.upload(talk("Apples are red.")), shop.upload(talk("Apples are green."))
    shop.index(first, second)
    assert sorted(shop.texts("apples")) == ["Apples are green.", "Apples are red."]
    assert shop.texts("apples", upload_id=second) == ["Apples are green."]
    assert len(shop.texts("apples", limit=1)) == 1


def test_an_upload_without_speech_is_indexed_and_holds_nothing(shop: Shop) -> None:
    upload = shop.upload(talk())
    shop.index(upload)
    assert set(shop.tables.documents()) == {upload}
    found = shop.find("anything")
    assert (found.moments, found.note) == ((), "")


def test_without_a_model_the_checks_say_how_pictures_become_searchable(shop: Shop) -> None:
    checks = {check.name: check for check in shop.make(shop.upload(talk("Words."))).finished.checks}
    assert checks["every_segment_is_indexed"].passed
    pictures = checks["frames_are_indexed"]
    assert (pictures.passed, pictures.serious) == (False, False)
    assert "CLIPLY_CLIP_WEIGHTS" in pictures.says


def test_a_checkpoint_that_is_not_there_leaves_the_words_searchable(shop: Shop, tmp_path: Path) -> None:
    shop.settings.clip_weights = tmp_path / "missing.pt"
    shop.index(shop.upload(talk("Words stay.")))
    assert shop.texts("words") == ["Words stay."]


def test_indexing_again_leaves_no_doubles_and_nothing_of_before(shop: Shop) -> None:
    upload = shop.upload(talk("Apples are red.", "Pears are yellow."))
    shop.index(upload)
    shop.index(upload)
    assert len(shop.rows()["moments"]) == 3
    shop.said(upload, talk("Plums are blue."))
    shop.index(upload)
    assert shop.texts("apples plums pears") == ["Plums are blue."]
    assert len(shop.rows()["moments"]) == 2


def test_a_twin_whose_step_is_found_done_is_searchable_too(shop: Shop) -> None:
    first = shop.upload(talk("Apples are red."))
    shop.index(first)
    twin = shop.upload(talk("Apples are red."))
    assert shop.make(twin).reused
    assert {moment.upload for moment in shop.find("apples").moments} == {first, twin}


@pytest.fixture
def other_workspace(settings: Settings, shop: Shop) -> UUID:
    """Somebody else's workspace."""
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        made = connection.execute("INSERT INTO workspaces (name) VALUES ('other') RETURNING id").fetchone()
    assert made is not None
    return UUID(str(made[0]))


def test_two_workspaces_never_see_each_others_words(shop: Shop, other_workspace: UUID) -> None:
    mine = shop.upload(talk("Apples are mine."))
    theirs = shop.upload(talk("Apples are theirs."), workspace=other_workspace)
    shop.index(mine)
    shop.index(theirs, workspace=other_workspace)
    assert shop.texts("apples") == ["Apples are mine."]
    assert shop.texts("apples", workspace=other_workspace) == ["Apples are theirs."]
    assert shop.find("apples", upload_id=theirs).moments == ()
    assert set(shop.tables.documents()) == {mine}


def _index_in_a_process(settings: Settings, upload: UUID) -> None:
    with Database.open(settings) as database:
        Shop(database, settings).index(upload)


@pytest.mark.slow
def test_uploads_that_are_indexed_at_once_lose_nothing(shop: Shop) -> None:
    uploads = [shop.upload(talk(f"Number {number} speaks.", "All of us agree.")) for number in range(3)]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_index_in_a_process, args=(shop.settings, upload)) for upload in uploads[1:]]
    for process in processes:
        process.start()
    shop.index(uploads[0])
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert {moment.upload for moment in shop.find("agree").moments} == set(uploads)
    assert len(shop.rows()["moments"]) == 9


def test_threads_that_search_meanwhile_never_miss_an_upload(shop: Shop) -> None:
    upload = shop.upload(talk("Apples are red."))
    shop.index(upload)
    rows = shop.rows()
    missed: list[object] = []
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            found = shop.tables.by_words("apples", upload_id=None, limit=5)
            if len(found) != 1:
                missed.append(found)

    thread = threading.Thread(target=search)
    thread.start()
    for number in range(6):
        shop.said(upload, talk("Apples are red.", f"Take {number}."))
        shop.index(upload)
    stop.set()
    thread.join()
    assert missed == []
    assert len(shop.rows()["moments"]) == len(rows["moments"]) + 1


def _die_halfway(settings: Settings, upload: UUID) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    # As after the deletion of the old rows, before the new ones are there.
    SearchIndex._merge = lambda index, name, upload_id, _rows: (index._delete(name, upload_id), die())  # type: ignore[method-assign]
    _index_in_a_process(settings, upload)


@pytest.mark.slow
def test_an_index_that_was_left_half_done_is_whole_after_the_next_run(shop: Shop) -> None:
    first, upload = shop.upload(talk("Pears are yellow.")), shop.upload(talk("Apples are red."))
    shop.index(first, upload)
    shop.said(upload, talk("Apples are green."))
    process = multiprocessing.get_context("spawn").Process(target=_die_halfway, args=(shop.settings, upload))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert set(shop.tables.documents()) == {first}
    shop.index(first)
    assert shop.tables.documents().keys() == {first, upload}
    assert shop.texts("apples") == ["Apples are green."]


def test_a_search_mends_an_index_that_was_lost(shop: Shop) -> None:
    shop.index(shop.upload(talk("Apples are red.")))
    shutil.rmtree(shop.settings.home / "search")
    assert shop.texts("apples") == ["Apples are red."]


def test_rebuilding_gives_the_same_tables(shop: Shop) -> None:
    uploads = [shop.upload(talk(f"Number {number} speaks.", "All of us agree.")) for number in range(3)]
    shop.index(*uploads)
    before = shop.rows()
    done = rebuild(shop.database, shop.storage, shop.settings, shop.workspace)
    assert (done.indexed, done.removed, done.missing) == (3, 0, ())
    assert shop.rows() == before


def test_an_upload_whose_document_is_gone_is_named_and_hides_no_other(shop: Shop) -> None:
    lost, kept = shop.upload(talk("Apples are red.")), shop.upload(talk("Apples are green."))
    shop.index(lost, kept)
    shop.storage.delete(analysis_key(shop.workspace, lost, DOCUMENT))
    assert rebuild(shop.database, shop.storage, shop.settings, shop.workspace).missing == (lost,)
    found = shop.find("apples")
    assert [moment.upload for moment in found.moments] == [kept]
    assert "no longer stored" in found.note


def on_disk(folder: Path, word: bytes) -> bool:
    return any(word in path.read_bytes().lower() for path in folder.rglob("*") if path.is_file())


def test_a_removed_upload_is_found_nowhere_not_even_on_disk(shop: Shop) -> None:
    upload, kept = shop.upload(talk("The password is xylophone.")), shop.upload(talk("The password is secret."))
    shop.index(upload, kept)
    assert on_disk(shop.settings.home / "search", b"xylophone")
    remove_upload(shop.database, shop.settings, shop.workspace, upload)
    assert set(shop.tables.documents()) == {kept}
    assert not on_disk(shop.settings.home / "search", b"xylophone")


def test_a_deleted_upload_leaves_the_index_at_the_next_search(shop: Shop) -> None:
    upload = shop.upload(talk("Apples are red."))
    shop.index(upload)
    with shop.database.pipeline(shop.workspace) as session:
        session.execute(sa.update(Upload).where(Upload.id == upload).values(deleted_at=sa.func.now()))
    assert shop.texts("apples") == []
    assert shop.tables.documents() == {}


class Colours:
    """A stand-in for a model: three axes, on which words and pictures of one colour meet."""

    name = "colours"
    dimensions = 3

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        named = [[colour in text.lower() for colour in ("blue", "green", "red")] for text in texts]
        return np.float32(named) + np.float32(0.01)

    def embed_images(self, pictures: list[np.ndarray]) -> np.ndarray:
        return np.float32([picture.mean(axis=(0, 1)) for picture in pictures]) + np.float32(0.01)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A proxy's pictures: 20 s of blue, then 40 s of red."""
    path = tmp_path_factory.mktemp("film") / "frames.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=2, width=64, height=36, pix_fmt="yuvj420p")
        for number in range(120):
            colour = [255, 0, 0] if number < 40 else [0, 0, 255]
            picture = np.full((36, 64, 3), colour, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def seeing(monkeypatch: pytest.MonkeyPatch, shop: Shop, film: Path) -> Shop:
    """The shop with a model that tells colours."""
    monkeypatch.setattr("cliply_assets.search.assets.open_embedder", lambda _: Colours())
    monkeypatch.setattr("cliply_assets.search.find.open_embedder", lambda _: Colours())
    shop.settings.clip_weights = film
    return shop


def test_what_is_shown_is_found_beside_what_is_said(seeing: Shop, film: Path) -> None:
    upload = seeing.upload(talk("Look at the sea.", "I have the red shirt on."), film=film)
    checks = {check.name: check for check in seeing.make(upload).finished.checks}
    assert checks["frames_are_indexed"].passed
    assert "30 pictures" in checks["frames_are_indexed"].says
    found = seeing.find("red")
    assert found.ranked_by == "words and pictures"
    assert found.moments[0].text == "I have the red shirt on."
    silent = [moment for moment in found.moments if not moment.text]
    assert silent[0].start >= 20, "the first picture without speech that is offered is a red one"
    assert seeing.find("blue").moments[0].start < 20
    before = seeing.rows()
    assert len(before) == 2
    rebuild(seeing.database, seeing.storage, seeing.settings, seeing.workspace)
    assert seeing.rows() == before
    remove_upload(seeing.database, seeing.settings, seeing.workspace, upload)
    assert all(rows == [] for rows in seeing.rows().values())


def test_vectors_of_a_model_that_is_no_longer_used_go_when_the_upload_is_indexed_again(
    seeing: Shop, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = seeing.upload(talk("Look at the sea."), film=film)
    seeing.index(upload)
    assert seeing.find("blue").ranked_by == "words and pictures"
    monkeypatch.setattr(Colours, "name", "colours, second edition")
    assert seeing.find("sea").ranked_by == "words", "vectors of another model cannot be compared"
    seeing.said(upload, talk("Look at the blue sea."), film=film)
    seeing.index(upload)
    assert seeing.find("blue").ranked_by == "words and pictures"
    assert sorted(len(rows) for rows in seeing.rows().values()) == [0, 2, 31]


def test_the_asset_makes_an_upload_searchable(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop.settings.database_url is not None
    monkeypatch.setenv("CLIPLY_HOME", str(shop.settings.home))
    monkeypatch.setenv("CLIPLY_DATABASE_URL", shop.settings.database_url.get_secret_value())
    upload = shop.upload(talk("Apples are red."))
    get_settings.cache_clear()
    _open.cache_clear()
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("uploads", [str(upload)])
            done = dg.materialize(
                [frame_index], partition_key=str(upload), instance=instance, resources={"pipeline": Pipeline()}
            )
        assert done.success
        outcomes = {each.check_name: each.passed for each in done.get_asset_check_evaluations()}
        assert outcomes == {"every_segment_is_indexed": True, "frames_are_indexed": False}
        assert set(shop.tables.documents()) == {upload}
    finally:
        _open()[0].close()
        _open.cache_clear()
        get_settings.cache_clear()


def test_a_run_does_not_fail_over_its_search_index_alone() -> None:
    @dg.asset(name="frame_index")
    def broken() -> None:
        raise dg.Failure("The index cannot be written.", allow_retries=False)

    @dg.asset
    def renders() -> None:
        pass

    @dg.asset(name="scenes")
    def broken_too() -> None:
        raise dg.Failure("No.", allow_retries=False)

    assert _only_unneeded_failed(dg.materialize([broken, renders], raise_on_error=False))
    assert not _only_unneeded_failed(dg.materialize([broken, broken_too], raise_on_error=False))
    assert not _only_unneeded_failed(dg.materialize([renders]))
