"""Passages, documents and the fusion of rankings: pure functions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.sample.truth import load_speech_truth
from cliply_assets.search.documents import FRAME, PASSAGE, embed_frames, make_documents
from cliply_assets.search.fusion import fuse
from cliply_assets.search.passages import (
    BREAK_SECONDS,
    MOST_SECONDS,
    MOST_WORDS,
    Passage,
    nearest_passage,
    split_passages,
)
from cliply_resources.documents import Segment, Word


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    time = 0.0
    made = []
    for _ in range(draw(st.integers(0, 25))):
        time += draw(st.sampled_from([0.0, 0.3, 1.9, 2.0, 8.0]))
        count = draw(st.integers(1, 70))
        step = draw(st.sampled_from([0.2, 0.4, 1.0]))
        speaker = draw(st.sampled_from(["host", "guest", None]))
        words = tuple(
            Word(text=f"w{number}", start=time + number * step, end=time + (number + 1) * step)
            for number in range(count)
        )
        text = " ".join(word.text for word in words)
        made.append(Segment(start=time, end=words[-1].end, text=text, words=words, speaker=speaker))
        time = words[-1].end
    return made


@settings(max_examples=80, deadline=None)
@given(segments())
def test_every_segment_lies_in_exactly_one_passage_and_in_order(given_segments: list[Segment]) -> None:
    passages = split_passages(given_segments)
    rest = list(given_segments)
    for passage in passages:
        own, rest = rest[: passage.segments], rest[passage.segments :]
        assert passage.text == " ".join(segment.text for segment in own)
        assert (passage.start, passage.end) == (own[0].start, own[-1].end)
        assert {segment.speaker for segment in own} == {passage.speaker}
        if len(own) > 1:
            assert len(passage.text.split()) <= MOST_WORDS
            assert passage.end - passage.start <= MOST_SECONDS
    assert rest == []


def test_the_samples_passages_are_a_few_sentences_of_one_person() -> None:
    spoken = load_speech_truth().segments
    passages = split_passages(spoken)
    assert sum(passage.segments for passage in passages) == len(spoken)
    assert len(spoken) / 5 < len(passages) < len(spoken)
    assert {passage.speaker for passage in passages} == {"host", "guest"}


def passage(start: float, end: float) -> Passage:
    return Passage(start=start, end=end, text="words", speaker=None, segments=1)


def test_a_picture_belongs_to_what_is_heard_with_it_or_next_to_it() -> None:
    spoken = [passage(0.0, 4.0), passage(5.0, 9.0)]
    assert [nearest_passage(spoken, time) for time in (2.0, 4.2, 4.9, 9.0 + BREAK_SECONDS)] == [0, 0, 1, 1]
    assert nearest_passage(spoken, 9.5 + BREAK_SECONDS) == -1
    assert nearest_passage([], 1.0) == -1


class Brightness:
    """Places pictures by how bright they are."""

    name = "brightness"
    dimensions = 2

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        return np.tile(np.float32([1, 0]), (len(texts), 1))

    def embed_images(self, pictures: list[np.ndarray]) -> np.ndarray:
        return np.float32([[picture.mean() / 255, 1] for picture in pictures])


def test_one_picture_in_two_seconds_is_looked_at_whatever_the_rate() -> None:
    for rate in (1.0, 2.0, 5.0):
        frames = ((number / rate, np.full((2, 2, 3), number % 200, np.uint8)) for number in range(int(100 * rate)))
        seen = list(embed_frames(frames, Brightness(), rate=rate))
        times = [time for some, _ in seen for time in some]
        assert times == [2.0 * number for number in range(50)]
        assert sum(len(vectors) for _, vectors in seen) == 50


def test_documents_without_a_model_hold_the_words_alone() -> None:
    table = make_documents([passage(0.0, 4.0), passage(5.0, 9.0)], duration=10.0)
    assert table["kind"].to_list() == [PASSAGE, PASSAGE]
    assert table["vector"].null_count() == table["embedding"].null_count() == 2


def test_documents_name_the_model_of_every_vector() -> None:
    table = make_documents(
        [passage(0.0, 4.0)],
        duration=3.0,
        embedding="brightness",
        text_vectors=np.float32([[1, 0]]),
        frame_times=[0.0, 2.0],
        frame_vectors=np.float32([[0, 1], [1, 1]]),
    )
    assert table["kind"].to_list() == [PASSAGE, FRAME, FRAME]
    assert table["passage"].to_list() == [0, 0, 0]
    assert table["end"].to_list() == [4.0, 2.0, 3.0]
    assert table["vector"].to_list() == [[1, 0], [0, 1], [1, 1]]
    assert set(table["embedding"]) == {"brightness"}


RANKINGS = st.lists(st.lists(st.integers(0, 12), max_size=12), max_size=4)


@settings(max_examples=120, deadline=None)
@given(RANKINGS)
def test_the_fusion_names_each_thing_once_and_in_order_of_its_score(rankings: list[list[int]]) -> None:
    fused = fuse(rankings)
    assert sorted(key for key, _ in fused) == sorted({key for ranking in rankings for key in ranking})
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(), unique=True, max_size=12), st.integers(1, 4))
def test_lists_that_agree_keep_their_order(ranking: list[int], times: int) -> None:
    assert [key for key, _ in fuse([ranking] * times)] == ranking


def test_what_two_lists_agree_on_beats_the_first_of_one() -> None:
    assert fuse([["a", "x"], ["b", "x"]])[0][0] == "x"
