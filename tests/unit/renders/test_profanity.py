"""Who asks for it gets swear words masked, and no other word touched."""

import msgspec
import pytest

from cliply_assets.renders.profanity import LANGUAGES, mask_text, mask_transcript
from cliply_resources.documents import Segment, Transcript, Word


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Fucking brilliant.", "F****** brilliant."),
        ("What the fuck?!", "What the f***?!"),
        ("It is bullshit, really", "It is b*******, really"),
        ("SHIT!", "S***!"),
        ("So eine Scheiße.", "So eine S******."),
        ("¡Qué mierda!", "¡Qué m*****!"),
        ("Putain, merde.", "P*****, m****."),
    ],
)
def test_swear_words_keep_their_first_letter_and_their_length(said, shown):
    assert mask_text(said) == shown
    assert len(mask_text(said)) == len(said)


@pytest.mark.parametrize(
    "said",
    [
        "The assistant will assess the class in Scunthorpe.",
        "A cocktail for the peacock, a hancock and a cockpit.",
        "Pass the grass, the brass and the embassy.",
        "Shiitake, therapist, Essex, analysis, title, basement, crapaud.",
        "We disputed the reputation of a computer.",
    ],
)
def test_harmless_words_that_contain_one_stay(said):
    assert mask_text(said) == said


def test_times_and_speakers_stay():
    words = (Word(text="Oh", start=0.0, end=0.2, speaker="A"), Word(text="shit.", start=0.3, end=0.6, speaker="A"))
    heard = Transcript(
        engine="file",
        engine_detail="",
        language="en",
        quality="high",
        word_times="measured",
        segments=(Segment(start=0.0, end=0.6, text="Oh shit.", words=words, speaker="A"),),
    )

    masked = mask_transcript(heard)

    assert [word.text for word in masked.words] == ["Oh", "s***."]
    assert masked.segments[0].text == "Oh s***."
    assert [(w.start, w.end, w.speaker) for w in masked.words] == [(w.start, w.end, w.speaker) for w in words]
    assert msgspec.structs.replace(masked, segments=heard.segments, engine_detail="") == heard
    assert "masked" in masked.engine_detail, "another account and another digest, even where no caption is drawn"
    clean = msgspec.structs.replace(heard, segments=())
    assert mask_transcript(clean) is clean


def test_the_languages_it_knows_are_named():
    assert LANGUAGES == ("en", "de", "es", "fr")
