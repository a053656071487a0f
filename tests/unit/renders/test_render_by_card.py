"""A render by a graphics card names the card in its spec, and a card that fails leaves the clip to the processor."""

from types import SimpleNamespace
from uuid import uuid4

import msgspec
import polars as pl
import pytest

from cliply_assets.renders import versions
from cliply_assets.renders.command import render_command
from cliply_assets.renders.making import Material
from cliply_assets.renders.spec import ENCODER_SETTINGS, make_render_spec, spec_digest
from cliply_resources.documents import Candidate, ClipSettings, Scenes, Segment, SourceVideo, Span, Transcript, Word
from cliply_resources.media_tools import graphics_card
from cliply_resources.media_tools.graphics_card import Card, decide
from cliply_resources.media_tools.probe import probe
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage

NO_FACES = pl.DataFrame(
    schema={
        "time": pl.Float64,
        "track": pl.Int32,
        "person": pl.Int32,
        **dict.fromkeys(("x", "y", "w", "h", "score", "mouth_motion"), pl.Float32),
    }
)
CARD = Card(name="NVIDIA L4, driver 550.54.14")
BY_CARD = decide("auto", frozenset({"h264_nvenc"}), CARD, encodes=lambda: None, decodes=lambda: None)


def candidate(start=0.5, end=1.5):
    return Candidate(start=start, end=end, score=80.0, subscores={}, title="T", description="", hashtags=(), reasons=())


def spec_of(films, encoder_settings=None):
    media = films.media(seconds=4.0)
    more = {} if encoder_settings is None else {"encoder_settings": encoder_settings}
    return make_render_spec(
        SourceVideo(sha256="0" * 64, title="t", media=media),
        candidate(1.0, 3.0),
        settings=ClipSettings(style="none"),
        camera=(films.rest(60),),
        words=(),
        loudness=None,
        ffmpeg_version="9",
        models={},
        **more,
    )


def test_a_processors_spec_is_what_it_was(films):
    assert spec_of(films).settings == ENCODER_SETTINGS
    assert spec_digest(spec_of(films)) == spec_digest(spec_of(films, {}))


def test_card_and_driver_are_part_of_what_names_the_render(films):
    one = spec_of(films, BY_CARD.settings)
    newer = msgspec.structs.replace(BY_CARD, card=Card(name="NVIDIA L4, driver 560.1"))
    digests = {spec_digest(spec) for spec in (spec_of(films), one, spec_of(films, newer.settings))}
    assert len(digests) == 3
    assert "x264_params" not in one.settings
    assert one.settings["keyframe_seconds"] == ENCODER_SETTINGS["keyframe_seconds"]


def test_the_command_decodes_and_encodes_by_the_card_and_keeps_every_frame(films):
    spec = spec_of(films, BY_CARD.settings)
    command = render_command(spec)
    said = " ".join(command.output_options)
    assert command.input_options[:4] == ("-threads", "2", "-hwaccel", "cuda")
    assert "-c:v h264_nvenc -preset p5 -rc vbr -cq 24 -b:v 0 -profile:v high" in said
    assert "-g 60 -frames:v 60 -fps_mode passthrough" in said
    assert "x264" not in said


class Records:
    """Remembers what became of each version, as the database would."""

    def __init__(self):
        self.workspace_id = uuid4()
        self.specs, self.failed, self.finished = [], [], []

    def begin_render(self, _clip, *, spec_digest, **_):
        self.specs.append(spec_digest)
        return SimpleNamespace(id=uuid4(), version=len(self.specs), objects=None)

    def same_made_elsewhere(self, _clip, *, spec_digest):
        assert spec_digest in self.specs

    def fail_render(self, _render, reason):
        self.failed.append(reason)

    def finish_render(self, _render, **_):
        self.finished.append(self.specs[-1])


@pytest.mark.slow
def test_a_clip_whose_card_fails_is_rendered_by_the_processor(films, tmp_path, monkeypatch):
    # The card of this machine passed its trial, and there is none when the work begins.
    monkeypatch.setattr(graphics_card, "_tried", lambda _wanted: BY_CARD)
    monkeypatch.setattr(graphics_card, "_forgone", [])
    if graphics_card.card_here() is not None:
        pytest.skip("This machine has a card, which may not fail.")
    film = films.write(tmp_path / "film.mp4", [films.frame(number) for number in range(60)])
    words = (Word(text="hello", start=0.6, end=1.2),)
    material = Material(
        source=SourceVideo(sha256="0" * 64, title="t", media=probe(film, settings=Settings(home=tmp_path))),
        path=film,
        name=film.name,
        transcript=Transcript(
            engine="file",
            engine_detail="",
            language="en",
            quality="high",
            word_times="measured",
            segments=(Segment(start=0.6, end=1.2, text="hello", words=words),),
        ),
        scenes=Scenes(shots=(Span(0.0, 2.0),), detector="none"),
        faces=NO_FACES,
        detector="none",
    )
    step = SimpleNamespace(
        seconds_left=120.0,
        scratch=lambda name: tmp_path / name,
        storage=open_storage(Settings(home=tmp_path)),
        workspace_id=uuid4(),
    )
    records = Records()
    order = versions._Order(step=step, records=records, identity=uuid4(), candidate=candidate(), material=material)
    made = versions._make(order, ClipSettings(style="none"), lambda _done, _doing: None)
    assert len(records.failed) == 1
    assert len(set(records.specs)) == 2
    assert made.version == 2
    account = msgspec.json.decode(step.storage.get_bytes(made.files["provenance"].key))
    assert account["spec"]["settings"]["encoder"] == "libx264"
    assert any("NVIDIA L4, driver 550.54.14 was given up" in note for note in account["notes"])
