"""What Cliply asks of a language model: an answer in JSON of a given shape, in limited time."""

from typing import Generic, Protocol, TypeVar

import msgspec

__all__ = ["Completion", "LanguageModel", "Shape"]

Answer = TypeVar("Answer")


class Shape(msgspec.Struct, Generic[Answer], frozen=True, kw_only=True):
    """The shape of an answer, once for the model and once for our own check of what it says."""

    name: str
    schema: dict[str, object]
    """JSON schema in the subset that every provider takes: every object closed, all its properties required, no bounds."""
    wanted: type[Answer]
    """What the answer is decoded as; bounds belong here, since models keep them only by chance."""


class Completion(msgspec.Struct, Generic[Answer], frozen=True, kw_only=True):
    """An answer of the right shape."""

    answer: Answer
    model: str
    """Who gave it."""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class LanguageModel(Protocol):
    """Anything that can answer in JSON."""

    @property
    def name(self) -> str:
        """What users read: the model, or the models that are tried in order."""
        ...

    def complete_json(
        self, system: str, user: str, shape: Shape[Answer], *, seconds: float, max_tokens: int = 4000
    ) -> Completion[Answer]:
        """One answer of the given shape within `seconds`; untrusted text in `user` must be sanitised and fenced already.

        Raises:
            TryLater: nobody could answer now.
            Rejected: nobody can answer this, or the answers were no use.
            CallerError: an endpoint is configured wrongly.
        """
        ...
