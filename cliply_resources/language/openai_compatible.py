"""Language models behind `POST {base}/chat/completions`: Cerebras, Groq, Together, llama.cpp, vLLM and the like."""

import re
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from cliply_resources.errors import CallerError, CliplyError, Rejected, TryLater, UpstreamError
from cliply_resources.language.contract import Completion, LanguageModel, Shape
from cliply_resources.outbound import CONFIGURED, fetch
from cliply_resources.settings import Settings
from cliply_resources.usage import count_tokens

__all__ = ["FirstThatAnswers", "OpenAICompatible", "open_language_model"]

Answer = TypeVar("Answer")

_TEMPERATURE = 0.2  # enough to word a title, too little to roam
_SEED = 7  # where a provider honours it, the same film gets the same answer
_MAX_BYTES = 2 * 1024 * 1024
_LONGEST_WAIT = 15.0  # s; a provider that asks for longer is passed over for the next one
_DEFAULT_WAIT = 1.0  # s; before the one repeat, where the provider names no time
_SHORTEST_TRY = 1.0  # s; less is not worth a request
_FENCE = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Reply(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class OpenAICompatible:
    """One model at one endpoint; asks for a strict schema and settles for plain JSON where that is refused."""

    def __init__(
        self, base_url: str, *, model: str, api_key: str | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._model = model
        self._key = api_key
        self._pause = pause

    @property
    def name(self) -> str:
        """The model, as its provider calls it."""
        return self._model

    def complete_json(
        self, system: str, user: str, shape: Shape[Answer], *, seconds: float, max_tokens: int = 4000
    ) -> Completion[Answer]:
        """See `LanguageModel`; at most three requests: one repeat when busy, one without the strict schema when refused."""
        ends_at = time.monotonic() + seconds
        strict: dict[str, object] = {
            "type": "json_schema",
            "json_schema": {"name": shape.name, "strict": True, "schema": shape.schema},
        }
        try:
            return self._asked(system, user, shape, form=strict, ends_at=ends_at, max_tokens=max_tokens)
        except Rejected:
            # Not every model takes a schema, and some break it; all take plain JSON with the schema in words.
            said = f"{system}\n\nAnswer with one JSON object that fits this JSON schema, and nothing else:\n"
            said += msgspec.json.encode(shape.schema).decode()
            plain: dict[str, object] = {"type": "json_object"}
            return self._asked(said, user, shape, form=plain, ends_at=ends_at, max_tokens=max_tokens)

    def _asked(
        self, system: str, user: str, shape: Shape[Answer], *, form: dict[str, object], ends_at: float, max_tokens: int
    ) -> Completion[Answer]:
        request = {
            "model": self._model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "temperature": _TEMPERATURE,
            "seed": _SEED,
            "max_completion_tokens": max_tokens,
            "response_format": form,
        }
        try:
            reply = self._sent(request, ends_at)
        except TryLater as busy:
            wait = _DEFAULT_WAIT if busy.retry_after is None else busy.retry_after
            if wait > min(_LONGEST_WAIT, ends_at - time.monotonic() - _SHORTEST_TRY):
                raise
            self._pause(wait)
            reply = self._sent(request, ends_at)
        return self._read(reply, shape)

    def _sent(self, request: dict[str, object], ends_at: float) -> _Reply:
        left = ends_at - time.monotonic()
        if left < _SHORTEST_TRY:
            raise TryLater(f"{self._model} was given no more time.")
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        return fetch(
            self._url,
            policy=CONFIGURED,
            method="POST",
            headers=headers,
            json=request,
            timeout=left,
            max_bytes=_MAX_BYTES,
        ).json(_Reply)

    def _read(self, reply: _Reply, shape: Shape[Answer]) -> Completion[Answer]:
        usage = reply.usage or _Usage()
        # An answer that is of no use was paid for, too.
        count_tokens(usage.prompt_tokens, usage.completion_tokens)
        content = reply.choices[0].message.content if reply.choices else None
        if not content:
            raise Rejected(f"{self._model} gave an empty answer.")
        if reply.choices[0].finish_reason == "length":
            raise Rejected(f"{self._model} stopped in the middle of its answer, at its limit of tokens.")
        unfenced = _FENCE.sub(r"\1", content)
        try:
            answer = msgspec.json.decode(unfenced.encode(), type=shape.wanted)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as problem:
            raise Rejected(f"{self._model} gave an answer of the wrong shape: {problem}.") from problem
        return Completion(
            answer=answer,
            model=self._model,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
        )


class FirstThatAnswers:
    """Several models in order: the next is asked when one cannot answer."""

    def __init__(self, models: Sequence[LanguageModel]) -> None:
        self._models = tuple(models)

    @property
    def name(self) -> str:
        """All of them, in the order they are tried."""
        return ", then ".join(model.name for model in self._models)

    def complete_json(
        self, system: str, user: str, shape: Shape[Answer], *, seconds: float, max_tokens: int = 4000
    ) -> Completion[Answer]:
        """See `LanguageModel`; each model gets an equal share of the time that is left."""
        ends_at = time.monotonic() + seconds
        problems: list[UpstreamError | CallerError] = []
        for place, model in enumerate(self._models):
            left = ends_at - time.monotonic()
            share = left / (len(self._models) - place)
            if share < _SHORTEST_TRY:
                break
            try:
                return model.complete_json(system, user, shape, seconds=share, max_tokens=max_tokens)
            except (UpstreamError, CallerError) as problem:
                problems.append(problem)
        raise _together(problems)


def _together(problems: Sequence[UpstreamError | CallerError]) -> CliplyError:
    """One error for all; worth repeating if any of them was."""
    if not problems:
        return TryLater("No language model was asked, because no time was left.")
    said = " ".join(str(problem) for problem in problems)
    busy = [problem for problem in problems if isinstance(problem, TryLater)]
    return TryLater(said, retry_after=busy[0].retry_after) if busy else Rejected(said)


def open_language_model(settings: Settings) -> LanguageModel | None:
    """The configured models, tried in their order; `None` where none is configured.

    Raises:
        CallerError: there are more base URLs than models, or more keys than base URLs.
    """
    urls, models, keys = settings.llm_base_urls, settings.llm_models, settings.llm_api_keys
    if not urls:
        return None
    if len(models) != len(urls):
        raise CallerError(
            f"CLIPLY_LLM_BASE_URLS names {len(urls)} endpoints but CLIPLY_LLM_MODELS {len(models)} models; "
            "name one model for each endpoint, in the same order."
        )
    if len(keys) not in (0, len(urls)):
        raise CallerError(
            f"CLIPLY_LLM_BASE_URLS names {len(urls)} endpoints but CLIPLY_LLM_API_KEYS {len(keys)} keys; "
            'name one key for each endpoint in the same order, or "" where an endpoint needs none.'
        )
    secrets = [key.get_secret_value() or None for key in keys] or [None] * len(urls)
    each = [
        OpenAICompatible(url, model=model, api_key=secret)
        for url, model, secret in zip(urls, models, secrets, strict=True)
    ]
    return each[0] if len(each) == 1 else FirstThatAnswers(each)
