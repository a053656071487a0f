"""How the camera is to behave."""

from dataclasses import dataclass

__all__ = ["DEFAULT_CAMERA", "CameraRules"]


@dataclass(frozen=True, kw_only=True)
class CameraRules:
    """What a good operator does, in numbers. Zones and speeds are fractions of the window's width (or height)."""

    dead_zone: float = 0.10
    """The face may be this far off its place, to either side, before the camera moves at all."""
    brief_zone: float = 0.22
    """And this far for a moment (a nod, a lean) that is over within about a second."""
    ease_seconds: float = 0.9
    """A short move takes this long; a viewer notices starts and stops of faster ones."""
    max_speed: float = 0.8
    """Widths a second; at 9:16 the window then crosses a 16:9 picture in 2.7 s."""
    near: float = 0.5
    """Two people closer than this are panned between; farther apart the picture jumps as at a cut."""
    confirm_seconds: float = 0.8
    """Nobody gets the picture for less than this."""
    switch_cost: float = 0.36
    """How much better the other person must look before a switch: a clear speaker (0.45 ahead) needs 0.8 s for it."""
    absent_seconds: float = 4.0
    """With nobody found for so long the whole picture is shown; before that the camera waits where it is."""
    bridge_seconds: float = 2.0
    """A detector that lost a face for so long was wrong; the person stays in place."""
    glimpse_seconds: float = 1.5
    """Somebody found for less than this between two stretches of nobody is a mistake, or passing by."""
    face_place: float = 0.4
    """Height of the face's middle in the window, from its top: head-room above, and room for captions below."""
    face_height: float = 0.14
    """A face smaller than this fraction of the window is brought closer, as far as sharpness allows."""
    max_upscale: float = 2.0
    """Bringing closer ends where one source pixel becomes this many across."""
    nearly_whole: float = 0.85
    """Where the window shows this much of the picture, nobody need be there: the middle serves better than blurred sides."""
    group_width: float = 0.85
    """People who fit into this much of the window together are shown together."""


DEFAULT_CAMERA = CameraRules()
