"""What is said in the sample talk, how it is delivered, and which passages are worth clipping.

People, story and numbers are made up. Words are plain, so that every engine's dictionary knows them.
"""

from typing import Literal

import msgspec

__all__ = ["DELIVERIES", "PASSAGES", "TITLE", "Delivery", "Line", "Mood", "Passage"]

TITLE = "Count the hammers: a made-up talk"

Mood = Literal["lively", "plain", "dull"]


class Delivery(msgspec.Struct, frozen=True):
    """How a mood sounds: speaking rate as a multiple of the voice's own, and level of the words in dBFS RMS."""

    rate: float
    level: float


DELIVERIES: dict[Mood, Delivery] = {
    "lively": Delivery(rate=1.05, level=-19.0),
    "plain": Delivery(rate=1.0, level=-22.0),
    "dull": Delivery(rate=0.94, level=-26.0),
}


class Line(msgspec.Struct, frozen=True):
    """One sentence: who says it, the words, and the seconds of quiet that follow."""

    speaker: Literal["host", "guest"]
    text: str
    pause: float = 0.35
    mood: Mood = "plain"


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch about one thing. `reactions` are crowd noises after the last line, with their seconds."""

    name: str
    mood: Mood
    lines: tuple[Line, ...]
    reactions: tuple[tuple[Literal["applause", "laughter"], float], ...] = ()
    worth_clipping: bool = False
    reasons: tuple[str, ...] = ()


def _dull(speaker: Literal["host", "guest"], *texts: str) -> tuple[Line, ...]:
    return tuple(Line(speaker, text, pause=0.45, mood="dull") for text in texts)


def _lively(*texts: str | tuple[str, float]) -> tuple[Line, ...]:
    pairs = [(text, 0.35) if isinstance(text, str) else text for text in texts]
    return tuple(Line("guest", text, pause=pause, mood="lively") for text, pause in pairs)


PASSAGES: tuple[Passage, ...] = (
    Passage(
        name="welcome",
        mood="dull",
        lines=_dull(
            "host",
            "Good evening, and welcome back.",
            "Before we start, a few small things.",
            "The doors are open on the left.",
            "Coats can be left in the back room.",
            "Parking tickets are stamped at the front desk until nine.",
        ),
    ),
    Passage(
        name="number",
        mood="lively",
        worth_clipping=True,
        reasons=("It answers a question with a surprising number.", "It turns common sense around."),
        lines=(
            Line("host", "My guest has tested machines for thirty years."),
            Line("host", "How often do good people make a bad mistake?", pause=0.5),
            *_lively(
                "Here is a number that nobody believes.",
                ("We read four thousand reports.", 0.5),
                "Ninety percent of the mistakes were made by the best people in the room.",
                "Not the new people.",
                "The best people.",
                ("They were so sure that they never looked again.", 0.8),
            ),
        ),
    ),
    Passage(
        name="opinion",
        mood="lively",
        worth_clipping=True,
        reasons=("It states a strong opinion.", "The audience applauds."),
        lines=(
            Line("host", "So what should they do about it?", pause=0.5),
            *_lively(
                "I will say something that makes people angry.",
                ("Talent is not enough.", 0.6),
                "If your work can hurt someone, nobody should trust your memory.",
                "Write it down.",
                "Read it out loud.",
                ("Every single time, even when you feel silly.", 0.25),
            ),
        ),
        reactions=(("applause", 3.5),),
    ),
    Passage(
        name="rooms",
        mood="dull",
        lines=_dull(
            "guest",
            "We keep the reports in three different rooms.",
            "The first room is on the left, and it contains the papers.",
            "The second room is next to it, and it contains copies of the papers.",
            "Another room contains a list of the other two rooms.",
            "The papers are sorted by month, and then by name.",
        ),
    ),
    Passage(
        name="hammers",
        mood="lively",
        worth_clipping=True,
        reasons=("It tells a whole story with a payoff.", "It answers a question.", "The audience applauds for long."),
        lines=(
            Line("host", "Was there a day when a list helped you?", pause=0.6),
            Line("guest", "Yes, I remember that day."),
            Line("guest", "It was a cold morning, and we were late."),
            Line("guest", "Everybody was in a hurry."),
            Line("guest", "I was tired, and I jumped over one line.", pause=0.4),
            *_lively(
                "Then a young woman, on her very first day, put up her hand.",
                ("She asked, has anybody counted the hammers?", 0.6),
                "I was angry, but we counted.",
                ("One was missing.", 0.6),
                "We searched for an hour.",
                ("And do you know where it was?", 0.9),
                ("It was inside the engine.", 0.9),
                ("Eleven people came home that night because of one question.", 0.25),
            ),
        ),
        reactions=(("applause", 4.5),),
    ),
    Passage(
        name="mother",
        mood="lively",
        worth_clipping=True,
        reasons=("It ends in a joke.", "The audience laughs and applauds."),
        lines=(
            Line("host", "Do you use a list at home?", pause=0.5),
            *_lively(
                "My mother gave me the only list that I need.",
                ("It has three lines.", 0.45),
                "Take a deep breath.",
                "Get some sleep.",
                ("And please call your mother.", 0.7),
                ("I skipped the last line for one week.", 0.6),
                ("She sent the police.", 0.2),
            ),
        ),
        reactions=(("laughter", 3.0), ("applause", 2.5)),
    ),
    Passage(
        name="remember",
        mood="lively",
        worth_clipping=True,
        reasons=("It sums the talk up in one sentence.", "The audience applauds."),
        lines=(
            Line("host", "One last question.", pause=0.3),
            Line("host", "What should we all remember?", pause=0.6),
            *_lively(("Remember this.", 0.5), ("Never be too proud to count the hammers.", 0.25)),
        ),
        reactions=(("applause", 3.0),),
    ),
    Passage(
        name="goodbye",
        mood="dull",
        lines=_dull(
            "host",
            "Thank you, and good night.",
            "The next event is on Thursday at seven.",
            "Tickets are at the desk.",
            "Please take your cups with you when you leave, and close the door.",
        ),
    ),
)
