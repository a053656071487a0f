import unicodedata

import msgspec
import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.transcript import cues
from cliply_assets.transcript.subtitles import read_transcript
from cliply_resources.documents import Segment, Transcript, Word
from cliply_resources.errors import CallerError


def srt(*cues: tuple[str, str, str]) -> str:
    return "\n".join(f"{n}\n{a} --> {b}\n{text}\n" for n, (a, b, text) in enumerate(cues, 1))


TWO = srt(
    ("00:00:01,000", "00:00:03,000", "Hello there,\nmy friend."), ("00:00:03,500", "00:00:05,000", "How are you?")
)


def texts(transcript: Transcript) -> list[str]:
    return [segment.text for segment in transcript.segments]


def test_subrip_becomes_sentences_with_estimated_words_inside_their_cues():
    transcript = read_transcript(TWO, name="talk.srt")
    assert texts(transcript) == ["Hello there, my friend.", "How are you?"]
    assert (transcript.engine, transcript.quality, transcript.word_times) == ("file", "high", "estimated")
    assert transcript.segments[0].start == 1.0
    assert all(1.0 <= w.start < w.end <= 3.0 for w in transcript.segments[0].words)
    assert transcript.segments[1].start == 3.5


def test_a_sentence_over_two_cues_is_one_segment():
    text = srt(("00:00:01,000", "00:00:02,000", "This goes"), ("00:00:02,000", "00:00:03,000", "on and on. And ends."))
    assert texts(read_transcript(text, name="x.srt")) == ["This goes on and on.", "And ends."]


def test_text_without_punctuation_keeps_the_cues_as_segments():
    text = srt(("00:00:01,000", "00:00:02,000", "one two"), ("00:00:02,000", "00:00:03,000", "three four"))
    assert texts(read_transcript(text, name="x.srt")) == ["one two", "three four"]


@pytest.mark.parametrize(
    "text",
    [
        TWO.replace("\n", "\r\n"),
        "\ufeff" + TWO,
        TWO.replace(",000", ".000").replace(",500", ".500"),
        TWO.replace("00:00:0", "0:00:0"),
        TWO.replace("\n\n", "\n"),
        "WEBVTT - a title\n\nNOTE\nnot speech\n\nSTYLE\n::cue { color: red }\n\n" + TWO.replace(",000", ".000"),
        "WEBVTT\n\n00:01.000 --> 00:03.000 align:start\nHello there, my friend.\n\nid-2\n00:03.500 --> 00:05.000\nHow are you?\n",
        TWO.replace("Hello there,\n", "Hello there,\n\n"),
    ],
    ids=["crlf", "bom", "dots", "short hours", "no blank lines", "vtt", "vtt short times", "blank line in a cue"],
)
def test_files_as_editors_write_them_are_read(text):
    assert [t.replace(".my", " my") for t in texts(read_transcript(text, name="talk"))][-1] == "How are you?"
    assert "my friend" in texts(read_transcript(text, name="talk"))[0]


def test_word_times_and_voices_of_webvtt_are_kept():
    text = "WEBVTT\n\n00:01.000 --> 00:03.000\n<v Anna>Hello <00:01.500><c>my</c> <00:02.200><c.loud>friend.</c>\n"
    transcript = read_transcript(text, name="x.vtt")
    assert [(w.text, w.start, w.speaker) for w in transcript.words] == [
        ("Hello", 1.0, "Anna"),
        ("my", 1.5, "Anna"),
        ("friend.", 2.2, "Anna"),
    ]
    assert transcript.word_times == "measured"


def test_syllables_of_karaoke_are_one_word():
    text = "WEBVTT\n\n00:01.000 --> 00:03.000\n<00:01.100>hel<00:01.300>lo <00:02.000>you.\n"
    assert [(w.text, w.start) for w in read_transcript(text, name="x.vtt").words] == [("hello", 1.1), ("you.", 2.0)]


ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.080 --> 00:00:02.470 align:start position:0%
 
so<00:00:00.280><c> today</c><00:00:00.560><c> we</c><00:00:00.800><c> talk</c>

00:00:02.470 --> 00:00:02.480 align:start position:0%
so today we talk
 

00:00:02.480 --> 00:00:05.000 align:start position:0%
so today we talk
about<00:00:02.900><c> machine</c><00:00:03.400><c> learning</c>

00:00:05.000 --> 00:00:05.010 align:start position:0%
about machine learning
 

00:00:05.010 --> 00:00:07.000 align:start position:0%
about machine learning
and<00:00:05.400><c> it&#39;s</c><00:00:06.000><c> fun</c>
"""  # noqa: W293 - such captions are padded with spaces


def test_rolling_captions_say_everything_once():
    transcript = read_transcript(ROLLING, name="auto.vtt")
    assert [w.text.lower().strip(".") for w in transcript.words] == [
        *("so", "today", "we", "talk", "about", "machine", "learning", "and", "it's", "fun")
    ]
    assert (transcript.words[1].start, transcript.words[4].start) == (0.28, 2.48)
    assert transcript.word_times == "measured"


def test_rolling_captions_without_word_times_say_everything_once():
    text = srt(
        ("00:00:01,000", "00:00:02,000", "one two"),
        ("00:00:02,000", "00:00:03,000", "one two\nthree four"),
        ("00:00:03,000", "00:00:04,000", "three four\nfive six"),
        ("00:00:04,000", "00:00:05,000", "five six\nseven"),
    )
    assert " ".join(w.text for w in read_transcript(text, name="x").words) == "one two three four five six seven"


def test_somebody_who_says_no_twice_is_not_silenced():
    text = srt(
        ("00:00:01,000", "00:00:02,000", "No."),
        ("00:00:02,000", "00:00:03,000", "No."),
        ("00:00:04,000", "00:00:05,000", "I will not."),
        ("00:00:06,000", "00:00:07,000", "Never, ever."),
        ("00:00:08,000", "00:00:09,000", "Go away."),
    )
    assert texts(read_transcript(text, name="x"))[:2] == ["No.", "No."]


def test_cues_out_of_order_and_overlapping_are_put_right():
    text = srt(
        ("00:00:05,000", "00:00:06,000", "Third."),
        ("00:00:01,000", "00:00:04,500", "First one."),
        ("00:00:03,000", "00:00:05,500", "Second one."),
    )
    transcript = read_transcript(text, name="x")
    assert texts(transcript) == ["First one.", "Second one.", "Third."]
    assert all(a.end <= b.start for a, b in zip(transcript.segments, transcript.segments[1:], strict=False))


def test_two_voices_at_once_are_both_heard():
    text = srt(("00:00:01,000", "00:00:03,000", "- Hi!"), ("00:00:01,000", "00:00:03,000", "- Hello!"))
    assert texts(read_transcript(text, name="x")) == ["Hi!", "Hello!"]


@pytest.mark.parametrize(
    ("line", "spoken"),
    [
        ("<i>Well</i>, <font color='#fff'>yes</font>.", "Well, yes."),
        ("{\\an8}Up here.", "Up here."),
        ("[applause] Thank you.", "Thank you."),
        ("♪ la la la ♪", "la la la"),
        (">> Good evening.", "Good evening."),
        ("- Good evening.", "Good evening."),
        ("-5 degrees.", "-5 degrees."),
        ("Fish &amp; chips &lt;3.", "Fish & chips <3."),
        ("a < b and b > c.", "a < b and b > c."),
        ("bad\x07 bell\x1b.", "bad bell ."),
        ("right\u202eto left.", "rightto left."),
        ("SO I SAID: NO.", "SO I SAID: NO."),
    ],
)
def test_only_speech_is_left_of_a_line(line, spoken):
    transcript = read_transcript(srt(("00:00:01,000", "00:00:05,000", line)), name="x")
    assert " ".join(w.text for w in transcript.words) == spoken


def test_a_name_before_the_text_is_the_speaker():
    transcript = read_transcript(srt(("00:00:01,000", "00:00:02,000", "DR. ANNA LEE: Good evening.")), name="x")
    assert (texts(transcript), transcript.words[0].speaker) == (["Good evening."], "Dr. Anna Lee")


def test_words_do_not_linger_as_long_as_their_cue():
    transcript = read_transcript(srt(("00:00:01,000", "00:00:11,000", "Oh no.")), name="x")
    assert transcript.segments[0].end < 2.0


def test_ass_is_read_without_drawings_and_comments():
    script = pysubs2.SSAFile()
    script.append(pysubs2.SSAEvent(start=1000, end=2000, text=r"{\b1}Hello\Nyou."))
    script.append(pysubs2.SSAEvent(start=1000, end=2000, text=r"{\p1}m 0 0 l 100 0 100 100{\p0}"))
    script.append(pysubs2.SSAEvent(start=1000, end=2000, text="secret", type="Comment"))
    assert texts(read_transcript(script.to_string("ass"), name="x.ass")) == ["Hello you."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no subtitles"),
        ("just a letter to somebody", "holds no subtitles"),
        (srt(("00:00:01,000", "00:00:02,000", "[music]")), "holds no subtitles"),
        ("1\n00:00:01,000 --> 00:00:02,000\na\0b\n", "contains a NUL at character 34"),
        ("1\n00:00:xx,000 --> 00:00:02,000\nHello\n", "line 2: '00:00:xx,000 --> 00:00:02,000' is not a time"),
        ("1\n00:00:61,000 --> 00:01:02,000\nHello\n", "line 2: .* is not a time"),
        ("1\n00:00:05,000 --> 00:00:02,000\nHello\n", "line 2: the cue .* ends before it begins"),
        ("1\n00:00:05,000 --> 99:00:02,000\nHello\n", "lies beyond 24 hours"),
        (srt(("00:00:01,000", "00:00:02,000", "word " * 500)), "line 2: one cue holds more than 2000 characters"),
        ("{not json", "is not valid JSON"),
        ('{"engine": 3}', r"is not a transcript of Cliply: .*\$\.engine"),
        ("[Script Info]\n[Events]\nDialogue: x\n", "cannot be read as ASS|holds no subtitles"),
    ],
)
def test_faulty_files_are_refused_with_the_place(text, message):
    with pytest.raises(CallerError, match=message) as caught:
        read_transcript(text, name="mine.srt")
    assert "mine.srt" in str(caught.value)


def test_too_many_cues_are_refused(monkeypatch):
    monkeypatch.setattr(cues, "MAX_CUES", 3)
    with pytest.raises(CallerError, match="more than 3 cues"):
        read_transcript(srt(*[("00:00:01,000", "00:00:02,000", "Hi.")] * 5), name="x")


def test_a_hostile_file_costs_no_more_than_its_length():
    """Blank lines, open tags and brackets by the hundred thousand: each is looked at a bounded number of times."""
    cue = "1\n00:00:01,000 --> 00:00:02,000\nHello.\n"
    for filler in ("\n" * 400_000 + "x", "<" * 1900, "[(" * 900, "{\\" * 900, "<v " * 600):
        assert "Hello." in read_transcript(cue + filler, name="x").words[0].text
    with pytest.raises(CallerError, match="more than 2000 characters"):
        read_transcript(cue + "a\n\n" * 100_000, name="x")


DOCUMENT = Transcript(
    engine="whisperx",
    engine_detail="large",
    language="en",
    quality="high",
    word_times="measured",
    segments=(
        Segment(start=1.0, end=1.5, text="Hi.", words=(Word(text="Hi.", start=1.0, end=1.5),), speaker="Anna"),
        Segment(start=2.0, end=2.5, text="You?", words=(Word(text="You?", start=2.0, end=2.5, confidence=0.5),)),
    ),
    note="old note",
)


def document(transcript: Transcript) -> str:
    return msgspec.json.encode(transcript).decode()


def test_our_json_is_read_back_word_for_word():
    transcript = read_transcript(document(DOCUMENT), name="t.json")
    assert transcript.segments == DOCUMENT.segments
    assert (transcript.engine, transcript.note, transcript.word_times) == ("file", "", "measured")
    assert "made by whisperx (large)" in transcript.engine_detail


def test_json_that_breaks_its_own_rules_is_refused_with_the_place():
    first, second = DOCUMENT.segments
    backward = msgspec.structs.replace(DOCUMENT, segments=(second, first))
    with pytest.raises(CallerError, match="segment 2 begins at 1 s, before segment 1 ends"):
        read_transcript(document(backward), name="t.json")
    empty = msgspec.structs.replace(DOCUMENT, segments=(msgspec.structs.replace(first, words=()),))
    with pytest.raises(CallerError, match="segment 1 has no words"):
        read_transcript(document(empty), name="t.json")
    endless = Word(text="Hi.", start=1.0, end=1e300)
    with pytest.raises(CallerError, match=r"segment 1, word 1 \('Hi.'\) runs from 1 to 1e\+300 s"):
        read_transcript(
            document(msgspec.structs.replace(DOCUMENT, segments=(msgspec.structs.replace(first, words=(endless,)),))),
            name="t.json",
        )


lines = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("<>[](){}-:\\ \n♪"), max_size=60
)
times = st.integers(0, 90_000_000)


def stamp(milliseconds: int) -> str:
    rest, fraction = divmod(milliseconds, 1000)
    return f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d},{fraction:03d}"


@given(st.lists(st.tuples(times, st.integers(0, 20_000), lines), max_size=12), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_cues_give_an_orderly_transcript_or_a_clear_refusal(given_cues, is_vtt):
    body = srt(*[(stamp(start), stamp(start + length), text) for start, length, text in given_cues])
    try:
        transcript = read_transcript(("WEBVTT\n\n" if is_vtt else "") + body, name="x")
    except CallerError:
        return
    moment = 0.0
    for segment in transcript.segments:
        assert segment.text == " ".join(word.text for word in segment.words)
        assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)
        for word in segment.words:
            assert moment <= word.start < word.end
            assert not any(unicodedata.category(c) in {"Cc", "Cs"} for c in word.text)
            moment = word.end


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused_and_never_anything_else(text):
    try:
        is_as_promised = bool(read_transcript(text, name="x").words)
    except CallerError as error:
        is_as_promised = str(error).startswith("x")
    assert is_as_promised
