import wave

import numpy as np
import pytest

from cliply_resources.documents import Word
from cliply_resources.errors import StepFailed, ToolMissing
from cliply_resources.progress import silent
from cliply_resources.settings import Settings
from cliply_resources.speech import NO_SPEECH
from cliply_resources.speech.faster_whisper_engine import FasterWhisperEngine, WhisperDecoding
from cliply_resources.speech.whisper_models import WhisperModelFiles, find_whisper_model
from cliply_resources.speech.whisperx_engine import WhisperxEngine, with_speakers

QUICK = WhisperDecoding(beam_size=1, temperatures=(0.0,), max_new_tokens=12)


def settings_with(model) -> Settings:
    return Settings(whisper_model=str(model))


@pytest.fixture(scope="session")
def model(make_whisper):
    return make_whisper()


def test_a_real_model_file_is_loaded_and_its_words_have_times_inside_the_speech(model, short_talk):
    seen: list[float] = []
    engine = FasterWhisperEngine(settings_with(model), decoding=QUICK)
    transcript = engine.transcribe(short_talk, language="en", progress=lambda fraction, _: seen.append(fraction))
    assert {word.text for word in transcript.words} <= {"hello", "world."}
    assert transcript.words
    assert transcript.language == "en"
    assert transcript.word_times == "measured"
    assert transcript.words[0].start >= 0
    assert transcript.words[-1].end <= 24.0
    assert all(a.end <= b.start for a, b in zip(transcript.words, transcript.words[1:], strict=False))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_an_unsure_model_makes_low_quality(model, short_talk):
    engine = FasterWhisperEngine(settings_with(model), decoding=QUICK)
    assert engine.transcribe(short_talk, language="en", progress=silent).quality == "low"


def test_the_language_is_found_out_once_for_the_whole_video(model, write_sound, short_talk):
    with wave.open(str(short_talk)) as file:
        speech = np.frombuffer(file.readframes(6 * 16_000), "<i2") / 32768
    apart = write_sound("apart.wav", np.concatenate([speech, np.zeros(40 * 16_000), speech]))
    transcript = FasterWhisperEngine(settings_with(model), decoding=QUICK).transcribe(
        apart, language=None, progress=silent
    )
    assert transcript.language in {"en", "de"}
    assert any(word.start < 7 for word in transcript.words)
    assert any(word.start > 46 for word in transcript.words)
    assert not any(8 < word.start < 45 for word in transcript.words)


def test_silence_never_reaches_the_model(bare, make_whisper, write_sound):
    broken = make_whisper(name="broken-on-purpose")
    (broken / "model.bin").write_bytes(b"not a model")
    silence = write_sound("silence.wav", np.zeros(3 * 16_000))
    transcript = FasterWhisperEngine(settings_with(broken)).transcribe(silence, language="fr", progress=silent)
    assert (transcript.segments, transcript.note, transcript.language) == ((), NO_SPEECH, "fr")


def test_a_damaged_model_is_a_failure_that_names_it(make_whisper, short_talk):
    broken = make_whisper(name="damaged")
    (broken / "model.bin").write_bytes(b"not a model")
    with pytest.raises(StepFailed, match="the model damaged could not be run"):
        FasterWhisperEngine(settings_with(broken)).transcribe(short_talk, language=None, progress=silent)


def test_an_english_model_leaves_other_languages_to_others(make_whisper, short_talk):
    english = make_whisper(multilingual=False, name="tiny.en")
    with pytest.raises(StepFailed, match="knows English only"):
        FasterWhisperEngine(settings_with(english), decoding=QUICK).transcribe(
            short_talk, language="de", progress=silent
        )


def test_without_a_model_the_engine_is_not_available(bare, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    assert "no Whisper model is on this machine" in (FasterWhisperEngine(bare).available() or "")


def test_a_model_name_is_looked_up_and_never_fetched(bare):
    absent = bare.model_copy(update={"whisper_model": "large-v3-that-nobody-has"})
    assert "neither a folder nor in the model cache" in (FasterWhisperEngine(absent).available() or "")


def test_a_folder_without_a_tokenizer_is_refused_since_the_loader_would_fetch_one(make_whisper):
    folder = make_whisper(name="incomplete")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ToolMissing, match=r"lacks tokenizer\.json"):
        find_whisper_model(settings_with(folder))


@pytest.mark.parametrize(
    ("name", "quality"), [("large-v3", "high"), ("small.en", "high"), ("tiny", "normal"), ("base.en", "normal")]
)
def test_small_models_are_not_called_high_quality(tmp_path, name, quality):
    assert WhisperModelFiles(folder=tmp_path, name=name).quality == quality


def test_whisperx_is_passed_over_where_it_is_not_installed(model, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "not installed" in (WhisperxEngine(settings_with(model)).available() or "")


def test_whisperx_times_english_words_without_a_phoneme_model(model, short_talk):
    pytest.importorskip("whisperx")
    engine = WhisperxEngine(settings_with(model), decoding=QUICK)
    assert engine.available() is None
    transcript = engine.transcribe(short_talk, language="en", progress=silent)
    assert transcript.engine == "whisperx"
    assert all(a.end <= b.start for a, b in zip(transcript.words, transcript.words[1:], strict=False))


def words(*times: tuple[float, float]) -> list[Word]:
    return [Word(text="x", start=start, end=end) for start, end in times]


def test_each_word_belongs_to_the_voice_that_speaks_most_of_it():
    turns = [(0.0, 2.0, "SPEAKER_01"), (1.9, 4.0, "SPEAKER_00")]
    found = with_speakers(words((0.5, 0.9), (1.8, 2.3), (3.0, 3.4)), turns)
    assert [word.speaker for word in found] == ["Speaker 1", "Speaker 2", "Speaker 2"]


def test_a_word_just_outside_a_turn_is_the_nearest_voices_and_one_far_away_nobodys():
    turns = [(1.0, 2.0, "a"), (4.0, 5.0, "b")]
    found = with_speakers(words((2.2, 2.4), (3.6, 3.9), (9.0, 9.5)), turns)
    assert [word.speaker for word in found] == ["Speaker 1", "Speaker 2", None]
