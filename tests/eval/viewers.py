"""Synthetic viewers of a labelled talk: comments that name moments, and a chat, with the noise that real ones have."""

import zlib

import numpy as np
from labelled import Labelled

from cliply_resources.documents import Audience, ViewerMark
from cliply_resources.media_tools.audience import chat_windows

__all__ = ["viewers_of"]

_COMMENTS = 4  # a moment
_STRAY = 6  # comments that name just any time
_CHAT_EVERY, _CHAT_BURST, _CHATTERS = 2.5, 12, 400  # s, people, accounts
_REACTS, _SPREAD = 6.0, 3.0  # s


def viewers_of(talk: Labelled, *, right: bool) -> Audience:
    """Viewers who mean the good moments (give or take seconds), or, not `right`, as many random places; always the same ones."""
    rng = np.random.default_rng(zlib.crc32(talk.name.encode()) + right)
    begins = [moment.span.start for moment in talk.moments]
    ends = [moment.span.end for moment in talk.moments]
    if not right:
        begins = list(rng.uniform(0, talk.duration - 30, len(begins)))
        ends = [begin + 30 for begin in begins]
    named = [begin + float(rng.normal(2, 4)) for begin in begins for _ in range(_COMMENTS)]
    named += list(rng.uniform(0, talk.duration, _STRAY))
    marks = tuple(
        ViewerMark(time=round(max(0.0, time), 3), viewer=number, likes=int(rng.geometric(0.2)) - 1, text="this one")
        for number, time in enumerate(named)
    )
    quiet = [(float(time), str(rng.integers(_CHATTERS))) for time in np.arange(1, talk.duration, _CHAT_EVERY)]
    loud = [
        (float(end + rng.normal(_REACTS, _SPREAD)), str(rng.integers(_CHATTERS)))
        for end in ends
        for _ in range(_CHAT_BURST)
    ]
    return Audience(marks=tuple(sorted(marks, key=lambda mark: mark.time)), chat=chat_windows([*quiet, *loud]))
