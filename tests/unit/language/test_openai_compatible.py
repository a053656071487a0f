"""Chat completions over the wire, against a server that behaves and misbehaves."""

import time

import msgspec
import pytest

from cliply_resources.errors import CallerError, Rejected, TryLater
from cliply_resources.language import FirstThatAnswers, OpenAICompatible, Shape, open_language_model
from cliply_resources.settings import Settings


class Mood(msgspec.Struct):
    mood: str


SHAPE = Shape(
    name="mood",
    schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["mood"],
        "properties": {"mood": {"type": "string"}},
    },
    wanted=Mood,
)
GLAD = {"mood": "glad"}


def model_at(chat, *, key=None, pauses=None):
    return OpenAICompatible(chat.url, model="test-model", api_key=key, pause=([] if pauses is None else pauses).append)


def ask(model, seconds=10.0):
    return model.complete_json("You judge.", "How is it?", SHAPE, seconds=seconds)


def test_the_request_is_what_every_provider_takes(chat, turns):
    chat.script = [turns.says(GLAD)]
    completion = ask(model_at(chat, key="secret-key"))
    assert completion.answer == Mood("glad")
    assert (completion.model, completion.prompt_tokens, completion.completion_tokens) == ("test-model", 120, 30)
    (request,) = chat.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["headers"]["authorization"] == "Bearer secret-key"
    body = request["body"]
    assert set(body) == {"model", "messages", "temperature", "seed", "max_completion_tokens", "response_format"}
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["response_format"]["json_schema"] == {"name": "mood", "strict": True, "schema": SHAPE.schema}


def test_without_a_key_no_authorization_is_sent(chat, turns):
    chat.script = [turns.says(GLAD)]
    ask(model_at(chat))
    assert "authorization" not in {name.lower() for name in chat.requests[0]["headers"]}


def test_a_model_without_schemas_is_asked_for_plain_json_with_the_schema_in_words(chat, turns):
    chat.script = [turns.fails(400, "does not support response format `json_schema`"), turns.says(GLAD)]
    assert ask(model_at(chat)).answer.mood == "glad"
    assert chat.forms == ["json_schema", "json_object"]
    assert '"required":["mood"]' in chat.requests[1]["body"]["messages"][0]["content"]


@pytest.mark.parametrize(
    "bad",
    ["not json", '{"mood": 3}', "{}", "[]", '{"mood": "gl', ""],
    ids=["prose", "wrong type", "missing", "list", "truncated", "empty"],
)
def test_a_useless_answer_is_asked_for_once_more_and_then_refused(chat, turns, bad):
    chat.script = [turns.says(bad)]
    with pytest.raises(Rejected, match="test-model"):
        ask(model_at(chat))
    assert len(chat.requests) == 2


def test_an_answer_cut_at_the_token_limit_is_not_used(chat, turns):
    chat.script = [turns.says(GLAD, finish="length")]
    with pytest.raises(Rejected, match="limit of tokens"):
        ask(model_at(chat))


def test_a_fence_around_the_json_is_forgiven(chat, turns):
    chat.script = [turns.says('```json\n{"mood": "glad"}\n```')]
    assert ask(model_at(chat)).answer.mood == "glad"


def test_a_busy_model_is_asked_again_when_it_says(chat, turns):
    pauses = []
    chat.script = [turns.fails(429, headers=[("retry-after", "3")]), turns.says(GLAD)]
    assert ask(model_at(chat, pauses=pauses)).answer.mood == "glad"
    assert pauses == [3.0]


def test_a_model_that_wants_minutes_is_not_waited_for(chat, turns):
    pauses = []
    chat.script = [turns.fails(429, headers=[("retry-after", "120")])]
    with pytest.raises(TryLater) as busy:
        ask(model_at(chat, pauses=pauses))
    assert (busy.value.retry_after, pauses, len(chat.requests)) == (120.0, [], 1)


def test_a_broken_server_is_asked_twice(chat, turns):
    chat.script = [turns.fails(500)]
    with pytest.raises(TryLater):
        ask(model_at(chat, pauses=[]))
    assert len(chat.requests) == 2


def test_a_slow_server_costs_no_more_than_its_time(chat, turns):
    chat.script = [turns.stalls(4)]
    begin = time.monotonic()
    with pytest.raises(TryLater):
        ask(model_at(chat, pauses=[]), seconds=1.5)
    assert time.monotonic() - begin < 3.0


def test_the_second_model_answers_for_the_first(chat, second_chat, turns):
    chat.script = [turns.fails(401, "bad key")]
    second_chat.script = [turns.says(GLAD)]
    first = OpenAICompatible(chat.url, model="first", api_key="k", pause=lambda _: None)
    second = OpenAICompatible(second_chat.url, model="second", pause=lambda _: None)
    both = FirstThatAnswers([first, second])
    assert both.name == "first, then second"
    assert ask(both).model == "second"


def test_when_nobody_answers_all_reasons_are_told_and_no_key(chat, second_chat, turns):
    chat.script = [turns.fails(401, "bad key hush-hush")]
    second_chat.script = [turns.fails(503)]
    models = [
        OpenAICompatible(c.url, model="m", api_key="hush-hush", pause=lambda _: None) for c in (chat, second_chat)
    ]
    with pytest.raises(TryLater) as problem:
        ask(FirstThatAnswers(models))
    assert "401" in str(problem.value)
    assert "503" in str(problem.value)
    assert "hush-hush" not in str(problem.value)


def test_settings_open_the_models_in_their_order(chat, second_chat, turns):
    chat.script, second_chat.script = [turns.fails(404, "model gone")], [turns.says(GLAD)]
    opened = open_language_model(
        Settings(llm_base_urls=(chat.url, second_chat.url), llm_models=("old", "new"), llm_api_keys=("k", ""))
    )
    assert ask(opened).model == "new"


def test_no_endpoint_means_no_model():
    assert open_language_model(Settings(llm_base_urls=())) is None


@pytest.mark.parametrize(
    ("models", "keys", "named"), [((), (), "LLM_MODELS"), (("m",), ("a", "b"), "LLM_API_KEYS")], ids=["models", "keys"]
)
def test_settings_that_do_not_match_are_named(models, keys, named):
    with pytest.raises(CallerError, match=named):
        open_language_model(Settings(llm_base_urls=("http://127.0.0.1:1/v1",), llm_models=models, llm_api_keys=keys))
