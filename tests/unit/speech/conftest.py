"""Sound to listen to, and a Whisper model small enough to build for a test."""

import json
import os
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cliply_resources.documents import Transcript, Word
from cliply_resources.media_tools.ffmpeg import guarded_input, run_ffmpeg
from cliply_resources.progress import silent
from cliply_resources.settings import Settings

RATE = 16_000
SAMPLE = Path(__file__).parents[3] / "cliply_assets" / "sample"
SHARED = Path(__file__).parents[4] / "shared" / "media"

WriteSound = Callable[[str, np.ndarray], Path]


def _write(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def _decoded(source: Path, target: Path) -> Path:
    run_ffmpeg(
        [*guarded_input(source), "-ac", "1", "-ar", str(RATE), "-c:a", "pcm_s16le", str(target)],
        duration=None,
        progress=silent,
        deadline_seconds=60,
        doing="decoding test sound",
    )
    return target


@pytest.fixture
def write_sound(tmp_path: Path) -> WriteSound:
    """Writes samples from -1 to 1 as the sound file that engines read."""
    return lambda name, samples: _write(tmp_path / name, samples)


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample talk, 162 s with two voices and applause."""
    return _decoded(SAMPLE / "speech.opus", tmp_path_factory.mktemp("talk") / "talk.wav")


@pytest.fixture(scope="session")
def talk_words() -> tuple[Word, ...]:
    """What is said in the sample talk, and when."""
    document = json.loads((SAMPLE / "truth.json").read_text(encoding="utf-8"))
    return tuple(msgspec.convert(word, Word) for segment in document["segments"] for word in segment["words"])


def _beginning(talk: Path, seconds: float, folder: Path) -> Path:
    with wave.open(str(talk)) as file:
        samples = np.frombuffer(file.readframes(round(seconds * RATE)), "<i2") / 32768
    return _write(folder / f"first-{seconds:g}.wav", samples)


@pytest.fixture(scope="session")
def short_talk(talk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 23.4 s of it: seven sentences, the last one a question."""
    return _beginning(talk, 23.4, tmp_path_factory.mktemp("short"))


@pytest.fixture(scope="session")
def brief_talk(talk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 6.3 s of it: two sentences."""
    return _beginning(talk, 6.3, tmp_path_factory.mktemp("brief"))


@pytest.fixture(scope="session")
def jfk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven seconds of a real voice in 1961."""
    recording = SHARED / "jfk-11s.flac"
    if not recording.exists():
        pytest.skip("the recording is not on this machine")
    return _decoded(recording, tmp_path_factory.mktemp("jfk") / "jfk.wav")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a fresh machine, without keys and models."""
    for name in [name for name in os.environ if name.startswith("CLIPLY_")]:
        monkeypatch.delenv(name)
    return Settings(home=tmp_path / "home")


@pytest.fixture
def music(write_sound: WriteSound) -> Path:
    """Twenty seconds of chords, a melody with vibrato, and drums."""
    random = np.random.default_rng(7)
    samples = np.zeros(22 * RATE)
    for beat in range(40):
        at = beat * RATE // 2
        clock = np.arange(int(0.6 * RATE)) / RATE
        pitch = random.choice([220.0, 246.9, 261.6, 293.7, 329.6, 392.0])
        tone = sum(np.sin(2 * np.pi * pitch * h * clock + 0.2 * np.sin(10 * np.pi * clock)) / h for h in range(1, 8))
        samples[at : at + len(clock)] += tone * np.exp(-1.5 * clock)
        hit = np.arange(int(0.15 * RATE)) / RATE
        samples[at : at + len(hit)] += random.standard_normal(len(hit)) * np.exp(-40 * hit)
    return write_sound("music.wav", 0.15 * samples[: 20 * RATE])


@pytest.fixture
def applause(write_sound: WriteSound) -> Path:
    """Twenty seconds of 150 claps a second."""
    random = np.random.default_rng(8)
    samples = np.zeros(21 * RATE)
    clock = np.arange(int(0.03 * RATE)) / RATE
    for at in random.integers(0, 20 * RATE, 3000):
        samples[at : at + len(clock)] += random.standard_normal(len(clock)) * np.exp(-random.uniform(100, 250) * clock)
    return write_sound("applause.wav", 0.05 * samples[: 20 * RATE])


@pytest.fixture(scope="session")
def make_whisper(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds a Whisper model of random numbers, inclined to say "hello" and "world."; the real loaders take it."""

    def make(*, multilingual: bool = True, name: str = "tiny-test") -> Path:
        folder = tmp_path_factory.mktemp("whisper") / name
        _save_whisper(folder, multilingual=multilingual)
        return folder

    return make


HIDDEN, HEADS, MELS, CONTEXT, POSITIONS = 32, 2, 80, 1500, 448


class _RandomLayers:
    """Fills the parts of a model specification with small random numbers."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)

    def weights(self, *shape: int) -> np.ndarray:
        return self._random.normal(0, 0.05, shape).astype(np.float32)

    def linear(self, layer: object, rows: int, columns: int) -> None:
        layer.weight, layer.bias = self.weights(rows, columns), np.zeros(rows, np.float32)

    def norm(self, layer: object) -> None:
        layer.gamma, layer.beta = np.ones(HIDDEN, np.float32), np.zeros(HIDDEN, np.float32)

    def attention(self, layer: object, rows: tuple[int, ...]) -> None:
        for part, count in zip(layer.linear, rows, strict=True):
            self.linear(part, count, HIDDEN)
        self.norm(layer.layer_norm)

    def block(self, layer: object, *, sees_sound: bool) -> None:
        self.attention(layer.self_attention, (3 * HIDDEN, HIDDEN))
        if sees_sound:
            self.attention(layer.attention, (HIDDEN, 2 * HIDDEN, HIDDEN))
        self.linear(layer.ffn.linear_0, 4 * HIDDEN, HIDDEN)
        self.linear(layer.ffn.linear_1, HIDDEN, 4 * HIDDEN)
        self.norm(layer.ffn.layer_norm)


def _save_whisper(folder: Path, *, multilingual: bool) -> None:
    from ctranslate2.specs import whisper_spec

    spoken = ["Ġhello", "Ġworld."]
    vocabulary = _vocabulary(spoken, multilingual=multilingual)
    fill = _RandomLayers()
    spec = whisper_spec.WhisperSpec(1, HEADS, 1, HEADS)
    encoder, decoder = spec.encoder, spec.decoder
    for conv, inputs in ((encoder.conv1, MELS), (encoder.conv2, HIDDEN)):
        conv.weight, conv.bias = fill.weights(HIDDEN, inputs, 3), np.zeros(HIDDEN, np.float32)
    encoder.position_encodings.encodings = fill.weights(CONTEXT, HIDDEN)
    decoder.position_encodings.encodings = fill.weights(POSITIONS, HIDDEN)
    decoder.embeddings.weight = decoder.projection.weight = fill.weights(len(vocabulary), HIDDEN)
    inclination = np.zeros(len(vocabulary), np.float32)
    inclination[[vocabulary.index(text) for text in spoken]] = 4.0
    decoder.projection.bias = inclination
    for stack in (encoder, decoder):
        fill.norm(stack.layer_norm)
        fill.block(stack.layer[0], sees_sound=stack is decoder)
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids = [-1]
    spec.config.suppress_ids_begin = [vocabulary.index("<|endoftext|>")]
    spec.config.lang_ids = [vocabulary.index("<|en|>"), vocabulary.index("<|de|>")]
    spec.config.alignment_heads = [[0, 0], [0, 1]]
    spec.validate()
    spec.optimize()
    folder.mkdir(parents=True)
    spec.save(str(folder))
    _save_tokenizer(folder, vocabulary)


def _specials() -> list[str]:
    names = "endoftext startoftranscript en de translate transcribe startoflm startofprev nospeech notimestamps"
    return [f"<|{name}|>" for name in names.split()] + [f"<|{index * 0.02:.2f}|>" for index in range(1501)]


def _vocabulary(words: list[str], *, multilingual: bool) -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    # CTranslate2 takes a vocabulary with an empty token for a multilingual one.
    first = [""] if multilingual else ["<|unused|>"]
    return [*first, *sorted(ByteLevel.alphabet()), *words, *_specials()]


def _save_tokenizer(folder: Path, vocabulary: list[str]) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    plain = {token: index for index, token in enumerate(vocabulary) if not token.startswith("<|")}
    tokenizer = Tokenizer(models.BPE(vocab=plain, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    document = json.loads(tokenizer.to_str())
    document["added_tokens"] = [
        {
            **{"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False},
            **{"normalized": False, "special": True},
        }
        for index, token in enumerate(vocabulary)
        if token.startswith("<|")
    ]
    (folder / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture(scope="session")
def word_errors() -> Callable[[Sequence[Word], Transcript], tuple[float, np.ndarray]]:
    """Measures the share of wrong words, and the start errors in seconds of the right ones."""
    return _word_errors


def _word_errors(said: Sequence[Word], found: Transcript) -> tuple[float, np.ndarray]:
    reference = [(_plain(word.text), word.start) for word in said if _plain(word.text)]
    heard = [(_plain(word.text), word.start) for word in found.words]
    costs = np.zeros((len(reference) + 1, len(heard) + 1), int)
    costs[:, 0], costs[0] = range(len(reference) + 1), range(len(heard) + 1)
    for i, (one, _) in enumerate(reference, 1):
        for j, (other, _) in enumerate(heard, 1):
            costs[i, j] = min(costs[i - 1, j] + 1, costs[i, j - 1] + 1, costs[i - 1, j - 1] + (one != other))
    i, j = len(reference), len(heard)
    errors = []
    while i and j:
        if costs[i, j] == costs[i - 1, j - 1] + (reference[i - 1][0] != heard[j - 1][0]):
            if reference[i - 1][0] == heard[j - 1][0]:
                errors.append(heard[j - 1][1] - reference[i - 1][1])
            i, j = i - 1, j - 1
        elif costs[i, j] == costs[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return costs[-1, -1] / len(reference), np.abs(errors)


def _plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalpha() or c == "'")
