"""On the sample talk, whose good passages are known, the choice beats random windows and loses no question."""

import numpy as np
import pytest
from conversation import segment_of, shots_of, transcript_from

from cliply_assets.highlights.choose import choose_candidates
from cliply_assets.sample.truth import load_speech_truth
from cliply_resources.documents import UploadSettings, Word


def plain(word):
    return Word(text=word.text.lower().strip(".,?!"), start=word.start, end=word.end)


@pytest.fixture(scope="module")
def truth():
    return load_speech_truth()


def choice(truth, *, bare):
    """Bare is what a plain recogniser gives: no punctuation, no capitals, no speakers."""
    segments = truth.segments
    if bare:
        segments = [segment_of([plain(word) for word in segment.words]) for segment in segments]
    return choose_candidates(
        transcript_from(segments),
        None,
        shots_of(truth.duration),
        None,
        None,
        duration=truth.duration,
        settings=UploadSettings(),
        origin=None,
    )[0].candidates


def share_in_good(truth, start, end):
    good = [passage.span for passage in truth.passages if passage.worth_clipping]
    return sum(max(0.0, min(end, span.end) - max(start, span.start)) for span in good) / (end - start)


def likeness(clip, span):
    shared = max(0.0, min(clip.end, span.end) - max(clip.start, span.start))
    return shared / (max(clip.end, span.end) - min(clip.start, span.start))


@pytest.mark.parametrize("bare", [False, True], ids=["punctuated", "bare"])
def test_clips_lie_in_good_passages_far_more_than_random_windows_do(truth, bare):
    clips = choice(truth, bare=bare)
    rng = np.random.default_rng(0)
    lengths = [clip.end - clip.start for clip in clips]
    random = [
        share_in_good(truth, start, start + length)
        for length in lengths
        for start in rng.uniform(0, truth.duration - length, 300)
    ]
    ours = [share_in_good(truth, clip.start, clip.end) for clip in clips[:3]]
    assert np.mean(ours) > 0.9
    assert np.mean(ours) > np.mean(random) + 0.15


def test_most_good_passages_that_are_long_enough_are_found_whole(truth):
    clips = choice(truth, bare=False)
    spans = [p.span for p in truth.passages if p.worth_clipping and p.span.duration >= UploadSettings().min_seconds]
    found = [span for span in spans if max(likeness(clip, span) for clip in clips) >= 0.5]
    assert len(found) >= 3


@pytest.mark.parametrize("bare", [False, True], ids=["punctuated", "bare"])
def test_no_clip_opens_with_an_answer_and_leaves_its_question_behind(truth, bare):
    for clip in choice(truth, bare=bare):
        for exchange in truth.exchanges:
            opens_in_answer = exchange.answer.start - 0.3 <= clip.start < exchange.answer.start + 3.0
            assert not opens_in_answer
