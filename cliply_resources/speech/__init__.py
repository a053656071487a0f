"""Speech to text: engines behind one contract, tried in order, and the aligner that times a known text."""

from cliply_resources.speech.aligner import align_transcript, align_words
from cliply_resources.speech.chain import best_engine, engine_reasons, transcribe_with_first_available
from cliply_resources.speech.contract import NO_SPEECH, SpeechEngine

__all__ = [
    "NO_SPEECH",
    "SpeechEngine",
    "align_transcript",
    "align_words",
    "best_engine",
    "engine_reasons",
    "transcribe_with_first_available",
]
