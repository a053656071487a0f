"""Speaks the script once; the result lies beside this file, so nobody needs a speech synthesiser to use Cliply.

To run it again after changing the script, on Debian:

    apt-get install libflite1 festival festvox-us-slt-hts
    python -m cliply_assets.sample.synthesise_speech

The host is flite's voice `rms`, the guest is festival's `cmu_us_slt_arctic_hts`. Both say exactly when each word starts
and ends. It writes `speech.opus` (48 kHz mono) and `truth.json`.
"""

import ctypes
import re
import tempfile
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from scipy.signal import resample_poly

from cliply_assets.sample.crowd import applause, laughter, room_tone
from cliply_assets.sample.script import DELIVERIES, PASSAGES, TITLE, Line, Passage
from cliply_assets.sample.truth import Exchange, Reaction, SpeechTruth, TruthPassage
from cliply_resources.documents import Segment, Span, Word
from cliply_resources.errors import StepFailed
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.media_tools.process import run
from cliply_resources.progress import silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["main"]

_RATE = 48_000
_SEED = 11
_OPUS_BIT_RATE = "40k"  # transparent for speech; 0.8 MB for the whole talk
_BEFORE_WORDS = 0.04  # seconds of quiet that a line keeps around its words, so that no consonant is clipped
_FIRST_WORD_AT = 0.6  # seconds
_BETWEEN_PASSAGES = 0.3  # seconds
_ROOM_DBFS = -62.0
_REACTION_PEAK = {"applause": 0.5, "laughter": 0.45}

_WORD_START = b"R:SylStructure.daughter1.daughter1.R:Segment.p.end"
_WORD_END = b"R:SylStructure.daughtern.daughtern.R:Segment.end"
_DURATION_STRETCH = b"duration_stretch"  # flite keeps the pointer, so the bytes must outlive the call

Spoken = tuple["NDArray[np.float32]", list[tuple[float, float]]]
"""Samples at 48 kHz, and the start and end of each word of the line in seconds."""


class _FliteWave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _FliteVoice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


class _Flite:
    """The host's voice."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
        for name in ("usenglish", "cmulex"):
            ctypes.CDLL(f"libflite_{name}.so.1", mode=ctypes.RTLD_GLOBAL)
        self._library.flite_init()
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        self._declare("flite_synth_text", pointer, text, pointer)
        self._declare("utt_wave", ctypes.POINTER(_FliteWave), pointer)
        self._declare("utt_relation", pointer, pointer, text)
        self._declare("relation_head", pointer, pointer)
        self._declare("item_next", pointer, pointer)
        self._declare("item_daughter", pointer, pointer)
        self._declare(
            "ffeature_float" if hasattr(self._library, "ffeature_float") else "flite_ffeature_float",
            ctypes.c_float,
            pointer,
            text,
        )
        self._declare("flite_feat_set_float", None, pointer, text, ctypes.c_float)
        register = ctypes.CDLL("libflite_cmu_us_rms.so.1").register_cmu_us_rms
        register.restype, register.argtypes = pointer, [pointer]
        self._voice = register(None)

    def _declare(self, name: str, result: type | None, *arguments: type) -> None:
        function = getattr(self._library, name)
        function.restype, function.argtypes = result, list(arguments)

    def say(self, text: str, rate: float) -> Spoken:
        """One utterance. A token such as "don't" may be two of flite's words; it counts as one here."""
        features = ctypes.cast(self._voice, ctypes.POINTER(_FliteVoice)).contents.features
        self._library.flite_feat_set_float(features, _DURATION_STRETCH, 1.0 / rate)
        utterance = self._library.flite_synth_text(text.encode(), self._voice)
        sound = self._library.utt_wave(utterance).contents
        samples = np.ctypeslib.as_array(sound.samples, (sound.num_samples,)).astype(np.float32) / 32768
        return _resampled(samples, sound.sample_rate), self._tokens(utterance)

    def _tokens(self, utterance: int) -> list[tuple[float, float]]:
        times = []
        feature = getattr(self._library, "ffeature_float", None) or self._library.flite_ffeature_float
        token = self._library.relation_head(self._library.utt_relation(utterance, b"Token"))
        while token:
            words = [self._library.item_daughter(token)]
            while following := self._library.item_next(words[-1]):
                words.append(following)
            times.append((feature(words[0], _WORD_START), feature(words[-1], _WORD_END)))
            token = self._library.item_next(token)
        return times


def _festival(lines: list[Line], folder: Path) -> list[Spoken]:
    """The guest's voice, all lines in one run of festival."""
    commands = [
        "(voice_cmu_us_slt_arctic_hts) (set! plain hts_engine_params)",
        "(define (say rate words name)"
        ' (set! hts_engine_params (append (list (list "-r" rate)) plain))'
        " (let ((u (eval (list 'Utterance 'Text words))))"
        "  (utt.synth u) (utt.save.wave u name 'riff)"
        '  (mapcar (lambda (w) (format t "%s %f %f\\n" name (item.feat w "word_start") (item.feat w "word_end")))'
        "   (utt.relation.items u 'Word))))",
    ]
    commands += [
        f'(say {DELIVERIES[line.mood].rate} "{line.text}" "{number}.wav")' for number, line in enumerate(lines)
    ]
    (folder / "say.scm").write_text("\n".join(commands))
    finished = run(["festival", "-b", "say.scm"], deadline_seconds=120, cwd=folder)
    if finished.returncode != 0:
        raise StepFailed("Festival could not speak the guest's lines.", detail=finished.stderr)
    times: list[list[tuple[float, float]]] = [[] for _ in lines]
    for row in finished.stdout.split("\n"):
        if found := re.fullmatch(r"(\d+)\.wav ([\d.]+) ([\d.]+)", row.strip()):
            times[int(found[1])].append((float(found[2]), float(found[3])))
    return [(_read(folder / f"{number}.wav"), line_times) for number, line_times in enumerate(times)]


def _read(path: Path) -> "NDArray[np.float32]":
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
        return _resampled(samples, file.getframerate())


def _resampled(samples: "NDArray[Any]", rate: int) -> "NDArray[np.float32]":
    return np.asarray(resample_poly(samples - samples.mean(), _RATE, rate), np.float32)


class _Tape:
    """Lays sounds on one timeline and notes what is where."""

    def __init__(self) -> None:
        self.now = _FIRST_WORD_AT
        self.sounds: list[tuple[float, NDArray[np.float32]]] = []
        self.segments: list[Segment] = []
        self.reactions: list[Reaction] = []
        self.passages: list[TruthPassage] = []
        self.exchanges: list[Exchange] = []
        self.rng = np.random.default_rng(_SEED)

    def passage(self, passage: Passage, spoken: list[Spoken]) -> None:
        first = len(self.segments)
        for line, one in zip(passage.lines, spoken, strict=True):
            self._line(line, one)
        start, end = self.segments[first].start, self.segments[-1].end
        for kind, seconds in passage.reactions:
            sound = (applause if kind == "applause" else laughter)(seconds, _RATE, self.rng) * _REACTION_PEAK[kind]
            self.sounds.append((self.now, sound))
            end = self.now + seconds
            self.reactions.append(Reaction(kind, _span(self.now, end)))
            # The next noise starts while this one dies away.
            self.now = end - 0.5
        self.now = max(self.now, end) + _BETWEEN_PASSAGES
        self._exchange(self.segments[first:])
        self.passages.append(
            TruthPassage(
                name=passage.name,
                mood=passage.mood,
                span=_span(start, end),
                worth_clipping=passage.worth_clipping,
                reasons=passage.reasons,
            )
        )

    def _line(self, line: Line, spoken: Spoken) -> None:
        samples, times = spoken
        texts = line.text.split()
        if len(texts) != len(times):
            raise StepFailed(f'The synthesiser found {len(times)} words in "{line.text}", which has {len(texts)}.')
        first = max(0, round((times[0][0] - _BEFORE_WORDS) * _RATE))
        cut = samples[first : round((times[-1][1] + _BEFORE_WORDS) * _RATE)].copy()
        cut *= 10 ** (DELIVERIES[line.mood].level / 20) / cut.std()
        fade = round(0.01 * _RATE)
        cut[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        cut[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        self.sounds.append((self.now, cut))
        shift = self.now - first / _RATE
        words = tuple(
            Word(
                text=text,
                start=round(shift + start, 3),
                end=round(shift + end, 3),
                confidence=1.0,
                speaker=line.speaker,
            )
            for text, (start, end) in zip(texts, times, strict=True)
        )
        self.segments.append(
            Segment(start=words[0].start, end=words[-1].end, text=line.text, words=words, speaker=line.speaker)
        )
        self.now += cut.size / _RATE + line.pause

    def _exchange(self, segments: list[Segment]) -> None:
        questions = [one for one in segments if one.speaker == "host" and one.text.endswith("?")]
        answers = [one for one in segments if one.speaker == "guest"]
        if questions and answers:
            asked = Span(questions[-1].start, questions[-1].end)
            self.exchanges.append(Exchange(asked, Span(answers[0].start, answers[-1].end)))

    def mixed(self) -> "NDArray[np.float32]":
        """Everything at once over the room's own tone."""
        out = room_tone(self.now, _RATE, self.rng) * np.float32(10 ** (_ROOM_DBFS / 20))
        for start, sound in self.sounds:
            at = round(start * _RATE)
            out[at : at + sound.size] += sound[: out.size - at]
        return out


def _span(start: float, end: float) -> Span:
    return Span(round(start, 3), round(end, 3))


def main() -> None:
    """Speaks the script and writes the speech and its truth beside this file."""
    here = Path(__file__).parent
    flite = _Flite()
    tape = _Tape()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        guest = iter(
            _festival([one for passage in PASSAGES for one in passage.lines if one.speaker == "guest"], folder)
        )
        for passage in PASSAGES:
            spoken = [
                next(guest) if line.speaker == "guest" else flite.say(line.text, DELIVERIES[line.mood].rate)
                for line in passage.lines
            ]
            tape.passage(passage, spoken)
        mix = tape.mixed()
        (folder / "mix.f32").write_bytes(mix.tobytes())
        run_ffmpeg(
            [
                *("-f", "f32le", "-ar", str(_RATE), "-ac", "1", "-i", str(folder / "mix.f32")),
                *("-c:a", "libopus", "-b:a", _OPUS_BIT_RATE, "-application", "audio"),
                *("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact", str(here / "speech.opus")),
            ],
            duration=mix.size / _RATE,
            progress=silent,
            deadline_seconds=120,
            doing="encoding the sample speech",
        )
    truth = SpeechTruth(
        title=TITLE,
        duration=round(mix.size / _RATE, 3),
        segments=tuple(tape.segments),
        passages=tuple(tape.passages),
        reactions=tuple(tape.reactions),
        exchanges=tuple(tape.exchanges),
    )
    (here / "truth.json").write_bytes(msgspec.json.format(msgspec.json.encode(truth), indent=1) + b"\n")


if __name__ == "__main__":
    main()
