"""What publisher and viewers said about the moments of a video; who the viewers are is not kept."""

import msgspec

__all__ = ["Audience", "Chapter", "ChatWindow", "HeatmapPoint", "ViewerMark"]


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch that the publisher named."""

    start: float
    end: float
    title: str


class HeatmapPoint(msgspec.Struct, frozen=True, kw_only=True):
    """How often viewers replayed a stretch, 0 (least) to 1 (most of this video)."""

    start: float
    end: float
    value: float


class ViewerMark(msgspec.Struct, frozen=True, kw_only=True):
    """A moment that a viewer's comment names (“12:34 so funny”)."""

    time: float
    viewer: int
    """Tells viewers of one video apart, and says nothing else about them."""
    likes: int = 0
    text: str = ""
    """What the comment says besides times; untrusted, cleaned and short."""


class ChatWindow(msgspec.Struct, frozen=True, kw_only=True):
    """How many different people wrote in the chat between `start` and `end`; windows in which nobody did are left out."""

    start: float
    end: float
    chatters: int


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of a video's viewers; empty fields are unknown, not zero."""

    marks: tuple[ViewerMark, ...] = ()
    """By time."""
    chat: tuple[ChatWindow, ...] = ()
    """By time."""
    heatmap: tuple[HeatmapPoint, ...] = ()
    chapters: tuple[Chapter, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not (self.marks or self.chat or self.heatmap or self.chapters)
