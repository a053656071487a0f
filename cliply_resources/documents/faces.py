"""Who is seen, where and when."""

import msgspec

from cliply_resources.documents.spans import Span

__all__ = ["FaceTrack", "FaceTracks"]


class FaceTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One face through one shot. `person` is the same in every shot that shows the same face."""

    track: int
    person: int
    span: Span
    samples: int
    mean_size: float
    """Mean face height as a fraction of the picture height."""


class FaceTracks(msgspec.Struct, frozen=True, kw_only=True):
    """`faces.json`; the boxes lie in `faces.parquet`.

    `faces.parquet` has one row a face and sampled frame, by time then track: `time` f64, `track` i32, `person` i32, `x` `y` `w`
    `h` f32 (fractions of the picture), `score` f32 (0 to 1), `mouth_motion` f32 (mean absolute change of the mouth region
    since the track's last sample, 0 to 1; 0 for the first).
    """

    detector: str
    frames_rate: float
    tracks: tuple[FaceTrack, ...]
    people: int
