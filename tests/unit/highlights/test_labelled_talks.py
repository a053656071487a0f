"""On talks whose good moments editors marked, the choice beats random windows and topic segments, also on talks nobody tuned on."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest

EVAL = Path(__file__).parents[2] / "eval"
sys.path.insert(0, str(EVAL))

from labelled import read_all, read_labelled  # noqa: E402 - the path above leads to it
from selection import LONGEST, SHORTEST, measure_selection  # noqa: E402
from texttiling import tiles  # noqa: E402


@pytest.fixture(scope="module")
def figures():
    return measure_selection()


@pytest.mark.parametrize("group", ["tuned on", "held out"])
@pytest.mark.parametrize("kind", ["text", "text and room", "bare words"])
def test_good_moments_are_found_far_more_often_than_by_chance_or_topic(figures, group, kind):
    ours, baselines = figures["ours"][group][kind], figures["baselines"][group]
    for baseline in baselines.values():
        assert ours["precision_at_k"] > 1.6 * baseline["precision_at_k"]
        assert ours["recall_at_k"] > 1.6 * baseline["recall_at_k"]
        assert ours["time_in_good"] > baseline["time_in_good"] + 0.25


@pytest.mark.parametrize("kind", ["text", "text and room", "bare words"])
def test_no_word_and_no_sentence_is_cut(figures, kind):
    for talk in figures["talks"].values():
        assert talk[kind]["cut_in_word"] == 0
        assert talk[kind]["cut_in_sentence"] == 0


def test_every_talk_marks_moments_that_a_clip_can_hold():
    talks = read_all()
    assert {talk.held_out for talk in talks} == {True, False}
    for talk in talks:
        assert len(talk.moments) >= 3
        for moment in talk.moments:
            assert SHORTEST <= moment.span.duration <= LONGEST, (talk.name, moment)


def test_a_line_that_says_nothing_known_is_named(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("# genre: talk\n# profile: talk\n# held out: no\nA: Hello.\nno speaker here\n")
    with pytest.raises(ValueError, match="line 5"):
        read_labelled(path)


def test_tiles_keep_the_lengths_and_follow_each_other():
    for talk in read_all():
        found = tiles(talk.transcript, shortest=SHORTEST, longest=LONGEST)
        assert found
        assert all(SHORTEST <= tile.duration <= LONGEST for tile in found)
        assert all(one.end <= other.start for one, other in pairwise(found))
