"""A talk with known words, pauses, fillers and noise, made into a clip: what is decided about its sound, and what every file says."""

import json
import re
import wave
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl
import pytest

import cliply_assets.sample.truth as sample
from cliply_assets.audio.noise import judge_reduction, measure_noise, needs_nothing, propose_reduction
from cliply_assets.audio.quiet import find_silences
from cliply_assets.renders.making import Material, listen, make_files, plan_render
from cliply_assets.renders.sound_graph import noise_filter
from cliply_assets.renders.spec import spec_digest
from cliply_resources.documents import Candidate, ClipSettings, Scenes, Segment, SourceVideo, Span, Transcript, Word
from cliply_resources.media_tools.probe import probe
from cliply_resources.media_tools.sound import read_sound
from cliply_resources.progress import silent
from cliply_resources.settings import Settings

RATE = 48_000
NO_FACES = pl.DataFrame(
    schema={
        "time": pl.Float64,
        "track": pl.Int32,
        "person": pl.Int32,
        **dict.fromkeys(("x", "y", "w", "h", "score", "mouth_motion"), pl.Float32),
    }
)


class Talk(NamedTuple):
    """Its sound, and the words with the times at which they are said."""

    sound: np.ndarray
    words: tuple[Word, ...]

    @property
    def seconds(self) -> float:
        return len(self.sound) / RATE

    @property
    def spoken(self) -> list[Span]:
        return [Span(word.start, word.end) for word in self.words]


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    import av

    with av.open(str(Path(sample.__file__).with_name("speech.opus"))) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        pieces = []
        for frame in container.decode(audio=0):
            pieces += [each.to_ndarray()[0] for each in resampler.resample(frame)]
            if sum(map(len, pieces)) > 16 * RATE:
                break
    return np.concatenate(pieces)


def talk_of(voice: np.ndarray, *parts: int | float | str, noise_db: float = -75.0) -> Talk:
    """Sentences of the sample by their numbers, silence in seconds, and hums that stand for a filler."""
    segments = sample.load_speech_truth().segments
    sound, words, at = [], [], 0.0
    for part in parts:
        if isinstance(part, float):
            piece = np.zeros(round(part * RATE), np.float32)
        elif isinstance(part, str):
            t = np.arange(round(0.35 * RATE)) / RATE
            hum = np.sin(2 * np.pi * 120 * t) + 0.5 * np.sin(2 * np.pi * 240 * t) + 0.3 * np.sin(2 * np.pi * 600 * t)
            piece = (0.08 * hum * np.minimum(1, np.minimum(t, 0.35 - t) / 0.04)).astype(np.float32)
            words.append(Word(text=part, start=round(at, 3), end=round(at + 0.35, 3)))
        else:
            one = segments[part]
            piece = voice[round(one.start * RATE) : round(one.end * RATE)]
            words += [
                Word(
                    text=word.text, start=round(word.start - one.start + at, 3), end=round(word.end - one.start + at, 3)
                )
                for word in one.words
            ]
        sound.append(piece)
        at += len(piece) / RATE
    whole = np.concatenate(sound)
    noise = np.random.default_rng(11).normal(size=len(whole)) * 10 ** (noise_db / 20)
    return Talk((whole + noise).astype(np.float32), tuple(words))


def material_of(films, talk: Talk, folder: Path, *, heard: pl.DataFrame | None = None) -> Material:
    sound = folder / "talk.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(talk.sound, -1, 1) * 32767).astype("<i2").tobytes())
    pictures = (films.frame(k % 50) for k in range(round(talk.seconds * 30)))
    film = films.write(folder / "talk.mp4", pictures, sound=("-i", str(sound)))
    segment = Segment(
        start=talk.words[0].start,
        end=talk.words[-1].end,
        text=" ".join(word.text for word in talk.words),
        words=talk.words,
    )
    return Material(
        source=SourceVideo(sha256="0" * 64, title="t", media=probe(film, settings=Settings(home=folder))),
        path=film,
        name=film.name,
        transcript=Transcript(
            engine="file",
            engine_detail="",
            language="en",
            quality="high",
            word_times="measured",
            segments=(segment,),
        ),
        scenes=Scenes(shots=(Span(0.0, talk.seconds),), detector="none"),
        faces=NO_FACES,
        detector="none",
        heard=heard,
    )


def quick(spec):
    """The same in small and quick to encode."""
    return msgspec.structs.replace(spec, width=270, height=480, settings={**spec.settings, "preset": "ultrafast"})


def candidate(seconds: float) -> Candidate:
    return Candidate(
        start=0.0, end=seconds, score=80.0, subscores={}, title="T", description="", hashtags=(), reasons=()
    )


@pytest.mark.slow
def test_a_tightened_clip_is_shorter_and_every_file_says_the_same(films, voice, tmp_path):
    talk = talk_of(voice, 0, 0.25, "um,", 0.3, 1, 1.9, 2)
    material = material_of(films, talk, tmp_path)
    settings = ClipSettings(style="highlight_word", tighten="tight")
    clip = candidate(talk.seconds)

    plan = listen(material, clip, settings, deadline_seconds=60)
    spec = quick(plan_render(material, clip, settings, deadline_seconds=60, sound=plan))
    made = make_files(
        spec, material, clip, tmp_path / "out", progress=silent, deadline_seconds=120, settings=settings, sound=plan
    )

    account = json.loads(made.files["provenance"].read_bytes())
    removed = account["removed"]
    assert [word["text"] for word in removed["words"]] == ["um,"]
    assert 1.9 < removed["seconds"] < 2.6
    assert removed["seconds"] == pytest.approx(talk.seconds - made.rendered.duration, abs=0.04)
    assert made.sound_facts == {"removed_s": removed["seconds"], "removed_words": 1}
    assert made.problems == ()
    assert "um" not in made.files["srt"].read_text().lower().split()
    assert [word.text for word in spec.captions.words] == [word.text for word in talk.words if word.text != "um,"]
    events = re.findall(r"^\d{3}  AX +AA/V .*", made.files["edl"].read_text(), re.MULTILINE)
    assert len(events) == len(spec.pieces) == 3
    # In the cut, each event begins where the one before it ended.
    times = [event.split()[-4:] for event in events]
    assert [one[3] for one in times[:-1]] == [one[2] for one in times[1:]]


@pytest.mark.slow
def test_what_is_said_is_heard_in_full_after_tightening(films, voice, tmp_path):
    talk = talk_of(voice, 0, 0.25, "um,", 0.3, 1, 1.9, 2)
    material = material_of(films, talk, tmp_path)
    settings = ClipSettings(style="none", tighten="tight", denoise="off")
    plan = listen(material, candidate(talk.seconds), settings, deadline_seconds=60)

    quiet = find_silences(
        read_sound(material.path, start=0, duration=talk.seconds, deadline_seconds=60), 16_000, talk.spoken
    )

    gone = [
        (one.end_frame / 30 + after.sound_shift / RATE, after.first_frame / 30 + after.sound_shift / RATE)
        for one, after in zip(plan.pieces, plan.pieces[1:], strict=False)
    ]
    loud = np.abs(talk.sound)
    for start, end in gone:
        assert any(each.start <= start <= each.end for each in quiet)
        assert any(each.start <= end <= each.end for each in quiet)
        for edge in (start, end):
            around = loud[round((edge - 0.01) * RATE) : round((edge + 0.01) * RATE)]
            assert around.max() < 0.01


@pytest.mark.slow
def test_clean_speech_is_left_alone_byte_for_byte(films, voice, tmp_path):
    talk = talk_of(voice, 0, 0.6, 1, 0.6, 2)
    material = material_of(films, talk, tmp_path)
    clip = candidate(talk.seconds)

    plan = listen(material, clip, ClipSettings(style="none"), deadline_seconds=60)
    spec = plan_render(material, clip, ClipSettings(style="none"), deadline_seconds=60, sound=plan)
    switched_off = plan_render(material, clip, ClipSettings(style="none", denoise="off"), deadline_seconds=60)

    assert plan.decision is not None
    assert not plan.decision.applied
    assert plan.decision.snr_db > 33
    assert spec_digest(spec) == spec_digest(switched_off)


@pytest.mark.slow
def test_noisy_speech_stands_further_above_its_noise_in_the_clip(films, voice, tmp_path):
    talk = talk_of(voice, 0, 0.6, 1, 0.6, 2, noise_db=-43.0)
    material = material_of(films, talk, tmp_path)
    clip, settings = candidate(talk.seconds), ClipSettings(style="none")

    plan = listen(material, clip, settings, deadline_seconds=60)
    spec = quick(plan_render(material, clip, settings, deadline_seconds=60, sound=plan))
    made = make_files(
        spec, material, clip, tmp_path / "out", progress=silent, deadline_seconds=120, settings=settings, sound=plan
    )

    heard = films.listen(made.rendered.path)[:: RATE // 16_000]
    before = measure_noise(talk.sound[:: RATE // 16_000], 16_000, talk.spoken)
    after = measure_noise(heard, 16_000, talk.spoken)
    account = json.loads(made.files["provenance"].read_bytes())
    assert account["noise"]["applied"]
    assert account["spec"]["noise"]["reduction_db"] == spec.noise.reduction_db
    assert after.snr_db - before.snr_db > 6
    assert made.rendered.integrated_lufs == pytest.approx(-14.0, abs=0.5)
    assert made.sound_facts["noise_reduced_db"] > 6


@pytest.mark.slow
def test_reducing_noise_delays_nothing(films, voice, tmp_path):
    talk = talk_of(voice, 0, 0.6, 1, noise_db=-43.0)
    material = material_of(films, talk, tmp_path)
    how = {"start": 0.0, "duration": talk.seconds, "deadline_seconds": 60.0, "rate": RATE}

    before = read_sound(material.path, **how)
    reduction = propose_reduction(talk.sound, RATE, talk.spoken, 20.0)
    after = read_sound(material.path, **how, through=noise_filter(reduction))

    size = len(before)
    found = np.fft.irfft(np.fft.rfft(after, 2 * size) * np.conj(np.fft.rfft(before, 2 * size)))
    lag = int(np.argmax(np.concatenate([found[-RATE:], found[:RATE]]))) - RATE
    assert abs(lag) / RATE < 0.001


def test_music_and_crowds_between_the_words_are_not_noise(voice):
    talk = talk_of(voice, 0, 1.0, 1, 1.0, 2)
    t = np.arange(len(talk.sound)) / RATE
    music = 0.01 * np.sin(2 * np.pi * 220 * t) * (np.sin(2 * np.pi * 2 * t) > 0)

    figures = measure_noise((talk.sound + music)[::3].astype(np.float32), 16_000, talk.spoken)

    assert figures is None
    assert not needs_nothing(figures).applied


def test_a_reduction_that_changes_the_speech_is_not_kept(voice):
    talk = talk_of(voice, 0, 0.8, 1, noise_db=-40.0)
    before = measure_noise(talk.sound[::3], 16_000, talk.spoken)

    assert needs_nothing(before) is None
    assert judge_reduction(before, before._replace(noise_db=before.noise_db - 9)).applied
    assert not judge_reduction(
        before, before._replace(noise_db=before.noise_db - 9, speech_db=before.speech_db - 3)
    ).applied
    assert not judge_reduction(before, before._replace(noise_db=before.noise_db - 2)).applied
    assert not judge_reduction(before, None).applied
