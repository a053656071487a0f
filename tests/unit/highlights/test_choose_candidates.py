"""What is promised of every choice, on films made up at random."""

import numpy as np
import polars as pl
import pytest
from conversation import segment_of, shots_of, transcript_from, transcript_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cliply_assets.highlights.choose import choose_candidates
from cliply_resources.documents import Chapter, HeatmapPoint, Origin, UploadSettings, Word

SPOKEN = (
    "why did you quit the job because I never looked back. what is the biggest secret? and then suddenly he died "
    "two million dollars nobody tells you the truth, that's when I realized it. welcome back please subscribe next slide "
    "he said so the market is wrong! imagine, customers love my daughter Boston garden river engine um you know okay"
)
VOCABULARY = SPOKEN.split()


@st.composite
def films(draw):
    """Words with any rhythm, some overlapping, some without punctuation; cuts anywhere; any settings."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    duration = draw(st.floats(3.0, 240.0))
    breath = draw(st.sampled_from([0.0, 0.05, 0.4]))
    marks = draw(st.booleans())
    voices = draw(st.sampled_from([[None], ["A"], ["A", "B"]]))
    segments, at = [], draw(st.floats(0.0, 20.0))
    while at < duration + 5 and draw(st.integers(0, 30)) > 0:
        words = []
        for _ in range(int(rng.integers(1, 14))):
            length = float(rng.uniform(0.05, 0.9))
            text = str(rng.choice(VOCABULARY))
            words.append(Word(text=text if marks else text.strip(".?!,"), start=at, end=at + length))
            at += length * float(rng.choice([0.8, 1.0, 1.0, 1.0])) + breath * float(rng.random())
        segments.append(segment_of(words, voices[int(rng.integers(len(voices)))]))
        at += float(rng.choice([0.0, 0.3, 1.0, 6.0]))
    cuts = [float(cut) for cut in rng.uniform(0.1, duration - 0.1, draw(st.integers(0, 12)))]
    shortest = draw(st.floats(3.0, 40.0))
    longest = shortest + draw(st.floats(6.0, 60.0))
    wanted = draw(st.integers(1, 8))
    kept = UploadSettings(clips=wanted, min_seconds=shortest, max_seconds=longest)
    return transcript_from(segments), shots_of(duration, cuts), duration, kept, rng


def sound_of(duration, rng):
    rows = int(duration * 10)
    return pl.DataFrame(
        {
            "time": np.arange(rows) / 10,
            "rms_db": rng.normal(-30, 6, rows).astype(np.float32),
            "speech": rng.random(rows).astype(np.float32),
            "pitch_hz": rng.choice([0.0, 120.0, 180.0, 240.0], rows).astype(np.float32),
            "syllable_rate": rng.uniform(0, 7, rows).astype(np.float32),
            "onset": rng.random(rows).astype(np.float32),
            "laughter": (rng.random(rows) > 0.995).astype(np.float32),
            "applause": (rng.random(rows) > 0.995).astype(np.float32),
            "silence": rng.random(rows) > 0.8,
            "beat": rng.random(rows) > 0.9,
        }
    )


def picture_of(duration, rng):
    times = np.arange(0, duration, 0.5)
    return pl.DataFrame({"time": times, "motion": rng.random(len(times)).astype(np.float32)})


def choose(transcript, duration, *, scenes=None, kept=None, audio=None, motion=None, faces=None, origin=None):
    return choose_candidates(
        transcript,
        audio,
        scenes or shots_of(duration),
        motion,
        faces,
        duration=duration,
        settings=kept or UploadSettings(),
        origin=origin,
    )


def inside_a_word(moment, transcript, duration):
    return [w.text for w in transcript.words if w.start + 0.002 < moment < min(w.end, duration) - 0.002]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(films(), st.booleans())
def test_every_choice_keeps_the_promises(film, heard):
    transcript, scenes, duration, kept, rng = film
    audio = sound_of(duration, rng) if heard else None
    motion = picture_of(duration, rng) if heard else None
    chosen, signals = choose(transcript, duration, scenes=scenes, kept=kept, audio=audio, motion=motion)
    clips = chosen.candidates
    assert len(clips) <= kept.clips
    assert [c.score for c in clips] == sorted((c.score for c in clips), reverse=True)
    for clip in clips:
        assert 0 <= clip.start < clip.end <= duration
        whole = clip.start == 0 and clip.end == duration
        length = clip.end - clip.start
        assert whole or kept.min_seconds - 1e-6 <= length <= kept.max_seconds + 1e-6
        assert whole or not inside_a_word(clip.start, transcript, duration)
        assert whole or not inside_a_word(clip.end, transcript, duration)
        assert 0 <= clip.score <= 100
        assert all(0 <= part <= 100 for part in clip.subscores.values())
        assert clip.reasons
        assert 0 < len(clip.title) <= 72
    for place, one in enumerate(clips):
        for other in clips[place + 1 :]:
            shared = min(one.end, other.end) - max(one.start, other.start)
            assert shared <= 0.1 * min(one.end - one.start, other.end - other.start) + 1e-6
    assert {"time", "score"} <= set(signals.columns)
    for column in signals.columns[1:]:
        assert signals[column].is_between(-1e-9, 1 + 1e-9).all()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(films())
def test_the_same_film_gives_the_same_choice(film):
    transcript, scenes, duration, kept, rng = film
    audio, motion = sound_of(duration, rng), picture_of(duration, rng)
    once, table = choose(transcript, duration, scenes=scenes, kept=kept, audio=audio, motion=motion)
    again, same = choose(transcript, duration, scenes=scenes, kept=kept, audio=audio, motion=motion)
    assert once == again
    assert table.equals(same)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(films())
def test_an_ordinary_film_is_never_left_without_a_clip(film):
    _, scenes, duration, kept, rng = film
    chosen, _ = choose(
        transcript_from([]),
        duration,
        scenes=scenes,
        kept=kept,
        audio=sound_of(duration, rng),
        motion=picture_of(duration, rng),
    )
    assert chosen.candidates
    assert "No speech was found" in chosen.note


DULL = [
    "Okay so before we begin let me share my screen.",
    "The first item is the quarterly schedule for the department.",
    "As I mentioned the forms are in the usual folder.",
    "Please refer to the appendix for the list of documents.",
    "The next slide shows the number of meetings we had.",
    "In terms of procedure it is kind of the same as usual.",
    "Section two refers to section four and so on.",
    "I guess we can look at the version number on this page.",
]
CONFESSION = [
    "A:Why did you walk away from the career you had built?",
    "B:One morning I woke up and could not remember my daughter's birthday.",
    "B:I was earning more than anyone I knew, and I was crying in a parking garage.",
    "B:That's when I realized nobody tells you what success really costs.",
    "B:So I handed in my keys, and I never looked back.",
]


def long_talk(seed=0, *, hours=1.0):
    rng = np.random.default_rng(seed)
    spoken = [" ".join(rng.choice(VOCABULARY, int(rng.integers(5, 14)))) for _ in range(int(hours * 1000))]
    lines = [said.strip(".?!,").capitalize() + "." for said in spoken]
    return transcript_of(lines)


@pytest.mark.parametrize("punctuated", [True, False])
def test_the_confession_is_found_between_housekeeping_and_keeps_its_question(punctuated):
    dull = [f"A:{line}" for line in DULL]
    transcript, duration = transcript_of([*dull, *dull, *CONFESSION, *dull, *dull], punctuated=punctuated)
    chosen, _ = choose(transcript, duration)
    best = chosen.candidates[0]
    assert best.text.lower().startswith("why did you walk away")
    assert "never looked back" in best.text
    assert not any("quarterly" in clip.text for clip in chosen.candidates)
    assert any("is answered inside the clip" in reason for reason in best.reasons)
    assert "Only 1 moment is good enough" in chosen.note
    assert chosen.near_misses
    assert chosen.near_misses[0].score < best.score


def test_applause_after_the_last_sentence_stays_in_the_clip_and_is_a_reason():
    dull = [f"A:{line}" for line in DULL]
    transcript, end = transcript_of([*dull, *CONFESSION])
    duration = end + 12
    audio = sound_of(duration, np.random.default_rng(1)).with_columns(
        laughter=pl.lit(0.0), applause=pl.when(pl.col("time").is_between(end, end + 6)).then(0.95).otherwise(0.0)
    )
    best = choose(transcript, duration, audio=audio)[0].candidates[0]
    assert best.end > end + 1.0
    assert any(reason.startswith("Applause right after") for reason in best.reasons)


def test_a_film_shorter_than_the_shortest_clip_is_one_clip_and_says_why():
    transcript, duration = transcript_of(["Hello there my friends, this is short."])
    chosen, _ = choose(transcript, duration)
    assert [(clip.start, clip.end) for clip in chosen.candidates] == [(0.0, duration)]
    assert "less than the shortest clip of 15 s" in chosen.note


def test_nothing_at_all_gives_no_clip_but_a_reason_and_the_best_there_is():
    times = np.arange(0, 60, 0.5)
    still = pl.DataFrame({"time": times, "motion": np.zeros(len(times))})
    chosen, _ = choose(transcript_from([]), 60.0, motion=still)
    assert chosen.candidates == ()
    assert "Nothing is said, heard or seen to move" in chosen.note


def test_without_speech_the_loud_and_moving_part_is_chosen():
    rng = np.random.default_rng(2)
    audio = sound_of(120, rng).with_columns(
        speech=pl.lit(0.0),
        laughter=pl.lit(0.0),
        applause=pl.lit(0.0),
        beat=pl.lit(False),
        silence=pl.lit(False),
        rms_db=pl.when(pl.col("time").is_between(70, 80)).then(-12.0).otherwise(-40.0)
        + pl.Series(rng.normal(0, 1, 1200)),
    )
    motion = picture_of(120, rng).with_columns(
        motion=pl.when(pl.col("time").is_between(70, 80)).then(0.9).otherwise(0.1)
    )
    best = choose(transcript_from([]), 120.0, audio=audio, motion=motion)[0].candidates[0]
    assert best.start < 70
    assert best.end > 80


def test_what_viewers_replay_is_preferred_and_said():
    lines = [
        f"People of {place} are great at making something new every single week." for place in ("Oslo", "Rome", "Lima")
    ]
    transcript, duration = transcript_of(lines * 12)
    heat = tuple(
        HeatmapPoint(start=k * duration / 50, end=(k + 1) * duration / 50, value=1.0 if 30 <= k <= 34 else 0.2)
        for k in range(50)
    )
    origin = Origin(url="https://e.com", extractor="x", title="t", heatmap=heat)
    best = choose(transcript, duration, origin=origin)[0].candidates[0]
    assert best.start < 0.66 * duration < best.end
    assert any("Viewers replay" in reason for reason in best.reasons)


def test_clips_of_a_film_of_music_begin_and_end_on_beats():
    duration, rng = 180.0, np.random.default_rng(4)
    beats = np.round(np.arange(0.3, duration, 0.5), 1)
    sound = sound_of(duration, rng).with_columns(
        pl.col("time").round(1).is_in(beats.tolist()).alias("beat"), pl.lit(0.0).cast(pl.Float32).alias("speech")
    )
    kept = UploadSettings(clips=3, min_seconds=15, max_seconds=30, profile="music")

    chosen, _ = choose(transcript_from([]), duration, kept=kept, audio=sound)

    assert chosen.candidates
    for clip in chosen.candidates:
        for edge in (clip.start, clip.end):
            assert np.abs(beats - edge).min() < 0.06, (clip.start, clip.end)


def test_a_chapter_names_a_clip_without_words():
    rng = np.random.default_rng(3)
    origin = Origin(
        url="https://e.com", extractor="x", title="t", chapters=(Chapter(start=0, end=100, title="The final goal"),)
    )
    chosen, _ = choose(transcript_from([]), 100.0, audio=sound_of(100, rng), origin=origin)
    assert chosen.candidates[0].title == "The final goal"


def test_a_clip_does_not_begin_with_a_few_frames_of_the_shot_before():
    dull = [f"A:{line}" for line in DULL]
    transcript, duration = transcript_of([*dull, *CONFESSION, *dull], pause=0.5)
    begin = next(s.start for s in transcript.segments if s.text.startswith("Why did"))
    best = choose(transcript, duration, scenes=shots_of(duration, [begin - 0.1]))[0].candidates[0]
    assert best.start == pytest.approx(begin - 0.1, abs=0.001)


def test_the_same_story_told_twice_is_proposed_once():
    dull = [f"A:{line}" for line in DULL]
    transcript, duration = transcript_of([*CONFESSION, *dull, *dull, *CONFESSION, *dull])
    chosen, _ = choose(transcript, duration)
    assert sum("daughter" in clip.text for clip in chosen.candidates) == 1


def test_an_hour_of_talk_gives_as_many_clips_as_were_asked_for():
    transcript, duration = long_talk()
    chosen, _ = choose(transcript, duration, kept=UploadSettings(clips=10))
    assert len(chosen.candidates) == 10
