"""Edit lists read back by other programs' readers."""

from fractions import Fraction

import msgspec
import opentimelineio as otio
import pytest
from lxml import etree

from cliply_assets.renders.edit_lists import edit_rate, write_edl, write_fcpxml, write_premiere_xml
from cliply_resources.documents import SourceVideo, Span

NAME = "my film (1) é.mp4"
TITLE = 'He said "no" & <left>\n{quickly}'
RATES = ["24000/1001", "25/1", "30000/1001", "30/1", "60/1"]


def cut(films, rate: str, *, sound: bool = True, first: int = 45, frames: int = 600):
    fps = Fraction(rate)
    media = films.media(seconds=120.0, rate=rate, sound=sound)
    spec = films.spec(
        media,
        start=float(first / fps),
        end=float((first + frames) / fps),
        camera=(films.rest(frames),),
        title=TITLE,
    )
    return spec, SourceVideo(sha256="0" * 64, title="film", media=media)


def clips_in(timeline) -> list:
    return [clip for track in timeline.tracks for clip in track.find_clips()]


@pytest.mark.parametrize("rate", RATES)
def test_an_edl_reads_back_as_the_same_cut(films, rate):
    text = write_edl(*cut(films, rate), source_name=NAME)

    clip = clips_in(otio.adapters.read_from_string(text, "cmx_3600", rate=float(Fraction(rate))))[0]

    assert clip.source_range.start_time.to_frames() == 45
    assert clip.source_range.duration.to_frames() == 600
    assert NAME in text
    assert "AA/V" in text
    assert ("FCM: DROP FRAME" in text) == (rate == "30000/1001")


def test_drop_frame_timecode_counts_like_a_clock(films):
    # One hour minus a bit would drift by 3.6 s without dropped numbers; here one minute drops two of them.
    spec, source = cut(films, "30000/1001", first=1800, frames=300)
    assert "00:01:00;02 00:01:10;02" in write_edl(spec, source, source_name=NAME)
    spec, source = cut(films, "30/1", first=1800, frames=300)
    assert "00:01:00:00 00:01:10:00" in write_edl(spec, source, source_name=NAME)


@pytest.mark.parametrize("rate", RATES)
def test_premiere_xml_reads_back_as_the_same_cut_with_sound(films, rate):
    text = write_premiere_xml(*cut(films, rate), source_name=NAME)

    timeline = otio.adapters.read_from_string(text, "fcp_xml")
    clips = clips_in(timeline)

    assert [track.kind for track in timeline.tracks] == ["Video", "Audio"]
    assert {clip.source_range.start_time.to_frames() for clip in clips} == {45}
    assert {clip.source_range.duration.to_frames() for clip in clips} == {600}
    assert clips[0].media_reference.target_url == "my%20film%20%281%29%20%C3%A9.mp4"
    root = etree.fromstring(text.encode())
    assert root.findtext(".//sequence/media/video/format/samplecharacteristics/width") == "320"
    assert {node.text for node in root.iterfind(".//displayformat")} == {"DF" if rate == "30000/1001" else "NDF"}
    assert all(len(item.findall("rate")) <= 1 for item in root.iterfind(".//clipitem"))


def rational(text: str) -> Fraction:
    assert text.endswith("s")
    return Fraction(text[:-1])


@pytest.mark.parametrize("rate", RATES)
def test_fcpxml_has_its_required_parts_and_every_time_lies_on_a_frame(films, rate):
    root = etree.fromstring(write_fcpxml(*cut(films, rate), source_name=NAME).encode())

    assert (root.tag, root.get("version")) == ("fcpxml", "1.10")
    assert [child.tag for child in root] == ["resources", "library"]
    picture, asset = root.find("resources")
    frame = rational(picture.get("frameDuration"))
    assert frame == 1 / Fraction(rate)
    assert asset.find("media-rep").get("src") == "./my%20film%20%281%29%20%C3%A9.mp4"
    assert asset.get("format") == picture.get("id")
    (clip,) = root.find("library/event/project/sequence/spine")
    assert clip.get("ref") == asset.get("id")
    assert rational(clip.get("start")) == 45 * frame
    assert rational(clip.get("duration")) == 600 * frame
    times = [n.get(k) for n in root.iter() for k in ("start", "duration", "offset", "tcStart") if n.get(k)]
    assert all((rational(time) / frame).denominator == 1 for time in times)
    assert rational(clip.get("start")) + rational(clip.get("duration")) <= rational(asset.get("duration"))
    assert root.find(".//sequence").get("tcFormat") == ("DF" if rate == "30000/1001" else "NDF")
    assert root.find(".//project").get("name") == 'He said "no" & <left> {quickly}'


def test_a_film_without_sound_has_no_sound_in_its_cut(films):
    spec, source = cut(films, "25/1", sound=False)
    assert "AA/V" not in write_edl(spec, source, source_name=NAME)
    assert "hasAudio" not in write_fcpxml(spec, source, source_name=NAME)
    timeline = otio.adapters.read_from_string(write_premiere_xml(spec, source, source_name=NAME), "fcp_xml")
    assert [track.kind for track in timeline.tracks] == ["Video"]


def test_odd_rates_become_the_nearest_that_editors_know(films):
    assert edit_rate(Fraction(15)) == Fraction(24000, 1001)
    assert edit_rate(Fraction(2997, 100)) == Fraction(30000, 1001)
    spec, source = cut(films, "18/1")
    assert msgspec.structs.asdict(spec)["frame_rate"] == "18/1"
    clip = etree.fromstring(write_fcpxml(spec, source, source_name=NAME).encode()).find(".//asset-clip")
    assert float(rational(clip.get("duration"))) == pytest.approx(600 / 18, abs=0.05)


def test_a_span_at_the_very_end_stays_inside_the_asset(films):
    spec, source = cut(films, "30/1", first=3599, frames=1)
    assert spec.span == Span(3599 / 30, 120.0)
    asset = etree.fromstring(write_fcpxml(spec, source, source_name=NAME).encode()).find(".//asset")
    assert rational(asset.get("duration")) == 120
