"""The films that are composed for measuring: who says what, what the room does, where everybody stands.

Words, voices and structure are others than those of the sample talk, on which framing and choice were developed.
"""

from typing import Literal

import msgspec

__all__ = ["FILMS", "Film", "Line", "Place", "film_named"]

Voice = Literal["rms", "awb", "slt", "kal16"]
Stage = Literal["side_by_side", "cut", "three", "walk", "screen", "stage", "music", "lecture", "comedy"]


class Line(msgspec.Struct, frozen=True):
    """One sentence; `after` are seconds of quiet, or of the room's noise named in `noise`."""

    who: str
    text: str
    after: float = 0.4
    noise: Literal["", "laughter", "applause"] = ""
    good: bool = False
    """Whether it belongs to the moment that deserves the clip."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a person stands: middle and top as shares of the picture's width and height, side of the portrait as a share of the height."""

    who: str
    look: Literal["host", "guest", "other"]
    centre: float
    top: float
    size: float
    walk: float = 0.0
    """Way to the right within the whole film and back, as a share of the width."""
    sway: float = 0.008


class Film(msgspec.Struct, frozen=True, kw_only=True):
    """One film to compose. People who are heard but have no place are out of the picture."""

    name: str
    stage: Stage
    voices: dict[str, Voice]
    lines: tuple[Line, ...]
    places: tuple[Place, ...]
    seconds: float = 0.0
    """Of a film without speech."""


def _lines(text: str) -> tuple[Line, ...]:
    """`name: words` a line; `+` first marks the good moment, `(laughter 2)` at the end what the room does after it."""
    found = []
    for row in map(str.strip, text.strip().splitlines()):
        good = row.startswith("+")
        who, said = row.lstrip("+ ").split(": ", 1)
        noise, after = "", 0.4
        if said.endswith(")"):
            said, _, tail = said.rpartition(" (")
            noise, seconds = tail.rstrip(")").split()
            after = float(seconds)
        if noise == "pause":
            noise = ""
        found.append(Line(who, said, after, noise, good))  # type: ignore[arg-type]  # checked by the films' own test
    return tuple(found)


_TWO = _lines(
    """
    ann: We are here with a man who repairs old clocks for a living.
    bob: That is right. I have a small shop near the harbour.
    ann: How many clocks do you have at home?
    bob: At home there are about forty of them.
  + ann: Did you ever break one that you could not repair?
  + bob: Yes. It was my first week, and it belonged to a widow.
  + bob: I dropped it down the stairs, and I cried like a child.
  + ann: And what did you tell her?
  + bob: I told her the truth. And she laughed at me.
  + bob: She said, that clock has been wrong for thirty years, now it is finally quiet.
    ann: And the shop is open on Saturday as well?
    bob: It is open on Saturday until noon.
    """
)

FILMS: tuple[Film, ...] = (
    Film(
        name="side_by_side",
        stage="side_by_side",
        voices={"ann": "slt", "bob": "rms"},
        lines=_TWO,
        places=(
            Place(who="ann", look="guest", centre=0.26, top=0.22, size=0.78),
            Place(who="bob", look="host", centre=0.74, top=0.22, size=0.78),
        ),
    ),
    Film(
        name="cut",
        stage="cut",
        voices={"ann": "slt", "bob": "awb"},
        lines=_lines(
            """
            ann: Today we talk about bread with a baker from the north.
            bob: Thank you. It is good to be back in the city.
          + ann: Why did you throw away your whole first batch?
          + bob: Because I had read the book and not the oven.
          + bob: Four hundred loaves, and every one of them was black.
          + ann: Four hundred? What did your father say?
          + bob: He took one, he broke it, and he said nothing for a minute.
          + bob: Then he said, now you know what the oven thinks.
          + ann: That is the best lesson I have ever heard.
            bob: We start at two in the morning, and we finish at ten.
            ann: And where can people buy it?
            bob: On the market, at the second stand.
            """
        ),
        places=(
            Place(who="ann", look="guest", centre=0.36, top=0.08, size=1.0),
            Place(who="bob", look="host", centre=0.64, top=0.08, size=1.0),
        ),
    ),
    Film(
        name="three",
        stage="three",
        voices={"ann": "slt", "bob": "rms", "cleo": "awb"},
        lines=_lines(
            """
            ann: Let us hear from both of you about the flood.
            bob: The water came at night, and nobody had warned us.
          + cleo: I had warned you. I wrote you four letters.
          + bob: You did, and I put every one of them in a drawer.
          + ann: Why did you never answer?
          + bob: Because I was afraid that you were right.
          + cleo: I would rather have been wrong. I lost my house.
          + bob: And I still have the letters. I read them every year.
            ann: We will come to the new plan for the river now.
            bob: The plan has three parts, and it is on the table.
            cleo: The second part is not finished yet.
            """
        ),
        places=(
            Place(who="ann", look="guest", centre=0.18, top=0.34, size=0.62),
            Place(who="bob", look="host", centre=0.5, top=0.34, size=0.62),
            Place(who="cleo", look="other", centre=0.82, top=0.34, size=0.62),
        ),
    ),
    Film(
        name="walk",
        stage="walk",
        voices={"ann": "slt"},
        lines=_lines(
            """
            ann: I am walking along the old wall of the town.
          + ann: My grandfather built a door into this wall, and nobody knew why.
          + ann: There is nothing behind it. Only more wall.
          + ann: When he was ninety I asked him what the door is for.
          + ann: And he said, one day somebody will need to believe there is another side.
          + ann: I open it every spring. It is still a wall. And it still works.
            ann: Further on there is the bakery, and then the bridge.
            ann: The bridge is closed on Mondays at the moment.
            """
        ),
        places=(Place(who="ann", look="guest", centre=0.2, top=0.2, size=0.8, walk=0.6, sway=0.004),),
    ),
    Film(
        name="screen",
        stage="screen",
        voices={"bob": "rms"},
        lines=_lines(
            """
            bob: On this page you see the list of the files.
            bob: I open the first file and I go to the second line.
          + bob: Here is the mistake that cost us a million dollars.
          + bob: One letter. Somebody wrote a small letter where a large one belongs.
          + bob: Six people read it, and nobody saw it, because everybody trusted the first one.
          + bob: Since that day I read every line from the end to the beginning.
            bob: Then we close the file and go back to the list.
            bob: The next file is the one with the settings.
            """
        ),
        places=(Place(who="bob", look="host", centre=0.885, top=0.66, size=0.34, sway=0.002),),
    ),
    Film(
        name="stage",
        stage="stage",
        voices={"cleo": "awb"},
        lines=_lines(
            """
            cleo: Thank you for coming. There are still some seats on the left.
          + cleo: The first ship I built sank in nine minutes.
          + cleo: The mayor was on it, and the brass band, and they kept playing.
          + cleo: I stood on the shore and I thought, at least they know the song.
          + cleo: Nobody was hurt. And the next morning I had three orders.
          + cleo: People do not trust the man who never failed. They trust the one who came back wet. (applause 4)
            cleo: The rest of the evening is in the paper that you have.
            cleo: After the break we will look at the plans of the harbour.
            """
        ),
        places=(Place(who="cleo", look="other", centre=0.42, top=0.3, size=0.42, sway=0.03),),
    ),
    Film(name="music", stage="music", voices={}, lines=(), places=(), seconds=36.0),
    Film(
        name="lecture",
        stage="lecture",
        voices={"bob": "rms", "ann": "slt"},
        lines=_lines(
            """
            bob: The next chapter is on page ninety, and it is about the winter.
            bob: There are three kinds of ice, and you can find them in the table.
            bob: Are there questions so far? Yes, please.
          + ann: Why does a lake freeze from the top and not from the bottom?
          + bob: Because water is the strangest thing we know.
          + bob: Everything else gets smaller when it gets cold. Water gets larger, just before it freezes.
          + bob: So the ice swims. And that is the only reason why you are alive.
          + bob: If ice were heavy, every sea would have died in the first winter.
            bob: We will come back to that in the second half of the term.
            bob: Please read the chapter until Thursday, without the last part.
            """
        ),
        places=(Place(who="bob", look="host", centre=0.3, top=0.2, size=0.8, sway=0.015),),
    ),
    Film(
        name="comedy",
        stage="comedy",
        voices={"ann": "slt"},
        lines=_lines(
            """
            ann: Hello. It is nice to be here. I came by train.
            ann: The train was on time, so there is nothing to say about it.
          + ann: My mother bought a robot that cleans the floor.
          + ann: She cleans the floor before it comes, because she is ashamed. (laughter 3)
          + ann: She gave it a name. She calls it by my name. (laughter 2.5)
          + ann: And last week she told me that the robot calls more often. (laughter 4)
            ann: So that was the thing with the robot.
            ann: I will be in the next town on Friday, and then in the one after that.
            """
        ),
        places=(Place(who="ann", look="guest", centre=0.55, top=0.16, size=0.86, sway=0.03),),
    ),
)
"""All films, in the order they are measured."""


def film_named(name: str) -> Film:
    """The film of that name. Raises KeyError naming those there are."""
    for film in FILMS:
        if film.name == name:
            return film
    raise KeyError(f"There is no film {name!r}; there are {', '.join(film.name for film in FILMS)}.")
