"""WhisperX: Whisper in batches, with word times from a phoneme model and, where configured, speakers.

Nothing is fetched: the Whisper model, the phoneme model and the diarization pipeline are used where they already lie on
this machine. Without a phoneme model English words are timed by Cliply's own aligner; other languages are left to the
next engine, whose word times are measured.
"""

import importlib.util
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from cliply_resources.documents import Span, Transcript, Word
from cliply_resources.errors import StepFailed, ToolMissing
from cliply_resources.progress import Progress, part_of
from cliply_resources.settings import Settings
from cliply_resources.speech.aligner import MEASURED_FROM, align
from cliply_resources.speech.contract import no_speech, primary_language
from cliply_resources.speech.faster_whisper_engine import BLOCK_SECONDS, LONGEST_PAUSE, WhisperDecoding, whisper_device
from cliply_resources.speech.listening import in_blocks, listen
from cliply_resources.speech.sentences import estimate_words, segment_of, sentences_from_punctuation, tidy_words
from cliply_resources.speech.sound import Sound, as_floats, open_sound
from cliply_resources.speech.whisper_models import WhisperModelFiles, find_whisper_model

__all__ = ["WhisperxEngine", "with_speakers"]

LISTENING_SHARE = 0.03
"""Of the whole work."""
RECOGNISED = 0.8
"""Of the whole work; timing words and telling speakers apart is the rest."""
BATCH = {"cpu": 4, "cuda": 16}
"""Windows of 30 s at once; each takes about 50 MB with the large model."""
NEAREST_TURN = 1.0
"""Seconds; a voice detector's edges are rough, but a word this far from a voice is not its."""


@dataclass(frozen=True)
class WhisperxEngine:
    """Speech to text in any language that can be timed here, with speakers where a pipeline is configured."""

    settings: Settings
    decoding: WhisperDecoding = field(default_factory=WhisperDecoding)
    name: str = "whisperx"

    def available(self) -> str | None:
        """Needs the package and a complete model on this machine."""
        if importlib.util.find_spec("whisperx") is None:
            return 'not installed (`pip install "cliply[ml]"`)'
        try:
            find_whisper_model(self.settings)
        except ToolMissing as error:
            return str(error).rstrip(".")
        if self.settings.diarization_model is not None and not self.settings.diarization_model.is_dir():
            return f"the diarization model {self.settings.diarization_model} is not a folder"
        return None

    def transcribe(self, audio: Path, *, language: str | None, progress: Progress) -> Transcript:
        """Whisper's text in sentences, word times from phonemes, speakers as `Speaker 1`, ….

        Raises:
            ToolMissing: the model is gone.
            StepFailed: it cannot be loaded or run, or words of this language cannot be timed here.
            MediaError: `audio` is not 16 kHz mono 16-bit WAV.
        """
        files = find_whisper_model(self.settings)
        detail = f"whisperx {version('whisperx')}, {files.name}, {' '.join(whisper_device())}"
        language = primary_language(language)
        stretches = listen(audio, progress=part_of(progress, 0.0, LISTENING_SHARE))
        blocks = in_blocks(stretches, most_seconds=BLOCK_SECONDS, longest_pause=LONGEST_PAUSE)
        if not blocks:
            return no_speech(self.name, detail, language=language, quality=files.quality)
        try:
            with open_sound(audio) as sound:
                recognised = self._recognised(
                    sound, blocks, files, language, part_of(progress, LISTENING_SHARE, RECOGNISED)
                )
                timed = _timed(self.settings, audio, sound, recognised, part_of(progress, RECOGNISED, 1.0))
                words = timed.words
                if self.settings.diarization_model is not None and words:
                    progress(1.0, "telling speakers apart")
                    words = with_speakers(words, _turns(self.settings.diarization_model, sound))
        except (RuntimeError, ValueError, OSError, LookupError) as error:
            raise StepFailed(f"the model {files.name} could not be run: {error}", detail=repr(error)) from error
        progress(1.0, "recognised the speech")
        if not words:
            return no_speech(self.name, detail, language=recognised.language, quality=files.quality)
        return Transcript(
            engine=self.name,
            engine_detail=f"{detail}, timed by {timed.by}",
            language=recognised.language,
            quality=files.quality,
            word_times="measured" if timed.is_measured else "estimated",
            segments=sentences_from_punctuation(words),
        )

    def _recognised(
        self,
        sound: Sound,
        blocks: tuple[Span, ...],
        files: WhisperModelFiles,
        language: str | None,
        progress: Progress,
    ) -> "_Recognised":
        # With a handler in place whisperx does not add its own, which writes to standard output.
        logging.getLogger("whisperx").addHandler(logging.NullHandler())
        import whisperx

        device, numbers = whisper_device()
        pipeline = whisperx.load_model(
            str(files.folder),
            device,
            compute_type=numbers,
            language=language,
            asr_options={"beam_size": self.decoding.beam_size, "max_new_tokens": self.decoding.max_new_tokens},
            # The other voice detector would be fetched from the network.
            vad_method="pyannote",
            local_files_only=True,
        )
        if not pipeline.model.model.is_multilingual and language not in {None, "en"}:
            raise StepFailed(f"the model {files.name} knows English only, and the video is said to be in {language!r}")
        found = _Recognised(language=language)
        for block in blocks:
            progress(
                block.start / sound.seconds, f"recognising speech, at {block.start:.0f} s of {sound.seconds:.0f} s"
            )
            samples = as_floats(sound.read(block.start, block.end))
            result = pipeline.transcribe(samples, batch_size=BATCH[device], language=found.language)
            # The whole video is in the language of its first minutes: a quotation must not switch it.
            found.language = result["language"]
            found.blocks.append((block, [segment for segment in result["segments"] if segment["text"].strip()]))
        return found


@dataclass
class _Recognised:
    language: str | None
    blocks: list[tuple[Span, list[dict[str, Any]]]] = field(default_factory=list)
    """Segments as whisperx gives them, in seconds from the start of their block."""


@dataclass(frozen=True, kw_only=True)
class _Timed:
    words: tuple[Word, ...]
    by: str
    is_measured: bool


def _timed(settings: Settings, audio: Path, sound: Sound, recognised: _Recognised, progress: Progress) -> _Timed:
    """The words with their times.

    Raises:
        StepFailed: there is nothing to time this language with.
    """
    language = recognised.language
    phonemes = _phoneme_model(settings, language)
    if phonemes is not None:
        words = tidy_words(_by_phonemes(sound, recognised, phonemes, progress))
        scored = sum(word.confidence is not None for word in words)
        return _Timed(words=words, by="phonemes", is_measured=scored >= MEASURED_FROM * len(words))
    if language != "en":
        raise StepFailed(f"no phoneme model for the language {language!r} is on this machine, so words cannot be timed")
    segments = []
    for block, found in recognised.blocks:
        for segment in found:
            start, end = block.start + segment["start"], block.start + segment["end"]
            segments.append(segment_of(tidy_words(estimate_words(segment["text"].split(), start, end))))
    if not segments:
        return _Timed(words=(), by="nothing", is_measured=True)
    aligned = align(audio, segments, progress=progress)
    return _Timed(
        words=tidy_words(word for segment in aligned.segments for word in segment.words),
        by="pocketsphinx",
        is_measured=aligned.found >= MEASURED_FROM * aligned.words,
    )


def _phoneme_model(settings: Settings, language: str | None) -> tuple[Any, dict[str, Any]] | None:
    """The phoneme model that was fetched for the language, or whisperx's default one where it lies in the shared caches."""
    import torch
    import torchaudio
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError
    from whisperx.alignment import DEFAULT_ALIGN_MODELS_HF, DEFAULT_ALIGN_MODELS_TORCH, load_align_model

    name = None
    fetched = settings.home / "models" / f"phonemes-{language}"
    if fetched.is_dir():
        name = str(fetched)
    elif language in DEFAULT_ALIGN_MODELS_TORCH:
        bundle = getattr(torchaudio.pipelines, DEFAULT_ALIGN_MODELS_TORCH[language])
        if not (Path(torch.hub.get_dir()) / "checkpoints" / bundle._path).is_file():
            return None
    elif language in DEFAULT_ALIGN_MODELS_HF:
        try:
            snapshot_download(DEFAULT_ALIGN_MODELS_HF[language], local_files_only=True)
        except LocalEntryNotFoundError:
            return None
    else:
        return None
    _provide_sentence_splitter(settings, language)
    model, metadata = load_align_model(language, whisper_device()[0], model_name=name, model_cache_only=True)
    return model, metadata


def _provide_sentence_splitter(settings: Settings, language: str | None) -> None:
    """An untrained one where there is none: whisperx would fetch it, and uses it for a division that Cliply does not read."""
    import nltk
    from whisperx.utils import PUNKT_LANGUAGES

    name = f"tokenizers/punkt_tab/{PUNKT_LANGUAGES.get(language, 'english')}"
    own = settings.home / "models" / "nltk_data"
    if str(own) not in nltk.data.path:
        nltk.data.path.append(str(own))
    try:
        nltk.data.find(f"{name}/")
    except LookupError:
        folder = own / name
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt"):
            (folder / part).touch()


def _by_phonemes(
    sound: Sound, recognised: _Recognised, phonemes: tuple[Any, dict[str, Any]], progress: Progress
) -> Iterator[Word]:
    import whisperx

    model, metadata = phonemes
    for block, segments in recognised.blocks:
        progress(block.start / sound.seconds, f"timing words, at {block.start:.0f} s of {sound.seconds:.0f} s")
        samples = as_floats(sound.read(block.start, block.end))
        for segment in whisperx.align(segments, model, metadata, samples, whisper_device()[0])["segments"]:
            words = [word for word in segment["words"] if "start" in word and "end" in word]
            if len(words) < len(segment["words"]) or not words:
                # Text without a single letter of the model's alphabet: "1,000".
                start, end = block.start + segment["start"], block.start + segment["end"]
                yield from estimate_words(segment["text"].split(), start, end)
                continue
            for word in words:
                yield Word(
                    text=word["word"],
                    start=block.start + float(word["start"]),
                    end=block.start + float(word["end"]),
                    confidence=float(word["score"]) if "score" in word else None,
                )


def _turns(folder: Path, sound: Sound) -> list[tuple[float, float, str]]:
    """Who speaks when: start and end in seconds, and the pipeline's own name for the voice."""
    from whisperx.diarize import DiarizationPipeline

    pipeline = DiarizationPipeline(model_name=str(folder), device=whisper_device()[0])
    found = pipeline(as_floats(sound.read(0.0, sound.seconds)))
    return [(float(turn["start"]), float(turn["end"]), str(turn["speaker"])) for turn in found.to_dict("records")]


def with_speakers(words: Sequence[Word], turns: Iterable[tuple[float, float, str]]) -> tuple[Word, ...]:
    """Each word with the voice that speaks most of it, else the nearest one within a second; `Speaker 1` speaks first.

    `turns` are start and end in seconds with any name for the voice. Words far from every turn have no speaker.
    """
    known = sorted(turns)
    names: dict[str, str] = {}
    for _, _, voice in known:
        names.setdefault(voice, f"Speaker {len(names) + 1}")
    return tuple(msgspec.structs.replace(word, speaker=names.get(_voice(word, known) or "")) for word in words)


def _voice(word: Word, turns: Sequence[tuple[float, float, str]]) -> str | None:
    spoken: dict[str, float] = {}
    near: dict[str, float] = {}
    for start, end, voice in turns:
        overlap = min(end, word.end) - max(start, word.start)
        if overlap > 0:
            spoken[voice] = spoken.get(voice, 0.0) + overlap
        elif -overlap <= NEAREST_TURN:
            near[voice] = min(near.get(voice, NEAREST_TURN), -overlap)
    if spoken:
        return max(spoken, key=lambda voice: spoken[voice])
    return min(near, key=lambda voice: near[voice]) if near else None
