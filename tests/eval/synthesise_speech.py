"""Speaks the films' scripts once; the sound and its truth lie in `speech/`, so that measuring needs no synthesiser.

To run it again after changing a script, on Debian:

    apt-get install libflite1
    python tests/eval/synthesise_speech.py

All voices are flite's, which says exactly when each word starts and ends. It writes `NAME.opus` (48 kHz mono) and `NAME.json`.
"""

import ctypes
import tempfile
from pathlib import Path

import msgspec
import numpy as np
from films import FILMS, Film
from truth import Noise, Sound

from cliply_assets.sample.crowd import applause, laughter, room_tone
from cliply_assets.sample.synthesise_speech import _Flite  # the one binding to flite that there is
from cliply_resources.documents import Segment, Span, Word
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.progress import silent

RATE = 48_000
_FOLDER = Path(__file__).with_name("speech")
_FIRST_WORD_AT = 0.6  # s
_LEVEL, _ROOM, _CROWD = -21.0, -62.0, 0.45  # dBFS RMS of words and room; peak of a crowd
_BEFORE_WORDS = 0.04  # s


class _Voice(_Flite):
    def __init__(self, name: str) -> None:
        super().__init__()
        library = ctypes.CDLL(f"libflite_cmu_us_{name}.so.1")
        register = getattr(library, f"register_cmu_us_{name}")
        register.restype, register.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
        self._voice = register(None)


def _speak(film: Film, voices: dict[str, _Voice], rng: np.random.Generator) -> tuple[np.ndarray, Sound]:
    now, sounds, segments, noises, good = _FIRST_WORD_AT, [], [], [], []
    for line in film.lines:
        for text in _sentences(line.text):
            samples, times = voices[film.voices[line.who]].say(text, 1.0)
            first = max(0, round((times[0][0] - _BEFORE_WORDS) * RATE))
            cut = samples[first : round((times[-1][1] + _BEFORE_WORDS) * RATE)].copy()
            cut *= 10 ** (_LEVEL / 20) / cut.std()
            sounds.append((now, cut))
            shift = now - first / RATE
            words = tuple(
                Word(text=one, start=round(shift + a, 3), end=round(shift + b, 3), speaker=line.who)
                for one, (a, b) in zip(text.split(), times, strict=True)
            )
            segments.append(Segment(start=words[0].start, end=words[-1].end, text=text, words=words, speaker=line.who))
            now += cut.size / RATE + 0.35
        now += line.after - 0.35
        if line.noise:
            now += 0.1 - line.after
            crowd = (laughter if line.noise == "laughter" else applause)(line.after, RATE, rng) * _CROWD
            sounds.append((now, crowd))
            noises.append(Noise(line.noise, Span(round(now, 3), round(now + line.after, 3))))
            now += line.after
        if line.good:
            good += [segments[-1].end, noises[-1].span.end] if line.noise else [segments[-1].end]
            good.append(next(s.start for s in segments if s.text == _sentences(line.text)[0]))
    mix = room_tone(now + 0.8, RATE, rng) * np.float32(10 ** (_ROOM / 20))
    for start, sound in sounds:
        at = round(start * RATE)
        mix[at : at + sound.size] += sound[: mix.size - at]
    truth = Sound(
        duration=round(mix.size / RATE, 3),
        segments=tuple(segments),
        noises=tuple(noises),
        good=Span(min(good), max(good)) if good else None,
    )
    return mix, truth


def _music(seconds: float, rng: np.random.Generator) -> tuple[np.ndarray, Sound]:
    """Drums at 120 beats a minute and chords; twice as loud with twice the drums from the middle on."""
    time = np.arange(round(seconds * RATE)) / RATE
    mix = room_tone(seconds, RATE, rng) * 0.001
    for bar, root in enumerate([110.0, 87.3, 130.8, 98.0] * 5):
        inside = (time >= 2 * bar) & (time < 2 * bar + 2)
        for part in (1.0, 1.25, 1.5):
            mix[inside] += (0.05 * np.sin(2 * np.pi * root * 2 * part * time[inside])).astype(np.float32)
    lively = Span(seconds * 0.5, seconds * 0.8)
    for beat in np.arange(0, seconds - 0.3, 0.25):
        if beat % 0.5 and not lively.contains(float(beat)):
            continue
        at, length = round(beat * RATE), round(0.12 * RATE)
        hit = np.sin(2 * np.pi * 60 * np.arange(length) / RATE) * np.exp(-np.arange(length) / (0.03 * RATE))
        mix[at : at + length] += (
            0.5 * hit + 0.1 * rng.standard_normal(length) * np.exp(-np.arange(length) / 400)
        ).astype(np.float32)
    loud = (time >= lively.start) & (time < lively.end)
    mix[~loud] *= 0.4
    return mix.astype(np.float32) * 0.7, Sound(duration=seconds, segments=(), noises=(), good=lively)


def _sentences(text: str) -> list[str]:
    parts = text.replace("? ", "?|").replace(". ", ".|").replace("! ", "!|").split("|")
    return [part for part in parts if part]


def main() -> None:
    """Speaks every script."""
    _FOLDER.mkdir(exist_ok=True)
    voices = {name: _Voice(name) for name in ("rms", "awb", "slt")}
    for number, film in enumerate(FILMS):
        rng = np.random.default_rng(100 + number)
        mix, truth = _music(film.seconds, rng) if not film.lines else _speak(film, voices, rng)
        with tempfile.TemporaryDirectory() as name:
            raw = Path(name) / "mix.f32"
            raw.write_bytes(mix.astype(np.float32).tobytes())
            run_ffmpeg(
                [
                    *("-f", "f32le", "-ar", str(RATE), "-ac", "1", "-i", str(raw), "-c:a", "libopus", "-b:a", "28k"),
                    *("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"),
                    str(_FOLDER / f"{film.name}.opus"),
                ],
                duration=truth.duration,
                progress=silent,
                deadline_seconds=120,
                doing="encoding speech",
            )
        (_FOLDER / f"{film.name}.json").write_bytes(msgspec.json.encode(truth) + b"\n")
        print(film.name, truth.duration, truth.good)


if __name__ == "__main__":
    main()
