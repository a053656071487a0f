"""Word times by whisperx's own alignment, on a tiny phoneme model of random weights that its real loader takes."""

import json
from pathlib import Path

import numpy as np
import pytest

from cliply_resources.progress import silent
from cliply_resources.settings import Settings
from cliply_resources.speech.faster_whisper_engine import WhisperDecoding
from cliply_resources.speech.whisperx_engine import WhisperxEngine

transformers = pytest.importorskip("transformers")
pytest.importorskip("whisperx")

QUICK = WhisperDecoding(beam_size=1, temperatures=(0.0,), max_new_tokens=12)
LETTERS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'")


@pytest.fixture
def phonemes(tmp_path: Path) -> Path:
    """Where `cliply models fetch phonemes-nl` would put one."""
    import torch

    folder = tmp_path / "home" / "models" / "phonemes-nl"
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(LETTERS)}))
    torch.manual_seed(1)
    transformers.Wav2Vec2Processor(
        feature_extractor=transformers.Wav2Vec2FeatureExtractor(),
        tokenizer=transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json")),
    ).save_pretrained(folder)
    transformers.Wav2Vec2ForCTC(
        transformers.Wav2Vec2Config(
            vocab_size=len(LETTERS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            conv_dim=(8,) * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2,
        )
    ).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_words_of_another_language_are_timed_by_its_phoneme_model(phonemes, make_whisper, short_talk, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", _no_network)
    settings = Settings(home=phonemes.parents[1], whisper_model=str(make_whisper()))
    seen: list[float] = []
    transcript = WhisperxEngine(settings, decoding=QUICK).transcribe(
        short_talk, language="nl", progress=lambda fraction, _: seen.append(fraction)
    )
    assert transcript.engine_detail.endswith("timed by phonemes")
    assert transcript.words
    assert {word.text for word in transcript.words} <= {"hello", "world."}
    starts = np.array([word.start for word in transcript.words])
    assert (np.diff(starts) >= 0).all()
    assert seen == sorted(seen)


@pytest.mark.slow
def test_a_language_without_a_phoneme_model_is_left_to_the_next_engine(make_whisper, short_talk, tmp_path):
    from cliply_resources.errors import StepFailed

    settings = Settings(home=tmp_path, whisper_model=str(make_whisper()))
    with pytest.raises(StepFailed, match="no phoneme model for the language 'nl'"):
        WhisperxEngine(settings, decoding=QUICK).transcribe(short_talk, language="nl", progress=silent)


def _no_network(*_args: object, **_options: object) -> None:
    raise OSError("the test lets nothing out")
