"""The clip as a cut of its source, for editing programs: EDL (CMX 3600), Premiere XML (FCP 7) and FCPXML.

Each names the source by its file name, so that an editor finds it in the same folder or asks once. Framing and captions
are not part of a cut and stay with the rendered clip. A clip from which pauses were taken out has an event for each piece.
"""

import re
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET

from cliply_assets.renders.time_map import time_map
from cliply_resources.documents import RenderSpec, SourceVideo

if TYPE_CHECKING:
    import opentimelineio as otio

__all__ = ["edit_rate", "write_edl", "write_fcpxml", "write_premiere_xml"]

_TIMECODE_RATES = tuple(
    Fraction(rate) for rate in ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60")
)
"""Frame rates that editing programs count timecode in."""

_DROP_FRAME = {Fraction(30000, 1001), Fraction(60000, 1001)}

_EDL_TITLE = 70  # characters that CMX 3600 allows

_REEL = "AX"  # what EDLs call a source that is a file and not a tape


def edit_rate(rate: Fraction) -> Fraction:
    """The timecode rate an editor would use: the nearest, so that odd rates (15, 29.5 …) become readable."""
    return min(_TIMECODE_RATES, key=lambda known: abs(known - rate))


class _Event(NamedTuple):
    """A piece of the source and where in the clip it stands, in whole frames of the edit rate."""

    first: int
    frames: int
    at: int


class _Cut:
    """The clip in whole frames of the edit rate."""

    def __init__(self, spec: RenderSpec, source: SourceVideo) -> None:
        self.rate = edit_rate(Fraction(spec.frame_rate))
        ratio = self.rate / Fraction(spec.frame_rate)
        shown = time_map(spec)
        # Where a piece begins is rounded and never how long it is, so that rounding does not add up.
        begins = [round(start * ratio) for start in (*shown.starts, shown.frames)]
        begins[-1] = max(begins[-1], 1)
        self.events = tuple(
            _Event(round(piece.first_frame * ratio), until - at, at)
            for piece, (at, until) in zip(shown.pieces, pairwise(begins), strict=True)
            if until > at
        )
        self.frames = begins[-1]
        last = self.events[-1]
        self.available = max(round(Fraction(source.media.duration) * self.rate), last.first + last.frames)
        self.drop_frame = self.rate in _DROP_FRAME
        self.title = _one_line(spec.title) or "Clip"
        self.has_audio = bool(source.media.audio)


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _timeline(cut: _Cut, source_name: str, url: str) -> "otio.schema.Timeline":
    import opentimelineio as otio

    # OTIO's own number for these rates: timecode functions compare with it.
    rate = otio.opentime.RationalTime.nearest_smpte_timecode_rate(float(cut.rate))

    def stretch(first: int, frames: int) -> "otio.opentime.TimeRange":
        time = otio.opentime.RationalTime
        return otio.opentime.TimeRange(time(first, rate), time(frames, rate))

    timeline = otio.schema.Timeline(cut.title, global_start_time=otio.opentime.RationalTime(0, rate))
    kinds = [("V1", otio.schema.TrackKind.Video, "video")]
    kinds += [("A1", otio.schema.TrackKind.Audio, "audio")] * cut.has_audio
    for name, kind, media_type in kinds:
        track = otio.schema.Track(name, kind=kind)
        for number, event in enumerate(cut.events):
            media = otio.schema.ExternalReference(target_url=url, available_range=stretch(0, cut.available))
            media.name = source_name
            piece = otio.schema.Clip(
                name=source_name,
                media_reference=media,
                source_range=stretch(event.first, event.frames),
                metadata={
                    "cmx_3600": {"reel": _REEL, "comments": [] if number else [f"CLIP: {cut.title}"]},
                    "fcp_xml": {"sourcetrack": {"mediatype": media_type, "trackindex": "1"}},
                },
            )
            track.append(piece)
        timeline.tracks.append(track)
    return timeline


def write_edl(spec: RenderSpec, source: SourceVideo, *, source_name: str) -> str:
    """The cut as a CMX 3600 edit decision list; drop-frame timecode at 29.97 and 59.94."""
    import opentimelineio as otio

    cut = _Cut(spec, source)
    name = _one_line(source_name)
    timeline = _timeline(cut, name, name)
    timeline.name = cut.title[:_EDL_TITLE]
    text: str = otio.adapters.write_to_string(timeline, "cmx_3600", rate=timeline.global_start_time.rate)
    title, _, events = text.partition("\n")
    text = f"{title}\nFCM: {'DROP FRAME' if cut.drop_frame else 'NON-DROP FRAME'}\n{events}"
    if cut.has_audio:
        # The adapter lists the picture only; this is the one channel code for picture and both sound channels.
        text = re.sub(rf"^(\d{{3}}  {_REEL} +)V   ", r"\1AA/V", text, flags=re.MULTILINE)
    return text


def write_premiere_xml(spec: RenderSpec, source: SourceVideo, *, source_name: str) -> str:
    """The cut as Final Cut Pro 7 XML, which Premiere Pro and DaVinci Resolve import."""
    import opentimelineio as otio

    cut = _Cut(spec, source)
    name = _one_line(source_name)
    # Parsed text is the adapter's own, made a line above from escaped values.
    root = ET.fromstring(otio.adapters.write_to_string(_timeline(cut, name, quote(name)), "fcp_xml"))  # noqa: S314 - our own text, written a moment ago
    _complete(root, cut, source)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n{ET.tostring(root, encoding="unicode")}\n'


def _complete(root: ET.Element, cut: _Cut, source: SourceVideo) -> None:
    """Adds what Premiere wants and the adapter leaves out: the picture size, drop-frame display, one rate a clip."""
    for picture in root.iterfind(".//sequence/media/video/format"):
        facts = ET.SubElement(picture, "samplecharacteristics")
        for tag, value in (("width", source.media.video.width), ("height", source.media.video.height)):
            ET.SubElement(facts, tag).text = str(value)
    for item in root.iterfind(".//clipitem"):
        for extra in item.findall("rate")[1:]:
            item.remove(extra)
    if cut.drop_frame:
        for timecode in root.iter("timecode"):
            for tag, shown in (("displayformat", "DF"), ("string", "00:00:00;00")):
                if (element := timecode.find(tag)) is not None:
                    element.text = shown


def write_fcpxml(spec: RenderSpec, source: SourceVideo, *, source_name: str) -> str:
    """The cut as FCPXML 1.10 for Final Cut Pro X and Resolve; every time is an exact fraction of a second."""
    cut = _Cut(spec, source)
    name = _one_line(source_name)
    timecode = "DF" if cut.drop_frame else "NDF"

    def seconds(frames: int) -> str:
        value = frames / cut.rate
        # Whole multiples of the frame duration, over the rate's own denominator, as Final Cut writes them.
        ticks = frames * cut.rate.denominator
        return f"{value.numerator}s" if value.denominator == 1 else f"{ticks}/{cut.rate.numerator}s"

    root = ET.Element("fcpxml", version="1.10")
    resources = ET.SubElement(root, "resources")
    picture = ET.SubElement(resources, "format", id="r1", name="SourceFormat", frameDuration=seconds(1))
    picture.set("width", str(source.media.video.width))
    picture.set("height", str(source.media.video.height))
    asset = ET.SubElement(
        resources, "asset", id="r2", name=name, start="0s", duration=seconds(cut.available), hasVideo="1", format="r1"
    )
    asset.set("videoSources", "1")
    if source.media.audio:
        track = source.media.audio[0]
        asset.set("hasAudio", "1")
        asset.set("audioSources", "1")
        asset.set("audioChannels", str(track.channels))
        asset.set("audioRate", str(track.sample_rate))
    ET.SubElement(asset, "media-rep", kind="original-media", src=f"./{quote(name)}")
    event = ET.SubElement(ET.SubElement(root, "library"), "event", name="Cliply")
    project = ET.SubElement(event, "project", name=cut.title)
    sequence = ET.SubElement(
        project, "sequence", format="r1", duration=seconds(cut.frames), tcStart="0s", tcFormat=timecode
    )
    spine = ET.SubElement(sequence, "spine")
    for each in cut.events:
        ET.SubElement(
            spine,
            "asset-clip",
            ref="r2",
            name=cut.title,
            offset=seconds(each.at),
            start=seconds(each.first),
            duration=seconds(each.frames),
            tcFormat=timecode,
        )
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{ET.tostring(root, encoding="unicode")}\n'
