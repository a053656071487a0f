"""The documents that steps hand to each other: frozen msgspec structs, stored as JSON beside Parquet tables of numbers.

All times are seconds from the start of the source as floats, rounded to a millisecond where they are written; `Span` is
half open, `[start, end)`. Boxes are fractions of the picture (0 to 1, origin top left), so no consumer needs to know at
which size they were found.
"""

from cliply_resources.documents.audience import Audience, Chapter, ChatWindow, HeatmapPoint, ViewerMark
from cliply_resources.documents.brands import BrandKit, BrandPlan
from cliply_resources.documents.candidates import Candidate, Candidates, Ranking
from cliply_resources.documents.clips import (
    CameraMove,
    CaptionPlan,
    ClipSettings,
    Loudness,
    RenderSpec,
    UploadSettings,
)
from cliply_resources.documents.faces import FaceTrack, FaceTracks
from cliply_resources.documents.media import (
    AudioStream,
    MediaProxy,
    Origin,
    SourceMedia,
    SourceVideo,
    SubtitleStream,
    VideoStream,
)
from cliply_resources.documents.scenes import Scenes
from cliply_resources.documents.spans import Span
from cliply_resources.documents.transcript import Segment, Transcript, Word

__all__ = [
    "Audience",
    "AudioStream",
    "BrandKit",
    "BrandPlan",
    "CameraMove",
    "Candidate",
    "Candidates",
    "CaptionPlan",
    "Chapter",
    "ChatWindow",
    "ClipSettings",
    "FaceTrack",
    "FaceTracks",
    "HeatmapPoint",
    "Loudness",
    "MediaProxy",
    "Origin",
    "Ranking",
    "RenderSpec",
    "Scenes",
    "Segment",
    "SourceMedia",
    "SourceVideo",
    "Span",
    "SubtitleStream",
    "Transcript",
    "UploadSettings",
    "VideoStream",
    "ViewerMark",
    "Word",
]
