"""`cliply clip` from a film to files, as a person or a script meets it; one film, one installation, run after run."""

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import dagster as dg
import opentimelineio
import pysubs2
import pytest
from cliply_command import DECODING, RENDERING, Cliply, Done, Films
from lxml import etree

from cliply_assets.steps.rules import STEPS
from cliply_resources.documents.clips import ASPECTS
from cliply_resources.media_tools.loudness import measure_loudness

pytestmark = pytest.mark.slow

BOTH = ("--aspect", "9:16", "--aspect", "1:1")
KINDS = {"video", "thumbnail", "srt", "edl", "xml", "fcpxml", "provenance"}
FACTS = {"id", "start", "end", "duration", "score", "subscores", "title", "reasons", "files"}
ANALYSIS = set(STEPS) - {"clip_candidates", "renders"}


def digests(done: Done) -> dict[str, str]:
    """What every delivered file contains, by name."""
    files = [Path(path) for aspect in done.clip()["aspects"].values() for path in aspect.values()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def steps(done: Done) -> dict[str, dict[str, Any]]:
    return {step["step"]: step for step in done.document["steps"]}


@pytest.fixture(scope="module")
def first(cliply: Cliply, films: Films) -> Done:
    """The first run on the film: everything is new."""
    done = cliply.clip(films.talk, *BOTH)
    assert done.code == 0, done.said
    return done


@pytest.fixture(scope="module")
def first_digests(first: Done) -> dict[str, str]:
    return digests(first)


def test_stdout_is_one_document_with_everything_that_was_promised(first: Done) -> None:
    document = json.loads(first.out)
    assert len(document["upload"]) == 36
    assert document["engine"] == "pocketsphinx"
    assert {step["step"] for step in document["steps"]} == set(STEPS)
    assert all(step["seconds"] > 0 and not step["reused"] for step in document["steps"])
    (clip,) = document["clips"]
    assert set(clip) >= FACTS
    assert 0 <= clip["start"] < clip["end"] <= 24
    assert clip["duration"] == pytest.approx(clip["end"] - clip["start"], abs=0.01)
    assert 3 <= clip["duration"] <= 6
    assert 0 < clip["score"] <= 100
    assert clip["subscores"]
    assert clip["title"]
    assert clip["reasons"]


def test_every_file_is_there_for_each_aspect(first: Done) -> None:
    clip = first.clip()
    assert list(clip["aspects"]) == ["9:16", "1:1"]
    assert clip["files"] == clip["aspects"]["9:16"]
    for files in clip["aspects"].values():
        assert set(files) == KINDS
        assert all(Path(path).stat().st_size > 0 for path in files.values())


@pytest.mark.parametrize("aspect", ["9:16", "1:1"])
def test_the_video_is_what_platforms_take(first: Done, aspect: str) -> None:
    clip = first.clip()
    path = Path(clip["aspects"][aspect]["video"])
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height) == ASPECTS[aspect]
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (audio.codec_context.name, audio.sample_rate) == ("aac", 48000)
        frames = sum(1 for _ in container.decode(video=0))
        assert video.average_rate is not None
        seconds = float(frames / Fraction(video.average_rate))
    assert seconds == pytest.approx(clip["duration"], abs=0.1)
    level = measure_loudness(path, start=0.0, duration=seconds, deadline_seconds=60)
    assert level is not None
    assert level[0] == pytest.approx(-14, abs=0.5)
    assert level[1] <= -1.45


def test_subtitles_and_edit_lists_can_be_read(first: Done, films: Films) -> None:
    clip = first.clip()
    files = clip["files"]
    spoken = pysubs2.load(files["srt"])
    assert spoken.events
    assert max(event.end for event in spoken.events) / 1000 <= clip["duration"] + 0.1
    for kind, adapter, options in (("edl", "cmx_3600", {"rate": 30}), ("xml", "fcp_xml", {})):
        read = opentimelineio.adapters.read_from_file(files[kind], adapter_name=adapter, **options)
        timelines = [read] if isinstance(read, opentimelineio.schema.Timeline) else list(read)
        found = [item for timeline in timelines for item in timeline.find_clips()]
        assert found[0].source_range is not None
        assert found[0].source_range.start_time.to_seconds() == pytest.approx(clip["start"], abs=0.05)
    assert etree.parse(files["fcpxml"]).getroot().tag == "fcpxml"
    for kind in ("edl", "xml", "fcpxml"):
        assert films.talk.name in Path(files[kind]).read_text(), "an editor finds the film by its owner's name for it"


def test_the_provenance_names_the_source_and_the_bytes(first: Done, films: Films) -> None:
    files = first.clip()["files"]
    account = Path(files["provenance"]).read_text()
    assert hashlib.sha256(films.talk.read_bytes()).hexdigest() in account
    assert hashlib.sha256(Path(files["video"]).read_bytes()).hexdigest() in account


def test_two_aspects_take_one_decode_and_one_render_each(first: Done, cliply: Cliply) -> None:
    assert first.code == 0
    assert cliply.calls(DECODING) == 1
    assert cliply.calls(RENDERING) == 2


def test_the_result_folder_holds_nothing_unfinished(first: Done, cliply: Cliply) -> None:
    assert first.code == 0
    cliply.nothing_is_half_written()
    listed = json.loads((cliply.folder / "out" / "clips.json").read_text())
    assert listed["clips"] == first.document["clips"]


def test_the_run_lies_in_the_instance_as_materialized_partitions(first: Done, cliply: Cliply) -> None:
    upload = first.document["upload"]
    with cliply.dagster() as instance:
        (run,) = instance.get_runs(filters=dg.RunsFilter(tags={"cliply/upload": upload}))
        assert run.run_id == first.document["run"]
        assert run.status == dg.DagsterRunStatus.SUCCESS
        assert instance.get_dynamic_partitions("uploads") == [upload]
        for name in STEPS:
            assert instance.get_materialized_partitions(dg.AssetKey(name)) == {upload}
            (materialization,) = instance.fetch_materializations(dg.AssetKey(name), limit=5).records
            assert materialization.asset_materialization is not None
            assert materialization.asset_materialization.metadata


def test_every_check_was_evaluated_and_holds(first: Done, cliply: Cliply) -> None:
    from cliply_assets.definitions import defs

    assert first.code == 0
    # What watches over the installation has checks, too, and runs by schedules of its own.
    keys = [key for key in defs.resolve_asset_graph().asset_check_keys if key.asset_key.path[-1] in STEPS]
    with cliply.dagster() as instance:
        found = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    assert set(found) == set(keys)
    wrong = {
        key.to_user_string(): record.event.dagster_event.asset_check_evaluation_data.description
        for key, record in found.items()
        if not record.event.dagster_event.asset_check_evaluation_data.passed
    }
    assert set(wrong) == {"frame_index:frames_are_indexed"}, "no CLIP checkpoint is configured here, and that is said"


def test_what_a_caption_says_is_found_where_it_is_said(first: Done, cliply: Cliply) -> None:
    caption = Path(first.clip()["files"]["srt"]).read_text().splitlines()[2]
    found = cliply.run("search", caption, "--upload", first.document["upload"][:13], "--json").document
    best = found["moments"][0]
    assert best["upload"] == first.document["upload"]
    assert best["start"] <= first.clip()["end"]
    assert best["end"] >= first.clip()["start"]
    rebuilt = cliply.run("search", "--rebuild", caption, "--json")
    assert rebuilt.document == found
    assert "Indexed" in rebuilt.said


def test_listings_show_the_upload_and_its_clips(first: Done, cliply: Cliply) -> None:
    upload = first.document["upload"]
    (listed,) = cliply.run("runs", "--json").document
    assert (listed["id"], listed["state"], listed["clips"]) == (upload, "review", 1)
    clips = cliply.run("clips", upload[:13], "--json").document
    assert [clip["title"] for clip in clips[upload]] == [first.clip()["title"]]
    status = cliply.run("status", "--json").document
    assert (status["uploads"], status["working"], status["failed"], status["stack"]) == (1, [], [], None)
    for command in ("runs", "clips", "status"):
        shown = cliply.run(command)
        assert shown.code == 0, shown.said
    assert cliply.run("clips", "no-such").code == 3


def test_running_again_does_nothing_twice_and_gives_the_same_bytes(
    first: Done, first_digests: dict[str, str], cliply: Cliply, films: Films
) -> None:
    calls = cliply.calls("") - cliply.calls("-version")
    again = cliply.clip(films.talk, *BOTH)
    assert again.code == 0, again.said
    assert again.document["upload"] == first.document["upload"]
    assert all(step["reused"] for step in again.document["steps"])
    assert digests(again) == first_digests
    assert cliply.calls("") - cliply.calls("-version") == calls, "an ffmpeg did more than to say its version"


def test_other_settings_reuse_the_analysis_and_render_only_what_is_new(
    first: Done, first_digests: dict[str, str], cliply: Cliply, films: Films
) -> None:
    decodes, renders = cliply.calls(DECODING), cliply.calls(RENDERING)
    other = cliply.clip(films.talk, "--aspect", "9:16", "--aspect", "16:9", "--out", cliply.folder / "other")
    assert other.code == 0, other.said
    assert other.document["upload"] != first.document["upload"]
    reused = {name for name, step in steps(other).items() if step["reused"]}
    assert reused == ANALYSIS | {"clip_candidates"}, "neither bytes nor lengths have changed"
    assert cliply.calls(DECODING) == decodes
    assert (other.clip()["start"], other.clip()["end"]) == (first.clip()["start"], first.clip()["end"])
    was = first_digests[Path(first.clip()["aspects"]["9:16"]["video"]).name]
    assert hashlib.sha256(Path(other.clip()["aspects"]["9:16"]["video"]).read_bytes()).hexdigest() == was
    assert cliply.calls(RENDERING) - renders == 1, "9:16 is the same spec as before"


def test_a_lost_object_is_made_again(first: Done, first_digests: dict[str, str], cliply: Cliply, films: Films) -> None:
    (video,) = cliply.rows(
        "SELECT objects->>'video' FROM renders JOIN clips ON clips.id = clip_id WHERE upload_id = %s AND aspect = '1:1'",
        first.document["upload"],
    )[0]
    (cliply.home / "storage" / video).unlink()
    again = cliply.clip(films.talk, *BOTH)
    assert again.code == 0, again.said
    assert digests(again) == first_digests
