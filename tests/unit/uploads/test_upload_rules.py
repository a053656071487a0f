"""What may be asked of an upload, and what its facts add up to."""

import pytest

from cliply_resources.documents import UploadSettings
from cliply_resources.errors import CallerError
from cliply_resources.uploads import StepFact, check_settings, derive_state, settings_digest


def state(
    *steps: str, ready: int = 0, cancelled: bool = False, paused: bool = False, due: int = 0, out: int = 0
) -> str:
    facts = [StepFact(step=name, state=value) for name, value in (step.split("=") for step in steps)]
    return derive_state(
        facts, cancelled=cancelled, paused=paused, ready_clips=ready, due_posts=due, published_posts=out
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (state(), "created"),
        (state("source_video=running"), "ingesting"),
        (state("source_video=completed", "media_proxy=running"), "ingesting"),
        (state("media_proxy=completed", "transcript=running"), "analyzing"),
        (state("media_proxy=completed", "transcript=pending"), "analyzing"),
        (state("clip_candidates=completed"), "clips_generated"),
        (state("clip_candidates=completed", "renders=running"), "rendering"),
        (state("clip_candidates=completed", "renders=completed", ready=3), "review"),
        (state("clip_candidates=completed", "renders=failed", ready=2), "review"),
        (state("clip_candidates=completed", "renders=failed"), "failed"),
        (state("source_video=failed"), "failed"),
        (state("transcript=running", cancelled=True), "cancelled"),
        (state("transcript=running", paused=True), "paused"),
        (state("renders=completed", ready=1, due=1), "publishing"),
        (state("renders=completed", ready=1, out=1), "completed"),
    ],
)
def test_the_state_follows_from_the_facts(found: str, expected: str) -> None:
    assert found == expected


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (UploadSettings(clips=0), "0 clips"),
        (UploadSettings(clips=51), "1 to 50"),
        (UploadSettings(min_seconds=1), "at least 3"),
        (UploadSettings(max_seconds=601), "at most 600"),
        (UploadSettings(min_seconds=30, max_seconds=30), "must be shorter"),
        (UploadSettings(aspects=()), "at least one aspect"),
    ],
)
def test_impossible_wishes_are_refused_with_value_and_limit(settings: UploadSettings, sentence: str) -> None:
    with pytest.raises(CallerError, match=sentence):
        check_settings(settings)


def test_sensible_wishes_are_accepted() -> None:
    check_settings(UploadSettings())


def test_equal_settings_have_equal_digests_and_others_do_not() -> None:
    assert settings_digest(UploadSettings()) == settings_digest(UploadSettings(clips=5))
    assert settings_digest(UploadSettings()) != settings_digest(UploadSettings(clips=6))


def test_a_failed_upload_that_was_asked_for_again_waits_for_its_run() -> None:
    steps = [StepFact(step="source_video", state="completed"), StepFact(step="scenes", state="failed")]
    asked = {"cancelled": False, "paused": False, "ready_clips": 0}
    assert derive_state(steps, **asked) == "failed"
    assert derive_state(steps, waiting=True, **asked) == "analyzing"
    assert derive_state(steps[1:], waiting=True, **asked) == "created"


@pytest.mark.parametrize("state", ["running", "failed"])
def test_the_search_index_says_nothing_about_the_clips(state: str) -> None:
    index = StepFact(step="frame_index", state=state)
    asked = {"cancelled": False, "paused": False}
    chosen = StepFact(step="clip_candidates", state="completed")
    assert derive_state([chosen, index], ready_clips=1, **asked) == "review"
    assert derive_state([chosen, index], ready_clips=0, **asked) == "clips_generated"
