"""What is done to the sound of a clip."""

import msgspec

from cliply_resources.documents.spans import Span

__all__ = ["MusicFile", "MusicPlan", "NoiseDecision", "NoiseReduction"]


class MusicFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stored piece of music that a user brought."""

    key: str
    sha256: str
    name: str
    """What its owner calls it."""
    integrated_lufs: float


class MusicPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Music under a clip: from its beginning, over and over where it is shorter, faded in and out."""

    sha256: str
    gain_db: float
    """What brings it to its level where nobody speaks."""
    duck_db: float
    """How much softer it is under speech."""
    said: tuple[Span, ...]
    """When somebody speaks, in seconds of the clip; breaths between words are part of it."""


class NoiseReduction(msgspec.Struct, frozen=True, kw_only=True):
    """A steady noise is made softer by `reduction_db`."""

    floor_db: float
    """Its level in dBFS, as if it were evenly spread."""
    reduction_db: float
    bands: tuple[int, ...]
    """By how many dB it is louder in each of 15 bands, from low to high."""


class NoiseDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether noise was reduced, and the figures that decided it; what was not measured is absent."""

    applied: bool
    says: str
    """A sentence."""
    snr_db: float | None = None
    """How far the speech stood above the noise."""
    snr_after_db: float | None = None
    """And with the noise reduced."""
    speech_change_db: float | None = None
    """By how much that makes the speech itself louder."""
