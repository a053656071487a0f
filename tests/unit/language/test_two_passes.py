"""A model scores a wider pool, then compares the finalists; what it costs is capped, written down and not paid twice."""

import io
import json

import msgspec
import pytest

from cliply_assets.highlights.llm_ranking import PROMPT_VERSION, rank_in_two_passes
from cliply_resources.documents import Candidate, Candidates
from cliply_resources.language import OpenAICompatible, Remembered


def clip(number):
    return Candidate(
        start=100.0 * number,
        end=100.0 * number + 20.0,
        score=90.0 - number,
        subscores={"hook": 50.0},
        title=f"Title {number}",
        description=f"Description {number}.",
        hashtags=("#old",),
        reasons=("It opens with a question.",),
        text=f"Why did it happen, number {number}? Because.",
    )


POOL = Candidates(
    ranker="built-in",
    profile="talk",
    candidates=(clip(1), clip(2)),
    near_misses=tuple(clip(number) for number in range(3, 8)),
)


def opinions(turns, scores):
    rated = [
        {"id": f"c{n}", "score": score, "title": f"New {n}", "description": "D.", "hashtags": [], "reason": f"R{n}."}
        for n, score in enumerate(scores, 1)
    ]
    return turns.says({"clips": rated})


def duels(turns, order):
    """Everybody beats whoever comes later in `order`."""
    pairs = [(a, b) for place, a in enumerate(order) for b in order[place + 1 :]]
    return turns.says({"duels": [{"first": b, "second": a, "better": a} for a, b in pairs]})


def ranked(chat, *, pool=POOL, wanted=2, tokens=60_000, seconds=20.0):
    model = OpenAICompatible(chat.url, model="judge-1", pause=lambda _: None)
    return rank_in_two_passes(pool, model, wanted=wanted, seconds=seconds, most_tokens=tokens)


def starts(clips):
    return [one.start for one in clips]


def test_the_finalists_stand_in_the_order_of_their_wins_and_scores_still_fall(chat, turns):
    # Finalists by score: clips 3, 1, 2, 4, which the second question calls c1 to c4.
    chat.script = [opinions(turns, [80, 70, 95, 60, 20, 10, 5]), duels(turns, ["c2", "c1", "c4", "c3"])]
    chosen = ranked(chat)
    assert starts(chosen.candidates) == [100.0, 300.0]
    assert [one.score for one in chosen.candidates] == [95.0, 80.0]
    assert chosen.candidates[0].subscores["duels"] == 100.0
    assert chosen.ranking.passes == 2
    assert len(chat.requests) == 2


def test_what_it_cost_and_who_was_asked_is_written_down(chat, turns):
    chat.script = [opinions(turns, [80, 70, 95, 60, 20, 10, 5]), duels(turns, ["c1", "c2", "c3", "c4"])]
    ranking = ranked(chat).ranking
    assert (ranking.model, ranking.prompt_version, ranking.rated) == ("judge-1", PROMPT_VERSION, 7)
    assert (ranking.prompt_tokens, ranking.completion_tokens) == (240, 60)


def test_a_near_miss_needs_a_good_word_and_nothing_is_lost(chat, turns):
    chat.script = [opinions(turns, [50, 40, 54, 30, 20, 10, 5]), duels(turns, ["c1", "c2", "c3", "c4"])]
    chosen = ranked(chat)
    assert sorted(starts(chosen.candidates)) == [100.0, 200.0]
    assert 300.0 in starts(chosen.near_misses)
    assert len(chosen.near_misses) == 3


def test_without_an_answer_the_built_in_choice_stands_with_a_reason(chat, turns):
    chat.script = [turns.fails(500)]
    chosen = ranked(chat)
    assert chosen.candidates == POOL.candidates
    assert chosen.near_misses == POOL.near_misses[:3]
    assert chosen.ranking is None
    assert "built-in ranking stands" in chosen.note


@pytest.mark.parametrize(
    "answer",
    [
        {"duels": []},
        {"duels": [{"first": "c1", "second": "c9", "better": "c9"}] * 9},
        {"duels": [{"first": "c1", "second": "c2", "better": "c2"}] * 9},
        {"duels": [{"first": "c1", "second": "c1", "better": "c1"}] * 9},
        {"other": 1},
        "I like the second one.",
    ],
    ids=["none", "invented", "one pair only", "against itself", "other shape", "prose"],
)
def test_a_useless_comparison_leaves_the_scores_and_a_note(chat, turns, answer):
    chat.script = [opinions(turns, [80, 70, 95, 60, 20, 10, 5]), turns.says(answer)]
    chosen = ranked(chat)
    assert starts(chosen.candidates) == [300.0, 100.0]
    assert chosen.ranking.passes == 1
    assert "compare" in chosen.note


def test_nothing_is_asked_that_could_cost_more_than_allowed(chat, turns):
    chat.script = [opinions(turns, [80, 70, 95, 60, 20, 10, 5])]
    chosen = ranked(chat, tokens=1_000)
    assert chat.requests == []
    assert chosen.candidates == POOL.candidates
    assert "at most 1000 are allowed" in chosen.note


def test_the_second_question_is_left_out_when_the_first_took_the_money(chat, turns):
    scored = opinions(turns, [80, 70, 95, 60, 20, 10, 5])

    def dear(handler, body):
        real, handler.wfile = handler.wfile, io.BytesIO()
        scored(handler, body)
        sent, handler.wfile = handler.wfile.getvalue(), real
        answer = json.loads(sent.split(b"\r\n\r\n", 1)[1])
        answer["usage"] = {"prompt_tokens": 3_000, "completion_tokens": 2_500, "total_tokens": 5_500}
        turns.reply(handler, 200, answer)

    chat.script = [dear]
    chosen = ranked(chat, tokens=6_000)
    assert len(chat.requests) == 1
    assert starts(chosen.candidates) == [300.0, 100.0]
    assert chosen.ranking.completion_tokens == 2_500
    assert "more than the limit" in chosen.note


def test_the_second_question_shows_words_alone(chat, turns):
    chat.script = [opinions(turns, [80, 70, 95, 60, 20, 10, 5]), duels(turns, ["c1", "c2", "c3", "c4"])]
    ranked(chat)
    user = chat.requests[1]["body"]["messages"][1]["content"]
    sent = json.loads(user.removeprefix("<clips>").removesuffix("</clips>"))
    assert all(set(one) == {"id", "seconds", "said"} for one in sent)


class Memory(dict):
    def put(self, digest, answer):
        self[digest] = answer


def remembered(chat, memory):
    model = Remembered(OpenAICompatible(chat.url, model="judge-1", pause=lambda _: None), memory)
    return rank_in_two_passes(POOL, model, wanted=2, seconds=20.0)


def test_the_same_question_is_paid_for_once(chat, turns):
    chat.script = [opinions(turns, [80, 70, 95, 60, 20, 10, 5]), duels(turns, ["c1", "c2", "c3", "c4"])]
    memory = Memory()
    first, again = remembered(chat, memory), remembered(chat, memory)
    assert len(chat.requests) == 2
    assert again.candidates == first.candidates
    assert (again.ranking.prompt_tokens, again.ranking.completion_tokens) == (0, 0)


def test_a_damaged_memory_is_asked_anew(chat, turns):
    chat.script = [opinions(turns, [80, 70, 95, 60, 20, 10, 5]), duels(turns, ["c1", "c2", "c3", "c4"])] * 2
    memory = Memory()
    first = remembered(chat, memory)
    memory.update(dict.fromkeys(memory, b'{"answer": 1'))
    assert remembered(chat, memory).candidates == first.candidates
    assert len(chat.requests) == 4


def test_another_question_is_another_memory(chat, turns):
    chat.script = [opinions(turns, [80, 70, 95, 60, 20, 10, 5]), duels(turns, ["c1", "c2", "c3", "c4"])] * 2
    memory = Memory()
    remembered(chat, memory)
    model = Remembered(OpenAICompatible(chat.url, model="judge-2", pause=lambda _: None), memory)
    rank_in_two_passes(POOL, model, wanted=2, seconds=20.0)
    assert len(chat.requests) == 4


def test_documents_of_before_can_still_be_read():
    old = {key: value for key, value in msgspec.to_builtins(POOL).items() if key != "ranking"}
    for one in (*old["candidates"], *old["near_misses"]):
        del one["hook"]
    assert msgspec.convert(old, Candidates) == POOL
