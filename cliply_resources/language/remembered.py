"""A language model that is not asked twice: answers are kept under the digest of everything that was said to it."""

import hashlib
from typing import Generic, Protocol, TypeVar

import msgspec

from cliply_resources.language.contract import Completion, LanguageModel, Shape

__all__ = ["AnswerStore", "Remembered"]

Answer = TypeVar("Answer")


class AnswerStore(Protocol):
    """Where answers are kept; what is stored and lost again is asked for anew."""

    def get(self, digest: str) -> bytes | None:
        """What was put under this digest, if it is still there."""
        ...

    def put(self, digest: str, answer: bytes) -> None:
        """Keeps an answer."""
        ...


class _Kept(msgspec.Struct, Generic[Answer], frozen=True):
    answer: Answer
    model: str


class Remembered:
    """Another model behind a store. A remembered answer costs no tokens and says who gave it."""

    def __init__(self, model: LanguageModel, store: AnswerStore) -> None:
        self._model = model
        self._store = store

    @property
    def name(self) -> str:
        """That of the model behind it."""
        return self._model.name

    def complete_json(
        self, system: str, user: str, shape: Shape[Answer], *, seconds: float, max_tokens: int = 4000
    ) -> Completion[Answer]:
        """See `LanguageModel`; equal prompts for the same models get the same answer."""
        asked = msgspec.json.encode([self.name, system, user, shape.name, shape.schema], order="sorted")
        digest = hashlib.sha256(asked).hexdigest()
        stored = self._store.get(digest)
        if stored is not None:
            try:
                kept = msgspec.json.decode(stored, type=_Kept[shape.wanted])  # type: ignore[name-defined]  # known at run time only
            except msgspec.DecodeError:
                # An older shape, or a damaged file: asking again mends it.
                pass
            else:
                return Completion(answer=kept.answer, model=kept.model)
        completion = self._model.complete_json(system, user, shape, seconds=seconds, max_tokens=max_tokens)
        self._store.put(digest, msgspec.json.encode(_Kept(completion.answer, completion.model)))
        return completion
