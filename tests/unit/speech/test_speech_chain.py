import socket

import pytest
from pydantic import SecretStr

from cliply_resources.errors import MediaError, StepFailed
from cliply_resources.speech import best_engine, engine_reasons, transcribe_with_first_available


@pytest.fixture
def dead_port() -> int:
    """A port where nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_note_names_the_engine_used_and_why_others_were_not(bare, write_sound, music):
    only = bare.model_copy(update={"transcript_engines": ("deepgram", "pocketsphinx")})
    transcript = transcribe_with_first_available(music, settings=only)
    assert transcript.engine == "pocketsphinx"
    assert "Made by pocketsphinx; passed over were deepgram: no key (set CLIPLY_DEEPGRAM_API_KEY)." in transcript.note


def test_the_first_engine_that_can_is_used_without_a_note(bare, music):
    only = bare.model_copy(update={"transcript_engines": ("pocketsphinx",)})
    assert "passed over" not in transcribe_with_first_available(music, settings=only).note


def test_engines_that_fail_on_the_way_are_passed_over(bare, make_whisper, brief_talk, dead_port):
    damaged = make_whisper(name="damaged")
    (damaged / "model.bin").write_bytes(b"not a model")
    failing = bare.model_copy(
        update={
            "transcript_engines": ("faster-whisper", "deepgram", "pocketsphinx"),
            "whisper_model": str(damaged),
            "deepgram_url": f"http://127.0.0.1:{dead_port}",
            "deepgram_api_key": SecretStr("key"),
        }
    )
    transcript = transcribe_with_first_available(brief_talk, settings=failing, language="en")
    assert transcript.engine == "pocketsphinx"
    assert transcript.segments
    assert "faster-whisper: the model damaged could not be run" in transcript.note
    assert "deepgram: 127.0.0.1 cannot be reached" in transcript.note


def test_where_all_fail_every_reason_is_given(bare, brief_talk):
    failing = bare.model_copy(update={"transcript_engines": ("deepgram", "pocketsphinx")})
    with pytest.raises(StepFailed) as caught:
        transcribe_with_first_available(brief_talk, settings=failing, language="de")
    assert "deepgram: no key" in str(caught.value)
    assert "pocketsphinx: it knows English only" in str(caught.value)


def test_an_unknown_engine_is_named_with_those_that_exist(bare, music):
    odd = bare.model_copy(update={"transcript_engines": ("vosk", "pocketsphinx")})
    assert "there is no speech engine 'vosk'" in (engine_reasons(odd)["vosk"] or "")
    assert transcribe_with_first_available(music, settings=odd).engine == "pocketsphinx"


def test_no_engine_at_all_is_a_failure_that_says_what_to_set(bare, music):
    none = bare.model_copy(update={"transcript_engines": ()})
    with pytest.raises(StepFailed, match="CLIPLY_TRANSCRIPT_ENGINES"):
        transcribe_with_first_available(music, settings=none)


def test_unusable_sound_is_not_blamed_on_the_engines(bare, tmp_path):
    with pytest.raises(MediaError, match="missing"):
        transcribe_with_first_available(tmp_path / "gone.wav", settings=bare)


def test_the_offline_engine_is_always_ready(bare):
    reasons = engine_reasons(bare)
    assert list(reasons) == list(bare.transcript_engines)
    assert reasons["pocketsphinx"] is None
    only = bare.model_copy(update={"transcript_engines": ("deepgram", "pocketsphinx")})
    assert best_engine(only) == "pocketsphinx"
