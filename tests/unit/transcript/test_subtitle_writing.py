import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.transcript.layout import lay_out
from cliply_assets.transcript.subtitles import read_transcript, to_srt, to_vtt
from cliply_resources.documents import Span, Transcript, Word
from cliply_resources.speech.sentences import sentences_from_punctuation, tidy_words


def transcript_of(words: list[Word]) -> Transcript:
    return Transcript(
        engine="test",
        engine_detail="",
        language="en",
        quality="high",
        word_times="measured",
        segments=sentences_from_punctuation(tidy_words(words)),
    )


def spoken(text: str, *, start: float = 0.0, speaker: str | None = None) -> list[Word]:
    return [
        Word(text=word, start=start + 0.35 * n, end=start + 0.35 * n + 0.3, speaker=speaker)
        for n, word in enumerate(text.split())
    ]


LONG = spoken(
    "We searched for an hour and then we found it inside the engine, because nobody had counted the hammers before "
    "they closed the door and went home that night."
)

texts = st.text(st.sampled_from("abcdefgäöüéñ'.,?!:-"), min_size=1, max_size=14).filter(
    lambda t: any(c.isalpha() for c in t)
)
talks = st.lists(st.tuples(texts, st.floats(0.05, 0.8), st.floats(0.0, 1.2)), min_size=1, max_size=60)


def talk(pairs: list[tuple[str, float, float]]) -> Transcript:
    words, moment = [], 0.0
    for text, length, pause in pairs:
        words.append(Word(text=text, start=moment, end=moment + length))
        moment += length + pause
    return transcript_of(words)


@given(talks, st.integers(8, 42))
@settings(max_examples=120, deadline=None)
def test_subtitles_fit_follow_each_other_and_lose_no_word(pairs, max_line):
    transcript = talk(pairs)
    edge = 0.0
    shown = []
    for cue in lay_out(transcript.segments, span=None, max_line=max_line):
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= max_line for line in cue.lines)
        assert edge <= cue.start < cue.end
        edge = cue.end
        shown += cue.lines
    assert "".join("".join(shown).split()) == "".join(word.text for word in transcript.words)


@given(talks)
@settings(max_examples=80, deadline=None)
def test_what_is_written_is_read_back(pairs):
    # Numbered, since lines that repeat each other may be taken for rolling captions.
    named = [(f"w{number}{text}", length, pause) for number, (text, length, pause) in enumerate(pairs)]
    transcript = talk(named)
    for written in (to_srt(transcript), to_vtt(transcript)):
        again = read_transcript(written, name="again")
        assert [word.text for word in again.words] == [word.text for word in transcript.words]


@given(talks, st.floats(0, 20), st.floats(0.5, 20))
@settings(max_examples=80, deadline=None)
def test_a_span_shows_the_words_inside_it_from_its_own_start(pairs, start, length):
    transcript = talk(pairs)
    span = Span(start, start + length)
    cues = lay_out(transcript.segments, span=span, max_line=42)
    inside = [word.text for word in transcript.words if span.contains((word.start + word.end) / 2)]
    assert " ".join(line for cue in cues for line in cue.lines).split() == inside
    assert all(0 <= cue.start < cue.end <= span.duration + 1e-9 for cue in cues)


def test_lines_break_between_phrases():
    lines = [line for cue in lay_out(transcript_of(LONG).segments, span=None, max_line=42) for line in cue.lines]
    assert not [line for line in lines[:-1] if line.split()[-1] in {"the", "a", "and", "for", "an"}]
    assert max(map(len, lines)) <= 42


def test_subrip_has_numbers_and_commas():
    first = to_srt(transcript_of(spoken("Hello there."))).splitlines()
    assert first == ["1", "00:00:00,000 --> 00:00:01,000", "Hello there."]


def test_webvtt_names_voices_and_escapes_what_would_be_markup():
    written = to_vtt(transcript_of(spoken("a<b> & c --> d.", speaker="Anna <x>")))
    assert written.startswith("WEBVTT\n\n00:00:00.000 --> ")
    assert "<v Anna &lt;x&gt;>a&lt;b&gt; &amp; c --&gt; d." in written


def test_an_arrow_in_the_text_does_not_look_like_a_time():
    assert re.findall("-->", to_srt(transcript_of(spoken("go --> there.")))) == ["-->"]


def test_hours_are_counted():
    assert "01:02:03,000 -->" in to_srt(transcript_of([Word(text="Hi.", start=3723.0, end=3723.5)]))


def test_a_word_longer_than_two_lines_is_divided():
    cues = lay_out(transcript_of([Word(text="x" * 100, start=0.0, end=4.0)]).segments, span=None, max_line=20)
    assert "".join(line for cue in cues for line in cue.lines) == "x" * 100
    assert max(len(line) for cue in cues for line in cue.lines) == 20


def test_a_subtitle_stays_long_enough_to_be_read_where_there_is_room():
    words = [Word(text="No.", start=1.0, end=1.2), Word(text="Yes.", start=5.0, end=5.2)]
    assert [cue.end - cue.start for cue in lay_out(transcript_of(words).segments, span=None, max_line=42)] == [
        pytest.approx(1.0),
        pytest.approx(1.0),
    ]


def test_nothing_said_is_an_empty_file():
    nothing = msgspec.structs.replace(transcript_of(spoken("x")), segments=())
    assert to_srt(nothing) == ""
    assert to_vtt(nothing) == "WEBVTT\n"
    assert to_srt(transcript_of(spoken("Hello.")), span=Span(50, 60)) == ""
