"""From settings to ranked moments, through a real HTTP server, and with the workspace's store as the model's memory."""

from uuid import uuid4

import pytest

from cliply_assets.cli.candidates import find_candidates
from cliply_assets.highlights.assets import _Answers
from cliply_assets.transcript.plain_text import read_plain_text
from cliply_resources.documents import UploadSettings
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage

TEXT = """
HOST: Welcome back, the list of rooms is on the wall and the coats are on the left.
HOST: Why did you give away the house?
ANN: Because my father told me that walls make you afraid, and I did not believe him.
ANN: He said, whoever owns nothing sleeps well, and I laughed at him.
ANN: Then the river came and took every house but his boat.
ANN: That is when I understood what he meant.
HOST: The next meeting is on Friday, and the list of rooms is on the wall.
HOST: What was the worst day of your life?
ANN: The day I won. I stood there with the cup, and nobody I loved was in the room.
ANN: My brother called and he said, was it worth it? I had no answer.
ANN: I gave the cup to the cleaner, and she keeps her brushes in it.
HOST: The coats are on the left, and the doors are closed at nine.
"""


@pytest.fixture
def settings(tmp_path, chat):
    return Settings(home=tmp_path, llm_base_urls=(chat.url,), llm_models=("judge-1",), llm_api_keys=("k",))


def test_a_configured_model_ranks_what_the_rules_found(settings, chat, turns):
    def rated(handler, body):
        names = [f"c{n}" for n in range(1, 9) if f'"c{n}"' in body["messages"][1]["content"]]
        clips = [
            {"id": name, "score": 60 + n, "title": f"T {name}", "description": "D.", "hashtags": [], "reason": "R."}
            for n, name in enumerate(names)
        ]
        turns.says({"clips": clips})(handler, body)

    chat.script = [rated, turns.says({"duels": [{"first": "c1", "second": "c2", "better": "c2"}]})]
    wanted = UploadSettings(clips=2, min_seconds=8, max_seconds=40)
    found = find_candidates(read_plain_text(TEXT, name="t"), wanted, settings, name="t").result
    assert found.ranker == "judge-1"
    assert 1 <= len(found.candidates) <= 2
    assert found.ranking.prompt_tokens >= 120
    assert [one.score for one in found.candidates] == sorted((one.score for one in found.candidates), reverse=True)


def test_a_model_that_is_down_changes_nothing_but_the_note(settings, chat, turns, tmp_path):
    chat.script = [turns.fails(503, headers=[("retry-after", "600")])]
    wanted = UploadSettings(clips=2, min_seconds=8, max_seconds=40)
    transcript = read_plain_text(TEXT, name="t")
    found = find_candidates(transcript, wanted, settings, name="t").result
    alone = find_candidates(transcript, wanted, Settings(home=tmp_path), name="t").result
    assert found.candidates == alone.candidates
    assert found.near_misses == alone.near_misses
    assert "built-in ranking stands" in found.note


def test_answers_are_kept_in_the_workspace_that_paid_for_them(tmp_path):
    storage = open_storage(Settings(home=tmp_path))
    ours, theirs = _Answers(storage, uuid4()), _Answers(storage, uuid4())
    digest = "a" * 64
    assert ours.get(digest) is None
    ours.put(digest, b"{}")
    assert ours.get(digest) == b"{}"
    assert theirs.get(digest) is None
