"""Language models: one small contract, OpenAI-compatible endpoints behind it, and the guard for untrusted text."""

from cliply_resources.language.contract import Completion, LanguageModel, Shape
from cliply_resources.language.openai_compatible import FirstThatAnswers, OpenAICompatible, open_language_model
from cliply_resources.language.remembered import AnswerStore, Remembered
from cliply_resources.language.sanitise import fenced, sanitise

__all__ = [
    "AnswerStore",
    "Completion",
    "FirstThatAnswers",
    "LanguageModel",
    "OpenAICompatible",
    "Remembered",
    "Shape",
    "fenced",
    "open_language_model",
    "sanitise",
]
